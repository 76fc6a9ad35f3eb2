// Counters: how many entities there are by kind, state, stage and currency, and what they are
// worth; for the tenant, and for each customer's records.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "domain/kind.h"
#include "domain/view.h"

namespace retrace::domain {

Kind CountersKind();

// What one commit adds to and takes from counters.
class CounterChanges {
 public:
  // Counts an entity that was `before` (null: new) and is `after`.
  void Change(const Kind& kind, const Row* before, const Row& after);
  // The rows that change, by owner, on top of those in `base`.
  absl::StatusOr<std::vector<std::pair<EntityRef, RowPtr>>> Rows(const View& base) const;
  // Different stages of records in the tenant after the commit; 0 when the commit brings none that
  // was not there.
  absl::StatusOr<size_t> StagesIfMore(const View& base) const;

 private:
  struct Group {
    uint32_t kind = 0;
    std::string subkind;
    std::string state;
    std::string stage;
    std::string currency;
    auto operator<=>(const Group&) const = default;
  };
  struct Sum {
    int64_t count = 0;
    int64_t minor_units = 0;
  };

  void Add(const Kind& kind, const Row& row, int sign);
  // The owner's counters in `base` with the changes; null when they come to nothing.
  absl::StatusOr<std::shared_ptr<store::v1::Counters>> Counted(const std::string& owner,
                                                               const std::map<Group, Sum>& groups,
                                                               const View& base) const;

  std::map<std::string, std::map<Group, Sum>> owners_;
  int64_t customer_number_ = 0;
};

}  // namespace retrace::domain
