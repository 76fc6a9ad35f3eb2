#include "domain/field_values.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "domain/field_traits.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "google/protobuf/util/time_util.h"

namespace retrace::domain {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::Value;
using google::protobuf::util::TimeUtil;

// Beyond this a double cannot hold every integer.
constexpr int64_t kExactInDouble = int64_t{1} << 53;

// Strings are kept as std::string by generated code, so that the reference is never to the scratch.
std::string_view TextOf(const Message& message, const FieldDescriptor& field) {
  std::string scratch;
  return message.GetReflection()->GetStringReference(message, &field, &scratch);
}

bool SameMessage(const Message& a, const Message& b) {
  const google::protobuf::Descriptor& type = *a.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    if (!SameField(*type.field(i), a, b)) {
      return false;
    }
  }
  return true;
}

std::vector<Scalar> SortedMembers(const FieldDescriptor& field, const Message& message) {
  std::vector<Scalar> members;
  const int size = message.GetReflection()->FieldSize(message, &field);
  members.reserve(size);
  for (int i = 0; i < size; ++i) {
    members.push_back(ElementOf(message, field, i));
  }
  std::sort(members.begin(), members.end());
  members.erase(std::unique(members.begin(), members.end()), members.end());
  return members;
}

// Entries of a map in order of their keys.
std::vector<std::pair<std::string, Scalar>> SortedEntries(const FieldDescriptor& field,
                                                          const Message& message) {
  std::vector<std::pair<std::string, Scalar>> entries;
  const int size = message.GetReflection()->FieldSize(message, &field);
  entries.reserve(size);
  for (int i = 0; i < size; ++i) {
    const Message& entry = message.GetReflection()->GetRepeatedMessage(message, &field, i);
    entries.emplace_back(EntryKey(entry), EntryValue(entry));
  }
  std::sort(entries.begin(), entries.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  return entries;
}

bool SameRepeated(const FieldDescriptor& field, const Message& a, const Message& b) {
  const int size = a.GetReflection()->FieldSize(a, &field);
  const bool same_size = size == b.GetReflection()->FieldSize(b, &field);
  if (field.is_map()) {
    if (!same_size || size == 0) {
      return same_size;
    }
    const auto left = SortedEntries(field, a);
    const auto right = SortedEntries(field, b);
    return std::equal(left.begin(), left.end(), right.begin(), [](const auto& x, const auto& y) {
      return x.first == y.first && SameScalar(x.second, y.second);
    });
  }
  if (TraitsOf(field).merge == v1::SET && field.message_type() == nullptr) {
    return SortedMembers(field, a) == SortedMembers(field, b);
  }
  if (!same_size) {
    return false;
  }
  for (int i = 0; i < size; ++i) {
    if (!SameScalar(ElementOf(a, field, i), ElementOf(b, field, i))) {
      return false;
    }
  }
  return true;
}

void CopySingular(const FieldDescriptor& field, const Message& source, Message& target) {
  const Reflection& from = *source.GetReflection();
  const Reflection& to = *target.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return to.SetBool(&target, &field, from.GetBool(source, &field));
    case FieldDescriptor::CPPTYPE_INT32:
      return to.SetInt32(&target, &field, from.GetInt32(source, &field));
    case FieldDescriptor::CPPTYPE_INT64:
      return to.SetInt64(&target, &field, from.GetInt64(source, &field));
    case FieldDescriptor::CPPTYPE_UINT32:
      return to.SetUInt32(&target, &field, from.GetUInt32(source, &field));
    case FieldDescriptor::CPPTYPE_UINT64:
      return to.SetUInt64(&target, &field, from.GetUInt64(source, &field));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return to.SetFloat(&target, &field, from.GetFloat(source, &field));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return to.SetDouble(&target, &field, from.GetDouble(source, &field));
    case FieldDescriptor::CPPTYPE_ENUM:
      return to.SetEnumValue(&target, &field, from.GetEnumValue(source, &field));
    case FieldDescriptor::CPPTYPE_STRING:
      return to.SetString(&target, &field, std::string(TextOf(source, field)));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      to.MutableMessage(&target, &field)->CopyFrom(from.GetMessage(source, &field));
  }
}

Value NumberValue(int64_t number) {
  Value value;
  if (number > -kExactInDouble && number < kExactInDouble) {
    value.set_number_value(static_cast<double>(number));
  } else {
    value.set_string_value(std::to_string(number));
  }
  return value;
}

Value EnumName(const FieldDescriptor& field, int64_t number) {
  const google::protobuf::EnumValueDescriptor* named =
      field.enum_type()->FindValueByNumber(static_cast<int>(number));
  if (named == nullptr) {
    return NumberValue(number);
  }
  Value value;
  value.set_string_value(named->name());
  return value;
}

