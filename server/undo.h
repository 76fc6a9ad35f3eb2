// What an undo is addressed to, found in the log before it is decided.
#pragma once

#include "absl/status/statusor.h"
#include "retrace/store/v1/undo.pb.h"
#include "retrace/v1/history.pb.h"
#include "server/history.h"
#include "server/ledger.h"
#include "server/query_call.h"

namespace retrace::server {

// How many entities an undo may be about: of one commit what a commit takes, of an operation any.
enum class UndoBound { kOneCommit, kNone };

// The commits that the request's names or filter mean, as far as they are visible. Reads the log,
// so it belongs into the query pool's slow lane. INVALID_FIELD for both or neither,
// PERMISSION_MISSING for a filter of who may not undo what others did, ENTITY_NOT_FOUND for a
// commit or change set that is not there, INVALID_FILTER, USE_OPERATION as soon as it is known that
// there is more than the bound.
absl::StatusOr<store::v1::ResolvedUndo> ResolveUndo(const History& history, const QueryCall& call,
                                                    const v1::UndoRequest& request,
                                                    UndoBound bound);

// What stands in the way of an undo, now.
absl::StatusOr<v1::GetUndoConflictsResponse> AnswerUndoConflicts(
    Ledger& ledger, const History& history, const QueryCall& call,
    const v1::GetUndoConflictsRequest& request);

}  // namespace retrace::server
