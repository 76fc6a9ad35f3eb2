// Moments of a tenant's history: what `as_of` means, and what an answer says of where it stands.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "retrace/v1/common.pb.h"
#include "server/ledger.h"
#include "server/tenants.h"

namespace retrace::server {

// A position that a query is answered at. Position 0 stands for "before the tenant's first commit":
// an empty view.
struct Moment {
  eventstore::Position position = 0;
  int64_t time_us = 0;  // of the commit at the position; 0 at position 0
  v1::Answered answered;
};

// 16 lower-case hexadecimal digits.
std::string ShowEpoch(eventstore::Epoch epoch);

// The moment that `as_of` names: unset, what is visible now; a position, that one; a time, the last
// commit at or before it (position 0 when the first is later). FUTURE_AS_OF for a position above
// the visible one or a future time, INVALID_FIELD for a negative position or a time that no
// Timestamp can hold. Resolving a time raises the tenant's floor. Errors speak of `field`.
// Thread-safe.
absl::StatusOr<Moment> ResolveAsOf(Ledger& ledger, Tenant& tenant, const v1::AsOf& as_of,
                                   std::string_view field = "as_of");
// The same for one end of a range of history: a time before the tenant's first commit is
// INVALID_FIELD, too.
absl::StatusOr<Moment> ResolveEnd(Ledger& ledger, Tenant& tenant, const v1::AsOf& as_of,
                                  std::string_view field);
// INVALID_FIELD when the later of two moments comes first.
absl::Status CheckOrder(const Moment& from, const Moment& until);
// The moment at a position that is known to be visible, e.g. one that a page token pins.
absl::StatusOr<Moment> MomentAt(const Ledger& ledger, const Tenant& tenant,
                                eventstore::Position position);

// Time of the commit at a position, microseconds; 0 at position 0.
absl::StatusOr<int64_t> CommitTimeOf(const Ledger& ledger, const Tenant& tenant,
                                     eventstore::Position position);

// The position up to which the log still holds what somebody knows who last saw `epoch`: the last
// commit of that epoch, or, when the tenant has none of it, the last one of any epoch before the
// present one. 0 when nothing is shared.
absl::StatusOr<eventstore::Position> BranchPosition(const Ledger& ledger, const Tenant& tenant,
                                                    eventstore::Epoch epoch);
// The refusal of a token or position of another epoch: EPOCH_CHANGED with `branch-position` and
// `epoch`.
absl::Status EpochChanged(const Ledger& ledger, const Tenant& tenant, eventstore::Epoch epoch);

}  // namespace retrace::server
