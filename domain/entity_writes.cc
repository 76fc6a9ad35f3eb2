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

const Write* EntityWrites::At(Position position) const {
  for (const Write& write : writes_) {
    if (write.position == position) {
      return &write;
    }
  }
  return nullptr;
}

EntityWrites::Standing EntityWrites::StandingOf(const Write& write, const MergePath& path,
                                                const TakenWrites& taken) const {
  Standing standing;
  // Numbers that are added to: each write stands for itself; only undos hang together.
  const bool adds = IsDelta(path, *write.after->resource->GetDescriptor());
  // From the newest on, so that what takes back is known before what it takes back.
  TakenWrites gone;
  for (const auto& [other, positions] : taken) {
    if (Overlap(path, other)) {
      gone.emplace(other, positions);
    }
  }
  for (const Write& later : writes_) {
    if (later.position <= write.position) {
      break;
    }
    for (const auto& [other, takes_back] : later.paths) {
      if (!Overlap(path, other)) {
        continue;
      }
      std::set<Position>& gone_there = gone[other];
      if (gone_there.contains(later.position)) {
        continue;
      }
      gone_there.insert(takes_back.begin(), takes_back.end());
      const bool plain = takes_back.empty();
      const bool apart = adds && (plain || !write.undoes());
      const bool clean = apart || (!plain && *takes_back.begin() >= write.position);
      if (!clean && standing.blocker == nullptr) {
        standing.blocker = &later;
      }
    }
  }
  standing.stands = !gone[path].contains(write.position);
  return standing;
}

}  // namespace retrace::domain
