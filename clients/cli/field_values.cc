#include "clients/cli/field_values.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "clients/cli/reflection.h"
#include "clients/cli/time_text.h"
#include "google/api/resource.pb.h"
#include "retrace/v1/common.pb.h"
#include "retrace/v1/tenants.pb.h"

namespace retrace::cli {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

absl::Status Unknown(const Message& resource, absl::string_view path) {
  return absl::InvalidArgumentError(
      absl::StrCat("there is no field `", path, "` to set; there are ",
                   absl::StrJoin(SettableFields(*resource.GetDescriptor()), ", ")));
}

absl::Status SetMoney(v1::Money& money, absl::string_view text, const ValueRules& rules) {
  absl::string_view amount = absl::StripAsciiWhitespace(text);
  std::string currency = rules.currency;
  // `1054.50 USD` names its own.
  const size_t blank = amount.rfind(' ');
  if (blank != amount.npos && amount.size() - blank == 4) {
    const absl::string_view code = amount.substr(blank + 1);
    if (absl::ascii_isupper(code[0]) && absl::ascii_isupper(code[1]) &&
        absl::ascii_isupper(code[2])) {
      currency = std::string(code);
      amount = amount.substr(0, blank);
    }
  }
  if (currency.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("`", text, "` names no currency; write it like 1054.50 USD"));
  }
  absl::StatusOr<int64_t> minor_units = ParseMinorUnits(amount, currency, rules.decimal_mark);
  if (!minor_units.ok()) return minor_units.status();
  money.set_minor_units(*minor_units);
  money.set_currency(currency);
  return absl::OkStatus();
}

absl::Status SetRetention(v1::Retention& retention, absl::string_view text) {
  const std::pair<std::string, std::string> parts = absl::StrSplit(text, absl::MaxSplits(':', 1));
  int32_t days = 0;
  if (!absl::SimpleAtoi(parts.second, &days)) {
    return absl::InvalidArgumentError(
        absl::StrCat("`", text, "` is no retention; write a kind and days, e.g. customers:90"));
  }
  retention.set_collection(parts.first);
  retention.set_days(days);
  return absl::OkStatus();
}

absl::Status SetMessage(Message& value, absl::string_view text, const ValueRules& rules) {
  const Descriptor* type = value.GetDescriptor();
  if (type == v1::Money::descriptor()) return SetMoney(static_cast<v1::Money&>(value), text, rules);
  if (type == v1::Phone::descriptor()) {
    static_cast<v1::Phone&>(value).set_raw(std::string(text));
    return absl::OkStatus();
  }
  if (type == v1::Retention::descriptor()) {
    return SetRetention(static_cast<v1::Retention&>(value), text);
  }
  if (type == google::protobuf::Timestamp::descriptor()) {
    absl::StatusOr<ReadTime> read = ParseTimeText(text, rules.zone, rules.time_format);
    if (!read.ok()) return read.status();
    static_cast<google::protobuf::Timestamp&>(value) = ToTimestamp(read->time);
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      "this field cannot be set as a whole; name a part of it, e.g. "
      "addresses.locality");
}

absl::Status SetEnum(Message& holder, const FieldDescriptor& field, absl::string_view text) {
  const auto* value = field.enum_type()->FindValueByName(absl::AsciiStrToUpper(text));
  if (value == nullptr || value->number() == 0) {
    std::vector<std::string> names;
    for (int i = 1; i < field.enum_type()->value_count(); ++i) {
      names.push_back(field.enum_type()->value(i)->name());
    }
    return absl::InvalidArgumentError(absl::StrCat("`", text, "` is no value of ", field.name(),
                                                   "; there are ", absl::StrJoin(names, ", ")));
  }
  holder.GetReflection()->SetEnum(&holder, &field, value);
  return absl::OkStatus();
}

// Ids of entities that a field refers to are completed.
std::string Completed(const FieldDescriptor& field, absl::string_view text,
                      const ValueRules& rules) {
  const std::string& type = field.options().GetExtension(google::api::resource_reference).type();
  if (type == "retrace.v1/Customer") return FullName(rules.tenant, "customers", text);
  if (type == "retrace.v1/Member") return FullName(rules.tenant, "members", text);
  return std::string(text);
}

