#include "server/operation_plan.h"

#include <algorithm>
#include <utility>

#include "domain/plan.h"
#include "domain/status_macros.h"
#include "fmt/format.h"
#include "server/ids.h"
#include "server/plan_checks.h"
#include "server/row_view.h"

namespace retrace::server {
namespace {

using v1::Plan;

// As many as the plan of one command has.
constexpr int kMostSamples = 20;
constexpr int kMostLosses = 100;
constexpr int kMostPeople = 100;

Plan::Count& CountLike(const Plan::Count& like, Plan& plan) {
  for (Plan::Count& count : *plan.mutable_counts()) {
    if (count.kind() == like.kind() && count.subkind() == like.subkind() &&
        count.change() == like.change()) {
      return count;
    }
  }
  Plan::Count& added = *plan.add_counts();
  added = like;
  added.set_count(0);
  return added;
}

Plan::Sum& SumLike(const Plan::Sum& like, Plan& plan) {
  for (Plan::Sum& sum : *plan.mutable_sums()) {
    if (sum.kind() == like.kind() && sum.subkind() == like.subkind() &&
        sum.change() == like.change() && sum.currency() == like.currency()) {
      return sum;
    }
  }
  Plan::Sum& added = *plan.add_sums();
  added = like;
  added.set_minor_units(0);
  added.set_count(0);
  return added;
}

Plan::Person& PersonLike(const Plan::Person& like, Plan& plan) {
  for (Plan::Person& person : *plan.mutable_people()) {
    if (person.name() == like.name()) {
      return person;
    }
  }
  Plan::Person& added = *plan.add_people();
  added = like;
  added.set_count(0);
  return added;
}

}  // namespace

OperationPlanner::OperationPlanner(Ledger& ledger, const Plans& plans, Tenant& tenant,
                                   PrincipalPtr principal, const store::v1::OperationRow& row)
    : ledger_(ledger),
      plans_(plans),
      tenant_(tenant),
      principal_(std::move(principal)),
      row_(row) {}

absl::Status OperationPlanner::Add(const std::vector<domain::OperationTarget>& targets) {
  const RowView view(ledger_.rows(), tenant_.number, row_.task().position());
  domain::Context context;
  context.header.tenant = tenant_.id;
  context.header.position = row_.task().position() + 1;
  context.header.change_set = context.header.position;
  context.header.epoch = ledger_.log().epoch();
  context.header.time_us = tenant_.visible_time_us + 1;
  context.header.actor = row_.actor();
  context.header.on_behalf_of = row_.on_behalf_of();
  context.header.method = row_.task().method();
  context.header.reason = row_.reason();
  IdSource ids;
  context.new_id = [&] { return ids.EntityId(context.header.time_us); };
  context.may = [this](const std::string& permission) { return principal_->Has(permission); };
  domain::Draft draft(view, context.header);
  RETRACE_ASSIGN(const domain::Tried tried,
                 domain::TryTargets(row_.task(), targets, draft, context));
  planned_ += tried.count();
  refused_ += tried.counts.refused();
  for (const v1::OperationItem& item : tried.items) {
    if (first_refusal_.empty() && item.result() == v1::OperationItem::REFUSED) {
      first_refusal_ = fmt::format("{}: {}", item.name(), item.message());
    }
  }
  RETRACE_ASSIGN(const Plan part, domain::DescribeOutcome(draft));
  digest_.Update(OutcomeDigest(draft));
  Merge(part);
  return absl::OkStatus();
}

void OperationPlanner::Merge(const Plan& part) {
  for (const Plan::Count& count : part.counts()) {
    Plan::Count& all = CountLike(count, plan_);
    all.set_count(all.count() + count.count());
  }
  for (const Plan::Sum& sum : part.sums()) {
    Plan::Sum& all = SumLike(sum, plan_);
    all.set_minor_units(all.minor_units() + sum.minor_units());
    all.set_count(all.count() + sum.count());
  }
  for (const Plan::Person& person : part.people()) {
    Plan::Person& all = PersonLike(person, plan_);
    all.set_count(all.count() + person.count());
  }
  for (int i = 0; i < part.samples_size() && plan_.samples_size() < kMostSamples; ++i) {
    *plan_.add_samples() = part.samples(i);
  }
  for (int i = 0; i < part.losses_size() && plan_.losses_size() < kMostLosses; ++i) {
    *plan_.add_losses() = part.losses(i);
  }
  plan_.set_loss_count(plan_.loss_count() + part.loss_count());
  for (const Plan::Warning& warning : part.warnings()) {
    const bool known =
        std::any_of(plan_.warnings().begin(), plan_.warnings().end(),
                    [&](const Plan::Warning& other) { return other.id() == warning.id(); });
    if (!known) {
      *plan_.add_warnings() = warning;
    }
  }
}

absl::StatusOr<Plan> OperationPlanner::Finish() {
  std::stable_sort(plan_.mutable_people()->begin(), plan_.mutable_people()->end(),
                   [](const auto& a, const auto& b) { return a.count() > b.count(); });
  while (plan_.people_size() > kMostPeople) {
    plan_.mutable_people()->RemoveLast();
  }
  plan_.set_entity_count(planned_);
  plan_.set_reason_required(row_.task().reason_required());
  plan_.set_count_required(planned_ > row_.task().acknowledge_above());
  if (refused_ > 0) {
    plan_.add_notes(fmt::format("{} would be refused, first {}", refused_, first_refusal_));
  }
  const eventstore::Sha256Digest digest = digest_.Finish();
  store::v1::PlanToken token;
  token.set_epoch(ledger_.log().epoch());
  token.set_position(row_.task().position());
  token.set_tenant(tenant_.id);
  token.set_principal(row_.actor());
  token.set_command_hash(row_.task().command_hash());
  token.set_count(planned_);
  token.set_digest(std::string(digest.begin(), digest.end()));
  RETRACE_RETURN_IF_ERROR(plans_.Seal(tenant_, std::move(token), plan_));
  return plan_;
}

}  // namespace retrace::server
