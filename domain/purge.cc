#include "domain/purge.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "domain/batch.h"
#include "domain/commands.h"
#include "domain/filter.h"
#include "domain/index_values.h"
#include "domain/kind.h"
#include "domain/lifecycle.h"
#include "domain/projection.h"
#include "domain/resource.h"
#include "domain/standard.h"
#include "fmt/format.h"
#include "retrace/store/v1/entities.pb.h"
#include "retrace/v1/annotations.pb.h"
#include "retrace/v1/recycle_bin.pb.h"

namespace retrace::domain {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

// Entities of the bin that one purge by filter looks at.
constexpr size_t kMostLookedAt = 10'000;

std::string OwnSubject(const EntityRef& entity) {
  return fmt::format("{}/{}", KindOf(entity.kind).collection, entity.id);
}

IndexRange Exactly(KindNumber kind, uint8_t index, const std::string& value) {
  return {kind, index, value, value + '\0'};
}

absl::Status TooMany() {
  return Refusal(v1::USE_OPERATION,
                 fmt::format("This would touch more than the {} entities of one commit.",
                             kMostEntities))
      .With("limit", fmt::format("{}", kMostEntities))
      .Next("Purge fewer at once: name them, or narrow the filter.");
}

// What one command purges, and what it changes for that.
class Purge {
 public:
  explicit Purge(Draft& draft) : draft_(draft) {}

  // Takes the entity and all that lies in the bin below it.
  absl::Status Take(const Found& root);
  // Finds the keys to be destroyed, and who else was sealed under them.
  absl::Status FindKeys();
  absl::Status Emit();

 private:
  struct Taken {
    Found found;
    EntityRef root;
  };
  // What stays but loses its past.
  struct Kept {
    RowPtr row;
    EntityRef purged;  // that it was sealed with
    // Of its own subject, that only its past was sealed under: nothing else would name them.
    std::set<std::string> keys;
  };

  absl::Status TakeBelow(const EntityRef& parent, const EntityRef& root);
  // Takes what lives on in the entity only: nobody could reach it to purge it afterwards.
  absl::Status TakeMergedInto(const Found& survivor, const EntityRef& root);
  // Adds the keys under which versions of the entity were sealed, to `own` those of its own subject
  // when that stays.
  absl::Status AddKeysOf(const EntityRef& entity, RowPtr row, std::set<std::string>& own);
  absl::Status AddKept(const EntityRef& entity, const EntityRef& purged);
  absl::Status EmitStoredAnew(const EntityRef& entity, const Kept& kept);

