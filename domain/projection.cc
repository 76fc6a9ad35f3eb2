#include "domain/projection.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "domain/counters.h"
#include "domain/field_traits.h"
#include "domain/field_values.h"
#include "domain/index_values.h"
#include "domain/resource.h"
#include "domain/status_macros.h"
#include "fmt/format.h"

namespace retrace::domain {
namespace {

using store::v1::ChangeSetTally;
using store::v1::RequestRow;

void ProjectIndex(const Kind& kind, const IndexDeclaration& index, const std::string& id,
                  const Row* before, const Row& after, std::vector<ProjectedEntry>& entries) {
  const auto add = [&](std::string value, Mark mark) {
    entries.push_back({kind.number, index.number, std::move(value), id, mark});
  };
  std::vector<std::string> now = IndexValues(index, *after.resource);
  if (before == nullptr) {
    for (std::string& value : now) {
      add(std::move(value), MarkOf(after));
    }
    return;
  }
  const bool marks_differ = MarkOf(*before) != MarkOf(after);
  const std::vector<std::string> was =
      before->resource == after.resource ? now : IndexValues(index, *before->resource);
  // Both are sorted: entries come in the order of their values.
  auto old = was.begin();
  for (std::string& value : now) {
    for (; old != was.end() && *old < value; ++old) {
      add(*old, Mark::kGone);
    }
    const bool kept = old != was.end() && *old == value;
    if (kept) {
      ++old;
    }
    if (!kept || marks_differ) {
      add(std::move(value), MarkOf(after));
    }
  }
  for (; old != was.end(); ++old) {
    add(*old, Mark::kGone);
  }
}

// True when the index may have other entries after than before.
bool MayChange(const IndexDeclaration& index, const Row* before, const Row& after) {
  if (before == nullptr || MarkOf(*before) != MarkOf(after)) {
    return true;
  }
  return before->resource != after.resource &&
         std::any_of(index.fields.begin(), index.fields.end(), [&](std::string_view path) {
           const auto* field =
               FieldNamed(*after.resource->GetDescriptor(), path.substr(0, path.find('.')));
           return field == nullptr || !SameField(*field, *before->resource, *after.resource);
         });
}

// What every kind has without declaring it.
void ProjectReserved(const Kind& kind, const std::string& id, const Row* before, const Row& after,
                     std::vector<ProjectedEntry>& entries) {
  const auto add = [&](uint8_t index, std::string value, Mark mark) {
    entries.push_back({kind.number, index, std::move(value), id, mark});
  };
  const Position was = before == nullptr ? 0 : before->binned_at(), is = after.binned_at();
  if (was != is && was != 0) {
    add(kBinIndex, EncodeNumber(static_cast<int64_t>(was)), Mark::kGone);
  }
  if (was != is && is != 0) {
    add(kBinIndex, EncodeNumber(static_cast<int64_t>(is)), Mark::kBinned);
  }
  if (before != nullptr && !before->head.subject().empty() &&
      before->head.subject() != after.head.subject() &&
      before->head.subject() != fmt::format("{}/{}", kind.collection, id)) {
    add(kFormerSubjectIndex, before->head.subject(), Mark::kLive);
  }
  if (before == nullptr || before->resource == after.resource) {
    return;
  }
  // Who was merged and came back: what that brought is in the past of this one.
  std::vector<std::string> gone = MergedFrom(*before->resource);
  if (gone.empty()) {
    return;
  }
  for (const std::string& name : MergedFrom(*after.resource)) {
    std::erase(gone, name);
  }
  for (const std::string& name : gone) {
    add(kFormerSubjectIndex,
        fmt::format("{}/{}", kind.collection, name.substr(name.rfind('/') + 1)), Mark::kLive);
  }
}

ProjectedRow Derived(EntityRef entity, RowPtr row) {
  std::string bytes = SerializeRow(*row);
  return {std::move(entity), std::move(row), std::move(bytes)};
}

ProjectedRow ProjectRequest(const CommitHeader& header, std::string id) {
  auto request = std::make_shared<RequestRow>();
  request->set_position(header.position);
  request->set_request_hash(header.request_hash);
  auto row = std::make_shared<Row>();
  row->resource = std::move(request);
  return Derived({KindNumber::kRequest, std::move(id)}, std::move(row));
}

absl::StatusOr<ProjectedRow> ProjectTally(const CommitHeader& header, size_t events,
                                          const View& base) {
  EntityRef entity{KindNumber::kChangeSetTally, fmt::format("{}", header.change_set)};
  RETRACE_ASSIGN(const RowPtr before, base.Get(entity));
  auto tally = before == nullptr ? std::make_shared<ChangeSetTally>()
                                 : std::make_shared<ChangeSetTally>(before->As<ChangeSetTally>());
  if (before == nullptr) {
    tally->set_first_position(header.position);
    tally->set_first_time_us(header.time_us);
    tally->set_actor(header.actor);
    tally->set_on_behalf_of(header.on_behalf_of);
  }
  tally->set_last_position(header.position);
  tally->set_last_time_us(header.time_us);
  tally->set_commit_count(tally->commit_count() + 1);
  tally->set_event_count(tally->event_count() + static_cast<int64_t>(events));
  if (std::find(tally->methods().begin(), tally->methods().end(), header.method) ==
      tally->methods().end()) {
    tally->add_methods(header.method);
  }
  if (tally->reason().empty()) {
    tally->set_reason(header.reason);
  }
  auto row = std::make_shared<Row>();
  row->resource = std::move(tally);
  return Derived(std::move(entity), std::move(row));
}

}  // namespace

Kind RequestKind() {
  Kind kind;
  kind.number = KindNumber::kRequest;
  kind.singular = "request";
  kind.resource = &RequestRow::default_instance();
  kind.derived = true;
  return kind;
}

Kind ChangeSetTallyKind() {
  Kind kind;
  kind.number = KindNumber::kChangeSetTally;
  kind.singular = "change set tally";
  kind.resource = &ChangeSetTally::default_instance();
  kind.derived = true;
  return kind;
}

void ProjectEntries(const Kind& kind, const std::string& id, const Row* before, const Row& after,
                    std::vector<ProjectedEntry>& entries) {
  for (const IndexDeclaration& index : kind.indexes) {
    if (MayChange(index, before, after)) {
      ProjectIndex(kind, index, id, before, after, entries);
    }
  }
  ProjectReserved(kind, id, before, after, entries);
}

namespace {

// Removes every version of the entity's row and entries, from `last` back: the keys of each version
// follow from it and the one before, as they did when it was written.
absl::Status ProjectRemoval(const EntityRef& entity, RowPtr last, const View& base,
                            Projection& projection) {
  const Kind& kind = KindOf(entity.kind);
  while (last != nullptr && !last->purged()) {
    const Position position = last->head.update_position();
    RETRACE_ASSIGN(RowPtr before, VersionBefore(entity, *last, base));
    projection.removed_rows.push_back({entity, position});
    const size_t first = projection.removed_entries.size();
    ProjectEntries(kind, entity.id, before.get(), *last, projection.removed_entries);
    for (size_t i = first; i < projection.removed_entries.size(); ++i) {
      projection.removed_entries[i].position = position;
    }
    last = std::move(before);
  }
  return absl::OkStatus();
}

// What is left of a purged entity, since it was created: as of any moment there is the tombstone.
void ProjectTombstone(const EntityRef& entity, RowPtr row, Projection& projection) {
  const Position created = row->head.create_position();
  projection.entries.push_back({entity.kind, kPurgedIndex,
                                EncodeNumber(static_cast<int64_t>(row->head.purge().position())),
                                entity.id, Mark::kLive, created});
  std::string bytes = SerializeRow(*row);
  projection.rows.push_back({entity, std::move(row), std::move(bytes), created});
}

absl::Status ProjectEntity(const EntityRef& entity, const Draft::Touched& touched, const View& base,
                           Position position, Projection& projection) {
  const RowPtr& before = touched.before;
  const RowPtr after = touched.after;
  const bool past_removed = after->head.past_removed() == position;
  if (after->purged() || past_removed) {
    RETRACE_RETURN_IF_ERROR(ProjectRemoval(entity, before, base, projection));
  }
  if (after->purged()) {
    ProjectTombstone(entity, after, projection);
    return absl::OkStatus();
  }
  projection.rows.push_back({entity, after, SerializeRow(*after)});
  ProjectEntries(KindOf(entity.kind), entity.id, past_removed ? nullptr : before.get(), *after,
                 projection.entries);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<RowPtr> VersionBefore(const EntityRef& entity, const Row& row, const View& view) {
  const Position position = row.head.update_position();
  if (position <= std::max(row.head.create_position(), row.head.past_removed())) {
    return nullptr;
  }
  return view.GetAt(entity, position - 1);
}

absl::StatusOr<Projection> Draft::Project() const {
  Projection projection;
  projection.rows.reserve(touched_.size() + 4);
  CounterChanges counters;
  bool begins_change_set = false;
  for (const auto& [entity, touched] : touched_) {
    RETRACE_RETURN_IF_ERROR(ProjectEntity(entity, touched, base_, header_.position, projection));
    counters.Change(KindOf(entity.kind), touched.before.get(), *touched.after);
    begins_change_set |= entity.kind == KindNumber::kChangeSet && touched.before == nullptr;
  }
  RETRACE_ASSIGN(auto changed, counters.Rows(base_));
  for (auto& [entity, row] : changed) {
    projection.rows.push_back(Derived(std::move(entity), std::move(row)));
  }
  if (!header_.request_id.empty()) {
    projection.rows.push_back(
        ProjectRequest(header_, RequestRowId(header_.actor, header_.request_id)));
  }
  if (!header_.plan_nonce.empty()) {
    projection.rows.push_back(ProjectRequest(header_, PlanRowId(header_.plan_nonce)));
  }
  // A change set of one commit is that commit; only those that were begun can have more.
  if (begins_change_set || (header_.change_set != 0 && header_.change_set != header_.position)) {
    RETRACE_ASSIGN(ProjectedRow tally, ProjectTally(header_, events_.size(), base_));
    projection.rows.push_back(std::move(tally));
  }
  return projection;
}

}  // namespace retrace::domain
