#include "domain/fields.h"

#include <cstdint>
#include <memory>
#include <unordered_map>
#include <utility>

#include "absl/strings/match.h"
#include "domain/field_traits.h"
#include "domain/refusal.h"
#include "domain/text_excerpt.h"
#include "fmt/format.h"
#include "google/api/resource.pb.h"
#include "google/protobuf/timestamp.pb.h"

namespace retrace::domain {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::FieldMask;
using google::protobuf::Message;
using google::protobuf::Reflection;
using google::protobuf::Timestamp;

constexpr size_t kMaxViolations = 20;
// Years 1 to 9999, as RFC 3339 can write them.
constexpr int64_t kMinSeconds = -62135596800;
constexpr int64_t kMaxSeconds = 253402300799;

struct MessagePlan;

// What is to be checked of one field.
struct FieldPlan {
  const FieldDescriptor* field = nullptr;
  const Reflection* reflection = nullptr;  // of the type that holds it; asking a message costs more
  const FieldTraits* traits = nullptr;
  const MessagePlan* message = nullptr;  // of messages; null for scalars and maps
  bool required = false;
  bool left_to_batch = false;  // REQUIRED, unless the request stands in a batch
  bool page_size = false;
};

// What is to be checked of a type.
struct MessagePlan {
  std::vector<FieldPlan> fields;
  const Reflection* reflection = nullptr;
  bool timestamp = false;
  // Of update requests: the mask, and which of `fields` is the resource.
  const FieldDescriptor* mask = nullptr;
  const FieldDescriptor* resource = nullptr;
};

const MessagePlan& PlanOf(const Descriptor& type);

FieldPlan PlanField(const FieldDescriptor& field) {
  FieldPlan plan{.field = &field, .traits = &TraitsOf(field)};
  const bool is_message = field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !field.is_map();
  if (is_message) {
    plan.message = &PlanOf(*field.message_type());
  }
  // Deciders answer a missing choice about related records with a reason of its own.
  plan.required = plan.traits->required &&
                  !(is_message && field.message_type()->full_name() == "retrace.v1.RelatedRecords");
  plan.left_to_batch =
      field.name() == "parent" && absl::EndsWith(field.containing_type()->name(), "Request");
  plan.page_size = field.name() == "page_size" && !field.is_repeated() &&
                   field.cpp_type() == FieldDescriptor::CPPTYPE_INT32;
  return plan;
}

bool WorthChecking(const FieldPlan& plan) {
  switch (plan.field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
    case FieldDescriptor::CPPTYPE_MESSAGE:
    case FieldDescriptor::CPPTYPE_ENUM:
      return true;
    default:
      return plan.page_size ||
             (plan.field->is_repeated() && (plan.required || plan.traits->max_items != 0));
  }
}

const MessagePlan& PlanOf(const Descriptor& type) {
  thread_local std::unordered_map<const Descriptor*, std::unique_ptr<MessagePlan>> known;
  if (const auto found = known.find(&type); found != known.end()) {
    return *found->second;
  }
  // Known before its fields are looked at, so that a type may hold itself.
  MessagePlan& plan = *known.emplace(&type, std::make_unique<MessagePlan>()).first->second;
  plan.timestamp = &type == Timestamp::descriptor();
  plan.reflection =
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(&type)->GetReflection();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (TraitsOf(field).output_only || plan.timestamp) {
      continue;
    }
    if (FieldPlan checked = PlanField(field); WorthChecking(checked)) {
      checked.reflection = plan.reflection;
      plan.fields.push_back(checked);
    }
    if (field.message_type() == FieldMask::descriptor() && field.name() == "update_mask") {
      plan.mask = &field;
    } else if (field.message_type() != nullptr && !field.is_repeated() &&
               field.message_type()->options().HasExtension(google::api::resource)) {
      plan.resource = &field;
    }
  }
  return plan;
}

// A place in the request, told from the inside out; made into text only for a violation.
struct Place {
  const Place* outer = nullptr;
  const FieldDescriptor* field = nullptr;
  int index = -1;
  const std::string* key = nullptr;
};

