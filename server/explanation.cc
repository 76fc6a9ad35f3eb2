#include "server/explanation.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "domain/decider.h"
#include "domain/fields.h"
#include "domain/kind.h"
#include "domain/lifecycle.h"
#include "domain/refusal.h"
#include "domain/resource.h"
#include "domain/reverted.h"
#include "domain/status_macros.h"
#include "fmt/format.h"
#include "google/protobuf/util/time_util.h"
#include "server/commit_show.h"
#include "server/envelope.h"
#include "server/moment.h"
#include "server/row_view.h"

namespace retrace::server {
namespace {

using domain::EntityRef;
using domain::KindNumber;
using domain::Refusal;
using domain::Row;
using domain::RowPtr;
using eventstore::Position;
using google::protobuf::util::TimeUtil;
using Cause = v1::ExplainResponse::Cause;

constexpr int kMostCauses = 100;
// Versions read in search of them.
constexpr size_t kMostVersions = 1000;
// Fields that a sentence names.
constexpr size_t kFieldsNamed = 5;

// `customers/01h...` of an entity.
std::string ShortName(const EntityRef& entity) {
  return fmt::format("{}/{}", domain::KindOf(entity.kind).collection, entity.id);
}

std::string Who(const Envelope& envelope) {
  return envelope.on_behalf_of.empty()
             ? std::string(envelope.actor)
             : fmt::format("{} for {}", envelope.actor, envelope.on_behalf_of);
}

// `retrace.v1.Customers.DeleteCustomer` as `DeleteCustomer`.
std::string_view ShortMethod(std::string_view method) {
  return method.substr(method.rfind('.') + 1);
}

// Number of the path that says whether an entity is live or binned; see TakenBack.
constexpr uint32_t kLifecycle = 0;

// What one version of the entity did to it, and through which entity.
struct Move {
  std::string text;
  EntityRef through;           // empty id: through none
  uint32_t path = kLifecycle;  // what an undo of it takes back
};

EntityRef RootOf(const EntityRef& entity, const Row& binned) {
  EntityRef root = domain::FromStored(binned.head.deletion().root());
  return root == entity ? EntityRef{} : root;
}

uint32_t ReferenceOf(const EntityRef& entity) {
  return static_cast<uint32_t>(domain::ReferenceField(domain::KindOf(entity.kind)));
}

bool IsDetached(const Row* row) { return row != nullptr && row->head.has_detached(); }

uint32_t NumberOf(const EntityRef& entity, const char* field) {
  const auto* found = domain::KindOf(entity.kind).resource->GetDescriptor()->FindFieldByName(field);
  return found == nullptr ? kLifecycle : static_cast<uint32_t>(found->number());
}

// Of versions that an undo made: whether its creation was taken back, or given back.
Move CreationMove(const Row& before, const Row& after) {
  if (before.head.create_undone() == after.head.create_undone()) return {};
  return {after.head.create_undone() ? "Its creation was taken back, so it counts as absent"
                                     : "It exists again, since the undo of its creation was undone",
          {}};
}

// Empty text: its state is what it was.
Move MoveOf(const EntityRef& entity, const Row* before, const Row& after) {
  if (before == nullptr) return {"It was created", {}};
  if (Move move = CreationMove(*before, after); !move.text.empty()) return move;
  if (after.binned() && !before->binned()) {
    const EntityRef root = RootOf(entity, after);
    if (root.id.empty()) return {"It went to the recycle bin", {}};
    return {fmt::format("It went to the recycle bin with {}, which was deleted", ShortName(root)),
            root};
  }
  if (before->binned() && !after.binned()) {
    const EntityRef root = RootOf(entity, *before);
    if (root.id.empty()) return {"It came back from the recycle bin", {}};
    return {fmt::format("It came back with {}, which had taken it along", ShortName(root)), root};
  }
  if (after.merged() && !before->merged()) {
    const EntityRef into = domain::FromStored(after.head.merged_into());
    return {fmt::format("It was merged into {}", ShortName(into)), into};
  }
  if (before->merged() && !after.merged()) {
    const EntityRef into = domain::FromStored(before->head.merged_into());
    return {fmt::format("It was taken out of {} again", ShortName(into)), into};
  }
  if (IsDetached(&after) && !IsDetached(before)) {
    const EntityRef from = domain::FromStored(after.head.detached().from());
    return {fmt::format("It was kept, without its reference, when {} was deleted", ShortName(from)),
            from, ReferenceOf(entity)};
  }
  if (IsDetached(before) && !IsDetached(&after)) {
    const EntityRef from = domain::FromStored(before->head.detached().from());
    return {fmt::format("It was attached again when {} came back", ShortName(from)), from,
            ReferenceOf(entity)};
  }
  if (domain::StateName(*before) != domain::StateName(after)) {
    return {fmt::format("Its state went from {} to {}", domain::StateName(*before),
                        domain::StateName(after)),
            {},
            NumberOf(entity, "state")};
  }
  return {};
}

// `Its fields were last changed (level, tags)`; empty when nothing differs.
Move FieldsMove(const EntityRef& entity, const std::vector<v1::FieldChange>& changes) {
  if (changes.empty()) return {};
  std::vector<std::string> paths;
  for (const v1::FieldChange& change : changes) {
    if (paths.size() < kFieldsNamed) paths.push_back(change.path());
  }
  const size_t more = changes.size() - paths.size();
  const std::string first = paths.front().substr(0, paths.front().find_first_of(".["));
  return {fmt::format("Its fields were last changed ({}{})", absl::StrJoin(paths, ", "),
                      more == 0 ? "" : fmt::format(" and {} more", more)),
          {},
          NumberOf(entity, first.c_str())};
}

class Explanation {
 public:
  Explanation(Ledger& ledger, const QueryCall& call, EntityRef entity, v1::ExplainResponse& reply)
      : ledger_(ledger), call_(call), entity_(std::move(entity)), reply_(reply) {}

