#include "server/kept_command.h"

#include <algorithm>
#include <utility>

#include "domain/status_macros.h"
#include "retrace/store/v1/operations.pb.h"
#include "retrace/v1/operations.pb.h"
#include "server/operation_targets.h"
#include "server/request_bytes.h"

namespace retrace::server {
namespace {

// Keys that a command on one entity probably writes.
constexpr size_t kCostOfOne = 8;

void LeaveOut(const google::protobuf::RepeatedPtrField<std::string>& names, Message& resolved) {
  if (resolved.GetDescriptor() == store::v1::ResolvedOperation::descriptor()) {
    auto& task = *static_cast<store::v1::ResolvedOperation&>(resolved).mutable_task();
    task.mutable_left_out()->MergeFrom(names);
  }
}

}  // namespace

Command CommandFor(const Endpoint& endpoint, Message& request) {
  const Method& method = endpoint.method;
  Command command;
  command.method = method.name;
  command.request_bytes = RequestBytes(method, request);
  command.options = method.OptionsOf(request);
  command.cost = kCostOfOne;
  if (endpoint.batch != nullptr) {
    const int size = request.GetReflection()->FieldSize(request, endpoint.batch);
    command.cost *= static_cast<size_t>(std::max(size, 1));
  }
  command.starts_operation = method.starts_operation;
  command.destructive = method.destructive && !method.starts_operation;
  return command;
}

v1::CommandOptions& KeptCommand::options() const {
  return static_cast<v1::CommandOptions&>(
      *request->GetReflection()->MutableMessage(request.get(), endpoint->method.options));
}

std::optional<KeptCommand> OpenKept(const Rpc& rpc, const google::protobuf::Any& any) {
  KeptCommand kept{nullptr, Unpack(any)};
  if (kept.request == nullptr) {
    return std::nullopt;
  }
  // What this build does not know must not get into events.
  kept.request->DiscardUnknownFields();
  kept.endpoint = rpc.FindCommand(*kept.request->GetDescriptor());
  return kept.endpoint == nullptr || kept.endpoint->method.options == nullptr
             ? std::nullopt
             : std::optional(std::move(kept));
}

const Method* TargetMethod(const Rpc& rpc, const KeptCommand& kept) {
  if (!kept.endpoint->method.starts_operation) {
    return &kept.endpoint->method;
  }
  const auto& start = static_cast<const v1::StartOperationRequest&>(*kept.request);
  const std::optional<KeptCommand> target = OpenKept(rpc, start.command());
  return target.has_value() ? &target->endpoint->method : nullptr;
}

absl::StatusOr<Command> MakeCommand(
    const KeptCommand& kept, const QueryCall& call,
    const google::protobuf::RepeatedPtrField<std::string>& left_out) {
  const Endpoint* endpoint = kept.endpoint;
  std::shared_ptr<const Message> decided = kept.request;
  if (endpoint->resolve != nullptr) {
    QueryCall resolving = call;
    resolving.method = endpoint->method.name;
    RETRACE_ASSIGN(const std::unique_ptr<const Message> resolved,
                   endpoint->resolve(resolving, *kept.request));
    std::shared_ptr<Message> whole(resolved->New());
    whole->CopyFrom(*resolved);
    LeaveOut(left_out, *whole);
    decided = std::move(whole);
  }
  Command command = CommandFor(*endpoint, *kept.request);
  command.tenant = call.tenant;
  command.principal = call.principal;
  command.decide = [endpoint, decided](domain::Draft& draft, const domain::Context& context) {
    return endpoint->decide(*decided, draft, context);
  };
  return command;
}

}  // namespace retrace::server
