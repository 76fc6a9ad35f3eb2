// One request on a connection and its answer.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/http/message.h"

namespace retrace::server::http {

class Connection;
class OpenExchanges;

// Thread-safe. Its holder answers once: by Send, or by Begin, any number of Write, and End. An
// exchange that is let go without an answer answers 500 by itself. When the client has gone,
// answers go nowhere.
class Exchange {
 public:
  Exchange(Request request, std::shared_ptr<Connection> connection, OpenExchanges& open);
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  const Request& request() const { return request_; }

  void Send(Reply reply);
  // The head of a reply of unknown length; its body is left out.
  void Begin(Reply head);
  // Calls `done` on one of the server's threads when the bytes were handed to the system; false:
  // the client is gone. Not to be called again before.
  void Write(std::string bytes, std::function<void(bool ok)> done);
  void End();

  // Runs the work on the connection's thread, one at a time.
  void Run(std::function<void()> work);
  // Called when the client goes away before the answer was written; at once when it has.
  void OnGone(std::function<void()> gone);

  // For the connection.
  void Gone();

 private:
  const Request request_;
  std::shared_ptr<Connection> connection_;
  OpenExchanges& open_;
  std::atomic<bool> answered_{false};
  absl::Mutex mutex_;
  bool is_gone_ ABSL_GUARDED_BY(mutex_) = false;
  std::function<void()> on_gone_ ABSL_GUARDED_BY(mutex_);
};
using ExchangePtr = std::shared_ptr<Exchange>;

// Answers a request, now or later. Called on one of the server's threads: must not block.
using Handler = std::function<void(ExchangePtr)>;

// Counts the exchanges that somebody holds. Thread-safe.
class OpenExchanges {
 public:
  void Add();
  void Remove();
  void AwaitNone();

 private:
  absl::Mutex mutex_;
  int open_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace retrace::server::http
