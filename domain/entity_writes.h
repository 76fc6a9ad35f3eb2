// What the commits of one entity's history wrote, path by path, read from the versions of its row.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <set>
#include <utility>
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

  // True when one of the commits lies in the past that a purge of another entity removed.
  bool LacksOneOf(const std::set<Position, std::greater<>>& positions) const;

 private:
  std::vector<Write> writes_;
  Position past_removed_ = 0;  // nothing is known up to here
};

// What stands of an entity's writes, on a walk through them from the newest on: what takes back is
// met before what it takes back. So a history costs what it is long, not its square. Lives for one
// command; the writes must outlive it.
class StandingWrites {
 public:
  explicit StandingWrites(const google::protobuf::Descriptor& type) : type_(type) {}

  // How a write of a path is seen from now.
  struct Standing {
    // No standing undo took it back.
    bool stands = false;
    // The newest later write of the path that stands and that an undo of this one would lose; null:
    // the path is clean.
    const Write* blocker = nullptr;
  };
  // Of the write that is passed next.
  Standing Of(const Write& write, const MergePath& path);
  // The newest ordinary write by another change set that stands, and its first path that does; null
  // when there is none.
  const Write* NewestOfOthers(Position change_set, MergePath& path) const;
  // To the next older one. What the command takes back of this one does not stand.
  void Pass(const Write& write, const TakenWrites& taken);

 private:
  // Later writes that stand, of one path or of all paths of a field.
  struct Later {
    const Write* plain = nullptr;  // the newest
    // Undos, newest first, with the oldest write that each takes back.
    std::deque<std::pair<const Write*, Position>> undos;
  };
  // The newest of those that an undo of `write` would lose; null: none.
  const Write* BlockerAmong(Later& later, const Write& write, bool adds) const;

  const google::protobuf::Descriptor& type_;
  TakenWrites gone_;  // taken back by writes that stand
  std::map<MergePath, Later> of_path_;
  std::map<int, Later> of_field_;
  std::vector<std::pair<const Write*, const MergePath*>> ordinary_;  // that stand, newest first
};

}  // namespace retrace::domain
