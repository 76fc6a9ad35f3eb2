// Judging the outcome of a draft.
#include <algorithm>

#include "domain/batch.h"
#include "domain/counters.h"
#include "domain/decider.h"
#include "domain/draft.h"
#include "domain/fields.h"
#include "domain/hold.h"
#include "domain/index_values.h"
#include "domain/kind.h"
#include "domain/lifecycle.h"
#include "domain/refusal.h"
#include "domain/resource.h"
#include "domain/status_macros.h"
#include "domain/unique_keys.h"
#include "fmt/format.h"

namespace retrace::domain {
namespace {

constexpr size_t kMostEvents = 10'000;
constexpr size_t kMostEventBytes = 64 << 10;
constexpr size_t kMostRowBytes = 256 << 10;
constexpr size_t kMostCommitBytes = 1 << 20;
// What an event costs in a commit beside its message: entity, type, sealing, envelope.
constexpr size_t kEventOverhead = 192;
constexpr size_t kMostStages = 200;

absl::Status TooMuch(std::string message) {
  return Refusal(v1::USE_OPERATION, std::move(message))
      .Next("Send less in one command; a change set keeps several together.");
}

absl::Status CheckCommitSize(const Draft& draft) {
  const bool in_parts = draft.most_entities() > kMostEntities;
  if (draft.touched().size() > draft.most_entities()) {
    return TooMuch(fmt::format("This would touch {} entities, more than the {} of one {}.",
                               draft.touched().size(), draft.most_entities(),
                               in_parts ? "command" : "commit"));
  }
  if (draft.events().size() > kMostEvents && !in_parts) {
    return TooMuch(fmt::format("This would be {} events, more than the {} of one commit.",
                               draft.events().size(), kMostEvents));
  }
  size_t bytes = 0;
  for (const DraftEvent& event : draft.events()) {
    const size_t size = event.event->ByteSizeLong();
    bytes += size + kEventOverhead;
    if (size > kMostEventBytes) {
      const auto singular = KindOf(event.entity.kind).singular;
      return Inside(
          draft.ElementOf(event.entity),
          Refusal(v1::INVALID_FIELD, fmt::format("The change of the {} has {} bytes, more than {}.",
                                                 singular, size, kMostEventBytes))
              .Field(singular, "Send fewer or shorter values at once."));
    }
  }
  if (bytes > kMostCommitBytes && !in_parts) {
    return TooMuch(fmt::format("This would be {} bytes, more than the {} of one commit.", bytes,
                               kMostCommitBytes));
  }
  return absl::OkStatus();
}

// What limits say of the whole resource: an update of one part may fill it beyond them.
absl::Status CheckResource(const Kind& kind, const Draft::Touched& touched) {
  const auto& resource = *touched.after->resource;
  if (touched.before != nullptr && touched.before->resource == touched.after->resource) {
    return absl::OkStatus();
  }
  RETRACE_RETURN_IF_ERROR(Inside(kind.singular, Validate(resource)));
  const size_t size = resource.ByteSizeLong() + touched.after->head.ByteSizeLong();
  if (size > kMostRowBytes) {
    return Refusal(v1::INVALID_FIELD, fmt::format("The {} would have {} bytes, more than {}.",
                                                  kind.singular, size, kMostRowBytes))
        .Field(kind.singular, "Keep fewer or shorter values in it.");
  }
  return absl::OkStatus();
}

// What an operation is at work on is touched by nobody else.
absl::Status CheckNotEngaged(const EntityRef& entity, const Draft::Touched& touched,
                             const CommitHeader& header) {
  return touched.before == nullptr || !touched.before->head.has_engaged() ||
                 touched.before->head.engaged().change_set() == header.change_set
             ? absl::OkStatus()
             : Busy(entity, *touched.before, header.tenant);
}

// True when the entity goes with that which it tells about.
bool IsPurgedWithAnother(const EntityRef& entity, const Row& before, const Draft& draft) {
  const Kind& kind = KindOf(entity.kind);
  if (kind.purged_with.field.empty()) {
    return false;
  }
  const auto named = IndexValues(*FindIndex(kind, kind.purged_with.index), *before.resource);
  return std::any_of(draft.touched().begin(), draft.touched().end(), [&](const auto& other) {
    return other.first.kind == kind.purged_with.to && other.second.after->purged() &&
           std::count(named.begin(), named.end(), NameOf(draft.header().tenant, other.first)) > 0;
  });
}

// Only the bin is purged, and only once; with what it holds, what was merged into that and what
// tells about it.
absl::Status CheckPurge(const EntityRef& entity, const Draft::Touched& touched, const Draft& draft,
                        const Context& context) {
  if (touched.before != nullptr && touched.before->binned()) {
    return absl::OkStatus();
  }
  if (touched.before != nullptr && touched.before->merged()) {
    const auto survivor = draft.touched().find(FromStored(touched.before->head.merged_into()));
    if (survivor != draft.touched().end() && survivor->second.after->purged()) {
      return absl::OkStatus();
    }
  }
  if (touched.before != nullptr && IsPurgedWithAnother(entity, *touched.before, draft)) {
    return absl::OkStatus();
  }
  return Refusal(v1::STATE_REFUSED, fmt::format("{} does not lie in the recycle bin.",
                                                NameOf(context.header.tenant, entity)))
      .Next("Delete it first.");
}

}  // namespace

absl::Status Draft::Check(const Context& context) const {
  RETRACE_RETURN_IF_ERROR(CheckCommitSize(*this));
  CounterChanges counters;
  for (const auto& [entity, touched] : touched_) {
    const Kind& kind = KindOf(entity.kind);
    counters.Change(kind, touched.before.get(), *touched.after);
    RETRACE_RETURN_IF_ERROR(Inside(ElementOf(entity), CheckNotEngaged(entity, touched, header_)));
    if (touched.after->purged()) {
      RETRACE_RETURN_IF_ERROR(
          Inside(ElementOf(entity), CheckPurge(entity, touched, *this, context)));
      continue;
    }
    if (kind.check != nullptr) {
      RETRACE_RETURN_IF_ERROR(
          Inside(ElementOf(entity),
                 kind.check(entity, touched.before.get(), *touched.after, *this, context)));
    }
    RETRACE_RETURN_IF_ERROR(Inside(ElementOf(entity), CheckResource(kind, touched)));
  }
  RETRACE_RETURN_IF_ERROR(CheckHolds(*this, context));
  RETRACE_RETURN_IF_ERROR(CheckUniqueKeys(*this, base_));
  RETRACE_ASSIGN(const size_t stages, counters.StagesIfMore(base_));
  if (stages > kMostStages) {
    return Refusal(v1::LIMIT_REACHED,
                   fmt::format("The tenant's records would use {} different stages, more than {}.",
                               stages, kMostStages))
        .With("limit", fmt::format("{}", kMostStages))
        .Field("record.stage", "Use a stage that is in use.")
        .Next("Use a stage that is in use, or retire one first.");
  }
  return absl::OkStatus();
}

}  // namespace retrace::domain
