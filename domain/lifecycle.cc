#include "domain/lifecycle.h"

#include <array>
#include <memory>
#include <utility>

#include "domain/field_traits.h"
#include "domain/kind.h"
#include "domain/resource.h"
#include "domain/restore.h"
#include "domain/reverted.h"
#include "fmt/format.h"
#include "retrace/store/v1/entities.pb.h"

namespace retrace::domain {
namespace {

using google::protobuf::EnumValueDescriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

void SetOwnState(Row& row, const char* state) {
  const FieldDescriptor* field = FieldNamed(*row.resource->GetDescriptor(), "state");
  const EnumValueDescriptor* value = field ? field->enum_type()->FindValueByName(state) : nullptr;
  if (value == nullptr) {
    return;
  }
  std::shared_ptr<Message> changed(row.resource->New());
  changed->MergeFrom(*row.resource);
  changed->GetReflection()->SetEnum(changed.get(), field, value);
  row.resource = std::move(changed);
}

void ApplyDeleted(const store::v1::Deleted& event, const CommitHeader& header, Row& row) {
  row.head.set_lifecycle(store::v1::RowHead::BINNED);
  store::v1::Deletion& deletion = *row.head.mutable_deletion();
  const bool began_before = event.deletion() != 0;
  deletion.set_position(began_before ? event.deletion() : header.position);
  deletion.set_last_position(began_before ? header.position : 0);
  deletion.set_time_us(header.time_us);
  deletion.set_actor(header.actor);
  deletion.set_change_set(header.change_set);
  deletion.set_reason(header.reason);
  *deletion.mutable_root() = event.root();
}

void ApplyDetached(const store::v1::Detached& event, const CommitHeader& header, Row& row) {
  store::v1::Detachment detachment;
  *detachment.mutable_from() = event.from();
  detachment.set_position(event.deletion() != 0 ? event.deletion() : header.position);
  *row.head.mutable_detached() = std::move(detachment);
}

void ApplyPurged(const CommitHeader& header, Row& row) {
  store::v1::RowHead tombstone;
  tombstone.set_lifecycle(store::v1::RowHead::PURGED);
  tombstone.set_revision(row.head.revision());
  tombstone.set_create_position(row.head.create_position());
  tombstone.set_update_position(header.position);
  tombstone.set_actor(header.actor);
  tombstone.set_change_set(header.change_set);
  store::v1::Purge& purge = *tombstone.mutable_purge();
  purge.set_position(header.position);
  purge.set_time_us(header.time_us);
  purge.set_actor(header.actor);
  purge.set_method(header.method);
  row.head = std::move(tombstone);
  row.resource.reset(row.resource->New());
}

void ApplyPastRemoved(const store::v1::PastRemoved& event, const CommitHeader& header, Row& row) {
  row.head.set_past_removed(header.position);
  // Nothing brings it back, so nothing will be attached to it again.
  if (row.head.has_detached() &&
      FromStored(row.head.detached().from()) == FromStored(event.purged())) {
    row.head.clear_detached();
  }
}

// On a row whose personal fields are gone the values are not there, either.
void ApplyValuesDropped(const store::v1::ValuesDropped& event, Row& row) {
  std::shared_ptr<Message> changed(row.resource->New());
  changed->CopyFrom(*row.resource);
  const auto& reflection = *changed->GetReflection();
  for (const auto& value : event.values()) {
    const FieldDescriptor* field = changed->GetDescriptor()->FindFieldByName(value.field());
    if (field == nullptr) {
      continue;
    }
    if (!field->is_repeated()) {
      reflection.ClearField(changed.get(), field);
      continue;
    }
    const int size = reflection.FieldSize(*changed, field);
    const int element = static_cast<int>(value.element());
    if (element >= size) {
      continue;
    }
    for (int i = element; i + 1 < size; ++i) {
      reflection.SwapElements(changed.get(), field, i, i + 1);
    }
    reflection.RemoveLast(changed.get(), field);
  }
  row.resource = std::move(changed);
}

void ApplyMerged(const store::v1::Merged& event, Row& row) {
  row.head.set_lifecycle(store::v1::RowHead::MERGED);
  *row.head.mutable_merged_into() = event.into();
}

// Emits `event` unless the entity's own state is what the event leads to.
absl::Status DecideStateOfUse(KindNumber kind, const std::string& name,
                              const v1::CommandOptions& options, std::string_view wanted,
                              std::shared_ptr<const Message> event, Draft& draft,
                              const Context& context) {
  RETRACE_ASSIGN(Found found, FindLive(kind, name, options, draft, context));
  draft.Target(found.entity);
  return OwnState(*found.row) == wanted ? absl::OkStatus()
                                        : draft.Emit(found.entity, std::move(event));
}

}  // namespace

std::span<const Message* const> LifecycleEvents() {
  static const std::array<const Message*, 14> events = {
      &store::v1::Deleted::default_instance(),       &store::v1::Undeleted::default_instance(),
      &store::v1::Detached::default_instance(),      &store::v1::Reattached::default_instance(),
      &store::v1::Deactivated::default_instance(),   &store::v1::Activated::default_instance(),
      &store::v1::Purged::default_instance(),        &store::v1::PastRemoved::default_instance(),
      &store::v1::ValuesDropped::default_instance(), &store::v1::Reverted::default_instance(),
      &store::v1::RestoredTo::default_instance(),    &store::v1::Merged::default_instance(),
      &store::v1::Engaged::default_instance(),       &store::v1::Released::default_instance(),
  };
  return events;
}

bool ApplyLifecycle(const Message& event, const Kind& kind, const CommitHeader& header, Row& row) {
  const auto* type = event.GetDescriptor();
  if (type == store::v1::Deleted::descriptor()) {
    ApplyDeleted(static_cast<const store::v1::Deleted&>(event), header, row);
  } else if (type == store::v1::Undeleted::descriptor()) {
    row.head.set_lifecycle(store::v1::RowHead::LIVE);
    row.head.clear_deletion();
    row.head.clear_create_undone();
  } else if (type == store::v1::Detached::descriptor()) {
    ApplyDetached(static_cast<const store::v1::Detached&>(event), header, row);
  } else if (type == store::v1::Reattached::descriptor()) {
    row.head.clear_detached();
  } else if (type == store::v1::Deactivated::descriptor()) {
    SetOwnState(row, "INACTIVE");
  } else if (type == store::v1::Activated::descriptor()) {
    SetOwnState(row, "ACTIVE");
  } else if (type == store::v1::Reverted::descriptor()) {
    ApplyReverted(static_cast<const store::v1::Reverted&>(event), kind, header, row);
  } else if (type == store::v1::Purged::descriptor()) {
    ApplyPurged(header, row);
  } else if (type == store::v1::PastRemoved::descriptor()) {
    ApplyPastRemoved(static_cast<const store::v1::PastRemoved&>(event), header, row);
  } else if (type == store::v1::ValuesDropped::descriptor()) {
    ApplyValuesDropped(static_cast<const store::v1::ValuesDropped&>(event), row);
  } else if (type == store::v1::RestoredTo::descriptor()) {
    ApplyRestoredTo(static_cast<const store::v1::RestoredTo&>(event), kind, header, row);
  } else if (type == store::v1::Merged::descriptor()) {
    ApplyMerged(static_cast<const store::v1::Merged&>(event), row);
  } else if (type == store::v1::Engaged::descriptor()) {
    store::v1::Engagement& engaged = *row.head.mutable_engaged();
    engaged.set_operation(static_cast<const store::v1::Engaged&>(event).operation());
    engaged.set_change_set(header.change_set);
  } else if (type == store::v1::Released::descriptor()) {
    row.head.clear_engaged();
  } else {
    return false;
  }
  return true;
}

std::string_view OwnState(const Row& row) {
  if (row.resource == nullptr) {
    return {};
  }
  const FieldDescriptor* field = FieldNamed(*row.resource->GetDescriptor(), "state");
  return field == nullptr
             ? std::string_view()
             : std::string_view(
                   row.resource->GetReflection()->GetEnum(*row.resource, field)->name());
}

std::string_view StateName(const Row& row) {
  if (row.binned()) {
    return "DELETED";
  }
  if (row.merged()) {
    return "MERGED";
  }
  const std::string_view own = OwnState(row);
  return own.empty() ? "ACTIVE" : own;
}

absl::Status CheckMove(const EntityRef& entity, const Row* before, const Row& after,
                       const Context& context) {
  const std::string_view from = before == nullptr ? "" : OwnState(*before);
  const std::string_view to = OwnState(after);
  const bool known = to == "ACTIVE" || to == "INACTIVE";
  const bool begins_well = before != nullptr || (to == "ACTIVE" && after.live());
  // What lies in the bin, or is merged, stays what it was. An undo may take a move back together
  // with the deletion that came after it.
  const bool kept = before == nullptr || before->live() || after.live() || from == to;
  if (known && begins_well && kept) {
    return absl::OkStatus();
  }
  const std::string name = NameOf(context.header.tenant, entity);
  return Refusal(v1::STATE_REFUSED, fmt::format("{} cannot go from {} to {}{}.", name,
                                                from.empty() ? "nothing" : from, to,
                                                after.binned()   ? " in the recycle bin"
                                                : after.merged() ? " while it is merged"
                                                                 : ""))
      .With("from", from)
      .With("to", to)
      .Next("Activate, deactivate, delete and undelete change the state, one at a time.");
}

absl::Status DecideDeactivate(KindNumber kind, const std::string& name,
                              const v1::CommandOptions& options, Draft& draft,
                              const Context& context) {
  return DecideStateOfUse(kind, name, options, "INACTIVE",
                          std::make_shared<store::v1::Deactivated>(), draft, context);
}

absl::Status DecideActivate(KindNumber kind, const std::string& name,
                            const v1::CommandOptions& options, Draft& draft,
                            const Context& context) {
  return DecideStateOfUse(kind, name, options, "ACTIVE", std::make_shared<store::v1::Activated>(),
                          draft, context);
}

absl::Status DecideDelete(KindNumber kind, const std::string& name,
                          const v1::CommandOptions& options, Draft& draft, const Context& context) {
  RETRACE_ASSIGN(Found found, FindLive(kind, name, options, draft, context));
  draft.Target(found.entity);
  return EmitDeleted(found.entity, found.entity, draft);
}

absl::Status DecideUndelete(KindNumber kind, const std::string& name,
                            const v1::CommandOptions& options, Draft& draft,
                            const Context& context) {
  RETRACE_ASSIGN(Found found, FindBinned(kind, name, options, draft, context));
  RETRACE_RETURN_IF_ERROR(CheckMayUndelete(found, context));
  draft.Target(found.entity);
  return Restore(found, {}, draft);
}

absl::Status EmitDeleted(const EntityRef& entity, const EntityRef& root, Draft& draft) {
  auto event = std::make_shared<store::v1::Deleted>();
  *event->mutable_root() = ToStored(root);
  event->set_deletion(draft.deletion());
  return draft.Emit(entity, std::move(event));
}

absl::Status EmitUndeleted(const Found& binned, Draft& draft) {
  auto event = std::make_shared<store::v1::Undeleted>();
  event->set_deletion(binned.row->head.deletion().position());
  return draft.Emit(binned.entity, std::move(event));
}

absl::Status CheckMayUndelete(const Found& binned, const Context& context) {
  const store::v1::Deletion& deletion = binned.row->head.deletion();
  const Kind& kind = KindOf(binned.entity.kind);
  const std::string permission = fmt::format("{}.undelete-any", kind.collection);
  if (deletion.actor() == context.header.actor || context.may(permission)) {
    return absl::OkStatus();
  }
  return Refusal(v1::NOT_YOUR_DELETION,
                 fmt::format("{} was deleted by {}.", NameOf(context.header.tenant, binned.entity),
                             deletion.actor()))
      .With("actor", deletion.actor())
      .With("permission", permission)
      .Next(fmt::format("Ask {} or an administrator to undelete it.", deletion.actor()));
}

store::v1::EntityRef ToStored(const EntityRef& entity) {
  store::v1::EntityRef stored;
  stored.set_kind(static_cast<uint32_t>(entity.kind));
  stored.set_id(entity.id);
  return stored;
}

EntityRef FromStored(const store::v1::EntityRef& entity) {
  return {static_cast<KindNumber>(entity.kind()), entity.id()};
}

}  // namespace retrace::domain
