// How the daemon ends. Service supervisors and scripts rely on these numbers.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "server/config.h"

namespace retrace::server {

enum class ExitCode {
  kOk = 0,
  kFailed = 1,       // none of the others
  kUsage = 2,        // command line, configuration or token file
  kLog = 3,          // the commit log is damaged, missing or failed while serving
  kWitness = 4,      // log and head witness differ; see `retraced accept-loss`
  kKeys = 5,         // the key store or the master key
  kRows = 6,         // the rows could not be read, written or rebuilt
  kInUse = 7,        // another process has the data directory open
  kDisk = 8,         // the disk is full
  kNewerFormat = 9,  // a newer build wrote this; use that one
  kAddress = 10,     // an address to listen on cannot be had
};

// The list for --help, a line each.
std::string ExitCodesHelp();

// Where the parts lie, to tell from an error's text whose it is.
struct PartPlaces {
  std::string key_directory;
  std::string master_key_file;
  std::string rows_directory;
};
PartPlaces PlacesOf(const Config& config);

// The code for an error of opening or running the storage.
ExitCode ExitCodeOf(const absl::Status& status, const PartPlaces& places);

}  // namespace retrace::server
