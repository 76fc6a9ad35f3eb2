#include "server/http/exchange.h"

#include <utility>

#include "server/http/connection.h"

namespace retrace::server::http {

namespace {

// Smaller replies are bounded by the number of connections: none of them is ever refused.
constexpr size_t kLargeReply = 64 << 10;

}  // namespace

Exchange::Exchange(Request request, HeldBytes body, std::shared_ptr<Connection> connection,
                   ByteAccount& replies, OpenExchanges& open)
    : request_(std::move(request)),
      body_(std::move(body)),
      connection_(std::move(connection)),
      replies_(replies),
      open_(open) {
  open_.Add();
}

Exchange::~Exchange() {
  if (!answered_) {
    Send(ErrorReply(500, "internal", "The server gave no answer."));
  }
  if (streaming_) {
    connection_->Post([](Connection& on) { on.Close(); });
  }
  body_ = HeldBytes();
  connection_.reset();  // it still needs the server, which may go once nothing is open
  open_.Remove();
}

void Exchange::Send(Reply reply) {
  answered_ = true;
  std::shared_ptr<HeldBytes> held;
  if (reply.body.size() > kLargeReply) {
    held = std::make_shared<HeldBytes>(replies_, reply.body.size());
  }
  connection_->Post([reply = std::move(reply), held = std::move(held)](Connection& on) mutable {
    on.SendReply(std::move(reply), std::move(held));
  });
}

bool Exchange::HasRoomFor(size_t bytes) const {
  return bytes <= kLargeReply || replies_.HasRoomFor(bytes);
}

void Exchange::Begin(Reply head) {
  answered_ = true;
  streaming_ = true;
  connection_->Post(
      [head = std::move(head)](Connection& on) mutable { on.BeginStream(std::move(head)); });
}

void Exchange::Write(std::string bytes, std::function<void(bool ok)> done) {
  connection_->Post([bytes = std::move(bytes), done = std::move(done)](Connection& on) mutable {
    on.WriteStream(std::move(bytes), std::move(done));
  });
}

void Exchange::End() {
  streaming_ = false;
  connection_->Post([](Connection& on) { on.EndStream(); });
}

void Exchange::Run(std::function<void()> work) {
  connection_->Post([work = std::move(work)](Connection&) { work(); });
}

void Exchange::OnGone(std::function<void()> gone) {
  {
    absl::MutexLock lock(&mutex_);
    if (!is_gone_) {
      on_gone_ = std::move(gone);
      return;
    }
  }
  gone();
}

void Exchange::Gone() {
  std::function<void()> gone;
  {
    absl::MutexLock lock(&mutex_);
    is_gone_ = true;
    gone = std::move(on_gone_);
  }
  if (gone != nullptr) {
    gone();
  }
}

void OpenExchanges::Add() {
  absl::MutexLock lock(&mutex_);
  ++open_;
}

void OpenExchanges::Remove() {
  absl::MutexLock lock(&mutex_);
  --open_;
}

void OpenExchanges::AwaitNone() {
  const auto none = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return open_ == 0; };
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(&none));
}

}  // namespace retrace::server::http
