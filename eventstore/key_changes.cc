#include "eventstore/key_changes.h"

#include <algorithm>
#include <utility>

#include "eventstore/row_keys.h"

namespace retrace::eventstore {
namespace {

// The value of an index entry.
constexpr char kMarks[] = {0, 1, 2};

void AddRemovals(const RowChanges& commit, std::vector<KeyChange>& changes) {
  for (const RowRemoval& row : commit.removed_rows) {
    std::string key = RowStem(commit.tenant, row.kind, row.id);
    AppendPosition(row.position, key);
    changes.push_back({std::move(key), std::nullopt});
  }
  for (const IndexRemoval& entry : commit.removed_entries) {
    std::string key = EntryStem(commit.tenant, entry.kind, entry.index, entry.value, entry.id);
    AppendPosition(entry.position, key);
    changes.push_back({std::move(key), std::nullopt});
  }
}

void AddPuts(const RowChanges& commit, std::vector<KeyChange>& changes) {
  for (const RowPut& row : commit.rows) {
    std::string key = RowStem(commit.tenant, row.kind, row.id);
    AppendPosition(row.position == kNoPosition ? commit.position : row.position, key);
    changes.push_back({std::move(key), row.bytes});
  }
  for (const IndexPut& entry : commit.entries) {
    std::string key = EntryStem(commit.tenant, entry.kind, entry.index, entry.value, entry.id);
    AppendPosition(entry.position == kNoPosition ? commit.position : entry.position, key);
    const char* const mark = &kMarks[static_cast<size_t>(entry.mark)];
    changes.push_back({std::move(key), std::string_view(mark, 1)});
  }
}

}  // namespace

std::vector<KeyChange> SortedKeys(absl::Span<const RowChanges> commits) {
  size_t size = 0;
  for (const RowChanges& commit : commits) {
    size += commit.rows.size() + commit.entries.size() + commit.removed_rows.size() +
            commit.removed_entries.size();
  }
  std::vector<KeyChange> changes;
  changes.reserve(size);
  for (const RowChanges& commit : commits) {
    AddRemovals(commit, changes);
    AddPuts(commit, changes);
  }
  std::stable_sort(changes.begin(), changes.end(),
                   [](const KeyChange& a, const KeyChange& b) { return a.key < b.key; });
  return changes;
}

}  // namespace retrace::eventstore
