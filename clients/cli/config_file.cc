#include "clients/cli/config_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <toml++/toml.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "clients/cli/exit_codes.h"

namespace retrace::cli {
namespace {

namespace fs = std::filesystem;

std::string Variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

absl::Status Failed(absl::string_view what, const std::string& path) {
  return FileError(absl::StrCat(what, " ", path, ": ", std::strerror(errno)));
}

absl::StatusOr<std::string> ReadWhole(const std::string& path) {
  if (fs::is_directory(path)) errno = EISDIR;
  std::ifstream file;
  if (!fs::is_directory(path)) file.open(path, std::ios::binary);
  if (!file.is_open()) return Failed("cannot read", path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

ContextSettings FromTable(const toml::table& table) {
  return {.endpoint = table["endpoint"].value_or(std::string()),
          .tenant = table["tenant"].value_or(std::string()),
          .token = table["token"].value_or(std::string()),
          .token_file = table["token_file"].value_or(std::string())};
}

toml::table ToTable(const ContextSettings& settings) {
  toml::table table;
  if (!settings.endpoint.empty()) table.insert("endpoint", settings.endpoint);
  if (!settings.tenant.empty()) table.insert("tenant", settings.tenant);
  if (!settings.token.empty()) table.insert("token", settings.token);
  if (!settings.token_file.empty()) table.insert("token_file", settings.token_file);
  return table;
}

// The file has its mode before it has its content.
absl::Status WritePrivate(const std::string& path, const std::string& text) {
  const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0) return Failed("cannot write", path);
  size_t written = 0;
  bool ok = ::fchmod(file, 0600) == 0;
  while (ok && written < text.size()) {
    const ssize_t count = ::write(file, text.data() + written, text.size() - written);
    ok = count > 0;
    if (ok) written += static_cast<size_t>(count);
  }
  ok = ok && ::fsync(file) == 0;
  const absl::Status status = ok ? absl::OkStatus() : Failed("cannot write", path);
  ::close(file);
  return status;
}

}  // namespace

std::string ConfigurationPath() {
  if (const std::string path = Variable("RETRACE_CONFIG"); !path.empty()) return path;
  if (const std::string home = Variable("XDG_CONFIG_HOME"); !home.empty()) {
    return absl::StrCat(home, "/retrace/config.toml");
  }
  const std::string home = Variable("HOME");
  return home.empty() ? "" : absl::StrCat(home, "/.config/retrace/config.toml");
}

absl::StatusOr<Configuration> ReadConfiguration(const std::string& path) {
  std::error_code ignored;
  if (path.empty() || !fs::exists(path, ignored)) return Configuration();
  absl::StatusOr<std::string> text = ReadWhole(path);
  if (!text.ok()) return text.status();
  Configuration configuration;
  try {
    const toml::table root = toml::parse(*text, path);
    configuration.current = root["current"].value_or(std::string());
    if (const toml::table* contexts = root["contexts"].as_table()) {
      for (const auto& [name, value] : *contexts) {
        if (const toml::table* table = value.as_table()) {
          configuration.contexts[std::string(name.str())] = FromTable(*table);
        }
      }
    }
  } catch (const toml::parse_error& error) {
    return absl::InvalidArgumentError(absl::StrCat(path, ", line ", error.source().begin.line, ": ",
                                                   std::string(error.description())));
  }
  return configuration;
}

absl::Status WriteConfiguration(const std::string& path, const Configuration& configuration) {
  if (path.empty()) {
    return absl::InvalidArgumentError("there is no home directory; set RETRACE_CONFIG");
  }
  toml::table root;
  if (!configuration.current.empty()) root.insert("current", configuration.current);
  toml::table contexts;
  for (const auto& [name, settings] : configuration.contexts) {
    contexts.insert(name, ToTable(settings));
  }
  root.insert("contexts", contexts);
  std::ostringstream text;
  text << root << '\n';
  const fs::path folder = fs::path(path).parent_path();
  std::error_code error;
  if (!folder.empty() && fs::create_directories(folder, error)) {
    fs::permissions(folder, fs::perms::owner_all, error);
  }
  const std::string fresh = absl::StrCat(path, ".", ::getpid(), ".new");
  if (absl::Status status = WritePrivate(fresh, text.str()); !status.ok()) return status;
  if (std::rename(fresh.c_str(), path.c_str()) != 0) {
    const absl::Status status = Failed("cannot replace", path);
    ::unlink(fresh.c_str());
    return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadTokenFile(const std::string& path) {
  absl::StatusOr<std::string> text = ReadWhole(path);
  if (!text.ok()) return text.status();
  std::string token(absl::StripAsciiWhitespace(text->substr(0, text->find('\n'))));
  if (token.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("the token file ", path, " is empty"));
  }
  const bool is_word =
      std::all_of(token.begin(), token.end(), [](char c) { return absl::ascii_isgraph(c); });
  if (!is_word) {
    return absl::InvalidArgumentError(
        absl::StrCat("the first line of ", path, " is no token: it is one word"));
  }
  return token;
}

}  // namespace retrace::cli
