#include "server/rpc.h"

#include <fmt/format.h>
#include <grpcpp/impl/rpc_service_method.h>
#include <grpcpp/support/method_handler.h>
#include <grpcpp/support/server_callback.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "domain/refusal.h"
#include "domain/status_macros.h"
#include "google/protobuf/descriptor.h"
#include "grpcpp/impl/codegen/server_callback_handlers.h"
#include "server/roles.h"
#include "server/status.h"
#include "server/unary_call.h"

namespace retrace::server {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

// Ends the call at once.
class UnknownMethodCall final : public grpc::ServerGenericBidiReactor {
 public:
  explicit UnknownMethodCall(const std::string& method) {
    Finish(ToGrpcStatus(
        domain::Refusal(v1::METHOD_UNKNOWN, fmt::format("There is no method {}.", method))
            .Next("Check the name; reflection lists the methods of this server.")));
  }
  void OnDone() override { delete this; }
};

const FieldDescriptor* BatchField(const Descriptor& request) {
  for (int i = 0; i < request.field_count(); ++i) {
    const FieldDescriptor* field = request.field(i);
    if (field->is_repeated() && (field->name() == "requests" || field->name() == "names")) {
      return field;
    }
  }
  return nullptr;
}

}  // namespace

RpcService::RpcService(Rpc& rpc, std::string_view full_name)
    : rpc_(rpc),
      name_(full_name),
      descriptor_(google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(name_)) {
  if (descriptor_ == nullptr) {
    fault_ = absl::FailedPreconditionError(fmt::format("there is no service {}", name_));
  }
}

void RpcService::Add(std::string_view method, const Descriptor* request, const Descriptor* reply,
                     Endpoint endpoint) {
  if (!fault_.ok()) {
    return;
  }
  const google::protobuf::MethodDescriptor* descriptor =
      descriptor_->FindMethodByName(std::string(method));
  if (descriptor == nullptr) {
    fault_ = absl::FailedPreconditionError(fmt::format("{} has no method {}", name_, method));
    return;
  }
  if (descriptor->input_type() != request || descriptor->output_type() != reply ||
      descriptor->client_streaming() ||
      descriptor->server_streaming() != (endpoint.stream != nullptr)) {
    fault_ = absl::FailedPreconditionError(fmt::format(
        "{} is registered with other types than its proto has", descriptor->full_name()));
    return;
  }
  absl::StatusOr<Method> described = DescribeMethod(*descriptor);
  if (!described.ok()) {
    fault_ = described.status();
    return;
  }
  endpoint.method = *std::move(described);
  if (endpoint.decide != nullptr && endpoint.method.options == nullptr) {
    fault_ = absl::FailedPreconditionError(
        fmt::format("{} is a command without CommandOptions", endpoint.method.name));
    return;
  }
  endpoint.metrics = &rpc_.metrics().ForMethod(endpoint.method.name);
  endpoint.batch = endpoint.decide == nullptr ? nullptr : BatchField(*request);
  endpoints_.push_back(std::make_unique<Endpoint>(std::move(endpoint)));
  Serve(*endpoints_.back());
}

// What generated code does for raw callback methods: gRPC hands over bytes and takes bytes.
void RpcService::Serve(const Endpoint& endpoint) {
  const bool stream = endpoint.stream != nullptr;
  AddMethod(new grpc::internal::RpcServiceMethod(
      endpoint.method.path.c_str(),
      stream ? grpc::internal::RpcMethod::SERVER_STREAMING : grpc::internal::RpcMethod::NORMAL_RPC,
      nullptr));
  const int index = static_cast<int>(endpoints_.size()) - 1;
  if (stream) {
    MarkMethodRawCallback(
        index,
        new grpc::internal::CallbackServerStreamingHandler<grpc::ByteBuffer, grpc::ByteBuffer>(
            [this, &endpoint](grpc::CallbackServerContext* context,
                              const grpc::ByteBuffer* request) {
              return StreamCall::Begin(rpc_, endpoint, *context, *request);
            }));
    return;
  }
  MarkMethodRawCallback(
      index, new grpc::internal::CallbackUnaryHandler<grpc::ByteBuffer, grpc::ByteBuffer>(
                 [this, &endpoint](grpc::CallbackServerContext* context,
                                   const grpc::ByteBuffer* request, grpc::ByteBuffer* reply) {
                   return UnaryCall::Begin(rpc_, endpoint, *context, *request, *reply);
                 }));
}

