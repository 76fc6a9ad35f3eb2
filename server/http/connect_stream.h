// One server stream by the Connect protocol.
#pragma once

#include <grpcpp/client_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/client_callback.h>

#include <memory>

#include "server/http/connect.h"

namespace retrace::server::http {

// Lives until the RPC has ended. Reads the next message when the one before is written, so a client
// that reads slowly slows the RPC down.
class ConnectStream final : public grpc::ClientBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>,
                            public std::enable_shared_from_this<ConnectStream> {
 public:
  // Answers the exchange: with what the RPC sends, or, when `refused` is not OK, with that alone.
  static void Begin(const Connect& connect, const ExchangePtr& exchange, Connect::Asked asked,
                    const grpc::Status& refused);

 private:
  ConnectStream(const Connect& connect, ExchangePtr exchange, Connect::Asked asked);

  void OnReadDone(bool ok) override;
  void OnDone(const grpc::Status& status) override;

  void SendHead();
  void Call();
  // The message that was read, as an envelope.
  absl::StatusOr<std::string> Pack() const;
  void Forward();
  void SendEnd(const grpc::Status& status);

  const Connect& connect_;
  const ExchangePtr exchange_;
  const Connect::Asked asked_;
  grpc::ClientContext context_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer message_;
  absl::Status fault_;                   // our own, while forwarding
  std::shared_ptr<ConnectStream> self_;  // gRPC's reference
};

}  // namespace retrace::server::http
