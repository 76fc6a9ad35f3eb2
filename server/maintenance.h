// What `retraced` does besides serving: each is one call that prints to standard output and says on
// standard error why it failed.
#pragma once

#include <string>

#include "server/config.h"
#include "server/exit_codes.h"

namespace retrace::server {

// Makes a data directory: master key, token file, and a first principal `root` who may do
// everything in every tenant; its token is written to DIRECTORY/root.token and printed. Refuses a
// directory that has one of them.
ExitCode InitDirectory(const std::string& directory);

// Takes the log as it is although the head witness disagrees, begins a new epoch and records it.
// When they agree it says so and changes nothing: kOk.
ExitCode AcceptLoss(const Config& config);

struct RecoverArguments {
  std::string from;             // the backup
  std::string keys;             // the backup of the keys
  std::string master_key_file;  // that the keys were made with
  std::string to;               // new data directory
};
// Makes a data directory from a backup: verified, in a new epoch, rows rebuilt. The token file is
// not part of a backup; a new one is made as InitDirectory does.
ExitCode Recover(const RecoverArguments& arguments);

// Asks the daemon of the configuration whether it serves: kOk when it does, kFailed when not.
ExitCode CheckHealth(const Config& config);

}  // namespace retrace::server
