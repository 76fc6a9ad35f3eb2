// A commit log's RocksDB and its head witness, locked, opened and compared as the pair that they
// are.
#pragma once

#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventstore/files.h"
#include "eventstore/log_database.h"
#include "eventstore/rocks_commit_log.h"
#include "eventstore/witness.h"

namespace retrace::eventstore {

// What somebody opens a log for.
enum class Purpose {
  kServe,       // made when there is neither log nor witness
  kAcceptLoss,  // must exist; a damaged write-ahead log counts up to the damage
  kNewEpoch,    // must exist
};

struct LogAndWitness {
  // Before `log`, so that they are released after it.
  DirectoryLock log_lock;
  DirectoryLock witness_lock;
  std::unique_ptr<LogDatabase> log;
  WitnessContents witness;
  std::optional<LogEnd> end;  // nullopt: nothing was ever written
  bool salvaged = false;      // the write-ahead log was damaged; what follows the damage is lost
};

// Makes and locks both directories, reads the witness, opens the log. Compares nothing: see Agree.
// A log that must be there and is not is refused before anything is made.
absl::Status OpenBoth(const RocksCommitLogOptions& options, Purpose purpose, LogAndWitness& opened);

// The rule of design section 3: equal, or the log is one group ahead of the witness with the same
// predecessor. A log without commits has lost none, so its witness may be missing.
bool Agree(const LogAndWitness& opened);

// Both in words.
WitnessDifference DifferenceOf(const RocksCommitLogOptions& options, const LogAndWitness& opened);

// The same as a refusal that says what to do.
absl::Status RefuseDifference(const RocksCommitLogOptions& options, const LogAndWitness& opened);

// Writes the record that a fresh log begins with (number 0), or else an empty group that begins a
// new epoch, and after it the witness: a crash between the two leaves the log one group ahead.
// Returns the log's new end.
absl::StatusOr<LogEnd> BeginEpochIn(const RocksCommitLogOptions& options, LogAndWitness& opened);

}  // namespace retrace::eventstore
