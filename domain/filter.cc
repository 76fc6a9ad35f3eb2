#include "domain/filter.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <utility>

#include "domain/filter_condition.h"
#include "domain/index_values.h"
#include "domain/status_macros.h"
#include "domain/text_excerpt.h"
#include "fmt/format.h"
#include "fmt/ranges.h"
#include "google/protobuf/timestamp.pb.h"

namespace retrace::domain {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using NodeKind = FilterNode::Kind;
using Operand = Condition::Operand;

bool IsTime(const FieldDescriptor& field) {
  return field.message_type() == google::protobuf::Timestamp::descriptor();
}

bool IsEqualityOnly(Comparator comparator) {
  return comparator == Comparator::kEquals || comparator == Comparator::kNotEquals ||
         comparator == Comparator::kHas;
}

template <typename Number>
std::optional<Number> ReadNumber(std::string_view text) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return number;
}

TextPattern ReadPattern(std::string_view value, bool exact = false) {
  TextPattern pattern;
  if (value.starts_with('*')) {
    pattern.open_begin = true;
    value.remove_prefix(1);
  }
  if (value.ends_with('*')) {
    pattern.open_end = true;
    value.remove_suffix(1);
  }
  pattern.text = exact ? std::string(value) : FoldCaseless(value);
  return pattern;
}

class Compiler {
 public:
  Compiler(const Descriptor& type, const std::vector<std::string>& allowed)
      : type_(type), allowed_(allowed) {}

  absl::StatusOr<Condition> Compile(const FilterNode& node) {
    if (node.kind == NodeKind::kRestriction) {
      return CompileRestriction(node.restriction);
    }
    Condition condition;
    condition.kind = node.kind;
    for (const auto& child : node.children) {
      RETRACE_ASSIGN(Condition compiled, Compile(*child));
      condition.children.push_back(std::move(compiled));
    }
    return condition;
  }

 private:
  absl::StatusOr<Condition> CompileRestriction(const Restriction& restriction) {
    Condition condition;
    condition.kind = NodeKind::kRestriction;
    condition.comparator = restriction.comparator;
    if (restriction.field.empty()) {
      condition.operand = Operand::kAnywhere;
      condition.pattern.text = FoldCaseless(restriction.value);
      condition.searched = SearchedFields();
      return condition;
    }
    if (absl::Status status = Resolve(restriction, condition); !status.ok()) {
      return status;
    }
    if (absl::Status status = CheckLists(restriction, condition); !status.ok()) {
      return status;
    }
    if (restriction.comparator == Comparator::kHas && restriction.value == "*") {
      condition.operand = Operand::kPresence;
      return condition;
    }
    if (absl::Status status = CompileValue(restriction, condition); !status.ok()) {
      return status;
    }
    return condition;
  }

  // Finds the fields that the restriction's path goes through.
  absl::Status Resolve(const Restriction& restriction, Condition& condition) const {
    const std::string& top = restriction.field.front();
    if (!allowed_.empty() && std::find(allowed_.begin(), allowed_.end(), top) == allowed_.end()) {
      return UnknownName(restriction.offset, top, allowed_);
    }
    const Descriptor* inside = &type_;
    for (const std::string& step : restriction.field) {
      const FieldDescriptor* outer = condition.path.empty() ? nullptr : condition.path.back();
      if (outer != nullptr && outer->is_map() && !condition.has_key) {
        condition.has_key = true;
        condition.key = step;
        continue;
      }
      if (outer != nullptr) {
        inside = outer->message_type();
        if (inside == nullptr || IsTime(*outer) || outer->is_map()) {
          return FilterError(
              restriction.offset,
              fmt::format("`{}` has no fields, so no `{}`; a key with dots stands in "
                          "quotes",
                          outer->name(), Excerpt(step)));
        }
      }
      const FieldDescriptor* field = inside->FindFieldByName(step);
      if (field == nullptr) {
        return UnknownName(restriction.offset, step, FieldNames(*inside));
      }
      condition.path.push_back(field);
    }
    return absl::OkStatus();
  }

  static std::vector<std::string> FieldNames(const Descriptor& type) {
    std::vector<std::string> names;
    for (int i = 0; i < type.field_count(); ++i) {
      names.push_back(type.field(i)->name());
    }
    return names;
  }

  static absl::Status UnknownName(size_t offset, std::string_view name,
                                  const std::vector<std::string>& names) {
    return FilterError(offset, fmt::format("there is no field `{}`; there are {}", Excerpt(name),
                                           fmt::join(names, ", ")));
  }

  // Through lists only "some element" can be asked.
  static absl::Status CheckLists(const Restriction& restriction, const Condition& condition) {
    if (restriction.comparator == Comparator::kEquals ||
        restriction.comparator == Comparator::kHas) {
      return absl::OkStatus();
    }
    for (const FieldDescriptor* field : condition.path) {
      if (field->is_repeated() && !(field->is_map() && condition.has_key)) {
        return FilterError(
            restriction.offset,
            fmt::format("`{}` holds many: use `:` or `=`, and NOT in front", field->name()));
      }
    }
    return absl::OkStatus();
  }

