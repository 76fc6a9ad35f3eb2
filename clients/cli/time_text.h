#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/timestamp.pb.h"

namespace retrace::cli {

// A moment read from text.
struct ReadTime {
  absl::Time time;
  // True when the text had no offset, so that `zone` decided.
  bool zone_used = false;
  // What was special about it, e.g. that the clock showed this twice; empty mostly.
  std::string note;
};

// A time as people write it: RFC 3339 (`2026-03-31T18:00:00+08:00`), the same without offset or
// with a blank for the T, without seconds, or a date alone (its first second); what has no offset
// is read in `zone`. With a `format` (strftime's letters, e.g. `%m/%d/%Y`) only that is read.
// INVALID_ARGUMENT, with the reason, for anything else.
absl::StatusOr<ReadTime> ParseTimeText(absl::string_view text, absl::TimeZone zone,
                                       absl::string_view format = "");

// `2026-03-31 18:00:00Z`, without fraction.
std::string ShortTime(const google::protobuf::Timestamp& time);
// RFC 3339 in UTC with the fraction that is there.
std::string ExactTime(const google::protobuf::Timestamp& time);

absl::Time FromTimestamp(const google::protobuf::Timestamp& time);
google::protobuf::Timestamp ToTimestamp(absl::Time time);

}  // namespace retrace::cli
