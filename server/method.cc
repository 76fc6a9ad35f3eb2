#include "server/method.h"

#include <fmt/format.h>

#include "absl/strings/str_split.h"
#include "domain/status_macros.h"
#include "google/api/annotations.pb.h"
#include "google/api/http.pb.h"
#include "retrace/v1/annotations.pb.h"
#include "retrace/v1/plans.pb.h"

namespace retrace::server {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::MethodDescriptor;

std::string_view Pattern(const google::api::HttpRule& rule) {
  switch (rule.pattern_case()) {
    case google::api::HttpRule::kGet:
      return rule.get();
    case google::api::HttpRule::kPut:
      return rule.put();
    case google::api::HttpRule::kPost:
      return rule.post();
    case google::api::HttpRule::kDelete:
      return rule.delete_();
    case google::api::HttpRule::kPatch:
      return rule.patch();
    default:
      return {};
  }
}

// The variable of a pattern such as "/v1/{customer.name=tenants/*/customers/*}"; empty: it has
// none.
std::string_view VariableOf(std::string_view pattern) {
  const size_t open = pattern.find('{');
  if (open == std::string_view::npos) {
    return {};
  }
  const size_t end = pattern.find_first_of("=}", open);
  return pattern.substr(open + 1, end - open - 1);
}

// Google's own methods carry no options of ours, and some no HTTP rule of use.
struct GooglesMethod {
  std::string_view name;
  std::string_view permission;
  std::string_view tenant_field;
};
constexpr GooglesMethod kGooglesMethods[] = {
    {"google.longrunning.Operations.ListOperations", "operations.read", "name"},
    {"google.longrunning.Operations.GetOperation", "operations.read", "name"},
    {"google.longrunning.Operations.DeleteOperation", "operations.start", "name"},
    {"google.longrunning.Operations.CancelOperation", "operations.start", "name"},
    {"google.longrunning.Operations.WaitOperation", "operations.read", "name"},
};

const GooglesMethod* FindGoogles(std::string_view name) {
  for (const GooglesMethod& method : kGooglesMethods) {
    if (method.name == name) {
      return &method;
    }
  }
  return nullptr;
}

// The third part of a variable's pattern `tenants/*/customers/*`; empty: it has no four.
std::string CollectionOf(std::string_view pattern) {
  const size_t equals = pattern.find('=');
  const size_t close = pattern.find('}');
  if (equals == std::string_view::npos || close == std::string_view::npos || close < equals) {
    return {};
  }
  const std::vector<std::string> parts =
      absl::StrSplit(std::string(pattern.substr(equals + 1, close - equals - 1)), '/');
  return parts.size() == 4 && parts[0] == "tenants" ? parts[2] : std::string();
}

absl::Status FindTenantField(const MethodDescriptor& descriptor, Method& method) {
  if (const GooglesMethod* googles = FindGoogles(descriptor.full_name())) {
    method.tenant_field = std::string(googles->tenant_field);
    return absl::OkStatus();
  }
  if (!descriptor.options().HasExtension(google::api::http)) {
    return absl::FailedPreconditionError(fmt::format(
        "{} has no option (google.api.http), which tells its tenant", descriptor.full_name()));
  }
  const std::string_view pattern = Pattern(descriptor.options().GetExtension(google::api::http));
  method.tenant_field = std::string(VariableOf(pattern));
  method.collection = CollectionOf(pattern);
  return absl::OkStatus();
}

absl::Status FindTenantPath(const MethodDescriptor& descriptor, Method& method) {
  RETRACE_RETURN_IF_ERROR(FindTenantField(descriptor, method));
  if (method.tenant_field.empty()) {
    return absl::OkStatus();
  }
  const google::protobuf::Descriptor* type = descriptor.input_type();
  for (const absl::string_view part : absl::StrSplit(method.tenant_field, '.')) {
    const FieldDescriptor* field =
        type == nullptr ? nullptr : type->FindFieldByName(std::string(part));
    if (field == nullptr || field->is_repeated()) {
      return absl::FailedPreconditionError(fmt::format(
          "the HTTP rule of {} names the field {}, which {} does not have", descriptor.full_name(),
          method.tenant_field, descriptor.input_type()->full_name()));
    }
    method.tenant_path.push_back(field);
    type = field->message_type();
  }
  if (method.tenant_path.back()->type() != FieldDescriptor::TYPE_STRING) {
    return absl::FailedPreconditionError(
        fmt::format("the HTTP rule of {} names the field {}, which is no string",
                    descriptor.full_name(), method.tenant_field));
  }
  return absl::OkStatus();
}

void FindReplyFields(const MethodDescriptor& descriptor, Method& method) {
  for (int i = 0; i < descriptor.output_type()->field_count(); ++i) {
    const FieldDescriptor* field = descriptor.output_type()->field(i);
    if (field->message_type() == v1::Outcome::descriptor()) {
      method.outcome = field;
    } else if (field->message_type() == v1::Plan::descriptor()) {
      method.plan = field;
    } else if (field->message_type() != nullptr && method.resource == nullptr) {
      method.resource = field;
    }
  }
}

}  // namespace

std::string_view Method::TenantName(const Message& message) const {
  const Message* at = &message;
  for (size_t i = 0; i + 1 < tenant_path.size(); ++i) {
    at = &at->GetReflection()->GetMessage(*at, tenant_path[i]);
  }
  if (tenant_path.empty()) {
    return {};
  }
  // Fields of generated messages are stored as strings: the scratch string is never used.
  static std::string scratch;
  return at->GetReflection()->GetStringReference(*at, tenant_path.back(), &scratch);
}

const v1::CommandOptions& Method::OptionsOf(const Message& message) const {
  return static_cast<const v1::CommandOptions&>(
      message.GetReflection()->GetMessage(message, options));
}

absl::StatusOr<Method> DescribeMethod(const MethodDescriptor& descriptor) {
  Method method;
  method.descriptor = &descriptor;
  method.name = descriptor.full_name();
  method.path = fmt::format("/{}/{}", descriptor.service()->full_name(), descriptor.name());
  const GooglesMethod* googles = FindGoogles(method.name);
  method.permission = googles != nullptr ? std::string(googles->permission)
                                         : descriptor.options().GetExtension(v1::permission);
  if (method.permission.empty()) {
    return absl::FailedPreconditionError(fmt::format(
        "{} has no option (retrace.v1.permission), so nobody may call it", method.name));
  }
  RETRACE_RETURN_IF_ERROR(FindTenantPath(descriptor, method));
  auto* factory = google::protobuf::MessageFactory::generated_factory();
  method.request = factory->GetPrototype(descriptor.input_type());
  method.reply = factory->GetPrototype(descriptor.output_type());
  if (method.request == nullptr || method.reply == nullptr) {
    return absl::FailedPreconditionError(
        fmt::format("the types of {} are not linked into this program", method.name));
  }
  const FieldDescriptor* options = descriptor.input_type()->FindFieldByName("options");
  if (options != nullptr && options->message_type() == v1::CommandOptions::descriptor()) {
    method.options = options;
    FindReplyFields(descriptor, method);
  }
  method.destructive = descriptor.options().GetExtension(v1::destructive);
  method.starts_operation =
      descriptor.output_type()->full_name() == "google.longrunning.Operation" &&
      method.options != nullptr;
  const bool plannable = method.plan != nullptr || method.starts_operation;
  if (method.destructive && (method.options == nullptr || !plannable)) {
    return absl::FailedPreconditionError(fmt::format(
        "{} is destructive, but takes no CommandOptions or replies no Plan", method.name));
  }
  return method;
}

}  // namespace retrace::server
