#include "server/admission.h"

#include <fmt/format.h>

#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "domain/fields.h"
#include "domain/refusal.h"
#include "domain/resource.h"
#include "domain/status_macros.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "grpcpp/support/proto_buffer_reader.h"
#include "server/malformed.h"

namespace retrace::server {
namespace {

using domain::Refusal;
using google::protobuf::Message;

constexpr std::string_view kScheme = "bearer ";

absl::Status TokenUnknown(std::string message) {
  return Refusal(v1::TOKEN_UNKNOWN, std::move(message))
      .Next(
          "Send `authorization: Bearer TOKEN` with a token of this server's token file; whoever "
          "runs the server makes one with `retraced token new`.");
}

std::string Flat(const grpc::ByteBuffer& bytes) {
  std::vector<grpc::Slice> slices;
  std::string flat;
  if (bytes.Dump(&slices).ok()) {
    for (const grpc::Slice& slice : slices) {
      flat.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
    }
  }
  return flat;
}

// Parses one contiguous slice as it is, several through a stream.
bool Parses(const grpc::ByteBuffer& bytes, Message& request) {
  grpc::Slice slice;
  if (bytes.Length() == 0) {
    return true;
  }
  if (bytes.TrySingleSlice(&slice).ok()) {
    return request.ParseFromArray(slice.begin(), static_cast<int>(slice.size()));
  }
  grpc::ByteBuffer copy(bytes);
  grpc::ProtoBufferReader reader(&copy);
  return request.ParseFromZeroCopyStream(&reader);
}

// The tenant's id in `tenants/ID` or `tenants/ID/...`; empty when it is neither.
std::string_view TenantIdOf(std::string_view name) {
  constexpr std::string_view kPrefix = "tenants/";
  if (name.substr(0, kPrefix.size()) != kPrefix) {
    return {};
  }
  name.remove_prefix(kPrefix.size());
  const std::string_view id = name.substr(0, name.find('/'));
  return domain::IsId(id) ? id : std::string_view();
}

bool IsPrintable(std::string_view text) {
  for (const char c : text) {
    if (!absl::ascii_isprint(static_cast<unsigned char>(c))) {
      return false;
    }
  }
  return true;
}

// Schemes are told without regard to case.
bool StartsWithScheme(std::string_view value) {
  for (size_t i = 0; i < kScheme.size(); ++i) {
    if (absl::ascii_tolower(static_cast<unsigned char>(value[i])) != kScheme[i]) {
      return false;
    }
  }
  return true;
}

// Options about plans stand on destructive commands only: any other would do what the caller only
// wanted to see.
absl::Status CheckPlanOptions(const Method& method, const v1::CommandOptions& options) {
  if (!method.destructive && HasPlanOptions(options)) {
    return Refusal(v1::INVALID_FIELD,
                   fmt::format("{} destroys nothing and has no plan; nothing was done.",
                               method.descriptor->name()))
        .Field("options", "plan_only, plan_token and acknowledgements are for destructive commands")
        .Next("Leave them out: it can be undone without a plan.");
  }
  if (options.plan_only() && !options.plan_token().empty()) {
    return Refusal(v1::INVALID_FIELD, "A command is either planned or executed by a plan.")
        .Field("options.plan_only", "must not stand beside plan_token")
        .Next("Leave plan_token out to plan again, or plan_only to execute.");
  }
  if (options.acknowledged_count() < 0) {
    return Refusal(v1::INVALID_FIELD, "A count is not below 0.")
        .Field("options.acknowledged_count", "must not be negative");
  }
  return absl::OkStatus();
}

absl::Status CheckOptions(const Method& method, const v1::CommandOptions& options,
                          const Principal& principal) {
  if (!IsPrintable(options.request_id())) {
    return Refusal(v1::INVALID_FIELD, "The request id is no printable ASCII.")
        .Field("options.request_id", "must be printable ASCII")
        .Next("Use a UUID.");
  }
  if (options.change_set() < 0) {
    return Refusal(v1::INVALID_FIELD, "A change set has a number above 0.")
        .Field("options.change_set", "must not be negative");
  }
  if (!options.on_behalf_of().empty() && principal.kind != Principal::Kind::kService) {
    return Refusal(v1::INVALID_FIELD, "Only a service acts on behalf of somebody.")
        .Field("options.on_behalf_of", "must be empty for principals of kind HUMAN")
        .Next("Leave it empty, or call with the token of a principal of kind SERVICE.");
  }
  return CheckPlanOptions(method, options);
}

}  // namespace

absl::StatusOr<Caller> Authenticate(const grpc::ServerContextBase& context,
                                    Principals& principals) {
  const auto& metadata = context.client_metadata();
  const auto found = metadata.find("authorization");
  if (found == metadata.end()) {
    return Authenticate(std::nullopt, principals);
  }
  return Authenticate(std::string_view(found->second.data(), found->second.size()), principals);
}

absl::StatusOr<Caller> Authenticate(std::optional<std::string_view> authorization,
                                    Principals& principals) {
  if (!authorization.has_value()) {
    return TokenUnknown("The call has no token.");
  }
  const std::string_view value = *authorization;
  if (value.size() <= kScheme.size() || !StartsWithScheme(value)) {
    return TokenUnknown("The call's authorization is no bearer token.");
  }
  principals.Look();
  Caller caller;
  caller.token_hash = eventstore::Sha256(value.substr(kScheme.size()));
  caller.principal = principals.FindByHash(caller.token_hash);
  if (caller.principal == nullptr) {
    return TokenUnknown("The call's token is not known.");
  }
  return caller;
}

absl::Status CheckPermission(const Method& method, const Principal& principal) {
  return method.permission == kNoPermission ? absl::OkStatus()
                                            : CheckHas(principal, method.permission);
}

absl::Status CheckHas(const Principal& principal, std::string_view permission) {
  if (principal.Has(permission)) {
    return absl::OkStatus();
  }
  return Refusal(v1::PERMISSION_MISSING, fmt::format("Your roles do not grant {}.", permission))
      .With("permission", permission)
      .Next("Ask whoever runs the server for a role that does; `retraced roles` prints them.");
}

absl::Status ParseRequest(const grpc::ByteBuffer& bytes, Message& request) {
  if (bytes.Length() > kMaxRequestBytes) {
    return Refusal(v1::INVALID_FIELD,
                   fmt::format("The request has {} bytes; {} are the most that one may have.",
                               bytes.Length(), kMaxRequestBytes))
        .With("bytes", fmt::format("{}", bytes.Length()))
        .Field("", fmt::format("the whole request must have at most {} bytes", kMaxRequestBytes))
        .Next("Split it.");
  }
  if (Parses(bytes, request)) {
    return absl::OkStatus();
  }
  const Fault fault = FindFault(*request.GetDescriptor(), Flat(bytes))
                          .value_or(Fault{"", "the bytes do not parse"});
  return Refusal(v1::MALFORMED_REQUEST,
                 fmt::format("The bytes are no {}: {}{}{}.", request.GetDescriptor()->full_name(),
                             fault.field, fault.field.empty() ? "" : ": ", fault.description))
      .Field(fault.field, fault.description)
      .Next("Encode the request with stubs generated from this server's protos.");
}

absl::StatusOr<Tenant*> FindTenant(const Method& method, const Message& request,
                                   const Principal& principal, const Tenants& tenants) {
  if (method.tenant_path.empty()) {
    return tenants.system();
  }
  const std::string_view name = method.TenantName(request);
  const std::string_view id = TenantIdOf(name);
  if (id.empty()) {
    RETRACE_RETURN_IF_ERROR(domain::Validate(request));
    return Refusal(v1::INVALID_FIELD, "The name is malformed.")
        .Field(method.tenant_field, "must begin with `tenants/{tenant}`");
  }
  Tenant* tenant = principal.MayEnter(id) ? tenants.Find(id) : nullptr;
  const bool command_to_system = tenant == tenants.system() && method.options != nullptr;
  if (tenant == nullptr || command_to_system) {
    return TenantNotFound(id);
  }
  return tenant;
}

absl::Status CheckRequest(const Method& method, const Message& request,
                          const Principal& principal) {
  RETRACE_RETURN_IF_ERROR(domain::Validate(request));
  return method.options == nullptr ? absl::OkStatus()
                                   : CheckOptions(method, method.OptionsOf(request), principal);
}

bool HasPlanOptions(const v1::CommandOptions& options) {
  return options.plan_only() || !options.plan_token().empty() ||
         options.acknowledged_count() != 0 || options.acknowledged_warnings_size() > 0;
}

absl::Status TenantNotFound(std::string_view tenant) {
  return Refusal(v1::TENANT_NOT_FOUND, fmt::format("There is no tenant {} for you.", tenant))
      .With("tenant", tenant)
      .About("retrace.v1/Tenant", fmt::format("tenants/{}", tenant))
      .Next("Check the id, or ask whoever runs the server to let you in.");
}

absl::Status NotServing() {
  return Refusal(v1::NOT_SERVING, "The server starts, drains or stops; nothing was done.")
      .Next("Try again in a moment with the same request id.")
      .RetryAfter(absl::Seconds(1));
}

}  // namespace retrace::server
