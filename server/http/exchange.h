// One request on a connection and its answer.
#pragma once

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/http/message.h"

namespace retrace::server::http {

class Connection;
class OpenExchanges;

// How many bytes of large things are held at once. Thread-safe.
class ByteAccount {
 public:
  explicit ByteAccount(size_t max) : max_(max) {}
  // False when it would become more than the bound; nothing is taken then.
  bool Take(size_t bytes) {
    if (held_.fetch_add(bytes) + bytes <= max_) {
      return true;
    }
    held_ -= bytes;
    return false;
  }
  // More than the bound, if need be.
  void TakeAnyway(size_t bytes) { held_ += bytes; }
  void GiveBack(size_t bytes) { held_ -= bytes; }
  bool HasRoomFor(size_t bytes) const { return held_ + bytes <= max_; }

 private:
  const size_t max_;
  std::atomic<size_t> held_{0};
};

// A share of an account, which must outlive it; given back when it ends. Thread-compatible.
class HeldBytes {
 public:
  HeldBytes() = default;
  // Takes them, whether the account has them or not.
  HeldBytes(ByteAccount& account, size_t bytes) : account_(&account), bytes_(bytes) {
    account.TakeAnyway(bytes);
  }
  ~HeldBytes() { GiveBack(); }
  HeldBytes(HeldBytes&& other) noexcept { *this = std::move(other); }
  HeldBytes& operator=(HeldBytes&& other) noexcept {
    GiveBack();
    account_ = other.account_;
    bytes_ = std::exchange(other.bytes_, 0);
    return *this;
  }

  // False when the account has no more. Always of the same account.
  bool GrowTo(ByteAccount& account, size_t bytes) {
    account_ = &account;
    if (bytes > bytes_ && !account.Take(bytes - bytes_)) {
      return false;
    }
    bytes_ = std::max(bytes_, bytes);
    return true;
  }

 private:
  void GiveBack() {
    if (bytes_ > 0) account_->GiveBack(std::exchange(bytes_, 0));
  }
  ByteAccount* account_ = nullptr;
  size_t bytes_ = 0;
};

// Thread-safe. Its holder answers once: by Send, or by Begin, any number of Write, and End. An
// exchange that is let go without an answer answers 500 by itself, one without the end of its
// answer closes the connection. When the client has gone, answers go nowhere.
class Exchange {
 public:
  // `body`: of the request. Large replies are counted in `replies`.
  Exchange(Request request, HeldBytes body, std::shared_ptr<Connection> connection,
           ByteAccount& replies, OpenExchanges& open);
  ~Exchange();
  Exchange(const Exchange&) = delete;
  Exchange& operator=(const Exchange&) = delete;

  const Request& request() const { return request_; }

  void Send(Reply reply);
  // False when too many large replies are on their way for one of so many bytes besides: answer 503
  // then, unless what was asked for is done already. Such a reply is sent all the same.
  bool HasRoomFor(size_t bytes) const;
  // The head of a reply whose body is written piece by piece: with a Content-Length, or of unknown
  // length. Its body is left out.
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
  HeldBytes body_;
  std::shared_ptr<Connection> connection_;
  ByteAccount& replies_;
  OpenExchanges& open_;
  std::atomic<bool> answered_{false};
  std::atomic<bool> streaming_{false};
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
