#include "server/operation_plan.h"

#include <algorithm>
#include <utility>

#include "domain/notification_rules.h"
#include "domain/operation_work.h"
#include "domain/plan.h"
#include "domain/status_macros.h"
#include "fmt/format.h"
#include "server/plan_checks.h"

namespace retrace::server {
namespace {

using v1::Plan;

// As many as the plan of one command has.
constexpr int kMostSamples = 20;
constexpr int kMostLosses = 100;
constexpr int kMostPeople = 100;
// Entities whose outcome is kept in memory, so that later targets meet it (a unique key that an
// earlier one takes, say). Beyond that the plan does not see such clashes; the operation does.
constexpr size_t kMostRemembered = 50'000;

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

OperationContext::OperationContext(Ledger& ledger, const Tenant& tenant, PrincipalPtr principal,
                                   const store::v1::OperationRow& row,
                                   eventstore::Position position)
    : principal_(std::move(principal)) {
  domain::CommitHeader& header = context_.header;
  header.tenant = tenant.id;
  header.position = position + 1;
  header.change_set = row.change_set() != 0 ? row.change_set() : header.position;
  header.epoch = ledger.log().epoch();
  header.time_us = tenant.visible_time_us + 1;
  header.actor = row.actor();
  header.on_behalf_of = row.on_behalf_of();
  header.method = row.task().method();
  header.reason = row.reason();
  context_.new_id = [this] { return ids_.EntityId(context_.header.time_us); };
  context_.may = [this](const std::string& permission) {
    const bool may = principal_->Has(permission);
    if (may) {
      taken_.insert(permission);
    }
    return may;
  };
}

OperationPlanner::OperationPlanner(Ledger& ledger, const Plans& plans, Tenant& tenant,
                                   PrincipalPtr principal, std::string operation,
                                   const store::v1::OperationRow& row)
    : ledger_(ledger),
      plans_(plans),
      tenant_(tenant),
      operation_(std::move(operation)),
      row_(row),
      view_(ledger.rows(), tenant.number, row.task().position()),
      decided_in_(ledger, tenant, std::move(principal), row, row.task().position()) {}

absl::Status OperationPlanner::Add(const std::vector<domain::OperationTarget>& targets) {
  if (!draft_.has_value()) {
    draft_.emplace(view_, decided_in_.context().header);
    draft_->Widen(domain::kMostEntitiesOfWork, 0);
  }
  RETRACE_ASSIGN(const domain::Tried tried,
                 domain::TryTargets(row_.task(), targets, *draft_, decided_in_.context()));
  planned_ += tried.count();
  refused_ += tried.counts.refused();
  for (const v1::OperationItem& item : tried.items) {
    if (first_refusal_.empty() && item.result() == v1::OperationItem::REFUSED) {
      first_refusal_ = fmt::format("{}: {}", item.name(), item.message());
    }
  }
  return tried.count() == 0 || draft_->touched().size() > kMostRemembered ? TakeDraft()
                                                                          : absl::OkStatus();
}

absl::Status OperationPlanner::TakeDraft() {
  RETRACE_RETURN_IF_ERROR(domain::ForeseeCorrections(*draft_, decided_in_.context()));
  RETRACE_ASSIGN(const Plan part, domain::DescribeOutcome(*draft_));
  digest_.Update(OutcomeDigest(*draft_));
  entities_ += part.entity_count();
  Merge(part);
  draft_.reset();
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
  if (draft_.has_value()) {
    RETRACE_RETURN_IF_ERROR(TakeDraft());
  }
  std::stable_sort(plan_.mutable_people()->begin(), plan_.mutable_people()->end(),
                   [](const auto& a, const auto& b) { return a.count() > b.count(); });
  while (plan_.people_size() > kMostPeople) {
    plan_.mutable_people()->RemoveLast();
  }
  plan_.set_entity_count(entities_);
  plan_.set_reason_required(row_.task().reason_required());
  plan_.set_count_required(entities_ > row_.task().acknowledge_above());
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
  token.set_count(entities_);
  token.set_operation(operation_);
  token.set_digest(std::string(digest.begin(), digest.end()));
  RETRACE_RETURN_IF_ERROR(plans_.Seal(tenant_, std::move(token), plan_));
  return plan_;
}

}  // namespace retrace::server
