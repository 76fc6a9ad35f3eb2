// Bytes of messages that are compared or hashed as bytes.
#pragma once

#include <string>

#include "google/protobuf/message.h"

namespace retrace::domain {

// Equal for equal messages of one build: maps are written in the order of their keys.
std::string SerializeDeterministically(const google::protobuf::Message& message);

}  // namespace retrace::domain
