#include "clients/cpp/commit_watch.h"

#include <memory>
#include <thread>
#include <utility>

#include "absl/time/clock.h"
#include "clients/cpp/error_details.h"
#include "retrace/v1/history.grpc.pb.h"

namespace retrace::client {
namespace {

// The server says something every 15 s.
constexpr absl::Duration kLongestSilence = absl::Seconds(45);

// Cancels a call once nothing was heard for too long: a connection that is gone without a word
// (a sleeping laptop, a dropped route) never ends by itself.
class SilenceGuard {
 public:
  explicit SilenceGuard(grpc::ClientContext& context)
      : context_(context), thread_([this] { Watch(); }) {}
  ~SilenceGuard() {
    {
      absl::MutexLock lock(&mutex_);
      done_ = true;
    }
    thread_.join();
  }

  void Heard() {
    absl::MutexLock lock(&mutex_);
    heard_ = true;
  }
  bool cancelled() const {
    absl::MutexLock lock(&mutex_);
    return cancelled_;
  }

 private:
  void Watch() {
    absl::MutexLock lock(&mutex_);
    while (!done_) {
      heard_ = false;
      const auto spoken = [this]()
                              ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return heard_ || done_; };
      if (mutex_.AwaitWithTimeout(absl::Condition(&spoken), kLongestSilence)) continue;
      cancelled_ = true;
      context_.TryCancel();
      return;
    }
  }

  grpc::ClientContext& context_;
  mutable absl::Mutex mutex_;
  bool heard_ ABSL_GUARDED_BY(mutex_) = false;
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace

CommitWatch::CommitWatch(Client& client, v1::WatchCommitsRequest request)
    : client_(client), request_(std::move(request)) {}

void CommitWatch::Stop() {
  absl::MutexLock lock(&mutex_);
  stopped_ = true;
  if (context_ != nullptr) context_->TryCancel();
}

bool CommitWatch::stopped() const {
  absl::MutexLock lock(&mutex_);
  return stopped_;
}

absl::Status CommitWatch::Run(const Handler& handler, absl::Duration patience) {
  const ClientOptions& options = client_.options();
  Backoff backoff(options.first_backoff, options.max_backoff);
  absl::Time away_since = absl::Now();
  while (!stopped()) {
    bool progressed = false;
    const grpc::Status status = ReadStream(handler, progressed);
    if (stopped()) break;
    if (progressed) {
      backoff = Backoff(options.first_backoff, options.max_backoff);
      away_since = absl::Now();
    }
    // A stream has no end of its own: OK means that the server drains.
    if (!status.ok() && !MayRetry(status)) return ToAbslStatus(status);
    if (absl::Now() - away_since >= patience) {
      return status.ok() ? absl::UnavailableError("the server ended the stream")
                         : ToAbslStatus(status);
    }
    absl::SleepFor(backoff.Next());
  }
  return absl::OkStatus();
}

grpc::Status CommitWatch::ReadStream(const Handler& handler, bool& progressed) {
  grpc::ClientContext context;
  client_.Authorize(context);
  {
    absl::MutexLock lock(&mutex_);
    if (stopped_) return grpc::Status::OK;
    context_ = &context;
  }
  SilenceGuard guard(context);
  auto reader = client_.StubOf<v1::History::Stub>().WatchCommits(&context, request_);
  v1::WatchCommitsResponse message;
  while (reader->Read(&message)) {
    guard.Heard();
    progressed = true;
    const bool more = handler(message);
    // Only what the handler has seen is never asked for again.
    request_.set_after_position(message.position());
    request_.set_epoch(message.epoch());
    if (!more) Stop();
  }
  grpc::Status status = reader->Finish();
  {
    absl::MutexLock lock(&mutex_);
    context_ = nullptr;
  }
  if (guard.cancelled()) {
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "the stream fell silent");
  }
  return status;
}

}  // namespace retrace::client
