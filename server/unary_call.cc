#include "server/unary_call.h"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "domain/kind.h"
#include "domain/refusal.h"
#include "domain/resource.h"
#include "domain/status_macros.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "server/call_log.h"
#include "server/kept_command.h"
#include "server/plans.h"
#include "server/row_view.h"
#include "server/rpc.h"
#include "server/status.h"
#include "server/wire.h"

namespace retrace::server {
namespace {

// Above this a command is prepared on another thread, if it can be, before it is decided: batches
// of more than 20.
constexpr size_t kCostPreparedAbove = 160;

google::protobuf::ArenaOptions OptionsWith(char* block, size_t size) {
  google::protobuf::ArenaOptions options;
  options.initial_block = block;
  options.initial_block_size = size;
  options.start_block_size = 4096;
  return options;
}

absl::Status QueueFull() {
  return domain::Refusal(v1::QUEUE_FULL, "Too many queries wait; nothing was done.")
      .Next("Try again after a moment.")
      .RetryAfter(absl::Milliseconds(200));
}

}  // namespace

grpc::ServerUnaryReactor* UnaryCall::Begin(Rpc& rpc, const Endpoint& endpoint,
                                           grpc::CallbackServerContext& context,
                                           const grpc::ByteBuffer& bytes, grpc::ByteBuffer& reply) {
  std::shared_ptr<UnaryCall> call(new UnaryCall(rpc, endpoint, reply));
  call->self_ = call;
  call->Start(context, bytes);
  return call.get();
}

UnaryCall::UnaryCall(Rpc& rpc, const Endpoint& endpoint, grpc::ByteBuffer& reply)
    : rpc_(rpc),
      endpoint_(endpoint),
      reply_(reply),
      start_(absl::Now()),
      arena_(OptionsWith(first_block_, sizeof(first_block_))) {}

void UnaryCall::OnDone() { self_.reset(); }

void UnaryCall::OnCancel() {
  cancelled_.store(true, std::memory_order_relaxed);
  if (Claim()) {
    Answer(absl::Now() >= deadline_ ? absl::DeadlineExceededError("") : absl::CancelledError(),
           nullptr);
  }
}

void UnaryCall::Start(grpc::CallbackServerContext& context, const grpc::ByteBuffer& bytes) {
  request_bytes_ = bytes.Length();
  deadline_ = rpc_.DeadlineOf(context, start_);
  if (const absl::Status status = Admit(context, bytes); !status.ok()) {
    if (Claim()) {
      Answer(status, nullptr);
    }
  } else if (endpoint_.resolve != nullptr) {
    EnqueueResolve();
  } else if (endpoint_.decide != nullptr) {
    SubmitCommand(self_);
  } else {
    EnqueueQuery();
  }
}

absl::Status UnaryCall::Admit(grpc::CallbackServerContext& context, const grpc::ByteBuffer& bytes) {
  serving_ = rpc_.serving();
  if (serving_ == nullptr) {
    return NotServing();
  }
  RETRACE_ASSIGN(Caller caller, Authenticate(context, rpc_.principals()));
  principal_ = std::move(caller.principal);
  RETRACE_RETURN_IF_ERROR(CheckPermission(endpoint_.method, *principal_));
  request_ = endpoint_.method.request->New(&arena_);
  RETRACE_RETURN_IF_ERROR(ParseRequest(bytes, *request_));
  RETRACE_ASSIGN(tenant_, FindTenant(endpoint_.method, *request_, *principal_, *serving_->tenants));
  RETRACE_RETURN_IF_ERROR(CheckRequest(endpoint_.method, *request_, *principal_));
  return absl::Now() < deadline_ ? absl::OkStatus() : absl::DeadlineExceededError("");
}

void UnaryCall::EnqueueResolve() {
  const std::shared_ptr<UnaryCall> self = self_;
  if (!rpc_.pool(endpoint_.lane).Run([self] { self->Resolve(self); }) && Claim()) {
    Answer(QueueFull(), nullptr);
  }
}

void UnaryCall::Resolve(const std::shared_ptr<UnaryCall>& self) {
  if (cancelled_.load(std::memory_order_relaxed)) {
    return;  // the cancelling has answered
  }
  absl::StatusOr<std::unique_ptr<const Message>> resolved =
      endpoint_.resolve(MakeQueryCall(self), *request_);
  if (resolved.ok()) {
    resolved_ = *std::move(resolved);
    SubmitCommand(self);
  } else if (Claim()) {
    Answer(resolved.status(), nullptr);
  }
}

void UnaryCall::SubmitCommand(const std::shared_ptr<UnaryCall>& self) {
  // What this build does not know must not get into events.
  request_->DiscardUnknownFields();
  Command command = CommandFor(endpoint_, *request_);
  command.tenant = tenant_;
  command.principal = principal_;
  command.deadline = deadline_;
  command.cancelled = std::shared_ptr<std::atomic<bool>>(self, &cancelled_);
  // `done` keeps the call alive; decide is never called after it.
  command.decide = [this](domain::Draft& draft, const domain::Context& context) {
    return endpoint_.decide(resolved_ != nullptr ? *resolved_ : *request_, draft, context);
  };
  command.done = [self](CommandResult result) { self->FinishCommand(std::move(result)); };
  const bool plans = command.options.plan_only() && !command.starts_operation;
  if (plans || !command.options.plan_token().empty()) {
    EnqueuePlan(std::move(command));
    return;
  }
  const bool large = command.cost > kCostPreparedAbove;
  if (large && endpoint_.prepare != nullptr && serving_->rows != nullptr) {
    PrepareCommand(std::move(command));
  } else {
    serving_->submit(std::move(command));
  }
}

void UnaryCall::PrepareCommand(Command command) {
  // The work must be copyable.
  auto waiting = std::make_shared<Command>(std::move(command));
  const bool taken = rpc_.pool(Lane::kAhead).Run([this, waiting] {
    if (!cancelled_.load(std::memory_order_relaxed) && absl::Now() < deadline_) {
      const RowView view(*serving_->rows, tenant_->number, tenant_->visible);
      endpoint_.prepare(*request_, view);
    }
    serving_->submit(std::move(*waiting));
  });
  // Deciding does without, but slower.
  if (!taken) {
    serving_->submit(std::move(*waiting));
  }
}

void UnaryCall::EnqueuePlan(Command command) {
  const auto shared = std::make_shared<Command>(std::move(command));
  const std::shared_ptr<UnaryCall> self = self_;
  if (!rpc_.pool(endpoint_.lane).Run([self, shared] { self->RunPlan(std::move(*shared)); }) &&
      Claim()) {
    Answer(QueueFull(), nullptr);
  }
}

void UnaryCall::RunPlan(Command command) {
  if (cancelled_.load(std::memory_order_relaxed)) {
    return;  // the cancelling has answered
  }
  if (!command.options.plan_token().empty()) {
    command.plan = std::make_shared<const PlanUse>(serving_->plans->Open(command));
    serving_->submit(std::move(command));
    return;
  }
  absl::StatusOr<v1::Plan> plan = absl::DeadlineExceededError("");
  if (absl::Now() < deadline_) {
    plan = serving_->plans->Make(command);
  }
  if (!Claim()) {
    return;
  }
  if (!plan.ok()) {
    Answer(plan.status(), nullptr);
    return;
  }
  Message* reply = endpoint_.method.reply->New(&arena_);
  reply->GetReflection()->MutableMessage(reply, endpoint_.method.plan)->CopyFrom(*plan);
  Answer(absl::OkStatus(), reply);
}

void UnaryCall::FinishCommand(CommandResult result) {
  if (!Claim()) {
    return;
  }
  if (!result.status.ok()) {
    Answer(result.status, nullptr);
    return;
  }
  Message* reply = endpoint_.method.reply->New(&arena_);
  const absl::Status status = FillReply(result, *reply);
  Answer(status, status.ok() ? reply : nullptr);
}

absl::Status UnaryCall::FillReply(const CommandResult& result, Message& reply) const {
  const Method& method = endpoint_.method;
  const google::protobuf::Reflection& reflection = *reply.GetReflection();
  if (method.outcome != nullptr) {
    reflection.MutableMessage(&reply, method.outcome)->MergeFrom(result.outcome);
  }
  if (endpoint_.show != nullptr) {
    return endpoint_.show(*tenant_, result, reply);
  }
  if (method.resource == nullptr) {
    return absl::OkStatus();
  }
  for (const auto& [entity, row] : result.targets) {
    const domain::Kind& kind = domain::KindOf(entity.kind);
    if (row == nullptr || kind.resource->GetDescriptor() != method.resource->message_type()) {
      continue;
    }
    Message* resource = method.resource->is_repeated()
                            ? reflection.AddMessage(&reply, method.resource)
                            : reflection.MutableMessage(&reply, method.resource);
    domain::ShowResource(tenant_->id, entity, *row, *resource);
    if (!method.resource->is_repeated()) {
      break;
    }
  }
  return absl::OkStatus();
}

void UnaryCall::EnqueueQuery() {
  const std::shared_ptr<UnaryCall> self = self_;
  if (!rpc_.pool(endpoint_.lane).Run([self] { self->RunQuery(self); }) && Claim()) {
    Answer(QueueFull(), nullptr);
  }
}

QueryCall UnaryCall::MakeQueryCall(const std::shared_ptr<UnaryCall>& self) const {
  QueryCall call;
  call.principal = principal_;
  call.tenant = tenant_;
  call.method = endpoint_.method.name;
  call.start = start_;
  call.deadline = deadline_;
  call.cancelled = std::shared_ptr<const std::atomic<bool>>(self, &cancelled_);
  return call;
}

void UnaryCall::RunQuery(const std::shared_ptr<UnaryCall>& self) {
  if (cancelled_.load(std::memory_order_relaxed)) {
    return;  // the cancelling has answered
  }
  absl::Status status = absl::DeadlineExceededError("");
  // On the heap: handlers hand their reply over by moving it.
  const std::unique_ptr<Message> reply(endpoint_.method.reply->New());
  if (absl::Now() < deadline_) {
    status = endpoint_.answer(MakeQueryCall(self), *request_, *reply);
  }
  if (Claim()) {
    Answer(status, status.ok() ? reply.get() : nullptr);
  }
}

void UnaryCall::Answer(const absl::Status& status, const Message* message) {
  if (message != nullptr) {
    reply_ = Serialize(*message);
  }
  CallRecord record;
  record.tenant = tenant_ == nullptr ? std::string_view() : tenant_->id;
  record.principal = principal_ == nullptr ? std::string_view() : principal_->id;
  record.duration = absl::Now() - start_;
  record.request_bytes = request_bytes_;
  record.reply_bytes = message == nullptr ? 0 : reply_.Length();
  RecordCall(endpoint_, status, record);
  Finish(ToGrpcStatus(status));
}

}  // namespace retrace::server
