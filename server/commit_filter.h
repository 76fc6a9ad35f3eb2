// Filters over commits: what they may name, where their matches can lie.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "domain/filter.h"
#include "retrace/store/v1/commit_filter.pb.h"
#include "server/envelope.h"
#include "server/ledger.h"
#include "server/tenants.h"

namespace retrace::server {

// What filters over commits may name.
const std::vector<std::string>& CommitFilterFields();

// A commit as filters see it; without the title of a change set. The envelope must hold its events.
absl::StatusOr<store::v1::CommitFields> CommitFieldsOf(const Tenant& tenant,
                                                       const Envelope& envelope);

// Positions that may hold a match, both included.
struct PositionRange {
  eventstore::Position first = 1;
  eventstore::Position last = 0;
};

// Narrows 1 to `last` by what the filter demands of position and time.
absl::StatusOr<PositionRange> RangeOf(Ledger& ledger, const Tenant& tenant,
                                      const domain::Filter& filter, eventstore::Position last);

}  // namespace retrace::server
