#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

namespace retrace::cli {

// A column of a table: a heading and where its value lies in the message, e.g. `amount` or
// `answered.position`, also into what an Any holds. Numbers are aligned to the right.
struct Column {
  std::string heading;
  std::string path;
};

// How values are written.
enum class ValueForm {
  // For eyes: `tenants/acme/customers/01j` is `01j`, times to the second, an address in one line.
  kShort,
  // For programs: full names, exact times, addresses as JSON.
  kExact,
};

// The value at `path` of `message` as text; empty when it is not set or not there. Elements of
// lists and maps are joined by `; `.
std::string ValueText(const google::protobuf::Message& message, absl::string_view path,
                      ValueForm form);

// True when the values at `path` are numbers or amounts.
bool IsNumeric(const google::protobuf::Descriptor& type, absl::string_view path);

// One column for each field of `type`, named like the field.
std::vector<Column> AllColumns(const google::protobuf::Descriptor& type);

// The id at the end of a resource name; `name` itself when it is none.
std::string IdOf(absl::string_view name);

// One line of JSON with the fields' names as they stand in the .proto files.
std::string ToJson(const google::protobuf::Message& message);
// The same over several lines.
std::string ToPrettyJson(const google::protobuf::Message& message);

}  // namespace retrace::cli