absl::Status RpcService::Check() const {
  RETRACE_RETURN_IF_ERROR(fault_);
  const std::set<std::string, std::less<>> known = AllPermissions();
  for (const auto& endpoint : endpoints_) {
    const std::string& permission = endpoint->method.permission;
    if (permission != kNoPermission && known.find(permission) == known.end()) {
      return absl::FailedPreconditionError(
          fmt::format("{} asks for the permission {}, which no role grants", endpoint->method.name,
                      permission));
    }
  }
  for (int i = 0; i < descriptor_->method_count(); ++i) {
    const std::string& name = descriptor_->method(i)->full_name();
    const bool served =
        std::any_of(endpoints_.begin(), endpoints_.end(),
                    [&](const auto& endpoint) { return endpoint->method.name == name; });
    if (!served) {
      return absl::FailedPreconditionError(fmt::format("{} is not served", name));
    }
  }
  return absl::OkStatus();
}

grpc::ServerGenericBidiReactor* UnknownMethods::CreateReactor(
    grpc::GenericCallbackServerContext* context) {
  return new UnknownMethodCall(context->method());
}

Rpc::Rpc(Principals& principals, Metrics& metrics, RpcOptions options)
    : principals_(principals),
      metrics_(metrics),
      options_(options),
      quick_(options.query_threads, options.max_waiting_queries),
      slow_(options.slow_threads, options.max_waiting_slow),
      wait_(options.wait_threads, options.max_waiting_wait),
      ahead_(options.ahead_threads, options.max_waiting_ahead),
      streams_(options.streams) {}

RpcService& Rpc::AddService(std::string_view full_name) {
  services_.push_back(std::make_unique<RpcService>(*this, full_name));
  return *services_.back();
}

absl::Status Rpc::Register(grpc::ServerBuilder& builder) {
  for (const auto& service : services_) {
    RETRACE_RETURN_IF_ERROR(service->Check());
    builder.RegisterService(service.get());
  }
  builder.RegisterCallbackGenericService(&unknown_methods_);
  builder.SetMaxReceiveMessageSize(kMaxReceiveBytes);
  return absl::OkStatus();
}

const Endpoint* Rpc::Find(std::string_view method) const {
  for (const auto& service : services_) {
    for (const auto& endpoint : service->endpoints()) {
      if (endpoint->method.name == method) {
        return endpoint.get();
      }
    }
  }
  return nullptr;
}

const Endpoint* Rpc::FindCommand(const Descriptor& request) const {
  for (const auto& service : services_) {
    for (const auto& endpoint : service->endpoints()) {
      if (endpoint->decide != nullptr && endpoint->method.descriptor->input_type() == &request) {
        return endpoint.get();
      }
    }
  }
  return nullptr;
}

const Endpoint* Rpc::FindList(const Endpoint& of) const {
  const google::protobuf::ServiceDescriptor& service = *of.method.descriptor->service();
  for (int i = 0; i < service.method_count(); ++i) {
    if (absl::StartsWith(service.method(i)->name(), "List")) {
      return Find(service.method(i)->full_name());
    }
  }
  return nullptr;
}

std::vector<std::string> Rpc::service_names() const {
  std::vector<std::string> names;
  for (const auto& service : services_) {
    names.push_back(service->name());
  }
  return names;
}

void Rpc::Serve(Serving serving) {
  owned_serving_ = std::make_unique<const Serving>(std::move(serving));
  serving_.store(owned_serving_.get(), std::memory_order_release);
}

// What serving_ pointed to stays: calls that were let in still use it.
void Rpc::Drain() { serving_.store(nullptr, std::memory_order_release); }

absl::Time Rpc::DeadlineOf(const grpc::ServerContextBase& context, absl::Time now) const {
  const absl::Time asked = StreamDeadlineOf(context);
  return asked == absl::InfiniteFuture() ? now + options_.default_deadline
                                         : std::min(asked, now + options_.max_deadline);
}

absl::Time Rpc::StreamDeadlineOf(const grpc::ServerContextBase& context) const {
  const std::chrono::system_clock::time_point asked = context.deadline();
  return asked == std::chrono::system_clock::time_point::max() ? absl::InfiniteFuture()
                                                               : absl::FromChrono(asked);
}

}  // namespace retrace::server
