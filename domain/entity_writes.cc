#include "domain/entity_writes.h"

#include <optional>
#include <string>
#include <utility>

#include "domain/projection.h"
#include "domain/refusal.h"
#include "domain/reverted.h"
#include "domain/status_macros.h"

namespace retrace::domain {
namespace {

bool SameLifecycle(const store::v1::RowHead& a, const store::v1::RowHead& b) {
  return a.lifecycle() == b.lifecycle() && a.create_undone() == b.create_undone();
}

// The paths that an ordinary command wrote.
std::vector<MergePath> PlainPaths(const Kind& kind, const Row* before, const Row& after) {
  if (before == nullptr && !kind.permanent) {
    return {kLifecyclePath};
  }
  const google::protobuf::Message& was = before == nullptr ? *kind.resource : *before->resource;
  std::vector<MergePath> paths = ChangedPaths(was, *after.resource);
  if (before == nullptr) {
    return paths;
  }
  if (!SameLifecycle(before->head, after.head)) {
    paths.push_back(kLifecyclePath);
  }
  const bool recut =
      before->head.detached().SerializeAsString() != after.head.detached().SerializeAsString();
  if (const int reference = ReferenceField(kind); reference != 0 && recut) {
    paths.push_back({reference, std::nullopt});
  }
  return paths;
}

Write MakeWrite(const Kind& kind, RowPtr before, RowPtr after) {
  Write write{.position = after->head.update_position(), .before = std::move(before)};
  write.after = std::move(after);
  if (!write.undoes()) {
    for (MergePath& path : PlainPaths(kind, write.before.get(), *write.after)) {
      write.paths.try_emplace(std::move(path));
    }
    return write;
  }
  for (const store::v1::TakenBack& taken : write.after->head.taken_back()) {
    MergePath path{static_cast<int>(taken.field()), std::nullopt};
    if (taken.has_member()) {
      path.member = taken.member();
    }
    write.paths[std::move(path)].insert(taken.positions().begin(), taken.positions().end());
  }
  return write;
}

bool Exists(const RowPtr& row) { return row != nullptr && row->kept(); }

}  // namespace

bool EntityWrites::LacksOneOf(const std::set<Position, std::greater<>>& positions) const {
  return *positions.rbegin() <= past_removed_;
}

absl::StatusOr<EntityWrites> EntityWrites::Read(const EntityRef& entity, Position oldest,
                                                const View& view, int& versions_left) {
  EntityWrites writes;
  const Kind& kind = KindOf(entity.kind);
  RETRACE_ASSIGN(RowPtr after, view.Get(entity));
  if (Exists(after)) {
    writes.past_removed_ = after->head.past_removed();
  }
  while (Exists(after) && after->head.update_position() >= oldest) {
    if (--versions_left < 0) {
      return Refusal(v1::USE_OPERATION,
                     "Too much happened to these entities since for one command to look through.")
          .Next("Undo fewer entities at once.");
    }
    if (after->head.update_position() == writes.past_removed_) {
      break;  // what was before is gone, and so is what this wrote
    }
    RETRACE_ASSIGN(RowPtr before, VersionBefore(entity, *after, view));
    RowPtr next = before;
    writes.writes_.push_back(MakeWrite(kind, std::move(before), std::move(after)));
    after = std::move(next);
  }
  return writes;
}

StandingWrites::Standing StandingWrites::Of(const Write& write, const MergePath& path) {
  // Numbers that are added to: each write stands for itself; only undos hang together.
  const bool adds = IsDelta(path, type_);
  Standing standing;
  const auto gone = gone_.find(path);
  standing.stands = gone == gone_.end() || !gone->second.contains(write.position);
  const auto look = [&](auto& places, const auto& place) {
    const auto found = places.find(place);
    const Write* blocker =
        found == places.end() ? nullptr : BlockerAmong(found->second, write, adds);
    if (blocker != nullptr &&
        (standing.blocker == nullptr || standing.blocker->position < blocker->position)) {
      standing.blocker = blocker;
    }
  };
  if (!path.member) {
    look(of_field_, path.field);
  } else {
    look(of_path_, path);
    look(of_path_, MergePath{path.field, std::nullopt});
  }
  return standing;
}

const Write* StandingWrites::BlockerAmong(Later& later, const Write& write, bool adds) const {
  if (adds && !write.undoes()) {
    return nullptr;
  }
  const Write* plain = adds ? nullptr : later.plain;
  // What takes back this write or later ones is in nobody's way, nor in that of older writes.
  while (!later.undos.empty() && later.undos.front().second >= write.position) {
    later.undos.pop_front();
  }
  const Write* undo = later.undos.empty() ? nullptr : later.undos.front().first;
  if (plain == nullptr || undo == nullptr) {
    return plain == nullptr ? undo : plain;
  }
  return plain->position > undo->position ? plain : undo;
}

const Write* StandingWrites::NewestOfOthers(Position change_set, MergePath& path) const {
  for (const auto& [write, standing] : ordinary_) {
    if (write->change_set() != change_set) {
      path = *standing;
      return write;
    }
  }
  return nullptr;
}

void StandingWrites::Pass(const Write& write, const TakenWrites& taken) {
  const MergePath* first = nullptr;
  for (const auto& [path, takes_back] : write.paths) {
    std::set<Position>& gone = gone_[path];
    const auto found = taken.find(path);
    if (gone.contains(write.position) ||
        (found != taken.end() && found->second.contains(write.position))) {
      continue;
    }
    gone.insert(takes_back.begin(), takes_back.end());
    first = first == nullptr ? &path : first;
    for (Later* later : {&of_path_[path], &of_field_[path.field]}) {
      if (!takes_back.empty()) {
        later->undos.emplace_back(&write, *takes_back.begin());
      } else if (later->plain == nullptr) {
        later->plain = &write;
      }
    }
  }
  if (first != nullptr && !write.undoes()) {
    ordinary_.emplace_back(&write, first);
  }
}

}  // namespace retrace::domain
