#include "tests/support/memory_view.h"

#include <algorithm>

#include "domain/resource.h"
#include "domain/status_macros.h"

namespace retrace::testing {
namespace {

// The newest version at or below `as_of`; null when there is none.
template <typename Value>
const Value* VersionAt(const std::map<domain::Position, Value>& versions, domain::Position as_of) {
  auto after = versions.upper_bound(as_of);
  return after == versions.begin() ? nullptr : &std::prev(after)->second;
}

}  // namespace

absl::Status MemoryRows::Apply(const domain::Projection& projection, domain::Position position) {
  // A removal of what was never written is a fault in what removes.
  const auto remove = [](auto& all, const auto& key, domain::Position version) -> absl::Status {
    const auto found = all.find(key);
    if (found == all.end() || found->second.erase(version) == 0) {
      return absl::DataLossError("a key is removed that is not there");
    }
    if (found->second.empty()) {
      all.erase(found);
    }
    return absl::OkStatus();
  };
  for (const domain::RemovedRow& row : projection.removed_rows) {
    RETRACE_RETURN_IF_ERROR(remove(rows_, row.entity, row.position));
  }
  for (const domain::ProjectedEntry& entry : projection.removed_entries) {
    const EntryKey key{entry.kind, entry.index, entry.value, entry.id};
    RETRACE_RETURN_IF_ERROR(remove(entries_, key, entry.position));
  }
  const auto since = [&](domain::Position own) { return own == 0 ? position : own; };
  for (const domain::ProjectedRow& row : projection.rows) {
    RETRACE_RETURN_IF_ERROR(domain::ParseRow(row.entity.kind, row.bytes).status());
    rows_[row.entity][since(row.position)] = row.bytes;
  }
  for (const domain::ProjectedEntry& entry : projection.entries) {
    entries_[{entry.kind, entry.index, entry.value, entry.id}][since(entry.position)] = entry.mark;
  }
  return absl::OkStatus();
}

absl::StatusOr<domain::RowPtr> MemoryRows::Get(const domain::EntityRef& entity,
                                               domain::Position as_of) const {
  const auto found = rows_.find(entity);
  const std::string* bytes = found == rows_.end() ? nullptr : VersionAt(found->second, as_of);
  if (bytes == nullptr) {
    return nullptr;
  }
  return domain::ParseRow(entity.kind, *bytes);
}

std::vector<domain::IndexHit> MemoryRows::Find(const domain::IndexRange& range, size_t limit,
                                               domain::Position as_of) const {
  std::vector<domain::IndexHit> hits;
  for (auto it = entries_.lower_bound({range.kind, range.index, range.lower, ""});
       it != entries_.end() && hits.size() < limit; ++it) {
    const auto& [kind, index, value, id] = it->first;
    if (kind != range.kind || index != range.index ||
        (!range.upper.empty() && value >= range.upper)) {
      break;
    }
    const domain::Mark* mark = VersionAt(it->second, as_of);
    if (mark != nullptr && *mark != domain::Mark::kGone) {
      hits.push_back({value, id, *mark});
    }
  }
  return hits;
}

std::map<domain::EntityRef, std::string> MemoryRows::RowsAt(domain::Position as_of) const {
  std::map<domain::EntityRef, std::string> rows;
  for (const auto& [entity, versions] : rows_) {
    if (const std::string* bytes = VersionAt(versions, as_of)) {
      rows.emplace(entity, *bytes);
    }
  }
  return rows;
}

std::map<MemoryRows::EntryKey, domain::Mark> MemoryRows::EntriesAt(domain::Position as_of) const {
  std::map<EntryKey, domain::Mark> entries;
  for (const auto& [key, versions] : entries_) {
    const domain::Mark* mark = VersionAt(versions, as_of);
    if (mark != nullptr && *mark != domain::Mark::kGone) {
      entries.emplace(key, *mark);
    }
  }
  return entries;
}

std::vector<std::pair<uint8_t, std::string>> MemoryRows::EntriesOf(
    const domain::EntityRef& entity) const {
  std::vector<std::pair<uint8_t, std::string>> entries;
  for (const auto& [key, versions] : entries_) {
    const auto& [kind, index, value, id] = key;
    if (kind == entity.kind && id == entity.id) {
      entries.emplace_back(index, value);
    }
  }
  return entries;
}

size_t MemoryRows::KeysWrittenAt(domain::Position position) const {
  const auto wrote = [&](const auto& versions) { return versions.second.contains(position); };
  return static_cast<size_t>(std::count_if(rows_.begin(), rows_.end(), wrote) +
                             std::count_if(entries_.begin(), entries_.end(), wrote));
}

}  // namespace retrace::testing
