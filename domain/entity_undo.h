// Taking writes of one entity back: newest first, path by path, where the path is clean.
//
// A write stands unless a standing undo takes it back. A path is clean for a commit if no later
// plain write of it stands, and every standing take-back of it made after the commit takes back
// the commit itself or a later write. Anything else is a conflict.
#pragma once

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "domain/entity_writes.h"
#include "retrace/store/v1/entities.pb.h"
#include "retrace/v1/history.pb.h"

namespace retrace::domain {

// Lives for one command. `writes` must outlive it.
class EntityUndo {
 public:
  // `name` is the entity's, for conflicts; `position` that of the commit that is being decided.
  EntityUndo(const EntityRef& entity, std::string name, const EntityWrites& writes,
             v1::UndoMode mode, Position position);

  // Told all writes, newest first: takes back what that one did, or leaves it as it is.
  void Take(const Write& write);
  void Leave(const Write& write);

  // By path. With FORCE, only what FORCE cannot overwrite.
  std::vector<v1::UndoConflict> conflicts() const;
  // Some path was taken back before and is left alone.
  bool met_undone() const { return met_undone_; }
  // Null when there is nothing to take back.
  std::shared_ptr<const store::v1::Reverted> Event() const;

 private:
  void TakeBackWhatIsClean(const Write& write);
  void TakeLifecycle(const Write& write);
  void TakePath(const Write& write, const MergePath& path);
  const google::protobuf::Message& Before(const Write& write) const;
  void Conflict(const MergePath& path, v1::UndoConflict::Cause cause, const Write& blocker,
                const Write& write);

  const Kind& kind_;
  const EntityRef entity_;
  const std::string name_;
  const EntityWrites& writes_;
  const v1::UndoMode mode_;
  const Position position_;
  const google::protobuf::Descriptor& type_;
  StandingWrites standing_;
  // The entity as the undo leaves it.
  std::unique_ptr<google::protobuf::Message> resource_;
  store::v1::RowHead head_;
  bool was_live_ = false;
  bool met_undone_ = false;
  TakenWrites taken_;
  std::map<MergePath, v1::UndoConflict> conflicts_;
};

}  // namespace retrace::domain
