// Undo and redo: taking back what change sets or commits did, entity by entity.
//
// The commits are named by the request and described by the log (ResolvedUndo); what they wrote,
// and what was written since, is read from the versions of rows. Each entity gets one event,
// Reverted, and the outcome passes the same check as that of every command. A redo is the undo of
// an undo.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "domain/context.h"
#include "domain/draft.h"
#include "domain/view.h"
#include "retrace/store/v1/undo.pb.h"

namespace retrace::domain {

// How long after a commit agents may undo it, microseconds.
inline constexpr int64_t kAgentUndoUs = 24LL * 3600 * 1'000'000;
// Undo any change set at any time, by query, and with FORCE.
inline constexpr char kUndoAny[] = "history.undo-any";
// Undo one's own change sets at any time.
inline constexpr char kUndoOld[] = "history.undo-old";

// Deciding it (commands.h) refuses with NOT_YOUR_CHANGE_SET, PERMISSION_MISSING, UNDO_CONFLICT,
// EVIDENCE_REQUIRED, ALREADY_UNDONE, RELATED_EXIST, USE_OPERATION or INVALID_FIELD.

// What who lacks kUndoAny is told. Deciding says it, too, but finding the commits that a filter
// means may read all of the log.
absl::Status UndoByFilterIsForAdministrators();

// The refusal (USE_OPERATION) of an undo of more entities than one commit touches.
absl::Status TooManyToUndo();

// What stands in the way of the undo in the view of that tenant, by entity and path, as STRICT
// would refuse it.
absl::StatusOr<std::vector<v1::UndoConflict>> FindUndoConflicts(const store::v1::ResolvedUndo& undo,
                                                                const View& view,
                                                                const std::string& tenant);

}  // namespace retrace::domain
