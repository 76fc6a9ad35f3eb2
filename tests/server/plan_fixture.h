// Plans through the real sequencer and ledger, with a clock that tests move.
#pragma once

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
#include "domain/serialize.h"
#include "fmt/format.h"
#include "google/rpc/error_details.pb.h"
#include "gtest/gtest.h"
#include "server/plan_checks.h"
#include "server/plan_token.h"
#include "server/plans.h"
#include "server/roles.h"
#include "server/row_view.h"
#include "server/sequencer.h"
#include "tests/support/small_ledger.h"

namespace retrace::server {
using testing::SmallLedger;

// `subject: description` of each violation of a PreconditionFailure.
inline std::vector<std::string> UnmetOf(const absl::Status& status) {
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
    command.request_bytes = domain::SerializeDeterministically(bare);
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

}  // namespace retrace::server
