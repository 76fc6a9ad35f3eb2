#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace grpc {
class Status;
}

namespace retrace::client {

// What the server said about a refusal beside its code and message: the standard `google.rpc`
// details of the status. Empty members were not sent.
struct ErrorDetails {
  struct FieldViolation {
    std::string field;
    std::string description;
  };
  struct PreconditionViolation {
    std::string type;
    std::string subject;
    std::string description;
  };
  struct Link {
    std::string description;
    std::string url;
  };

  // Name of a value of retrace.v1.ErrorReason, e.g. `KEY_TAKEN`. Empty when the error did not come
  // from a Retrace server, e.g. when there was no connection.
  std::string reason;
  std::string domain;
  std::map<std::string, std::string> metadata;
  std::vector<FieldViolation> fields;
  std::vector<PreconditionViolation> preconditions;
  // What the error is about, e.g. the holder of a key.
  std::string resource_type;
  std::string resource_name;
  std::vector<Link> help;
  // When to come back (RESOURCE_EXHAUSTED).
  std::optional<absl::Duration> retry_after;
};

// The same code and message as an absl::Status that carries the serialised details as payload.
absl::Status ToAbslStatus(const grpc::Status& status);

// The details of a status made by ToAbslStatus; empty members for every other status. Details of
// unknown types and malformed details are left out.
ErrorDetails DetailsOf(const absl::Status& status);

// True for a status that a server (or the way to it) answered, not this program.
bool IsFromServer(const absl::Status& status);

}  // namespace retrace::client
