// The sweeper: what was purged leaves the files, soon after it left the answers.
#pragma once

#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/ledger.h"

namespace retrace::server {

// Sweeps rows and keys on a thread of its own whenever something waits for it, and rests after each
// sweep ten times as long as that took: sweeping never takes more than a tenth of a core.
class Sweeper {
 public:
  // `on_failure` is called once, on that thread, when storage failed. The ledger must outlive it.
  Sweeper(Ledger& ledger, std::function<void(const absl::Status&)> on_failure);
  ~Sweeper();
  Sweeper(const Sweeper&) = delete;
  Sweeper& operator=(const Sweeper&) = delete;

 private:
  void Run();
  absl::Status Sweep();

  Ledger& ledger_;
  const std::function<void(const absl::Status&)> on_failure_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

// How long the oldest removal has waited to leave the files; zero when none waits.
absl::Duration OldestRemovalAge(const Ledger& ledger);

}  // namespace retrace::server
