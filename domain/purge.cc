#include "domain/purge.h"

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "domain/batch.h"
#include "domain/commands.h"
#include "domain/filter.h"
#include "domain/hold.h"
#include "domain/index_values.h"
#include "domain/kind.h"
#include "domain/lifecycle.h"
#include "domain/projection.h"
#include "domain/resource.h"
#include "domain/store_anew.h"
#include "fmt/format.h"
#include "retrace/store/v1/entities.pb.h"
#include "retrace/v1/recycle_bin.pb.h"

namespace retrace::domain {
namespace {

using google::protobuf::Message;

// Entities of the bin that one purge by filter looks at.
constexpr size_t kMostLookedAt = 10'000;
// What the purge of one entity takes of a commit's room: the rest is for what is written down
// beside it, as an operation or an announcement does.
constexpr size_t kMostTogether = kMostEntities - 10;
constexpr size_t kMostBytes = 600 << 10;
// Of the last one, which still fits.
constexpr size_t kMostRowBytes = 256 << 10;
// What an entity's events take beside its resource, about.
constexpr size_t kTombstoneBytes = 300;
constexpr size_t kStoredAnewBytes = 1000;
// Versions that one commit walks through.
constexpr size_t kMostVersions = 20'000;

std::string OwnSubject(const EntityRef& entity) {
  return fmt::format("{}/{}", KindOf(entity.kind).collection, entity.id);
}

IndexRange Exactly(KindNumber kind, uint8_t index, const std::string& value) {
  return {kind, index, value, value + '\0'};
}

absl::Status TooMany() {
  return Refusal(v1::USE_OPERATION, "This would touch more than one commit can hold.")
      .With("limit", fmt::format("{}", kMostEntities))
      .Next("Purge fewer at once: name them, or narrow the filter.");
}

absl::Status TooManyBelow(const std::string& name) {
  return Refusal(v1::USE_OPERATION,
                 fmt::format("More lies in the bin below `{}` than one commit can purge.", name))
      .With("limit", fmt::format("{}", kMostEntities))
      .Next("Purge that first, some at a time: by name, or by an operation.");
}

absl::Status TooManyKept(const std::string& name) {
  return Refusal(v1::USE_OPERATION,
                 fmt::format("More of what stays was sealed with `{}`, once a part of it, than one "
                             "commit can store anew.",
                             name))
      .With("limit", fmt::format("{}", kMostEntities))
      .Next("Purge it alone with in_parts, again and again until it is purged.");
}

// What one command purges, and what it changes for that.
class Purge {
 public:
  // `name` is that of the only entity that is to be purged; empty: there are several.
  Purge(Draft& draft, std::string name) : draft_(draft), name_(std::move(name)) {}

  // Takes the entity, all that lies in the bin below it and what only tells about these.
  absl::Status Take(const Found& root);
  // Finds the keys to be destroyed, and who else was sealed under them, as far as there is room to
  // store them anew.
  absl::Status FindKeys();
  // Whether one commit holds all of it; FindKeys comes before.
  bool Fits() const;
  absl::Status WhyNot() const { return name_.empty() ? TooMany() : TooManyKept(name_); }
  std::vector<Found> Taken() const;
  absl::Status EmitStoredAnew();
  absl::Status EmitPurged();

 private:
  struct Part {
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

  size_t room() const { return name_.empty() ? kMostEntities : kMostTogether; }
  absl::Status TooManyTaken() const { return name_.empty() ? TooMany() : TooManyBelow(name_); }
  absl::Status TakeBelow(const EntityRef& parent, const EntityRef& root);
  // Takes the entities whose field names it.
  absl::Status TakeNaming(const Kind& kind, const Reference& reference, const EntityRef& named,
                          bool only_binned, const EntityRef& root);
  // Takes what lives on in the entity only: nobody could reach it to purge it afterwards.
  absl::Status TakeMergedInto(const Found& survivor, const EntityRef& root);
  // Adds the keys under which versions of the entity were sealed, to `own` those of its own subject
  // when that stays.
  absl::Status AddKeysOf(const EntityRef& entity, RowPtr row, std::set<std::string>& own);
  absl::Status FindKept(const EntityRef& purged);
  absl::Status AddKept(const EntityRef& entity, const EntityRef& purged);
  bool HasRoomForKept() const;

