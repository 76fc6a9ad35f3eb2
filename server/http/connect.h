// The Connect protocol (https://connectrpc.com/docs/protocol) in front of the RPCs of this server.
//
// Generic over descriptors: each call is turned into a gRPC call within the process and back, so
// principal, permission, validation, metrics, log and errors are those of gRPC. Served are unary
// calls (application/json, application/proto) and server streams (application/connect+json,
// application/connect+proto), by POST. No method promises to be free of side effects
// (idempotency_level), so GET is answered 405.
//
// Of the request's headers these go on: authorization, traceparent, tracestate, x-request-id;
// connect-timeout-ms becomes the deadline. When the client goes away the call is cancelled. Of a
// stream the next message is fetched when the one before is written.
#pragma once

#include <grpcpp/generic/generic_stub.h>

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/descriptor.h"
#include "server/admission.h"
#include "server/http/connect_wire.h"
#include "server/http/exchange.h"
#include "server/rpc.h"

namespace retrace::server::http {

// Who sent the request: Authenticate on its Authorization header.
absl::StatusOr<Caller> CallerOf(const Request& request, Principals& principals);

// Thread-safe. Must outlive its calls, as `rpc` and the stub's server must.
class Connect {
 public:
  // `origins`: whose pages may call from another origin.
  Connect(Rpc& rpc, grpc::GenericStub& stub, std::vector<std::string> origins,
          size_t max_message_bytes);

  // What a request asks for, once its headers are understood.
  struct Asked {
    const google::protobuf::MethodDescriptor* method = nullptr;
    ConnectType type;
    bool gzip_reply = false;
    std::string message;  // the request's bytes, as protobuf
  };

  // True for `/package.Service/Method`, whether there is such a method or not.
  static bool IsMethodPath(std::string_view path);
  // Whether there is a method at such a path.
  static bool Knows(std::string_view path);
  void Answer(const ExchangePtr& exchange) const;

 private:
  friend class ConnectUnary;
  friend class ConnectStream;

  void AnswerPost(const ExchangePtr& exchange) const;
  void AnswerPreflight(const ExchangePtr& exchange) const;
  // UNIMPLEMENTED (METHOD_UNKNOWN) as gRPC says it.
  static absl::Status Unknown(std::string_view path);
  // Fills in the message.
  absl::Status Prepare(const Request& request, Asked& asked) const;
  absl::Status CheckProtocol(const Request& request, const Asked& asked) const;
  // As the RPC will ask again: who may not call has nothing unpacked or parsed for them, and does
  // not learn what is wrong with it.
  absl::Status MayCall(const Request& request, const Asked& asked) const;
  // The message in the body: unpacked, checked, as protobuf.
  absl::StatusOr<std::string> ReadMessage(const Request& request, const Asked& asked) const;
  // Metadata and deadline.
  static void FillContext(const Request& request, grpc::ClientContext& context);
  // Access-Control-* and Vary, when the origin may call.
  void AddOrigin(const Request& request, Headers& headers) const;
  void Send(const ExchangePtr& exchange, Reply reply) const;

  Rpc& rpc_;
  grpc::GenericStub& stub_;
  const std::vector<std::string> origins_;
  const size_t max_message_bytes_;
};

}  // namespace retrace::server::http
