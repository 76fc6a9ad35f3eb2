// What is wrong with bytes that are no message of a type.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "google/protobuf/descriptor.h"

namespace retrace::server {

// The first fault in a request's bytes.
struct Fault {
  std::string
      field;  // path of the field, e.g. "customer.display_name"; empty: not within a known one
  std::string description;
};

// Walks `bytes` as protobuf's parser would, which only says that it failed. Nothing when there is
// no fault. Takes linear time; nests at most 100 messages deep, as the parser does.
std::optional<Fault> FindFault(const google::protobuf::Descriptor& type, std::string_view bytes);

}  // namespace retrace::server
