// Messages as gRPC carries them.
#pragma once

#include <grpcpp/support/byte_buffer.h>

#include "google/protobuf/message.h"

namespace retrace::server {

// The message's bytes, in one slice.
inline grpc::ByteBuffer Serialize(const google::protobuf::Message& message) {
  grpc::Slice slice(message.ByteSizeLong());
  message.SerializeWithCachedSizesToArray(const_cast<uint8_t*>(slice.begin()));
  return grpc::ByteBuffer(&slice, 1);
}

}  // namespace retrace::server
