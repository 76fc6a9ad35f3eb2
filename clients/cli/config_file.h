#pragma once

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace retrace::cli {

// What a context of the configuration file sets; empty: not set.
struct ContextSettings {
  std::string endpoint;
  std::string tenant;
  std::string token;
  std::string token_file;
};

// The configuration file: named contexts and which one is current.
struct Configuration {
  std::string current;
  std::map<std::string, ContextSettings> contexts;
};

// `$RETRACE_CONFIG`, or `retrace/config.toml` below `$XDG_CONFIG_HOME` or `~/.config`. Empty when
// none of these variables is set.
std::string ConfigurationPath();

// Reads the file; a file that is not there is an empty configuration. INVALID_ARGUMENT, with file
// and line, when it is malformed; FileError (exit_codes.h) when it cannot be read.
absl::StatusOr<Configuration> ReadConfiguration(const std::string& path);

// Writes the file in one step, readable by its owner only (it may hold tokens); makes the folder.
absl::Status WriteConfiguration(const std::string& path, const Configuration& configuration);

// The token in a file: its first line. Errors name the file.
absl::StatusOr<std::string> ReadTokenFile(const std::string& path);

}  // namespace retrace::cli
