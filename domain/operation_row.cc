#include "domain/operation_row.h"

#include <algorithm>
#include <utility>

#include "domain/operation.h"
#include "domain/refusal.h"
#include "domain/resource.h"
#include "domain/text_excerpt.h"
#include "fmt/format.h"
#include "retrace/store/v1/entities.pb.h"
#include "retrace/v1/history.pb.h"

namespace retrace::domain {
namespace {

using store::v1::OperationEnded;
using store::v1::OperationRow;
using store::v1::OperationTask;
using v1::OperationItem;
using Metadata = v1::OperationMetadata;

constexpr size_t kLongestMessage = 300;

// Why not a single target was done: what the last ones were told.
std::shared_ptr<OperationEnded> NoneWasDone(const OperationRow& row,
                                            const std::vector<OperationItem>& items) {
  const OperationItem& last = items.back();
  v1::ErrorReason reason = v1::ERROR_REASON_UNSPECIFIED;
  v1::ErrorReason_Parse(last.reason(), &reason);
  return Ending(Metadata::FAILED,
                row.target_count() == 1
                    ? last.message()
                    : fmt::format("All {} were refused, the last: {}: {}", row.target_count(),
                                  last.name(), last.message()),
                reason);
}

}  // namespace

absl::StatusOr<Found> FindOperation(const std::string& id, const Draft& draft) {
  EntityRef entity{KindNumber::kOperation, id};
  RETRACE_ASSIGN(RowPtr row, draft.Get(entity));
  if (row == nullptr) {
    return Refusal(v1::ENTITY_NOT_FOUND, fmt::format("There is no operation {}.", id));
  }
  return Found{std::move(entity), std::move(row)};
}

absl::Status NotThere(const Found& operation, std::string_view wanted) {
  const auto& row = operation.row->As<OperationRow>();
  return Refusal(v1::STATE_REFUSED,
                 fmt::format("Operation {} is {} at {}, not {}.", operation.entity.id,
                             Metadata::State_Name(row.state()), DoneOf(row), wanted));
}

bool IsEnded(Metadata::State state) {
  return state == Metadata::SUCCEEDED || state == Metadata::STOPPED ||
         state == Metadata::CANCELLED || state == Metadata::FAILED;
}

int64_t DoneOf(const OperationRow& row) {
  return row.ok() + row.refused() + row.drifted() + row.skipped();
}

std::shared_ptr<OperationEnded> Ending(Metadata::State state, std::string message,
                                       v1::ErrorReason reason) {
  auto ended = std::make_shared<OperationEnded>();
  ended->set_state(state);
  ended->set_message(std::move(message));
  if (reason != v1::ERROR_REASON_UNSPECIFIED) {
    ended->set_reason(v1::ErrorReason_Name(reason));
  }
  return ended;
}

absl::Status End(const Found& operation, std::shared_ptr<OperationEnded> ended, Draft& draft) {
  const auto change_set = operation.row->As<OperationRow>().change_set();
  RETRACE_RETURN_IF_ERROR(draft.Emit(operation.entity, std::move(ended)));
  if (change_set == 0) {
    return absl::OkStatus();
  }
  return draft.Emit({KindNumber::kChangeSet, fmt::format("{}", change_set)},
                    std::make_shared<store::v1::ChangeSetEnded>());
}

absl::Status EndOrBackOut(const Found& operation, std::shared_ptr<OperationEnded> ended,
                          Draft& draft) {
  RETRACE_ASSIGN(const RowPtr now, draft.Get(operation.entity));
  const auto& row = now->As<OperationRow>();
  if (!row.has_work() && (!IsWhole(row.task()) || row.ok() == 0)) {
    return End(operation, std::move(ended), draft);
  }
  auto backing_out = std::make_shared<store::v1::OperationBackingOut>();
  *backing_out->mutable_end() = *ended;
  return draft.Emit(operation.entity, std::move(backing_out));
}

bool IsWhole(const store::v1::OperationTask& task) {
  v1::UndoRequest undo;
  return task.command().UnpackTo(&undo) &&
         (undo.mode() == v1::STRICT || undo.mode() == v1::UNDO_MODE_UNSPECIFIED);
}

absl::Status TellItems(const Found& operation, std::vector<OperationItem> items, Draft& draft) {
  if (items.empty()) {
    return absl::OkStatus();
  }
  auto told = std::make_shared<store::v1::OperationItemsTold>();
  for (OperationItem& item : items) {
    *told->add_items() = std::move(item);
  }
  const auto& row = operation.row->As<OperationRow>();
  return draft.Emit(ItemPart(operation.entity.id, row.item_parts() + 1), std::move(told));
}

absl::Status EndWhenDone(const Found& operation, const std::vector<OperationItem>& items,
                         Draft& draft) {
  RETRACE_ASSIGN(const RowPtr now, draft.Get(operation.entity));
  const auto& row = now->As<OperationRow>();
  // What was undone before hinders nothing.
  const auto hindrance = std::find_if(items.begin(), items.end(), [](const auto& item) {
    return item.result() == OperationItem::REFUSED &&
           item.reason() != v1::ErrorReason_Name(v1::ALREADY_UNDONE);
  });
  if (IsWhole(row.task()) && hindrance != items.end()) {
    v1::ErrorReason reason = v1::ERROR_REASON_UNSPECIFIED;
    v1::ErrorReason_Parse(hindrance->reason(), &reason);
    return EndOrBackOut(
        operation,
        Ending(Metadata::FAILED, fmt::format("{}: {}", hindrance->name(), hindrance->message()),
               reason),
        draft);
  }
  if (DoneOf(row) < row.target_count()) {
    return absl::OkStatus();
  }
  const bool none = row.refused() == row.target_count() && !items.empty();
  return End(operation, none ? NoneWasDone(row, items) : Ending(Metadata::SUCCEEDED), draft);
}

namespace {

// Who wrote the row since; empty when nobody did, but for the operation itself.
std::string WriterOf(const OperationTask& task, const Row& row, const Draft& draft) {
  return row.head.update_position() <= task.position() ||
                 row.head.change_set() == draft.header().change_set
             ? std::string()
             : fmt::format("{} {} it at position {}, after the operation's position {}.",
                           row.head.actor(), row.purged() ? "purged" : "wrote",
                           row.head.update_position(), task.position());
}

}  // namespace

absl::StatusOr<std::string> DriftOf(const OperationTask& task, const OperationTarget& target,
                                    const Draft& draft) {
  for (const EntityRef& entity : target.entities) {
    if (target.drift != DriftSign::kWrite) {
      break;
    }
    RETRACE_ASSIGN(const RowPtr row, draft.Get(entity));
    std::string writer = row == nullptr ? std::string() : WriterOf(task, *row, draft);
    if (!writer.empty()) {
      return target.entities.size() == 1
                 ? writer
                 : fmt::format("{}: {}", NameOf(draft.header().tenant, entity), writer);
    }
  }
  return std::string();
}

absl::Status CheckAlong(const OperationTask& task, const OperationTarget& target,
                        const Draft& alone) {
  if (!task.planned() || target.drift != DriftSign::kWrite) {
    return absl::OkStatus();
  }
  for (const auto& [entity, touched] : alone.touched()) {
    if (touched.before == nullptr || KindOf(entity.kind).bookkeeping) {
      continue;
    }
    const std::string writer = WriterOf(task, *touched.before, alone);
    if (!writer.empty()) {
      const std::string name = NameOf(alone.header().tenant, entity);
      return Refusal(v1::PLAN_DRIFTED, fmt::format("It takes {} along: {}", name, writer))
          .About(KindOf(entity.kind).singular, name)
          .Next("Plan it again.");
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::set<EntityRef>> LeftOutOf(const OperationTask& task) {
  std::set<EntityRef> left_out;
  for (const std::string& name : task.left_out()) {
    RETRACE_ASSIGN(const ResourceName parsed, ParseName(name, "left_out"));
    if (const Kind* kind = FindKind(parsed.collection)) {
      left_out.insert({kind->number, parsed.id});
    }
  }
  return left_out;
}

bool IsLeftOut(const OperationTarget& target, const std::set<EntityRef>& left_out) {
  return !target.entities.empty() &&
         std::all_of(target.entities.begin(), target.entities.end(),
                     [&left_out](const EntityRef& one) { return left_out.contains(one); });
}

absl::Status CheckLeftOut(const std::set<EntityRef>& left_out, const Draft& alone) {
  for (const auto& [entity, touched] : alone.touched()) {
    if (left_out.contains(entity)) {
      const std::string name = NameOf(alone.header().tenant, entity);
      return Refusal(v1::RELATED_EXIST,
                     fmt::format("It would touch {}, which was taken out.", name))
          .About(KindOf(entity.kind).singular, name)
          .Next("Do it by itself.");
    }
  }
  return absl::OkStatus();
}

// What a plan warns of must have been read before it is done.
absl::Status CheckWarningsRead(const OperationTask& task, const Draft& alone) {
  for (const Draft::Warning& warning : alone.warnings()) {
    const auto& read = task.acknowledged_warnings();
    if (!task.plan_only() && std::find(read.begin(), read.end(), warning.id) == read.end()) {
      return Refusal(v1::ACKNOWLEDGEMENT_REQUIRED,
                     fmt::format("{}: {}", warning.id, warning.sentence))
          .Unmet("WARNING", warning.id, warning.sentence)
          .Next("Start it again with that id in acknowledged_warnings.");
    }
  }
  return absl::OkStatus();
}

std::string WithoutValues(const absl::Status& refusal) {
  switch (ReasonOf(refusal)) {
    case v1::KEY_TAKEN:
      return "Another entity holds one of its unique keys; sent alone, the command names it.";
    case v1::UNDO_CONFLICT:
      return "It was changed since; GetUndoConflicts tells what, by whom and when.";
    case v1::EVIDENCE_REQUIRED:
      return "It changes on evidence only; GetUndoConflicts tells what.";
    default:
      return std::string(refusal.message());
  }
}

OperationItem RefusedItem(const std::string& name, const absl::Status& refusal) {
  OperationItem item = Item(name, OperationItem::REFUSED, WithoutValues(refusal));
  item.set_reason(v1::ErrorReason_Name(ReasonOf(refusal)));
  return item;
}

OperationItem Item(const std::string& name, OperationItem::Result result,
                   std::string_view message) {
  OperationItem item;
  item.set_name(name);
  item.set_result(result);
  item.set_message(WholeUtf8(message, kLongestMessage));
  return item;
}

}  // namespace retrace::domain
