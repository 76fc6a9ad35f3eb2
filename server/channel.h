// A bounded queue of groups between two stages of the sequencer.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace retrace::server {

// Thread-safe; one thread takes.
template <typename Group>
class Channel {
 public:
  explicit Channel(size_t capacity) : capacity_(capacity) {}
  void Put(Group group) {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(this, &Channel::HasRoom));
    groups_.push_back(std::move(group));
  }
  // Nothing when closed and empty. The stage calls Done when it is through with the group.
  std::optional<Group> Take() {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(this, &Channel::HasWork));
    if (groups_.empty()) return std::nullopt;
    Group group = std::move(groups_.front());
    groups_.pop_front();
    busy_ = true;
    return group;
  }
  void Done() {
    absl::MutexLock lock(&mutex_);
    busy_ = false;
  }
  void Close() {
    absl::MutexLock lock(&mutex_);
    closed_ = true;
  }
  // Blocks until everything put so far is through.
  void AwaitIdle() {
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(this, &Channel::Idle));
  }

 private:
  bool HasRoom() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return groups_.size() < capacity_; }
  bool HasWork() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return !groups_.empty() || closed_; }
  bool Idle() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return groups_.empty() && !busy_; }

  const size_t capacity_;
  absl::Mutex mutex_;
  std::deque<Group> groups_ ABSL_GUARDED_BY(mutex_);
  bool busy_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace retrace::server
