#include "server/plans.h"

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/time/clock.h"
#include "domain/commands.h"
#include "domain/notification_rules.h"
#include "domain/plan.h"
#include "domain/status_macros.h"
#include "google/protobuf/util/time_util.h"
#include "server/ids.h"
#include "server/moment.h"
#include "server/plan_checks.h"
#include "server/row_view.h"

namespace retrace::server {
namespace {

using google::protobuf::util::TimeUtil;

// What the sequencer would fill in, as far as a decider may look at it.
domain::CommitHeader HeaderFor(const Command& command, eventstore::Position position,
                               eventstore::Epoch epoch, int64_t time_us) {
  domain::CommitHeader header;
  header.tenant = command.tenant->id;
  header.position = position + 1;
  header.epoch = epoch;
  header.time_us = time_us;
  header.actor = command.principal->id;
  header.on_behalf_of = command.options.on_behalf_of();
  header.method = command.method;
  header.reason = command.options.reason();
  header.change_set = command.options.change_set() > 0
                          ? static_cast<domain::Position>(command.options.change_set())
                          : header.position;
  header.correlation_id = command.options.correlation_id();
  return header;
}

}  // namespace

Plans::Plans(Ledger& ledger, std::function<int64_t()> wall_us)
    : ledger_(ledger), wall_us_(std::move(wall_us)) {}

absl::StatusOr<v1::Plan> Plans::Make(const Command& command) const {
  const Tenant& tenant = *command.tenant;
  const eventstore::Position position = tenant.visible;
  const RowView view(ledger_.rows(), tenant.number, position);
  domain::Context context;
  context.header = HeaderFor(command, position, ledger_.log().epoch(), NowUs(tenant));
  IdSource ids;
  context.new_id = [&ids, &context] { return ids.EntityId(context.header.time_us); };
  context.may = [&command](const std::string& permission) {
    return command.principal->Has(permission);
  };
  if (context.header.change_set != context.header.position) {
    RETRACE_RETURN_IF_ERROR(
        domain::CheckChangeSet(context.header.change_set, "", view, context.header));
  }
  domain::Draft draft(view, context.header);
  RETRACE_RETURN_IF_ERROR(command.decide(draft, context));
  RETRACE_RETURN_IF_ERROR(draft.Check(context));
  RETRACE_RETURN_IF_ERROR(domain::ForeseeCorrections(draft, context));
  RETRACE_ASSIGN(v1::Plan plan, domain::DescribeOutcome(draft));
  RETRACE_ASSIGN(const Demands demands, DemandsOn(command, draft, view));
  plan.set_reason_required(demands.reason);
  plan.set_count_required(demands.count);
  RETRACE_RETURN_IF_ERROR(AddToken(command, draft, plan));
  return plan;
}

int64_t Plans::NowUs(const Tenant& tenant) const {
  const int64_t now_us = wall_us_ ? wall_us_() : absl::ToUnixMicros(absl::Now());
  return std::max(now_us, tenant.visible_time_us + 1);
}

absl::Status Plans::AddToken(const Command& command, const domain::Draft& draft,
                             v1::Plan& plan) const {
  store::v1::PlanToken token;
  token.set_epoch(draft.header().epoch);
  token.set_position(draft.header().position - 1);
  token.set_tenant(command.tenant->id);
  token.set_principal(command.principal->id);
  token.set_command_hash(PlanCommandHash(command));
  token.set_count(plan.entity_count());
  token.set_digest(OutcomeDigest(draft));
  return Seal(*command.tenant, std::move(token), plan);
}

absl::Status Plans::Seal(const Tenant& tenant, store::v1::PlanToken token, v1::Plan& plan) const {
  IdSource ids;
  token.set_nonce(ids.CommitId());
  token.set_expire_time_us(NowUs(tenant) + absl::ToInt64Microseconds(kPlanLife));
  RETRACE_ASSIGN(*plan.mutable_plan_token(), SealPlanToken(ledger_, tenant, token));
  plan.set_position(static_cast<int64_t>(token.position()));
  plan.set_epoch(ShowEpoch(token.epoch()));
  *plan.mutable_expire_time() = TimeUtil::MicrosecondsToTimestamp(token.expire_time_us());
  plan.set_digest(absl::BytesToHexString(token.digest()));
  return absl::OkStatus();
}

}  // namespace retrace::server
