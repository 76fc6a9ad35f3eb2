#include "server/http/routes.h"

#include <utility>

#include "absl/strings/match.h"
#include "grpc/health/v1/health.pb.h"
#include "server/admission.h"
#include "server/http/connect_wire.h"
#include "server/http/form.h"
#include "server/status.h"
#include "server/wire.h"

namespace retrace::server::http {
namespace {

constexpr std::string_view kUnsubscribe = "/u/";
constexpr size_t kMaxFormBytes = 16 << 10;
constexpr size_t kMaxTokenBytes = 4 << 10;

Reply NotFound() { return ErrorReply(404, "not_found", "There is nothing at this address."); }

// What keeps a page from doing anything but showing itself and posting its own form.
void AddPageHeaders(Reply& reply) {
  reply.With("Cache-Control", "no-store")
      .With("Referrer-Policy", "no-referrer")
      .With("X-Content-Type-Options", "nosniff")
      .With("X-Frame-Options", "DENY")
      .With("X-Robots-Tag", "noindex, nofollow")
      .With("Content-Security-Policy",
            "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; base-uri 'none'; "
            "frame-ancestors 'none'");
}

// One question to gRPC's health service, as any client would ask it.
struct HealthCall {
  grpc::ClientContext context;
  grpc::ByteBuffer request;
  grpc::ByteBuffer reply;
};

Reply ReadyReply(const grpc::Status& status, const grpc::ByteBuffer& bytes) {
  grpc::health::v1::HealthCheckResponse health;
  grpc::ByteBuffer copy(bytes);
  grpc::Slice slice;
  const bool parsed = status.ok() && copy.DumpToSingleSlice(&slice).ok() &&
                      health.ParseFromArray(slice.begin(), static_cast<int>(slice.size()));
  if (parsed && health.status() == grpc::health::v1::HealthCheckResponse::SERVING) {
    return TextReply(200, "ready\n");
  }
  return TextReply(503, "not ready\n").With("Retry-After", "1");
}

// Answers are bounded where they are made.
grpc::ChannelArguments Unbounded() {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(-1);
  return arguments;
}

}  // namespace

Edge::Routes::Routes(Rpc& rpc, grpc::Server& grpc_server, const EdgeOptions& options,
                     Proxies proxies)
    : rpc_(rpc),
      proxies_(std::move(proxies)),
      stub_(grpc_server.InProcessChannel(Unbounded())),
      connect_(rpc, stub_, options.origins, options.limits.body_bytes),
      files_(options.static_dir) {}

void Edge::Routes::Answer(const ExchangePtr& exchange) {
  const Request& request = exchange->request();
  if (absl::StartsWith(request.path, "/u/")) {
    AnswerUnsubscribe(exchange);
  } else if (Connect::IsMethodPath(request.path) &&
             (!request.IsRead() || Connect::Knows(request.path))) {
    connect_.Answer(exchange);
  } else if (!request.IsRead()) {
    exchange->Send(NotAllowed("GET, HEAD"));
  } else if (request.path == "/healthz") {
    exchange->Send(TextReply(200, "ok\n"));
  } else if (request.path == "/readyz") {
    AnswerReady(exchange);
  } else if (request.path == "/metrics") {
    exchange->Send(MetricsFor(request));
  } else {
    files_.Answer(exchange);
  }
}

void Edge::Routes::AnswerReady(const ExchangePtr& exchange) {
  const auto call = std::make_shared<HealthCall>();
  call->context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Seconds(5)));
  call->request = Serialize(grpc::health::v1::HealthCheckRequest());
  stub_.UnaryCall(&call->context, "/grpc.health.v1.Health/Check", {}, &call->request, &call->reply,
                  [call, exchange](const grpc::Status& status) {
                    exchange->Send(ReadyReply(status, call->reply));
                  });
}

Reply Edge::Routes::MetricsFor(const Request& request) {
  const absl::StatusOr<Caller> caller = CallerOf(request, rpc_.principals());
  absl::Status status = caller.status();
  if (caller.ok()) {
    status = CheckHas(*caller->principal, "admin.status");
  }
  if (!status.ok()) {
    return ConnectErrorReply(ToGrpcStatus(status));
  }
  return TextReply(200, rpc_.metrics().Text());
}

void Edge::Routes::AnswerUnsubscribe(const ExchangePtr& exchange) {
  const Request& request = exchange->request();
  std::shared_ptr<const UnsubscribeHandler> handler;
  {
    absl::MutexLock lock(&mutex_);
    handler = unsubscribe_;
  }
  const std::optional<std::string> token =
      PercentDecode(std::string_view(request.path).substr(kUnsubscribe.size()));
  if (handler == nullptr || !token.has_value() || token->empty() ||
      token->size() > kMaxTokenBytes) {
    exchange->Send(NotFound());
    return;
  }
  if (!request.IsRead() && request.method != "POST") {
    exchange->Send(NotAllowed("GET, HEAD, POST"));
    return;
  }
  UnsubscribeCall call;
  call.token = *token;
  call.method = request.method;
  call.client_address = proxies_.ClientOf(request);
  call.accept_language = request.Header("accept-language");
  if (request.method == "POST") {
    if (request.body.size() > kMaxFormBytes) {
      exchange->Send(ErrorReply(413, "resource_exhausted", "The form is too large."));
      return;
    }
    std::optional<Form> form = ParseForm(request.Header("content-type"), request.body);
    if (!form.has_value()) {
      exchange->Send(
          ErrorReply(415, "invalid_argument",
                     "Post a form: application/x-www-form-urlencoded or multipart/form-data."));
      return;
    }
    call.form = *std::move(form);
  }
  (*handler)(call, [exchange](UnsubscribeAnswer answer) {
    Reply reply{.status = answer.status, .headers = {}, .body = std::move(answer.body)};
    reply.With("Content-Type", answer.content_type);
    AddPageHeaders(reply);
    exchange->Send(std::move(reply));
  });
}

void Edge::Routes::AttachUnsubscribe(UnsubscribeHandler handler) {
  absl::MutexLock lock(&mutex_);
  unsubscribe_ =
      handler == nullptr ? nullptr : std::make_shared<const UnsubscribeHandler>(std::move(handler));
}

}  // namespace retrace::server::http