std::string PathOf(const Place& place) {
  std::string path;
  if (place.outer != nullptr && place.outer->field != nullptr) {
    path = PathOf(*place.outer) + ".";
  }
  path += place.field->name();
  if (place.index >= 0) {
    path += fmt::format("[{}]", place.index);
  } else if (place.key != nullptr) {
    path += fmt::format("[{}]", QuotedExcerpt(*place.key));
  }
  return path;
}

// What of REQUIRED holds in a message.
enum class Need {
  kAll,    // here and below
  kBelow,  // only below: fields may be absent, but what is present is whole
  kNone,
};

// Offset of the first character that text may not hold; npos when there is none.
size_t FindControl(std::string_view text) {
  for (size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f) {
      return i;
    }
  }
  return std::string_view::npos;
}

class Walk {
 public:
  void CheckMessage(const Message& message, const MessagePlan& plan, const Place& place, Need need);
  absl::Status Result() const;

 private:
  struct Violation {
    std::string path;
    std::string description;
  };

  void Add(const Place& place, std::string description) {
    if (!full()) {
      violations_.push_back({PathOf(place), std::move(description)});
    }
  }
  bool full() const { return violations_.size() >= kMaxViolations; }
  void CheckField(const Message& message, const FieldPlan& plan, const Place& outer, Need need);
  void CheckSingular(const Message& message, const FieldPlan& plan, const Place& place,
                     bool required, Need below);
  void CheckRepeated(const Message& message, const FieldPlan& plan, const Place& place, Need below);
  void CheckMap(const Message& message, const FieldPlan& plan, const Place& outer);
  void CheckText(const std::string& text, const FieldDescriptor& field, uint32_t max_bytes,
                 const Place& place);
  void CheckEnum(int number, const FieldDescriptor& field, const Place& place);
  void CheckTime(const Timestamp& time, const Place& place);
  void CheckUpdated(const Message& message, const MessagePlan& plan, const Place& place);

  std::vector<Violation> violations_;
};

void Walk::CheckMessage(const Message& message, const MessagePlan& plan, const Place& place,
                        Need need) {
  if (plan.timestamp) {
    CheckTime(static_cast<const Timestamp&>(message), place);
    return;
  }
  const bool is_update = plan.mask != nullptr && plan.resource != nullptr &&
                         plan.reflection->HasField(message, plan.resource);
  for (const FieldPlan& field : plan.fields) {
    if (is_update && field.field == plan.resource) {
      CheckUpdated(message, *field.message, {.outer = &place, .field = field.field});
    } else {
      CheckField(message, field, place, need);
    }
    if (full()) {
      return;
    }
  }
}

void Walk::CheckField(const Message& message, const FieldPlan& plan, const Place& outer,
                      Need need) {
  const bool in_batch = outer.field != nullptr;
  const bool required = plan.required && need == Need::kAll && !(plan.left_to_batch && in_batch);
  const Need below = need == Need::kNone ? Need::kNone : Need::kAll;
  const Place place{.outer = &outer, .field = plan.field};
  if (!plan.field->is_repeated()) {
    CheckSingular(message, plan, place, required, below);
    return;
  }
  const int size = plan.reflection->FieldSize(message, plan.field);
  if (size == 0) {
    if (required) {
      Add(place, "at least one is required");
    }
    return;
  }
  if (plan.traits->max_items != 0 && static_cast<uint32_t>(size) > plan.traits->max_items) {
    Add(place,
        fmt::format("has {} elements; at most {} are allowed", size, plan.traits->max_items));
    return;
  }
  if (plan.field->is_map()) {
    CheckMap(message, plan, outer);
  } else {
    CheckRepeated(message, plan, place, below);
  }
}

