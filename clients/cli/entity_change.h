#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "clients/cli/field_values.h"
#include "google/protobuf/field_mask.pb.h"
#include "google/protobuf/message.h"

namespace retrace::cli {

// What `update` was asked to change.
struct EntityChange {
  // `FIELD=VALUE`.
  std::vector<std::string> set;
  // `FIELD`, or `attributes.KEY`.
  std::vector<std::string> clear;
  std::vector<std::string> add_tags;
  std::vector<std::string> remove_tags;
  // `KEY=VALUE`.
  std::vector<std::string> attributes;

  // The fields that `set` names.
  std::vector<std::string> Paths() const;

  // True when the new value depends on the present one (lists and maps of which only a part is
  // changed), so that the entity must be read first.
  bool NeedsCurrent() const;

  // Applies all of it to `resource` and names in `mask` what was touched. INVALID_ARGUMENT when
  // something cannot be set, or when there is nothing to do.
  absl::Status Apply(google::protobuf::Message& resource, const ValueRules& rules,
                     google::protobuf::FieldMask& mask) const;
};

}  // namespace retrace::cli
