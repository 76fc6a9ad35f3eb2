#include "domain/entity_undo.h"

#include <utility>

#include "domain/lifecycle.h"
#include "domain/reverted.h"
#include "domain/state_moves.h"
#include "google/protobuf/util/time_util.h"

namespace retrace::domain {
namespace {

using google::protobuf::Message;
using store::v1::Reverted;
using store::v1::RowHead;
using v1::UndoConflict;

google::protobuf::Value StateValue(const Row* row) {
  google::protobuf::Value value;
  if (row != nullptr && !row->head.create_undone()) {
    value.set_string_value(std::string(StateName(*row)));
  }
  return value;
}

google::protobuf::Value Shown(const MergePath& path, const Row* row, const Message& resource) {
  return path == kLifecyclePath ? StateValue(row) : ValueAt(path, resource);
}

}  // namespace

EntityUndo::EntityUndo(const EntityRef& entity, std::string name, const EntityWrites& writes,
                       v1::UndoMode mode, Position position)
    : kind_(KindOf(entity.kind)),
      entity_(entity),
      name_(std::move(name)),
      writes_(writes),
      mode_(mode),
      position_(position),
      type_(*kind_.resource->GetDescriptor()),
      standing_(type_) {
  const Row& now = *writes.all().front().after;
  resource_.reset(now.resource->New());
  resource_->CopyFrom(*now.resource);
  head_ = now.head;
  was_live_ = now.live();
}

const Message& EntityUndo::Before(const Write& write) const {
  return write.creates() ? *kind_.resource : *write.before->resource;
}

void EntityUndo::Take(const Write& write) {
  TakeBackWhatIsClean(write);
  Leave(write);
}

void EntityUndo::Leave(const Write& write) { standing_.Pass(write, taken_); }

void EntityUndo::TakeBackWhatIsClean(const Write& write) {
  for (const StateMove move : MovesBetween(kind_, write.before.get(), *write.after)) {
    if (ReversalOf(move) != Reversal::kReversible) {
      return Conflict(kLifecyclePath, UndoConflict::IRREVERSIBLE, write, write);
    }
  }
  // The lifecycle first: what comes out of the bin can be changed again.
  if (write.paths.contains(kLifecyclePath)) {
    TakeLifecycle(write);
  }
  for (const auto& [path, takes_back] : write.paths) {
    if (path != kLifecyclePath) {
      TakePath(write, path);
    }
  }
}

void EntityUndo::TakeLifecycle(const Write& write) {
  const StandingWrites::Standing standing = standing_.Of(write, kLifecyclePath);
  if (!standing.stands) {
    met_undone_ = true;
    return;
  }
  MergePath path = kLifecyclePath;
  const Write* blocker = standing.blocker;
  if (blocker == nullptr && write.creates()) {
    blocker = standing_.NewestOfOthers(write.change_set(), path);
  }
  if (blocker != nullptr) {
    Conflict(path, UndoConflict::CHANGED_SINCE, *blocker, write);
    if (mode_ != v1::FORCE) {
      return;
    }
  }
  taken_[kLifecyclePath].insert(write.position);
  if (!write.creates()) {
    head_.set_lifecycle(write.before->head.lifecycle());
    head_.set_create_undone(write.before->head.create_undone());
    *head_.mutable_deletion() = write.before->head.deletion();
    *head_.mutable_merged_into() = write.before->head.merged_into();
    return;
  }
  head_.set_lifecycle(RowHead::BINNED);
  head_.set_create_undone(true);
  head_.mutable_deletion()->set_position(position_);
  *head_.mutable_deletion()->mutable_root() = ToStored(entity_);
}

void EntityUndo::TakePath(const Write& write, const MergePath& path) {
  const StandingWrites::Standing standing = standing_.Of(write, path);
  if (!standing.stands) {
    met_undone_ = true;
    return;
  }
  const bool live = kind_.permanent || was_live_ || head_.lifecycle() == RowHead::LIVE;
  if (!live) {
    return Conflict(
        path,
        head_.lifecycle() == RowHead::MERGED ? UndoConflict::MERGED_AWAY : UndoConflict::IN_BIN,
        writes_.all().front(), write);
  }
  if (NeedsEvidence(path, type_)) {
    return Conflict(path, UndoConflict::NEEDS_EVIDENCE, write, write);
  }
  if (standing.blocker != nullptr) {
    Conflict(path, UndoConflict::CHANGED_SINCE, *standing.blocker, write);
    if (mode_ != v1::FORCE) {
      return;
    }
  }
  taken_[path].insert(write.position);
  // With FORCE: what another undo subtracted already is not subtracted twice.
  if (standing.blocker == nullptr || !IsDelta(path, type_)) {
    TakeBack(path, Before(write), *write.after->resource, *resource_);
  }
  if (path.field == ReferenceField(kind_)) {
    head_.clear_detached();
    if (write.before != nullptr && write.before->head.has_detached()) {
      *head_.mutable_detached() = write.before->head.detached();
    }
  }
}

void EntityUndo::Conflict(const MergePath& path, UndoConflict::Cause cause, const Write& blocker,
                          const Write& write) {
  const Row& now = *writes_.all().front().after;
  UndoConflict& conflict = conflicts_[path];
  if (conflict.cause() == UndoConflict::CAUSE_UNSPECIFIED) {
    conflict.set_entity(name_);
    conflict.set_path(PathText(path, type_));
    conflict.set_member(path.member.value_or(""));
    conflict.set_cause(cause);
    *conflict.mutable_now() = Shown(path, &now, *now.resource);
    conflict.set_actor(blocker.after->head.actor());
    *conflict.mutable_change_time() = google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(
        blocker.after->head.update_time_us());
    conflict.set_change_set(static_cast<int64_t>(blocker.change_set()));
    conflict.set_position(static_cast<int64_t>(blocker.position));
  }
  // The oldest write that is to be taken back says what was.
  *conflict.mutable_was() = Shown(path, write.before.get(), Before(write));
}

std::vector<UndoConflict> EntityUndo::conflicts() const {
  std::vector<UndoConflict> conflicts;
  for (const auto& [path, conflict] : conflicts_) {
    if (mode_ != v1::FORCE || conflict.cause() != UndoConflict::CHANGED_SINCE) {
      conflicts.push_back(conflict);
      if (conflict.now().kind_case() == google::protobuf::Value::KIND_NOT_SET) {
        conflicts.back().clear_now();
      }
      if (conflict.was().kind_case() == google::protobuf::Value::KIND_NOT_SET) {
        conflicts.back().clear_was();
      }
    }
  }
  return conflicts;
}

std::shared_ptr<const Reverted> EntityUndo::Event() const {
  if (taken_.empty()) {
    return nullptr;
  }
  auto event = std::make_shared<Reverted>();
  for (const auto& [path, positions] : taken_) {
    if (path == kLifecyclePath) {
      Reverted::Lifecycle& lifecycle = *event->mutable_lifecycle();
      lifecycle.set_binned(head_.lifecycle() == RowHead::BINNED);
      lifecycle.set_create_undone(head_.create_undone());
      if (lifecycle.binned()) {
        lifecycle.set_deletion(head_.deletion().position());
        *lifecycle.mutable_root() = head_.deletion().root();
      }
      if (head_.lifecycle() == RowHead::MERGED) {
        *lifecycle.mutable_merged_into() = head_.merged_into();
      }
      lifecycle.mutable_takes_back()->Add(positions.begin(), positions.end());
      continue;
    }
    AddPath(path, kind_, *resource_, head_, *event)
        .mutable_takes_back()
        ->Add(positions.begin(), positions.end());
  }
  return event;
}

}  // namespace retrace::domain
