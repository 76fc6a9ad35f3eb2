// Differences of fields.h.
#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "domain/field_path.h"
#include "domain/field_traits.h"
#include "domain/field_values.h"
#include "domain/fields.h"
#include "domain/text_excerpt.h"
#include "fmt/format.h"

namespace retrace::domain {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Value;

bool IsLeaf(const FieldDescriptor& field) {
  return field.message_type() == nullptr ||
         field.message_type()->file()->package() == "google.protobuf";
}

int SizeOf(const Message* message, const FieldDescriptor& field) {
  return message == nullptr ? 0 : message->GetReflection()->FieldSize(*message, &field);
}

const Message* ChildOf(const Message* message, const FieldDescriptor& field) {
  if (message == nullptr || !message->GetReflection()->HasField(*message, &field)) {
    return nullptr;
  }
  return &message->GetReflection()->GetMessage(*message, &field);
}

// A set is given by its members, whatever their order and number.
std::set<Scalar> MembersOf(const Message* message, const FieldDescriptor& field) {
  std::set<Scalar> members;
  for (int i = 0; i < SizeOf(message, field); ++i) {
    members.insert(ElementOf(*message, field, i));
  }
  return members;
}

std::map<std::string, Scalar> EntriesOf(const Message* message, const FieldDescriptor& field) {
  std::map<std::string, Scalar> entries;
  for (int i = 0; i < SizeOf(message, field); ++i) {
    const Message& entry = message->GetReflection()->GetRepeatedMessage(*message, &field, i);
    entries.emplace(EntryKey(entry), EntryValue(entry));
  }
  return entries;
}

// Elements of a keyed list: by quoted key, in their order. Of elements that share a key, the second
// is `"key"#2` and so on.
std::vector<std::pair<std::string, const Message*>> ElementsOf(const Message* message,
                                                               const FieldDescriptor& field) {
  std::vector<std::pair<std::string, const Message*>> elements;
  std::map<std::string, int> seen;
  const FieldDescriptor* key_field = TraitsOf(field).merge_key;
  for (int i = 0; i < SizeOf(message, field); ++i) {
    const Message& element = message->GetReflection()->GetRepeatedMessage(*message, &field, i);
    std::string scratch;
    std::string key =
        Quoted(element.GetReflection()->GetStringReference(element, key_field, &scratch));
    if (const int count = ++seen[key]; count > 1) {
      key += fmt::format("#{}", count);
    }
    elements.emplace_back(std::move(key), &element);
  }
  return elements;
}

class Differ {
 public:
  // Either may be null; `root` when these are the resources themselves.
  void CompareMessages(const std::string& prefix, const Message* before, const Message* after,
                       bool root) {
    const google::protobuf::Descriptor& type =
        *(before != nullptr ? before : after)->GetDescriptor();
    for (int i = 0; i < type.field_count(); ++i) {
      const FieldDescriptor& field = *type.field(i);
      if (TraitsOf(field).compared()) {
        CompareFields(prefix + field.name(), field, before, after, root);
      }
    }
  }

  std::vector<v1::FieldChange> Sorted() && {
    std::stable_sort(changes_.begin(), changes_.end(),
                     [](const auto& a, const auto& b) { return a.path() < b.path(); });
    return std::move(changes_);
  }

 private:
  void CompareFields(const std::string& path, const FieldDescriptor& field, const Message* before,
                     const Message* after, bool root) {
    const FieldTraits& traits = TraitsOf(field);
    if (field.is_map()) {
      CompareMaps(path, field, before, after);
    } else if (!field.is_repeated()) {
      if (IsLeaf(field)) {
        CompareLeaves(path, field, LeafOf(before, field, root), LeafOf(after, field, root));
      } else {
        CompareChildren(path, ChildOf(before, field), ChildOf(after, field));
      }
    } else if (traits.merge == v1::SET && IsLeaf(field)) {
      CompareSets(path, field, before, after);
    } else if (traits.merge == v1::KEYED && traits.merge_key != nullptr &&
               traits.merge_key->cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      CompareKeyed(path, field, before, after);
    } else {
      CompareLists(path, field, before, after);
    }
  }

  // What a singular field holds; none when it is unset. Numbers and truths that cannot be told from
  // unset ones are shown in a message that is there (an amount of 0), not in the resource itself.
  static std::optional<Scalar> LeafOf(const Message* message, const FieldDescriptor& field,
                                      bool root) {
    if (message == nullptr) {
      return std::nullopt;
    }
    const bool ambiguous = !field.has_presence() && !root &&
                           field.cpp_type() != FieldDescriptor::CPPTYPE_STRING &&
                           field.cpp_type() != FieldDescriptor::CPPTYPE_ENUM;
    if (!ambiguous && !message->GetReflection()->HasField(*message, &field)) {
      return std::nullopt;
    }
    return ScalarOf(*message, field);
  }

  void CompareLeaves(const std::string& path, const FieldDescriptor& field,
                     const std::optional<Scalar>& before, const std::optional<Scalar>& after) {
    if (before.has_value() == after.has_value() && (!before || SameScalar(*before, *after))) {
      return;
    }
    v1::FieldChange& change = Add(path);
    if (before) {
      *change.mutable_before() = ToValue(field, *before);
    }
    if (after) {
      *change.mutable_after() = ToValue(field, *after);
    }
  }

