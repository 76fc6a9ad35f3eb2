#include "tests/server/list_model.h"

#include <algorithm>
#include <optional>
#include <tuple>

#include "domain/filter.h"
#include "domain/index_values.h"
#include "domain/phone.h"
#include "google/protobuf/util/time_util.h"

namespace retrace::testing {
namespace {

using domain::KindNumber;
using google::protobuf::Message;

const google::protobuf::FieldDescriptor& Field(const Message& message, const std::string& name) {
  return *message.GetDescriptor()->FindFieldByName(name);
}

std::string Text(const Message& message, const std::string& name) {
  return message.GetReflection()->GetString(message, &Field(message, name));
}

std::string StateOf(const Message& message) {
  return message.GetReflection()->GetEnum(message, &Field(message, "state"))->name();
}

// A sortable text for the order's field; nothing when it is unset.
std::optional<std::string> KeyOf(const Message& message, const std::string& order) {
  const auto& field = Field(message, order);
  if (field.cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_STRING) {
    return domain::FoldForSort(Text(message, order));
  }
  if (field.cpp_type() == google::protobuf::FieldDescriptor::CPPTYPE_INT64) {
    return domain::EncodeNumber(message.GetReflection()->GetInt64(message, &field));
  }
  if (!message.GetReflection()->HasField(message, &field)) return std::nullopt;
  const auto& time = static_cast<const google::protobuf::Timestamp&>(
      message.GetReflection()->GetMessage(message, &field));
  return domain::EncodeNumber(google::protobuf::util::TimeUtil::TimestampToMicroseconds(time));
}

bool HasWords(const std::string& names, const std::string& query) {
  const std::vector<std::string> have = domain::SearchWords(names);
  const std::vector<std::string> wanted = domain::QueryWords(query);
  return !wanted.empty() && std::all_of(wanted.begin(), wanted.end(), [&](const std::string& word) {
    return std::any_of(have.begin(), have.end(),
                       [&](const std::string& value) { return value.starts_with(word); });
  });
}

template <typename Resource>
bool HasPhone(const Resource& resource, const std::string& query) {
  if (query.find_first_of("0123456789") == std::string::npos) return false;
  for (const std::string& spelling : domain::PhoneSpellings("US", query)) {
    for (const v1::Phone& phone : resource.phones()) {
      if (domain::PhoneDigits(phone.e164()) == spelling) return true;
      // Of letters in it nothing is known here.
      if (domain::PhoneDigits(phone.raw()) == spelling) return true;
    }
  }
  return false;
}

bool HasEmail(const google::protobuf::RepeatedPtrField<std::string>& emails,
              const std::string& query) {
  return std::any_of(emails.begin(), emails.end(), [&](const std::string& email) {
    return domain::FoldCaseless(email).starts_with(domain::FoldCaseless(query));
  });
}

bool IsFound(const v1::Customer& customer, const std::string& query) {
  const std::string number = std::to_string(customer.number());
  if (query.front() == '#') return query.substr(1) == number;
  if (customer.external_id() == query) return true;
  if (query.find('@') != std::string::npos) return HasEmail(customer.emails(), query);
  const std::string names = customer.display_name() + "\n" + customer.given_name() + "\n" +
                            customer.family_name() + "\n" + customer.organization_name();
  return query == number || HasPhone(customer, query) || HasWords(names, query);
}

bool IsFound(const v1::Record& record, const std::string& query) {
  if (query.front() == '#') return false;
  if (record.external_id() == query) return true;
  if (query.find('@') != std::string::npos) return HasEmail(record.emails(), query);
  return HasPhone(record, query) || HasWords(record.title(), query);
}

bool IsFound(const Message& message, const std::string& id, const std::string& query) {
  if (query.front() != '#' && id == query) return true;
  if (const auto* customer = dynamic_cast<const v1::Customer*>(&message))
    return IsFound(*customer, query);
  if (const auto* record = dynamic_cast<const v1::Record*>(&message))
    return IsFound(*record, query);
  const auto& member = dynamic_cast<const v1::Member&>(message);
  if (query.find('@') != std::string::npos)
    return HasEmail({&member.email(), &member.email() + 1}, query);
  return query.front() != '#' && HasWords(member.display_name(), query);
}

std::string DefaultOrder(KindNumber kind) {
  return kind == KindNumber::kCustomer ? "number"
         : kind == KindNumber::kRecord ? "create_time"
                                       : "display_name";
}

}  // namespace

std::vector<std::string> NaiveList(const Shown& shown, KindNumber kind, const Asked& asked) {
  struct Sortable {
    bool unset;
    std::string key;
    std::string id;
    std::string name;
  };
  const bool backwards = asked.order_by.ends_with(" desc");
  std::string order = asked.order_by.substr(0, asked.order_by.find(' '));
  if (order.empty()) order = DefaultOrder(kind);
  std::vector<Sortable> all;
  for (const auto& [entity, message] : shown) {
    if (entity.kind != kind) continue;
    const auto filter = domain::Filter::Parse(asked.filter, *message->GetDescriptor(), {});
    const std::string state = StateOf(*message);
    if (!filter->Mentions("state") && ((state == "INACTIVE" && !asked.show_inactive) ||
                                       (state == "DELETED" && !asked.show_deleted))) {
      continue;
    }
    if (!filter->Matches(*message)) continue;
    if (!asked.query.empty() && !IsFound(*message, entity.id, asked.query)) continue;
    const bool by_id = kind == KindNumber::kRecord && order == "create_time";
    const std::optional<std::string> key = by_id ? std::string() : KeyOf(*message, order);
    all.push_back({!key.has_value(), key.value_or(""), entity.id, Text(*message, "name")});
  }
  std::sort(all.begin(), all.end(), [backwards](const Sortable& a, const Sortable& b) {
    if (a.unset != b.unset) return b.unset;
    return backwards ? std::tie(b.key, b.id) < std::tie(a.key, a.id)
                     : std::tie(a.key, a.id) < std::tie(b.key, b.id);
  });
  std::vector<std::string> names;
  for (const Sortable& one : all) names.push_back(one.name);
  if (!asked.query.empty() && asked.order_by.empty()) std::sort(names.begin(), names.end());
  return names;
}

}  // namespace retrace::testing
