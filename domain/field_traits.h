// What annotations.proto says of a field, read once per thread.
#pragma once

#include <cstdint>
#include <string_view>

#include "google/protobuf/descriptor.h"
#include "retrace/v1/annotations.pb.h"

namespace retrace::domain {

struct FieldTraits {
  bool required = false;
  bool output_only = false;
  bool identifier = false;
  bool immutable = false;
  v1::MergeRule merge = v1::REPLACE;  // never UNSPECIFIED
  // With KEYED: the field of the element that tells elements apart.
  const google::protobuf::FieldDescriptor* merge_key = nullptr;
  // 0: no bound.
  uint32_t max_bytes = 0;
  uint32_t max_items = 0;
  uint32_t max_key_bytes = 0;

  // What a caller may set.
  bool writable() const { return !output_only && !identifier && merge != v1::DERIVED; }
  // What histories and comparisons pass over.
  bool compared() const { return !identifier && merge != v1::DERIVED; }
};

// The field of that name, or null. Types have few fields: comparing their names costs less than the
// descriptor's own lookup, which hashes the full one.
const google::protobuf::FieldDescriptor* FieldNamed(const google::protobuf::Descriptor& type,
                                                    std::string_view name);

// The reference stays valid for the life of the thread.
const FieldTraits& TraitsOf(const google::protobuf::FieldDescriptor& field);

}  // namespace retrace::domain
