// What undo means for announced plans that were executed.
#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include "domain/announcement.h"
#include "domain/change_set.h"
#include "domain/index_values.h"
#include "domain/operation_row.h"
#include "domain/resource.h"
#include "domain/status_macros.h"
#include "fmt/format.h"
#include "retrace/store/v1/entities.pb.h"

namespace retrace::domain {
namespace {

using store::v1::AnnouncementRow;
using store::v1::Reverted;

// The announcements that have one of these numbers in an index.
absl::StatusOr<std::vector<IndexHit>> InIndex(uint8_t index, Position from, Position to,
                                              const View& view) {
  return view.Find({KindNumber::kAnnouncement, index, EncodeNumber(static_cast<int64_t>(from)),
                    EncodeNumber(static_cast<int64_t>(to))},
                   1);
}

std::set<Position> TakenBackBy(const Reverted& reverted) {
  std::set<Position> positions(reverted.lifecycle().takes_back().begin(),
                               reverted.lifecycle().takes_back().end());
  for (const auto* paths : {&reverted.paths(), &reverted.personal_paths()}) {
    for (const Reverted::Path& path : *paths) {
      positions.insert(path.takes_back().begin(), path.takes_back().end());
    }
  }
  return positions;
}

bool WasRestored(const Draft::Touched& touched) {
  return touched.before != nullptr &&
         touched.before->head.lifecycle() == store::v1::RowHead::BINNED && touched.after->live();
}

// The change set that wrote the entity at that position; nothing when none did.
absl::StatusOr<std::optional<Position>> WrittenBy(const EntityRef& entity, Position position,
                                                  const View& view) {
  RETRACE_ASSIGN(const RowPtr then, view.GetAt(entity, position));
  return then != nullptr && then->head.update_position() == position
             ? std::optional<Position>(then->head.change_set())
             : std::nullopt;
}

// What is restored from the bin takes back the change set that put it there.
absl::StatusOr<Position> BinnedBy(const EntityRef& entity, const Row& binned, const View& view) {
  RETRACE_ASSIGN(const std::optional<Position> by,
                 WrittenBy(entity, binned.head.deletion().position(), view));
  // A deletion in several commits is known by its first; this one came later.
  return by.value_or(binned.head.change_set());
}

// The change sets of which the draft takes something back, with how many entities of each.
absl::StatusOr<std::map<Position, int64_t>> TakenBack(const Draft& draft) {
  std::map<EntityRef, std::set<Position>> change_sets;
  for (const DraftEvent& one : draft.events()) {
    if (one.event->GetDescriptor() != Reverted::descriptor()) {
      continue;
    }
    for (const Position position : TakenBackBy(static_cast<const Reverted&>(*one.event))) {
      RETRACE_ASSIGN(const std::optional<Position> by,
                     WrittenBy(one.entity, position, draft.base()));
      if (by.has_value()) {
        change_sets[one.entity].insert(*by);
      }
    }
  }
  for (const auto& [entity, touched] : draft.touched()) {
    if (WasRestored(touched) && !change_sets.contains(entity)) {
      RETRACE_ASSIGN(const Position by, BinnedBy(entity, *touched.before, draft.base()));
      change_sets[entity].insert(by);
    }
  }
  std::map<Position, int64_t> taken_back;
  for (const auto& [entity, taken] : change_sets) {
    for (const Position change_set : taken) {
      ++taken_back[change_set];
    }
  }
  return taken_back;
}

// Whether it may take something back; cheap, since it is asked of every command.
bool TakesBack(const Draft& draft) {
  return std::any_of(draft.events().begin(), draft.events().end(),
                     [](const DraftEvent& one) {
                       return one.event->GetDescriptor() == Reverted::descriptor();
                     }) ||
         std::any_of(draft.touched().begin(), draft.touched().end(),
                     [](const auto& touched) { return WasRestored(touched.second); });
}

// The operation that undoes, when one does.
const EntityRef* OperationIn(const Draft& draft) {
  const auto found = std::find_if(
      draft.touched().begin(), draft.touched().end(),
      [](const auto& touched) { return touched.first.kind == KindNumber::kOperation; });
  return found == draft.touched().end() ? nullptr : &found->first;
}

absl::StatusOr<int64_t> EntitiesOf(const AnnouncementRow& row, const View& view) {
  if (row.operation().empty()) {
    return row.planned().plan().entity_count();
  }
  RETRACE_ASSIGN(const RowPtr operation, view.Get({KindNumber::kOperation, row.operation()}));
  return operation == nullptr ? 0 : operation->As<store::v1::OperationRow>().entities();
}

// What tells how far it is undone where that is not known yet: an operation tells at its first
// commit, and a change set that is open may take back more. Empty: it is known.
absl::StatusOr<std::string> WhatTells(const Draft& draft) {
  if (const EntityRef* operation = OperationIn(draft)) {
    RETRACE_ASSIGN(const RowPtr row, draft.Get(*operation));
    return IsWhole(row->As<store::v1::OperationRow>().task())
               ? std::string()
               : NameOf(draft.header().tenant, *operation);
  }
  const EntityRef change_set{KindNumber::kChangeSet, fmt::format("{}", draft.header().change_set)};
  RETRACE_ASSIGN(const RowPtr row, draft.Get(change_set));
  return row != nullptr && IsOpenAt(*row, draft.header().time_us)
             ? NameOf(draft.header().tenant, change_set)
             : std::string();
}

// What an undo, or the undo of one, comes to in words.
absl::StatusOr<std::string> TextOf(const AnnouncementRow& after, int64_t entities, bool redone,
                                   const Draft& draft) {
  const std::string whole = redone ? "Its undo was undone: it stands." : "";
  RETRACE_ASSIGN(const std::string teller, WhatTells(draft));
  if (!teller.empty()) {
    return fmt::format("`{}` tells what it leaves as it is.", teller);
  }
  if (OperationIn(draft) != nullptr) {
    return whole;
  }
  if (redone) {
    return after.undos().empty()
               ? whole
               : fmt::format("{} of the entities that were taken back stand again.", entities);
  }
  int64_t undone = 0;
  for (const store::v1::AnnouncementUndo& undo : after.undos()) {
    undone += undo.entities();
  }
  RETRACE_ASSIGN(const int64_t all, EntitiesOf(after, draft));
  return undone >= all ? whole : fmt::format("{} of {} entities were taken back.", undone, all);
}

// Records that entities of it were taken back by the undo, or stand again, and tells it.
absl::Status Note(const std::string& announcement, Position undo, int64_t entities, bool redone,
                  Draft& draft, const Context& context) {
  Found found{{KindNumber::kAnnouncement, announcement}, nullptr};
  auto undone = std::make_shared<store::v1::AnnouncementUndone>();
  undone->set_by(undo);
  undone->set_entities(entities);
  undone->set_redone(redone);
  RETRACE_RETURN_IF_ERROR(draft.Emit(found.entity, std::move(undone)));
  RETRACE_ASSIGN(found.row, draft.Get(found.entity));
  RETRACE_ASSIGN(std::string text,
                 TextOf(found.row->As<AnnouncementRow>(), entities, redone, draft));
  return TellEverybody(found, redone ? "plans.executed" : "plans.undone", std::move(text), draft,
                       context);
}

}  // namespace

absl::Status NoteUndone(Draft& draft, const Context& context) {
  if (!TakesBack(draft)) {
    return absl::OkStatus();
  }
  // Where nothing announced was executed, no past is read.
  RETRACE_ASSIGN(const auto executed,
                 InIndex(kAnnouncedChangeSetIndex, 1, draft.header().position, draft));
  if (executed.empty()) {
    return absl::OkStatus();
  }
  RETRACE_ASSIGN(const auto taken_back, TakenBack(draft));
  for (const auto& [change_set, entities] : taken_back) {
    // An operation that takes back what it could not end has not been executed.
    if (change_set == draft.header().change_set) {
      continue;
    }
    RETRACE_ASSIGN(const auto done,
                   InIndex(kAnnouncedChangeSetIndex, change_set, change_set + 1, draft));
    RETRACE_ASSIGN(const auto undone,
                   InIndex(kAnnouncedUndoIndex, change_set, change_set + 1, draft));
    if (!done.empty()) {
      RETRACE_RETURN_IF_ERROR(Note(done.front().id, draft.header().change_set, entities,
                                   /*redone=*/false, draft, context));
    } else if (!undone.empty()) {
      RETRACE_RETURN_IF_ERROR(
          Note(undone.front().id, change_set, entities, /*redone=*/true, draft, context));
    }
  }
  return absl::OkStatus();
}

}  // namespace retrace::domain
