// What the parts of domain/operation share: finding an operation's row and ending it.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "domain/decider.h"
#include "domain/draft.h"
#include "domain/operation.h"
#include "retrace/store/v1/operations.pb.h"

namespace retrace::domain {

// ENTITY_NOT_FOUND unless there is an operation of that id.
absl::StatusOr<Found> FindOperation(const std::string& id, const Draft& draft);
// The refusal when the operation has come to another place than the caller thinks (STATE_REFUSED).
absl::Status NotThere(const Found& operation, std::string_view wanted);
// How many targets were seen to.
int64_t DoneOf(const store::v1::OperationRow& row);

// How an operation ends that did not succeed, or that did (without message and reason).
std::shared_ptr<store::v1::OperationEnded> Ending(v1::OperationMetadata::State state,
                                                  std::string message = {},
                                                  v1::ErrorReason reason = {});
// Ends it, and its change set with it.
absl::Status End(const Found& operation, std::shared_ptr<store::v1::OperationEnded> ended,
                 Draft& draft);
// Ends an operation that cannot go on: at once, or, when it is in the middle of something that must
// not stay as it is, after that was taken back.
absl::Status EndOrBackOut(const Found& operation, std::shared_ptr<store::v1::OperationEnded> ended,
                          Draft& draft);
// Whether it stays all or nothing: an undo with the mode STRICT.
bool IsWhole(const store::v1::OperationTask& task);

// After targets were seen to, which told `items`: ends the operation when they were the last, or
// when one of them keeps a whole from being done.
absl::Status EndWhenDone(const Found& operation, const std::vector<v1::OperationItem>& items,
                         Draft& draft);

// Who wrote what the target is about since the operation's position; empty when nobody did, or when
// that is no sign of drift.
absl::StatusOr<std::string> DriftOf(const store::v1::OperationTask& task,
                                    const OperationTarget& target, const Draft& draft);
// Refuses what a plan's target takes along when somebody wrote that since (PLAN_DRIFTED).
absl::Status CheckAlong(const store::v1::OperationTask& task, const OperationTarget& target,
                        const Draft& alone);
// What the task leaves out, and whether that is all that the target is about; and the refusal of a
// target that would touch it (RELATED_EXIST).
absl::StatusOr<std::set<EntityRef>> LeftOutOf(const store::v1::OperationTask& task);
bool IsLeftOut(const OperationTarget& target, const std::set<EntityRef>& left_out);
absl::Status CheckLeftOut(const std::set<EntityRef>& left_out, const Draft& alone);
// What a plan warns of must have been read before it is done.
absl::Status CheckWarningsRead(const store::v1::OperationTask& task, const Draft& alone);

// Tells why the command was not done to targets.
absl::Status TellItems(const Found& operation, std::vector<v1::OperationItem> items, Draft& draft);
v1::OperationItem Item(const std::string& name, v1::OperationItem::Result result,
                       std::string_view message);
// A refusal as operations keep it: without values of personal fields, which would outlive a purge.
std::string WithoutValues(const absl::Status& refusal);
v1::OperationItem RefusedItem(const std::string& name, const absl::Status& refusal);

}  // namespace retrace::domain
