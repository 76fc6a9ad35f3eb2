// Plan, then execute: exactly what was planned is done, once, or nothing. Through the real
// sequencer and ledger. RETRACE_SEED=N runs a random history again.
#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <functional>
#include <iterator>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <type_traits>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "domain/plan.h"
#include "domain/refusal.h"
#include "domain/resource.h"
#include "fmt/format.h"
#include "google/rpc/error_details.pb.h"
#include "gtest/gtest.h"
#include "server/plan_checks.h"
#include "server/plan_token.h"
#include "server/plans.h"
#include "server/roles.h"
#include "server/row_view.h"
#include "server/sealed_token.h"
#include "server/sequencer.h"
#include "tests/support/small_ledger.h"

namespace retrace::server {
namespace {

using testing::SmallLedger;

// `subject: description` of each violation of a PreconditionFailure.
std::vector<std::string> UnmetOf(const absl::Status& status) {
  std::vector<std::string> unmet;
  const google::rpc::Status details = domain::DetailsOf(status);
  for (const google::protobuf::Any& any : details.details()) {
    google::rpc::PreconditionFailure failure;
    if (!any.UnpackTo(&failure)) continue;
    for (const auto& violation : failure.violations()) {
      unmet.push_back(violation.subject() + ": " + violation.description());
    }
  }
  return unmet;
}

class PlanTest : public ::testing::Test {
 protected:
  PlanTest() { Start(); }

  void Start() {
    sequencer_.reset();
    plans_ = std::make_unique<Plans>(small_.ledger(), [this] { return Now(); });
    SequencerOptions options;
    options.wall_us = [this] { return Now(); };
    options.monotonic_us = [this] { return Now(); };
    Ledger& ledger = small_.ledger();
    sequencer_ = std::make_unique<Sequencer>(ledger.log(), ledger.keys(), ledger.rows(),
                                             ledger.tenants(), options);
    tenant_ = ledger.tenants().Find("acme");
  }

  int64_t Now() const { return absl::ToUnixMicros(absl::Now()) + passed_us_.load(); }

  void ActAs(const std::string& id, Principal::Kind kind = Principal::Kind::kHuman,
             std::set<std::string, std::less<>> permissions = {"customers.undelete-any",
                                                               "records.undelete-any"}) {
    auto principal = std::make_shared<Principal>();
    principal->id = id;
    principal->kind = kind;
    principal->tenants = {"acme", "other"};
    principal->permissions = std::move(permissions);
    principal_ = std::move(principal);
  }

  // As the rpc template makes one.
  template <typename Request>
  Command CommandOf(Request request) {
    Command command;
    command.tenant = tenant_;
    command.principal = principal_;
    command.method = "retrace.v1." + request.GetDescriptor()->name();
    command.options = request.options();
    command.destructive = std::is_same_v<Request, v1::DeleteCustomerRequest> ||
                          std::is_same_v<Request, v1::UndeleteCustomerRequest> ||
                          std::is_same_v<Request, v1::BatchDeleteCustomersRequest> ||
                          std::is_same_v<Request, v1::DeleteRecordRequest>;
    Request bare = request;
    for (const char* name :
         {"request_id", "plan_only", "plan_token", "acknowledged_count", "acknowledged_warnings"}) {
      bare.mutable_options()->GetReflection()->ClearField(
          bare.mutable_options(), v1::CommandOptions::descriptor()->FindFieldByName(name));
    }
    command.request_bytes = SerializeDeterministically(bare);
    command.decide = [request](domain::Draft& draft, const domain::Context& context) {
      return domain::Decide(request, draft, context);
    };
    return command;
  }

  CommandResult Run(Command command) {
    if (!command.options.plan_token().empty()) {
      command.plan = std::make_shared<const PlanUse>(plans_->Open(command));
    }
    absl::Notification finished;
    CommandResult result;
    command.done = [&](CommandResult done) {
      result = std::move(done);
      finished.Notify();
    };
    sequencer_->Submit(std::move(command));
    finished.WaitForNotification();
    return result;
  }
  template <typename Request>
  CommandResult Do(Request request) {
    if (request.options().reason().empty()) request.mutable_options()->set_reason("a test");
    return Run(CommandOf(std::move(request)));
  }
  template <typename Request>
  std::string Make(Request request) {
    request.set_parent("tenants/acme");
    const CommandResult result = Do(std::move(request));
    EXPECT_TRUE(result.status.ok()) << result.status;
    return domain::NameOf("acme", result.targets.at(0).first);
  }

