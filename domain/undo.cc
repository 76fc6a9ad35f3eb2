#include "domain/undo.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "domain/batch.h"
#include "domain/commands.h"
#include "domain/decider.h"
#include "domain/entity_undo.h"
#include "domain/entity_writes.h"
#include "domain/lifecycle.h"
#include "domain/resource.h"
#include "fmt/format.h"
#include "google/protobuf/util/json_util.h"
#include "google/protobuf/util/message_differencer.h"
#include "google/protobuf/util/time_util.h"

namespace retrace::domain {
namespace {

using store::v1::ResolvedUndo;
using store::v1::UndoneCommit;
using v1::UndoConflict;

// The most versions of rows that one undo reads.
constexpr int kMostVersions = 20'000;
constexpr size_t kMostUnmet = 10;

// Of each entity the commits that are to be taken back, newest first.
using Addressed = std::map<EntityRef, std::set<Position, std::greater<>>>;

absl::StatusOr<std::set<EntityRef>> ChosenEntities(const v1::UndoRequest& request,
                                                   const std::string& tenant) {
  std::set<EntityRef> chosen;
  for (int i = 0; i < request.entities_size(); ++i) {
    const std::string field = fmt::format("entities[{}]", i);
    RETRACE_ASSIGN(ResourceName parsed, ParseName(request.entities(i), field));
    const Kind* kind = FindKind(parsed.collection);
    if (kind == nullptr || kind->derived || parsed.tenant != tenant) {
      return Refusal(v1::INVALID_FIELD, field + " names no entity of the tenant.")
          .Field(field, fmt::format("Give a name like `tenants/{}/customers/4hj2`.", tenant));
    }
    chosen.insert({kind->number, std::move(parsed.id)});
  }
  return chosen;
}

absl::StatusOr<Addressed> AddressedBy(const ResolvedUndo& undo, const std::string& tenant) {
  RETRACE_ASSIGN(const std::set<EntityRef> chosen, ChosenEntities(undo.request(), tenant));
  Addressed addressed;
  for (const UndoneCommit& commit : undo.commits()) {
    for (const store::v1::EntityRef& stored : commit.entities()) {
      EntityRef entity = FromStored(stored);
      if (!KindOf(entity.kind).bookkeeping && (chosen.empty() || chosen.contains(entity))) {
        addressed[std::move(entity)].insert(commit.position());
      }
    }
  }
  for (const EntityRef& entity : chosen) {
    if (!addressed.contains(entity)) {
      return Refusal(v1::INVALID_FIELD, fmt::format("{} was not changed by what is to be undone.",
                                                    NameOf(tenant, entity)))
          .Field("entities", "Name entities that it changed, or none for all.");
    }
  }
  if (addressed.size() > kMostEntities) {
    return TooManyToUndo();
  }
  return addressed;
}

// What an undo comes to, before it is written.
struct Undoing {
  std::vector<std::pair<EntityRef, std::shared_ptr<const store::v1::Reverted>>> events;
  std::vector<UndoConflict> conflicts;
  int purged = 0;
  int past_removed = 0;
  bool met_undone = false;
};

absl::StatusOr<Undoing> TakeAllBack(const ResolvedUndo& undo, v1::UndoMode mode, const View& view,
                                    const std::string& tenant, Position position) {
  RETRACE_ASSIGN(const Addressed addressed, AddressedBy(undo, tenant));
  Undoing undoing;
  int versions_left = kMostVersions;
  for (const auto& [entity, positions] : addressed) {
    RETRACE_ASSIGN(const EntityWrites writes,
                   EntityWrites::Read(entity, *positions.rbegin(), view, versions_left));
    const bool lacks_past = writes.LacksOneOf(positions);
    undoing.past_removed += lacks_past ? 1 : 0;
    if (writes.all().empty()) {
      undoing.purged += lacks_past ? 0 : 1;
      continue;
    }
    EntityUndo one(entity, NameOf(tenant, entity), writes, mode, position);
    for (const Write& write : writes.all()) {
      if (positions.contains(write.position)) {
        one.Take(write);
      } else {
        one.Leave(write);
      }
    }
    for (UndoConflict& conflict : one.conflicts()) {
      undoing.conflicts.push_back(std::move(conflict));
    }
    undoing.met_undone |= one.met_undone();
    if (auto event = one.Event()) {
      undoing.events.emplace_back(entity, std::move(event));
    }
  }
  return undoing;
}

absl::Status NeedsUndoAny(std::string_view why) {
  return Refusal(v1::PERMISSION_MISSING, std::string(why))
      .With("permission", kUndoAny)
      .Next("Ask an administrator to do it.");
}

absl::Status CheckMayForce(const v1::UndoRequest& request, const Context& context) {
  if (request.mode() != v1::FORCE && request.filter().empty()) {
    return absl::OkStatus();
  }
  if (!context.may(kUndoAny)) {
    return request.mode() == v1::FORCE ? NeedsUndoAny("FORCE overwrites what others did since.")
                                       : UndoByFilterIsForAdministrators();
  }
  if (request.mode() == v1::FORCE && context.header.reason.empty()) {
    return Refusal(v1::INVALID_FIELD, "FORCE needs a reason.")
        .Field("options.reason", "Say why what was changed since may be overwritten.");
  }
  return absl::OkStatus();
}

absl::Status CheckMayUndo(const ResolvedUndo& undo, const Context& context) {
  RETRACE_RETURN_IF_ERROR(CheckMayForce(undo.request(), context));
  for (const UndoneCommit& commit : undo.commits()) {
    // Asked for where it is needed only: who approves this for somebody has to hold what it took.
    const bool own = commit.actor() == context.header.actor;
    const bool old = context.header.time_us - commit.time_us() > kAgentUndoUs;
    if ((own && !old) || context.may(kUndoAny)) {
      continue;
    }
    if (!own) {
      return Refusal(v1::NOT_YOUR_CHANGE_SET,
                     fmt::format("Commit {} was made by {}.", commit.position(), commit.actor()))
          .With("actor", commit.actor())
          .With("permission", kUndoAny)
          .Next(fmt::format("Ask {} or an administrator to undo it.", commit.actor()));
    }
    if (!context.may(kUndoOld)) {
      return Refusal(v1::NOT_YOUR_CHANGE_SET,
                     fmt::format("Commit {} was made more than 24 hours ago.", commit.position()))
          .With("permission", kUndoOld)
          .Next("Ask an administrator to undo it.");
    }
  }
  return absl::OkStatus();
}

// Of a member of a set or list it counts whether it is there.
std::string ShowValue(const google::protobuf::Value& value, const std::string& member) {
  if (value.kind_case() == google::protobuf::Value::KIND_NOT_SET) {
    return member.empty() ? "nothing" : "not there";
  }
  constexpr size_t kLongest = 60;
  std::string json;
  const bool is_short =
      google::protobuf::util::MessageToJsonString(value, &json).ok() && json.size() <= kLongest;
  if (!member.empty() && (!is_short || value.string_value() == member)) {
    return "there";
  }
  return is_short ? json : "a long value";
}

std::string ShowNowAndWas(const UndoConflict& conflict) {
  const std::string now = ShowValue(conflict.now(), conflict.member());
  const std::string was = ShowValue(conflict.was(), conflict.member());
  if (now != was) {
    return fmt::format("Is {}, was {}", now, was);
  }
  // Changed since, and changed back.
  const bool same =
      google::protobuf::util::MessageDifferencer::Equals(conflict.now(), conflict.was());
  return fmt::format("Is {}, {}", now, same ? "as it was before" : "but not as it was before");
}

std::string Describe(const UndoConflict& conflict) {
  switch (conflict.cause()) {
    case UndoConflict::IN_BIN:
      return fmt::format("It is in the recycle bin since {} at {}.", conflict.actor(),
                         google::protobuf::util::TimeUtil::ToString(conflict.change_time()));
    case UndoConflict::MERGED_AWAY:
      return fmt::format("It was merged into another one by {} at {}.", conflict.actor(),
                         google::protobuf::util::TimeUtil::ToString(conflict.change_time()));
    case UndoConflict::NEEDS_EVIDENCE:
      return "It changes on evidence only.";
    case UndoConflict::IRREVERSIBLE:
      return "It cannot be taken back.";
    default:
      return fmt::format("{}; changed by {} at {} in change set {}.", ShowNowAndWas(conflict),
                         conflict.actor(),
                         google::protobuf::util::TimeUtil::ToString(conflict.change_time()),
                         conflict.change_set());
  }
}

absl::Status Conflicting(const std::vector<UndoConflict>& conflicts, v1::UndoMode mode) {
  const bool evidence = std::any_of(conflicts.begin(), conflicts.end(), [](const auto& conflict) {
    return conflict.cause() == UndoConflict::NEEDS_EVIDENCE;
  });
  const UndoConflict& first = conflicts.front();
  Refusal refusal(
      evidence ? v1::EVIDENCE_REQUIRED : v1::UNDO_CONFLICT,
      fmt::format("{} in the way, first {} {}: {}",
                  conflicts.size() == 1 ? "One change stands"
                                        : fmt::format("{} changes stand", conflicts.size()),
                  first.entity(), first.path(), Describe(first)));
  std::move(refusal).With("conflicts", fmt::format("{}", conflicts.size()));
  for (size_t i = 0; i < conflicts.size() && i < kMostUnmet; ++i) {
    std::move(refusal).Unmet(UndoConflict::Cause_Name(conflicts[i].cause()),
                             conflicts[i].entity() + " " + conflicts[i].path(),
                             Describe(conflicts[i]));
  }
  return std::move(refusal).Next(
      mode == v1::FORCE
          ? "FORCE does not change what is in the recycle bin or needs evidence: restore it first, "
            "or undo the rest with PARTIAL."
          : "GetUndoConflicts lists them. Undo the later changes first, or use PARTIAL, which "
            "leaves them.");
}

// No live entity is attached to what is live no more: an undo takes nothing along.
absl::Status CheckNothingAttached(const EntityRef& entity, const Draft& draft) {
  const std::string name = NameOf(draft.header().tenant, entity);
  for (const Kind& kind : Kinds()) {
    if (kind.reference.field.empty() || kind.reference.to != entity.kind) {
      continue;
    }
    constexpr size_t kLook = 256;
    for (size_t limit = kLook;; limit *= 4) {
      const IndexRange range{kind.number, kind.reference.index, name, name + '\0'};
      RETRACE_ASSIGN(const auto hits, draft.Find(range, limit));
      for (const IndexHit& hit : hits) {
        if (hit.mark == Mark::kLive) {
          const std::string attached = NameOf(draft.header().tenant, {kind.number, hit.id});
          return Refusal(v1::RELATED_EXIST,
                         fmt::format("{} would no longer be live, but {} was attached to it since.",
                                     name, attached))
              .Unmet("RELATED", attached, fmt::format("Its {} is {}.", kind.reference.field, name))
              .Next("Move or delete what is attached first, or delete it with a choice.");
        }
      }
      if (hits.size() < limit) {
        break;
      }
    }
  }
  return absl::OkStatus();
}

absl::Status EmitAll(Undoing& undoing, Draft& draft) {
  for (auto& [entity, event] : undoing.events) {
    draft.Target(entity);
    RETRACE_RETURN_IF_ERROR(draft.Emit(entity, std::move(event)));
  }
  for (const auto& [entity, touched] : draft.touched()) {
    if (!touched.after->live() && touched.before->live()) {
      RETRACE_RETURN_IF_ERROR(CheckNothingAttached(entity, draft));
    }
  }
  return absl::OkStatus();
}

void NoteDone(const ResolvedUndo& undo, const Undoing& undoing, v1::UndoMode mode, Draft& draft) {
  std::set<Position> change_sets;
  for (const UndoneCommit& commit : undo.commits()) {
    change_sets.insert(commit.change_set());
  }
  if (change_sets.size() == 1) {
    draft.Undoes(*change_sets.begin());
  }
  if (undoing.events.empty()) {
    draft.Note("There was nothing to take back.");
  }
  if (mode == v1::PARTIAL && !undoing.conflicts.empty()) {
    draft.Note(fmt::format("{} left as changed since; GetUndoConflicts lists {}.",
                           undoing.conflicts.size() == 1
                               ? "One value was"
                               : fmt::format("{} values were", undoing.conflicts.size()),
                           undoing.conflicts.size() == 1 ? "it" : "them"));
  }
  if (undoing.purged > 0) {
    draft.Note(fmt::format(
        "{} purged since and left out.",
        undoing.purged == 1 ? "One entity was" : fmt::format("{} entities were", undoing.purged)));
  }
  if (undoing.past_removed > 0) {
    draft.Note(fmt::format("{} lost the past that was to be undone to a purge since.",
                           undoing.past_removed == 1
                               ? "One entity"
                               : fmt::format("{} entities", undoing.past_removed)));
  }
}

}  // namespace

absl::Status UndoByFilterIsForAdministrators() {
  return NeedsUndoAny("An undo by filter takes back what others did.");
}

absl::Status TooManyToUndo() {
  return Refusal(v1::USE_OPERATION,
                 fmt::format("This would touch more than the {} entities of one commit.",
                             kMostEntities))
      .With("limit", fmt::format("{}", kMostEntities))
      .Next(
          "Start an operation with the same request (Operations.StartOperation, `retrace undo ... "
          "--operation`), or undo a part of them: name commits, or entities.");
}

absl::Status Decide(const ResolvedUndo& undo, Draft& draft, const Context& context) {
  const v1::UndoRequest& request = undo.request();
  RETRACE_RETURN_IF_ERROR(CheckParent(request.parent(), context));
  if (!request.options().etag().empty()) {
    return Refusal(v1::INVALID_FIELD, "options.etag cannot fit an undo.")
        .Field("options.etag", "Leave it empty.");
  }
  RETRACE_RETURN_IF_ERROR(CheckMayUndo(undo, context));
  const v1::UndoMode mode =
      request.mode() == v1::UNDO_MODE_UNSPECIFIED ? v1::STRICT : request.mode();
  RETRACE_ASSIGN(Undoing undoing,
                 TakeAllBack(undo, mode, draft, context.header.tenant, context.header.position));
  if (!undoing.conflicts.empty() && mode != v1::PARTIAL) {
    return Conflicting(undoing.conflicts, mode);
  }
  if (undoing.events.empty() && undoing.conflicts.empty() && undoing.met_undone) {
    return Refusal(v1::ALREADY_UNDONE, "All of this was undone before.")
        .Next("To have it back, undo the undo.");
  }
  NoteDone(undo, undoing, mode, draft);
  return EmitAll(undoing, draft);
}

absl::StatusOr<std::vector<UndoConflict>> FindUndoConflicts(const ResolvedUndo& undo,
                                                            const View& view,
                                                            const std::string& tenant) {
  RETRACE_ASSIGN(Undoing undoing, TakeAllBack(undo, v1::STRICT, view, tenant, kLatest));
  return std::move(undoing.conflicts);
}

}  // namespace retrace::domain
