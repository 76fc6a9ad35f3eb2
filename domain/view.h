// The only way that domain reads: the rows of one tenant at one position.
//
// Three implementations: live, with the projected keys of every commit not yet applied
// (server/live_view.h); as of a position (server/as_of_view.h); a map
// (tests/support/memory_view.h). Draft (draft.h) lies over any of them while a command is decided.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "domain/entity.h"

namespace retrace::domain {

// What an index entry says of its entity. The numbers are those of eventstore::Mark.
// Binned: hidden from lists that do not ask for it, in the bin or merged.
enum class Mark : uint8_t { kGone = 0, kLive = 1, kBinned = 2 };
// What the entries of a row say.
inline Mark MarkOf(const Row& row) {
  return row.binned() || row.merged() ? Mark::kBinned : Mark::kLive;
}

// A range of one declared index: values from `lower` (inclusive) to `upper` (exclusive; empty: no
// bound). Values are encoded as index_values.h does.
struct IndexRange {
  KindNumber kind{};
  uint8_t index = 0;
  std::string lower;
  std::string upper;
};

struct IndexHit {
  std::string value;
  std::string id;
  Mark mark = Mark::kLive;  // live or binned, never gone
};

// Thread-compatible.
class View {
 public:
  virtual ~View() = default;
  // The entity's row at this view's position; null when there is none.
  virtual absl::StatusOr<RowPtr> Get(const EntityRef& entity) const = 0;
  // Its row as of an earlier position.
  virtual absl::StatusOr<RowPtr> GetAt(const EntityRef& entity, Position position) const = 0;
  // Entries of the range in order of value and id, at most `limit`.
  virtual absl::StatusOr<std::vector<IndexHit>> Find(const IndexRange& range,
                                                     size_t limit) const = 0;
};

}  // namespace retrace::domain
