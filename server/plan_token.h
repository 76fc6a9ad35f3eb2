// Plan tokens: what a plan promised, carried by the caller until the command is executed.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "retrace/store/v1/plan_token.pb.h"
#include "server/ledger.h"
#include "server/sequencer.h"

namespace retrace::server {

// What came of opening a command's plan token.
struct PlanUse {
  // OK, or why the token cannot be used: PLAN_TOKEN_INVALID, EPOCH_CHANGED. The refusal waits for
  // its turn, since a repeat of an executed command still gets the first answer.
  absl::Status refused;
  store::v1::PlanToken token;
};

// The token's text. The caller has filled everything.
absl::StatusOr<std::string> SealPlanToken(Ledger& ledger, const Tenant& tenant,
                                          const store::v1::PlanToken& token);
// Opens `command.options.plan_token`.
PlanUse OpenPlanToken(Ledger& ledger, const Command& command);

// SHA-256 over method and request, both without request id and without the options about plans: the
// same on planning and on executing.
std::string PlanCommandHash(const Command& command);

}  // namespace retrace::server
