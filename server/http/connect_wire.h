// The Connect protocol's own bytes: codes, errors, envelopes, codecs. Pure functions.
//
// See https://connectrpc.com/docs/protocol.
#pragma once

#include <grpcpp/support/status.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/message.h"
#include "nlohmann/json_fwd.hpp"
#include "server/http/message.h"

namespace retrace::server::http {

enum class Codec { kJson, kProto };

// What a Content-Type asks for; nothing when it is none of Connect's.
struct ConnectType {
  Codec codec = Codec::kJson;
  bool stream = false;
};
std::optional<ConnectType> ParseConnectType(std::string_view content_type);
std::string_view ContentTypeOf(ConnectType type);

// "not_found", and the HTTP status that goes with it.
std::string_view ConnectCode(grpc::StatusCode code);
int HttpStatusOf(grpc::StatusCode code);

// {"code", "message", "details": [{"type", "value", "debug"}]} of what an RPC ended with.
nlohmann::json ConnectError(const grpc::Status& status);
// The same as a whole answer to a unary call; with Retry-After when the error says when.
Reply ConnectErrorReply(const grpc::Status& status);

// Metadata as it came over gRPC.
using Metadata = std::multimap<std::string, std::string>;
// As headers, each name behind `prefix`; values of `-bin` as unpadded base64. gRPC's own are left
// out.
void AddMetadata(const Metadata& metadata, std::string_view prefix, Headers& headers);

// Envelopes: a byte of flags, four of length (big-endian), the message.
inline constexpr uint8_t kCompressed = 1;
inline constexpr uint8_t kEndOfStream = 2;
inline constexpr size_t kEnvelopeBytes = 5;
std::string Envelope(uint8_t flags, std::string_view message);
// The one message of a request's body; `compressed` tells whether its flag is set. Nothing when the
// body is anything but one whole envelope.
std::optional<std::string_view> OpenEnvelope(std::string_view body, bool& compressed);
// The last envelope's message: {"error", "metadata"}.
std::string EndOfStream(const grpc::Status& status, const Metadata& trailers);

// The generated type's default message; null when the type is not linked.
const google::protobuf::Message* PrototypeOf(const google::protobuf::Descriptor* type);

// The bytes of a JSON text of this type. MALFORMED_REQUEST names the field that is wrong, as far as
// it can be told.
absl::StatusOr<std::string> JsonToProto(const google::protobuf::Message& prototype,
                                        std::string_view json);
// INTERNAL when the bytes are no such message.
absl::StatusOr<std::string> ProtoToJson(const google::protobuf::Message& prototype,
                                        std::string_view bytes);

}  // namespace retrace::server::http
