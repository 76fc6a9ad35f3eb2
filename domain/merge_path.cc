#include "domain/merge_path.h"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "domain/field_path.h"
#include "domain/field_traits.h"
#include "domain/field_values.h"
#include "domain/text_excerpt.h"
#include "fmt/format.h"

namespace retrace::domain {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::OneofDescriptor;
using google::protobuf::Reflection;
using google::protobuf::Value;
using Written = store::v1::Reverted::Path;

// How a field is cut into paths.
enum class Cut { kWhole, kMembers, kEntries, kElements };

Cut CutOf(const FieldDescriptor& field) {
  const FieldTraits& traits = TraitsOf(field);
  if (field.is_map()) {
    return Cut::kEntries;
  }
  if (traits.merge == v1::SET && field.is_repeated() && field.message_type() == nullptr) {
    return Cut::kMembers;
  }
  const bool keyed = traits.merge == v1::KEYED && field.is_repeated() &&
                     traits.merge_key != nullptr &&
                     traits.merge_key->cpp_type() == FieldDescriptor::CPPTYPE_STRING;
  return keyed ? Cut::kElements : Cut::kWhole;
}

bool IsList(Cut cut) { return cut == Cut::kMembers || cut == Cut::kElements; }

const FieldDescriptor& FieldOf(const MergePath& path, const Descriptor& type) {
  return *type.FindFieldByNumber(path.field);
}

// The fields that a path stands for: all of its oneof, else one.
std::vector<const FieldDescriptor*> FieldsOf(const FieldDescriptor& field) {
  const OneofDescriptor* oneof = field.real_containing_oneof();
  if (oneof == nullptr) {
    return {&field};
  }
  std::vector<const FieldDescriptor*> fields;
  for (int i = 0; i < oneof->field_count(); ++i) {
    fields.push_back(oneof->field(i));
  }
  return fields;
}

std::string ScalarText(const Scalar& scalar) {
  if (const auto* text = std::get_if<std::string_view>(&scalar)) {
    return std::string(*text);
  }
  if (const auto* number = std::get_if<int64_t>(&scalar)) {
    return fmt::format("{}", *number);
  }
  if (const auto* number = std::get_if<uint64_t>(&scalar)) {
    return fmt::format("{}", *number);
  }
  if (const auto* real = std::get_if<double>(&scalar)) {
    return fmt::format("{}", *real);
  }
  return std::get<bool>(scalar) ? "true" : "false";
}

// Keys of the members of a list in their order; a key may stand there twice.
std::vector<std::string> KeysOf(const FieldDescriptor& field, const Message& message) {
  std::vector<std::string> keys;
  const int size = message.GetReflection()->FieldSize(message, &field);
  for (int i = 0; i < size; ++i) {
    const Scalar element = ElementOf(message, field, i);
    const auto* keyed = std::get_if<const Message*>(&element);
    keys.push_back(keyed == nullptr ? ScalarText(element)
                                    : ScalarText(ScalarOf(**keyed, *TraitsOf(field).merge_key)));
  }
  return keys;
}

// -1 when there is none.
int PlaceOf(const std::vector<std::string>& keys, const std::string& key) {
  const auto found = std::find(keys.begin(), keys.end(), key);
  return found == keys.end() ? -1 : static_cast<int>(found - keys.begin());
}

int PlaceOf(const FieldDescriptor& field, const Message& message, const std::string& key) {
  return field.is_map() ? FindEntry(message, field, key) : PlaceOf(KeysOf(field, message), key);
}

void RemoveAt(const FieldDescriptor& field, int place, Message& message) {
  const Reflection& reflection = *message.GetReflection();
  for (int i = place; i + 1 < reflection.FieldSize(message, &field); ++i) {
    reflection.SwapElements(&message, &field, i, i + 1);
  }
  reflection.RemoveLast(&message, &field);
}

// Copies the element of `source` and brings it to `place`, or to the end.
void InsertAt(const FieldDescriptor& field, const Message& source, int index, int place,
              Message& message) {
  const Reflection& reflection = *message.GetReflection();
  AddElement(field, source, index, message);
  for (int i = reflection.FieldSize(message, &field) - 1; i > std::max(place, 0); --i) {
    reflection.SwapElements(&message, &field, i - 1, i);
  }
}

// Where an element that comes back belongs: behind the nearest of those that it stood behind.
int PlaceAsIn(const std::vector<std::string>& before, const std::string& key,
              const std::vector<std::string>& now) {
  for (int i = PlaceOf(before, key) - 1; i >= 0; --i) {
    if (const int place = PlaceOf(now, before[static_cast<size_t>(i)]); place >= 0) {
      return place + 1;
    }
  }
  return 0;
}

// Sets or removes one member of a set, a map or a keyed list; `place` is for one that comes back.
void PutMember(const FieldDescriptor& field, const std::string& key, const Message& source,
               int index, int place, Message& target) {
  for (int there = PlaceOf(field, target, key); there >= 0; there = PlaceOf(field, target, key)) {
    RemoveAt(field, there, target);
    place = there;
  }
  if (index >= 0) {
    InsertAt(field, source, index, place, target);
  }
}

// Sets the field, and what shares a oneof with it, to what it is in `source`.
void CopyWhole(const FieldDescriptor& field, const Message& source, Message& target) {
  for (const FieldDescriptor* one : FieldsOf(field)) {
    target.GetReflection()->ClearField(&target, one);
  }
  for (const FieldDescriptor* one : FieldsOf(field)) {
    if (one->is_repeated() || source.GetReflection()->HasField(source, one)) {
      CopyField(*one, source, target);
    }
  }
}

void Subtract(const FieldDescriptor& field, const Message& before, const Message& after,
              Message& now) {
  const Reflection& reflection = *now.GetReflection();
  // Unsigned, since that wraps; sums that overflow were refused when they were added.
  const auto integer = [&](const Message& message) {
    const Scalar scalar = ScalarOf(message, field);
    const auto* number = std::get_if<int64_t>(&scalar);
    return number != nullptr ? static_cast<uint64_t>(*number) : std::get<uint64_t>(scalar);
  };
  const auto real = [&](const Message& message) {
    return std::get<double>(ScalarOf(message, field));
  };
  const auto left = [&] { return integer(now) - (integer(after) - integer(before)); };
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_INT32:
      return reflection.SetInt32(&now, &field, static_cast<int32_t>(left()));
    case FieldDescriptor::CPPTYPE_INT64:
      return reflection.SetInt64(&now, &field, static_cast<int64_t>(left()));
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflection.SetUInt32(&now, &field, static_cast<uint32_t>(left()));
    case FieldDescriptor::CPPTYPE_UINT64:
      return reflection.SetUInt64(&now, &field, left());
    case FieldDescriptor::CPPTYPE_DOUBLE:
      return reflection.SetDouble(&now, &field, real(now) - (real(after) - real(before)));
    case FieldDescriptor::CPPTYPE_FLOAT:
      return reflection.SetFloat(&now, &field,
                                 static_cast<float>(real(now) - (real(after) - real(before))));
    default:
      return CopyField(field, before, now);
  }
}

