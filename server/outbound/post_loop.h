// Posts to webhooks' endpoints, many at once on one thread.
#pragma once

#include <curl/curl.h>

#include <deque>
#include <map>
#include <memory>
#include <string>
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
  // One host and port.
  struct Host {
    std::deque<Transfer> waiting;
    size_t under_way = 0;
    bool in_turn = false;  // in turn_
  };
  using Hosts = std::map<std::string, Host>;

  void Run();
  bool TakeIncoming();  // false: stop
  void Queue(Transfer transfer);
  void GiveTurn(Hosts::iterator host);
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
  Hosts hosts_;
  std::deque<Hosts::iterator> turn_;  // hosts with something that may start now
  std::map<CURL*, Transfer> under_way_;
  std::thread thread_;
};

}  // namespace retrace::server
