// What the server itself records in tenant `system`: epochs and administrative acts.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "retrace/v1/common.pb.h"
#include "server/ledger.h"
#include "server/principal.h"
#include "server/sequencer.h"

namespace retrace::server {

// The principal that the server acts as when nobody called it.
PrincipalPtr ServerItself();

// Records that an operator did `act` (e.g. "BACKUP") through `method`. Blocks until it is durable.
absl::StatusOr<v1::Outcome> RecordAct(Sequencer& sequencer, const Tenants& tenants,
                                      PrincipalPtr principal, std::string method, std::string act,
                                      std::string_view description);

// Records the log's epoch if the tenant `system` does not know of it yet: after creation, recovery
// or accepted loss. `cause` is "RECOVERED" or "ACCEPTED_LOSS"; a log without commits gets
// "CREATED". True when something was recorded. Blocks.
absl::StatusOr<bool> RecordEpoch(Ledger& ledger, Sequencer& sequencer, std::string_view cause,
                                 std::string_view description);

}  // namespace retrace::server
