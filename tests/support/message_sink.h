// Takes what a stream of the server writes.
#pragma once

#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "server/endpoint.h"

namespace retrace::testing {

// Keeps the messages of one type. Thread-compatible.
template <typename Response>
class MessageSink : public server::StreamWriter {
 public:
  absl::Status Write(const google::protobuf::Message& message) override {
    messages.push_back(static_cast<const Response&>(message));
    return absl::OkStatus();
  }
  absl::Status Alive() const override { return alive; }

  std::vector<Response> messages;
  absl::Status alive;
};

}  // namespace retrace::testing