  absl::Status CompileValue(const Restriction& restriction, Condition& condition) const {
    const FieldDescriptor* field = condition.path.back();
    if (field->is_map()) {
      if (!condition.has_key) {
        if (restriction.comparator != Comparator::kHas) {
          return FilterError(restriction.offset,
                             fmt::format("`{0}` is a map: compare a key, as in {0}.key = \"value\"",
                                         field->name()));
        }
        condition.operand = Operand::kKey;
        condition.key = restriction.value;
        return absl::OkStatus();
      }
      field = field->message_type()->map_value();
    }
    switch (field->cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        CompileText(restriction, field->is_repeated(), condition);
        return absl::OkStatus();
      case FieldDescriptor::CPPTYPE_MESSAGE:
        return IsTime(*field) ? CompileTime(restriction, condition)
                              : CompileMessage(restriction, *field, condition);
      case FieldDescriptor::CPPTYPE_ENUM:
        return CompileEnum(restriction, *field, condition);
      case FieldDescriptor::CPPTYPE_BOOL:
        return CompileBool(restriction, condition);
      case FieldDescriptor::CPPTYPE_DOUBLE:
      case FieldDescriptor::CPPTYPE_FLOAT:
        return CompileReal(restriction, condition);
      default:
        return CompileInteger(restriction, condition);
    }
  }

  static void CompileText(const Restriction& restriction, bool in_list, Condition& condition) {
    condition.exact = ComparesExactly(*condition.path.back());
    condition.pattern = ReadPattern(restriction.value, condition.exact);
    if (restriction.comparator == Comparator::kHas && !in_list) {
      condition.operand = Operand::kContains;
    } else if (IsEqualityOnly(restriction.comparator)) {
      condition.operand = Operand::kEquality;
    } else {
      condition.operand = Operand::kOrder;
      condition.pattern = {.text = condition.exact ? restriction.value
                                                   : FoldCaseless(restriction.value)};
    }
  }

  static absl::Status CompileTime(const Restriction& restriction, Condition& condition) {
    const std::optional<TimeSpan> span = ReadTimeSpan(restriction.value);
    if (!span) {
      return FilterError(restriction.value_offset,
                         "expected a time such as 2024-02-29T08:00:00Z, or a date");
    }
    condition.operand = Operand::kTime;
    absl::Time moment;
    // A day has no `T`; a moment is compared to the nanosecond.
    if (absl::ParseTime(absl::RFC3339_full, restriction.value, &moment, nullptr)) {
      condition.begin = condition.end = moment;
    } else {
      condition.begin = absl::FromUnixMicros(span->begin_us);
      condition.end = absl::FromUnixMicros(span->end_us);
    }
    return absl::OkStatus();
  }

  static absl::Status CompileMessage(const Restriction& restriction, const FieldDescriptor& field,
                                     Condition& condition) {
    if (!field.is_repeated()) {
      return FilterError(
          restriction.offset,
          fmt::format("`{}` has fields: compare one of {}, or use `{}:*`", field.name(),
                      fmt::join(FieldNames(*field.message_type()), ", "), field.name()));
    }
    condition.operand = Operand::kElement;
    condition.pattern = ReadPattern(restriction.value);
    condition.phone_digits = DialledDigits(restriction.value);
    return absl::OkStatus();
  }

  static absl::Status CompileEnum(const Restriction& restriction, const FieldDescriptor& field,
                                  Condition& condition) {
    const auto* value = field.enum_type()->FindValueByName(restriction.value);
    if (value == nullptr) {
      std::vector<std::string> names;
      for (int i = 0; i < field.enum_type()->value_count(); ++i) {
        if (field.enum_type()->value(i)->number() != 0) {
          names.push_back(field.enum_type()->value(i)->name());
        }
      }
      return FilterError(restriction.value_offset,
                         fmt::format("expected one of {}", fmt::join(names, ", ")));
    }
    return SetInteger(restriction, value->number(), condition);
  }

  static absl::Status CompileBool(const Restriction& restriction, Condition& condition) {
    if (restriction.value != "true" && restriction.value != "false") {
      return FilterError(restriction.value_offset, "expected true or false");
    }
    return SetInteger(restriction, restriction.value == "true" ? 1 : 0, condition);
  }

  // Of what has no order.
  static absl::Status SetInteger(const Restriction& restriction, int64_t number,
                                 Condition& condition) {
    if (!IsEqualityOnly(restriction.comparator)) {
      return FilterError(restriction.offset,
                         fmt::format("`{}` has no order: use = or !=", restriction.field.back()));
    }
    condition.operand = Operand::kInteger;
    condition.integer = number;
    return absl::OkStatus();
  }

