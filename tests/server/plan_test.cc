// Plan, then execute: exactly what was planned is done, once, or nothing.
#include "tests/server/plan_fixture.h"

namespace retrace::server {
namespace {

TEST_F(PlanTest, TellsWhatWouldHappenAndDoesNothing) {
  const std::string acme = NewCustomer("Acme Corporation");
  NewRecord(acme, 500);
  NewRecord(acme, 700);
  const auto head = tenant_->visible.load();
  const auto plan = PlanOf(Deleting(acme));
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(tenant_->visible, head);
  EXPECT_EQ(plan->position(), static_cast<int64_t>(head));
  EXPECT_EQ(plan->entity_count(), 3);
  ASSERT_EQ(plan->counts_size(), 2);
  EXPECT_EQ(plan->counts(0).kind(), "customers");
  EXPECT_EQ(plan->counts(1).subkind(), "DEAL");
  EXPECT_EQ(plan->counts(1).change(), "Deleted");
  EXPECT_EQ(plan->counts(1).count(), 2);
  ASSERT_EQ(plan->samples_size(), 3);
  EXPECT_EQ(plan->samples(0).name(), acme);
  EXPECT_EQ(plan->samples(0).title(), "Acme Corporation");
  ASSERT_EQ(plan->sums_size(), 1);
  EXPECT_EQ(plan->sums(0).minor_units(), 1200);
  EXPECT_EQ(plan->loss_count(), 0);
  const CommandResult done = Execute(Deleting(acme), *plan);
  ASSERT_TRUE(done.status.ok()) << done.status;
  EXPECT_EQ(StoredDigest(done.outcome.position()), plan->digest());
}

TEST_F(PlanTest, TenThousandUnrelatedCommitsAreNoDrift) {
  const std::string acme = NewCustomer("Acme Corporation");
  NewRecord(acme, 500);
  const auto plan = PlanOf(Deleting(acme));
  ASSERT_TRUE(plan.ok());
  const std::string other = NewCustomer("Other");
  constexpr int kCommits = 10'000;
  constexpr int kAtOnce = 500;
  std::atomic<int> refused = 0;
  for (int begin = 0; begin < kCommits; begin += kAtOnce) {
    absl::BlockingCounter waiting(kAtOnce);
    for (int i = begin; i < begin + kAtOnce; ++i) {
      v1::UpdateCustomerRequest request;
      request.mutable_customer()->set_name(other);
      request.mutable_customer()->set_display_name(fmt::format("Other {}", i));
      Command command = CommandOf(request);
      command.done = [&](const CommandResult& result) {
        if (!result.status.ok()) ++refused;
        waiting.DecrementCount();
      };
      sequencer_->Submit(std::move(command));
    }
    waiting.Wait();
  }
  ASSERT_EQ(refused, 0);
  const CommandResult done = Execute(Deleting(acme), *plan);
  ASSERT_TRUE(done.status.ok()) << done.status;
  EXPECT_GE(done.outcome.position() - plan->position(), kCommits);
  EXPECT_EQ(StoredDigest(done.outcome.position()), plan->digest());
}

TEST_F(PlanTest, DriftIsRefusedAndListed) {
  const std::string acme = NewCustomer("Acme Corporation");
  const std::string first = NewRecord(acme, 500);
  const auto plan = PlanOf(Deleting(acme));
  ASSERT_TRUE(plan.ok());
  const std::string second = NewRecord(acme, 900);
  ASSERT_TRUE(Rename(acme, "Acme Inc").status.ok());
  const auto head = tenant_->visible.load();
  const CommandResult drifted = Execute(Deleting(acme), *plan);
  EXPECT_EQ(domain::ReasonOf(drifted.status), v1::PLAN_DRIFTED) << drifted.status;
  EXPECT_EQ(drifted.status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(UnmetOf(drifted.status),
            (std::vector<std::string>{acme + ": changed since: display_name",
                                      second + ": would be touched now, and was not planned"}));
  EXPECT_EQ(tenant_->visible, head);
  // What is refused now had been possible then.
  ASSERT_TRUE(Do(Deleting(acme)).status.ok());
  const CommandResult refused = Execute(Deleting(acme), *plan);
  EXPECT_EQ(domain::ReasonOf(refused.status), v1::PLAN_DRIFTED) << refused.status;
}

TEST_F(PlanTest, IsExecutedOnceAndRepeatsGetTheFirstAnswer) {
  const std::string acme = NewCustomer("Acme Corporation");
  const auto plan = PlanOf(Deleting(acme));
  ASSERT_TRUE(plan.ok());
  const CommandResult done = Execute(Deleting(acme), *plan, "r1");
  ASSERT_TRUE(done.status.ok()) << done.status;
  // A repeat, also long after and without the token.
  passed_us_ += absl::ToInt64Microseconds(2 * kPlanLife);
  for (const v1::Plan& with : {*plan, v1::Plan()}) {
    const CommandResult again = Execute(Deleting(acme), with, "r1");
    ASSERT_TRUE(again.status.ok()) << again.status;
    EXPECT_TRUE(again.outcome.repeated());
    EXPECT_EQ(again.outcome.commit_id(), done.outcome.commit_id());
  }
  v1::UndeleteCustomerRequest undelete;
  undelete.set_name(acme);
  ASSERT_TRUE(Do(undelete).status.ok());
  const CommandResult twice = Execute(Deleting(acme), *plan, "r2");
  EXPECT_EQ(domain::ReasonOf(twice.status), v1::PLAN_TOKEN_USED) << twice.status;
  // A store that is opened again knows it, too.
  sequencer_.reset();
  small_.Reopen(/*new_epoch=*/false);
  Start();
  EXPECT_EQ(domain::ReasonOf(Execute(Deleting(acme), *plan, "r3").status), v1::PLAN_TOKEN_USED);
}

TEST_F(PlanTest, TokensAreForOneCommandOfOneCaller) {
  const std::string acme = NewCustomer("Acme Corporation");
  const std::string other = NewCustomer("Other");
  const auto plan = PlanOf(Deleting(acme));
  ASSERT_TRUE(plan.ok());
  const auto reason = [&](const v1::DeleteCustomerRequest& request, const v1::Plan& with) {
    return domain::ReasonOf(Execute(request, with).status);
  };
  EXPECT_EQ(reason(Deleting(other), *plan), v1::PLAN_TOKEN_INVALID);
  v1::DeleteCustomerRequest another_reason = Deleting(acme);
  another_reason.mutable_options()->set_reason("for another reason");
  EXPECT_EQ(reason(another_reason, *plan), v1::PLAN_TOKEN_INVALID);
  for (size_t i = 0; i < plan->plan_token().size(); i += 7) {
    v1::Plan tampered = *plan;
    char& letter = (*tampered.mutable_plan_token())[i];
    letter = letter == 'A' ? 'B' : 'A';
    EXPECT_EQ(reason(Deleting(acme), tampered), v1::PLAN_TOKEN_INVALID) << i;
  }
  v1::Plan nonsense;
  nonsense.set_plan_token("nonsense");
  EXPECT_EQ(reason(Deleting(acme), nonsense), v1::PLAN_TOKEN_INVALID);
  ActAs("bob");
  EXPECT_EQ(reason(Deleting(acme), *plan), v1::PLAN_TOKEN_INVALID);
  ActAs("ann");
  Tenant* const was = tenant_;
  tenant_ = small_.ledger().tenants().Find("other");
  EXPECT_EQ(reason(Deleting(acme), *plan), v1::PLAN_TOKEN_INVALID);
  tenant_ = was;
  passed_us_ += absl::ToInt64Microseconds(kPlanLife) + 1;
  EXPECT_EQ(reason(Deleting(acme), *plan), v1::PLAN_EXPIRED);
  passed_us_ = 0;
}

TEST_F(PlanTest, AnotherEpochIsRefused) {
  const std::string acme = NewCustomer("Acme Corporation");
  const auto plan = PlanOf(Deleting(acme));
  ASSERT_TRUE(plan.ok());
  sequencer_.reset();
  small_.Reopen(/*new_epoch=*/true);
  Start();
  EXPECT_EQ(domain::ReasonOf(Execute(Deleting(acme), *plan).status), v1::EPOCH_CHANGED);
}

TEST_F(PlanTest, PolicyAsksForReasonsAndPlans) {
  const std::string acme = NewCustomer("Acme Corporation");
  const auto run = [&](const std::string& token) {
    v1::DeleteCustomerRequest request = Deleting(acme);
    request.mutable_options()->set_plan_token(token);
    return domain::ReasonOf(Run(CommandOf(request)).status);
  };
  EXPECT_EQ(run(""), v1::REASON_REQUIRED);
  SetPolicy([](v1::Policy& policy) { policy.set_require_reason(v1::Policy::ALL); },
            {"require_reason"});
  ActAs("sam", Principal::Kind::kService);
  EXPECT_EQ(run(""), v1::REASON_REQUIRED);
  SetPolicy(
      [](v1::Policy& policy) {
        policy.set_require_reason(v1::Policy::NOBODY);
        policy.set_require_plan(true);
      },
      {"require_reason", "require_plan"});
  EXPECT_EQ(run(""), v1::PLAN_REQUIRED);
  const auto plan = plans_->Make(CommandOf(Deleting(acme)));
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_FALSE(plan->reason_required());
  EXPECT_EQ(run(plan->plan_token()), v1::ERROR_REASON_UNSPECIFIED);
  ActAs("free", Principal::Kind::kHuman, {"customers.undelete-any", std::string(kActWithoutPlan)});
  v1::UndeleteCustomerRequest undelete;
  undelete.set_name(acme);
  EXPECT_TRUE(Run(CommandOf(undelete)).status.ok());
}

TEST_F(PlanTest, CountsAboveTheBoundAreAcknowledged) {
  const std::string acme = NewCustomer("Acme Corporation");
  NewRecord(acme, 500);
  NewRecord(acme, 700);
  const auto with = [&](int64_t count) {
    v1::DeleteCustomerRequest request = Deleting(acme);
    request.mutable_options()->set_acknowledged_count(count);
    return request;
  };
  SetPolicy([](v1::Policy& policy) { policy.set_acknowledge_above_humans(2); },
            {"acknowledge_above_humans"});
  const auto plan = PlanOf(Deleting(acme));
  ASSERT_TRUE(plan.ok());
  EXPECT_TRUE(plan->count_required());
  EXPECT_EQ(domain::ReasonOf(Execute(with(0), *plan).status), v1::ACKNOWLEDGEMENT_REQUIRED);
  EXPECT_EQ(domain::ReasonOf(Do(with(0)).status), v1::ACKNOWLEDGEMENT_REQUIRED);
  EXPECT_EQ(domain::ReasonOf(Do(with(2)).status), v1::ACKNOWLEDGEMENT_REQUIRED);
  // The refusals have not spent the plan.
  EXPECT_TRUE(Execute(with(3), *plan).status.ok());
  v1::UndeleteCustomerRequest undelete;
  undelete.set_name(acme);
  ActAs("sam", Principal::Kind::kService, {"customers.undelete-any"});
  EXPECT_TRUE(Do(undelete).status.ok());
  EXPECT_EQ(domain::ReasonOf(Do(with(2)).status), v1::ACKNOWLEDGEMENT_REQUIRED);
  EXPECT_TRUE(Do(with(0)).status.ok());
}

TEST_F(PlanTest, WarningsAreAcknowledged) {
  const std::string acme = NewCustomer("Acme Corporation");
  const auto warned = [&](const std::vector<std::string>& acknowledged) {
    v1::DeleteCustomerRequest request = Deleting(acme);
    request.mutable_options()->set_reason("a test");
    for (const std::string& id : acknowledged) {
      request.mutable_options()->add_acknowledged_warnings(id);
    }
    Command command = CommandOf(request);
    command.decide = [decide = command.decide](domain::Draft& draft,
                                               const domain::Context& context) {
      const absl::Status status = decide(draft, context);
      if (!draft.targets().empty()) draft.Lose(draft.targets()[0], "its pictures are not kept");
      draft.Warn("PICTURES_GO", "The pictures go for good.");
      draft.Warn("SLOW", "This takes long.");
      return status;
    };
    return command;
  };
  const auto plan = plans_->Make(warned({}));
  ASSERT_TRUE(plan.ok()) << plan.status();
  ASSERT_EQ(plan->losses_size(), 1);
  EXPECT_EQ(plan->losses(0).name(), acme);
  ASSERT_EQ(plan->warnings_size(), 2);
  const CommandResult refused = Run(warned({"SLOW"}));
  EXPECT_EQ(domain::ReasonOf(refused.status), v1::ACKNOWLEDGEMENT_REQUIRED);
  EXPECT_EQ(UnmetOf(refused.status),
            (std::vector<std::string>{"PICTURES_GO: The pictures go for good."}));
  EXPECT_TRUE(Run(warned({"SLOW", "PICTURES_GO"})).status.ok());
}

TEST_F(PlanTest, WhatAnOperationIsAtWorkOnHasNotDrifted) {
  const std::string acme = NewCustomer("Acme Corporation");
  const auto plan = PlanOf(Deleting(acme));
  ASSERT_TRUE(plan.ok()) << plan.status();
  v1::DeleteCustomerRequest request = Deleting(acme);
  request.mutable_options()->set_reason("a test");
  request.mutable_options()->set_plan_token(plan->plan_token());
  Command command = CommandOf(request);
  command.decide = [](domain::Draft&, const domain::Context&) -> absl::Status {
    return domain::Refusal(v1::BUSY, "An operation is at work on it.");
  };
  EXPECT_EQ(domain::ReasonOf(Run(std::move(command)).status), v1::BUSY);
  // The plan is as good as before.
  const CommandResult done = Execute(Deleting(acme), *plan);
  EXPECT_TRUE(done.status.ok()) << done.status;
}

}  // namespace
}  // namespace retrace::server
