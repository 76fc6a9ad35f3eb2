#include "server/http/connect.h"

#include <fmt/format.h>
#include <grpcpp/client_context.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "domain/refusal.h"
#include "domain/status_macros.h"
#include "google/protobuf/dynamic_message.h"
#include "server/admission.h"
#include "server/http/connect_stream.h"
#include "server/http/connect_unary.h"
#include "server/http/gzip.h"
#include "server/status.h"

namespace retrace::server::http {
namespace {

using domain::Refusal;
using google::protobuf::MethodDescriptor;

constexpr std::string_view kCodings = "gzip";
constexpr size_t kMaxTimeoutDigits = 10;
// What goes on to the RPC as metadata, under the same name.
constexpr std::array<std::string_view, 4> kForwarded = {"authorization", "traceparent",
                                                        "tracestate", "x-request-id"};

const MethodDescriptor* FindMethod(std::string_view path) {
  const size_t slash = path.rfind('/');
  const auto* service = google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(
      std::string(path.substr(1, slash - 1)));
  return service == nullptr ? nullptr
                            : service->FindMethodByName(std::string(path.substr(slash + 1)));
}

Reply UnsupportedType(bool stream) {
  const std::string_view accepted = stream ? "application/connect+json, application/connect+proto"
                                           : "application/json, application/proto";
  return ErrorReply(415, "invalid_argument", fmt::format("Send {}.", accepted))
      .With("Accept-Post", accepted);
}

std::string_view CodingOf(const Request& request, bool stream) {
  const std::string_view coding =
      request.Header(stream ? "connect-content-encoding" : "content-encoding");
  return coding == "identity" ? std::string_view() : coding;
}

absl::Status Malformed(std::string_view what, std::string_view next) {
  return Refusal(v1::MALFORMED_REQUEST, std::string(what)).Next(next);
}

absl::StatusOr<std::string> Unpack(std::string_view packed, size_t max_bytes) {
  Gunzipped unpacked = Gunzip(packed, max_bytes);
  if (!unpacked.fault.has_value()) {
    return std::move(unpacked.bytes);
  }
  if (*unpacked.fault == GunzipFault::kTooLarge) {
    return Refusal(
               v1::INVALID_FIELD,
               fmt::format("The request has more than {} bytes when it is unpacked.", max_bytes))
        .Field("", fmt::format("the whole request must have at most {} bytes", max_bytes))
        .Next("Split it.");
  }
  return Malformed("The request's body is no gzip.",
                   "Send it as it is, or packed as the header says.");
}

}  // namespace

Connect::Connect(Rpc& rpc, grpc::GenericStub& stub, std::vector<std::string> origins,
                 size_t max_message_bytes)
    : rpc_(rpc), stub_(stub), origins_(std::move(origins)), max_message_bytes_(max_message_bytes) {}

bool Connect::IsMethodPath(std::string_view path) {
  const size_t slash = path.rfind('/');
  const std::string_view service = path.substr(std::min<size_t>(1, path.size()), slash - 1);
  return slash != std::string_view::npos && slash > 1 && slash + 1 < path.size() &&
         service.find('/') == std::string_view::npos && service.find('.') != std::string_view::npos;
}

bool Connect::Knows(std::string_view path) { return FindMethod(path) != nullptr; }

void Connect::Answer(const ExchangePtr& exchange) const {
  const Request& request = exchange->request();
  if (request.method == "POST") {
    AnswerPost(exchange);
  } else if (request.method == "OPTIONS") {
    AnswerPreflight(exchange);
  } else {
    Send(exchange, NotAllowed("POST"));
  }
}

void Connect::AnswerPost(const ExchangePtr& exchange) const {
  const Request& request = exchange->request();
  const std::optional<ConnectType> type = ParseConnectType(request.Header("content-type"));
  Asked asked;
  asked.method = FindMethod(request.path);
  const bool known = asked.method != nullptr && !asked.method->client_streaming() &&
                     PrototypeOf(asked.method->input_type()) != nullptr &&
                     PrototypeOf(asked.method->output_type()) != nullptr;
  if (!type.has_value() || (known && type->stream != asked.method->server_streaming())) {
    Send(exchange, UnsupportedType(known && asked.method->server_streaming()));
    return;
  }
  asked.type = *type;
  asked.gzip_reply = AcceptsCoding(
      request.Header(type->stream ? "connect-accept-encoding" : "accept-encoding"), kCodings);
  const absl::Status status = known ? Prepare(request, asked) : Unknown(request.path);
  if (asked.type.stream) {
    ConnectStream::Begin(*this, exchange, std::move(asked), ToGrpcStatus(status));
  } else if (!status.ok()) {
    Send(exchange, ConnectErrorReply(ToGrpcStatus(status)));
  } else {
    ConnectUnary::Begin(*this, exchange, std::move(asked));
  }
}

absl::Status Connect::Unknown(std::string_view path) {
  return Refusal(v1::METHOD_UNKNOWN, fmt::format("There is no method {}.", path))
      .Next("Check the name; methods that take a stream are called by gRPC only.");
}

absl::Status Connect::Prepare(const Request& request, Asked& asked) const {
  RETRACE_RETURN_IF_ERROR(CheckProtocol(request, asked));
  RETRACE_RETURN_IF_ERROR(MayCall(request, asked));
  RETRACE_ASSIGN(asked.message, ReadMessage(request, asked));
  return absl::OkStatus();
}

absl::Status Connect::CheckProtocol(const Request& request, const Asked& asked) const {
  const std::string_view version = request.Header("connect-protocol-version");
  if (!version.empty() && version != "1") {
    return Malformed("The protocol's version is not 1.", "Send `connect-protocol-version: 1`.");
  }
  if (request.Has("connect-timeout-ms") &&
      !ParseDigits(request.Header("connect-timeout-ms"), kMaxTimeoutDigits).has_value()) {
    return Malformed("The header connect-timeout-ms is no number of milliseconds.",
                     "Send at most ten digits.");
  }
  // A stream's envelopes are packed, never its body.
  const bool packed_stream = asked.type.stream && !CodingOf(request, false).empty();
  const std::string_view coding = CodingOf(request, asked.type.stream);
  if (packed_stream || (!coding.empty() && coding != kCodings)) {
    return Refusal(v1::METHOD_UNKNOWN,
                   fmt::format("The encoding {} is not supported.",
                               packed_stream ? CodingOf(request, false) : coding))
        .Next(fmt::format("Supported: {}, identity.", kCodings));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Connect::ReadMessage(const Request& request, const Asked& asked) const {
  std::string_view bytes = request.body;
  bool packed = !CodingOf(request, asked.type.stream).empty();
  if (asked.type.stream) {
    bool compressed = false;
    const std::optional<std::string_view> opened = OpenEnvelope(request.body, compressed);
    if (!opened.has_value()) {
      return Malformed("The body is not one whole envelope.",
                       "Send a byte of flags, four of length (big-endian), then the message.");
    }
    if (compressed && !packed) {
      return Malformed("The envelope says it is packed, but not how.",
                       "Send `connect-content-encoding: gzip`.");
    }
    bytes = *opened;
    packed = compressed;
  }
  std::string unpacked;
  if (packed && !bytes.empty()) {
    RETRACE_ASSIGN(unpacked, Unpack(bytes, max_message_bytes_));
    bytes = unpacked;
  }
  if (asked.type.codec == Codec::kProto) {
    return std::string(bytes);
  }
  return JsonToProto(*PrototypeOf(asked.method->input_type()), bytes);
}

absl::Status Connect::MayCall(const Request& request, const Asked& asked) const {
  const Endpoint* endpoint = rpc_.Find(asked.method->full_name());
  if (endpoint == nullptr) {
    return absl::OkStatus();
  }
  if (rpc_.serving() == nullptr) {
    return NotServing();
  }
  RETRACE_ASSIGN(const Caller caller, CallerOf(request, rpc_.principals()));
  return CheckPermission(endpoint->method, *caller.principal);
}

void Connect::FillContext(const Request& request, grpc::ClientContext& context) {
  for (const std::string_view name : kForwarded) {
    const std::string_view value = request.Header(name);
    // gRPC ends the process over any other; what cannot be sent is no token of ours.
    if (request.Has(name) && IsHeaderValue(value)) {
      context.AddMetadata(std::string(name), std::string(value));
    }
  }
  const std::optional<int64_t> timeout =
      ParseDigits(request.Header("connect-timeout-ms"), kMaxTimeoutDigits);
  if (timeout.has_value()) {
    context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Milliseconds(*timeout)));
  }
}

void Connect::AnswerPreflight(const ExchangePtr& exchange) const {
  Headers headers;
  AddOrigin(exchange->request(), headers);
  const bool allowed = std::any_of(headers.begin(), headers.end(), [](const auto& header) {
    return header.first == "Access-Control-Allow-Origin";
  });
  if (!allowed) {
    Send(exchange, NotAllowed("POST"));
    return;
  }
  Reply reply{.status = 204, .headers = {}, .body = ""};
  reply.With("Access-Control-Allow-Methods", "POST")
      .With("Access-Control-Allow-Headers",
            "Authorization, Content-Type, Content-Encoding, Connect-Protocol-Version, "
            "Connect-Timeout-Ms, Connect-Content-Encoding, Connect-Accept-Encoding, "
            "X-User-Agent, X-Request-Id, Traceparent, Tracestate")
      .With("Access-Control-Max-Age", "7200");
  Send(exchange, std::move(reply));
}

void Connect::AddOrigin(const Request& request, Headers& headers) const {
  if (origins_.empty()) {
    return;
  }
  headers.emplace_back("Vary", "Origin");
  const std::string_view origin = request.Header("origin");
  if (std::find(origins_.begin(), origins_.end(), origin) != origins_.end()) {
    headers.emplace_back("Access-Control-Allow-Origin", origin);
    headers.emplace_back("Access-Control-Expose-Headers", "Retry-After");
  }
}

void Connect::Send(const ExchangePtr& exchange, Reply reply) const {
  AddOrigin(exchange->request(), reply.headers);
  exchange->Send(std::move(reply));
}

absl::StatusOr<Caller> CallerOf(const Request& request, Principals& principals) {
  return Authenticate(request.Has("authorization")
                          ? std::optional<std::string_view>(request.Header("authorization"))
                          : std::nullopt,
                      principals);
}

}  // namespace retrace::server::http
