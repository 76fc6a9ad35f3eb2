#include "server/http/connect_wire.h"

#include <fmt/format.h>
#include <google/protobuf/util/json_util.h>

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "domain/refusal.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "nlohmann/json.hpp"

namespace retrace::server::http {
namespace {

using google::protobuf::Message;
using nlohmann::json;

struct CodeRow {
  std::string_view name;
  int http;
};
// By canonical code.
constexpr std::array<CodeRow, 17> kCodes = {{{"ok", 200},
                                             {"canceled", 499},
                                             {"unknown", 500},
                                             {"invalid_argument", 400},
                                             {"deadline_exceeded", 504},
                                             {"not_found", 404},
                                             {"already_exists", 409},
                                             {"permission_denied", 403},
                                             {"resource_exhausted", 429},
                                             {"failed_precondition", 400},
                                             {"aborted", 409},
                                             {"out_of_range", 400},
                                             {"unimplemented", 501},
                                             {"internal", 500},
                                             {"unavailable", 503},
                                             {"data_loss", 500},
                                             {"unauthenticated", 401}}};

const CodeRow& RowOf(grpc::StatusCode code) {
  const auto index = static_cast<size_t>(code);
  return kCodes[index < kCodes.size() ? index : 2];
}

// RFC 4648 without padding, as Connect writes binary values.
std::string Base64(std::string_view bytes) {
  const std::string padded = absl::Base64Escape(absl::string_view(bytes.data(), bytes.size()));
  return padded.substr(0, padded.find('='));
}

google::rpc::Status DetailsOf(const grpc::Status& status) {
  google::rpc::Status details;
  if (!details.ParseFromString(status.error_details())) {
    details.Clear();
  }
  return details;
}

// For people: the detail as JSON. Null when its type is not known here.
json DebugOf(const google::protobuf::Any& any) {
  std::string text;
  if (!google::protobuf::util::MessageToJsonString(any, &text).ok()) {
    return nullptr;
  }
  json debug = json::parse(text, nullptr, false);
  if (!debug.is_object()) {
    return nullptr;
  }
  debug.erase("@type");
  return debug;
}

bool IsTokenOfHeader(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '_' || c == '.';
  });
}

// protobuf says `(path) name: what` or `(path): what`, then lines that show the place.
struct JsonFault {
  std::string field;
  std::string what;
};
JsonFault FaultOf(std::string_view message) {
  message = message.substr(0, std::min<size_t>(message.find('\n'), 300));
  JsonFault fault;
  if (!message.empty() && message.front() == '(') {
    const size_t close = message.find(')');
    if (close != std::string_view::npos) {
      fault.field = message.substr(1, close - 1);
      message.remove_prefix(close + 1);
    }
  }
  const size_t colon = message.find(": ");
  std::string_view name = message.substr(0, colon);
  name.remove_prefix(std::min(name.find_first_not_of(' '), name.size()));
  if (colon != std::string_view::npos && name.find(' ') == std::string_view::npos) {
    if (!name.empty()) {
      fault.field += (fault.field.empty() ? "" : ".") + std::string(name);
    }
    message.remove_prefix(colon + 2);
  }
  fault.what = message == "Cannot find field." ? "there is no such field" : std::string(message);
  return fault;
}

}  // namespace

std::optional<ConnectType> ParseConnectType(std::string_view content_type) {
  const std::string charset = MediaParameter(content_type, "charset");
  if (!charset.empty() && !absl::EqualsIgnoreCase(charset, "utf-8")) {
    return std::nullopt;
  }
  const std::string type = MediaType(content_type);
  for (const Codec codec : {Codec::kJson, Codec::kProto}) {
    for (const bool stream : {false, true}) {
      const ConnectType each{codec, stream};
      if (type == ContentTypeOf(each)) return each;
    }
  }
  return std::nullopt;
}

std::string_view ContentTypeOf(ConnectType type) {
  if (type.codec == Codec::kJson) {
    return type.stream ? "application/connect+json" : "application/json";
  }
  return type.stream ? "application/connect+proto" : "application/proto";
}

std::string_view ConnectCode(grpc::StatusCode code) { return RowOf(code).name; }
int HttpStatusOf(grpc::StatusCode code) { return RowOf(code).http; }

json ConnectError(const grpc::Status& status) {
  json error = {{"code", ConnectCode(status.error_code())}};
  if (!status.error_message().empty()) {
    error["message"] = status.error_message();
  }
  const google::rpc::Status details = DetailsOf(status);
  for (const google::protobuf::Any& any : details.details()) {
    json detail = {
        {"type", any.type_url().substr(any.type_url().rfind('/') + 1)},
        {"value", Base64(any.value())},
    };
    if (json debug = DebugOf(any); !debug.is_null()) {
      detail["debug"] = std::move(debug);
    }
    error["details"].push_back(std::move(detail));
  }
  return error;
}

