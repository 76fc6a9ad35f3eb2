// Why an entity is as it is, in words.
#pragma once

#include "absl/status/statusor.h"
#include "retrace/v1/history.pb.h"
#include "server/ledger.h"
#include "server/query_call.h"

namespace retrace::server {

// The chain of causes: the last change of the entity's fields, and every move of its state back to
// its creation, each with who, why, the change set, the entity through which it came and what took
// it back. Read from the entity's own versions and their commits. Errors as of History.
absl::StatusOr<v1::ExplainResponse> ExplainEntity(Ledger& ledger, const QueryCall& call,
                                                  const v1::ExplainRequest& request);

}  // namespace retrace::server
