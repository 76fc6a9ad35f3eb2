// Messages field by field: limits, masks, merging, differences. All by reflection over the options
// of annotations.proto, once for every kind. All functions are thread-safe and pure; what they
// learn about a message type is kept per thread.
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

// Checks a request against its annotations: REQUIRED present, limits kept, enums known, times
// within the years 1 to 9999, text without control characters but tab and line breaks, page_size
// not negative. All violations at once, at most 20: INVALID_FIELD with a BadRequest whose paths
// read `customer.emails[3]` or `customer.attributes["colour"]`.
//
// Not looked at: what is OUTPUT_ONLY, since it is ignored on input; in update requests the fields
// of the resource that the mask leaves alone. Left to deciders: choices about related records (they
// have their own reason), and REQUIRED below a message that a mask names only in part. A request in
// a batch may leave `parent` to the batch.
absl::Status Validate(const google::protobuf::Message& request);

// Clears OUTPUT_ONLY and IDENTIFIER fields (of the resource, recursively).
void ClearOutputOnly(google::protobuf::Message& resource);

// The paths that an update may write, sorted, in one spelling, none below another: absent or empty
// mask = every populated writable field; `*` = every writable field; else as given, each checked:
// unknown, OUTPUT_ONLY and IDENTIFIER paths are INVALID_FIELD naming them. Paths go as deep as
// `attributes.KEY` (a key that is no plain name stands in backticks) and singular message fields;
// elements of lists cannot be addressed.
//
// IMMUTABLE fields are never among the result. With `current`, the resource as it is now, they are
// refused when the update would change them; without it, when the mask names them.
absl::StatusOr<std::vector<std::string>> UpdatePaths(
    const google::protobuf::FieldMask& mask, const google::protobuf::Message& resource,
    const google::protobuf::Message* current = nullptr);
// Copies the paths from `source` into `target`; a path unset in the source is cleared in the
// target. Paths that the type does not have are passed over: they come from UpdatePaths.
void CopyPaths(const std::vector<std::string>& paths, const google::protobuf::Message& source,
               google::protobuf::Message& target);
// Keeps of `paths` those whose value differs between the two. Sets and maps have no order; other
// lists do. A path into a list, as indexes have them, differs when the list does.
std::vector<std::string> DifferingPaths(const std::vector<std::string>& paths,
                                        const google::protobuf::Message& a,
                                        const google::protobuf::Message& b);

// What differs between two resources of one type (either may be null), by merge rules, sorted by
// path; DERIVED fields and names left out:
//   level                        one value
//   amount.minor_units           a field of a message
//   attributes.colour            a key of a map
//   tags                         one change per member that came (`after`) or went (`before`)
//   phones["+1 415 555"].label   a field of a keyed element that stayed
//   phones["+1 415 555"]         a keyed element that came or went, as a struct
//   phones                       the keys of those that stayed, when their order changed
// Enums are given by name, times as RFC 3339, integers beyond 2^53 as strings.
std::vector<v1::FieldChange> Differences(const google::protobuf::Message* before,
                                         const google::protobuf::Message* after);

}  // namespace retrace::domain
