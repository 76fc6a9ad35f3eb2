// The daemon's one source of time for what is stored and for what falls due: times of commits,
// expiry of tokens, retention, timers. Deadlines of calls and measurements use the system's clock.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"

namespace retrace::server {

// The clock of one data directory, which keeps in a file (`clock`) how long it was served, up to
// when and, of a test clock, how far it was advanced. Thread-safe.
class Clock {
 public:
  // Opens or makes it. A directory is served by the system's clock or by a test clock for good:
  // FAILED_PRECONDITION when it was served by the other. A directory with a log but without the
  // file was served by the system's.
  static absl::StatusOr<std::unique_ptr<Clock>> Open(const std::string& data_directory, bool test);

  // Microseconds since 1970.
  int64_t WallMicros() const;
  // Microseconds that only rise and do not jump when somebody sets the wall clock.
  int64_t MonotonicMicros() const;
  // How long the directory was served, all starts together; of a crash the last minute may be
  // missing.
  int64_t UptimeMicros() const;
  // Up to when an earlier start may have done things outside that no event tells of, by
  // WallMicros: until it was killed, at the latest. Nothing such was done later, or by a start that
  // ended in order.
  int64_t UnrecordedUntilMicros() const { return unrecorded_until_us_; }

  bool is_test() const { return test_; }
  // Moves a test clock ahead; durable before anything sees it. FAILED_PRECONDITION for another.
  absl::Status Advance(int64_t microseconds);
  // Makes the uptime durable. To be called every few minutes.
  absl::Status Save();
  // The same, for the last time: everything that was done is recorded.
  absl::Status End();

 private:
  Clock(std::string file, bool test, int64_t advanced_us, int64_t uptime_us);
  absl::Status Write(int64_t advanced_us, int64_t unrecorded_until_us)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const std::string file_;
  const bool test_;
  std::atomic<int64_t> advanced_us_;
  const int64_t uptime_before_us_;
  const int64_t opened_us_;  // by MonotonicMicros
  int64_t unrecorded_until_us_ = 0;
  absl::Mutex mutex_;  // one writer of the file at a time
};

}  // namespace retrace::server
