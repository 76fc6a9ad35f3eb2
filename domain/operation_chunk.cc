// What one commit of an operation does to its targets.
#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "domain/operation.h"
#include "domain/operation_row.h"
#include "domain/operation_work.h"
#include "domain/plan.h"
#include "domain/refusal.h"
#include "domain/status_macros.h"
#include "fmt/format.h"

namespace retrace::domain {
namespace {

using store::v1::OperationAdvanced;
using store::v1::OperationRow;
using store::v1::OperationTask;
using v1::OperationItem;
using Metadata = v1::OperationMetadata;

// Adds to the draft what the command alone came to.
absl::Status TakeOver(const Draft& alone, Draft& draft) {
  for (const DraftEvent& event : alone.events()) {
    RETRACE_RETURN_IF_ERROR(draft.Emit(event.entity, event.event));
  }
  if (alone.undoes() != 0) {
    draft.Undoes(alone.undoes());
  }
  for (const Draft::Loss& loss : alone.losses()) {
    draft.Lose(loss.entity, loss.sentence);
  }
  for (const Draft::Warning& warning : alone.warnings()) {
    draft.Warn(warning.id, warning.sentence);
  }
  return absl::OkStatus();
}

int64_t EntitiesIn(const Draft& draft) {
  return std::count_if(draft.touched().begin(), draft.touched().end(),
                       [](const auto& touched) { return !KindOf(touched.first.kind).bookkeeping; });
}

// The command alone, on what the draft holds so far: its events, or its refusal.
absl::Status TryOne(const OperationTask& task, const OperationTarget& target,
                    const std::set<EntityRef>& left_out, Draft& alone, const Context& context) {
  RETRACE_RETURN_IF_ERROR(target.decide(alone, context));
  RETRACE_RETURN_IF_ERROR(CheckLeftOut(left_out, alone));
  RETRACE_RETURN_IF_ERROR(CheckAlong(task, target, alone));
  return alone.Check(context);
}

// How many parts there are then.
absl::StatusOr<uint32_t> KeepNames(const std::string& operation, uint32_t parts,
                                   const std::vector<std::string>& names, Draft& draft) {
  for (size_t begin = 0; begin < names.size(); begin += kNamesPerPart) {
    auto added = std::make_shared<store::v1::OperationTargetsAdded>();
    const size_t end = std::min(begin + kNamesPerPart, names.size());
    for (size_t i = begin; i < end; ++i) {
      added->add_names(names[i]);
    }
    RETRACE_RETURN_IF_ERROR(draft.Emit(TargetPart(operation, ++parts), std::move(added)));
  }
  return parts;
}

}  // namespace

absl::StatusOr<Tried> TryTargets(const OperationTask& task,
                                 const std::vector<OperationTarget>& targets, Draft& draft,
                                 const Context& context) {
  Tried tried;
  RETRACE_ASSIGN(const std::set<EntityRef> left_out, LeftOutOf(task));
  OperationAdvanced& counts = tried.counts;
  const bool stops = !task.plan_only() && task.on_drift() != v1::StartOperationRequest::SKIP;
  // The operation itself, its part and its change set are entities, too.
  const size_t most_touched = draft.most_entities() - 3;
  for (const OperationTarget& target : targets) {
    Draft alone(draft, context.header);
    alone.Widen(draft.most_entities(), draft.deletion());
    if (IsLeftOut(target, left_out)) {
      counts.set_skipped(counts.skipped() + 1);
      tried.items.push_back(Item(target.name, OperationItem::SKIPPED, "It was taken out."));
      continue;
    }
    RETRACE_ASSIGN(std::string drift, DriftOf(task, target, draft));
    const absl::Status status =
        drift.empty() ? TryOne(task, target, left_out, alone, context) : absl::OkStatus();
    if (!status.ok() && ReasonOf(status) == v1::ERROR_REASON_UNSPECIFIED) {
      return status;
    }
    if (ReasonOf(status) == v1::UNDO_CONFLICT && target.drift == DriftSign::kConflict &&
        !task.plan_only()) {
      drift = WithoutValues(status);
    }
    if (ReasonOf(status) == v1::PLAN_DRIFTED) {
      drift = std::string(status.message());
    }
    if (!drift.empty() && stops) {
      tried.stopped_at = fmt::format("{}: {}", target.name, drift);
      return tried;
    }
    // Not with others, or in more commits than one.
    if (ReasonOf(status) == v1::USE_OPERATION && !task.plan_only()) {
      tried.too_large = tried.count() == 0;
      return tried;
    }
    if (tried.count() > 0 && draft.touched().size() + alone.touched().size() > most_touched) {
      return tried;
    }
    if (!drift.empty()) {
      counts.set_drifted(counts.drifted() + 1);
      tried.items.push_back(Item(target.name, OperationItem::DRIFTED, drift));
    } else if (!status.ok()) {
      counts.set_refused(counts.refused() + 1);
      tried.items.push_back(RefusedItem(target.name, status));
    } else if (alone.events().empty()) {
      counts.set_skipped(counts.skipped() + 1);
      tried.items.push_back(Item(target.name, OperationItem::SKIPPED, "There was nothing to do."));
    } else {
      RETRACE_RETURN_IF_ERROR(CheckWarningsRead(task, alone));
      RETRACE_RETURN_IF_ERROR(TakeOver(alone, draft));
      counts.set_ok(counts.ok() + 1);
    }
  }
  return tried;
}

absl::Status DecideChunk(const OperationChunk& chunk, Draft& draft, const Context& context) {
  RETRACE_ASSIGN(const Found found, FindOperation(chunk.operation, draft));
  const auto& row = found.row->As<OperationRow>();
  if (row.state() != Metadata::RUNNING || row.has_work() || DoneOf(row) != chunk.first) {
    return NotThere(found, fmt::format("RUNNING at {}", chunk.first));
  }
  RETRACE_ASSIGN(Tried tried, TryTargets(row.task(), chunk.targets, draft, context));
  if (tried.too_large) {
    return Refusal(v1::USE_OPERATION, "One commit does not hold these targets.");
  }
  tried.counts.set_entities(EntitiesIn(draft));
  RETRACE_RETURN_IF_ERROR(TellItems(found, tried.items, draft));
  RETRACE_RETURN_IF_ERROR(
      draft.Emit(found.entity, std::make_shared<OperationAdvanced>(tried.counts)));
  if (!tried.stopped_at.empty()) {
    return EndOrBackOut(
        found, Ending(Metadata::STOPPED, std::move(tried.stopped_at), v1::PLAN_DRIFTED), draft);
  }
  return EndWhenDone(found, tried.items, draft);
}

absl::Status DecideFound(const std::string& operation, uint32_t parts,
                         const std::vector<std::string>& names, Draft& draft,
                         const Context& /*context*/) {
  RETRACE_ASSIGN(const Found found, FindOperation(operation, draft));
  if (found.row->As<OperationRow>().state() != Metadata::COUNTING) {
    return NotThere(found, "COUNTING");
  }
  return KeepNames(operation, parts, names, draft).status();
}

absl::Status DecideCounted(const std::string& operation, const Counted& counted, Draft& draft,
                           const Context& /*context*/) {
  RETRACE_ASSIGN(const Found found, FindOperation(operation, draft));
  const auto& row = found.row->As<OperationRow>();
  if (row.state() != Metadata::COUNTING) {
    return NotThere(found, "COUNTING");
  }
  auto event = std::make_shared<store::v1::OperationCounted>();
  event->set_count(counted.targets);
  RETRACE_ASSIGN(const uint32_t parts, KeepNames(operation, counted.parts, counted.names, draft));
  event->set_target_parts(parts);
  RETRACE_RETURN_IF_ERROR(draft.Emit(found.entity, std::move(event)));
  const OperationTask& task = row.task();
  if (task.plan_only()) {
    return absl::OkStatus();
  }
  const int64_t entities = counted.entities;
  const int64_t acknowledged = task.acknowledged_count();
  if (acknowledged != entities && (acknowledged != 0 || entities > task.acknowledge_above())) {
    return End(found,
               Ending(Metadata::FAILED,
                      fmt::format("It is about {} entities; acknowledged were {}. Nothing was "
                                  "done. Plan it first, or start it again with "
                                  "acknowledged_count {}.",
                                  entities, acknowledged, entities),
                      v1::ACKNOWLEDGEMENT_REQUIRED),
               draft);
  }
  return counted.targets > 0 ? absl::OkStatus() : End(found, Ending(Metadata::SUCCEEDED), draft);
}

absl::Status DecidePlanned(const std::string& operation, const v1::Plan& plan,
                           const std::set<std::string>& permissions, Draft& draft,
                           const Context& /*context*/) {
  RETRACE_ASSIGN(const Found found, FindOperation(operation, draft));
  if (found.row->As<OperationRow>().state() != Metadata::RUNNING) {
    return NotThere(found, "RUNNING");
  }
  auto ended = Ending(Metadata::SUCCEEDED);
  *ended->mutable_plan() = plan;
  DropTitles(*ended->mutable_plan());
  ended->mutable_permissions()->Assign(permissions.begin(), permissions.end());
  return End(found, std::move(ended), draft);
}

absl::Status DecideFailed(const std::string& operation, const absl::Status& why, Draft& draft,
                          const Context& /*context*/) {
  RETRACE_ASSIGN(const Found found, FindOperation(operation, draft));
  const auto state = found.row->As<OperationRow>().state();
  if (IsEnded(state) || state == Metadata::REVERTING) {
    return NotThere(found, "under way");
  }
  return EndOrBackOut(found, Ending(Metadata::FAILED, WithoutValues(why), ReasonOf(why)), draft);
}

}  // namespace retrace::domain