// A field of a message inside a value.
Value FieldValue(const FieldDescriptor& field, const Message& message) {
  if (!field.is_repeated()) {
    return ToValue(field, ScalarOf(message, field));
  }
  Value value;
  if (field.is_map()) {
    auto& fields = *value.mutable_struct_value()->mutable_fields();
    const FieldDescriptor& value_field = *field.message_type()->map_value();
    for (const auto& [key, scalar] : SortedEntries(field, message)) {
      fields[key] = ToValue(value_field, scalar);
    }
    return value;
  }
  value.mutable_list_value();
  const int size = message.GetReflection()->FieldSize(message, &field);
  for (int i = 0; i < size; ++i) {
    *value.mutable_list_value()->add_values() = ToValue(field, ElementOf(message, field, i));
  }
  return value;
}

Value MessageValue(const Message& message) {
  Value value;
  if (message.GetDescriptor() == google::protobuf::Timestamp::descriptor()) {
    value.set_string_value(
        TimeUtil::ToString(static_cast<const google::protobuf::Timestamp&>(message)));
    return value;
  }
  if (message.GetDescriptor() == google::protobuf::Duration::descriptor()) {
    value.set_string_value(
        TimeUtil::ToString(static_cast<const google::protobuf::Duration&>(message)));
    return value;
  }
  auto& fields = *value.mutable_struct_value()->mutable_fields();
  std::vector<const FieldDescriptor*> populated;
  message.GetReflection()->ListFields(message, &populated);
  for (const FieldDescriptor* field : populated) {
    if (TraitsOf(*field).compared()) {
      fields[field->name()] = FieldValue(*field, message);
    }
  }
  return value;
}

}  // namespace

Scalar ScalarOf(const Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.GetBool(message, &field);
    case FieldDescriptor::CPPTYPE_INT32:
      return int64_t{reflection.GetInt32(message, &field)};
    case FieldDescriptor::CPPTYPE_INT64:
      return int64_t{reflection.GetInt64(message, &field)};
    case FieldDescriptor::CPPTYPE_UINT32:
      return uint64_t{reflection.GetUInt32(message, &field)};
    case FieldDescriptor::CPPTYPE_UINT64:
      return uint64_t{reflection.GetUInt64(message, &field)};
    case FieldDescriptor::CPPTYPE_FLOAT:
      return double{reflection.GetFloat(message, &field)};
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return reflection.GetDouble(message, &field);
    case FieldDescriptor::CPPTYPE_ENUM:
      return int64_t{reflection.GetEnumValue(message, &field)};
    case FieldDescriptor::CPPTYPE_STRING:
      return TextOf(message, field);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return &reflection.GetMessage(message, &field);
  }
  return false;
}

Scalar ElementOf(const Message& message, const FieldDescriptor& field, int index) {
  const Reflection& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.GetRepeatedBool(message, &field, index);
    case FieldDescriptor::CPPTYPE_INT32:
      return int64_t{reflection.GetRepeatedInt32(message, &field, index)};
    case FieldDescriptor::CPPTYPE_INT64:
      return int64_t{reflection.GetRepeatedInt64(message, &field, index)};
    case FieldDescriptor::CPPTYPE_UINT32:
      return uint64_t{reflection.GetRepeatedUInt32(message, &field, index)};
    case FieldDescriptor::CPPTYPE_UINT64:
      return uint64_t{reflection.GetRepeatedUInt64(message, &field, index)};
    case FieldDescriptor::CPPTYPE_FLOAT:
      return double{reflection.GetRepeatedFloat(message, &field, index)};
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return reflection.GetRepeatedDouble(message, &field, index);
    case FieldDescriptor::CPPTYPE_ENUM:
      return int64_t{reflection.GetRepeatedEnumValue(message, &field, index)};
    case FieldDescriptor::CPPTYPE_STRING: {
      std::string scratch;
      return std::string_view(
          reflection.GetRepeatedStringReference(message, &field, index, &scratch));
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return &reflection.GetRepeatedMessage(message, &field, index);
  }
  return false;
}

bool SameScalar(const Scalar& a, const Scalar& b) {
  if (const auto* left = std::get_if<const Message*>(&a)) {
    return SameMessage(**left, *std::get<const Message*>(b));
  }
  return a == b;
}

bool SameField(const FieldDescriptor& field, const Message& a, const Message& b) {
  if (field.is_repeated()) {
    return SameRepeated(field, a, b);
  }
  if (field.has_presence()) {
    const bool present = a.GetReflection()->HasField(a, &field);
    if (present != b.GetReflection()->HasField(b, &field)) {
      return false;
    }
    if (!present) {
      return true;
    }
  }
  return SameScalar(ScalarOf(a, field), ScalarOf(b, field));
}

