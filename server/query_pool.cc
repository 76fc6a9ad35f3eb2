#include "server/query_pool.h"

#include <utility>

namespace retrace::server {

QueryPool::QueryPool(size_t threads, size_t max_waiting) : max_waiting_(max_waiting) {
  threads_.reserve(threads);
  for (size_t i = 0; i < threads; ++i) {
    threads_.emplace_back([this] { Serve(); });
  }
}

QueryPool::~QueryPool() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  for (std::thread& thread : threads_) {
    thread.join();
  }
}

bool QueryPool::Run(std::function<void()> work) {
  absl::MutexLock lock(&mutex_);
  if (stopping_ || queue_.size() >= max_waiting_) {
    return false;
  }
  queue_.push_back(std::move(work));
  return true;
}

size_t QueryPool::waiting() const {
  absl::MutexLock lock(&mutex_);
  return queue_.size();
}

void QueryPool::Serve() {
  while (true) {
    std::function<void()> work;
    {
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &QueryPool::HasWorkOrStops));
      if (queue_.empty()) {
        return;
      }
      work = std::move(queue_.front());
      queue_.pop_front();
    }
    work();
  }
}

}  // namespace retrace::server