  Draft& draft_;
  const std::string name_;
  std::vector<Part> taken_;
  std::set<EntityRef> seen_;
  // By own subject of what is purged.
  std::map<std::string, std::set<std::string>> keys_;
  std::map<EntityRef, Kept> kept_;
  size_t kept_bytes_ = 0;
  bool more_kept_ = false;  // than there is room for
  size_t versions_ = 0;     // walked through
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
  for (const Kind& kind : Kinds()) {
    RETRACE_RETURN_IF_ERROR(TakeNaming(kind, kind.reference, parent, /*only_binned=*/true, root));
    RETRACE_RETURN_IF_ERROR(
        TakeNaming(kind, kind.purged_with, parent, /*only_binned=*/false, root));
  }
  return absl::OkStatus();
}

absl::Status Purge::TakeNaming(const Kind& kind, const Reference& reference, const EntityRef& named,
                               bool only_binned, const EntityRef& root) {
  if (reference.field.empty() || reference.to != named.kind) {
    return absl::OkStatus();
  }
  const std::string name = NameOf(draft_.header().tenant, named);
  RETRACE_ASSIGN(const auto hits,
                 draft_.Find(Exactly(kind.number, reference.index, name), kMostEntities + 1));
  for (const IndexHit& hit : hits) {
    Found one{{kind.number, hit.id}, nullptr};
    if ((only_binned && hit.mark != Mark::kBinned) || !seen_.insert(one.entity).second) {
      continue;
    }
    RETRACE_ASSIGN(one.row, draft_.Get(one.entity));
    taken_.push_back({std::move(one), root});
    if (taken_.size() > room()) {
      return TooManyTaken();
    }
  }
  return absl::OkStatus();
}

absl::Status Purge::TakeMergedInto(const Found& survivor, const EntityRef& root) {
  for (const std::string& name : MergedFrom(*survivor.row->resource)) {
    RETRACE_ASSIGN(const ResourceName parsed, ParseName(name, "merged_from"));
    Found part{{survivor.entity.kind, parsed.id}, nullptr};
    RETRACE_ASSIGN(part.row, draft_.Get(part.entity));
    const bool lives_on_here = part.row != nullptr && part.row->merged() &&
                               FromStored(part.row->head.merged_into()) == survivor.entity;
    if (!lives_on_here || !seen_.insert(part.entity).second) {
      continue;
    }
    taken_.push_back({std::move(part), root});
    if (taken_.size() > room()) {
      return TooManyTaken();
    }
  }
  return absl::OkStatus();
}

absl::Status Purge::AddKeysOf(const EntityRef& entity, RowPtr row, std::set<std::string>& own) {
  const std::string own_subject = OwnSubject(entity);
  for (; row != nullptr && !row->purged(); ++versions_) {
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

bool Purge::HasRoomForKept() const {
  return kept_.size() < kMostTogether && kept_bytes_ < kMostBytes && versions_ < kMostVersions;
}

absl::Status Purge::AddKept(const EntityRef& entity, const EntityRef& purged) {
  RETRACE_ASSIGN(const RowPtr row, draft_.Get(entity));
  if (row == nullptr || row->purged() || seen_.contains(entity) || kept_.contains(entity)) {
    return absl::OkStatus();
  }
  if (!kept_.empty() && !HasRoomForKept()) {
    more_kept_ = true;
    return absl::OkStatus();
  }
  Kept kept{row, purged, {}};
  RETRACE_RETURN_IF_ERROR(AddKeysOf(entity, row, kept.keys));
  // What it is now may be sealed under it.
  kept.keys.erase(row->head.key_id());
  kept_bytes_ += row->resource->ByteSizeLong() + kStoredAnewBytes;
  kept_.emplace(entity, std::move(kept));
  return absl::OkStatus();
}

absl::Status Purge::FindKept(const EntityRef& purged) {
  const std::string subject = OwnSubject(purged);
  for (const Kind& kind : Kinds()) {
    if (kind.subject == nullptr) {
      continue;
    }
    RETRACE_ASSIGN(const auto hits, draft_.Find(Exactly(kind.number, kFormerSubjectIndex, subject),
                                                kMostEntities + taken_.size()));
    for (size_t i = 0; i < hits.size() && !more_kept_; ++i) {
      RETRACE_RETURN_IF_ERROR(AddKept({kind.number, hits[i].id}, purged));
    }
  }
  return absl::OkStatus();
}

absl::Status Purge::FindKeys() {
  for (const Part& taken : taken_) {
    keys_[OwnSubject(taken.found.entity)];
  }
  std::set<std::string> nobodys;
  for (const Part& taken : taken_) {
    RETRACE_RETURN_IF_ERROR(AddKeysOf(taken.found.entity, taken.found.row, nobodys));
    if (taken_.size() > 1 && versions_ > kMostVersions) {
      return TooManyTaken();
    }
  }
  versions_ = 0;
  for (size_t i = 0; i < taken_.size() && !more_kept_; ++i) {
    RETRACE_RETURN_IF_ERROR(FindKept(taken_[i].found.entity));
  }
  return absl::OkStatus();
}

bool Purge::Fits() const {
  return !more_kept_ && taken_.size() + kept_.size() <= room() &&
         taken_.size() * kTombstoneBytes + kept_bytes_ <= kMostBytes + kMostRowBytes;
}

std::vector<Found> Purge::Taken() const {
  std::vector<Found> taken;
  for (const Part& part : taken_) {
    taken.push_back(part.found);
  }
  return taken;
}

absl::Status Purge::EmitStoredAnew() {
  for (const auto& [entity, kept] : kept_) {
    store::v1::PastRemoved removed;
    *removed.mutable_purged() = ToStored(kept.purged);
    for (const std::string& key : kept.keys) {
      removed.add_key_ids(key);
    }
    RETRACE_RETURN_IF_ERROR(StoreAnew({entity, kept.row}, std::move(removed), draft_));
    draft_.Lose(entity, "It stays, but its past was sealed with what is purged, and goes.");
  }
  if (!kept_.empty()) {
    draft_.Note(
        fmt::format("{} that stay lost their past, which was sealed with what was purged.",
                    kept_.size() == 1 ? "1 entity" : fmt::format("{} entities", kept_.size())));
  }
  return absl::OkStatus();
}

absl::Status Purge::EmitPurged() {
  for (const Part& taken : taken_) {
    auto event = std::make_shared<store::v1::Purged>();
    *event->mutable_root() = ToStored(taken.root);
    for (const std::string& key : keys_[OwnSubject(taken.found.entity)]) {
      event->add_key_ids(key);
    }
    RETRACE_RETURN_IF_ERROR(draft_.Emit(taken.found.entity, std::move(event)));
    draft_.Lose(taken.found.entity, "Nothing brings back what is purged.");
  }
  return absl::OkStatus();
}

void WarnOf(Draft& draft) {
  draft.Warn("PURGE_IS_FINAL", "What is purged is gone, now and at every moment of the past.");
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

absl::Status DecideInParts(const v1::PurgeEntitiesRequest& request, Draft& draft,
                           const Context& context) {
  // An operation would count a part as the whole.
  if (request.names_size() != 1 || context.header.change_set != context.header.position) {
    return Refusal(v1::INVALID_FIELD,
                   "Only one entity is purged in parts, by a command of its own.")
        .Field("in_parts", "Name one entity, without a change set and not in an operation.");
  }
  RETRACE_ASSIGN(const std::vector<Found> found,
                 FindNamedBinned(request.names(), request.options(), draft, context));
  RETRACE_ASSIGN(const PurgePart part, PurgeInParts(found[0], draft, context));
  if (part.last) {
    draft.Target(found[0].entity);
  } else {
    draft.Note("It is not purged yet: send the command again, with another request id.");
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status PurgeAll(const std::vector<Found>& binned, Draft& draft) {
  if (binned.empty()) {
    return absl::OkStatus();
  }
  Purge purge(draft, binned.size() == 1 ? NameOf(draft.header().tenant, binned[0].entity) : "");
  for (const Found& one : binned) {
    RETRACE_RETURN_IF_ERROR(purge.Take(one));
  }
  RETRACE_RETURN_IF_ERROR(purge.FindKeys());
  if (!purge.Fits()) {
    return purge.WhyNot();
  }
  WarnOf(draft);
  RETRACE_RETURN_IF_ERROR(purge.EmitStoredAnew());
  return purge.EmitPurged();
}

absl::StatusOr<PurgePart> PurgeInParts(const Found& binned, Draft& draft, const Context& context) {
  Purge purge(draft, NameOf(draft.header().tenant, binned.entity));
  RETRACE_RETURN_IF_ERROR(purge.Take(binned));
  RETRACE_RETURN_IF_ERROR(purge.FindKeys());
  PurgePart part{purge.Fits(), purge.Taken()};
  WarnOf(draft);
  RETRACE_RETURN_IF_ERROR(purge.EmitStoredAnew());
  if (part.last) {
    RETRACE_RETURN_IF_ERROR(purge.EmitPurged());
    return part;
  }
  // The draft does not touch these yet, so its check does not see them.
  for (const Found& taken : part.taken) {
    RETRACE_RETURN_IF_ERROR(CheckMayBePurged(taken.entity, *taken.row, draft.base(), context));
  }
  return part;
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

bool TakesPastAway(std::string_view event_type) {
  return event_type == store::v1::Purged::descriptor()->name() ||
         event_type == store::v1::PastRemoved::descriptor()->name();
}

absl::Status Decide(const v1::PurgeEntitiesRequest& request, Draft& draft, const Context& context) {
  RETRACE_RETURN_IF_ERROR(CheckParent(request.parent(), context));
  const bool by_filter = !request.collection().empty() || !request.filter().empty();
  if (by_filter == !request.names().empty()) {
    return Refusal(v1::INVALID_FIELD, "Say what to purge: names, or a collection and a filter.")
        .Field("names", "Give names or a filter, not both.");
  }
  if (request.in_parts()) {
    return DecideInParts(request, draft, context);
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
