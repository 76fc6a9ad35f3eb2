// Running a filter on a message.
#include <algorithm>

#include "domain/field_values.h"
#include "domain/filter_condition.h"
#include "domain/index_values.h"
#include "google/protobuf/timestamp.pb.h"
#include "retrace/v1/common.pb.h"

namespace retrace::domain {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using NodeKind = FilterNode::Kind;
using Operand = Condition::Operand;

template <typename T>
bool Compare(Comparator comparator, const T& left, const T& right) {
  switch (comparator) {
    case Comparator::kEquals:
    case Comparator::kHas:
      return left == right;
    case Comparator::kNotEquals:
      return left != right;
    case Comparator::kLess:
      return left < right;
    case Comparator::kLessEquals:
      return left <= right;
    case Comparator::kGreater:
      return left > right;
    case Comparator::kGreaterEquals:
      return left >= right;
  }
  return false;
}

// Against a moment (begin == end) or a day [begin, end).
bool CompareTime(const Condition& condition, absl::Time time) {
  if (condition.begin == condition.end) {
    return Compare(condition.comparator, time, condition.begin);
  }
  switch (condition.comparator) {
    case Comparator::kEquals:
    case Comparator::kHas:
      return time >= condition.begin && time < condition.end;
    case Comparator::kNotEquals:
      return time < condition.begin || time >= condition.end;
    case Comparator::kLess:
      return time < condition.begin;
    case Comparator::kLessEquals:
      return time < condition.end;
    case Comparator::kGreater:
      return time >= condition.end;
    case Comparator::kGreaterEquals:
      return time >= condition.begin;
  }
  return false;
}

// True when `test` accepts some text of the field, however deep.
template <typename Test>
bool AnyText(const Message& message, const FieldDescriptor& field, const Test& test) {
  const auto check = [&test](const Scalar& scalar) {
    if (const auto* text = std::get_if<std::string_view>(&scalar)) {
      return test(*text);
    }
    const auto* inner = std::get_if<const Message*>(&scalar);
    if (inner == nullptr) {
      return false;
    }
    const google::protobuf::Descriptor& type = *(*inner)->GetDescriptor();
    for (int i = 0; i < type.field_count(); ++i) {
      if (AnyText(**inner, *type.field(i), test)) {
        return true;
      }
    }
    return false;
  };
  const bool may_hold_text = field.cpp_type() == FieldDescriptor::CPPTYPE_STRING ||
                             field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
  if (!may_hold_text || field.type() == FieldDescriptor::TYPE_BYTES) {
    return false;
  }
  if (!field.is_repeated()) {
    return message.GetReflection()->HasField(message, &field) && check(ScalarOf(message, field));
  }
  const int size = message.GetReflection()->FieldSize(message, &field);
  for (int i = 0; i < size; ++i) {
    // Of maps the values count, not the keys.
    const Scalar element = ElementOf(message, field, i);
    if (check(field.is_map() ? EntryValue(*std::get<const Message*>(element)) : element)) {
      return true;
    }
  }
  return false;
}

bool MatchElement(const Condition& condition, const Message& element) {
  if (!condition.phone_digits.empty() && element.GetDescriptor() == v1::Phone::descriptor()) {
    const std::vector<std::string> values = PhoneValues(static_cast<const v1::Phone&>(element));
    const std::string end = AfterPhoneDigits(condition.phone_digits);
    return std::any_of(values.begin(), values.end(), [&](std::string_view value) {
      return value >= condition.phone_digits && value < end;
    });
  }
  const google::protobuf::Descriptor& type = *element.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    if (AnyText(element, *type.field(i), [&condition](std::string_view text) {
          return condition.pattern.Matches(FoldCaseless(text));
        })) {
      return true;
    }
  }
  return false;
}

bool MatchText(const Condition& condition, std::string_view text) {
  const std::string folded = condition.exact ? std::string(text) : FoldCaseless(text);
  switch (condition.operand) {
    case Operand::kContains:
      return folded.find(condition.pattern.text) != std::string::npos;
    case Operand::kEquality:
      return condition.pattern.Matches(folded) == (condition.comparator != Comparator::kNotEquals);
    default:
      return Compare(condition.comparator, folded, condition.pattern.text);
  }
}