absl::Status AddRepeated(Message& holder, const FieldDescriptor& field, absl::string_view text,
                         const ValueRules& rules) {
  for (absl::string_view part : absl::StrSplit(text, ';')) {
    part = absl::StripAsciiWhitespace(part);
    if (part.empty()) continue;
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_STRING) {
      holder.GetReflection()->AddString(&holder, &field, std::string(part));
      continue;
    }
    Message* element = holder.GetReflection()->AddMessage(&holder, &field);
    if (absl::Status status = SetMessage(*element, part, rules); !status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status SetBoolean(Message& holder, const FieldDescriptor& field, absl::string_view text) {
  bool value = false;
  if (!absl::SimpleAtob(text, &value)) {
    return absl::InvalidArgumentError(
        absl::StrCat("`", text, "` is no value of ", field.name(), "; write true or false"));
  }
  holder.GetReflection()->SetBool(&holder, &field, value);
  return absl::OkStatus();
}

absl::Status SetWhole(Message& holder, const FieldDescriptor& field, absl::string_view text) {
  int32_t value = 0;
  if (!absl::SimpleAtoi(text, &value)) {
    return absl::InvalidArgumentError(
        absl::StrCat("`", text, "` is no value of ", field.name(), "; write a whole number"));
  }
  holder.GetReflection()->SetInt32(&holder, &field, value);
  return absl::OkStatus();
}

absl::Status SetSingular(Message& holder, const FieldDescriptor& field, absl::string_view text,
                         const ValueRules& rules) {
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      holder.GetReflection()->SetString(&holder, &field, Completed(field, text, rules));
      return absl::OkStatus();
    case FieldDescriptor::CPPTYPE_ENUM:
      return SetEnum(holder, field, text);
    case FieldDescriptor::CPPTYPE_BOOL:
      return SetBoolean(holder, field, text);
    case FieldDescriptor::CPPTYPE_INT32:
      return SetWhole(holder, field, text);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      return SetMessage(*holder.GetReflection()->MutableMessage(&holder, &field), text, rules);
    default:
      return absl::InvalidArgumentError(absl::StrCat(field.name(), " cannot be set as text"));
  }
}

void SetMapEntry(Message& holder, const FieldDescriptor& field, absl::string_view key,
                 absl::string_view text) {
  const auto* reflection = holder.GetReflection();
  for (int i = 0; i < reflection->FieldSize(holder, &field); ++i) {
    Message* entry = reflection->MutableRepeatedMessage(&holder, &field, i);
    if (GetText(*entry, "key") == key) return SetText(*entry, "value", std::string(text));
  }
  Message* entry = reflection->AddMessage(&holder, &field);
  SetText(*entry, "key", std::string(key));
  SetText(*entry, "value", std::string(text));
}

// The first element of a repeated message field, made when there is none.
Message* FirstElement(Message& holder, const FieldDescriptor& field) {
  const auto* reflection = holder.GetReflection();
  if (reflection->FieldSize(holder, &field) == 0) return reflection->AddMessage(&holder, &field);
  return reflection->MutableRepeatedMessage(&holder, &field, 0);
}

}  // namespace

absl::Status SetField(Message& resource, absl::string_view path, absl::string_view text,
                      const ValueRules& rules) {
  const std::pair<std::string, std::string> steps = absl::StrSplit(path, absl::MaxSplits('.', 1));
  const FieldDescriptor* field = FieldOf(resource, steps.first);
  if (field == nullptr || IsOutputOnly(*field)) return Unknown(resource, path);
  if (field->is_map()) {
    if (steps.second.empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat("name one entry, e.g. ", steps.first, ".colour"));
    }
    SetMapEntry(resource, *field, steps.second, text);
    return absl::OkStatus();
  }
  if (steps.second.empty()) {
    return field->is_repeated() ? AddRepeated(resource, *field, text, rules)
                                : SetSingular(resource, *field, text, rules);
  }
  if (field->cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) return Unknown(resource, path);
  Message* part = field->is_repeated() ? FirstElement(resource, *field)
                                       : resource.GetReflection()->MutableMessage(&resource, field);
  return SetField(*part, steps.second, text, rules);
}

absl::Status ReplaceField(Message& resource, absl::string_view path, absl::string_view text,
                          const ValueRules& rules) {
  const FieldDescriptor* field = FieldOf(resource, path);
  if (field != nullptr && field->is_repeated() && !IsOutputOnly(*field)) {
    resource.GetReflection()->ClearField(&resource, field);
  }
  return SetField(resource, path, text, rules);
}

std::string MaskPath(absl::string_view path) { return std::string(path.substr(0, path.find('.'))); }

std::vector<std::string> SettableFields(const Descriptor& resource) {
  std::vector<std::string> fields;
  for (int i = 0; i < resource.field_count(); ++i) {
    if (!IsOutputOnly(*resource.field(i))) fields.push_back(resource.field(i)->name());
  }
  return fields;
}

std::string FullName(absl::string_view tenant, absl::string_view collection, absl::string_view id) {
  if (id.empty() || absl::StrContains(id, '/')) return std::string(id);
  return absl::StrCat(tenant, "/", collection, "/", id);
}

}  // namespace retrace::cli