bool SameElement(const FieldDescriptor& field, const Message& a, int at_a, const Message& b,
                 int at_b) {
  if (!field.is_map()) {
    return SameScalar(ElementOf(a, field, at_a), ElementOf(b, field, at_b));
  }
  return SameScalar(EntryValue(a.GetReflection()->GetRepeatedMessage(a, &field, at_a)),
                    EntryValue(b.GetReflection()->GetRepeatedMessage(b, &field, at_b)));
}

std::vector<std::string> MemberKeys(const FieldDescriptor& field, const Message& message) {
  if (!field.is_map()) {
    return KeysOf(field, message);
  }
  std::vector<std::string> keys;
  const int size = message.GetReflection()->FieldSize(message, &field);
  for (int i = 0; i < size; ++i) {
    keys.push_back(EntryKey(message.GetReflection()->GetRepeatedMessage(message, &field, i)));
  }
  return keys;
}

bool HasRepeats(const std::vector<std::string>& keys) {
  return std::set<std::string>(keys.begin(), keys.end()).size() < keys.size();
}

// Those of `keys` that are among the others, too, in their order.
std::vector<std::string> Shared(const std::vector<std::string>& keys,
                                const std::vector<std::string>& others) {
  std::vector<std::string> shared;
  std::copy_if(keys.begin(), keys.end(), std::back_inserter(shared),
               [&](const std::string& key) { return PlaceOf(others, key) >= 0; });
  return shared;
}

