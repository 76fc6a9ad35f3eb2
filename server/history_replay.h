// Replay of history: what happened between two moments, each commit with its entities before and
// after.
#pragma once

#include "absl/status/status.h"
#include "retrace/v1/history.pb.h"
#include "server/endpoint.h"
#include "server/ledger.h"
#include "server/query_call.h"

namespace retrace::server {

// Streams the commits that the request asks for, oldest first, then where that ended. Keeps no more
// than one commit in memory. Blocks while the caller reads slower. INVALID_FIELD, INVALID_FILTER,
// FUTURE_AS_OF as of History.
absl::Status StreamReplay(Ledger& ledger, const QueryCall& call, const v1::ReplayRequest& request,
                          StreamWriter& writer);

}  // namespace retrace::server
