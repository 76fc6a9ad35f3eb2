// Paths of field masks (AIP-161), resolved against a type: `level`, `amount.currency`,
// `attributes.colour`, "attributes.`with.dots`".
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "google/protobuf/descriptor.h"

namespace retrace::domain {

struct FieldPath {
  // From the resource inwards, at least one; all but the last are singular messages.
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  // When the last is a map and the path names one of its keys.
  bool has_key = false;
  std::string key;

  const google::protobuf::FieldDescriptor& last() const { return *fields.back(); }
};

// INVALID_ARGUMENT with a sentence that says what is wrong with the path; no refusal yet.
absl::StatusOr<FieldPath> ParseFieldPath(std::string_view text,
                                         const google::protobuf::Descriptor& type);

// One step of a path as text: plain names as they are, anything else in backticks.
std::string PathStep(std::string_view key);
// The one spelling of a path.
std::string FormatFieldPath(const FieldPath& path);

}  // namespace retrace::domain
