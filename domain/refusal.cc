#include "domain/refusal.h"

#include <utility>

#include "fmt/format.h"
#include "google/protobuf/util/time_util.h"
#include "google/rpc/error_details.pb.h"

namespace retrace::domain {
namespace {

constexpr char kPayload[] = "type.googleapis.com/google.rpc.Status";
constexpr char kDomain[] = "retrace.v1";
constexpr int kMostViolations = 20;

// Changes the detail of type Detail, which is added when there is none yet.
template <typename Detail, typename Change>
void ChangeDetail(google::rpc::Status& status, Change change) {
  Detail detail;
  for (google::protobuf::Any& any : *status.mutable_details()) {
    if (any.Is<Detail>()) {
      any.UnpackTo(&detail);
      change(detail);
      any.PackFrom(detail);
      return;
    }
  }
  change(detail);
  status.add_details()->PackFrom(detail);
}

absl::Status ToStatus(absl::StatusCode code, const google::rpc::Status& details) {
  absl::Status status(code, details.message());
  status.SetPayload(kPayload, absl::Cord(details.SerializeAsString()));
  return status;
}

}  // namespace

// A reason that is missing here does not compile (-Wswitch).
absl::StatusCode CodeOf(v1::ErrorReason reason) {
  switch (reason) {
    case v1::INVALID_FIELD:
    case v1::MALFORMED_REQUEST:
    case v1::INVALID_FILTER:
    case v1::INVALID_PAGE_TOKEN:
    case v1::FUTURE_AS_OF:
    case v1::REQUEST_ID_REUSED:
    case v1::RELATED_CHOICE_MISSING:
    case v1::USE_OPERATION:
    case v1::PLAN_TOKEN_INVALID:
    case v1::ADDRESS_REFUSED:
    case v1::TEMPLATE_BROKEN:
    case v1::NOBODY_TO_TELL:
      return absl::StatusCode::kInvalidArgument;
    case v1::ENTITY_NOT_FOUND:
    case v1::ALREADY_DELETED:
    case v1::TENANT_NOT_FOUND:
    case v1::ENTITY_PURGED:
      return absl::StatusCode::kNotFound;
    case v1::ID_TAKEN:
    case v1::KEY_TAKEN:
    case v1::NOT_DELETED:
      return absl::StatusCode::kAlreadyExists;
    // clang-format off
    case v1::STATE_REFUSED: case v1::RELATED_EXIST: case v1::REFERENCE_BROKEN:
    case v1::CHANGE_SET_CLOSED: case v1::EPOCH_CHANGED: case v1::LIMIT_REACHED:
    case v1::CLOCK_JUMPED: case v1::OPERATION_ENDED: case v1::BUSY: case v1::MERGED_AWAY:
    case v1::UNDO_CONFLICT: case v1::ALREADY_UNDONE: case v1::EVIDENCE_REQUIRED:
    case v1::PLAN_EXPIRED: case v1::PLAN_TOKEN_USED: case v1::PLAN_DRIFTED: case v1::PLAN_REQUIRED:
    case v1::ACKNOWLEDGEMENT_REQUIRED: case v1::REASON_REQUIRED: case v1::HELD:
    case v1::ANNOUNCEMENT_CLOSED: case v1::OBJECTIONS_EXIST: case v1::SECOND_PERSON_REQUIRED:
      // clang-format on
      return absl::StatusCode::kFailedPrecondition;
    case v1::ETAG_MISMATCH:
      return absl::StatusCode::kAborted;
    case v1::TOKEN_UNKNOWN:
      return absl::StatusCode::kUnauthenticated;
    case v1::PERMISSION_MISSING:
    case v1::NOT_YOUR_DELETION:
    case v1::NOT_YOUR_CHANGE_SET:
      return absl::StatusCode::kPermissionDenied;
    case v1::QUEUE_FULL:
    case v1::DISK_FULL:
      return absl::StatusCode::kResourceExhausted;
    case v1::DEADLINE_PASSED:
      return absl::StatusCode::kDeadlineExceeded;
    case v1::NOT_SERVING:
    case v1::OUTCOME_UNKNOWN:
      return absl::StatusCode::kUnavailable;
    case v1::METHOD_UNKNOWN:
      return absl::StatusCode::kUnimplemented;
    case v1::CALLER_CANCELLED:
      return absl::StatusCode::kCancelled;
    case v1::INTERNAL_ERROR:
    case v1::ERROR_REASON_UNSPECIFIED:
    case v1::ErrorReason_INT_MIN_SENTINEL_DO_NOT_USE_:
    case v1::ErrorReason_INT_MAX_SENTINEL_DO_NOT_USE_:
      return absl::StatusCode::kInternal;
  }
  return absl::StatusCode::kInternal;
}

Refusal::Refusal(v1::ErrorReason reason, std::string message) : code_(CodeOf(reason)) {
  status_.set_message(std::move(message));
  google::rpc::ErrorInfo error;
  error.set_reason(v1::ErrorReason_Name(reason));
  error.set_domain(kDomain);
  status_.add_details()->PackFrom(error);
}

Refusal&& Refusal::With(std::string_view key, std::string_view value) && {
  ChangeDetail<google::rpc::ErrorInfo>(status_, [&](google::rpc::ErrorInfo& error) {
    (*error.mutable_metadata())[std::string(key)] = std::string(value);
  });
  return std::move(*this);
}

Refusal&& Refusal::Field(std::string_view path, std::string_view description) && {
  ChangeDetail<google::rpc::BadRequest>(status_, [&](google::rpc::BadRequest& bad) {
    if (bad.field_violations_size() < kMostViolations) {
      auto* violation = bad.add_field_violations();
      violation->set_field(std::string(path));
      violation->set_description(std::string(description));
    }
  });
  return std::move(*this);
}

Refusal&& Refusal::Unmet(std::string_view type, std::string_view subject,
                         std::string_view description) && {
  ChangeDetail<google::rpc::PreconditionFailure>(
      status_, [&](google::rpc::PreconditionFailure& failure) {
        if (failure.violations_size() < kMostViolations) {
          auto* violation = failure.add_violations();
          violation->set_type(std::string(type));
          violation->set_subject(std::string(subject));
          violation->set_description(std::string(description));
        }
      });
  return std::move(*this);
}

Refusal&& Refusal::About(std::string_view type, std::string_view name) && {
  ChangeDetail<google::rpc::ResourceInfo>(status_, [&](google::rpc::ResourceInfo& resource) {
    resource.set_resource_type(std::string(type));
    resource.set_resource_name(std::string(name));
    resource.set_description(status_.message());
  });
  return std::move(*this);
}

Refusal&& Refusal::Next(std::string_view sentence) && {
  status_.set_message(fmt::format("{} {}", status_.message(), sentence));
  ChangeDetail<google::rpc::Help>(status_, [&](google::rpc::Help& help) {
    help.add_links()->set_description(std::string(sentence));
  });
  return std::move(*this);
}

Refusal&& Refusal::RetryAfter(absl::Duration delay) && {
  ChangeDetail<google::rpc::RetryInfo>(status_, [&](google::rpc::RetryInfo& retry) {
    *retry.mutable_retry_delay() =
        google::protobuf::util::TimeUtil::NanosecondsToDuration(absl::ToInt64Nanoseconds(delay));
  });
  return std::move(*this);
}

Refusal&& Refusal::Code(absl::StatusCode code) && {
  code_ = code;
  return std::move(*this);
}

Refusal::operator absl::Status() const {
  google::rpc::Status details = status_;
  details.set_code(static_cast<int>(code_));
  return ToStatus(code_, details);
}

google::rpc::Status DetailsOf(const absl::Status& status) {
  google::rpc::Status details;
  if (absl::optional<absl::Cord> payload = status.GetPayload(kPayload)) {
    details.ParseFromString(std::string(*payload));
  }
  return details;
}

v1::ErrorReason ReasonOf(const absl::Status& status) {
  google::rpc::ErrorInfo error;
  v1::ErrorReason reason = v1::ERROR_REASON_UNSPECIFIED;
  // Named: a temporary would not last the loop.
  const google::rpc::Status details = DetailsOf(status);
  for (const google::protobuf::Any& any : details.details()) {
    if (any.UnpackTo(&error)) {
      v1::ErrorReason_Parse(error.reason(), &reason);
    }
  }
  return reason;
}

absl::Status Inside(std::string_view element, const absl::Status& status) {
  google::rpc::Status details = DetailsOf(status);
  if (element.empty() || details.details().empty()) {
    return status;
  }
  details.set_message(fmt::format("{}: {}", element, details.message()));
  for (google::protobuf::Any& any : *details.mutable_details()) {
    if (google::rpc::BadRequest bad; any.UnpackTo(&bad)) {
      for (auto& violation : *bad.mutable_field_violations()) {
        violation.set_field(violation.field().empty() || violation.field() == "name"
                                ? std::string(element)
                                : fmt::format("{}.{}", element, violation.field()));
      }
      any.PackFrom(bad);
    } else if (google::rpc::ErrorInfo error; any.UnpackTo(&error)) {
      (*error.mutable_metadata())["element"] = std::string(element);
      any.PackFrom(error);
    }
  }
  return ToStatus(status.code(), details);
}

}  // namespace retrace::domain