void Walk::CheckSingular(const Message& message, const FieldPlan& plan, const Place& place,
                         bool required, Need below) {
  const Reflection& reflection = *plan.reflection;
  const FieldDescriptor& field = *plan.field;
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING: {
      std::string scratch;
      const std::string& text = reflection.GetStringReference(message, &field, &scratch);
      if (text.empty()) {
        if (required) {
          Add(place, "is required");
        }
      } else {
        CheckText(text, field, plan.traits->max_bytes, place);
      }
      return;
    }
    case FieldDescriptor::CPPTYPE_MESSAGE:
      if (reflection.HasField(message, &field)) {
        CheckMessage(reflection.GetMessage(message, &field), *plan.message, place, below);
      } else if (required) {
        Add(place, "is required");
      }
      return;
    case FieldDescriptor::CPPTYPE_ENUM: {
      const int number = reflection.GetEnumValue(message, &field);
      if (number == 0 && required) {
        Add(place, "is required");
      } else {
        CheckEnum(number, field, place);
      }
      return;
    }
    default:
      if (plan.page_size && reflection.GetInt32(message, &field) < 0) {
        Add(place, "must not be negative");
      }
  }
}

void Walk::CheckRepeated(const Message& message, const FieldPlan& plan, const Place& place,
                         Need below) {
  const Reflection& reflection = *plan.reflection;
  const FieldDescriptor& field = *plan.field;
  const int size = reflection.FieldSize(message, &field);
  // A member of a set that is empty says nothing; an address may have an empty line.
  const bool may_be_empty = plan.traits->merge != v1::SET && !plan.required;
  Place element = place;
  for (int i = 0; i < size && !full(); ++i) {
    element.index = i;
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      std::string scratch;
      const std::string& text = reflection.GetRepeatedStringReference(message, &field, i, &scratch);
      if (text.empty() && !may_be_empty) {
        Add(element, "must not be empty");
      }
      CheckText(text, field, plan.traits->max_bytes, element);
    } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      CheckMessage(reflection.GetRepeatedMessage(message, &field, i), *plan.message, element,
                   below);
    } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
      CheckEnum(reflection.GetRepeatedEnumValue(message, &field, i), field, element);
    }
  }
}

void Walk::CheckMap(const Message& message, const FieldPlan& plan, const Place& outer) {
  const Reflection& reflection = *plan.reflection;
  const FieldDescriptor& key_field = *plan.field->message_type()->map_key();
  const FieldDescriptor& value_field = *plan.field->message_type()->map_value();
  if (key_field.cpp_type() != FieldDescriptor::CPPTYPE_STRING) {
    return;
  }
  const Reflection& entry_reflection =
      *reflection.GetRepeatedMessage(message, plan.field, 0).GetReflection();
  const int size = reflection.FieldSize(message, plan.field);
  for (int i = 0; i < size && !full(); ++i) {
    const Message& entry = reflection.GetRepeatedMessage(message, plan.field, i);
    std::string scratch;
    const std::string& key = entry_reflection.GetStringReference(entry, &key_field, &scratch);
    const Place place{.outer = &outer, .field = plan.field, .key = &key};
    if (key.empty()) {
      Add(place, "has an empty key");
    } else if (plan.traits->max_key_bytes != 0 && key.size() > plan.traits->max_key_bytes) {
      Add(place, fmt::format("has a key of {} bytes; at most {} are allowed", key.size(),
                             plan.traits->max_key_bytes));
    } else {
      CheckText(key, key_field, 0, place);
    }
    if (value_field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      std::string value_scratch;
      CheckText(entry_reflection.GetStringReference(entry, &value_field, &value_scratch),
                value_field, plan.traits->max_bytes, place);
    }
  }
}

void Walk::CheckText(const std::string& text, const FieldDescriptor& field, uint32_t max_bytes,
                     const Place& place) {
  if (max_bytes != 0 && text.size() > max_bytes) {
    Add(place, fmt::format("has {} bytes; at most {} are allowed", text.size(), max_bytes));
    return;
  }
  if (field.type() == FieldDescriptor::TYPE_BYTES) {
    return;
  }
  if (const size_t offset = FindControl(text); offset != std::string_view::npos) {
    Add(place, fmt::format("has the control character U+{:04X} at byte {}; only tab and line "
                           "breaks are allowed",
                           static_cast<unsigned char>(text[offset]), offset));
  }
}

void Walk::CheckEnum(int number, const FieldDescriptor& field, const Place& place) {
  if (number != 0 && field.enum_type()->FindValueByNumber(number) == nullptr) {
    Add(place, fmt::format("has the unknown value {}", number));
  }
}

