#include "domain/reverted.h"

#include <memory>
#include <utility>
#include <vector>

#include "domain/merge_path.h"

namespace retrace::domain {
namespace {

using google::protobuf::Message;
using store::v1::Reverted;

void ApplyLifecycleOf(const Reverted::Lifecycle& lifecycle, const CommitHeader& header, Row& row) {
  row.head.set_create_undone(lifecycle.create_undone());
  row.head.clear_merged_into();
  if (!lifecycle.binned()) {
    row.head.set_lifecycle(store::v1::RowHead::LIVE);
    row.head.clear_deletion();
    if (lifecycle.has_merged_into()) {
      row.head.set_lifecycle(store::v1::RowHead::MERGED);
      *row.head.mutable_merged_into() = lifecycle.merged_into();
    }
    return;
  }
  row.head.set_lifecycle(store::v1::RowHead::BINNED);
  store::v1::Deletion& deletion = *row.head.mutable_deletion();
  // A deletion that is redone keeps its position, by which an undelete finds what it took along;
  // but it is this actor's, and its time in the bin begins now.
  deletion.set_position(lifecycle.deletion());
  deletion.clear_last_position();
  if (lifecycle.deletion() == header.position) {
    deletion.clear_redone_position();
  } else {
    deletion.set_redone_position(header.position);
  }
  *deletion.mutable_root() = lifecycle.root();
  deletion.set_time_us(header.time_us);
  deletion.set_actor(header.actor);
  deletion.set_change_set(header.change_set);
  deletion.set_reason(header.reason);
}

template <typename Event>
void ApplyDetachment(const Event& event, Row& row) {
  row.head.clear_detached();
  if (event.has_detached()) {
    store::v1::Detachment& detached = *row.head.mutable_detached();
    *detached.mutable_from() = event.detached().from();
    detached.set_position(event.detached_position());
    detached.set_moved(event.moved());
  }
}

// Sets the paths that the event lists, and what follows from them.
template <typename Event>
void ApplyPaths(const Event& event, const Kind& kind, const CommitHeader& header, Row& row) {
  std::vector<const Reverted::Path*> paths;
  for (const auto* list : {&event.paths(), &event.personal_paths()}) {
    for (const Reverted::Path& path : *list) {
      paths.push_back(&path);
      if (!path.has_member() && static_cast<int>(path.field()) == ReferenceField(kind)) {
        ApplyDetachment(event, row);
      }
    }
  }
  if (!paths.empty()) {
    std::shared_ptr<Message> resource(row.resource->New());
    resource->CopyFrom(*row.resource);
    SetPaths(paths, *resource);
    row.resource = std::move(resource);
  }
  if (kind.derive != nullptr) {
    kind.derive(header.tenant, row);
  }
}

}  // namespace

int ReferenceField(const Kind& kind) {
  const auto* field =
      kind.reference.field.empty()
          ? nullptr
          : kind.resource->GetDescriptor()->FindFieldByName(std::string(kind.reference.field));
  return field == nullptr ? 0 : field->number();
}

void ApplyReverted(const Reverted& event, const Kind& kind, const CommitHeader& header, Row& row) {
  const auto take_back = [&row](uint32_t field, const auto& positions) -> store::v1::TakenBack& {
    store::v1::TakenBack& taken = *row.head.add_taken_back();
    taken.set_field(field);
    taken.mutable_positions()->CopyFrom(positions);
    return taken;
  };
  if (event.has_lifecycle()) {
    ApplyLifecycleOf(event.lifecycle(), header, row);
    take_back(0, event.lifecycle().takes_back());
  }
  for (const auto* list : {&event.paths(), &event.personal_paths()}) {
    for (const Reverted::Path& path : *list) {
      store::v1::TakenBack& taken = take_back(path.field(), path.takes_back());
      if (path.has_member()) {
        taken.set_member(path.member());
      }
    }
  }
  ApplyPaths(event, kind, header, row);
}

void ApplyRestoredTo(const store::v1::RestoredTo& event, const Kind& kind,
                     const CommitHeader& header, Row& row) {
  ApplyPaths(event, kind, header, row);
}

}  // namespace retrace::domain
