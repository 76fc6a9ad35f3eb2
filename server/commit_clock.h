// Times of commits: strictly rising per tenant, never at or below what a query was told about, and
// refused when the server's clock jumped.
#pragma once

#include <cstdint>
#include <functional>

#include "absl/status/statusor.h"
#include "server/tenants.h"

namespace retrace::server {

// Thread-compatible: the deciding thread's.
class CommitClock {
 public:
  // Clocks in microseconds; null: the system's wall clock, and its boot-time clock (which goes on
  // while suspended).
  CommitClock(std::function<int64_t()> wall_us, std::function<int64_t()> monotonic_us);

  // The time for the tenant's next commit: max(clock, last + 1, floor + 1). CLOCK_JUMPED when that
  // is more than five minutes ahead of the last commit while wall and monotonic clock disagree.
  absl::StatusOr<int64_t> Stamp(Tenant& tenant);
  // Makes the stamped time the tenant's last. False when a query raised the floor to it meanwhile:
  // stamp and decide again.
  static bool Confirm(Tenant& tenant, int64_t time_us, eventstore::Position position);
  int64_t wall_us() const { return wall_us_(); }

 private:
  bool Jumped(int64_t wall);

  std::function<int64_t()> wall_us_;
  std::function<int64_t()> monotonic_us_;
  // Where the two clocks agreed last.
  int64_t wall_reference_ = 0;
  int64_t monotonic_reference_ = 0;
};

}  // namespace retrace::server
