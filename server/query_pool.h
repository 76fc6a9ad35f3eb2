// Threads that answer queries, behind a bounded queue.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace retrace::server {

// Thread-safe. The destructor runs what waits and joins the threads.
class QueryPool {
 public:
  QueryPool(size_t threads, size_t max_waiting);
  ~QueryPool();
  QueryPool(const QueryPool&) = delete;
  QueryPool& operator=(const QueryPool&) = delete;

  // Hands over a piece of work; false when too much waits already: then it is not run. Work checks
  // its own deadline when its turn comes.
  bool Run(std::function<void()> work);

  size_t waiting() const;

 private:
  void Serve();
  bool HasWorkOrStops() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || !queue_.empty();
  }

  const size_t max_waiting_;
  mutable absl::Mutex mutex_;
  std::deque<std::function<void()>> queue_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace retrace::server
