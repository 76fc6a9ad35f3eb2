// Projected keys of one tenant's commits that are decided but not yet in the row store, and the
// view that lays them over it.
#pragma once

#include <deque>
#include <map>
#include <optional>
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

  // The newest pending row at or below `position`; nothing when none is pending, null when what the
  // row store holds of it is removed.
  std::optional<domain::RowPtr> Get(const domain::EntityRef& entity,
                                    domain::Position position) const;

  // Kind, index, value, id of an entry.
  using EntryKey = std::tuple<domain::KindNumber, uint8_t, std::string, std::string>;
  struct Entry {
    domain::Mark mark{};
    domain::Position position = 0;
  };
  const std::map<EntryKey, Entry>& entries() const { return entries_; }

 private:
  struct Version {
    domain::Position since;
    domain::Position written_by;  // later than `since` when the commit removed what was before
    domain::RowPtr row;
  };
  struct Versions {
    std::vector<Version> versions;
    // The commit that removed all that the row store holds, and wrote the row anew; 0: none.
    domain::Position removed_by = 0;
  };
  using Rows = std::map<domain::EntityRef, Versions>;
  using Entries = std::map<EntryKey, Entry>;
  // Where a commit's keys lie, none twice. A place stays until the last commit that wrote there is
  // forgotten.
  struct CommitKeys {
    domain::Position position;
    std::vector<Rows::iterator> rows;
    std::vector<Entries::iterator> entries;
  };
  Rows rows_;
  Entries entries_;
  std::deque<CommitKeys> commits_;
};

// Newest rows that were read or written lately, so that what every command reads (policy, counters,
// a busy customer) does not come from the row store each time. Right because one thread decides
// everything that changes a tenant: each change passes through Put. Thread-compatible.
class RecentRows {
 public:
  // The row; nothing when it is not kept. A kept null says that there is no such row.
  const domain::RowPtr* Find(const domain::EntityRef& entity) const;
  void Put(const domain::EntityRef& entity, domain::RowPtr row);
  void PutAll(const domain::Projection& projection);
  void Clear() { rows_.clear(); }

 private:
  // Some tens of MiB at most with rows of usual size.
  static constexpr size_t kMost = 8192;
  absl::flat_hash_map<std::pair<domain::KindNumber, std::string>, domain::RowPtr> rows_;
};

// The rows of one tenant with its pending keys laid over them: what the next command is decided on.
class LiveView : public domain::View {
 public:
  // All must outlive the view; `recent` may be null.
  LiveView(const RowView& base, const PendingKeys& pending, RecentRows* recent = nullptr)
      : base_(base), pending_(pending), recent_(recent) {}
  absl::StatusOr<domain::RowPtr> Get(const domain::EntityRef& entity) const override;
  absl::StatusOr<domain::RowPtr> GetAt(const domain::EntityRef& entity,
                                       domain::Position position) const override;
  absl::StatusOr<std::vector<domain::IndexHit>> Find(const domain::IndexRange& range,
                                                     size_t limit) const override;

 private:
  const RowView& base_;
  const PendingKeys& pending_;
  RecentRows* const recent_;
};

}  // namespace retrace::server
