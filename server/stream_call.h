// One server-streaming call, run by a thread of its own.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/admission.h"
#include "server/endpoint.h"

namespace retrace::server {

class Rpc;

// How many streams may be open at once. No principal and no tenant takes them all.
struct StreamBounds {
  size_t all = 256;
  size_t of_tenant = 32;
  size_t of_principal = 16;
};

// A bounded number of threads, one a stream. Thread-safe.
class StreamThreads {
 public:
  explicit StreamThreads(const StreamBounds& bounds) : bounds_(bounds) {}
  // Waits until every thread has ended.
  ~StreamThreads();
  StreamThreads(const StreamThreads&) = delete;
  StreamThreads& operator=(const StreamThreads&) = delete;

  // Runs the work on a thread of its own. QUEUE_FULL, and says whose bound it is, when too many run
  // already.
  absl::Status Run(const std::string& tenant, const std::string& principal,
                   std::function<void()> work);
  size_t running() const;

 private:
  bool NoneRuns() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return running_ == 0; }

  const StreamBounds bounds_;
  mutable absl::Mutex mutex_;
  size_t running_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<std::string, size_t> of_tenant_ ABSL_GUARDED_BY(mutex_);  // those with any
  std::map<std::string, size_t> of_principal_ ABSL_GUARDED_BY(mutex_);
};

// Lives until gRPC is done with the call and its thread has ended. Only the thread finishes the
// call; cancelling wakes it.
class StreamCall final : public grpc::ServerWriteReactor<grpc::ByteBuffer>, public StreamWriter {
 public:
  // Begins the call and returns its reactor, which looks after itself from then on.
  static grpc::ServerWriteReactor<grpc::ByteBuffer>* Begin(Rpc& rpc, const Endpoint& endpoint,
                                                           grpc::CallbackServerContext& context,
                                                           const grpc::ByteBuffer& bytes);

  absl::Status Write(const Message& message) override;
  absl::Status Alive() const override;

 private:
  StreamCall(Rpc& rpc, const Endpoint& endpoint, grpc::CallbackServerContext& context);

  void OnCancel() override;
  void OnWriteDone(bool ok) override;
  void OnDone() override;

  void Start(const grpc::ByteBuffer& bytes);
  absl::Status Admit(const grpc::ByteBuffer& bytes);
  void RunHandler(const std::shared_ptr<StreamCall>& self);
  // Waits until everything was sent, then ends the call.
  void End(const absl::Status& status);
  bool HasRoom() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsSent() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Rpc& rpc_;
  const Endpoint& endpoint_;
  grpc::CallbackServerContext& context_;  // lives until OnDone
  const absl::Time start_;
  size_t request_bytes_ = 0;
  Caller caller_;
  Tenant* tenant_ = nullptr;
  absl::Time deadline_;
  std::unique_ptr<Message> request_;
  std::shared_ptr<StreamCall> self_;  // gRPC's reference
  const std::shared_ptr<std::atomic<bool>> cancelled_;

  mutable absl::Mutex mutex_;
  // The front is being written while `writing_`.
  std::deque<grpc::ByteBuffer> queue_ ABSL_GUARDED_BY(mutex_);
  size_t queued_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t sent_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool gone_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace retrace::server