  Draft& draft_;
  std::vector<Taken> taken_;
  std::set<EntityRef> seen_;
  // By own subject of what is purged.
  std::map<std::string, std::set<std::string>> keys_;
  std::map<EntityRef, Kept> kept_;
};

absl::Status Purge::Take(const Found& root) {
  if (!seen_.insert(root.entity).second) {
    return absl::OkStatus();
  }
  taken_.push_back({root, root.entity});
  for (size_t i = taken_.size() - 1; i < taken_.size(); ++i) {
    const Found parent = taken_[i].found;
    RETRACE_RETURN_IF_ERROR(TakeBelow(parent.entity, root.entity));
    RETRACE_RETURN_IF_ERROR(TakeMergedInto(parent, root.entity));
  }
  return absl::OkStatus();
}

absl::Status Purge::TakeBelow(const EntityRef& parent, const EntityRef& root) {
  const std::string name = NameOf(draft_.header().tenant, parent);
  for (const Kind& kind : Kinds()) {
    if (kind.reference.field.empty() || kind.reference.to != parent.kind) {
      continue;
    }
    RETRACE_ASSIGN(const auto hits, draft_.Find(Exactly(kind.number, kind.reference.index, name),
                                                kMostEntities + 1));
    for (const IndexHit& hit : hits) {
      Found child{{kind.number, hit.id}, nullptr};
      if (hit.mark != Mark::kBinned || !seen_.insert(child.entity).second) {
        continue;
      }
      RETRACE_ASSIGN(child.row, draft_.Get(child.entity));
      taken_.push_back({std::move(child), root});
      if (taken_.size() > kMostEntities) {
        return TooMany();
      }
    }
  }
  return absl::OkStatus();
}

absl::Status Purge::TakeMergedInto(const Found& survivor, const EntityRef& root) {
  const Message& resource = *survivor.row->resource;
  // Kinds that merge name the parts in this field.
  const FieldDescriptor* field = resource.GetDescriptor()->FindFieldByName("merged_from");
  const int size = field == nullptr ? 0 : resource.GetReflection()->FieldSize(resource, field);
  for (int i = 0; i < size; ++i) {
    const std::string name = resource.GetReflection()->GetRepeatedString(resource, field, i);
    RETRACE_ASSIGN(const ResourceName parsed, ParseName(name, "merged_from"));
    Found part{{survivor.entity.kind, parsed.id}, nullptr};
    RETRACE_ASSIGN(part.row, draft_.Get(part.entity));
    const bool lives_on_here = part.row != nullptr && part.row->merged() &&
                               FromStored(part.row->head.merged_into()) == survivor.entity;
    if (!lives_on_here || !seen_.insert(part.entity).second) {
      continue;
    }
    taken_.push_back({std::move(part), root});
    if (taken_.size() > kMostEntities) {
      return TooMany();
    }
  }
  return absl::OkStatus();
}

absl::Status Purge::AddKeysOf(const EntityRef& entity, RowPtr row, std::set<std::string>& own) {
  const std::string own_subject = OwnSubject(entity);
  while (row != nullptr && !row->purged()) {
    const std::string& subject = row->head.subject();
    const auto purged = keys_.find(subject);
    if (!row->head.key_id().empty() && purged != keys_.end()) {
      purged->second.insert(row->head.key_id());
    } else if (!row->head.key_id().empty() && subject == own_subject) {
      own.insert(row->head.key_id());
    }
    RETRACE_ASSIGN(row, VersionBefore(entity, *row, draft_));
  }
  return absl::OkStatus();
}

absl::Status Purge::AddKept(const EntityRef& entity, const EntityRef& purged) {
  RETRACE_ASSIGN(const RowPtr row, draft_.Get(entity));
  if (row == nullptr || row->purged() || seen_.contains(entity) || kept_.contains(entity)) {
    return absl::OkStatus();
  }
  Kept kept{row, purged, {}};
  RETRACE_RETURN_IF_ERROR(AddKeysOf(entity, row, kept.keys));
  // What it is now may be sealed under it.
  kept.keys.erase(row->head.key_id());
  kept_.emplace(entity, std::move(kept));
  return absl::OkStatus();
}

absl::Status Purge::FindKeys() {
  for (const Taken& taken : taken_) {
    keys_[OwnSubject(taken.found.entity)];
  }
  std::set<std::string> nobodys;
  for (const Taken& taken : taken_) {
    RETRACE_RETURN_IF_ERROR(AddKeysOf(taken.found.entity, taken.found.row, nobodys));
  }
  for (const Taken& taken : taken_) {
    const std::string subject = OwnSubject(taken.found.entity);
    for (const Kind& kind : Kinds()) {
      if (kind.subject == nullptr) {
        continue;
      }
      RETRACE_ASSIGN(
          const auto hits,
          draft_.Find(Exactly(kind.number, kFormerSubjectIndex, subject), kMostEntities + 1));
      for (const IndexHit& hit : hits) {
        RETRACE_RETURN_IF_ERROR(AddKept({kind.number, hit.id}, taken.found.entity));
      }
    }
    if (taken_.size() + kept_.size() > kMostEntities) {
      return TooMany();
    }
  }
  return absl::OkStatus();
}

// The kind's event of a change: a resource and a mask.
const Message* ChangeOf(const Kind& kind) {
  for (const Message* event : kind.events) {
    if (event->GetDescriptor()->FindFieldByName("update_mask") != nullptr) {
      return event;
    }
  }
  return nullptr;
}

// True when the field may be sealed, as a whole or in part.
bool MayBeSealed(const FieldDescriptor& field) {
  return field.options().GetExtension(v1::personal) ||
         (field.message_type() != nullptr && !field.is_repeated());
}

// Everything that the resource says now, as a change: sealed under the subject that it has now. Of
// what is sealed also that it says nothing: who cleared it may have been sealed, too.
absl::Status Purge::EmitStoredAnew(const EntityRef& entity, const Kept& kept) {
  auto removed = std::make_shared<store::v1::PastRemoved>();
  *removed->mutable_purged() = ToStored(kept.purged);
  for (const std::string& key : kept.keys) {
    removed->add_key_ids(key);
  }
  const bool was_detached =
      kept.row->head.has_detached() && FromStored(kept.row->head.detached().from()) == kept.purged;
  RETRACE_RETURN_IF_ERROR(draft_.Emit(entity, std::move(removed)));
  const Message* change = ChangeOf(KindOf(entity.kind));
  if (change == nullptr) {
    return absl::OkStatus();
  }
  std::shared_ptr<Message> event(change->New());
  Message& resource = *MutableResource(*event);
  resource.CopyFrom(*kept.row->resource);
  const FieldDescriptor* mask = event->GetDescriptor()->FindFieldByName("update_mask");
  auto& paths = static_cast<google::protobuf::FieldMask&>(
      *event->GetReflection()->MutableMessage(event.get(), mask));
  const auto& type = *resource.GetDescriptor();
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    const bool is_set = field.is_repeated()
                            ? resource.GetReflection()->FieldSize(resource, &field) > 0
                            : resource.GetReflection()->HasField(resource, &field);
    if (!is_set && !MayBeSealed(field)) {
      continue;
    }
    paths.add_paths(field.name());
    if (was_detached && field.name() == "detached_from") {
      resource.GetReflection()->ClearField(&resource, &field);
    }
  }
  return draft_.Emit(entity, std::move(event));
}

