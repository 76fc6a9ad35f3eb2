#include "server/clock.h"

#include <time.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "absl/time/clock.h"
#include "domain/status_macros.h"
#include "eventstore/files.h"
#include "eventstore/rocks_status.h"
#include "fmt/format.h"
#include "google/protobuf/text_format.h"
#include "retrace/store/v1/clock.pb.h"

namespace retrace::server {
namespace {

// Longer than it takes from one Save to the next.
constexpr int64_t kServesOnUs = 600LL * 1'000'000;

int64_t BootTimeMicros() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return now.tv_sec * 1'000'000 + now.tv_nsec / 1000;
}

absl::Status OtherClock(const std::string& directory, bool test) {
  return absl::FailedPreconditionError(
      test ? fmt::format("{} was served by the system's clock; a test clock needs a directory that "
                         "never was: make one with `retraced init`",
                         directory)
           : fmt::format("{} is served by a test clock, and times in it are made up; serve it with "
                         "--test-clock, or another directory without",
                         directory));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Clock>> Clock::Open(const std::string& data_directory, bool test) {
  const std::string file = data_directory + "/clock";
  store::v1::ClockFile kept;
  const bool was_served = std::filesystem::exists(data_directory + "/log");
  if (was_served && std::filesystem::exists(file)) {
    std::string text;
    RETRACE_RETURN_IF_ERROR(eventstore::FromRocks(
        eventstore::ReadWholeFile(eventstore::EnvOrDefault(nullptr), file, &text),
        "reading " + file, ""));
    if (!google::protobuf::TextFormat::ParseFromString(text, &kept)) {
      return absl::FailedPreconditionError(fmt::format(
          "{} is damaged; it says whether a test clock is used: write `test: true` or `test: false`"
          " into it",
          file));
    }
  }
  if (was_served && kept.test() != test) {
    return OtherClock(data_directory, test);
  }
  std::unique_ptr<Clock> clock(new Clock(file, test, kept.advanced_us(), kept.uptime_us()));
  // It ended before this one began.
  const int64_t now_us = clock->WallMicros();
  clock->unrecorded_until_us_ =
      kept.unrecorded_until_us() == 0 ? now_us : std::min(kept.unrecorded_until_us(), now_us);
  RETRACE_RETURN_IF_ERROR(clock->Save());
  return clock;
}

Clock::Clock(std::string file, bool test, int64_t advanced_us, int64_t uptime_us)
    : file_(std::move(file)),
      test_(test),
      advanced_us_(advanced_us),
      uptime_before_us_(uptime_us),
      opened_us_(MonotonicMicros()) {}

int64_t Clock::WallMicros() const { return absl::GetCurrentTimeNanos() / 1000 + advanced_us_; }

int64_t Clock::MonotonicMicros() const { return BootTimeMicros() + advanced_us_; }

int64_t Clock::UptimeMicros() const { return uptime_before_us_ + MonotonicMicros() - opened_us_; }

absl::Status Clock::Advance(int64_t microseconds) {
  if (!test_) {
    return absl::FailedPreconditionError("the system's clock is not moved");
  }
  absl::MutexLock lock(&mutex_);
  const int64_t advanced_us = advanced_us_ + microseconds;
  RETRACE_RETURN_IF_ERROR(Write(advanced_us, WallMicros() + microseconds + kServesOnUs));
  advanced_us_ = advanced_us;
  return absl::OkStatus();
}

absl::Status Clock::Save() {
  absl::MutexLock lock(&mutex_);
  return Write(advanced_us_, WallMicros() + kServesOnUs);
}

absl::Status Clock::End() {
  absl::MutexLock lock(&mutex_);
  return Write(advanced_us_, unrecorded_until_us_);
}

absl::Status Clock::Write(int64_t advanced_us, int64_t unrecorded_until_us) {
  store::v1::ClockFile kept;
  kept.set_test(test_);
  kept.set_advanced_us(advanced_us);
  kept.set_uptime_us(UptimeMicros());
  kept.set_unrecorded_until_us(unrecorded_until_us);
  std::string text;
  google::protobuf::TextFormat::PrintToString(kept, &text);
  return eventstore::FromRocks(
      eventstore::ReplaceFile(eventstore::EnvOrDefault(nullptr), file_, text), "writing " + file_,
      "");
}

}  // namespace retrace::server
