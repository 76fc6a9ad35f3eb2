// What commits change in the row store, as keys of its database.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "eventstore/row_store.h"

namespace retrace::eventstore {

struct KeyChange {
  std::string key;
  std::optional<std::string_view> value;  // lives as long as the changes; none: removed
};

// The keys of all commits, in their order: a memtable finds the place of a key that follows the
// last one with a third of the comparisons. Of equal ones the later one stays the later; a commit
// removes before it writes.
std::vector<KeyChange> SortedKeys(absl::Span<const RowChanges> commits);

}  // namespace retrace::eventstore
