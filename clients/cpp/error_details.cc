#include "clients/cpp/error_details.h"

#include <grpcpp/support/status.h>

#include "absl/strings/cord.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace retrace::client {
namespace {

// The payload is there for every answer of a server, empty when the answer had no details.
constexpr char kPayload[] = "type.googleapis.com/google.rpc.Status";

void Add(const google::rpc::ErrorInfo& detail, ErrorDetails& out) {
  out.reason = detail.reason();
  out.domain = detail.domain();
  out.metadata.insert(detail.metadata().begin(), detail.metadata().end());
}

void Add(const google::rpc::BadRequest& detail, ErrorDetails& out) {
  for (const auto& violation : detail.field_violations()) {
    out.fields.push_back({violation.field(), violation.description()});
  }
}

void Add(const google::rpc::PreconditionFailure& detail, ErrorDetails& out) {
  for (const auto& violation : detail.violations()) {
    out.preconditions.push_back({violation.type(), violation.subject(), violation.description()});
  }
}

void Add(const google::rpc::ResourceInfo& detail, ErrorDetails& out) {
  out.resource_type = detail.resource_type();
  out.resource_name = detail.resource_name();
}

void Add(const google::rpc::Help& detail, ErrorDetails& out) {
  for (const auto& link : detail.links()) out.help.push_back({link.description(), link.url()});
}

void Add(const google::rpc::RetryInfo& detail, ErrorDetails& out) {
  out.retry_after = absl::Seconds(detail.retry_delay().seconds()) +
                    absl::Nanoseconds(detail.retry_delay().nanos());
}

// Adds the detail if it is a `Detail`.
template <typename Detail>
void AddIf(const google::protobuf::Any& any, ErrorDetails& out) {
  Detail detail;
  if (any.Is<Detail>() && any.UnpackTo(&detail)) Add(detail, out);
}

}  // namespace

absl::Status ToAbslStatus(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  result.SetPayload(kPayload, absl::Cord(status.error_details()));
  return result;
}

ErrorDetails DetailsOf(const absl::Status& status) {
  ErrorDetails details;
  const auto payload = status.GetPayload(kPayload);
  google::rpc::Status parsed;
  if (!payload || !parsed.ParseFromString(std::string(*payload))) return details;
  for (const auto& any : parsed.details()) {
    AddIf<google::rpc::ErrorInfo>(any, details);
    AddIf<google::rpc::BadRequest>(any, details);
    AddIf<google::rpc::PreconditionFailure>(any, details);
    AddIf<google::rpc::ResourceInfo>(any, details);
    AddIf<google::rpc::Help>(any, details);
    AddIf<google::rpc::RetryInfo>(any, details);
  }
  return details;
}

bool IsFromServer(const absl::Status& status) { return status.GetPayload(kPayload).has_value(); }

}  // namespace retrace::client