absl::Status Purge::Emit() {
  if (!taken_.empty()) {
    draft_.Warn("PURGE_IS_FINAL", "What is purged is gone, now and at every moment of the past.");
  }
  for (const auto& [entity, kept] : kept_) {
    RETRACE_RETURN_IF_ERROR(EmitStoredAnew(entity, kept));
    draft_.Lose(entity, "It stays, but its past was sealed with what is purged, and goes.");
  }
  for (const Taken& taken : taken_) {
    auto event = std::make_shared<store::v1::Purged>();
    *event->mutable_root() = ToStored(taken.root);
    for (const std::string& key : keys_[OwnSubject(taken.found.entity)]) {
      event->add_key_ids(key);
    }
    RETRACE_RETURN_IF_ERROR(draft_.Emit(taken.found.entity, std::move(event)));
    draft_.Lose(taken.found.entity, "Nothing brings back what is purged.");
  }
  if (!kept_.empty()) {
    draft_.Note(
        fmt::format("{} that stay lost their past, which was sealed with what was purged.",
                    kept_.size() == 1 ? "1 entity" : fmt::format("{} entities", kept_.size())));
  }
  return absl::OkStatus();
}

// The entities of one kind that lie in the bin and match; oldest deletion first.
absl::Status CollectBinned(const Kind& kind, const Filter& filter, const Draft& draft,
                           std::vector<Found>& found) {
  RETRACE_ASSIGN(const auto hits, draft.Find({kind.number, kBinIndex, "", ""}, kMostLookedAt + 1));
  if (hits.size() > kMostLookedAt) {
    return Refusal(v1::USE_OPERATION,
                   fmt::format("More than {} {} lie in the bin, too many to look through at once.",
                               kMostLookedAt, kind.collection))
        .Next("Purge by name.");
  }
  std::unique_ptr<Message> shown(kind.resource->New());
  for (const IndexHit& hit : hits) {
    Found one{{kind.number, hit.id}, nullptr};
    RETRACE_ASSIGN(one.row, draft.Get(one.entity));
    if (one.row == nullptr || !one.row->binned()) {
      continue;
    }
    if (!filter.empty()) {
      ShowResource(draft.header().tenant, one.entity, *one.row, *shown);
      if (!filter.Matches(*shown)) {
        continue;
      }
    }
    found.push_back(std::move(one));
    if (found.size() > kMostEntities) {
      return TooMany();
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<const Kind*> BinnableKind(const std::string& collection) {
  const Kind* kind = FindKind(collection);
  if (kind != nullptr && !kind->derived && !collection.empty()) {
    return kind;
  }
  return Refusal(v1::INVALID_FIELD, fmt::format("There is no collection `{}`.", collection))
      .Field("collection", "Give one like `customers`.");
}

// Purges them, or only says what would go: the reply counts the targets.
absl::Status PurgeOrCount(const std::vector<Found>& found, bool force,
                          const v1::CommandOptions& options, Draft& draft) {
  if (!force && (options.plan_only() || !options.plan_token().empty())) {
    return Refusal(v1::INVALID_FIELD, "A plan is about a purge, not about counting.")
        .Field("force", "Set it; with plan_only nothing is purged all the same.");
  }
  for (const Found& one : found) {
    draft.Target(one.entity);
  }
  return force ? PurgeAll(found, draft) : absl::OkStatus();
}

}  // namespace

absl::Status PurgeAll(const std::vector<Found>& binned, Draft& draft) {
  Purge purge(draft);
  for (const Found& one : binned) {
    RETRACE_RETURN_IF_ERROR(purge.Take(one));
  }
  RETRACE_RETURN_IF_ERROR(purge.FindKeys());
  return purge.Emit();
}

const google::protobuf::RepeatedPtrField<std::string>* DestroyedKeys(const Message& event) {
  if (event.GetDescriptor() == store::v1::Purged::descriptor()) {
    return &static_cast<const store::v1::Purged&>(event).key_ids();
  }
  if (event.GetDescriptor() == store::v1::PastRemoved::descriptor()) {
    return &static_cast<const store::v1::PastRemoved&>(event).key_ids();
  }
  return nullptr;
}

absl::Status Decide(const v1::PurgeEntitiesRequest& request, Draft& draft, const Context& context) {
  RETRACE_RETURN_IF_ERROR(CheckParent(request.parent(), context));
  const bool by_filter = !request.collection().empty() || !request.filter().empty();
  if (by_filter == !request.names().empty()) {
    return Refusal(v1::INVALID_FIELD, "Say what to purge: names, or a collection and a filter.")
        .Field("names", "Give names or a filter, not both.");
  }
  std::vector<Found> found;
  if (!by_filter) {
    RETRACE_ASSIGN(found, FindNamedBinned(request.names(), request.options(), draft, context));
    return PurgeOrCount(found, /*force=*/true, request.options(), draft);
  }
  RETRACE_ASSIGN(const Kind* kind, BinnableKind(request.collection()));
  if (request.filter().empty()) {
    return Refusal(v1::INVALID_FIELD, "A purge by filter needs a filter.")
        .Field("filter", "Give a filter; `*` matches everything.");
  }
  Filter filter;
  if (request.filter() != "*") {
    RETRACE_ASSIGN(filter, Filter::Parse(request.filter(), *kind->resource->GetDescriptor(), {}));
  }
  RETRACE_RETURN_IF_ERROR(CollectBinned(*kind, filter, draft, found));
  return PurgeOrCount(found, request.force(), request.options(), draft);
}

absl::Status Decide(const v1::EmptyBinRequest& request, Draft& draft, const Context& context) {
  RETRACE_RETURN_IF_ERROR(CheckParent(request.parent(), context));
  std::vector<Found> found;
  if (!request.collection().empty()) {
    RETRACE_ASSIGN(const Kind* kind, BinnableKind(request.collection()));
    RETRACE_RETURN_IF_ERROR(CollectBinned(*kind, Filter(), draft, found));
  } else {
    for (const Kind& kind : Kinds()) {
      if (!kind.derived) {
        RETRACE_RETURN_IF_ERROR(CollectBinned(kind, Filter(), draft, found));
      }
    }
  }
  return PurgeOrCount(found, request.force(), request.options(), draft);
}

}  // namespace retrace::domain
