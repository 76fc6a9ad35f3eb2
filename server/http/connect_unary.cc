#include "server/http/connect_unary.h"

#include <utility>
#include <vector>

#include "server/http/gzip.h"
#include "server/status.h"

namespace retrace::server::http {

grpc::ByteBuffer ToByteBuffer(std::string_view bytes) {
  const grpc::Slice slice(bytes.data(), bytes.size());
  return grpc::ByteBuffer(&slice, 1);
}

std::string FlatBytes(const grpc::ByteBuffer& bytes) {
  std::string flat;
  std::vector<grpc::Slice> slices;
  if (bytes.Valid() && bytes.Dump(&slices).ok()) {
    for (const grpc::Slice& slice : slices) {
      flat.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
    }
  }
  return flat;
}

Metadata OwnedMetadata(const std::multimap<grpc::string_ref, grpc::string_ref>& metadata) {
  Metadata owned;
  for (const auto& [name, value] : metadata) {
    owned.emplace(std::string(name.data(), name.size()), std::string(value.data(), value.size()));
  }
  return owned;
}

ConnectUnary::ConnectUnary(const Connect& connect, ExchangePtr exchange, Connect::Asked asked)
    : connect_(connect), exchange_(std::move(exchange)), asked_(std::move(asked)) {}

void ConnectUnary::Begin(const Connect& connect, const ExchangePtr& exchange,
                         Connect::Asked asked) {
  const std::shared_ptr<ConnectUnary> call(new ConnectUnary(connect, exchange, std::move(asked)));
  Connect::FillContext(exchange->request(), call->context_);
  call->request_ = ToByteBuffer(call->asked_.message);
  exchange->OnGone([weak = std::weak_ptr(call)] {
    if (const auto gone = weak.lock()) gone->context_.TryCancel();
  });
  // On the connection's thread: gRPC has few of its own.
  connect.stub_.UnaryCall(&call->context_, exchange->request().path, {}, &call->request_,
                          &call->reply_, [call](const grpc::Status& status) {
                            call->exchange_->Run([call, status] { call->Finish(status); });
                          });
}

void ConnectUnary::Finish(const grpc::Status& status) {
  Reply reply = ReplyOf(status);
  AddMetadata(OwnedMetadata(context_.GetServerInitialMetadata()), "", reply.headers);
  AddMetadata(OwnedMetadata(context_.GetServerTrailingMetadata()), "trailer-", reply.headers);
  if (asked_.gzip_reply && reply.body.size() >= kMinPackedBytes) {
    reply.body = Gzip(reply.body);
    reply.With("Content-Encoding", "gzip");
  }
  // Who is told that a command was not done sends it again.
  if (IsQuery() && !exchange_->HasRoomFor(reply.body.size())) {
    reply = ErrorReply(503, "unavailable",
                       "Too many large answers are on their way; try again in a moment.")
                .With("Retry-After", "1");
  }
  connect_.Send(exchange_, std::move(reply));
}

bool ConnectUnary::IsQuery() const {
  const Endpoint* endpoint = connect_.rpc_.Find(asked_.method->full_name());
  return endpoint != nullptr && endpoint->answer != nullptr;
}

Reply ConnectUnary::ReplyOf(const grpc::Status& status) const {
  if (!status.ok()) {
    return ConnectErrorReply(status);
  }
  Reply reply{.status = 200, .headers = {}, .body = FlatBytes(reply_)};
  if (asked_.type.codec == Codec::kJson) {
    absl::StatusOr<std::string> json =
        ProtoToJson(*PrototypeOf(asked_.method->output_type()), reply.body);
    if (!json.ok()) {
      return ConnectErrorReply(ToGrpcStatus(json.status()));
    }
    reply.body = *std::move(json);
  }
  reply.With("Content-Type", ContentTypeOf(asked_.type)).With("Cache-Control", "no-store");
  return reply.With("X-Content-Type-Options", "nosniff");
}

}  // namespace retrace::server::http
