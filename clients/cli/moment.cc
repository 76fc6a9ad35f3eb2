#include "clients/cli/moment.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "clients/cli/time_text.h"

namespace retrace::cli {

absl::StatusOr<Moment> ParseMoment(absl::string_view text,
                                   absl::FunctionRef<absl::StatusOr<absl::TimeZone>()> zone,
                                   absl::string_view flag) {
  Moment moment;
  const absl::string_view trimmed = absl::StripAsciiWhitespace(text);
  if (!trimmed.empty() && std::all_of(trimmed.begin(), trimmed.end(), absl::ascii_isdigit)) {
    int64_t position = 0;
    if (!absl::SimpleAtoi(trimmed, &position)) {
      return absl::InvalidArgumentError(absl::StrCat(flag, ": ", trimmed, " is no position"));
    }
    moment.as_of.set_position(position);
    return moment;
  }
  absl::TimeZone used = absl::UTCTimeZone();
  absl::StatusOr<ReadTime> read = ParseTimeText(trimmed, used);
  if (read.ok() && read->zone_used) {
    absl::StatusOr<absl::TimeZone> local = zone();
    if (!local.ok()) return local.status();
    used = *local;
    read = ParseTimeText(trimmed, used);
  }
  if (!read.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(flag, ": ", read.status().message(), ", or the number of a position"));
  }
  *moment.as_of.mutable_time() = ToTimestamp(read->time);
  moment.understood = absl::FormatTime(absl::RFC3339_full, read->time, used);
  if (read->zone_used) absl::StrAppend(&moment.understood, " (", used.name(), ")");
  if (!read->note.empty()) absl::StrAppend(&moment.understood, "; ", read->note);
  return moment;
}

}  // namespace retrace::cli
