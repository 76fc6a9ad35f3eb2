// The events that set paths of a resource, whatever the kind: Reverted, which an undo writes, and
// RestoredTo.
#pragma once

#include "domain/context.h"
#include "domain/entity.h"
#include "domain/kind.h"
#include "domain/merge_path.h"
#include "google/protobuf/message.h"
#include "retrace/store/v1/entities.pb.h"

namespace retrace::domain {

// Sets what the event lists, and remembers in the row's head what it takes back.
void ApplyReverted(const store::v1::Reverted& event, const Kind& kind, const CommitHeader& header,
                   Row& row);
// Sets what the event lists.
void ApplyRestoredTo(const store::v1::RestoredTo& event, const Kind& kind,
                     const CommitHeader& header, Row& row);
// Number of the field that the kind's reference is in; 0: it has none.
int ReferenceField(const Kind& kind);

// Writes into the event what stands at the path, and with the reference how `head` says that it was
// cut. Returns the path in the event.
template <typename Event>
store::v1::Reverted::Path& AddPath(const MergePath& path, const Kind& kind,
                                   const google::protobuf::Message& resource,
                                   const store::v1::RowHead& head, Event& event) {
  store::v1::Reverted::Path& written = IsPersonal(path, *kind.resource->GetDescriptor())
                                           ? *event.add_personal_paths()
                                           : *event.add_paths();
  written = WriteDown(path, resource);
  if (path.field == ReferenceField(kind) && head.has_detached()) {
    *event.mutable_detached()->mutable_from() = head.detached().from();
    event.set_detached_position(head.detached().position());
    event.set_moved(head.detached().moved());
  }
  return written;
}

}  // namespace retrace::domain
