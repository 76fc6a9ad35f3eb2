#include "domain/resource.h"

#include <utility>
#include <vector>

#include "domain/decider.h"
#include "domain/field_traits.h"
#include "domain/kind.h"
#include "domain/merge_path.h"
#include "domain/policy.h"
#include "domain/refusal.h"
#include "domain/serialize.h"
#include "fmt/format.h"
#include "google/protobuf/timestamp.pb.h"
#include "google/protobuf/util/time_util.h"
#include "retrace/v1/annotations.pb.h"

namespace retrace::domain {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

constexpr size_t kLongestId = 63;

bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
bool IsDigit(char c) { return c >= '0' && c <= '9'; }

bool IsCollection(std::string_view text) {
  if (text.empty() || !IsLower(text.front())) {
    return false;
  }
  for (char c : text) {
    if (!IsLower(c) && !(c >= 'A' && c <= 'Z')) {
      return false;
    }
  }
  return true;
}

// Kinds of which a tenant has one entity, called like its collection.
bool IsSingleton(std::string_view collection) {
  return collection == "policy" || collection == "server";
}

std::vector<std::string_view> SplitName(std::string_view name) {
  std::vector<std::string_view> parts;
  while (true) {
    const size_t slash = name.find('/');
    parts.push_back(name.substr(0, slash));
    if (slash == std::string_view::npos) {
      return parts;
    }
    name.remove_prefix(slash + 1);
  }
}

void SetText(Message& resource, const char* field, std::string text) {
  if (const FieldDescriptor* found = FieldNamed(*resource.GetDescriptor(), field)) {
    resource.GetReflection()->SetString(&resource, found, std::move(text));
  }
}

void SetTime(Message& resource, const char* field, int64_t microseconds) {
  if (const FieldDescriptor* found = FieldNamed(*resource.GetDescriptor(), field)) {
    auto* time = static_cast<google::protobuf::Timestamp*>(
        resource.GetReflection()->MutableMessage(&resource, found));
    *time = google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(microseconds);
  }
}

void SetState(Message& resource, const char* name) {
  const FieldDescriptor* state = FieldNamed(*resource.GetDescriptor(), "state");
  const auto* value = state ? state->enum_type()->FindValueByName(name) : nullptr;
  if (value != nullptr) {
    resource.GetReflection()->SetEnum(&resource, state, value);
  }
}

// Clears what is computed from other fields, at any depth.
void ClearDerived(Message& message) {
  const Reflection& reflection = *message.GetReflection();
  std::vector<const FieldDescriptor*> fields;
  reflection.ListFields(message, &fields);
  for (const FieldDescriptor* field : fields) {
    if (field->options().GetExtension(v1::merge) == v1::DERIVED) {
      reflection.ClearField(&message, field);
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE && !field->is_map()) {
      if (!field->is_repeated()) {
        ClearDerived(*reflection.MutableMessage(&message, field));
      }
      for (int i = 0; field->is_repeated() && i < reflection.FieldSize(message, field); ++i) {
        ClearDerived(*reflection.MutableRepeatedMessage(&message, field, i));
      }
    }
  }
}

}  // namespace

bool IsId(std::string_view id) {
  if (id.empty() || id.size() > kLongestId || id.front() == '-') {
    return false;
  }
  for (char c : id) {
    if (!IsLower(c) && !IsDigit(c) && c != '-') {
      return false;
    }
  }
  return true;
}

std::string TitleOf(const Message& resource) {
  for (const char* name : {"display_name", "title", "organization_name"}) {
    const FieldDescriptor* field = resource.GetDescriptor()->FindFieldByName(name);
    if (field == nullptr || field->type() != FieldDescriptor::TYPE_STRING) {
      continue;
    }
    std::string title = resource.GetReflection()->GetString(resource, field);
    if (!title.empty()) {
      return title;
    }
  }
  return {};
}

bool IsChosenId(std::string_view id) { return IsId(id) && IsLower(id.front()) && id.back() != '-'; }

absl::StatusOr<ResourceName> ParseName(std::string_view name, std::string_view field) {
  const std::vector<std::string_view> parts = SplitName(name);
  ResourceName parsed;
  bool good = parts.size() >= 2 && parts.size() <= 4 && parts[0] == "tenants" && IsId(parts[1]);
  if (good) {
    parsed.tenant = parts[1];
  }
  if (good && parts.size() == 3) {
    good = IsSingleton(parts[2]);
    parsed.collection = parsed.id = parts[2];
  } else if (good && parts.size() == 4) {
    good = IsCollection(parts[2]) && IsId(parts[3]);
    parsed.collection = parts[2];
    parsed.id = parts[3];
  }
  if (!good) {
    return Refusal(v1::INVALID_FIELD, fmt::format("{} is no name.", field))
        .Field(field,
               "A name looks like `tenants/acme` or `tenants/acme/customers/4hj2`: lower-case "
               "letters, digits and hyphens.");
  }
  return parsed;
}

