// Commands made of requests: by the rpc template when they arrive, and by the server itself of
// requests that it keeps and sends later in somebody's name.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/any.pb.h"
#include "google/protobuf/message.h"
#include "google/protobuf/repeated_field.h"
#include "server/endpoint.h"
#include "server/query_call.h"
#include "server/rpc.h"
#include "server/sequencer.h"

namespace retrace::server {

// The command that a request is, but for tenant, principal, deadline, plan, decide and done.
Command CommandFor(const Endpoint& endpoint, Message& request);

// A request with the method that it is of.
struct KeptCommand {
  const Endpoint* endpoint = nullptr;  // a command's
  std::shared_ptr<Message> request;

  // Its options, set from then on: what a plan's token is bound to tells unset from empty.
  v1::CommandOptions& options() const;
};

// The request that an Any holds; nothing when it is none of a command of this server.
std::optional<KeptCommand> OpenKept(const Rpc& rpc, const google::protobuf::Any& any);

// The method that is done to entities: of an operation the one that it sends to each target, else
// the command's own; null when the operation's command is none of this server.
const Method* TargetMethod(const Rpc& rpc, const KeptCommand& kept);

// The command as the rpc template would make it for that caller: resolved, without a plan. What is
// `left_out` an operation skips. Errors are the refusals of resolving it. Reads, so it belongs into
// a query pool.
absl::StatusOr<Command> MakeCommand(
    const KeptCommand& kept, const QueryCall& call,
    const google::protobuf::RepeatedPtrField<std::string>& left_out = {});

}  // namespace retrace::server
