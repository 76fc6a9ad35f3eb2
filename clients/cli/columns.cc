#include "clients/cli/columns.h"

#include <map>
#include <memory>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "clients/cli/money_text.h"
#include "clients/cli/time_text.h"
#include "google/protobuf/any.pb.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/timestamp.pb.h"
#include "google/protobuf/util/json_util.h"
#include "nlohmann/json.hpp"
#include "retrace/v1/admin.pb.h"
#include "retrace/v1/common.pb.h"

namespace retrace::cli {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

std::string Json(const Message& message, bool pretty) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  options.add_whitespace = pretty;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(message, &json, options);
  // Only a Struct with a value that JSON lacks (an infinity) can fail; say so in its place.
  if (!status.ok()) return absl::StrCat("{\"error\":\"", std::string(status.message()), "\"}");
  // A Struct is a map, whose order differs from run to run; sorted it can be compared.
  const std::string_view type = message.GetDescriptor()->full_name();
  if (type == "google.protobuf.Struct" || type == "google.protobuf.Value") {
    return nlohmann::json::parse(json).dump(pretty ? 1 : -1);
  }
  return json;
}

std::string AddressText(const v1::Address& address) {
  std::vector<std::string> parts(address.address_lines().begin(), address.address_lines().end());
  for (const std::string& part : {address.postal_code(), address.locality(),
                                  address.administrative_area(), address.region_code()}) {
    if (!part.empty()) parts.push_back(part);
  }
  return absl::StrJoin(parts, ", ");
}

std::string PhoneText(const v1::Phone& phone, ValueForm form) {
  if (form == ValueForm::kExact) return phone.raw();
  const std::string& number = phone.e164().empty() ? phone.raw() : phone.e164();
  if (phone.e164().empty() || phone.extension().empty()) return number;
  return absl::StrCat(number, " ext. ", phone.extension());
}

std::string MessageText(const Message& message, ValueForm form) {
  const Descriptor* type = message.GetDescriptor();
  if (type == google::protobuf::Timestamp::descriptor()) {
    const auto& time = static_cast<const google::protobuf::Timestamp&>(message);
    return form == ValueForm::kShort ? ShortTime(time) : ExactTime(time);
  }
  if (type == v1::Money::descriptor()) {
    const auto& money = static_cast<const v1::Money&>(message);
    return absl::StrCat(MinorUnitsText(money.minor_units(), money.currency()), " ",
                        money.currency());
  }
  if (type == v1::Phone::descriptor()) {
    return PhoneText(static_cast<const v1::Phone&>(message), form);
  }
  if (type == v1::Address::descriptor() && form == ValueForm::kShort) {
    return AddressText(static_cast<const v1::Address&>(message));
  }
  if (type == v1::Answered::descriptor() && form == ValueForm::kShort) {
    const auto& answered = static_cast<const v1::Answered&>(message);
    return absl::StrCat("position ", answered.position(), " of epoch ", answered.epoch());
  }
  if (type == v1::TenantHead::descriptor() && form == ValueForm::kShort) {
    const auto& head = static_cast<const v1::TenantHead&>(message);
    return absl::StrCat(IdOf(head.tenant()), " at ", head.position());
  }
  if (type == google::protobuf::Value::descriptor()) {
    const auto& value = static_cast<const google::protobuf::Value&>(message);
    if (value.kind_case() == google::protobuf::Value::kStringValue) return value.string_value();
  }
  return ToJson(message);
}

std::string StringText(const std::string& text, ValueForm form) {
  if (form != ValueForm::kShort) return text;
  // Of a method's name the last part says it.
  if (absl::StartsWith(text, "retrace.v1.")) return text.substr(text.rfind('.') + 1);
  return absl::StartsWith(text, "tenants/") ? IdOf(text) : text;
}

std::string EnumText(const FieldDescriptor& field, int number) {
  const auto* value = field.enum_type()->FindValueByNumber(number);
  if (value == nullptr) return absl::StrCat(number);
  return number == 0 ? "" : value->name();
}