bool MatchScalar(const Condition& condition, const Scalar& scalar) {
  if (const auto* text = std::get_if<std::string_view>(&scalar)) {
    return MatchText(condition, *text);
  }
  if (const auto* message = std::get_if<const Message*>(&scalar)) {
    if (condition.operand == Operand::kElement) {
      return MatchElement(condition, **message);
    }
    const auto& time = static_cast<const google::protobuf::Timestamp&>(**message);
    return CompareTime(condition,
                       absl::FromUnixSeconds(time.seconds()) + absl::Nanoseconds(time.nanos()));
  }
  if (const auto* number = std::get_if<int64_t>(&scalar)) {
    return Compare(condition.comparator, *number, condition.integer);
  }
  if (const auto* truth = std::get_if<bool>(&scalar)) {
    return Compare(condition.comparator, int64_t{*truth}, condition.integer);
  }
  if (const auto* natural = std::get_if<uint64_t>(&scalar)) {
    if (*natural > static_cast<uint64_t>(INT64_MAX)) {
      return Compare(condition.comparator, 1, 0);  // above any number that a filter can name
    }
    return Compare(condition.comparator, static_cast<int64_t>(*natural), condition.integer);
  }
  return Compare(condition.comparator, std::get<double>(scalar), condition.real);
}

bool MatchMap(const Condition& condition, const Message& message, const FieldDescriptor& field) {
  if (!condition.has_key && condition.operand == Operand::kPresence) {
    return message.GetReflection()->FieldSize(message, &field) > 0;
  }
  const int index = FindEntry(message, field, condition.key);
  if (index < 0) {
    return false;
  }
  return condition.operand == Operand::kKey || condition.operand == Operand::kPresence ||
         MatchScalar(condition, EntryValue(message.GetReflection()->GetRepeatedMessage(
                                    message, &field, index)));
}

bool MatchLast(const Condition& condition, const Message& message, const FieldDescriptor& field) {
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  if (field.is_map()) {
    return MatchMap(condition, message, field);
  }
  if (field.is_repeated()) {
    const int size = reflection.FieldSize(message, &field);
    if (condition.operand == Operand::kPresence) {
      return size > 0;
    }
    for (int i = 0; i < size; ++i) {
      if (MatchScalar(condition, ElementOf(message, field, i))) {
        return true;
      }
    }
    return false;
  }
  if (condition.operand == Operand::kPresence) {
    return reflection.HasField(message, &field);
  }
  if (field.has_presence() && !reflection.HasField(message, &field)) {
    return false;
  }
  return MatchScalar(condition, ScalarOf(message, field));
}

// From the step of the path on.
bool MatchPath(const Condition& condition, const Message& message, size_t step) {
  const FieldDescriptor& field = *condition.path[step];
  if (step + 1 == condition.path.size()) {
    return MatchLast(condition, message, field);
  }
  const google::protobuf::Reflection& reflection = *message.GetReflection();
  if (!field.is_repeated()) {
    return reflection.HasField(message, &field) &&
           MatchPath(condition, reflection.GetMessage(message, &field), step + 1);
  }
  const int size = reflection.FieldSize(message, &field);
  for (int i = 0; i < size; ++i) {
    if (MatchPath(condition, reflection.GetRepeatedMessage(message, &field, i), step + 1)) {
      return true;
    }
  }
  return false;
}

bool MatchAnywhere(const Condition& condition, const Message& message) {
  for (const FieldDescriptor* field : condition.searched) {
    if (AnyText(message, *field, [&condition](std::string_view text) {
          return FoldCaseless(text).find(condition.pattern.text) != std::string::npos;
        })) {
      return true;
    }
  }
  return false;
}

}  // namespace

bool TextPattern::Matches(std::string_view folded) const {
  if (open_begin && open_end) {
    return folded.find(text) != std::string_view::npos;
  }
  if (open_begin) {
    return folded.ends_with(text);
  }
  if (open_end) {
    return folded.starts_with(text);
  }
  return folded == text;
}

bool Holds(const Condition& condition, const Message& message) {
  switch (condition.kind) {
    case NodeKind::kAnd:
      for (const Condition& child : condition.children) {
        if (!Holds(child, message)) {
          return false;
        }
      }
      return true;
    case NodeKind::kOr:
      for (const Condition& child : condition.children) {
        if (Holds(child, message)) {
          return true;
        }
      }
      return false;
    case NodeKind::kNot:
      return !Holds(condition.children.front(), message);
    case NodeKind::kRestriction:
      return condition.operand == Operand::kAnywhere ? MatchAnywhere(condition, message)
                                                     : MatchPath(condition, message, 0);
  }
  return false;
}

}  // namespace retrace::domain
