// Walks one tenant's commits in a range of positions, forwards or backwards.
#pragma once

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "eventstore/commit_log.h"

namespace retrace::server {

// Thread-compatible. The log must outlive it.
class LogWalk {
 public:
  // From `first` to `last`, both included; `last` must be durable.
  LogWalk(const eventstore::CommitLog& log, eventstore::TenantNumber tenant,
          eventstore::Position first, eventstore::Position last, bool backwards);

  // The next commit, null at the end; it lasts until the next call. DATA_LOSS when one is damaged
  // or missing.
  absl::StatusOr<const eventstore::StoredCommit*> Next();

 private:
  absl::Status ReadForwards();
  absl::Status ReadBackwards();

  const eventstore::CommitLog& log_;
  const eventstore::TenantNumber tenant_;
  eventstore::Position first_;  // what was not read yet
  eventstore::Position last_;
  const bool backwards_;
  std::vector<eventstore::StoredCommit> read_;  // in the order of the walk
  size_t taken_ = 0;
  size_t chunk_ = 64;  // commits that are read at once backwards
};

// The first position from 1 to `last` with a commit time at or after `time_us`; last + 1 when there
// is none.
absl::StatusOr<eventstore::Position> FirstPositionFrom(const eventstore::CommitLog& log,
                                                       eventstore::TenantNumber tenant,
                                                       eventstore::Position last, int64_t time_us);

}  // namespace retrace::server