  absl::Status Tell(const std::vector<eventstore::RowVersion>& versions) {
    RETRACE_ASSIGN(RowPtr after, domain::ParseRow(entity_.kind, versions.front().bytes));
    reply_.set_summary(fmt::format("{} is {} at revision {}.", ShortName(entity_),
                                   domain::StateName(*after), after->head.revision()));
    bool fields_told = false;
    const size_t told = std::min(versions.size(), kMostVersions);
    for (size_t i = 0; i < told && reply_.causes_size() < kMostCauses; ++i) {
      if (call_.gone()) return Refusal(v1::CALLER_CANCELLED, "The caller went away.");
      RowPtr before;
      if (i + 1 < versions.size()) {
        RETRACE_ASSIGN(before, domain::ParseRow(entity_.kind, versions[i + 1].bytes));
      }
      Move move = MoveOf(entity_, before.get(), *after);
      if (move.text.empty() && !fields_told) {
        move = FieldsMove(entity_, ChangesOf(*call_.tenant, entity_, before.get(), after.get()));
        fields_told = !move.text.empty();
      }
      if (!move.text.empty()) RETRACE_RETURN_IF_ERROR(AddCause(versions[i].position, move, *after));
      RememberUndone(versions[i].position, before.get(), *after);
      after = std::move(before);
    }
    return absl::OkStatus();
  }

 private:
  absl::Status AddCause(Position position, const Move& move, const Row& after) {
    RETRACE_ASSIGN(const std::string stored, ledger_.ReadStored(*call_.tenant, position));
    Envelope envelope;
    RETRACE_RETURN_IF_ERROR(ReadEnvelope(stored, /*with_events=*/true, envelope));
    Cause& cause = *reply_.add_causes();
    cause.set_position(static_cast<int64_t>(position));
    *cause.mutable_commit_time() = TimeUtil::MicrosecondsToTimestamp(envelope.commit_time_us);
    cause.set_actor(std::string(envelope.actor));
    cause.set_on_behalf_of(std::string(envelope.on_behalf_of));
    cause.set_method(std::string(envelope.method));
    cause.set_reason(std::string(envelope.reason));
    cause.set_change_set(static_cast<int64_t>(envelope.change_set));
    if (!move.through.id.empty()) {
      cause.set_through(domain::NameOf(call_.tenant->id, move.through));
    }
    if (const auto undone = undone_.find({position, move.path}); undone != undone_.end()) {
      cause.set_undone_at(static_cast<int64_t>(undone->second));
    }
    RETRACE_ASSIGN(const std::string set, SetText(envelope));
    cause.set_text(fmt::format(
        "{}: {} by {}{}{}{}{}.", move.text, ShortMethod(envelope.method), Who(envelope), set,
        envelope.reason.empty() ? "" : fmt::format(", because \"{}\"", envelope.reason),
        TookBackText(move, after),
        cause.undone_at() == 0 ? ""
                               : fmt::format("; taken back at position {}", cause.undone_at())));
    return absl::OkStatus();
  }