  template <typename Request>
  absl::StatusOr<v1::Plan> PlanOf(Request request) {
    if (request.options().reason().empty()) request.mutable_options()->set_reason("a test");
    request.mutable_options()->set_plan_only(true);
    return plans_->Make(CommandOf(std::move(request)));
  }
  template <typename Request>
  CommandResult Execute(Request request, const v1::Plan& plan, const std::string& request_id = "") {
    request.mutable_options()->set_plan_token(plan.plan_token());
    request.mutable_options()->set_request_id(request_id);
    return Do(std::move(request));
  }

  std::string NewCustomer(const std::string& title) {
    v1::CreateCustomerRequest request;
    request.mutable_customer()->set_display_name(title);
    return Make(std::move(request));
  }
  std::string NewRecord(const std::string& customer, int64_t cents) {
    v1::CreateRecordRequest request;
    request.mutable_record()->set_kind(v1::Record::DEAL);
    request.mutable_record()->set_title("a deal");
    request.mutable_record()->set_customer(customer);
    request.mutable_record()->mutable_amount()->set_minor_units(cents);
    request.mutable_record()->mutable_amount()->set_currency("EUR");
    return Make(std::move(request));
  }
  CommandResult Rename(const std::string& customer, const std::string& title) {
    v1::UpdateCustomerRequest request;
    request.mutable_customer()->set_name(customer);
    request.mutable_customer()->set_display_name(title);
    return Do(std::move(request));
  }
  static v1::DeleteCustomerRequest Deleting(const std::string& customer) {
    v1::DeleteCustomerRequest request;
    request.set_name(customer);
    request.mutable_related()->set_all(v1::RelatedRecords::DELETE);
    return request;
  }

  void SetPolicy(const std::function<void(v1::Policy&)>& change,
                 const std::vector<std::string>& paths) {
    v1::UpdatePolicyRequest request;
    request.mutable_policy()->set_name("tenants/acme/policy");
    change(*request.mutable_policy());
    for (const std::string& path : paths) request.mutable_update_mask()->add_paths(path);
    const CommandResult result = Do(std::move(request));
    ASSERT_TRUE(result.status.ok()) << result.status;
  }

  // What the commit at a position did, told from its stored bytes.
  std::string StoredDigest(int64_t position) {
    const auto commit =
        small_.ledger().ReadCommit(*tenant_, static_cast<eventstore::Position>(position));
    EXPECT_TRUE(commit.ok()) << commit.status();
    const RowView before(small_.ledger().rows(), tenant_->number,
                         static_cast<eventstore::Position>(position) - 1);
    domain::Draft draft(before, commit->header);
    for (const domain::DraftEvent& event : commit->events) {
      EXPECT_TRUE(draft.Emit(event.entity, event.event).ok());
    }
    return absl::BytesToHexString(OutcomeDigest(draft));
  }

  std::atomic<int64_t> passed_us_{0};
  SmallLedger small_;
  Tenant* tenant_ = nullptr;
  PrincipalPtr principal_ = [] {
    auto principal = std::make_shared<Principal>();
    principal->id = "ann";
    principal->permissions = {"customers.undelete-any", "records.undelete-any"};
    return principal;
  }();
  std::unique_ptr<Plans> plans_;
  std::unique_ptr<Sequencer> sequencer_;
};

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

// A random destructive command is planned, then others come in between: those that touch nothing of
// the plan must not disturb it, those that do must stop it.
class RandomPlans : public PlanTest {
 protected:
  void Round() {
    Refill();
    const std::string customer = Pick(live_);
    const std::string second = Pick(live_);
    switch (Below(4)) {
      case 0:
        Check(Deleting(customer), {customer}, /*live=*/true);
        break;
      case 1: {
        v1::DeleteCustomerRequest request = Deleting(customer);
        request.mutable_related()->set_all(v1::RelatedRecords::KEEP);
        Check(request, {customer}, true);
        break;
      }
      case 2: {
        if (customer == second) return;
        v1::BatchDeleteCustomersRequest request;
        request.set_parent("tenants/acme");
        request.add_names(customer);
        request.add_names(second);
        request.mutable_related()->set_all(v1::RelatedRecords::DELETE);
        Check(request, {customer, second}, true);
        break;
      }
      default: {
        if (binned_.empty()) return;
        const std::string gone = Pick(binned_);
        v1::UndeleteCustomerRequest request;
        request.set_name(gone);
        Check(request, {gone}, false);
      }
    }
  }

