#include "tests/proto/api_rules.h"

#include <set>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "google/api/annotations.pb.h"
#include "google/api/field_behavior.pb.h"
#include "google/api/resource.pb.h"
#include "retrace/v1/annotations.pb.h"

namespace retrace::testing {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::EnumDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using google::protobuf::MethodDescriptor;
using google::protobuf::ServiceDescriptor;
using google::protobuf::SourceLocation;

using Violations = std::vector<std::string>;

// Words that name nothing in the API.
const std::set<std::string>& ForbiddenWords() {
  static const auto* words =
      new std::set<std::string>{"snapshot", "transaction", "trash", "archived", "manager", "helper",
                                "util",     "processor",   "impl",  "dto",      "canceled"};
  return *words;
}

// "BatchCreate" and "batch_create" both as {"batch", "create"}.
std::vector<std::string> Words(const std::string& name) {
  std::vector<std::string> words;
  bool start = true;
  for (char c : name) {
    if (c == '_') {
      start = true;
      continue;
    }
    if (start || absl::ascii_isupper(static_cast<unsigned char>(c))) {
      words.emplace_back();
    }
    start = false;
    words.back().push_back(absl::ascii_tolower(static_cast<unsigned char>(c)));
  }
  return words;
}

template <typename Element>
void CheckComment(const Element& element, Violations& out) {
  SourceLocation location;
  if (!element.GetSourceLocation(&location) ||
      absl::StripAsciiWhitespace(location.leading_comments).empty()) {
    out.push_back(fmt::format("{} has no comment", element.full_name()));
  }
}

template <typename Element>
void CheckElement(const Element& element, Violations& out) {
  CheckComment(element, out);
  for (const std::string& word : Words(element.name())) {
    if (ForbiddenWords().count(word) > 0) {
      out.push_back(fmt::format("{} uses the word \"{}\"", element.full_name(), word));
    }
  }
}

void CheckEnum(const EnumDescriptor& type, Violations& out) {
  CheckElement(type, out);
  for (int i = 0; i < type.value_count(); ++i) {
    CheckComment(*type.value(i), out);
  }
}

void CheckDocumentation(const Descriptor& message, Violations& out) {
  if (message.options().map_entry()) {
    return;
  }
  CheckElement(message, out);
  for (int i = 0; i < message.field_count(); ++i) {
    CheckElement(*message.field(i), out);
  }
  for (int i = 0; i < message.real_oneof_decl_count(); ++i) {
    CheckElement(*message.oneof_decl(i), out);
  }
  for (int i = 0; i < message.enum_type_count(); ++i) {
    CheckEnum(*message.enum_type(i), out);
  }
  for (int i = 0; i < message.nested_type_count(); ++i) {
    CheckDocumentation(*message.nested_type(i), out);
  }
}

void CheckDocumentation(const FileDescriptor& file, Violations& out) {
  for (int i = 0; i < file.message_type_count(); ++i) {
    CheckDocumentation(*file.message_type(i), out);
  }
  for (int i = 0; i < file.enum_type_count(); ++i) {
    CheckEnum(*file.enum_type(i), out);
  }
  for (int i = 0; i < file.extension_count(); ++i) {
    CheckElement(*file.extension(i), out);
  }
  for (int i = 0; i < file.service_count(); ++i) {
    const ServiceDescriptor& service = *file.service(i);
    CheckElement(service, out);
    for (int j = 0; j < service.method_count(); ++j) {
      CheckElement(*service.method(j), out);
    }
  }
}

bool HasBehavior(const FieldDescriptor& field, google::api::FieldBehavior behavior) {
  const auto& options = field.options();
  for (int i = 0; i < options.ExtensionSize(google::api::field_behavior); ++i) {
    if (options.GetExtension(google::api::field_behavior, i) == behavior) {
      return true;
    }
  }
  return false;
}

bool IsOurs(const Descriptor& message) { return absl::StartsWith(message.full_name(), "retrace."); }

// Every message of ours that a request can carry.
void CollectReachable(const Descriptor& message, std::set<const Descriptor*>& seen) {
  if (!IsOurs(message) || !seen.insert(&message).second) {
    return;
  }
  for (int i = 0; i < message.field_count(); ++i) {
    if (const Descriptor* type = message.field(i)->message_type()) {
      CollectReachable(*type, seen);
    }
  }
}

// AIP-203: a field that a caller may send says how it behaves. A member of a oneof is optional by
// being one.
void CheckBehavior(const FieldDescriptor& field, Violations& out) {
  if (field.real_containing_oneof() != nullptr) {
    return;
  }
  using google::api::FieldBehavior;
  for (FieldBehavior behavior : {FieldBehavior::REQUIRED, FieldBehavior::OPTIONAL,
                                 FieldBehavior::OUTPUT_ONLY, FieldBehavior::IDENTIFIER}) {
    if (HasBehavior(field, behavior)) {
      return;
    }
  }
  out.push_back(fmt::format("{} has no field_behavior", field.full_name()));
}

// Whatever a caller may send is bounded, so that the server can refuse it before it costs anything.
void CheckLimits(const FieldDescriptor& field, Violations& out) {
  if (HasBehavior(field, google::api::FieldBehavior::OUTPUT_ONLY)) {
    return;
  }
  const retrace::v1::FieldLimits& limits = field.options().GetExtension(retrace::v1::limits);
  const bool text =
      field.type() == FieldDescriptor::TYPE_STRING || field.type() == FieldDescriptor::TYPE_BYTES;
  const bool identifier = HasBehavior(field, google::api::FieldBehavior::IDENTIFIER);
  if (text && !identifier && limits.max_bytes() == 0) {
    out.push_back(fmt::format("{} has no limits.max_bytes", field.full_name()));
  }
  // A batch is bounded by what one command may touch; more is answered with USE_OPERATION.
  const bool batch = absl::StartsWith(field.containing_type()->name(), "Batch");
  if (field.is_repeated() && !batch && limits.max_items() == 0) {
    out.push_back(fmt::format("{} has no limits.max_items", field.full_name()));
  }
  if (field.is_map() && (limits.max_key_bytes() == 0 || limits.max_bytes() == 0)) {
    out.push_back(fmt::format("{} bounds no keys or values", field.full_name()));
  }
}

struct HttpBinding {
  std::string verb;
  std::string path;
};

HttpBinding BindingOf(const MethodDescriptor& method) {
  const google::api::HttpRule& rule = method.options().GetExtension(google::api::http);
  switch (rule.pattern_case()) {
    case google::api::HttpRule::kGet:
      return {"GET", rule.get()};
    case google::api::HttpRule::kPost:
      return {"POST", rule.post()};
    case google::api::HttpRule::kPatch:
      return {"PATCH", rule.patch()};
    case google::api::HttpRule::kDelete:
      return {"DELETE", rule.delete_()};
    default:
      return {};
  }
}

const FieldDescriptor* FindField(const Descriptor& message, const std::string& name) {
  return message.FindFieldByName(name);
}

void RequireField(const MethodDescriptor& method, const Descriptor& message,
                  const std::string& name, const std::string& aip, Violations& out) {
  if (FindField(message, name) == nullptr) {
    out.push_back(
        fmt::format("{}: {} has no {} ({})", method.full_name(), message.name(), name, aip));
  }
}

void CheckPermission(const MethodDescriptor& method, Violations& out) {
  const std::string& permission = method.options().GetExtension(retrace::v1::permission);
  if (permission.empty()) {
    out.push_back(fmt::format("{} names no permission", method.full_name()));
    return;
  }
  const std::vector<std::string> parts = absl::StrSplit(permission, '.');
  const bool shaped =
      permission == "none" || (parts.size() == 2 && !parts[0].empty() && !parts[1].empty() &&
                               permission == absl::AsciiStrToLower(permission));
  if (!shaped) {
    out.push_back(fmt::format("{}: permission \"{}\" is not of the form noun.verb",
                              method.full_name(), permission));
  }
}

// What the verb of the method's name asks of its http rule (AIP-127, 130 to 136).
void CheckHttp(const MethodDescriptor& method, Violations& out) {
  const HttpBinding binding = BindingOf(method);
  if (binding.verb.empty()) {
    if (!method.server_streaming()) {
      out.push_back(fmt::format("{} has no http rule", method.full_name()));
    }
    return;
  }
  if (!absl::StartsWith(binding.path, "/v1/")) {
    out.push_back(fmt::format("{}: path {} is not below /v1/", method.full_name(), binding.path));
  }
  const std::string verb = Words(method.name()).front();
  std::set<std::string> expected;
  if (verb == "get" || verb == "list") {
    expected = {"GET"};
  } else if (verb == "create") {
    expected = {"POST"};
  } else if (verb == "update") {
    expected = {"PATCH"};
  } else if (verb == "delete") {
    expected = {"DELETE"};
  } else {
    expected = {"GET", "POST"};
    const bool custom = absl::StrContains(binding.path, ':');
    if (!custom) {
      out.push_back(fmt::format("{}: path {} of a custom method has no :verb (AIP-136)",
                                method.full_name(), binding.path));
    }
  }
  if (expected.count(binding.verb) == 0) {
    out.push_back(fmt::format("{} is a {}", method.full_name(), binding.verb));
  }
}

void CheckRequestShape(const MethodDescriptor& method, Violations& out) {
  const Descriptor& request = *method.input_type();
  const Descriptor& response = *method.output_type();
  const std::string verb = Words(method.name()).front();
  if (request.name() != method.name() + "Request") {
    out.push_back(fmt::format("{} takes {}", method.full_name(), request.name()));
  }
  if (verb == "list") {
    RequireField(method, request, "page_size", "AIP-158", out);
    RequireField(method, request, "page_token", "AIP-158", out);
    RequireField(method, response, "next_page_token", "AIP-158", out);
  } else if (verb == "create" && absl::StrContains(BindingOf(method).path, '{')) {
    RequireField(method, request, "parent", "AIP-133", out);
  } else if (verb == "update") {
    RequireField(method, request, "update_mask", "AIP-134", out);
  } else if (verb == "delete" || verb == "undelete") {
    RequireField(method, request, "name", "AIP-135, 164", out);
  } else if (verb == "batch") {
    RequireField(method, request, "parent", "AIP-231 to 235", out);
  }
}

// A command can be repeated safely; a query of entities can be asked about the past.
void CheckCommandAndQuery(const MethodDescriptor& method, Violations& out) {
  const HttpBinding binding = BindingOf(method);
  const std::string verb = Words(method.name()).front();
  const bool command = verb == "create" || verb == "update" || verb == "delete" ||
                       verb == "undelete" || verb == "activate" || verb == "deactivate" ||
                       verb == "batch";
  if (command) {
    RequireField(method, *method.input_type(), "options", "CommandOptions", out);
  }
  static const auto* const kEntityServices =
      new std::set<std::string>{"Customers", "Records", "Members"};
  if (binding.verb == "GET" && kEntityServices->count(method.service()->name()) > 0) {
    RequireField(method, *method.input_type(), "as_of", "as_of on every query", out);
  }
}

// Verbs of commands that take away, bring back or rewrite what people rely on. A method whose name
// begins with one of them, also after `Batch`, can be planned first.
bool IsDestructive(const MethodDescriptor& method) {
  static const auto* const kVerbs = new std::set<std::string>{
      "delete", "undelete", "purge",   "empty",  "expunge", "erase", "merge",
      "undo",   "redo",     "restore", "import", "revert",  "bulk"};
  const std::vector<std::string> words = Words(method.name());
  const bool batch = words.front() == "batch" && words.size() > 1;
  return kVerbs->count(batch ? words[1] : words.front()) > 0;
}

// An operation takes the options, and its response is the plan.
void CheckPlan(const MethodDescriptor& method, Violations& out) {
  const bool marked = method.options().GetExtension(retrace::v1::destructive);
  if (IsDestructive(method) && !marked) {
    out.push_back(fmt::format("{} is not marked destructive", method.full_name()));
  }
  if (!IsDestructive(method) && !marked) {
    return;
  }
  RequireField(method, *method.input_type(), "options", "CommandOptions", out);
  if (method.output_type()->full_name() != "google.longrunning.Operation") {
    RequireField(method, *method.output_type(), "plan", "a plan beside the outcome", out);
  }
}

void CheckMethod(const MethodDescriptor& method, Violations& out) {
  CheckPermission(method, out);
  CheckHttp(method, out);
  CheckRequestShape(method, out);
  CheckCommandAndQuery(method, out);
  CheckPlan(method, out);
}

// AIP-164: what can be deleted can be undeleted, and lists can show it.
void CheckSoftDelete(const ServiceDescriptor& service, Violations& out) {
  for (int i = 0; i < service.method_count(); ++i) {
    const std::string& name = service.method(i)->name();
    if (!absl::StartsWith(name, "Delete")) {
      continue;
    }
    const std::string noun = name.substr(std::string("Delete").size());
    if (service.FindMethodByName("Undelete" + noun) == nullptr) {
      out.push_back(
          fmt::format("{} has no Undelete{} (AIP-164)", service.method(i)->full_name(), noun));
    }
    const MethodDescriptor* list = service.FindMethodByName(fmt::format("List{}s", noun));
    if (list == nullptr || FindField(*list->input_type(), "show_deleted") == nullptr) {
      out.push_back(fmt::format("{}: no List{}s with show_deleted (AIP-164)",
                                service.method(i)->full_name(), noun));
    }
    const Descriptor* resource = service.file()->FindMessageTypeByName(noun);
    if (resource == nullptr || FindField(*resource, "delete_time") == nullptr) {
      out.push_back(
          fmt::format("{}: {} has no delete_time (AIP-164)", service.method(i)->full_name(), noun));
    }
  }
}

// AIP-122, 123: the resource says what it is called.
void CheckResource(const Descriptor& message, Violations& out) {
  const google::api::ResourceDescriptor& resource =
      message.options().GetExtension(google::api::resource);
  if (resource.type() != fmt::format("retrace.v1/{}", message.name())) {
    out.push_back(fmt::format("{}: resource type \"{}\"", message.full_name(), resource.type()));
  }
  if (resource.singular().empty() || resource.plural().empty() || resource.pattern().empty()) {
    out.push_back(
        fmt::format("{}: resource without singular, plural or pattern", message.full_name()));
  }
  for (const std::string& pattern : resource.pattern()) {
    if (!absl::StartsWith(pattern, "tenants/{tenant}")) {
      out.push_back(
          fmt::format("{}: pattern {} is not below a tenant", message.full_name(), pattern));
    }
  }
  const FieldDescriptor* name = FindField(message, "name");
  if (name == nullptr || name->number() != 1 ||
      !HasBehavior(*name, google::api::FieldBehavior::IDENTIFIER)) {
    out.push_back(fmt::format("{}: no field name = 1 that is its IDENTIFIER", message.full_name()));
  }
  const FieldDescriptor* state = FindField(message, "state");
  if (state != nullptr && !HasBehavior(*state, google::api::FieldBehavior::OUTPUT_ONLY)) {
    out.push_back(fmt::format("{} is not OUTPUT_ONLY (AIP-216)", state->full_name()));
  }
}

void CheckKeyedMerge(const FieldDescriptor& field, Violations& out) {
  const std::string& key = field.options().GetExtension(retrace::v1::merge_key);
  const Descriptor* element = field.is_repeated() ? field.message_type() : nullptr;
  if (element == nullptr || FindField(*element, key) == nullptr) {
    out.push_back(fmt::format("{}: merge_key \"{}\" is no field of a repeated message",
                              field.full_name(), key));
  }
}

// Undo reads these: a repeated field or map of a resource is never merged as one value by accident.
void CheckMerge(const FieldDescriptor& field, Violations& out) {
  const retrace::v1::MergeRule rule = field.options().GetExtension(retrace::v1::merge);
  if (field.is_map()) {
    if (rule != retrace::v1::MAP && rule != retrace::v1::DERIVED) {
      out.push_back(fmt::format("{} is a map without (merge) = MAP", field.full_name()));
    }
  } else if (field.is_repeated()) {
    if (rule == retrace::v1::MERGE_RULE_UNSPECIFIED) {
      out.push_back(fmt::format("{} is repeated without a merge rule", field.full_name()));
    }
  } else if (rule == retrace::v1::SET || rule == retrace::v1::MAP || rule == retrace::v1::KEYED) {
    out.push_back(fmt::format("{} is single but merges as many", field.full_name()));
  }
  if (rule == retrace::v1::KEYED) {
    CheckKeyedMerge(field, out);
  }
}

void CheckTimes(const FieldDescriptor& field, Violations& out) {
  if (absl::EndsWith(field.name(), "_time") &&
      (field.message_type() == nullptr ||
       field.message_type()->full_name() != "google.protobuf.Timestamp")) {
    out.push_back(fmt::format("{} is not a Timestamp (AIP-142)", field.full_name()));
  }
}

// Whether a caller can change the resource's fields: then undo needs to know how they merge.
bool IsUpdatable(const Descriptor& resource) {
  const FileDescriptor& file = *resource.file();
  for (int i = 0; i < file.service_count(); ++i) {
    if (file.service(i)->FindMethodByName("Update" + resource.name()) != nullptr) {
      return true;
    }
  }
  return false;
}

void CheckShapes(const Descriptor& message, Violations& out) {
  if (message.options().HasExtension(google::api::resource)) {
    CheckResource(message, out);
  }
  const bool updatable = IsUpdatable(message);
  for (int i = 0; i < message.field_count(); ++i) {
    CheckTimes(*message.field(i), out);
    if (updatable) {
      CheckMerge(*message.field(i), out);
    }
  }
}

}  // namespace

std::vector<std::string> ApiViolations(const FileDescriptor& file) {
  Violations out;
  CheckDocumentation(file, out);
  std::set<const Descriptor*> requests;
  for (int i = 0; i < file.service_count(); ++i) {
    const ServiceDescriptor& service = *file.service(i);
    CheckSoftDelete(service, out);
    for (int j = 0; j < service.method_count(); ++j) {
      CheckMethod(*service.method(j), out);
      CollectReachable(*service.method(j)->input_type(), requests);
    }
  }
  for (const Descriptor* message : requests) {
    for (int i = 0; i < message->field_count() && !message->options().map_entry(); ++i) {
      CheckBehavior(*message->field(i), out);
      CheckLimits(*message->field(i), out);
    }
  }
  for (int i = 0; i < file.message_type_count(); ++i) {
    CheckShapes(*file.message_type(i), out);
  }
  return out;
}

std::vector<std::string> StoreViolations(const FileDescriptor& file) {
  Violations out;
  CheckDocumentation(file, out);
  return out;
}

}  // namespace retrace::testing
