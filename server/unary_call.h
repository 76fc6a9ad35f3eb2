// One unary call, from its bytes to its answer.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <memory>

#include "absl/time/time.h"
#include "google/protobuf/arena.h"
#include "server/admission.h"
#include "server/endpoint.h"

namespace retrace::server {

class Rpc;
struct Serving;

// Lives until gRPC is done with the call and its work, if any, has come back: each holds a
// reference. Whoever claims the answer first, the work or the caller's cancelling, gives it; the
// other's is dropped.
class UnaryCall final : public grpc::ServerUnaryReactor {
 public:
  // Begins the call and returns its reactor, which looks after itself from then on. Blocks on
  // nothing. `reply` must live as long as gRPC promises.
  static grpc::ServerUnaryReactor* Begin(Rpc& rpc, const Endpoint& endpoint,
                                         grpc::CallbackServerContext& context,
                                         const grpc::ByteBuffer& bytes, grpc::ByteBuffer& reply);

  ~UnaryCall() override = default;

 private:
  UnaryCall(Rpc& rpc, const Endpoint& endpoint, grpc::ByteBuffer& reply);

  void OnCancel() override;
  void OnDone() override;

  void Start(grpc::CallbackServerContext& context, const grpc::ByteBuffer& bytes);
  absl::Status Admit(grpc::CallbackServerContext& context, const grpc::ByteBuffer& bytes);
  void EnqueueResolve();
  void Resolve(const std::shared_ptr<UnaryCall>& self);
  void SubmitCommand(const std::shared_ptr<UnaryCall>& self);
  // Submits it when it is prepared.
  void PrepareCommand(Command command);
  // Plans, or opens the plan token, where reading may block; the latter then goes on to submit.
  void EnqueuePlan(Command command);
  void RunPlan(Command command);
  void FinishCommand(CommandResult result);
  absl::Status FillReply(const CommandResult& result, Message& reply) const;
  void EnqueueQuery();
  void RunQuery(const std::shared_ptr<UnaryCall>& self);
  QueryCall MakeQueryCall(const std::shared_ptr<UnaryCall>& self) const;

  // True for the first who asks: they, and only they, call Answer.
  bool Claim() { return !claimed_.exchange(true, std::memory_order_acq_rel); }
  void Answer(const absl::Status& status, const Message* message);

  Rpc& rpc_;
  const Endpoint& endpoint_;
  grpc::ByteBuffer& reply_;
  const absl::Time start_;
  absl::Time deadline_;
  const Serving* serving_ = nullptr;
  size_t request_bytes_ = 0;
  PrincipalPtr principal_;
  Tenant* tenant_ = nullptr;
  std::atomic<bool> cancelled_{false};
  std::atomic<bool> claimed_{false};
  std::shared_ptr<UnaryCall> self_;  // gRPC's reference

  // The request and a command's reply lie here.
  alignas(8) char first_block_[1024];
  google::protobuf::Arena arena_;
  Message* request_ = nullptr;
  std::unique_ptr<const Message> resolved_;  // what decide gets in place of the request
};

}  // namespace retrace::server