  // `, which took back what was done at position 4` of an undo.
  static std::string TookBackText(const Move& move, const Row& after) {
    std::set<Position> positions;
    for (const store::v1::TakenBack& taken : after.head.taken_back()) {
      if (taken.field() == move.path) {
        positions.insert(taken.positions().begin(), taken.positions().end());
      }
    }
    if (positions.empty()) return "";
    return fmt::format(", which took back what was done at position{} {}",
                       positions.size() == 1 ? "" : "s", absl::StrJoin(positions, ", "));
  }

  // What this version took back is told further on. What was itself taken back does not count.
  void RememberUndone(Position position, const Row* before, const Row& after) {
    for (const store::v1::TakenBack& taken : after.head.taken_back()) {
      if (undone_.contains({position, taken.field()})) continue;
      for (const Position write : taken.positions()) undone_[{write, taken.field()}] = position;
    }
    if (before == nullptr || undone_.contains({position, kLifecycle})) return;
    if (before->binned() && after.live() && after.head.taken_back().empty()) {
      undone_[{before->head.deletion().position(), kLifecycle}] = position;
    }
  }

  // `, in change set 6 "spring clean"` of a commit that did not stand alone.
  absl::StatusOr<std::string> SetText(const Envelope& envelope) const {
    if (envelope.begins_change_set()) return std::string();
    const RowView view(ledger_.rows(), call_.tenant->number, envelope.position);
    RETRACE_ASSIGN(const RowPtr row,
                   view.Get({KindNumber::kChangeSet, std::to_string(envelope.change_set)}));
    const std::string title = row == nullptr ? "" : row->As<v1::ChangeSet>().title();
    return fmt::format(", in change set {}{}", envelope.change_set,
                       title.empty() ? "" : fmt::format(" \"{}\"", title));
  }

  Ledger& ledger_;
  const QueryCall& call_;
  const EntityRef entity_;
  v1::ExplainResponse& reply_;
  // By position and path of a write: the position at which it was taken back.
  std::map<std::pair<Position, uint32_t>, Position> undone_;
};

}  // namespace

absl::StatusOr<v1::ExplainResponse> ExplainEntity(Ledger& ledger, const QueryCall& call,
                                                  const v1::ExplainRequest& request) {
  RETRACE_ASSIGN(EntityRef entity, ParseReadableEntity(call, request.name(), "name"));
  RETRACE_ASSIGN(Moment moment, ResolveAsOf(ledger, *call.tenant, request.as_of()));
  RETRACE_ASSIGN(
      const std::vector<eventstore::RowVersion> versions,
      ledger.rows().Versions(call.tenant->number, static_cast<eventstore::KindNumber>(entity.kind),
                             entity.id, moment.position, kMostVersions + 1));
  if (versions.empty()) {
    return Refusal(v1::ENTITY_NOT_FOUND,
                   fmt::format("There is no `{}`, or you may not see it.", request.name()))
        .About(domain::KindOf(entity.kind).singular, request.name())
        .Next("Check the name; with as_of it may have been created later.");
  }
  RETRACE_ASSIGN(const RowPtr newest, domain::ParseRow(entity.kind, versions.front().bytes));
  if (newest->purged()) return domain::WasPurged(entity, *newest, call.tenant->id);
  v1::ExplainResponse reply;
  *reply.mutable_answered() = std::move(moment.answered);
  RETRACE_RETURN_IF_ERROR(Explanation(ledger, call, std::move(entity), reply).Tell(versions));
  return reply;
}

}  // namespace retrace::server
