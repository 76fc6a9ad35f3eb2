// One unary call by the Connect protocol.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/byte_buffer.h>

#include <memory>

#include "server/http/connect.h"

namespace retrace::server::http {

// Lives until the RPC has ended.
class ConnectUnary : public std::enable_shared_from_this<ConnectUnary> {
 public:
  // Calls, and answers the exchange when the RPC has.
  static void Begin(const Connect& connect, const ExchangePtr& exchange, Connect::Asked asked);

 private:
  ConnectUnary(const Connect& connect, ExchangePtr exchange, Connect::Asked asked);
  void Finish(const grpc::Status& status);
  Reply ReplyOf(const grpc::Status& status) const;
  bool IsQuery() const;

  const Connect& connect_;
  const ExchangePtr exchange_;
  const Connect::Asked asked_;
  grpc::ClientContext context_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer reply_;
};

// Bytes as gRPC carries them, and back.
grpc::ByteBuffer ToByteBuffer(std::string_view bytes);
std::string FlatBytes(const grpc::ByteBuffer& bytes);
// A call's metadata, owned.
Metadata OwnedMetadata(const std::multimap<grpc::string_ref, grpc::string_ref>& metadata);

// Answers below this are not worth packing.
inline constexpr size_t kMinPackedBytes = 1 << 10;

}  // namespace retrace::server::http
