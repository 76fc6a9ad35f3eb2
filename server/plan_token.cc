#include "server/plan_token.h"

#include <optional>
#include <utility>

#include "domain/refusal.h"
#include "domain/status_macros.h"
#include "server/moment.h"
#include "server/sealed_token.h"

namespace retrace::server {
namespace {

using domain::Refusal;

constexpr std::string_view kPurpose = "plan-token";

absl::Status Invalid(std::string_view why) {
  return Refusal(v1::PLAN_TOKEN_INVALID, std::string(why))
      .Field("options.plan_token", why)
      .Next("Plan again with plan_only, and send the same command with the new token.");
}

absl::Status Open(Ledger& ledger, const Command& command, store::v1::PlanToken& token) {
  RETRACE_ASSIGN(
      std::optional<std::string> bytes,
      OpenToken(ledger.keys(), command.tenant->number, kPurpose, command.options.plan_token()));
  if (!bytes.has_value() || !token.ParseFromString(*bytes) ||
      token.tenant() != command.tenant->id) {
    return Invalid("The plan token was changed, or made by another server or for another tenant.");
  }
  if (token.principal() != command.principal->id) {
    return Invalid("The plan was made by another caller.");
  }
  if (token.command_hash() != PlanCommandHash(command)) {
    return Invalid(
        "The plan was made for another command: all but the request id and the options about plans "
        "must stay as they were, the reason, too.");
  }
  if (token.epoch() != ledger.log().epoch()) {
    return EpochChanged(ledger, *command.tenant, token.epoch());
  }
  return absl::OkStatus();
}

}  // namespace

std::string PlanCommandHash(const Command& command) {
  return HashOfCall(command.method, command.request_bytes);
}

absl::StatusOr<std::string> SealPlanToken(Ledger& ledger, const Tenant& tenant,
                                          const store::v1::PlanToken& token) {
  return SealToken(ledger.keys(), tenant.number, kPurpose, token.SerializeAsString());
}

PlanUse OpenPlanToken(Ledger& ledger, const Command& command) {
  PlanUse use;
  use.refused = Open(ledger, command, use.token);
  return use;
}

}  // namespace retrace::server
