#include "tests/eventstore/row_model.h"

#include <algorithm>
#include <array>

namespace retrace::testing {

using eventstore::IndexEntry;
using eventstore::IndexNumber;
using eventstore::IndexRange;
using eventstore::KindNumber;
using eventstore::Mark;
using eventstore::Position;
using eventstore::RowAt;
using eventstore::RowChanges;
using eventstore::RowVersion;
using eventstore::TenantNumber;

void RowModel::Apply(const RowChanges& commit) {
  heads_[commit.tenant] = commit.position;
  for (const auto& row : commit.removed_rows) {
    rows_[{commit.tenant, row.kind, row.id}].erase(row.position);
  }
  for (const auto& entry : commit.removed_entries) {
    entries_[{commit.tenant, entry.kind, entry.index, entry.value, entry.id}].erase(entry.position);
  }
  const auto since = [&](Position position) { return position == 0 ? commit.position : position; };
  for (const auto& row : commit.rows) {
    rows_[{commit.tenant, row.kind, row.id}][since(row.position)] = row.bytes;
  }
  for (const auto& entry : commit.entries) {
    entries_[{commit.tenant, entry.kind, entry.index, entry.value, entry.id}]
            [since(entry.position)] = entry.mark;
  }
}

void RowModel::RemoveAll(KindNumber kind, const std::string& id, RowChanges& commit) const {
  if (const auto row = rows_.find({commit.tenant, kind, id}); row != rows_.end()) {
    for (const auto& [position, bytes] : row->second) {
      commit.removed_rows.push_back({kind, id, position});
    }
  }
  for (const auto& [key, versions] : entries_) {
    const auto& [tenant, of_kind, index, value, of_id] = key;
    if (tenant != commit.tenant || of_kind != kind || of_id != id) continue;
    for (const auto& [position, mark] : versions) {
      commit.removed_entries.push_back({kind, index, value, id, position});
    }
  }
}

std::vector<RowVersion> RowModel::Versions(TenantNumber tenant, KindNumber kind,
                                           const std::string& id, Position as_of,
                                           size_t limit) const {
  std::vector<RowVersion> result;
  const auto row = rows_.find({tenant, kind, id});
  if (row == rows_.end()) return result;
  for (auto it = row->second.rbegin(); it != row->second.rend() && result.size() < limit; ++it) {
    if (it->first <= as_of) result.push_back({it->first, it->second});
  }
  return result;
}

std::vector<IndexEntry> RowModel::Scan(const IndexRange& range, Position as_of,
                                       bool backwards) const {
  std::vector<IndexEntry> result;
  for (const auto& [key, versions] : entries_) {
    const auto& [tenant, kind, index, value, id] = key;
    if (tenant != range.tenant || kind != range.kind || index != range.index) continue;
    if (value < range.lower || (!range.upper.empty() && value >= range.upper)) continue;
    const std::pair<const Position, Mark>* newest = nullptr;
    for (const auto& version : versions) {
      if (version.first <= as_of) newest = &version;
    }
    if (newest == nullptr || newest->second == Mark::kGone) continue;
    result.push_back({value, id, newest->first, newest->second});
  }
  if (backwards) std::reverse(result.begin(), result.end());
  return result;
}

std::vector<RowAt> RowModel::Rows(TenantNumber tenant, KindNumber first_kind, KindNumber last_kind,
                                  Position as_of) const {
  std::vector<RowAt> result;
  for (const auto& [key, versions] : rows_) {
    const auto& [row_tenant, kind, id] = key;
    if (row_tenant != tenant || kind < first_kind || kind > last_kind) continue;
    const std::pair<const Position, std::string>* newest = nullptr;
    for (const auto& version : versions) {
      if (version.first <= as_of) newest = &version;
    }
    if (newest != nullptr) result.push_back({kind, id, newest->first, newest->second});
  }
  return result;
}

Position RowModel::HeadOf(TenantNumber tenant) const {
  const auto head = heads_.find(tenant);
  return head == heads_.end() ? 0 : head->second;
}

RandomHistory::RandomHistory(uint64_t seed) : bits_(seed) {}

RowChanges RandomHistory::NextCommit() {
  RowChanges commit;
  commit.tenant = Tenant();
  commit.position = model_.HeadOf(commit.tenant) + 1;
  commit.epoch = 7;
  for (auto& byte : commit.commit_hash) byte = static_cast<uint8_t>(Below(256));
  const uint64_t rows = Below(4);
  for (uint64_t i = 0; i < rows; ++i) {
    commit.rows.push_back({Kind(), Id(), std::string(Below(40), static_cast<char>(Below(256)))});
  }
  const uint64_t entries = Below(6);
  for (uint64_t i = 0; i < entries; ++i) {
    commit.entries.push_back({Kind(), Index(), Value(), Id(), static_cast<Mark>(Below(3))});
  }
  if (OneIn(12)) {
    const KindNumber kind = Kind();
    const std::string id = Id();
    model_.RemoveAll(kind, id, commit);
    // What is left of it stands where it began.
    commit.rows.push_back({kind, id, "removed", 1 + Below(commit.position)});
    commit.entries.push_back({kind, Index(), Value(), id, Mark::kLive, 1 + Below(commit.position)});
  }
  // One entry and row of every history change all the time.
  if (OneIn(2)) commit.entries.push_back({1, 1, "ab", "a", static_cast<Mark>(Below(3))});
  if (OneIn(2)) commit.rows.push_back({1, "a", std::to_string(commit.position)});
  model_.Apply(commit);
  return commit;
}

TenantNumber RandomHistory::Tenant() {
  constexpr std::array<TenantNumber, 6> kTenants = {1, 1, 1, 0, 256, UINT32_MAX};
  return kTenants[Below(kTenants.size())];
}

KindNumber RandomHistory::Kind() {
  constexpr std::array<KindNumber, 6> kKinds = {1, 1, 1, 0, 255, UINT16_MAX};
  return kKinds[Below(kKinds.size())];
}

IndexNumber RandomHistory::Index() {
  constexpr std::array<IndexNumber, 5> kIndexes = {1, 1, 1, 0, UINT8_MAX};
  return kIndexes[Below(kIndexes.size())];
}

std::string RandomHistory::Value() {
  constexpr std::array<char, 6> kBytes = {'\0', '\x01', '\x02', 'a', 'b', '\xff'};
  std::string value;
  for (uint64_t size = Below(4); size > 0; --size) value.push_back(kBytes[Below(kBytes.size())]);
  return value;
}

std::string RandomHistory::Id() {
  static const std::array<std::string, 8> kIds = {
      "a", "ab", "a-b", "b", "0", "", std::string("a\0", 2), std::string(128, '\xff')};
  return kIds[Below(kIds.size())];
}

Position RandomHistory::AsOf(TenantNumber tenant) {
  if (OneIn(4)) return eventstore::kLatest;
  return Below(model_.HeadOf(tenant) + 3);
}

IndexRange RandomHistory::Range() {
  const TenantNumber tenant = Tenant();
  const KindNumber kind = Kind();
  const IndexNumber index = Index();
  switch (Below(4)) {
    case 0:
      return IndexRange::Prefix(tenant, kind, index, Value());
    case 1:
      return IndexRange::Exactly(tenant, kind, index, Value());
    case 2:
      return {tenant, kind, index, "", ""};
    default:
      return {tenant, kind, index, Value(), Value()};
  }
}

}  // namespace retrace::testing
