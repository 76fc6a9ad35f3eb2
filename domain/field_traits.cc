#include "domain/field_traits.h"

#include <unordered_map>

#include "google/api/field_behavior.pb.h"

namespace retrace::domain {
namespace {

FieldTraits ReadTraits(const google::protobuf::FieldDescriptor& field) {
  FieldTraits traits;
  const google::protobuf::FieldOptions& options = field.options();
  for (int i = 0; i < options.ExtensionSize(google::api::field_behavior); ++i) {
    switch (options.GetExtension(google::api::field_behavior, i)) {
      case google::api::REQUIRED:
        traits.required = true;
        break;
      case google::api::OUTPUT_ONLY:
        traits.output_only = true;
        break;
      case google::api::IDENTIFIER:
        traits.identifier = true;
        break;
      case google::api::IMMUTABLE:
        traits.immutable = true;
        break;
      default:
        break;
    }
  }
  if (const v1::MergeRule rule = options.GetExtension(v1::merge);
      rule != v1::MERGE_RULE_UNSPECIFIED) {
    traits.merge = rule;
  }
  if (traits.merge == v1::KEYED && field.message_type() != nullptr) {
    traits.merge_key = field.message_type()->FindFieldByName(options.GetExtension(v1::merge_key));
  }
  const v1::FieldLimits& limits = options.GetExtension(v1::limits);
  traits.max_bytes = limits.max_bytes();
  traits.max_items = limits.max_items();
  traits.max_key_bytes = limits.max_key_bytes();
  return traits;
}

}  // namespace

const google::protobuf::FieldDescriptor* FieldNamed(const google::protobuf::Descriptor& type,
                                                    std::string_view name) {
  for (int i = 0; i < type.field_count(); ++i) {
    if (type.field(i)->name() == name) {
      return type.field(i);
    }
  }
  return nullptr;
}

const FieldTraits& TraitsOf(const google::protobuf::FieldDescriptor& field) {
  // Per thread, so that no call waits for another; there are a few hundred fields in all.
  thread_local std::unordered_map<const google::protobuf::FieldDescriptor*, FieldTraits> known;
  if (const auto found = known.find(&field); found != known.end()) {
    return found->second;
  }
  return known.emplace(&field, ReadTraits(field)).first->second;
}

}  // namespace retrace::domain
