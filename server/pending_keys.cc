#include "server/pending_keys.h"

#include <algorithm>

#include "domain/status_macros.h"

namespace retrace::server {

using domain::EntityRef;
using domain::IndexHit;
using domain::IndexRange;
using domain::Mark;
using domain::Position;
using domain::RowPtr;

void PendingKeys::Add(Position position, const domain::Projection& projection) {
  CommitKeys keys{.position = position};
  for (const domain::RemovedRow& row : projection.removed_rows) {
    rows_[row.entity] = {.versions = {}, .removed_by = position};
  }
  keys.rows.reserve(projection.rows.size());
  for (const domain::ProjectedRow& row : projection.rows) {
    const auto place = rows_.try_emplace(row.entity).first;
    const Position since = row.position == 0 ? position : row.position;
    place->second.versions.push_back({since, position, row.row});
    keys.rows.push_back(place);
  }
  const auto add = [&](const domain::ProjectedEntry& entry, Mark mark) {
    const auto place = entries_.try_emplace({entry.kind, entry.index, entry.value, entry.id}).first;
    if (place->second.position != position) keys.entries.push_back(place);
    place->second = {mark, position};
  };
  keys.entries.reserve(projection.entries.size() + projection.removed_entries.size());
  for (const domain::ProjectedEntry& entry : projection.removed_entries) add(entry, Mark::kGone);
  for (const domain::ProjectedEntry& entry : projection.entries) add(entry, entry.mark);
  commits_.push_back(std::move(keys));
}

void PendingKeys::Forget(Position position) {
  while (!commits_.empty() && commits_.front().position <= position) {
    const CommitKeys& keys = commits_.front();
    for (const Rows::iterator place : keys.rows) {
      Versions& row = place->second;
      std::erase_if(row.versions,
                    [&](const Version& version) { return version.written_by <= keys.position; });
      if (row.removed_by <= keys.position) row.removed_by = 0;
      if (row.versions.empty()) rows_.erase(place);
    }
    for (const Entries::iterator entry : keys.entries) {
      if (entry->second.position <= keys.position) entries_.erase(entry);
    }
    commits_.pop_front();
  }
}

void PendingKeys::Clear() {
  rows_.clear();
  entries_.clear();
  commits_.clear();
}

std::optional<RowPtr> PendingKeys::Get(const EntityRef& entity, Position position) const {
  auto it = rows_.find(entity);
  if (it == rows_.end()) return std::nullopt;
  const std::vector<Version>& versions = it->second.versions;
  for (auto version = versions.rbegin(); version != versions.rend(); ++version) {
    if (version->since <= position) return version->row;
  }
  return it->second.removed_by == 0 ? std::nullopt : std::optional<RowPtr>(nullptr);
}

const RowPtr* RecentRows::Find(const EntityRef& entity) const {
  auto it = rows_.find(std::pair(entity.kind, entity.id));
  return it == rows_.end() ? nullptr : &it->second;
}

void RecentRows::Put(const EntityRef& entity, RowPtr row) {
  // A request's row is read once, when its id is new.
  if (entity.kind == domain::KindNumber::kRequest) return;
  // Forgetting everything now and then is as good as forgetting the oldest: what is busy is back at
  // once.
  if (rows_.size() >= kMost) rows_.clear();
  rows_.insert_or_assign(std::pair(entity.kind, entity.id), std::move(row));
}

void RecentRows::PutAll(const domain::Projection& projection) {
  for (const domain::ProjectedRow& row : projection.rows) Put(row.entity, row.row);
}

absl::StatusOr<RowPtr> LiveView::Get(const EntityRef& entity) const {
  if (recent_ != nullptr) {
    if (const RowPtr* row = recent_->Find(entity)) return *row;
  }
  RETRACE_ASSIGN(RowPtr row, GetAt(entity, domain::kLatest));
  if (recent_ != nullptr) recent_->Put(entity, row);
  return row;
}

absl::StatusOr<RowPtr> LiveView::GetAt(const EntityRef& entity, Position position) const {
  if (std::optional<RowPtr> row = pending_.Get(entity, position)) return *std::move(row);
  return base_.GetAt(entity, position);
}

absl::StatusOr<std::vector<IndexHit>> LiveView::Find(const IndexRange& range, size_t limit) const {
  const auto& entries = pending_.entries();
  const auto begin = entries.lower_bound({range.kind, range.index, range.lower, ""});
  auto end = begin;
  size_t covered = 0;
  auto inside = [&](const PendingKeys::EntryKey& key) {
    return std::get<0>(key) == range.kind && std::get<1>(key) == range.index &&
           (range.upper.empty() || std::get<2>(key) < range.upper);
  };
  while (end != entries.end() && inside(end->first)) {
    ++end;
    ++covered;
  }
  // A stored entry that is also pending is superseded: ask for as many more as could be.
  const size_t wanted = limit > SIZE_MAX - covered ? limit : limit + covered;
  RETRACE_ASSIGN(std::vector<IndexHit> stored, base_.Find(range, wanted));
  if (begin == end) return stored;

  std::vector<IndexHit> merged;
  merged.reserve(std::min(wanted, stored.size() + covered));
  for (IndexHit& hit : stored) {
    if (entries.find({range.kind, range.index, hit.value, hit.id}) == entries.end())
      merged.push_back(std::move(hit));
  }
  for (auto it = begin; it != end; ++it) {
    if (it->second.mark == Mark::kGone) continue;
    merged.push_back({std::get<2>(it->first), std::get<3>(it->first), it->second.mark});
  }
  std::sort(merged.begin(), merged.end(), [](const IndexHit& a, const IndexHit& b) {
    return std::tie(a.value, a.id) < std::tie(b.value, b.id);
  });
  if (merged.size() > limit) merged.resize(limit);
  return merged;
}

}  // namespace retrace::server