void CopyField(const FieldDescriptor& field, const Message& source, Message& target) {
  const Reflection& reflection = *target.GetReflection();
  if (!field.is_repeated()) {
    if (source.GetReflection()->HasField(source, &field)) {
      CopySingular(field, source, target);
    } else {
      reflection.ClearField(&target, &field);
    }
    return;
  }
  reflection.ClearField(&target, &field);
  const int size = source.GetReflection()->FieldSize(source, &field);
  for (int i = 0; i < size; ++i) {
    AddElement(field, source, i, target);
  }
}

void AddElement(const FieldDescriptor& field, const Message& source, int index, Message& target) {
  const Reflection& from = *source.GetReflection();
  const Reflection& to = *target.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return to.AddBool(&target, &field, from.GetRepeatedBool(source, &field, index));
    case FieldDescriptor::CPPTYPE_INT32:
      return to.AddInt32(&target, &field, from.GetRepeatedInt32(source, &field, index));
    case FieldDescriptor::CPPTYPE_INT64:
      return to.AddInt64(&target, &field, from.GetRepeatedInt64(source, &field, index));
    case FieldDescriptor::CPPTYPE_UINT32:
      return to.AddUInt32(&target, &field, from.GetRepeatedUInt32(source, &field, index));
    case FieldDescriptor::CPPTYPE_UINT64:
      return to.AddUInt64(&target, &field, from.GetRepeatedUInt64(source, &field, index));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return to.AddFloat(&target, &field, from.GetRepeatedFloat(source, &field, index));
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return to.AddDouble(&target, &field, from.GetRepeatedDouble(source, &field, index));
    case FieldDescriptor::CPPTYPE_ENUM:
      return to.AddEnumValue(&target, &field, from.GetRepeatedEnumValue(source, &field, index));
    case FieldDescriptor::CPPTYPE_STRING:
      return to.AddString(&target, &field, from.GetRepeatedString(source, &field, index));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      to.AddMessage(&target, &field)->CopyFrom(from.GetRepeatedMessage(source, &field, index));
  }
}

std::string EntryKey(const Message& entry) {
  const Scalar key = ScalarOf(entry, *entry.GetDescriptor()->map_key());
  if (const auto* text = std::get_if<std::string_view>(&key)) {
    return std::string(*text);
  }
  if (const auto* number = std::get_if<int64_t>(&key)) {
    return std::to_string(*number);
  }
  if (const auto* number = std::get_if<uint64_t>(&key)) {
    return std::to_string(*number);
  }
  return std::get<bool>(key) ? "true" : "false";
}

Scalar EntryValue(const Message& entry) {
  return ScalarOf(entry, *entry.GetDescriptor()->map_value());
}

int FindEntry(const Message& message, const FieldDescriptor& field, std::string_view key) {
  const Reflection& reflection = *message.GetReflection();
  const FieldDescriptor& key_field = *field.message_type()->map_key();
  const bool text = key_field.cpp_type() == FieldDescriptor::CPPTYPE_STRING;
  const int size = reflection.FieldSize(message, &field);
  for (int i = 0; i < size; ++i) {
    const Message& entry = reflection.GetRepeatedMessage(message, &field, i);
    if (text ? TextOf(entry, key_field) == key : EntryKey(entry) == key) {
      return i;
    }
  }
  return -1;
}

Value ToValue(const FieldDescriptor& field, const Scalar& scalar) {
  if (const auto* message = std::get_if<const Message*>(&scalar)) {
    return MessageValue(**message);
  }
  Value value;
  if (const auto* truth = std::get_if<bool>(&scalar)) {
    value.set_bool_value(*truth);
  } else if (const auto* real = std::get_if<double>(&scalar)) {
    value.set_number_value(*real);
  } else if (const auto* text = std::get_if<std::string_view>(&scalar)) {
    value.set_string_value(field.type() == FieldDescriptor::TYPE_BYTES
                               ? absl::Base64Escape(std::string(*text))
                               : std::string(*text));
  } else if (const auto* natural = std::get_if<uint64_t>(&scalar)) {
    if (*natural < static_cast<uint64_t>(kExactInDouble)) {
      value.set_number_value(static_cast<double>(*natural));
    } else {
      value.set_string_value(std::to_string(*natural));
    }
  } else {
    const int64_t number = std::get<int64_t>(scalar);
    return field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM ? EnumName(field, number)
                                                             : NumberValue(number);
  }
  return value;
}

}  // namespace retrace::domain
