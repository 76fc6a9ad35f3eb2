#include "server/commit_clock.h"

#include <time.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/time/clock.h"
#include "domain/refusal.h"

namespace retrace::server {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kMostAhead = 300 * kSecond;
// A drift below this is the clock being disciplined; the reference follows it.
constexpr int64_t kHarmlessDrift = 1 * kSecond;

int64_t BootTimeMicros() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return now.tv_sec * kSecond + now.tv_nsec / 1000;
}

}  // namespace

CommitClock::CommitClock(std::function<int64_t()> wall_us, std::function<int64_t()> monotonic_us)
    : wall_us_(wall_us ? std::move(wall_us) : [] { return absl::GetCurrentTimeNanos() / 1000; }),
      monotonic_us_(monotonic_us ? std::move(monotonic_us) : BootTimeMicros),
      wall_reference_(wall_us_()),
      monotonic_reference_(monotonic_us_()) {}

bool CommitClock::Jumped(int64_t wall) {
  const int64_t monotonic = monotonic_us_();
  const int64_t drift = (wall - wall_reference_) - (monotonic - monotonic_reference_);
  if (std::abs(drift) < kHarmlessDrift) {
    wall_reference_ = wall;
    monotonic_reference_ = monotonic;
    return false;
  }
  return true;
}

absl::StatusOr<int64_t> CommitClock::Stamp(Tenant& tenant) {
  const int64_t wall = wall_us_();
  const bool jumped = Jumped(wall);
  absl::MutexLock lock(&tenant.clock_mutex);
  const Tenant::Clock& clock = tenant.clock;
  const int64_t time = std::max({wall, clock.last_us + 1, clock.floor_us + 1});
  if (jumped && clock.last_us > 0 && time > clock.last_us + kMostAhead) {
    return domain::Refusal(v1::CLOCK_JUMPED,
                           "The server's wall clock jumped ahead of its monotonic clock; commits "
                           "would carry a wrong time.")
        .Next("Ask the operator to set the clock right and restart the server.");
  }
  return time;
}

bool CommitClock::Confirm(Tenant& tenant, int64_t time_us, eventstore::Position position) {
  absl::MutexLock lock(&tenant.clock_mutex);
  if (tenant.clock.floor_us >= time_us) return false;
  tenant.clock.last_us = time_us;
  tenant.clock.decided = position;
  return true;
}

}  // namespace retrace::server
