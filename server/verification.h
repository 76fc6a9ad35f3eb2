// Verification: is what is served what the log says?
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "eventstore/disk_space.h"
#include "server/ledger.h"

namespace retrace::server {

struct Verification {
  uint64_t commits = 0;                  // checked
  std::vector<std::string> differences;  // in words; none: nothing differs
};

// Told how far it is: commits done, commits there are. An error ends the verification.
using VerificationProgress = std::function<absl::Status(uint64_t done, uint64_t total)>;

// Reads the whole log and checks every sum and chain, rebuilds all rows up to what is visible now
// in a scratch directory below `scratch`, and compares tenant by tenant: the content digest as of
// that position, and, where nothing was written meanwhile, the full digest. Commands and queries go
// on. An error means that it could not be done, not that something differs: DISK_FULL when it would
// take space from the log. Thread-safe.
absl::StatusOr<Verification> VerifyRows(Ledger& ledger, const std::string& scratch,
                                        const VerificationProgress& progress,
                                        const eventstore::StatVfs& stat_vfs = ::statvfs);

}  // namespace retrace::server
