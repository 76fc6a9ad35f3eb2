#include "server/http/connect_stream.h"

#include <utility>

#include "domain/status_macros.h"
#include "server/http/connect_unary.h"
#include "server/http/gzip.h"
#include "server/status.h"

namespace retrace::server::http {

ConnectStream::ConnectStream(const Connect& connect, ExchangePtr exchange, Connect::Asked asked)
    : connect_(connect), exchange_(std::move(exchange)), asked_(std::move(asked)) {}

void ConnectStream::Begin(const Connect& connect, const ExchangePtr& exchange, Connect::Asked asked,
                          const grpc::Status& refused) {
  const std::shared_ptr<ConnectStream> stream(
      new ConnectStream(connect, exchange, std::move(asked)));
  stream->SendHead();
  if (refused.ok()) {
    stream->Call();
  } else {
    stream->SendEnd(refused);
  }
}

void ConnectStream::SendHead() {
  Reply head;
  head.With("Content-Type", ContentTypeOf(asked_.type)).With("Cache-Control", "no-store");
  head.With("X-Content-Type-Options", "nosniff");
  if (asked_.gzip_reply) {
    head.With("Connect-Content-Encoding", "gzip");
  }
  connect_.AddOrigin(exchange_->request(), head.headers);
  exchange_->Begin(std::move(head));
}

void ConnectStream::Call() {
  self_ = shared_from_this();
  Connect::FillContext(exchange_->request(), context_);
  request_ = ToByteBuffer(asked_.message);
  connect_.stub_.PrepareBidiStreamingCall(&context_, exchange_->request().path, {}, this);
  // Reads are begun when writes are done, outside of gRPC's callbacks.
  AddHold();
  StartWriteLast(&request_, grpc::WriteOptions());
  StartRead(&message_);
  exchange_->OnGone([weak = weak_from_this()] {
    if (const auto stream = weak.lock()) stream->context_.TryCancel();
  });
  StartCall();
}

void ConnectStream::OnReadDone(bool ok) {
  if (ok) {
    exchange_->Run([this] { Forward(); });
  } else {
    RemoveHold();
  }
}

absl::StatusOr<std::string> ConnectStream::Pack() const {
  std::string bytes = FlatBytes(message_);
  if (asked_.type.codec == Codec::kJson) {
    RETRACE_ASSIGN(bytes, ProtoToJson(*PrototypeOf(asked_.method->output_type()), bytes));
  }
  const bool packed = asked_.gzip_reply && bytes.size() >= kMinPackedBytes;
  return Envelope(packed ? kCompressed : 0, packed ? Gzip(bytes) : bytes);
}

void ConnectStream::Forward() {
  absl::StatusOr<std::string> envelope = Pack();
  message_.Clear();
  if (!envelope.ok()) {
    fault_ = envelope.status();
    context_.TryCancel();
    StartRead(&message_);
    return;
  }
  exchange_->Write(*std::move(envelope), [this](bool ok) {
    if (!ok) {
      context_.TryCancel();
    }
    StartRead(&message_);
  });
}

void ConnectStream::OnDone(const grpc::Status& status) {
  SendEnd(fault_.ok() ? status : ToGrpcStatus(fault_));
  self_.reset();
}

void ConnectStream::SendEnd(const grpc::Status& status) {
  Metadata trailers;
  if (self_ != nullptr) {
    trailers = OwnedMetadata(context_.GetServerTrailingMetadata());
  }
  exchange_->Write(EndOfStream(status, trailers),
                   [exchange = exchange_](bool) { exchange->End(); });
}

}  // namespace retrace::server::http