std::string SingularText(const Message& message, const FieldDescriptor& field, ValueForm form) {
  const Reflection& reflection = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return StringText(reflection.GetString(message, &field), form);
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflection.GetBool(message, &field) ? "true" : "false";
    case FieldDescriptor::CPPTYPE_INT32:
      return absl::StrCat(reflection.GetInt32(message, &field));
    case FieldDescriptor::CPPTYPE_INT64:
      return absl::StrCat(reflection.GetInt64(message, &field));
    case FieldDescriptor::CPPTYPE_ENUM:
      return EnumText(field, reflection.GetEnumValue(message, &field));
    case FieldDescriptor::CPPTYPE_MESSAGE:
      if (!reflection.HasField(message, &field)) return "";
      return MessageText(reflection.GetMessage(message, &field), form);
    default:
      return "";
  }
}

std::string MapText(const Message& message, const FieldDescriptor& field) {
  const Reflection& reflection = *message.GetReflection();
  std::map<std::string, std::string> sorted;
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    const Message& entry = reflection.GetRepeatedMessage(message, &field, i);
    const Descriptor* type = entry.GetDescriptor();
    sorted[SingularText(entry, *type->map_key(), ValueForm::kExact)] =
        SingularText(entry, *type->map_value(), ValueForm::kExact);
  }
  return absl::StrJoin(sorted, "; ", absl::PairFormatter("="));
}

std::string RepeatedText(const Message& message, const FieldDescriptor& field, ValueForm form) {
  if (field.is_map()) return MapText(message, field);
  const Reflection& reflection = *message.GetReflection();
  std::vector<std::string> elements;
  for (int i = 0; i < reflection.FieldSize(message, &field); ++i) {
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      elements.push_back(MessageText(reflection.GetRepeatedMessage(message, &field, i), form));
    } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      elements.push_back(StringText(reflection.GetRepeatedString(message, &field, i), form));
    }
  }
  return absl::StrJoin(elements, "; ");
}

// What an Any holds; null when this program does not know its type.
std::unique_ptr<Message> Unpacked(const google::protobuf::Any& any) {
  const std::string& url = any.type_url();
  const Descriptor* type =
      google::protobuf::DescriptorPool::generated_pool()->FindMessageTypeByName(
          url.substr(url.rfind('/') + 1));
  if (type == nullptr) return nullptr;
  std::unique_ptr<Message> message(
      google::protobuf::MessageFactory::generated_factory()->GetPrototype(type)->New());
  return any.UnpackTo(message.get()) ? std::move(message) : nullptr;
}

}  // namespace

std::string ToJson(const Message& message) { return Json(message, /*pretty=*/false); }
std::string ToPrettyJson(const Message& message) { return Json(message, /*pretty=*/true); }

std::string IdOf(absl::string_view name) {
  const size_t slash = name.rfind('/');
  return std::string(slash == name.npos ? name : name.substr(slash + 1));
}

std::string ValueText(const Message& message, absl::string_view path, ValueForm form) {
  const Message* holder = &message;
  std::unique_ptr<Message> unpacked;
  const std::vector<std::string> steps = absl::StrSplit(path, '.');
  for (size_t i = 0; i < steps.size(); ++i) {
    const FieldDescriptor* field = holder->GetDescriptor()->FindFieldByName(steps[i]);
    if (field == nullptr) return "";
    if (field->is_repeated()) return RepeatedText(*holder, *field, form);
    if (i + 1 == steps.size()) return SingularText(*holder, *field, form);
    if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) return "";
    holder = &holder->GetReflection()->GetMessage(*holder, field);
    if (holder->GetDescriptor() != google::protobuf::Any::descriptor()) continue;
    unpacked = Unpacked(static_cast<const google::protobuf::Any&>(*holder));
    if (unpacked == nullptr) return "";
    holder = unpacked.get();
  }
  return "";
}

bool IsNumeric(const Descriptor& type, absl::string_view path) {
  const Descriptor* holder = &type;
  const FieldDescriptor* field = nullptr;
  for (const absl::string_view step : absl::StrSplit(path, '.')) {
    if (holder == nullptr) return false;
    field = holder->FindFieldByName(std::string(step));
    if (field == nullptr || field->is_repeated()) return false;
    holder = field->message_type();
  }
  return field->cpp_type() == FieldDescriptor::CPPTYPE_INT64 ||
         field->cpp_type() == FieldDescriptor::CPPTYPE_INT32 || holder == v1::Money::descriptor();
}

std::vector<Column> AllColumns(const Descriptor& type) {
  std::vector<Column> columns;
  for (int i = 0; i < type.field_count(); ++i) {
    columns.push_back({type.field(i)->name(), type.field(i)->name()});
  }
  return columns;
}

}  // namespace retrace::cli
