#include "domain/operation_work.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "domain/kind.h"
#include "domain/lifecycle.h"
#include "domain/operation_row.h"
#include "domain/refusal.h"
#include "domain/status_macros.h"
#include "fmt/format.h"
#include "retrace/store/v1/entities.pb.h"

namespace retrace::domain {
namespace {

using store::v1::OperationAdvanced;
using store::v1::OperationRow;
using store::v1::OperationWork;
using v1::OperationItem;
using Metadata = v1::OperationMetadata;

// The roots as they were before the work on them began, all else as it is.
class RootsAsTheyWere : public View {
 public:
  RootsAsTheyWere(const View& now, const OperationWork& work)
      : now_(now), then_(work.begun_after()) {
    for (const store::v1::EntityRef& root : work.roots()) {
      roots_.insert(FromStored(root));
    }
  }

  absl::StatusOr<RowPtr> Get(const EntityRef& entity) const override {
    return roots_.contains(entity) ? now_.GetAt(entity, then_) : now_.Get(entity);
  }
  absl::StatusOr<RowPtr> GetAt(const EntityRef& entity, Position position) const override {
    return now_.GetAt(entity, position);
  }
  absl::StatusOr<std::vector<IndexHit>> Find(const IndexRange& range, size_t limit) const override {
    return now_.Find(range, limit);
  }

