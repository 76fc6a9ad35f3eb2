#include "server/plan_checks.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "domain/operation_row.h"
#include "domain/plan.h"
#include "domain/policy.h"
#include "domain/refusal.h"
#include "domain/status_macros.h"
#include "eventstore/types.h"
#include "fmt/format.h"
#include "server/roles.h"

namespace retrace::server {
namespace {

using domain::Draft;
using domain::Refusal;

constexpr size_t kMostDifferences = 20;

absl::Status CheckAcknowledged(const v1::CommandOptions& options, int64_t count,
                               const std::vector<Draft::Warning>& warnings, bool count_required) {
  if (options.acknowledged_count() != count &&
      (count_required || options.acknowledged_count() != 0)) {
    return Refusal(v1::ACKNOWLEDGEMENT_REQUIRED,
                   options.acknowledged_count() == 0
                       ? fmt::format("This touches {} entities.", count)
                       : fmt::format("This touches {} entities, not {}.", count,
                                     options.acknowledged_count()))
        .With("count", fmt::format("{}", count))
        .Field("options.acknowledged_count", fmt::format("must be {}", count))
        .Next("Look at the plan (plan_only), then repeat it with that acknowledged_count.");
  }
  Refusal refusal(v1::ACKNOWLEDGEMENT_REQUIRED, "There are warnings to acknowledge.");
  bool missing = false;
  for (const Draft::Warning& warning : warnings) {
    const auto& given = options.acknowledged_warnings();
    if (std::find(given.begin(), given.end(), warning.id) == given.end()) {
      missing = true;
      refusal = std::move(refusal).Unmet("WARNING", warning.id, warning.sentence);
    }
  }
  if (!missing) {
    return absl::OkStatus();
  }
  return std::move(refusal)
      .With("count", fmt::format("{}", count))
      .Next("Read them, then repeat it with their ids in acknowledged_warnings.");
}

// A refusal that says what the command would do otherwise than planned.
absl::Status Drifted(const store::v1::PlanToken& token, size_t count,
                     const std::vector<domain::Drifted>& differences, std::string_view more) {
  Refusal refusal(
      v1::PLAN_DRIFTED,
      fmt::format("This is not what was planned at position {} any more{}. Nothing was done.",
                  token.position(), more));
  for (size_t i = 0; i < std::min(differences.size(), kMostDifferences); ++i) {
    refusal = std::move(refusal).Unmet("DRIFT", differences[i].name, differences[i].description);
  }
  return std::move(refusal)
      .With("position", fmt::format("{}", token.position()))
      .With("planned-count", fmt::format("{}", token.count()))
      .With("count", fmt::format("{}", count))
      .With("differences", fmt::format("{}", differences.size()))
      .Next("Plan again, look at what differs, and execute the new plan.");
}

}  // namespace

std::string OutcomeDigest(const Draft& draft) {
  // Sorted: in which order a decider met them is nobody's business.
  std::vector<domain::OutcomePart> parts = domain::OutcomeParts(draft);
  std::sort(parts.begin(), parts.end(),
            [](const auto& a, const auto& b) { return a.form < b.form; });
  eventstore::Sha256Hasher hasher;
  for (const domain::OutcomePart& part : parts) {
    hasher.Update(fmt::format("{}:", part.form.size()));
    hasher.Update(part.form);
  }
  const eventstore::Sha256Digest digest = hasher.Finish();
  return std::string(digest.begin(), digest.end());
}

absl::StatusOr<Demands> DemandsOn(const Principal& principal, const v1::CommandOptions& options,
                                  int64_t count, const domain::View& view) {
  RETRACE_ASSIGN(const domain::RowPtr row, view.Get(domain::PolicyRef()));
  const v1::Policy& policy =
      row == nullptr ? v1::Policy::default_instance() : row->As<v1::Policy>();
  const bool human = principal.kind == Principal::Kind::kHuman;
  Demands demands;
  demands.reason = options.reason().empty() && domain::NeedsReason(policy, human);
  demands.plan = policy.require_plan() && !principal.Has(kActWithoutPlan);
  demands.most = domain::AcknowledgeAbove(policy, human);
  demands.count = count > demands.most;
  return demands;
}

absl::StatusOr<Demands> DemandsOn(const Command& command, const Draft& draft,
                                  const domain::View& view) {
  return DemandsOn(*command.principal, command.options,
                   static_cast<int64_t>(draft.touched().size()), view);
}

absl::Status CheckReasonAndPlan(const Demands& demands, bool has_plan) {
  if (demands.reason) {
    return Refusal(v1::REASON_REQUIRED, "This needs a reason; the tenant's policy asks for one.")
        .Field("options.reason", "must say why")
        .Next("Say in options.reason why; it is kept with the commit and shown in history.");
  }
  if (demands.plan && !has_plan) {
    return Refusal(v1::PLAN_REQUIRED, "This needs a plan first; the tenant's policy asks for one.")
        .Field("options.plan_token", "must be the token of a plan")
        .With("permission", kActWithoutPlan)
        .Next("Send it with plan_only, look at the plan, then send it with the plan's token.");
  }
  return absl::OkStatus();
}

absl::Status CheckDemands(const Command& command, const Draft& draft, const domain::View& view) {
  RETRACE_ASSIGN(const Demands demands, DemandsOn(command, draft, view));
  RETRACE_RETURN_IF_ERROR(CheckReasonAndPlan(demands, command.plan != nullptr));
  return CheckAcknowledged(command.options, static_cast<int64_t>(draft.touched().size()),
                           draft.warnings(), demands.count);
}

absl::Status CheckAgreed(const v1::CommandOptions& options, const v1::Plan& plan) {
  Demands demands;
  demands.reason = plan.reason_required();
  RETRACE_RETURN_IF_ERROR(CheckReasonAndPlan(demands, /*has_plan=*/true));
  std::vector<Draft::Warning> warnings;
  for (const v1::Plan::Warning& warning : plan.warnings()) {
    warnings.push_back({warning.id(), warning.description()});
  }
  return CheckAcknowledged(options, plan.entity_count(), warnings, plan.count_required());
}

absl::Status CheckPlanUsable(const PlanUse& use, const domain::View& view,
                             const domain::CommitHeader& header) {
  RETRACE_RETURN_IF_ERROR(use.refused);
  RETRACE_ASSIGN(const domain::RowPtr spent,
                 view.Get({domain::KindNumber::kRequest, domain::PlanRowId(use.token.nonce())}));
  if (spent != nullptr) {
    const uint64_t position = spent->As<store::v1::RequestRow>().position();
    return Refusal(v1::PLAN_TOKEN_USED,
                   fmt::format("This plan was executed at position {}; a plan is executed once.",
                               position))
        .With("position", fmt::format("{}", position))
        .Field("options.plan_token", "already used")
        .Next("Look at that commit, and plan again for what is left to do.");
  }
  if (header.time_us >= use.token.expire_time_us()) {
    return Refusal(v1::PLAN_EXPIRED, "The plan is too old to be executed.")
        .With("position", fmt::format("{}", use.token.position()))
        .Next("Plan again.");
  }
  return absl::OkStatus();
}

absl::Status CheckPlanned(const Command& command, const Draft& draft,
                          const domain::Context& context, const domain::View& then,
                          const absl::Status& decided) {
  const store::v1::PlanToken& token = command.plan->token;
  if (!decided.ok()) {
    // A fault, or an operation that will be gone: nothing that differs from the plan.
    if (domain::ReasonOf(decided) == v1::ERROR_REASON_UNSPECIFIED ||
        domain::ReasonOf(decided) == v1::BUSY) {
      return decided;
    }
    return Drifted(
        token, 0,
        {{v1::ErrorReason_Name(domain::ReasonOf(decided)), domain::WithoutValues(decided)}},
        ": it would be refused now");
  }
  if (OutcomeDigest(draft) == token.digest()) {
    return absl::OkStatus();
  }
  domain::Context planning = context;
  planning.header.position = token.position() + 1;
  Draft planned(then, planning.header);
  std::vector<domain::Drifted> differences;
  // What was purged since cannot be planned again; then the counts have to say it.
  if (command.decide(planned, planning).ok()) {
    differences = domain::DriftBetween(planned, draft);
  }
  return Drifted(token, draft.touched().size(), differences, "");
}

}  // namespace retrace::server
