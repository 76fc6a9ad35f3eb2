#include "server/status.h"

#include <string>
#include <utility>

#include "domain/refusal.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "retrace/v1/errors.pb.h"

namespace retrace::server {
namespace {

// The refusal that stands for a status which is none.
absl::Status AsRefusal(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kCancelled:
      return domain::Refusal(v1::CALLER_CANCELLED, "The caller cancelled; nothing was done.");
    case absl::StatusCode::kDeadlineExceeded:
      return domain::Refusal(v1::DEADLINE_PASSED, "The deadline passed; nothing was done.")
          .Next("Try again with a later deadline.");
    case absl::StatusCode::kUnavailable:
      return domain::Refusal(v1::NOT_SERVING, "The server cannot answer now.")
          .Next("Try again later with the same request id.")
          .RetryAfter(absl::Seconds(1));
    default:
      return domain::Refusal(v1::INTERNAL_ERROR, "The server failed to answer; its log says why.")
          .Next("Tell whoever runs the server the method and the time.");
  }
}

size_t Base64Size(size_t bytes) { return (bytes + 2) / 3 * 4; }

// grpc-message is percent-encoded: what is not printable ASCII takes three bytes.
size_t PercentEncodedSize(std::string_view text) {
  size_t size = 0;
  for (const char c : text) {
    size += (c >= ' ' && c <= '~' && c != '%') ? 1 : 3;
  }
  return size;
}

size_t WireSize(const google::rpc::Status& status) {
  return Base64Size(status.ByteSizeLong()) + PercentEncodedSize(status.message());
}

// Cuts the text to at most `size` bytes without splitting a character.
void CutText(size_t size, std::string& text) {
  if (text.size() <= size) {
    return;
  }
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) {
    --size;
  }
  text.resize(size);
  text += "...";
}

// Removes the last violation of the detail, if it is of this type and has more than one.
template <typename Detail, typename Violations>
bool DropViolation(google::protobuf::Any& any, Violations* (Detail::*violations)()) {
  Detail detail;
  if (!any.Is<Detail>() || !any.UnpackTo(&detail) || (detail.*violations)()->size() <= 1) {
    return false;
  }
  (detail.*violations)()->RemoveLast();
  any.PackFrom(detail);
  return true;
}

bool DropOneViolation(google::rpc::Status& status) {
  for (google::protobuf::Any& any : *status.mutable_details()) {
    if (DropViolation<google::rpc::BadRequest>(
            any, &google::rpc::BadRequest::mutable_field_violations) ||
        DropViolation<google::rpc::PreconditionFailure>(
            any, &google::rpc::PreconditionFailure::mutable_violations)) {
      return true;
    }
  }
  return false;
}

// Removes the last detail that is no ErrorInfo.
bool DropOneDetail(google::rpc::Status& status) {
  for (int i = status.details_size() - 1; i >= 0; --i) {
    if (!status.details(i).Is<google::rpc::ErrorInfo>()) {
      status.mutable_details()->DeleteSubrange(i, 1);
      return true;
    }
  }
  return false;
}

// Removes one entry of ErrorInfo's metadata.
bool DropOneMetadatum(google::rpc::Status& status) {
  for (google::protobuf::Any& any : *status.mutable_details()) {
    google::rpc::ErrorInfo info;
    if (any.Is<google::rpc::ErrorInfo>() && any.UnpackTo(&info) && !info.metadata().empty()) {
      info.mutable_metadata()->erase(info.mutable_metadata()->begin());
      any.PackFrom(info);
      return true;
    }
  }
  return false;
}

void FitToWire(google::rpc::Status& status) {
  CutText(1000, *status.mutable_message());
  while (WireSize(status) > kMaxStatusBytes &&
         (DropOneViolation(status) || DropOneDetail(status) || DropOneMetadatum(status))) {
  }
}

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) {
    return grpc::Status::OK;
  }
  const bool refusal = domain::ReasonOf(status) != v1::ERROR_REASON_UNSPECIFIED;
  const absl::Status refused = refusal ? status : AsRefusal(status);
  google::rpc::Status details = domain::DetailsOf(refused);
  details.set_code(static_cast<int>(refused.code()));
  details.set_message(std::string(refused.message()));
  FitToWire(details);
  return grpc::Status(static_cast<grpc::StatusCode>(refused.code()), details.message(),
                      details.SerializeAsString());
}

std::string_view ReasonName(const absl::Status& status) {
  if (status.ok()) {
    return {};
  }
  v1::ErrorReason reason = domain::ReasonOf(status);
  if (reason == v1::ERROR_REASON_UNSPECIFIED) {
    reason = domain::ReasonOf(AsRefusal(status));
  }
  return v1::ErrorReason_Name(reason);
}

bool IsServerFault(const absl::Status& status) {
  const v1::ErrorReason reason = domain::ReasonOf(status);
  if (reason == v1::ERROR_REASON_UNSPECIFIED) {
    return !status.ok() && !absl::IsCancelled(status) && !absl::IsDeadlineExceeded(status);
  }
  return reason == v1::INTERNAL_ERROR || reason == v1::OUTCOME_UNKNOWN ||
         reason == v1::CLOCK_JUMPED || reason == v1::DISK_FULL;
}

}  // namespace retrace::server
