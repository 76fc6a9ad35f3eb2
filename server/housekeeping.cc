#include "server/housekeeping.h"

#include <utility>

#include "absl/time/time.h"
#include "eventstore/disk_space.h"
#include "server/logging.h"

namespace retrace::server {
namespace {

constexpr absl::Duration kRound = absl::Seconds(1);
constexpr int kRoundsPerMetrics = 5;

}  // namespace

Housekeeping::Housekeeping(HousekeepingOptions options, Principals& principals, Metrics& metrics)
    : options_(std::move(options)), principals_(principals), metrics_(metrics) {
  LookAtDisk();
}

Housekeeping::~Housekeeping() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) {
    thread_.join();
  }
}

void Housekeeping::Start(std::function<void()> collect) {
  collect_ = std::move(collect);
  thread_ = std::thread([this] { Run(); });
}

void Housekeeping::Run() {
  for (int round = 0;; ++round) {
    principals_.Look();
    LookAtDisk();
    if (round % kRoundsPerMetrics == 0) {
      WriteMetrics();
    }
    absl::MutexLock lock(&mutex_);
    if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), kRound)) {
      return;
    }
  }
}

void Housekeeping::LookAtDisk() {
  const absl::StatusOr<eventstore::DiskSpace> space = eventstore::FreeSpace(options_.data_dir);
  if (!space.ok()) {
    const std::string fault(space.status().message());
    Log(LogLevel::kError, "free space is not known", {{"fault", fault}});
    return;
  }
  metrics_.Set("retrace_free_bytes", "Free space where the log lies.",
               static_cast<double>(space->free_bytes));
  const bool full = space->BelowReserve();
  if (disk_full_.exchange(full, std::memory_order_relaxed) != full) {
    Log(full ? LogLevel::kError : LogLevel::kInfo,
        full ? "free space is below the reserve: commands are refused"
             : "free space is above the reserve again",
        {{"free_bytes", static_cast<int64_t>(space->free_bytes)},
         {"reserve_bytes", static_cast<int64_t>(space->reserve_bytes)}});
  }
}

void Housekeeping::WriteMetrics() {
  if (options_.metrics_file.empty()) {
    return;
  }
  if (collect_ != nullptr) {
    collect_();
  }
  if (const absl::Status written = metrics_.WriteFile(options_.metrics_file); !written.ok()) {
    const std::string fault(written.message());
    Log(LogLevel::kWarn, "metrics are not written", {{"fault", fault}});
  }
}

}  // namespace retrace::server
