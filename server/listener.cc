#include "server/listener.h"

#include <fmt/format.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/support/server_interceptor.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "domain/status_macros.h"

namespace retrace::server {
namespace {

constexpr int kMaxSocketPath = 107;

// Ends calls of the reflection service. gRPC's plugin serves it as soon as it is linked.
class RefuseReflection : public grpc::experimental::Interceptor {
 public:
  explicit RefuseReflection(grpc::experimental::ServerRpcInfo* call) : call_(call) {}
  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(
            grpc::experimental::InterceptionHookPoints::POST_RECV_INITIAL_METADATA)) {
      call_->server_context()->TryCancel();
    }
    methods->Proceed();
  }

 private:
  grpc::experimental::ServerRpcInfo* const call_;
};

class RefuseReflectionFactory : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* call) override {
    return absl::StartsWith(call->method(), "/grpc.reflection.") ? new RefuseReflection(call)
                                                                 : nullptr;
  }
};

void SetLimits(grpc::ServerBuilder& builder) {
  // A second daemon must not share the port.
  builder.AddChannelArgument(GRPC_ARG_ALLOW_REUSEPORT, 0);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, 8 << 10);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 1024);
  // Clients may ping every 30 s, also without calls; dead ones are found after 60 + 20 s.
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, 30'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 60'000);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 20'000);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_MS, 30 * 60'000);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, 5 * 60'000);
}

std::string AllAddresses(const ListenerOptions& options) {
  std::string all = fmt::format("{}", fmt::join(options.addresses, ", "));
  if (!options.socket.empty()) {
    all += (all.empty() ? "" : ", ") + options.socket;
  }
  return all;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Listener>> Listener::Start(Rpc& rpc,
                                                          const ListenerOptions& options) {
  if (options.addresses.empty() && options.socket.empty()) {
    return absl::UnavailableError("there is neither an address nor a socket to listen on");
  }
  if (options.socket.size() > kMaxSocketPath) {
    return absl::UnavailableError(fmt::format(
        "the path of the socket, {}, is longer than the {} bytes that the system takes; set "
        "`socket` to a shorter one, or to none",
        options.socket, kMaxSocketPath));
  }
  auto listener = std::unique_ptr<Listener>(new Listener());
  listener->services_ = rpc.service_names();
  listener->ports_.resize(options.addresses.size());
  listener->socket_ = options.socket;
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  RETRACE_RETURN_IF_ERROR(rpc.Register(builder));
  SetLimits(builder);
  for (size_t i = 0; i < options.addresses.size(); ++i) {
    builder.AddListeningPort(options.addresses[i], grpc::InsecureServerCredentials(),
                             &listener->ports_[i]);
  }
  if (!options.socket.empty()) {
    builder.AddListeningPort("unix:" + options.socket, grpc::InsecureServerCredentials());
  }
  if (options.reflection) {
    // Also what makes the linker keep the plugin's library.
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  } else {
    std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> creators;
    creators.push_back(std::make_unique<RefuseReflectionFactory>());
    builder.experimental().SetInterceptorCreators(std::move(creators));
  }
  const mode_t mask = ::umask(0177);  // the socket is its owner's only
  listener->server_ = builder.BuildAndStart();
  ::umask(mask);
  if (listener->server_ == nullptr) {
    return absl::UnavailableError(
        fmt::format("one of these addresses cannot be had: {}. Is another server using it?",
                    AllAddresses(options)));
  }
  listener->SetServing(false);
  return listener;
}

Listener::~Listener() {
  if (server_ != nullptr) {
    Stop(absl::Now());
  }
}

void Listener::SetServing(bool serving) {
  grpc::HealthCheckServiceInterface* health = server_->GetHealthCheckService();
  health->SetServingStatus("", serving);
  for (const std::string& service : services_) {
    health->SetServingStatus(service, serving);
  }
}

void Listener::Stop(absl::Time deadline) { server_->Shutdown(absl::ToChronoTime(deadline)); }

}  // namespace retrace::server
