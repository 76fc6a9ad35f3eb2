#include "domain/store_anew.h"

#include <memory>
#include <string>
#include <utility>

#include "domain/fields.h"
#include "domain/kind.h"
#include "domain/standard.h"
#include "retrace/v1/annotations.pb.h"

namespace retrace::domain {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// From here on an event takes no further field. One field alone leaves that much of the bytes of an
// event.
constexpr size_t kEnoughBytes = 8 << 10;

// The kind's event of a change: a resource and a mask.
const Message* ChangeOf(const Kind& kind) {
  for (const Message* event : kind.events) {
    if (event->GetDescriptor()->FindFieldByName("update_mask") != nullptr) {
      return event;
    }
  }
  return nullptr;
}

bool IsSet(const FieldDescriptor& field, const Message& resource) {
  return field.is_repeated() ? resource.GetReflection()->FieldSize(resource, &field) > 0
                             : resource.GetReflection()->HasField(resource, &field);
}

// True when the field may be sealed, as a whole or in part.
bool MayBeSealed(const FieldDescriptor& field) {
  return field.options().GetExtension(v1::personal) ||
         (field.message_type() != nullptr && !field.is_repeated());
}

google::protobuf::FieldMask& MaskOf(Message& change) {
  const auto* field = change.GetDescriptor()->FindFieldByName("update_mask");
  return static_cast<google::protobuf::FieldMask&>(
      *change.GetReflection()->MutableMessage(&change, field));
}

}  // namespace

absl::Status StoreAnew(const Found& kept, store::v1::PastRemoved removed, Draft& draft) {
  RETRACE_RETURN_IF_ERROR(
      draft.Emit(kept.entity, std::make_shared<store::v1::PastRemoved>(std::move(removed))));
  const Kind& kind = KindOf(kept.entity.kind);
  const Message* change = ChangeOf(kind);
  if (change == nullptr) {
    return absl::OkStatus();
  }
  const Message& was = *kept.row->resource;
  Row now = *kept.row;
  RETRACE_ASSIGN(const RowPtr after, draft.Get(kept.entity));
  now.head = after->head;
  if (kind.derive != nullptr) {
    kind.derive(draft.header().tenant, now);
  }
  std::shared_ptr<Message> event(change->New());
  for (int i = 0; i < was.GetDescriptor()->field_count(); ++i) {
    const FieldDescriptor& field = *was.GetDescriptor()->field(i);
    // Of what may be sealed also that it says nothing: the event that cleared it may open for
    // nobody by now.
    if (!IsSet(field, was) && !MayBeSealed(field)) {
      continue;
    }
    if (MutableResource(*event)->ByteSizeLong() >= kEnoughBytes) {
      RETRACE_RETURN_IF_ERROR(draft.Emit(kept.entity, std::move(event)));
      event.reset(change->New());
    }
    MaskOf(*event).add_paths(field.name());
    CopyPaths({field.name()}, *now.resource, *MutableResource(*event));
  }
  return draft.Emit(kept.entity, std::move(event));
}

}  // namespace retrace::domain