Reply ConnectErrorReply(const grpc::Status& status) {
  // Text that is no UTF-8 must not become an exception.
  Reply reply{.status = HttpStatusOf(status.error_code()),
              .headers = {},
              .body = ConnectError(status).dump(-1, ' ', false, json::error_handler_t::replace)};
  reply.With("Content-Type", "application/json").With("Cache-Control", "no-store");
  reply.With("X-Content-Type-Options", "nosniff");
  const google::rpc::Status details = DetailsOf(status);
  for (const google::protobuf::Any& any : details.details()) {
    google::rpc::RetryInfo retry;
    if (any.UnpackTo(&retry)) {
      const auto& delay = retry.retry_delay();
      reply.With("Retry-After", fmt::format("{}", delay.seconds() + (delay.nanos() > 0 ? 1 : 0)));
    }
  }
  if (status.error_code() == grpc::StatusCode::UNAUTHENTICATED) {
    reply.With("WWW-Authenticate", "Bearer");
  }
  return reply;
}

void AddMetadata(const Metadata& metadata, std::string_view prefix, Headers& headers) {
  for (const auto& [name, value] : metadata) {
    if (!IsTokenOfHeader(name) || absl::StartsWith(name, "grpc-") || name == "user-agent" ||
        name == "content-type") {
      continue;
    }
    const bool binary = absl::EndsWith(name, "-bin");
    headers.emplace_back(std::string(prefix) + name, binary ? Base64(value) : value);
  }
}

std::string Envelope(uint8_t flags, std::string_view message) {
  std::string bytes(1, static_cast<char>(flags));
  for (int shift = 24; shift >= 0; shift -= 8) {
    bytes += static_cast<char>((message.size() >> shift) & 0xff);
  }
  return bytes.append(message);
}

std::optional<std::string_view> OpenEnvelope(std::string_view body, bool& compressed) {
  if (body.size() < kEnvelopeBytes) {
    return std::nullopt;
  }
  const auto flags = static_cast<uint8_t>(body[0]);
  size_t size = 0;
  for (size_t i = 1; i < kEnvelopeBytes; ++i) {
    size = size << 8 | static_cast<uint8_t>(body[i]);
  }
  if ((flags & ~kCompressed) != 0 || body.size() - kEnvelopeBytes != size) {
    return std::nullopt;
  }
  compressed = (flags & kCompressed) != 0;
  return body.substr(kEnvelopeBytes);
}

std::string EndOfStream(const grpc::Status& status, const Metadata& trailers) {
  json end = json::object();
  if (!status.ok()) {
    end["error"] = ConnectError(status);
  }
  Headers headers;
  AddMetadata(trailers, "", headers);
  for (const auto& [name, value] : headers) {
    end["metadata"][name].push_back(value);
  }
  return Envelope(kEndOfStream, end.dump(-1, ' ', false, json::error_handler_t::replace));
}

const Message* PrototypeOf(const google::protobuf::Descriptor* type) {
  return google::protobuf::MessageFactory::generated_factory()->GetPrototype(type);
}

absl::StatusOr<std::string> JsonToProto(const Message& prototype, std::string_view text) {
  const std::unique_ptr<Message> message(prototype.New());
  const google::protobuf::util::Status parsed = google::protobuf::util::JsonStringToMessage(
      google::protobuf::StringPiece(text.data(), text.size()), message.get());
  if (parsed.ok()) {
    return message->SerializeAsString();
  }
  const JsonFault fault = FaultOf({parsed.message().data(), parsed.message().size()});
  return domain::Refusal(
             v1::MALFORMED_REQUEST,
             fmt::format("The JSON is no {}: {}{}{}", prototype.GetDescriptor()->full_name(),
                         fault.field, fault.field.empty() ? "" : ": ", fault.what))
      .Field(fault.field, fault.what)
      .Next("See the message's fields in this server's protos.");
}

absl::StatusOr<std::string> ProtoToJson(const Message& prototype, std::string_view bytes) {
  const std::unique_ptr<Message> message(prototype.New());
  std::string text;
  if (!message->ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) ||
      !google::protobuf::util::MessageToJsonString(*message, &text).ok()) {
    return absl::InternalError(
        fmt::format("an answer is no {}", prototype.GetDescriptor()->full_name()));
  }
  return text;
}

}  // namespace retrace::server::http
