#include "domain/decider.h"

#include <set>
#include <utility>

#include "absl/time/time.h"
#include "domain/batch.h"
#include "domain/kind.h"
#include "domain/resource.h"
#include "fmt/format.h"

namespace retrace::domain {
namespace {

absl::Status NotFound(const Kind& kind, const std::string& name) {
  return Refusal(v1::ENTITY_NOT_FOUND, fmt::format("There is no {} `{}`.", kind.singular, name))
      .About(kind.singular, name)
      .Next("Look for it in the list, or as of an earlier moment.");
}

// The entity that `name` names, with its row, whatever its lifecycle and etag.
absl::StatusOr<Found> FindNamed(const Kind& kind, const std::string& name, const View& view,
                                const Context& context, std::string_view field) {
  RETRACE_ASSIGN(ResourceName parsed, ParseName(name, field));
  if (parsed.collection != kind.collection) {
    return Refusal(v1::INVALID_FIELD, fmt::format("{} is no name of a {}.", field, kind.singular))
        .Field(field, fmt::format("Give a name like `tenants/{}/{}/...`.", context.header.tenant,
                                  kind.collection));
  }
  Found found{{kind.number, parsed.id}, nullptr};
  if (parsed.tenant == context.header.tenant) {
    RETRACE_ASSIGN(found.row, view.Get(found.entity));
  }
  // Another tenant's entity gets the same words as one that never was.
  if (found.row == nullptr) {
    return NotFound(kind, name);
  }
  if (found.row->purged()) {
    return WasPurged(found.entity, *found.row, context.header.tenant);
  }
  return found;
}

absl::Status CheckEtag(const Found& found, const v1::CommandOptions& options,
                       const std::string& name) {
  const std::string now = EtagOf(*found.row);
  if (options.etag().empty() || options.etag() == now) {
    return absl::OkStatus();
  }
  return Refusal(v1::ETAG_MISMATCH, fmt::format("`{}` changed since you read it.", name))
      .With("etag", now)
      .About(KindOf(found.entity.kind).singular, name)
      .Next("Read it again and repeat the command with the new etag.");
}

absl::Status CheckNotMerged(const Found& found, const std::string& name, const View& view,
                            const Context& context) {
  if (!found.row->merged()) {
    return absl::OkStatus();
  }
  RETRACE_ASSIGN(const EntityRef survivor, SurvivorOf(found.entity, view));
  const std::string shown = NameOf(context.header.tenant, survivor);
  const std::string_view singular = KindOf(found.entity.kind).singular;
  return Refusal(v1::MERGED_AWAY,
                 fmt::format("The {} `{}` was merged and lives on in `{}`.", singular, name, shown))
      .With("survivor", shown)
      .About(singular, name)
      .Next(fmt::format("Use `{}`, or undo the merge.", shown));
}

}  // namespace

absl::Status WasPurged(const EntityRef& entity, const Row& row, std::string_view tenant) {
  const store::v1::Purge& purge = row.head.purge();
  const std::string time = absl::FormatTime(
      absl::RFC3339_full, absl::FromUnixMicros(purge.time_us()), absl::UTCTimeZone());
  const std::string name = NameOf(tenant, entity);
  return Refusal(v1::ENTITY_PURGED, fmt::format("`{}` was purged by {} at {}, in commit {}.", name,
                                                purge.actor(), time, purge.position()))
      .With("position", fmt::format("{}", purge.position()))
      .With("time", time)
      .With("actor", purge.actor())
      .With("method", purge.method())
      .About(KindOf(entity.kind).singular, name)
      .Next("Nothing brings it back; its id is never used again.");
}

absl::Status Busy(const EntityRef& entity, const Row& row, std::string_view tenant) {
  const std::string name = NameOf(tenant, entity);
  const std::string operation =
      NameOf(tenant, {KindNumber::kOperation, row.head.engaged().operation()});
  return Refusal(v1::BUSY, fmt::format("`{}` is at work on `{}`.", operation, name))
      .With("operation", operation)
      .About(KindOf(entity.kind).singular, name)
      .Next("Wait until the operation has ended, or cancel it.");
}

absl::StatusOr<EntityRef> SurvivorOf(const EntityRef& entity, const View& view) {
  EntityRef survivor = entity;
  // A draft that is refused may have two that are parts of each other.
  for (std::set<EntityRef> seen; seen.insert(survivor).second;) {
    RETRACE_ASSIGN(const RowPtr row, view.Get(survivor));
    if (row == nullptr || !row->merged()) {
      break;
    }
    const store::v1::EntityRef& into = row->head.merged_into();
    survivor = {static_cast<KindNumber>(into.kind()), into.id()};
  }
  return survivor;
}

std::string EtagOf(const Row& row) {
  // The time tells apart equal revisions of two epochs.
  return fmt::format("\"{:x}-{:x}\"", row.head.revision(), row.head.update_time_us());
}

absl::StatusOr<Found> FindLive(KindNumber kind, const std::string& name,
                               const v1::CommandOptions& options, const View& view,
                               const Context& context, std::string_view field) {
  const Kind& known = KindOf(kind);
  RETRACE_ASSIGN(Found found, FindNamed(known, name, view, context, field));
  RETRACE_RETURN_IF_ERROR(CheckNotMerged(found, name, view, context));
  if (found.row->binned()) {
    return Refusal(v1::ALREADY_DELETED,
                   fmt::format("The {} `{}` is in the recycle bin.", known.singular, name))
        .About(known.singular, name)
        .Next("Undelete it first.");
  }
  RETRACE_RETURN_IF_ERROR(CheckEtag(found, options, name));
  return found;
}

absl::StatusOr<Found> FindBinned(KindNumber kind, const std::string& name,
                                 const v1::CommandOptions& options, const View& view,
                                 const Context& context, std::string_view field) {
  const Kind& known = KindOf(kind);
  RETRACE_ASSIGN(Found found, FindNamed(known, name, view, context, field));
  RETRACE_RETURN_IF_ERROR(CheckNotMerged(found, name, view, context));
  if (found.row->live()) {
    return Refusal(v1::NOT_DELETED,
                   fmt::format("The {} `{}` is not deleted.", known.singular, name))
        .About(known.singular, name)
        .Next("There is nothing to do.");
  }
  RETRACE_RETURN_IF_ERROR(CheckEtag(found, options, name));
  return found;
}

absl::StatusOr<Found> FindKept(const std::string& name, const View& view, const Context& context,
                               std::string_view field) {
  RETRACE_ASSIGN(const ResourceName parsed, ParseName(name, field));
  const Kind* kind = FindKind(parsed.collection);
  if (kind == nullptr || kind->derived) {
    return Refusal(v1::INVALID_FIELD,
                   fmt::format("There is no collection `{}`.", parsed.collection))
        .Field(field, "Give a name like `tenants/acme/customers/4hj2`.");
  }
  return FindNamed(*kind, name, view, context, field);
}

absl::StatusOr<std::vector<Found>> FindNamedBinned(
    const google::protobuf::RepeatedPtrField<std::string>& names, const v1::CommandOptions& options,
    const View& view, const Context& context) {
  RETRACE_RETURN_IF_ERROR(CheckBatchSize(names.size(), "names"));
  if (names.size() > 1 && !options.etag().empty()) {
    return Refusal(v1::INVALID_FIELD, "options.etag cannot fit several entities.")
        .Field("options.etag", "Leave it empty, or name one entity.");
  }
  std::vector<Found> found;
  std::set<std::string> seen;
  for (int i = 0; i < names.size(); ++i) {
    const std::string element = fmt::format("names[{}]", i);
    if (!seen.insert(names[i]).second) {
      return Refusal(v1::INVALID_FIELD, element + " is in the list already.")
          .Field(element, "Give each name once.");
    }
    absl::StatusOr<Found> kept = FindKept(names[i], view, context);
    RETRACE_RETURN_IF_ERROR(Inside(element, kept.status()));
    absl::StatusOr<Found> one = FindBinned(kept->entity.kind, names[i], options, view, context);
    RETRACE_RETURN_IF_ERROR(Inside(element, one.status()));
    found.push_back(*std::move(one));
  }
  return found;
}

absl::Status CheckParent(std::string_view parent, const Context& context) {
  RETRACE_ASSIGN(ResourceName parsed, ParseName(parent, "parent"));
  if (parsed.collection.empty() && parsed.tenant == context.header.tenant) {
    return absl::OkStatus();
  }
  return Refusal(v1::INVALID_FIELD, "parent is not the tenant that is called.")
      .Field("parent", fmt::format("Must be `tenants/{}`.", context.header.tenant));
}

}  // namespace retrace::domain
