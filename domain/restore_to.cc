#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "domain/commands.h"
#include "domain/decider.h"
#include "domain/field_traits.h"
#include "domain/kind.h"
#include "domain/lifecycle.h"
#include "domain/merge_path.h"
#include "domain/resource.h"
#include "domain/reverted.h"
#include "fmt/format.h"
#include "retrace/store/v1/entities.pb.h"
#include "retrace/store/v1/undo.pb.h"

namespace retrace::domain {
namespace {

using store::v1::ResolvedRestoreTo;

// The entity of any kind with content that the request names, live.
absl::StatusOr<Found> FindRestorable(const v1::RestoreToRequest& request, const View& view,
                                     const Context& context) {
  RETRACE_ASSIGN(const ResourceName parsed, ParseName(request.name(), "name"));
  const Kind* kind = FindKind(parsed.collection);
  if (kind == nullptr || !kind->content) {
    return Refusal(v1::INVALID_FIELD, "name is no name of what can be restored.")
        .Field("name",
               fmt::format("Give a name like `tenants/{}/customers/4hj2`.", context.header.tenant));
  }
  return FindLive(kind->number, request.name(), request.options(), view, context);
}

absl::Status WasNotThere(const Found& found, const ResolvedRestoreTo& restore) {
  return Refusal(v1::ENTITY_NOT_FOUND, fmt::format("There was no `{}` at position {}.",
                                                   restore.request().name(), restore.position()))
      .With("create-position", fmt::format("{}", found.row->head.create_position()))
      .About(KindOf(found.entity.kind).singular, restore.request().name())
      .Next(fmt::format("Choose a moment from position {} on.", found.row->head.create_position()));
}

// What was cut by a deletion that was taken back since is not waiting for anybody any more.
absl::StatusOr<store::v1::RowHead> HeadToRestore(const Row& then, const View& view) {
  store::v1::RowHead head = then.head;
  if (head.has_detached()) {
    RETRACE_ASSIGN(const RowPtr from, view.Get(FromStored(head.detached().from())));
    if (from == nullptr || !from->binned()) {
      head.clear_detached();
    }
  }
  return head;
}

// The paths to be written. A reference is restored with how it was cut.
std::vector<MergePath> PathsToRestore(const Kind& kind, const Row& now, const Row& then,
                                      const store::v1::RowHead& head) {
  std::vector<MergePath> paths = ChangedPaths(*now.resource, *then.resource);
  // Commands write output-only fields by themselves: numbers, states, what was merged.
  std::erase_if(paths, [&](const MergePath& path) {
    return TraitsOf(*kind.resource->GetDescriptor()->FindFieldByNumber(path.field)).output_only;
  });
  const MergePath reference{ReferenceField(kind), std::nullopt};
  const bool recut = now.head.detached().SerializeAsString() != head.detached().SerializeAsString();
  if (reference.field != 0 && recut &&
      std::find(paths.begin(), paths.end(), reference) == paths.end()) {
    paths.push_back(reference);
  }
  return paths;
}

absl::Status CheckEvidence(const std::vector<MergePath>& paths, const Kind& kind) {
  const auto& type = *kind.resource->GetDescriptor();
  for (const MergePath& path : paths) {
    if (NeedsEvidence(path, type)) {
      return Refusal(v1::EVIDENCE_REQUIRED,
                     fmt::format("{} changes on evidence only.", PathText(path, type)))
          .With("path", PathText(path, type))
          .Next("Set the other fields by an update.");
    }
  }
  return absl::OkStatus();
}

absl::Status EmitState(const Found& found, const Row& then, Draft& draft) {
  const std::string_view state = OwnState(then);
  const std::string_view now = OwnState(*found.row);
  if (state == now) {
    return absl::OkStatus();
  }
  const auto in_use_or_not = [](std::string_view own) {
    return own == "ACTIVE" || own == "INACTIVE";
  };
  if (!in_use_or_not(state) || !in_use_or_not(now)) {
    draft.Note(fmt::format("It was {} then; that is left as it is now.", state));
    return absl::OkStatus();
  }
  if (state == "INACTIVE") {
    return draft.Emit(found.entity, std::make_shared<store::v1::Deactivated>());
  }
  return draft.Emit(found.entity, std::make_shared<store::v1::Activated>());
}

}  // namespace

absl::Status Decide(const ResolvedRestoreTo& restore, Draft& draft, const Context& context) {
  RETRACE_ASSIGN(const Found found, FindRestorable(restore.request(), draft, context));
  draft.Target(found.entity);
  RETRACE_ASSIGN(const RowPtr then, draft.GetAt(found.entity, restore.position()));
  if (then == nullptr || !InContent(found.entity, *then)) {
    return WasNotThere(found, restore);
  }
  const Kind& kind = KindOf(found.entity.kind);
  RETRACE_ASSIGN(const store::v1::RowHead head, HeadToRestore(*then, draft));
  const std::vector<MergePath> paths = PathsToRestore(kind, *found.row, *then, head);
  RETRACE_RETURN_IF_ERROR(CheckEvidence(paths, kind));
  if (!then->live()) {
    draft.Note(fmt::format("It was {} then; that is left as it is now.", StateName(*then)));
  }
  if (!paths.empty()) {
    auto event = std::make_shared<store::v1::RestoredTo>();
    event->set_position(restore.position());
    for (const MergePath& path : paths) {
      AddPath(path, kind, *then->resource, head, *event);
    }
    RETRACE_RETURN_IF_ERROR(draft.Emit(found.entity, std::move(event)));
  }
  return EmitState(found, *then, draft);
}

}  // namespace retrace::domain
