// The commit log on a local RocksDB, with a head witness beside it.
//
// Layout of the bytes: see eventstore/README.md. RocksDB settings and their reasons: design
// section 3.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "eventstore/commit_log.h"

namespace rocksdb {
class Env;
}

namespace retrace::eventstore {

struct RocksCommitLogOptions {
  // Directory of the RocksDB; made when missing.
  std::string directory;
  // Directory of the witness file, not the same as `directory`, best on another disk; made when
  // missing.
  std::string witness_directory;
  // Called once, from the appending thread, when a write or sync of log or witness failed, before
  // Append answers kUnknown. The daemon's exits the process with a named code. Never null.
  std::function<void(const absl::Status&)> on_failure;
  // For tests: another file system. Null: the default one. Must outlive the log. The witness file
  // goes through it, too.
  rocksdb::Env* env = nullptr;
};

// What a look at log and witness found when they do not agree.
struct WitnessDifference {
  uint64_t log_batch = 0;      // number of the log's last batch, 0: none
  uint64_t witness_batch = 0;  // number of the witness' last batch, 0: none or unreadable
  std::string description;     // both, in words
};

// See CommitLog for the contract and thread-safety.
class RocksCommitLog : public CommitLog {
 public:
  // Opens or creates. Locks the directory against a second process. Fails with
  // FAILED_PRECONDITION: another process has it open; or log and witness differ (the message prints
  // both and names
  //   `retraced accept-loss`); or a commit needs a newer reader.
  // DATA_LOSS: RocksDB found corruption; the message names file and next step.
  static absl::StatusOr<std::unique_ptr<RocksCommitLog>> Open(RocksCommitLogOptions options);

  // Continues a log whose witness disagrees: takes the log as it is, begins a new epoch, writes a
  // new witness. Returns what was accepted; the caller records it in tenant `system`. nullopt when
  // both agree: nothing was lost, and nothing is changed. The log must not be open.
  static absl::StatusOr<std::optional<WitnessDifference>> AcceptLoss(RocksCommitLogOptions options);

  // Begins a new epoch in a log that is not open (recover). Returns it.
  static absl::StatusOr<Epoch> BeginEpoch(RocksCommitLogOptions options);

  // Writes a consistent, openable copy of the log into `directory`, which must not exist. Synced;
  // opened, and every tenant's last commit found, before OK is returned; what lies before those is
  // not read. Serving goes on meanwhile. The copy holds everything that was durable when the call
  // began.
  virtual absl::Status Checkpoint(const std::string& directory) const = 0;

  // Reads every commit of every tenant and checks sums, positions and batch chain. OK or DATA_LOSS
  // with the place.
  virtual absl::Status Verify() const = 0;
};

}  // namespace retrace::eventstore
