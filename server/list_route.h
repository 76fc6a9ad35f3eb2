// Which way a list is read: which of the filter's restrictions an index answers, and whether what
// it offers is walked in the order of the list or collected and sorted. Both ways give the same
// list.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "domain/filter.h"
#include "domain/kind.h"
#include "eventstore/row_store.h"
#include "server/candidates.h"
#include "server/row_view.h"

namespace retrace::server {

// One way in which a list may be ordered.
struct ListOrder {
  enum class Via {
    kIndex,  // the ordering index of the field
    kId,     // the ids, which are made in order of time
    kTime,   // create_time or update_time of the row; only what was collected can be sorted by it
  };
  std::string_view name;  // field of the resource
  Via via = Via::kIndex;
  bool may_be_unset = false;  // with kIndex: such entities come last
};

// What a kind adds to the one list of all kinds.
struct ListDeclaration {
  domain::KindNumber kind{};
  std::vector<std::string> filter_fields;
  std::vector<ListOrder> orders;  // the first is the default
};

// A restriction that an index answers: every match has an entry in the range.
struct IndexedRestriction {
  const domain::IndexDeclaration* index = nullptr;
  eventstore::IndexRange range;
  bool equality = false;
};

// The restrictions of the filter that indexes of the kind answer; those on one index that are no
// equalities as one range.
std::vector<IndexedRestriction> FindIndexed(const domain::Kind& kind, const domain::Filter& filter,
                                            eventstore::TenantNumber tenant);
// The index that orders by the field; null when there is none.
const domain::IndexDeclaration* OrderingIndex(const domain::Kind& kind, std::string_view field);
// All entries of an index.
eventstore::IndexRange WholeIndex(const domain::Kind& kind, const domain::IndexDeclaration& index,
                                  eventstore::TenantNumber tenant);
// For lists in the order of ids: one range per value of the kind's enum index, which every entity
// is in once.
std::vector<eventstore::IndexRange> IdOrderRanges(const domain::Kind& kind,
                                                  eventstore::TenantNumber tenant);

// How the entities of a filtered list are found. Where `first` is set, they are its entries, in
// both it and `second` when that is set, too; else all of the kind, those of the ordering index
// only in `order_range` where that is set.
struct ListRoute {
  std::optional<eventstore::IndexRange> first;
  std::optional<eventstore::IndexRange> second;
  std::optional<eventstore::IndexRange> order_range;
  // True: collect, sort and cut. False: walk in the order of the list.
  bool sort = false;
};

// Chooses. `max_reads` bounds what may be collected; `page_size` is what is wanted.
absl::StatusOr<ListRoute> ChooseRoute(const domain::Kind& kind, const domain::Filter& filter,
                                      const ListOrder& order, const CandidateSource& source,
                                      const RowView& view, size_t page_size, size_t max_reads);

}  // namespace retrace::server
