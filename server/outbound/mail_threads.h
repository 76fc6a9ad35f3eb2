// Hands mail to the mail server, on threads of its own: libcurl blocks while the server thinks
// about a message that it has whole.
#pragma once

#include <atomic>
#include <deque>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/outbound/outbox.h"

namespace retrace::server {

// Thread-safe. Each thread keeps its connection for the next mail.
class MailThreads {
 public:
  explicit MailThreads(const OutboxOptions& options);
  ~MailThreads();

  void Send(OutgoingMail mail, SendDone done);

 private:
  using Waiting = std::pair<OutgoingMail, SendDone>;
  void Run();
  bool Wake() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return stopping_ || !queue_.empty(); }

  const OutboxOptions options_;
  std::atomic<bool> stopping_{false};
  absl::Mutex mutex_;
  std::deque<Waiting> queue_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
};

}  // namespace retrace::server
