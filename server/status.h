// From refusals and errors to what goes over the wire.
#pragma once

#include <grpcpp/support/status.h>

#include <string_view>

#include "absl/status/status.h"

namespace retrace::server {

// Clients refuse metadata above 8 KiB; message and details together stay below this on the wire.
inline constexpr size_t kMaxStatusBytes = 7 << 10;

// The status as a client gets it: canonical code, message, and a google.rpc.Status with an
// ErrorInfo in error_details. A refusal goes out as it is, cut to kMaxStatusBytes: violations
// beyond what fits are left out, ErrorInfo never is. What is no refusal is a bug or a storage
// failure: INTERNAL (INTERNAL_ERROR) without its text, which belongs in the log only; but
// CANCELLED, DEADLINE_EXCEEDED and UNAVAILABLE keep their code.
grpc::Status ToGrpcStatus(const absl::Status& status);

// Name of the reason that ToGrpcStatus gives, e.g. "ETAG_MISMATCH"; empty for OK.
std::string_view ReasonName(const absl::Status& status);

// True when the caller cannot help it: worth a line at level error.
bool IsServerFault(const absl::Status& status);

}  // namespace retrace::server
