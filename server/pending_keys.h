// Projected keys of one tenant's commits that are decided but not yet in the row store, and the view that lays them over it.
#pragma once

#include <deque>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "domain/draft.h"
#include "domain/view.h"
#include "server/row_view.h"

namespace retrace::server {

// Thread-compatible: one thread decides, and forgets what was applied.
class PendingKeys {
 public:
  // Adds what the commit at `position` writes. Positions rise.
  void Add(domain::Position position, const domain::Projection& projection);
  // Forgets everything up to `position`: it is in the row store now.
  void Forget(domain::Position position);
  // Forgets everything: the commits never happened.
  void Clear();
  bool empty() const { return commits_.empty(); }

  // The newest pending row at or below `position`; null when none is pending.
  domain::RowPtr Get(const domain::EntityRef& entity, domain::Position position) const;

  // Kind, index, value, id of an entry.
  using EntryKey = std::tuple<domain::KindNumber, uint8_t, std::string, std::string>;
  struct Entry {
    domain::Mark mark;
    domain::Position position;
  };
  const std::map<EntryKey, Entry>& entries() const { return entries_; }

 private:
  struct Version {
    domain::Position position;
    domain::RowPtr row;
  };
  struct CommitKeys {
    domain::Position position;
    std::vector<domain::EntityRef> rows;
    std::vector<EntryKey> entries;
  };
  std::map<domain::EntityRef, std::vector<Version>> rows_;
  std::map<EntryKey, Entry> entries_;
  std::deque<CommitKeys> commits_;
};

// The rows of one tenant with its pending keys laid over them: what the next command is decided on.
class LiveView : public domain::View {
 public:
  // All must outlive the view.
  LiveView(const RowView& base, const PendingKeys& pending) : base_(base), pending_(pending) {}
  absl::StatusOr<domain::RowPtr> Get(const domain::EntityRef& entity) const override;
  absl::StatusOr<domain::RowPtr> GetAt(const domain::EntityRef& entity, domain::Position position) const override;
  absl::StatusOr<std::vector<domain::IndexHit>> Find(const domain::IndexRange& range, size_t limit) const override;

 private:
  const RowView& base_;
  const PendingKeys& pending_;
};

}  // namespace retrace::server
