// The standard commands that differ between kinds by their types only: create and update.
//
// Their events are shaped alike: `XCreated{x}` and `XUpdated{x, update_mask}`, the resource first.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "domain/decider.h"
#include "domain/draft.h"
#include "domain/fields.h"
#include "domain/kind.h"
#include "google/protobuf/field_mask.pb.h"
#include "google/protobuf/message.h"

namespace retrace::domain {

// Applies `XCreated` or `XUpdated`. For Kind.apply.
void ApplyResourceEvent(const google::protobuf::Message& event, const CommitHeader& header,
                        Row& row);
// The resource that such an event holds.
google::protobuf::Message* MutableResource(google::protobuf::Message& event);
// True when the event is an update that wrote the top-level field `field`, or a part of it.
bool Writes(const google::protobuf::Message& event, std::string_view field);
// True when `paths` name the top-level field `field`, or a part of it.
bool Names(const std::vector<std::string>& paths, std::string_view field);

// Emits the creation of `entity` with a normalised resource, and targets it.
template <typename Created, typename Resource>
absl::Status CreateEntity(const EntityRef& entity, Resource resource, Draft& draft,
                          std::string_view element = {}) {
  if constexpr (requires { resource.set_state(Resource::ACTIVE); }) {
    resource.set_state(Resource::ACTIVE);
  }
  auto event = std::make_shared<Created>();
  *static_cast<Resource*>(MutableResource(*event)) = std::move(resource);
  draft.Target(entity, std::string(element));
  return draft.Emit(entity, std::move(event));
}

// Emits what differs between `before` and `after` on `paths`; nothing when nothing does.
template <typename Updated>
absl::Status EmitUpdate(const EntityRef& entity, const google::protobuf::Message& before,
                        const google::protobuf::Message& after,
                        const std::vector<std::string>& paths, Draft& draft) {
  const std::vector<std::string> changed = DifferingPaths(paths, before, after);
  if (changed.empty()) {
    return absl::OkStatus();
  }
  auto event = std::make_shared<Updated>();
  CopyPaths(changed, after, *MutableResource(*event));
  for (const std::string& path : changed) {
    event->mutable_update_mask()->add_paths(path);
  }
  return draft.Emit(entity, std::move(event));
}

// Updates the entity that `given` names. `normalise(before, after, paths)` puts the new values into
// their stored form and may add paths of fields that follow from others.
template <typename Updated, typename Resource, typename Normalise>
absl::Status UpdateEntity(KindNumber kind, const Resource& given,
                          const google::protobuf::FieldMask& mask,
                          const v1::CommandOptions& options, Draft& draft, const Context& context,
                          Normalise normalise) {
  const std::string field = std::string(KindOf(kind).singular) + ".name";
  RETRACE_ASSIGN(Found found, FindLive(kind, given.name(), options, draft, context, field));
  draft.Target(found.entity);
  const auto& before = found.row->template As<Resource>();
  RETRACE_ASSIGN(std::vector<std::string> paths, UpdatePaths(mask, given, &before));
  Resource wanted = given;
  ClearOutputOnly(wanted);
  Resource after = before;
  CopyPaths(paths, wanted, after);
  RETRACE_RETURN_IF_ERROR(normalise(before, after, paths));
  return EmitUpdate<Updated>(found.entity, before, after, paths, draft);
}

}  // namespace retrace::domain
