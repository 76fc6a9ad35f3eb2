// Exports of a tenant's stored commits, and of the keys that open them.
#pragma once

#include "absl/status/status.h"
#include "retrace/v1/history.pb.h"
#include "server/endpoint.h"
#include "server/ledger.h"
#include "server/query_call.h"

namespace retrace::server {

// Streams every commit up to the moment as it is stored, between a header and an end. INVALID_FIELD
// when there is no commit up to then.
absl::Status StreamStoredCommits(Ledger& ledger, const QueryCall& call,
                                 const v1::ExportCommitsRequest& request, StreamWriter& writer);

// Streams the key of every subject that these commits name, each once; without a secret those that
// are not there any more.
absl::Status StreamSubjectKeys(Ledger& ledger, const QueryCall& call,
                               const v1::ExportKeysRequest& request, StreamWriter& writer);

}  // namespace retrace::server
