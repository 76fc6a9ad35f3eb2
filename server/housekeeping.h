// What the daemon looks after once a second: the token file, free space, the metrics file.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/metrics.h"
#include "server/principals.h"

namespace retrace::server {

struct HousekeepingOptions {
  std::string data_dir;
  std::string metrics_file;  // empty: not written
};

// Thread-safe. The destructor stops its thread.
class Housekeeping {
 public:
  // Looks at the free space at once; both references must outlive it.
  Housekeeping(HousekeepingOptions options, Principals& principals, Metrics& metrics);
  ~Housekeeping();
  Housekeeping(const Housekeeping&) = delete;
  Housekeeping& operator=(const Housekeeping&) = delete;

  // Starts the rounds; `collect` fills metrics before they are written. Call once.
  void Start(std::function<void()> collect);
  // True while commands are to be refused for want of space.
  bool disk_full() const { return disk_full_.load(std::memory_order_relaxed); }

 private:
  void Run();
  void LookAtDisk();
  void WriteMetrics();

  const HousekeepingOptions options_;
  Principals& principals_;
  Metrics& metrics_;
  std::function<void()> collect_;
  std::atomic<bool> disk_full_{false};
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace retrace::server