std::string NameOf(std::string_view tenant, const EntityRef& entity) {
  if (entity.kind == KindNumber::kTenant) {
    return fmt::format("tenants/{}", entity.id);
  }
  const std::string_view collection = KindOf(entity.kind).collection;
  if (IsSingleton(collection)) {
    return fmt::format("tenants/{}/{}", tenant, collection);
  }
  return fmt::format("tenants/{}/{}/{}", tenant, collection, entity.id);
}

std::vector<std::string> MergedFrom(const Message& resource) {
  const auto* field = FieldNamed(*resource.GetDescriptor(), "merged_from");
  const auto& reflection = *resource.GetReflection();
  std::vector<std::string> names;
  for (int i = 0; field != nullptr && i < reflection.FieldSize(resource, field); ++i) {
    names.push_back(reflection.GetRepeatedString(resource, field, i));
  }
  return names;
}

void ShowResource(std::string_view tenant, const EntityRef& entity, const Row& row,
                  Message& resource) {
  if (row.purged()) {
    resource.Clear();
    SetText(resource, "name", NameOf(tenant, entity));
    return;
  }
  if (row.resource != nullptr) {
    // Not CopyFrom: Debian's protobuf then searches both for one being part of the other.
    resource.Clear();
    resource.MergeFrom(*row.resource);
  }
  if (entity.kind == KindNumber::kPolicy) {
    FillPolicyDefaults(static_cast<v1::Policy&>(resource));
  }
  SetText(resource, "name", NameOf(tenant, entity));
  SetText(resource, "etag", EtagOf(row));
  if (row.head.create_position() != 0) {
    SetTime(resource, "create_time", row.head.create_time_us());
    SetTime(resource, "update_time", row.head.update_time_us());
  }
  if (row.binned()) {
    SetTime(resource, "delete_time", row.head.deletion().time_us());
    SetState(resource, "DELETED");
  }
  if (row.merged()) {
    const store::v1::EntityRef& into = row.head.merged_into();
    SetText(resource, "merged_into",
            NameOf(tenant, {static_cast<KindNumber>(into.kind()), into.id()}));
    SetState(resource, "MERGED");
  }
  if (row.head.has_engaged()) {
    SetText(resource, "operation",
            NameOf(tenant, {KindNumber::kOperation, row.head.engaged().operation()}));
  }
  // Kept in the resource so that an index finds it, but no longer true once it moved elsewhere.
  if (row.head.detached().moved()) {
    SetText(resource, "detached_from", "");
  }
}

std::string SerializeRow(const Row& row) {
  store::v1::StoredRow stored;
  *stored.mutable_head() = row.head;
  if (row.resource != nullptr) {
    stored.set_resource(SerializeDeterministically(*row.resource));
  }
  return stored.SerializeAsString();
}

absl::StatusOr<RowPtr> ParseRow(KindNumber kind, std::string_view bytes) {
  const Kind* known = FindKindByNumber(static_cast<uint32_t>(kind));
  if (known == nullptr) {
    return absl::DataLossError(fmt::format("a row of kind {}, which this build does not know",
                                           static_cast<uint32_t>(kind)));
  }
  store::v1::StoredRow stored;
  auto row = std::make_shared<Row>();
  std::shared_ptr<Message> resource(known->resource->New());
  if (!stored.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) ||
      !resource->ParseFromString(stored.resource())) {
    return absl::DataLossError(fmt::format("a row of kind `{}` does not parse", known->singular));
  }
  row->head = std::move(*stored.mutable_head());
  row->resource = std::move(resource);
  return row;
}

bool InContent(const EntityRef& entity, const Row& row) {
  if (KindOf(entity.kind).permanent) {
    return row.resource != nullptr && row.resource->ByteSizeLong() > 0;
  }
  return row.kept() && !row.head.create_undone();
}

std::string DigestForm(const EntityRef& entity, const Row& row) {
  std::string form = fmt::format("{} {} {} ", static_cast<uint32_t>(entity.kind), entity.id,
                                 store::v1::RowHead::Lifecycle_Name(row.head.lifecycle()));
  if (row.merged()) {
    form += row.head.merged_into().id() + " ";
  }
  if (row.resource != nullptr) {
    std::unique_ptr<Message> content(row.resource->New());
    content->MergeFrom(*row.resource);
    ClearDerived(*content);
    SortMembers(*content);
    form += SerializeDeterministically(*content);
  }
  return form;
}

}  // namespace retrace::domain