void Walk::CheckTime(const Timestamp& time, const Place& place) {
  if (time.seconds() < kMinSeconds || time.seconds() > kMaxSeconds) {
    Add(place, "lies outside the years 1 to 9999");
  } else if (time.nanos() < 0 || time.nanos() > 999999999) {
    Add(place, "has nanos outside 0 to 999999999");
  }
}

// `place` is the resource in an update request: judged as far as the mask goes.
void Walk::CheckUpdated(const Message& message, const MessagePlan& plan, const Place& place) {
  const Reflection& reflection = *message.GetReflection();
  const Message& resource = reflection.GetMessage(message, place.field);
  const FieldDescriptor* mask_field = FieldNamed(*message.GetDescriptor(), "update_mask");
  const auto& mask = static_cast<const FieldMask&>(reflection.GetMessage(message, mask_field));
  if (mask.paths().empty()) {
    CheckMessage(resource, plan, place, Need::kBelow);
    return;
  }
  std::unordered_map<std::string_view, bool> named_whole;
  for (const std::string& path : mask.paths()) {
    if (path == "*") {
      CheckMessage(resource, plan, place, Need::kAll);
      return;
    }
    const std::string_view top = std::string_view(path).substr(0, path.find('.'));
    named_whole[top] |= top.size() == path.size();
  }
  for (const FieldPlan& field : plan.fields) {
    if (field.traits->identifier) {
      CheckField(resource, field, place, Need::kBelow);
    } else if (const auto found = named_whole.find(field.field->name());
               found != named_whole.end()) {
      CheckField(resource, field, place, found->second ? Need::kAll : Need::kNone);
    }
  }
}

absl::Status Walk::Result() const {
  if (violations_.empty()) {
    return absl::OkStatus();
  }
  const Violation& first = violations_.front();
  std::string message =
      violations_.size() == 1
          ? fmt::format("{} {}.", first.path, first.description)
          : fmt::format("{}{} fields are wrong; the first: {} {}.", full() ? "At least " : "",
                        violations_.size(), first.path, first.description);
  Refusal refusal(v1::INVALID_FIELD, std::move(message));
  for (const Violation& violation : violations_) {
    std::move(refusal).Field(violation.path, violation.description);
  }
  return std::move(refusal).Next("Correct the request and send it again.");
}

// Which fields of a type are cleared on input, and where to look further.
struct ClearPlan {
  const Reflection* reflection = nullptr;
  std::vector<const FieldDescriptor*> cleared;
  std::vector<std::pair<const FieldDescriptor*, const ClearPlan*>> inner;
};

const ClearPlan& ClearPlanOf(const Descriptor& type) {
  thread_local std::unordered_map<const Descriptor*, std::unique_ptr<ClearPlan>> known;
  if (const auto found = known.find(&type); found != known.end()) {
    return *found->second;
  }
  ClearPlan& plan = *known.emplace(&type, std::make_unique<ClearPlan>()).first->second;
  plan.reflection =
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(&type)->GetReflection();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (TraitsOf(field).output_only || TraitsOf(field).identifier) {
      plan.cleared.push_back(&field);
    } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !field.is_map()) {
      plan.inner.emplace_back(&field, &ClearPlanOf(*field.message_type()));
    }
  }
  return plan;
}

void ClearBy(const ClearPlan& plan, Message& message) {
  const Reflection& reflection = *plan.reflection;
  for (const FieldDescriptor* field : plan.cleared) {
    reflection.ClearField(&message, field);
  }
  for (const auto& [field, inner] : plan.inner) {
    if (field->is_repeated()) {
      const int size = reflection.FieldSize(message, field);
      for (int i = 0; i < size; ++i) {
        ClearBy(*inner, *reflection.MutableRepeatedMessage(&message, field, i));
      }
    } else if (reflection.HasField(message, field)) {
      ClearBy(*inner, *reflection.MutableMessage(&message, field));
    }
  }
}

}  // namespace

absl::Status Validate(const Message& request) {
  Walk walk;
  walk.CheckMessage(request, PlanOf(*request.GetDescriptor()), Place{}, Need::kAll);
  return walk.Result();
}

void ClearOutputOnly(Message& resource) {
  ClearBy(ClearPlanOf(*resource.GetDescriptor()), resource);
}

}  // namespace retrace::domain
