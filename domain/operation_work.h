// Work of an operation that takes several commits and must not stay half done.
//
// A target that one commit does not hold: the command is decided on a draft without that limit, and
// what it comes to is committed entity by entity, a chunk at a time. Before that the roots, what
// others belong to, are engaged: until they are released only this operation touches them, and
// nothing is attached to them. A root that comes alive does so first, one that goes away last, so
// that at every position what is live belongs to what is live. After a restart the command is
// decided again, on the roots as they were and on the rest as it has become: what is left comes
// out.
//
// What cannot be done to its end is taken back, and so is an undo with the mode STRICT: entity by
// entity, newest first, as an undo that leaves alone what others changed since.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "domain/operation.h"
#include "google/protobuf/message.h"

namespace retrace::domain {

// The most entities that one command touches, in however many commits.
inline constexpr size_t kMostEntitiesOfWork = 100'000;

// What a command does to one entity.
struct WorkPiece {
  EntityRef entity;
  Position seen = 0;  // the version that this is decided on; 0: a new entity
  std::vector<std::shared_ptr<const google::protobuf::Message>> events;
};

struct Work {
  std::vector<EntityRef> roots;
  // In this order: roots that come alive, what belongs to roots, the other roots.
  std::deque<WorkPiece> leads, rest, last;
};

// Decides the target's command as of the view, which holds all that the operation did until now.
// Refusals are those of the command, without USE_OPERATION: LIMIT_REACHED when it touches more
// than kMostEntitiesOfWork entities, or purges.
absl::StatusOr<Work> PlanWork(const OperationTarget& target, const store::v1::OperationRow& row,
                              const View& view, const Context& context);

// Engages the roots. STATE_REFUSED when the operation is not at `first`, has work already, or the
// target drifted: send it as a chunk, which judges that.
absl::Status DecideEngaged(const std::string& operation, int64_t first,
                           const OperationTarget& target, const std::vector<EntityRef>& roots,
                           Draft& draft, const Context& context);

struct WorkStep {
  std::string operation;
  int64_t first = 0;
  bool leads = false;  // its pieces begin with the leads
  bool ends = false;   // and with them all is done
  std::vector<WorkPiece> pieces;
};
// STATE_REFUSED when the operation is not there, or somebody wrote one of the entities since: plan
// the work again.
absl::Status DecideStep(const WorkStep& step, Draft& draft, const Context& context);

// The work cannot be done to its end: it is taken back, and then `item` is told of the target.
absl::Status DecideBackingOut(const std::string& operation, const v1::OperationItem& item,
                              Draft& draft, const Context& context);
// Takes back: `targets` are undos of single entities. What is refused is left and counted.
absl::Status DecideTakenBack(const std::string& operation,
                             const std::vector<OperationTarget>& targets, Draft& draft,
                             const Context& context);
// All was taken back: the roots are released, and the operation ends or goes on.
absl::Status DecideBackedOut(const std::string& operation, Draft& draft, const Context& context);

}  // namespace retrace::domain
