#include "domain/reverted.h"

#include <memory>
#include <utility>
#include <vector>

#include "domain/merge_path.h"

namespace retrace::domain {
namespace {

using google::protobuf::Message;
using store::v1::Reverted;

void ApplyBin(const Reverted::Lifecycle& lifecycle, const CommitHeader& header, Row& row) {
  row.head.set_create_undone(lifecycle.create_undone());
  if (!lifecycle.binned()) {
    row.head.set_lifecycle(store::v1::RowHead::LIVE);
    row.head.clear_deletion();
    return;
  }
  row.head.set_lifecycle(store::v1::RowHead::BINNED);
  store::v1::Deletion& deletion = *row.head.mutable_deletion();
  // A deletion that is redone keeps its position, by which an undelete finds what it took along;
  // but it is this actor's, and its time in the bin begins now.
  deletion.set_position(lifecycle.deletion());
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

void ApplyDetachment(const Reverted& event, Row& row) {
  row.head.clear_detached();
  if (event.has_detached()) {
    store::v1::Detachment& detached = *row.head.mutable_detached();
    *detached.mutable_from() = event.detached().from();
    detached.set_position(event.detached_position());
    detached.set_moved(event.moved());
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
    ApplyBin(event.lifecycle(), header, row);
    take_back(0, event.lifecycle().takes_back());
  }
  std::vector<const Reverted::Path*> paths;
  for (const auto* list : {&event.paths(), &event.personal_paths()}) {
    for (const Reverted::Path& path : *list) {
      paths.push_back(&path);
      store::v1::TakenBack& taken = take_back(path.field(), path.takes_back());
      if (path.has_member()) {
        taken.set_member(path.member());
      } else if (static_cast<int>(path.field()) == ReferenceField(kind)) {
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

}  // namespace retrace::domain
