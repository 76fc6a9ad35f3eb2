#include "server/call_log.h"

#include <string>

#include "domain/refusal.h"
#include "server/status.h"

namespace retrace::server {

void RecordCall(const Endpoint& endpoint, const absl::Status& status, CallRecord& record) {
  record.method = endpoint.method.name;
  record.code = static_cast<int>(status.code());
  std::string fault;
  if (!status.ok()) {
    record.code = static_cast<int>(ToGrpcStatus(status).error_code());
    record.reason = ReasonName(status);
    if (IsServerFault(status)) {
      fault = std::string(status.message());
      record.fault = fault.empty() ? record.reason : std::string_view(fault);
    }
  }
  endpoint.metrics->Count(record.code, record.duration);
  LogCall(record);
}

}  // namespace retrace::server
