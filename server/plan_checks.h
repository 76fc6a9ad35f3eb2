// What stands between a destructive command and its execution: the tenant's policy (a reason, a
// plan, an acknowledged count), warnings, and the plan that the command names.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "domain/context.h"
#include "domain/draft.h"
#include "domain/view.h"
#include "retrace/v1/plans.pb.h"
#include "server/plan_token.h"
#include "server/sequencer.h"

namespace retrace::server {

// SHA-256 over what the draft does: equal when the same happens to the same entities.
std::string OutcomeDigest(const domain::Draft& draft);

// What the policy asks of this command of this caller, judged by what the draft touches.
struct Demands {
  bool reason = false;  // there is none, and there must be one
  bool plan = false;    // the command must name a plan
  bool count = false;   // the number of entities must be acknowledged
  int64_t most = 0;     // above this it must
};
absl::StatusOr<Demands> DemandsOn(const Command& command, const domain::Draft& draft,
                                  const domain::View& view);
// The same of a command that will touch `count` entities.
absl::StatusOr<Demands> DemandsOn(const Principal& principal, const v1::CommandOptions& options,
                                  int64_t count, const domain::View& view);
// REASON_REQUIRED or PLAN_REQUIRED when that is what is missing.
absl::Status CheckReasonAndPlan(const Demands& demands, bool has_plan);

// Refuses a destructive command that lacks a reason (REASON_REQUIRED), a plan (PLAN_REQUIRED), or
// an acknowledgement (ACKNOWLEDGEMENT_REQUIRED). After decide and check.
absl::Status CheckDemands(const Command& command, const domain::Draft& draft,
                          const domain::View& view);

// Refuses who executes a plan as it was told, later, and lacks what it asks for: REASON_REQUIRED,
// ACKNOWLEDGEMENT_REQUIRED.
absl::Status CheckAgreed(const v1::CommandOptions& options, const v1::Plan& plan);

// Refuses a plan that cannot be executed: the refusal of its token, PLAN_TOKEN_USED, PLAN_EXPIRED.
// Before decide.
absl::Status CheckPlanUsable(const PlanUse& use, const domain::View& view,
                             const domain::CommitHeader& header);

// What deciding a command came to that names a plan: OK when the draft does exactly what was
// planned, else PLAN_DRIFTED with what differs, told by planning again on `then`, the view at the
// plan's position. `decided` is what decide and check said.
absl::Status CheckPlanned(const Command& command, const domain::Draft& draft,
                          const domain::Context& context, const domain::View& then,
                          const absl::Status& decided);

}  // namespace retrace::server
