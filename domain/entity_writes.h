// What the commits of one entity's history wrote, path by path, read from the versions of its row.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <vector>

#include "absl/status/statusor.h"
#include "domain/entity.h"
#include "domain/kind.h"
#include "domain/merge_path.h"
#include "domain/view.h"

namespace retrace::domain {

// What one commit wrote.
struct Write {
  Position position = 0;
  RowPtr before;  // null: the entity was created
  RowPtr after;
  // Each path with the positions whose writes it takes back; none for a plain write.
  std::map<MergePath, std::set<Position>> paths;

  bool creates() const { return before == nullptr; }
  // Made by an undo.
  bool undoes() const { return after->undone(); }
  Position change_set() const { return after->head.change_set(); }
};

// Of each path the positions whose writes are taken back.
using TakenWrites = std::map<MergePath, std::set<Position>>;

// The path of the lifecycle: created, deleted, restored.
inline const MergePath kLifecyclePath{};

// Immutable once read.
class EntityWrites {
 public:
  // Reads from now back to the commit at `oldest`. `versions_left` falls by the versions read;
  // reading stops with USE_OPERATION when it would fall below 0. Without a row, or when it was
  // purged, there are no writes.
  static absl::StatusOr<EntityWrites> Read(const EntityRef& entity, Position oldest,
                                           const View& view, int& versions_left);

  // Newest first.
  const std::vector<Write>& all() const { return writes_; }
  // Null when the commit wrote nothing.
  const Write* At(Position position) const;

  // True when one of the commits lies in the past that a purge of another entity removed.
  bool LacksOneOf(const std::set<Position, std::greater<>>& positions) const;

  // How a write of a path is seen from now, if an undo takes `taken` back first.
  struct Standing {
    // No standing undo took it back.
    bool stands = false;
    // The newest later write of the path that stands and that an undo of this one would lose; null:
    // the path is clean.
    const Write* blocker = nullptr;
  };
  Standing StandingOf(const Write& write, const MergePath& path, const TakenWrites& taken) const;

 private:
  std::vector<Write> writes_;
  Position past_removed_ = 0;  // nothing is known up to here
};

}  // namespace retrace::domain
