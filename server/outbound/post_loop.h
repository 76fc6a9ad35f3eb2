// Posts to webhooks' endpoints, many at once on one thread.
#pragma once

#include <curl/curl.h>

#include <deque>
#include <map>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/outbound/outbox.h"

namespace retrace::server {

class PostTransfer;

// Thread-safe.
class PostLoop {
 public:
  explicit PostLoop(OutboxOptions options);
  ~PostLoop();

  void Send(OutgoingPost post, SendDone done);

 private:
  using Transfer = std::unique_ptr<PostTransfer>;

  void Run();
  bool TakeIncoming();  // false: stop
  void Queue(Transfer transfer);
  void StartWhatMayStart();
  // True when some ended, so that others may start.
  bool TakeEnded();
  void Stop();

  const OutboxOptions options_;
  CURLM* const multi_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Transfer> incoming_ ABSL_GUARDED_BY(mutex_);
  // Of the thread.
  std::deque<Transfer> waiting_;
  std::map<CURL*, Transfer> under_way_;
  std::thread thread_;
};

}  // namespace retrace::server
