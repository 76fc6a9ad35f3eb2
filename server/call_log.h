// The one place where an answered call is counted and logged.
#pragma once

#include "absl/status/status.h"
#include "server/endpoint.h"
#include "server/logging.h"

namespace retrace::server {

// Counts the call and logs its line. Fills in method, code, reason and fault of `record`.
void RecordCall(const Endpoint& endpoint, const absl::Status& status, CallRecord& record);

}  // namespace retrace::server
