// Messages field by field: limits, masks, merging, differences. All by reflection over the options of annotations.proto, once
// for every kind.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "google/protobuf/field_mask.pb.h"
#include "google/protobuf/message.h"
#include "retrace/v1/history.pb.h"

namespace retrace::domain {

// Checks a request against its annotations: REQUIRED present, limits kept, enums known, page_size not negative. All
// violations at once: INVALID_FIELD with a BadRequest.
absl::Status Validate(const google::protobuf::Message& request);

// Clears OUTPUT_ONLY and IDENTIFIER fields (of the resource, recursively).
void ClearOutputOnly(google::protobuf::Message& resource);

// The paths that an update may write: absent mask = every populated writable field; `*` = every writable field; else as
// given, each checked: unknown, OUTPUT_ONLY, IMMUTABLE (unless unchanged) and IDENTIFIER paths are INVALID_FIELD naming them.
// Paths go as deep as `attributes.KEY` (backticks allowed) and singular message fields.
absl::StatusOr<std::vector<std::string>> UpdatePaths(const google::protobuf::FieldMask& mask,
                                                     const google::protobuf::Message& resource);
// Copies the paths from `source` into `target`; a path unset in the source is cleared in the target.
void CopyPaths(const std::vector<std::string>& paths, const google::protobuf::Message& source,
               google::protobuf::Message& target);
// Keeps of `paths` those whose value differs between the two.
std::vector<std::string> DifferingPaths(const std::vector<std::string>& paths, const google::protobuf::Message& a,
                                        const google::protobuf::Message& b);

// What differs between two resources of one type (either may be null), by merge rules: maps per key, sets and keyed lists per
// element, messages per field, DERIVED fields and names left out. Sorted by path.
std::vector<v1::FieldChange> Differences(const google::protobuf::Message* before, const google::protobuf::Message* after);

}  // namespace retrace::domain
