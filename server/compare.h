// Comparison of a tenant's entities at two moments.
#pragma once

#include "absl/status/status.h"
#include "retrace/v1/history.pb.h"
#include "server/endpoint.h"
#include "server/ledger.h"
#include "server/query_call.h"

namespace retrace::server {

// Streams what differs, in the order of kinds and ids, then the counts. Walks the rows of both
// moments side by side: memory does not grow with their number, and rows that are the same version
// at both are not read. INVALID_FIELD, INVALID_FILTER, FUTURE_AS_OF as of History; ENTITY_NOT_FOUND
// when the one entity is there at neither moment.
absl::Status StreamComparison(Ledger& ledger, const QueryCall& call,
                              const v1::CompareRequest& request, StreamWriter& writer);

}  // namespace retrace::server
