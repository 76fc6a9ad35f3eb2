#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "clients/cli/money_text.h"
#include "google/protobuf/message.h"

namespace retrace::cli {

// What text needs to be read as a value of a field.
struct ValueRules {
  // `tenants/{tenant}`: bare ids of customers and members are put below it.
  std::string tenant;
  // For amounts that name no currency; empty: they are refused.
  std::string currency;
  DecimalMark decimal_mark = DecimalMark::kPoint;
  // For times without an offset.
  absl::TimeZone zone = absl::UTCTimeZone();
  // strftime's letters; empty: ISO 8601.
  std::string time_format;
};

// Reads `text` into the field at `path` of a resource, e.g. `level`, `amount`, `close_time`,
// `addresses.locality` (of the first address), `attributes.colour`. Repeated fields get what `text`
// holds, several values separated by `;`, added. INVALID_ARGUMENT, with the reason, when there is
// no such field, only the server sets it, or the text is no value of it.
absl::Status SetField(google::protobuf::Message& resource, absl::string_view path,
                      absl::string_view text, const ValueRules& rules);

// The same, instead of what the field held.
absl::Status ReplaceField(google::protobuf::Message& resource, absl::string_view path,
                          absl::string_view text, const ValueRules& rules);

// The path to name in an update mask for `path`: its first step.
std::string MaskPath(absl::string_view path);

// The fields of a resource that a caller may set, in the order of the .proto file.
std::vector<std::string> SettableFields(const google::protobuf::Descriptor& resource);

// `tenants/{tenant}/{collection}/{id}` for a bare id; a name (with a slash) is left as it is.
std::string FullName(absl::string_view tenant, absl::string_view collection, absl::string_view id);

}  // namespace retrace::cli
