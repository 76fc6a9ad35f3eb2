// What a row store must answer, computed the slow and obvious way; and random histories to try it
// on.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "eventstore/row_store.h"

namespace retrace::testing {

// Keeps everything and searches all of it.
class RowModel {
 public:
  void Apply(const eventstore::RowChanges& commit);

  std::vector<eventstore::RowVersion> Versions(eventstore::TenantNumber tenant,
                                               eventstore::KindNumber kind, const std::string& id,
                                               eventstore::Position as_of, size_t limit) const;
  // In the scan's order.
  std::vector<eventstore::IndexEntry> Scan(const eventstore::IndexRange& range,
                                           eventstore::Position as_of, bool backwards) const;
  std::vector<eventstore::RowAt> Rows(eventstore::TenantNumber tenant,
                                      eventstore::KindNumber first_kind,
                                      eventstore::KindNumber last_kind,
                                      eventstore::Position as_of) const;
  // 0 for a tenant without commits.
  eventstore::Position HeadOf(eventstore::TenantNumber tenant) const;
  // Adds to the commit the removal of every version of the entity's row and entries.
  void RemoveAll(eventstore::KindNumber kind, const std::string& id,
                 eventstore::RowChanges& commit) const;

 private:
  using RowKey = std::tuple<eventstore::TenantNumber, eventstore::KindNumber, std::string>;
  using EntryKey = std::tuple<eventstore::TenantNumber, eventstore::KindNumber,
                              eventstore::IndexNumber, std::string, std::string>;
  std::map<RowKey, std::map<eventstore::Position, std::string>> rows_;
  std::map<EntryKey, std::map<eventstore::Position, eventstore::Mark>> entries_;
  std::map<eventstore::TenantNumber, eventstore::Position> heads_;
};

// Makes commits out of few tenants, kinds, indexes, values and ids, so that they meet often: values
// and ids that begin each other, that hold zero and ff bytes; a few entities with very many
// versions; some entities are removed with all of them, and come again.
class RandomHistory {
 public:
  explicit RandomHistory(uint64_t seed);

  // The next commit of a random tenant. The same seed gives the same commits.
  eventstore::RowChanges NextCommit();

  eventstore::TenantNumber Tenant();
  eventstore::KindNumber Kind();
  eventstore::IndexNumber Index();
  std::string Value();
  std::string Id();
  // Somewhere in the tenant's history, or beyond it.
  eventstore::Position AsOf(eventstore::TenantNumber tenant);
  eventstore::IndexRange Range();
  uint64_t Below(uint64_t bound) { return bits_() % bound; }
  bool OneIn(uint64_t times) { return Below(times) == 0; }

 private:
  std::mt19937_64 bits_;
  RowModel model_;
};

}  // namespace retrace::testing