  std::mt19937_64 random_;
  int executed_ = 0;
  int drifted_ = 0;

 private:
  size_t Below(size_t bound) {
    return std::uniform_int_distribution<size_t>(0, bound - 1)(random_);
  }
  std::string Pick(const std::set<std::string>& names) {
    return *std::next(names.begin(), static_cast<std::ptrdiff_t>(Below(names.size())));
  }
  void Refill() {
    while (live_.size() < 6) {
      const std::string name = NewCustomer(fmt::format("Customer {}", ++last_));
      for (size_t i = Below(4); i > 0; --i) NewRecord(name, static_cast<int64_t>(Below(1000)));
      live_.insert(name);
    }
  }

  // Something that has nothing to do with the customers named.
  void Unrelated(const std::set<std::string>& planned) {
    std::set<std::string> others;
    std::set_difference(live_.begin(), live_.end(), planned.begin(), planned.end(),
                        std::inserter(others, others.end()));
    const std::string other = Pick(others);
    switch (Below(3)) {
      case 0:
        ASSERT_TRUE(Rename(other, fmt::format("Renamed {}", ++last_)).status.ok());
        break;
      case 1:
        NewRecord(other, 5);
        break;
      default:
        NewCustomer(fmt::format("Passer-by {}", ++last_));
    }
  }
  // Something that changes what the plan was about.
  void Related(const std::string& customer, bool live) {
    if (!live) {
      v1::UndeleteCustomerRequest request;
      request.set_name(customer);
      ASSERT_TRUE(Do(request).status.ok());
      binned_.erase(customer);
      live_.insert(customer);
    } else if (Below(2) == 0) {
      ASSERT_TRUE(Rename(customer, fmt::format("Renamed {}", ++last_)).status.ok());
    } else {
      NewRecord(customer, 7);
    }
  }

  template <typename Request>
  void Check(const Request& request, const std::set<std::string>& planned, bool live) {
    const auto plan = PlanOf(request);
    ASSERT_TRUE(plan.ok()) << plan.status();
    for (size_t i = Below(4); i > 0; --i) Unrelated(planned);
    const bool related = Below(2) == 0;
    if (related) Related(*planned.begin(), live);
    for (size_t i = Below(3); i > 0; --i) Unrelated(planned);
    const auto head = tenant_->visible.load();
    const CommandResult result = Execute(request, *plan);
    if (related) {
      ++drifted_;
      EXPECT_EQ(domain::ReasonOf(result.status), v1::PLAN_DRIFTED) << result.status;
      EXPECT_FALSE(UnmetOf(result.status).empty());
      EXPECT_EQ(tenant_->visible, head);
      return;
    }
    ++executed_;
    ASSERT_TRUE(result.status.ok()) << result.status;
    EXPECT_EQ(StoredDigest(result.outcome.position()), plan->digest());
    for (const std::string& name : planned) {
      (live ? live_ : binned_).erase(name);
      (live ? binned_ : live_).insert(name);
    }
  }

  std::set<std::string> live_, binned_;
  int last_ = 0;
};

TEST_F(RandomPlans, ThenExecuteIsExactlyThePlanOrNothing) {
  const char* fixed = std::getenv("RETRACE_SEED");
  const uint64_t seed =
      fixed != nullptr ? std::strtoull(fixed, nullptr, 10) : std::random_device()();
  SCOPED_TRACE(fmt::format("RETRACE_SEED={}", seed));
  random_.seed(seed);
  for (int i = 0; i < 300 && !HasFailure(); ++i) Round();
  EXPECT_GT(executed_, 50);
  EXPECT_GT(drifted_, 50);
}

}  // namespace
}  // namespace retrace::server
