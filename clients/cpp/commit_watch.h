#pragma once

#include <grpcpp/client_context.h>

#include <functional>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "clients/cpp/client.h"
#include "retrace/v1/history.pb.h"

namespace retrace::client {

// Follows a tenant's commits (History.WatchCommits) over cuts of the connection: a stream that ends
// or falls silent for longer than three heartbeats is opened again after the last position that was
// handed over, so every commit comes once and in order.
//
// Run from one thread; Stop from any.
class CommitWatch {
 public:
  // Sees every message of the stream; false ends the watch.
  using Handler = std::function<bool(const v1::WatchCommitsResponse&)>;

  // `client` must outlive the watch.
  CommitWatch(Client& client, v1::WatchCommitsRequest request);

  // Blocks. OK when the handler or Stop ended it; otherwise the refusal that the server gave,
  // e.g. FAILED_PRECONDITION (EPOCH_CHANGED). A server that is away is waited for at most
  // `patience` at a time, then its UNAVAILABLE is returned.
  absl::Status Run(const Handler& handler, absl::Duration patience = absl::InfiniteDuration());

  // Ends the watch soon. May be called before Run.
  void Stop();

  // Where the next stream would resume: after this position of this epoch.
  int64_t position() const { return request_.after_position(); }
  const std::string& epoch() const { return request_.epoch(); }

 private:
  // Reads one stream to its end. Sets `progressed` once a message came.
  grpc::Status ReadStream(const Handler& handler, bool& progressed);
  bool stopped() const;

  Client& client_;
  v1::WatchCommitsRequest request_;
  mutable absl::Mutex mutex_;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
  grpc::ClientContext* context_ ABSL_GUARDED_BY(mutex_) = nullptr;
};

}  // namespace retrace::client