void AddChangedMembers(const FieldDescriptor& field, const Message& before, const Message& after,
                       std::vector<MergePath>& paths) {
  const std::vector<std::string> left = MemberKeys(field, before);
  const std::vector<std::string> right = MemberKeys(field, after);
  if (CutOf(field) == Cut::kElements &&
      (HasRepeats(left) || HasRepeats(right) || Shared(left, right) != Shared(right, left))) {
    if (!SameField(field, before, after)) {
      paths.push_back({field.number(), std::nullopt});
    }
    return;
  }
  std::set<std::string> all(left.begin(), left.end());
  all.insert(right.begin(), right.end());
  for (const std::string& key : all) {
    const int was = PlaceOf(left, key);
    const int is = PlaceOf(right, key);
    if (was < 0 || is < 0 || !SameElement(field, before, was, after, is)) {
      paths.push_back({field.number(), key});
    }
  }
}

}  // namespace

std::vector<MergePath> ChangedPaths(const Message& before, const Message& after) {
  std::vector<MergePath> paths;
  const Descriptor& type = *after.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    const bool first_of_oneof = FieldsOf(field).front() == &field;
    if (!TraitsOf(field).compared() || !first_of_oneof) {
      continue;
    }
    if (CutOf(field) != Cut::kWhole) {
      AddChangedMembers(field, before, after, paths);
      continue;
    }
    const std::vector<const FieldDescriptor*> fields = FieldsOf(field);
    if (!std::all_of(fields.begin(), fields.end(),
                     [&](const auto* one) { return SameField(*one, before, after); })) {
      paths.push_back({field.number(), std::nullopt});
    }
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::string PathText(const MergePath& path, const Descriptor& type) {
  if (path.field == 0) {
    return "state";
  }
  const FieldDescriptor& field = FieldOf(path, type);
  if (const OneofDescriptor* oneof = field.real_containing_oneof()) {
    return oneof->name();
  }
  if (!path.member.has_value()) {
    return field.name();
  }
  return field.is_map() ? field.name() + "." + PathStep(*path.member)
                        : fmt::format("{}[{}]", field.name(), Quoted(*path.member));
}

bool IsPersonal(const MergePath& path, const Descriptor& type) {
  if (path.field == 0) {
    return false;
  }
  const auto fields = FieldsOf(FieldOf(path, type));
  return std::any_of(fields.begin(), fields.end(), [](const FieldDescriptor* field) {
    return field->options().GetExtension(v1::personal);
  });
}

bool NeedsEvidence(const MergePath& path, const Descriptor& type) {
  if (path.field == 0) {
    return false;
  }
  const auto fields = FieldsOf(FieldOf(path, type));
  return std::any_of(fields.begin(), fields.end(), [](const FieldDescriptor* field) {
    return field->options().GetExtension(v1::evidence);
  });
}

bool IsDelta(const MergePath& path, const Descriptor& type) {
  return path.field != 0 && TraitsOf(FieldOf(path, type)).merge == v1::DELTA;
}

Value ValueAt(const MergePath& path, const Message& resource) {
  const FieldDescriptor& field = FieldOf(path, *resource.GetDescriptor());
  if (!path.member.has_value()) {
    Value value;
    for (const FieldDescriptor* one : FieldsOf(field)) {
      const Reflection& reflection = *resource.GetReflection();
      for (int i = 0; one->is_repeated() && i < reflection.FieldSize(resource, one); ++i) {
        *value.mutable_list_value()->add_values() = ToValue(*one, ElementOf(resource, *one, i));
      }
      if (!one->is_repeated() && reflection.HasField(resource, one)) {
        value = ToValue(*one, ScalarOf(resource, *one));
      }
    }
    return value;
  }
  const int place = PlaceOf(field, resource, *path.member);
  if (place < 0) {
    return {};
  }
  return field.is_map() ? ToValue(*field.message_type()->map_value(),
                                  EntryValue(resource.GetReflection()->GetRepeatedMessage(
                                      resource, &field, place)))
                        : ToValue(field, ElementOf(resource, field, place));
}

void TakeBack(const MergePath& path, const Message& before, const Message& after, Message& now) {
  const FieldDescriptor& field = FieldOf(path, *now.GetDescriptor());
  if (path.member.has_value()) {
    const int index = PlaceOf(field, before, *path.member);
    const bool comes = index >= 0 && IsList(CutOf(field));
    const int place =
        comes ? PlaceAsIn(KeysOf(field, before), *path.member, KeysOf(field, now)) : 0;
    PutMember(field, *path.member, before, index, place, now);
  } else if (TraitsOf(field).merge == v1::DELTA) {
    Subtract(field, before, after, now);
  } else {
    CopyWhole(field, before, now);
  }
}

Written WriteDown(const MergePath& path, const Message& now) {
  const FieldDescriptor& field = FieldOf(path, *now.GetDescriptor());
  Written written;
  written.set_path(PathText(path, *now.GetDescriptor()));
  written.set_field(static_cast<uint32_t>(path.field));
  const std::unique_ptr<Message> value(now.New());
  if (path.member.has_value()) {
    written.set_member(*path.member);
    if (const int place = PlaceOf(field, now, *path.member); place >= 0) {
      InsertAt(field, now, place, 0, *value);
      written.set_place(field.is_map() ? 0 : static_cast<uint32_t>(place));
    }
  } else {
    CopyWhole(field, now, *value);
  }
  written.set_value(value->SerializeAsString());
  return written;
}

void SetPaths(const std::vector<const Written*>& paths, Message& resource) {
  const Descriptor& type = *resource.GetDescriptor();
  const std::unique_ptr<Message> value(resource.New());
  std::vector<const Written*> members;
  for (const Written* written : paths) {
    const FieldDescriptor* field = type.FindFieldByNumber(static_cast<int>(written->field()));
    if (field != nullptr && written->has_member()) {
      members.push_back(written);
    } else if (field != nullptr) {
      value->ParseFromString(written->value());
      CopyWhole(*field, *value, resource);
    }
  }
  // What goes goes first; what comes is put into its place from the front.
  std::stable_sort(members.begin(), members.end(), [](const Written* a, const Written* b) {
    return std::pair(!a->value().empty(), a->place()) < std::pair(!b->value().empty(), b->place());
  });
  for (const Written* written : members) {
    value->ParseFromString(written->value());
    PutMember(*type.FindFieldByNumber(static_cast<int>(written->field())), written->member(),
              *value, written->value().empty() ? -1 : 0, static_cast<int>(written->place()),
              resource);
  }
}

void SortMembers(Message& resource) {
  const Descriptor& type = *resource.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (!IsList(CutOf(field))) {
      continue;
    }
    // Few, and mostly in order: insertion, which keeps equal keys as they are.
    std::vector<std::string> keys = KeysOf(field, resource);
    for (size_t j = 1; j < keys.size(); ++j) {
      for (size_t k = j; k > 0 && keys[k] < keys[k - 1]; --k) {
        std::swap(keys[k], keys[k - 1]);
        resource.GetReflection()->SwapElements(&resource, &field, static_cast<int>(k),
                                               static_cast<int>(k - 1));
      }
    }
  }
}

}  // namespace retrace::domain
