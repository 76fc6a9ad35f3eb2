// Values of fields, whatever their type: read, compared, copied and shown.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

#include "google/protobuf/message.h"
#include "google/protobuf/struct.pb.h"

namespace retrace::domain {

// One value; enums by number. Text and messages belong to the message that was read.
using Scalar = std::variant<bool, int64_t, uint64_t, double, std::string_view,
                            const google::protobuf::Message*>;

// The value of a singular field, or the element at `index` of a repeated one.
Scalar ScalarOf(const google::protobuf::Message& message,
                const google::protobuf::FieldDescriptor& field);
Scalar ElementOf(const google::protobuf::Message& message,
                 const google::protobuf::FieldDescriptor& field, int index);

// True when both values are equal; messages by all their fields.
bool SameScalar(const Scalar& a, const Scalar& b);
// True when the field is equal in both, by its merge rule: sets and maps have no order.
bool SameField(const google::protobuf::FieldDescriptor& field, const google::protobuf::Message& a,
               const google::protobuf::Message& b);

// Sets the field in `target` to what it is in `source`; unset there, it is cleared.
void CopyField(const google::protobuf::FieldDescriptor& field,
               const google::protobuf::Message& source, google::protobuf::Message& target);

// Appends a copy of the element at `index` in `source` to the repeated field in `target`.
void AddElement(const google::protobuf::FieldDescriptor& field,
                const google::protobuf::Message& source, int index,
                google::protobuf::Message& target);

// The key of an entry of a map, as text.
std::string EntryKey(const google::protobuf::Message& entry);
// The value of an entry of a map.
Scalar EntryValue(const google::protobuf::Message& entry);
// Index of the entry with this key in a map; -1 when there is none.
int FindEntry(const google::protobuf::Message& message,
              const google::protobuf::FieldDescriptor& field, std::string_view key);

// As JSON would have it, but for enums (names), times (RFC 3339), bytes (base64) and integers
// beyond 2^53 (strings). Of messages the fields that histories show.
google::protobuf::Value ToValue(const google::protobuf::FieldDescriptor& field,
                                const Scalar& scalar);

}  // namespace retrace::domain
