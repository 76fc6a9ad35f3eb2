#include "domain/counters.h"

#include <algorithm>
#include <set>

#include "domain/lifecycle.h"
#include "domain/status_macros.h"
#include "retrace/v1/customers.pb.h"

namespace retrace::domain {
namespace {

using store::v1::Counter;
using store::v1::Counters;

EntityRef CountersRef(const std::string& owner) { return {KindNumber::kCounters, owner}; }

}  // namespace

Kind CountersKind() {
  Kind kind;
  kind.number = KindNumber::kCounters;
  kind.singular = "counters";
  kind.resource = &Counters::default_instance();
  kind.derived = true;
  return kind;
}

void CounterChanges::Change(const Kind& kind, const Row* before, const Row& after) {
  if (kind.contribute == nullptr) {
    return;
  }
  if (kind.number == KindNumber::kCustomer && before == nullptr) {
    customer_number_ = std::max(customer_number_, after.As<v1::Customer>().number());
  }
  if (before != nullptr) {
    Add(kind, *before, -1);
  }
  if (!after.purged()) {
    Add(kind, after, 1);
  }
}

void CounterChanges::Add(const Kind& kind, const Row& row, int sign) {
  std::vector<Contribution> contributions;
  kind.contribute(row, contributions);
  const std::string state(StateName(row));
  for (Contribution& one : contributions) {
    Sum& sum = owners_[one.owner][{static_cast<uint32_t>(kind.number), std::move(one.subkind),
                                   state, std::move(one.stage), std::move(one.currency)}];
    sum.count += sign;
    // Wraps like the hardware does: amounts are the caller's, and overflow must not end the
    // process.
    sum.minor_units =
        static_cast<int64_t>(static_cast<uint64_t>(sum.minor_units) +
                             static_cast<uint64_t>(sign) * static_cast<uint64_t>(one.minor_units));
  }
}

absl::StatusOr<std::shared_ptr<Counters>> CounterChanges::Counted(
    const std::string& owner, const std::map<Group, Sum>& groups, const View& base) const {
  const bool unchanged = std::all_of(groups.begin(), groups.end(), [](const auto& group) {
    return group.second.count == 0 && group.second.minor_units == 0;
  });
  if (unchanged) {
    return nullptr;
  }
  RETRACE_ASSIGN(const RowPtr row, base.Get(CountersRef(owner)));
  static const Counters none;
  const Counters& before = row == nullptr ? none : row->As<Counters>();
  auto after = std::make_shared<Counters>();
  const auto add = [&](const Group& group, int64_t count, uint64_t minor_units) {
    if (count == 0) {
      return;
    }
    Counter& counter = *after->add_counters();
    counter.set_kind(group.kind);
    counter.set_subkind(group.subkind);
    counter.set_state(group.state);
    counter.set_stage(group.stage);
    counter.set_currency(group.currency);
    counter.set_count(count);
    counter.set_sum_minor_units(static_cast<int64_t>(minor_units));
  };
  // Both are sorted by group, and so is what comes of them.
  auto change = groups.begin();
  for (const Counter& counter : before.counters()) {
    const Group group{counter.kind(), counter.subkind(), counter.state(), counter.stage(),
                      counter.currency()};
    for (; change != groups.end() && change->first < group; ++change) {
      add(change->first, change->second.count, static_cast<uint64_t>(change->second.minor_units));
    }
    Sum sum;
    if (change != groups.end() && change->first == group) {
      sum = change->second;
      ++change;
    }
    add(group, counter.count() + sum.count,
        static_cast<uint64_t>(counter.sum_minor_units()) + static_cast<uint64_t>(sum.minor_units));
  }
  for (; change != groups.end(); ++change) {
    add(change->first, change->second.count, static_cast<uint64_t>(change->second.minor_units));
  }
  if (owner.empty()) {
    after->set_last_customer_number(std::max(before.last_customer_number(), customer_number_));
  }
  return after;
}

absl::StatusOr<std::vector<std::pair<EntityRef, RowPtr>>> CounterChanges::Rows(
    const View& base) const {
  std::vector<std::pair<EntityRef, RowPtr>> rows;
  for (const auto& [owner, groups] : owners_) {
    RETRACE_ASSIGN(auto counters, Counted(owner, groups, base));
    if (counters != nullptr) {
      auto row = std::make_shared<Row>();
      row->resource = std::move(counters);
      rows.emplace_back(CountersRef(owner), std::move(row));
    }
  }
  return rows;
}

absl::StatusOr<size_t> CounterChanges::StagesIfMore(const View& base) const {
  const auto tenant = owners_.find("");
  if (tenant == owners_.end() ||
      std::none_of(tenant->second.begin(), tenant->second.end(), [](const auto& group) {
        return !group.first.stage.empty() && group.second.count > 0;
      })) {
    return 0;
  }
  RETRACE_ASSIGN(const RowPtr row, base.Get(CountersRef("")));
  RETRACE_ASSIGN(const auto counted, Counted("", tenant->second, base));
  const auto stages = [](const Counters& counters) {
    std::set<std::string> found;
    for (const Counter& counter : counters.counters()) {
      if (!counter.stage().empty()) {
        found.insert(counter.stage());
      }
    }
    return found.size();
  };
  const size_t before = row == nullptr ? 0 : stages(row->As<Counters>());
  const size_t after = counted == nullptr ? 0 : stages(*counted);
  return after > before ? after : 0;
}

}  // namespace retrace::domain