 private:
  const View& now_;
  const Position then_;
  std::set<EntityRef> roots_;
};

// Whether entities of another kind belong to it.
bool IsRoot(const EntityRef& entity) {
  return std::any_of(Kinds().begin(), Kinds().end(), [&](const Kind& kind) {
    return !kind.reference.field.empty() && kind.reference.to == entity.kind;
  });
}

absl::Status CheckCanBeTakenBack(const Draft& draft) {
  const bool purges =
      std::any_of(draft.touched().begin(), draft.touched().end(),
                  [](const auto& touched) { return touched.second.after->purged(); });
  return !purges ? absl::OkStatus()
                 : Refusal(v1::LIMIT_REACHED, "What is purged at once must fit into one commit.")
                       .Next("Purge what belongs to it first, in an operation of its own.");
}

// Refusals of one commit's limits say nothing about work in several.
absl::Status WithoutUseOperation(const absl::Status& status) {
  return ReasonOf(status) != v1::USE_OPERATION
             ? status
             : Refusal(v1::LIMIT_REACHED, std::string(status.message()))
                   .Next("Do a part of it first.");
}

Work PiecesOf(const Draft& draft, bool leads_done) {
  Work work;
  std::map<EntityRef, WorkPiece*> pieces;
  for (const DraftEvent& event : draft.events()) {
    WorkPiece*& piece = pieces[event.entity];
    if (piece == nullptr) {
      const Draft::Touched& touched = draft.touched().at(event.entity);
      const bool root = IsRoot(event.entity);
      const bool comes = touched.after->live() && (!touched.before || !touched.before->live());
      std::deque<WorkPiece>& list = !root ? work.rest : comes ? work.leads : work.last;
      if (root) {
        work.roots.push_back(event.entity);
      }
      piece = &list.emplace_back();  // a deque: the others stay where they are
      piece->entity = event.entity;
      piece->seen = touched.before == nullptr ? 0 : touched.before->head.update_position();
    }
    piece->events.push_back(event.event);
  }
  if (leads_done) {
    work.leads.clear();
  }
  return work;
}

absl::StatusOr<Found> FindAtWork(const std::string& operation, Metadata::State state,
                                 const Draft& draft) {
  RETRACE_ASSIGN(Found found, FindOperation(operation, draft));
  const auto& row = found.row->As<OperationRow>();
  if (row.state() != state || !row.has_work()) {
    return NotThere(found, fmt::format("{} at work", Metadata::State_Name(state)));
  }
  return found;
}

absl::Status Release(const OperationWork& work, Draft& draft) {
  for (const store::v1::EntityRef& stored : work.roots()) {
    RETRACE_RETURN_IF_ERROR(
        draft.Emit(FromStored(stored), std::make_shared<store::v1::Released>()));
  }
  return absl::OkStatus();
}

// The command's events on one entity, unless somebody wrote it since.
absl::Status EmitPiece(const WorkPiece& piece, Draft& draft) {
  RETRACE_ASSIGN(const RowPtr row, draft.Get(piece.entity));
  const Position now = row == nullptr ? 0 : row->head.update_position();
  // Nobody else writes an engaged root.
  if (now != piece.seen && !(row != nullptr && row->head.has_engaged())) {
    return Refusal(v1::STATE_REFUSED, "What is worked on was changed meanwhile.");
  }
  for (const auto& event : piece.events) {
    RETRACE_RETURN_IF_ERROR(draft.Emit(piece.entity, event));
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<Work> PlanWork(const OperationTarget& target, const OperationRow& row,
                              const View& view, const Context& context) {
  const RootsAsTheyWere base(view, row.work());
  Draft draft(base, context.header);
  draft.Widen(kMostEntitiesOfWork, row.has_work() ? row.work().begun_after() + 1 : 0);
  RETRACE_RETURN_IF_ERROR(WithoutUseOperation(target.decide(draft, context)));
  RETRACE_ASSIGN(const std::set<EntityRef> left_out, LeftOutOf(row.task()));
  RETRACE_RETURN_IF_ERROR(CheckLeftOut(left_out, draft));
  RETRACE_RETURN_IF_ERROR(CheckAlong(row.task(), target, draft));
  RETRACE_RETURN_IF_ERROR(WithoutUseOperation(draft.Check(context)));
  RETRACE_RETURN_IF_ERROR(CheckCanBeTakenBack(draft));
  RETRACE_RETURN_IF_ERROR(CheckWarningsRead(row.task(), draft));
  Work work = PiecesOf(draft, row.work().leads_done());
  if (work.roots.empty()) {
    return Refusal(v1::LIMIT_REACHED, "Nothing holds together what this touches.")
        .Next("Do a part of it first.");
  }
  return work;
}

absl::Status DecideEngaged(const std::string& operation, int64_t first,
                           const OperationTarget& target, const std::vector<EntityRef>& roots,
                           Draft& draft, const Context& /*context*/) {
  RETRACE_ASSIGN(const Found found, FindOperation(operation, draft));
  const auto& row = found.row->As<OperationRow>();
  RETRACE_ASSIGN(const std::string drift, DriftOf(row.task(), target, draft));
  if (row.state() != Metadata::RUNNING || row.has_work() || DoneOf(row) != first ||
      !drift.empty()) {
    return NotThere(found, fmt::format("RUNNING at {}", first));
  }
  auto engaged = std::make_shared<store::v1::OperationEngaged>();
  for (const EntityRef& root : roots) {
    *engaged->add_roots() = ToStored(root);
    auto event = std::make_shared<store::v1::Engaged>();
    event->set_operation(operation);
    RETRACE_RETURN_IF_ERROR(draft.Emit(root, std::move(event)));
  }
  return draft.Emit(found.entity, std::move(engaged));
}

absl::Status DecideStep(const WorkStep& step, Draft& draft, const Context& /*context*/) {
  RETRACE_ASSIGN(const Found found, FindAtWork(step.operation, Metadata::RUNNING, draft));
  const auto& row = found.row->As<OperationRow>();
  if (DoneOf(row) != step.first || (step.leads && row.work().leads_done())) {
    return NotThere(found, fmt::format("RUNNING at {}", step.first));
  }
  for (const WorkPiece& piece : step.pieces) {
    RETRACE_RETURN_IF_ERROR(EmitPiece(piece, draft));
  }
  auto advanced = std::make_shared<OperationAdvanced>();
  advanced->set_entities(static_cast<int64_t>(step.pieces.size()));
  advanced->set_leads_done(step.leads);
  if (!step.ends) {
    return draft.Emit(found.entity, std::move(advanced));
  }
  RETRACE_RETURN_IF_ERROR(Release(row.work(), draft));
  advanced->set_ok(1);
  RETRACE_RETURN_IF_ERROR(draft.Emit(found.entity, std::move(advanced)));
  return EndWhenDone(found, {}, draft);
}

absl::Status DecideBackingOut(const std::string& operation, const OperationItem& item, Draft& draft,
                              const Context& /*context*/) {
  RETRACE_ASSIGN(const Found found, FindAtWork(operation, Metadata::RUNNING, draft));
  auto event = std::make_shared<store::v1::OperationBackingOut>();
  *event->mutable_item() = item;
  return draft.Emit(found.entity, std::move(event));
}

absl::Status DecideTakenBack(const std::string& operation,
                             const std::vector<OperationTarget>& targets, Draft& draft,
                             const Context& context) {
  RETRACE_ASSIGN(const Found found, FindAtWork(operation, Metadata::REVERTING, draft));
  // It is the operation's own work, whatever its actor may do by now.
  Context own = context;
  own.may = [](const std::string&) { return true; };
  const store::v1::OperationTask nothing_judged;
  RETRACE_ASSIGN(const Tried tried, TryTargets(nothing_judged, targets, draft, own));
  auto advanced = std::make_shared<OperationAdvanced>();
  for (const OperationItem& item : tried.items) {
    const bool undone = item.reason() == v1::ErrorReason_Name(v1::ALREADY_UNDONE);
    advanced->set_left(advanced->left() +
                       (item.result() == OperationItem::REFUSED && !undone ? 1 : 0));
  }
  return draft.events().empty() && advanced->left() == 0
             ? absl::OkStatus()  // of an earlier try
             : draft.Emit(found.entity, std::move(advanced));
}

absl::Status DecideBackedOut(const std::string& operation, Draft& draft,
                             const Context& /*context*/) {
  RETRACE_ASSIGN(const Found found, FindAtWork(operation, Metadata::REVERTING, draft));
  const OperationWork work = found.row->As<OperationRow>().work();
  RETRACE_RETURN_IF_ERROR(Release(work, draft));
  const std::string left =
      work.left() == 0
          ? " What it had done of this was taken back."
          : fmt::format(" What it had done of this was taken back, but for {} entities.",
                        work.left());
  RETRACE_RETURN_IF_ERROR(
      draft.Emit(found.entity, std::make_shared<store::v1::OperationBackedOut>()));
  if (work.has_end()) {
    auto ended = std::make_shared<store::v1::OperationEnded>(work.end());
    ended->set_message(ended->message() + left);
    return End(found, std::move(ended), draft);
  }
  OperationItem item = work.item();
  item.set_message(item.message() + left);
  RETRACE_RETURN_IF_ERROR(TellItems(found, {item}, draft));
  auto advanced = std::make_shared<OperationAdvanced>();
  advanced->set_refused(1);
  RETRACE_RETURN_IF_ERROR(draft.Emit(found.entity, std::move(advanced)));
  return EndWhenDone(found, {item}, draft);
}

}  // namespace retrace::domain
