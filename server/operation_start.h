// StartOperation before it is decided, and operations as the API shows them.
#pragma once

#include "absl/status/statusor.h"
#include "google/longrunning/operations.pb.h"
#include "retrace/store/v1/operations.pb.h"
#include "server/ledger.h"
#include "server/query_call.h"
#include "server/rpc.h"

namespace retrace::server {

inline constexpr char kStartOperation[] = "retrace.v1.Operations.StartOperation";

// What the request asks for, checked: its command is one that this server has for one entity, or an
// undo, is complete but for the name, and the caller may send it; its filter parses; reason and
// plan are there if the tenant's policy asks for them. Reads, so it belongs into the query pool.
// INVALID_FIELD, INVALID_FILTER, PERMISSION_MISSING, REASON_REQUIRED, PLAN_REQUIRED and what
// opening a plan token refuses with.
absl::StatusOr<store::v1::ResolvedOperation> ResolveOperation(
    const Rpc& rpc, Ledger& ledger, const QueryCall& call,
    const v1::StartOperationRequest& request);

// The row as google.longrunning shows it; what a plan names is read from the view. Errors are those
// of reading.
absl::StatusOr<google::longrunning::Operation> ShowOperation(const std::string& tenant,
                                                             const std::string& id,
                                                             const domain::Row& row,
                                                             const domain::View& view);

}  // namespace retrace::server
