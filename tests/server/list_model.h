// Lists as one would write them without indexes: everything is looked at, filtered, sorted and cut.
#pragma once

#include <string>
#include <vector>

#include "retrace/v1/customers.pb.h"
#include "retrace/v1/members.pb.h"
#include "retrace/v1/records.pb.h"
#include "tests/support/small_ledger.h"

namespace retrace::testing {

// What a list request asks, without paging.
struct Asked {
  std::string filter;
  std::string order_by;
  std::string query;
  bool show_inactive = false;
  bool show_deleted = false;
};

// Names in the order that a list must have. With a query and no order the order says only what
// comes first by place, so the names are sorted: compare them sorted.
std::vector<std::string> NaiveList(const Shown& shown, domain::KindNumber kind, const Asked& asked);

}  // namespace retrace::testing
