// Rows in maps: what projections of domain are laid into when there is no row store. Keeps every
// version, like the store.
#pragma once

#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "domain/draft.h"
#include "domain/entity.h"
#include "domain/view.h"

namespace retrace::testing {

// All versions of a tenant's rows and index entries. Thread-compatible.
class MemoryRows {
 public:
  // Kind, index, value, id.
  using EntryKey = std::tuple<domain::KindNumber, uint8_t, std::string, std::string>;

  // Lays the keys of the commit at `position` over those before. DATA_LOSS when a row does not
  // parse.
  absl::Status Apply(const domain::Projection& projection, domain::Position position);

  absl::StatusOr<domain::RowPtr> Get(const domain::EntityRef& entity, domain::Position as_of) const;
  std::vector<domain::IndexHit> Find(const domain::IndexRange& range, size_t limit,
                                     domain::Position as_of) const;
  // Bytes of all rows as of a position.
  std::map<domain::EntityRef, std::string> RowsAt(domain::Position as_of) const;
  // All entries as of a position but gone ones.
  std::map<EntryKey, domain::Mark> EntriesAt(domain::Position as_of) const;
  // Indexes and values of all versions of the entity's entries, gone ones too.
  std::vector<std::pair<uint8_t, std::string>> EntriesOf(const domain::EntityRef& entity) const;
  // Keys that the commit at `position` wrote.
  size_t KeysWrittenAt(domain::Position position) const;

  // Everything, every version: equal stores are equal byte for byte.
  bool operator==(const MemoryRows&) const = default;

 private:
  std::map<domain::EntityRef, std::map<domain::Position, std::string>> rows_;
  std::map<EntryKey, std::map<domain::Position, domain::Mark>> entries_;
};

// The rows as of a position. `rows` must outlive it.
class MemoryView : public domain::View {
 public:
  explicit MemoryView(const MemoryRows& rows, domain::Position as_of = domain::kLatest)
      : rows_(rows), as_of_(as_of) {}

  absl::StatusOr<domain::RowPtr> Get(const domain::EntityRef& entity) const override {
    return rows_.Get(entity, as_of_);
  }
  absl::StatusOr<domain::RowPtr> GetAt(const domain::EntityRef& entity,
                                       domain::Position position) const override {
    return rows_.Get(entity, std::min(position, as_of_));
  }
  absl::StatusOr<std::vector<domain::IndexHit>> Find(const domain::IndexRange& range,
                                                     size_t limit) const override {
    return rows_.Find(range, limit, as_of_);
  }

 private:
  const MemoryRows& rows_;
  domain::Position as_of_;
};

}  // namespace retrace::testing
