// A refusal: a business "no" that tells the caller what to do next.
//
//   return Refusal(v1::KEY_TAKEN, fmt::format("External id {} is held by {}.", value, holder))
//       .With("key", "customers.external_id").With("holder", holder)
//       .Next("Change the external id, or delete the other customer first.");
//
// It travels as an absl::Status whose payload is a google.rpc.Status with the AIP-193 details;
// server/status.cc hands that on unchanged. One table maps reason to canonical code.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "google/rpc/status.pb.h"
#include "retrace/v1/errors.pb.h"

namespace retrace::domain {

// The canonical code of a reason; the one table.
absl::StatusCode CodeOf(v1::ErrorReason reason);

class Refusal {
 public:
  Refusal(v1::ErrorReason reason, std::string message);

  // Dynamic values of the message, for programs: ErrorInfo.metadata. Keys are lower-case with
  // hyphens.
  Refusal&& With(std::string_view key, std::string_view value) &&;
  // A field of the request that is wrong: BadRequest. At most 20 are kept.
  Refusal&& Field(std::string_view path, std::string_view description) &&;
  // One unmet precondition: PreconditionFailure. At most 20 are kept.
  Refusal&& Unmet(std::string_view type, std::string_view subject, std::string_view description) &&;
  // The entity that it is about: ResourceInfo.
  Refusal&& About(std::string_view type, std::string_view name) &&;
  // What to do next and whom to ask; appended to the message and put into Help.
  Refusal&& Next(std::string_view sentence) &&;
  // When to try again: RetryInfo.
  Refusal&& RetryAfter(absl::Duration delay) &&;
  // Another code than the table's, where the API says so (KEY_TAKEN on undelete).
  Refusal&& Code(absl::StatusCode code) &&;

  operator absl::Status() const;  // NOLINT: a refusal is returned where a status is

 private:
  absl::StatusCode code_;
  google::rpc::Status status_;
};

// The reason that a status carries; ERROR_REASON_UNSPECIFIED when it is no refusal.
v1::ErrorReason ReasonOf(const absl::Status& status);
// The details that a status carries; empty when it is no refusal.
google::rpc::Status DetailsOf(const absl::Status& status);
// The same refusal, said of one element of a batch, e.g. `requests[17]`: its fields become fields
// of the element, its message begins with it. Any other status comes back as it is.
absl::Status Inside(std::string_view element, const absl::Status& status);

}  // namespace retrace::domain