  static absl::Status CompileReal(const Restriction& restriction, Condition& condition) {
    const std::optional<double> real = ReadNumber<double>(restriction.value);
    if (!real || !std::isfinite(*real)) {
      return FilterError(restriction.value_offset, "expected a number");
    }
    condition.operand = Operand::kReal;
    condition.real = *real;
    return absl::OkStatus();
  }

  static absl::Status CompileInteger(const Restriction& restriction, Condition& condition) {
    const std::optional<int64_t> integer = ReadNumber<int64_t>(restriction.value);
    if (!integer) {
      return FilterError(restriction.value_offset, "expected a whole number");
    }
    condition.operand = Operand::kInteger;
    condition.integer = *integer;
    return absl::OkStatus();
  }

  // Where a bare word is looked for.
  std::vector<const FieldDescriptor*> SearchedFields() const {
    std::vector<const FieldDescriptor*> fields;
    if (allowed_.empty()) {
      for (int i = 0; i < type_.field_count(); ++i) {
        fields.push_back(type_.field(i));
      }
      return fields;
    }
    for (const std::string& name : allowed_) {
      if (const FieldDescriptor* field = type_.FindFieldByName(name)) {
        fields.push_back(field);
      }
    }
    return fields;
  }

  const Descriptor& type_;
  const std::vector<std::string>& allowed_;
};

bool MentionsIn(const FilterNode& node, std::string_view field) {
  if (node.kind == NodeKind::kRestriction) {
    return !node.restriction.field.empty() && node.restriction.field.front() == field;
  }
  for (const auto& child : node.children) {
    if (MentionsIn(*child, field)) {
      return true;
    }
  }
  return false;
}

bool IsDate(std::string_view value) {
  if (value.size() != 10) {
    return false;
  }
  for (size_t i = 0; i < value.size(); ++i) {
    const bool dash = i == 4 || i == 7;
    if (dash ? value[i] != '-' : (value[i] < '0' || value[i] > '9')) {
      return false;
    }
  }
  return value.substr(0, 4) != "0000";
}

}  // namespace

std::string DialledDigits(std::string_view value) {
  for (const char c : value) {
    if ((c < '0' || c > '9') && std::string_view("+-()./ ").find(c) == std::string_view::npos) {
      return "";
    }
  }
  std::string digits = PhoneDigits(value);
  return digits.size() >= 3 ? digits : "";
}

// Some systems make ids that differ by case alone.
bool ComparesExactly(const FieldDescriptor& field) { return field.name() == "external_id"; }

Filter::Filter()
    : root_(std::make_shared<FilterNode>()), condition_(std::make_shared<Condition>()) {}

absl::StatusOr<Filter> Filter::Parse(std::string_view text, const Descriptor& type,
                                     const std::vector<std::string>& allowed) {
  RETRACE_ASSIGN(std::unique_ptr<FilterNode> root, ParseFilter(text));
  RETRACE_ASSIGN(Condition condition, Compiler(type, allowed).Compile(*root));
  Filter filter;
  filter.root_ = std::move(root);
  filter.condition_ = std::make_shared<Condition>(std::move(condition));
  return filter;
}

bool Filter::Matches(const google::protobuf::Message& message) const {
  return Holds(*condition_, message);
}

bool Filter::empty() const { return root_->kind == NodeKind::kAnd && root_->children.empty(); }

std::vector<const Restriction*> Filter::Conjuncts() const {
  std::vector<const Restriction*> conjuncts;
  if (root_->kind == NodeKind::kRestriction) {
    conjuncts.push_back(&root_->restriction);
  } else if (root_->kind == NodeKind::kAnd) {
    for (const auto& child : root_->children) {
      if (child->kind == NodeKind::kRestriction) {
        conjuncts.push_back(&child->restriction);
      }
    }
  }
  return conjuncts;
}

bool Filter::Mentions(std::string_view field) const { return MentionsIn(*root_, field); }

std::optional<TimeSpan> ReadTimeSpan(std::string_view value) {
  absl::Time time;
  if (IsDate(value)) {
    if (!absl::ParseTime("%Y-%m-%d", std::string(value), &time, nullptr)) {
      return std::nullopt;
    }
    const int64_t begin = absl::ToUnixMicros(time);
    return TimeSpan{begin, begin + absl::ToInt64Microseconds(absl::Hours(24))};
  }
  // Only what begins with a date: absl would also read "infinite-future".
  if (value.size() < 20 || !IsDate(value.substr(0, 10)) ||
      !absl::ParseTime(absl::RFC3339_full, std::string(value), &time, nullptr)) {
    return std::nullopt;
  }
  const int64_t begin = absl::ToUnixMicros(time);
  return TimeSpan{begin, absl::FromUnixMicros(begin) < time ? begin + 1 : begin};
}

}  // namespace retrace::domain
