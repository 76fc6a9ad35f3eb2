#include "clients/cli/time_text.h"

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/civil_time.h"

namespace retrace::cli {
namespace {

ReadTime ReadCivil(absl::CivilSecond civil, absl::TimeZone zone) {
  const absl::TimeZone::TimeInfo found = zone.At(civil);
  ReadTime read{.time = found.pre, .zone_used = true};
  if (found.kind == absl::TimeZone::TimeInfo::SKIPPED) {
    read.note = "the clock skipped this time; read as if it had not yet";
  } else if (found.kind == absl::TimeZone::TimeInfo::REPEATED) {
    read.note = "the clock showed this time twice; read as the first";
  }
  return read;
}

absl::StatusOr<ReadTime> ParseFormat(absl::string_view text, absl::TimeZone zone,
                                     absl::string_view format) {
  absl::Time time;
  std::string error;
  // Read as UTC first: the civil time is what the text says, the zone comes after.
  if (!absl::ParseTime(format, text, absl::UTCTimeZone(), &time, &error)) {
    return absl::InvalidArgumentError(
        absl::StrCat("`", text, "` is not a time of the form ", format));
  }
  const bool has_offset = absl::StrContains(format, "%z") || absl::StrContains(format, "%Ez") ||
                          absl::StrContains(format, "%s");
  if (has_offset) return ReadTime{.time = time};
  return ReadCivil(absl::ToCivilSecond(time, absl::UTCTimeZone()), zone);
}

}  // namespace

absl::StatusOr<ReadTime> ParseTimeText(absl::string_view text, absl::TimeZone zone,
                                       absl::string_view format) {
  const absl::string_view trimmed = absl::StripAsciiWhitespace(text);
  if (!format.empty()) return ParseFormat(trimmed, zone, format);
  std::string iso(trimmed);
  if (iso.size() > 10 && iso[10] == ' ') iso[10] = 'T';
  absl::Time time;
  std::string error;
  if (iso.size() > 10 && absl::ParseTime(absl::RFC3339_full, iso, &time, &error)) {
    return ReadTime{.time = time};
  }
  absl::CivilSecond second;
  absl::CivilMinute minute;
  absl::CivilDay day;
  // ParseCivilTime takes one-digit months and the like, too; only the full form is meant here.
  if (iso.size() == 19 && absl::ParseCivilTime(iso, &second)) return ReadCivil(second, zone);
  if (iso.size() == 16 && absl::ParseCivilTime(iso, &minute)) {
    return ReadCivil(absl::CivilSecond(minute), zone);
  }
  if (iso.size() == 10 && absl::ParseCivilTime(iso, &day)) {
    return ReadCivil(absl::CivilSecond(day), zone);
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "`", text, "` is not a time; write 2026-03-31, 2026-03-31T18:00:00 or 2026-03-31T18:00:00Z"));
}

absl::Time FromTimestamp(const google::protobuf::Timestamp& time) {
  return absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos());
}

google::protobuf::Timestamp ToTimestamp(absl::Time time) {
  google::protobuf::Timestamp stamp;
  const int64_t seconds = absl::ToUnixSeconds(time);
  stamp.set_seconds(seconds);
  stamp.set_nanos(
      static_cast<int32_t>(absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(seconds))));
  return stamp;
}

std::string ShortTime(const google::protobuf::Timestamp& time) {
  return absl::FormatTime("%Y-%m-%d %H:%M:%SZ", FromTimestamp(time), absl::UTCTimeZone());
}

std::string ExactTime(const google::protobuf::Timestamp& time) {
  return absl::FormatTime("%Y-%m-%d%ET%H:%M:%E*SZ", FromTimestamp(time), absl::UTCTimeZone());
}

}  // namespace retrace::cli
