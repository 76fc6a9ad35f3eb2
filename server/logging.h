// The server's own log: one JSON object a line, written by a thread of its own.
//
// No request bodies and no personal data: methods, ids of tenants and principals, codes, sizes,
// times. When the disk cannot keep up, the oldest waiting lines are dropped rather than calls
// slowed.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace retrace::server {

struct LogOptions {
  std::string file;            // empty: standard error
  std::string level = "info";  // debug, info, warn, error or off
};

// Starts logging for the process; INVALID_ARGUMENT for an unknown level, FAILED_PRECONDITION when
// the file cannot be opened. Until it is called nothing is logged.
absl::Status StartLogging(const LogOptions& options);
// Waits until what was logged before is written, at most a second.
void FlushLogging();
// Writes what waits and stops.
void StopLogging();

enum class LogLevel { kDebug, kInfo, kWarn, kError };

// A member of a line.
struct LogField {
  std::string_view key;
  std::variant<std::string_view, int64_t> value;
};

// Logs {"time", "level", "event", fields...}.
void Log(LogLevel level, std::string_view event, std::initializer_list<LogField> fields = {});

// What one call was.
struct CallRecord {
  std::string_view method;
  std::string_view tenant;     // id; empty when it is not known
  std::string_view principal;  // id; empty when it is not known
  int code = 0;
  std::string_view reason;  // empty for OK
  absl::Duration duration;
  size_t request_bytes = 0;
  size_t reply_bytes = 0;
  // The error's own text; only for what is the server's fault.
  std::string_view fault;
};

// Logs a call: at level error when `fault` is set, else info.
void LogCall(const CallRecord& call);

}  // namespace retrace::server