  void CompareChildren(const std::string& path, const Message* before, const Message* after) {
    if (before == nullptr && after == nullptr) {
      return;
    }
    const size_t known = changes_.size();
    CompareMessages(path + ".", before, after, /*root=*/false);
    if (changes_.size() == known && (before == nullptr || after == nullptr)) {
      // Came or went with nothing in it.
      Value empty;
      empty.mutable_struct_value();
      v1::FieldChange& change = Add(path);
      *(before == nullptr ? change.mutable_after() : change.mutable_before()) = std::move(empty);
    }
  }

  void CompareMaps(const std::string& path, const FieldDescriptor& field, const Message* before,
                   const Message* after) {
    const FieldDescriptor& value_field = *field.message_type()->map_value();
    const auto left = EntriesOf(before, field);
    const auto right = EntriesOf(after, field);
    const auto value = [](const auto& entries, const std::string& key) -> std::optional<Scalar> {
      const auto found = entries.find(key);
      return found == entries.end() ? std::nullopt : std::optional<Scalar>(found->second);
    };
    for (const auto& [key, scalar] : left) {
      CompareLeaves(path + "." + PathStep(key), value_field, scalar, value(right, key));
    }
    for (const auto& [key, scalar] : right) {
      if (!left.contains(key)) {
        CompareLeaves(path + "." + PathStep(key), value_field, std::nullopt, scalar);
      }
    }
  }

  void CompareSets(const std::string& path, const FieldDescriptor& field, const Message* before,
                   const Message* after) {
    const std::set<Scalar> left = MembersOf(before, field);
    const std::set<Scalar> right = MembersOf(after, field);
    for (const Scalar& member : left) {
      if (!right.contains(member)) {
        *Add(path).mutable_before() = ToValue(field, member);
      }
    }
    for (const Scalar& member : right) {
      if (!left.contains(member)) {
        *Add(path).mutable_after() = ToValue(field, member);
      }
    }
  }

  void CompareKeyed(const std::string& path, const FieldDescriptor& field, const Message* before,
                    const Message* after) {
    const auto left = ElementsOf(before, field);
    const auto right = ElementsOf(after, field);
    const std::map<std::string, const Message*> left_by_key(left.begin(), left.end());
    const std::map<std::string, const Message*> right_by_key(right.begin(), right.end());
    for (const auto& [key, element] : left_by_key) {
      const std::string place = fmt::format("{}[{}]", path, key);
      if (const auto found = right_by_key.find(key); found != right_by_key.end()) {
        CompareMessages(place + ".", element, found->second, /*root=*/false);
      } else {
        *Add(place).mutable_before() = ToValue(field, element);
      }
    }
    for (const auto& [key, element] : right_by_key) {
      if (!left_by_key.contains(key)) {
        *Add(fmt::format("{}[{}]", path, key)).mutable_after() = ToValue(field, element);
      }
    }
    CompareOrder(path, KeysIn(left, right_by_key), KeysIn(right, left_by_key));
  }

  // Keys of the elements that are on the other side, too, in their order.
  static std::vector<std::string> KeysIn(
      const std::vector<std::pair<std::string, const Message*>>& elements,
      const std::map<std::string, const Message*>& other) {
    std::vector<std::string> keys;
    for (const auto& [key, element] : elements) {
      if (other.contains(key)) {
        keys.push_back(key);
      }
    }
    return keys;
  }

  void CompareOrder(const std::string& path, const std::vector<std::string>& left,
                    const std::vector<std::string>& right) {
    if (left == right) {
      return;
    }
    v1::FieldChange& change = Add(path);
    for (const std::string& key : left) {
      change.mutable_before()->mutable_list_value()->add_values()->set_string_value(key);
    }
    for (const std::string& key : right) {
      change.mutable_after()->mutable_list_value()->add_values()->set_string_value(key);
    }
  }

  void CompareLists(const std::string& path, const FieldDescriptor& field, const Message* before,
                    const Message* after) {
    const int left = SizeOf(before, field);
    const int right = SizeOf(after, field);
    if (left == right && (left == 0 || SameField(field, *before, *after))) {
      return;
    }
    const auto list = [&field](const Message& message, int size) {
      Value value;
      for (int i = 0; i < size; ++i) {
        *value.mutable_list_value()->add_values() = ToValue(field, ElementOf(message, field, i));
      }
      return value;
    };
    v1::FieldChange& change = Add(path);
    if (left > 0) {
      *change.mutable_before() = list(*before, left);
    }
    if (right > 0) {
      *change.mutable_after() = list(*after, right);
    }
  }

  v1::FieldChange& Add(std::string path) {
    changes_.emplace_back().set_path(std::move(path));
    return changes_.back();
  }

  std::vector<v1::FieldChange> changes_;
};

}  // namespace

std::vector<v1::FieldChange> Differences(const Message* before, const Message* after) {
  Differ differ;
  if (before != nullptr || after != nullptr) {
    differ.CompareMessages("", before, after, /*root=*/true);
  }
  return std::move(differ).Sorted();
}

}  // namespace retrace::domain
