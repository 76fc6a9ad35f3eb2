// What every call passes before its handler sees it, in this order: who calls, may they call this
// method, do the bytes parse, which tenant, may they enter it, are the fields well-formed. So
// nobody learns from an error whether something exists that they must not know of.
#pragma once

#include <grpcpp/server_context.h>
#include <grpcpp/support/byte_buffer.h>

#include <optional>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventstore/types.h"
#include "google/protobuf/message.h"
#include "retrace/v1/common.pb.h"
#include "server/method.h"
#include "server/principal.h"
#include "server/principals.h"
#include "server/tenants.h"

namespace retrace::server {

// The largest request that is looked at.
inline constexpr size_t kMaxRequestBytes = 4u << 20;
// What gRPC itself refuses, without an ErrorInfo. Above kMaxRequestBytes, so that requests that are
// somewhat too large get a full answer.
inline constexpr int kMaxReceiveBytes = 8 << 20;

// A caller whose token is known.
struct Caller {
  PrincipalPtr principal;
  eventstore::Sha256Digest token_hash{};
};

// The caller of a call. TOKEN_UNKNOWN without `authorization: Bearer TOKEN`, or when no such token
// is known.
absl::StatusOr<Caller> Authenticate(const grpc::ServerContextBase& context, Principals& principals);
// The same of the value of `authorization`; nothing: there is none.
absl::StatusOr<Caller> Authenticate(std::optional<std::string_view> authorization,
                                    Principals& principals);

// PERMISSION_MISSING when the principal's roles do not grant what the method asks for.
absl::Status CheckPermission(const Method& method, const Principal& principal);
// The same for one permission.
absl::Status CheckHas(const Principal& principal, std::string_view permission);

// Parses the bytes. MALFORMED_REQUEST names the field that is wrong, as far as it can be told.
absl::Status ParseRequest(const grpc::ByteBuffer& bytes, google::protobuf::Message& request);

// The tenant that the request names; `system` for methods that name none. TENANT_NOT_FOUND when
// there is none of that id, when the principal may not enter it, and for commands to `system`;
// INVALID_FIELD when the name cannot be one.
absl::StatusOr<Tenant*> FindTenant(const Method& method, const google::protobuf::Message& request,
                                   const Principal& principal, const Tenants& tenants);

// The fields against their annotations, and CommandOptions against the principal. INVALID_FIELD.
absl::Status CheckRequest(const Method& method, const google::protobuf::Message& request,
                          const Principal& principal);

// True when options are given that only destructive commands take.
bool HasPlanOptions(const v1::CommandOptions& options);

// The one refusal of a tenant that is not there or not for this caller.
absl::Status TenantNotFound(std::string_view tenant);
// The refusal while the server starts, drains or stops.
absl::Status NotServing();

}  // namespace retrace::server
