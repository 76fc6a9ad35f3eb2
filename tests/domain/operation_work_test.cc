// Work of an operation in several commits, commit by commit; over gRPC, with more records than a
// commit holds: tests/server/operation_work_test.cc.
#include "domain/operation_work.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <set>

#include "domain/lifecycle.h"
#include "domain/undo.h"
#include "fmt/format.h"
#include "retrace/v1/operations.pb.h"
#include "tests/support/decider_test.h"

namespace retrace::domain {
namespace {

using testing::Metadata;
using testing::Reply;
using testing::TestTenant;
using v1::OperationMetadata;

class OperationWorkTest : public ::testing::Test {
 protected:
  OperationWorkTest() {
    customer_ = acme_
                    .Must<v1::CreateCustomerRequest>(R"pb(parent: "tenants/acme"
                                                          customer { display_name: "Ann" })pb")
                    .id();
    for (int i = 0; i < 5; ++i) records_.push_back(Record().id());
    before_ = acme_.Content();
  }

  std::string Name() const { return "tenants/acme/customers/" + customer_; }

  Reply Record() {
    return acme_.Do<v1::CreateRecordRequest>(fmt::format(
        "parent: 'tenants/acme' record {{ kind: NOTE title: 'N' customer: '{}' }}", Name()));
  }

  // Starts the operation and counts its one target.
  template <typename Command>
  void Start(const Command& command) {
    target_ = {Name(),
               {{KindNumber::kCustomer, customer_}},
               DriftSign::kWrite,
               [command](Draft& draft, const Context& context) {
                 return Decide(command, draft, context);
               }};
    store::v1::ResolvedOperation start;
    start.mutable_task()->mutable_command()->PackFrom(command);
    start.mutable_task()->set_position(acme_.head());
    start.mutable_task()->set_acknowledge_above(100);
    const Reply started = acme_.Do(start);
    ASSERT_TRUE(started.ok()) << started.status;
    operation_ = started.id();
    change_set_ = started.position;
    ASSERT_TRUE(Run([this](Draft& draft, const Context& context) {
                  return DecideCounted(operation_, {1, 1, 0}, draft, context);
                }).ok());
  }

  void StartDeletion() {
    Start(testing::Parse<v1::DeleteCustomerRequest>(
        fmt::format("name: '{}' related {{ all: DELETE }}", Name())));
  }

  // What the runner submits.
  Reply Run(const std::function<absl::Status(Draft&, const Context&)>& decide) {
    v1::DeactivateCustomerRequest request;
    request.set_name("tenants/acme/customers/x");
    request.mutable_options()->set_change_set(static_cast<int64_t>(change_set_));
    acme_.ActFor(operation_);
    Reply reply = acme_.DoWith(request, [&](const auto&, Draft& draft, const Context& context) {
      return decide(draft, context);
    });
    acme_.ActFor("");
    return reply;
  }

  absl::StatusOr<Work> Plan() {
    Context context;
    context.header.tenant = "acme";
    context.header.position = acme_.head() + 1;
    context.header.change_set = change_set_;
    context.may = [](const std::string&) { return true; };
    return PlanWork(target_, row(), acme_.view(), context);
  }

  Reply Engage() {
    const auto work = Plan();
    EXPECT_TRUE(work.ok()) << work.status();
    return Run([&](Draft& draft, const Context& context) {
      return DecideEngaged(operation_, 0, target_, work->roots, draft, context);
    });
  }

  Reply Step(Work& work, size_t count) {
    WorkStep step{operation_, 0, !work.leads.empty(), false, {}};
    const auto move = [&step](std::deque<WorkPiece>& from, size_t most) {
      for (; !from.empty() && most > 0; --most) {
        step.pieces.push_back(from.front());
        from.pop_front();
      }
    };
    move(work.leads, work.leads.size());
    move(work.rest, count);
    if (work.rest.empty()) {
      step.ends = true;
      move(work.last, work.last.size());
    }
    return Run(
        [&](Draft& draft, const Context& context) { return DecideStep(step, draft, context); });
  }

  // Undoes what the operation did to each entity, newest first.
  void TakeBack() {
    std::vector<OperationTarget> targets;
    std::set<std::string> seen;
    v1::UndoRequest undo;
    undo.set_parent("tenants/acme");
    undo.set_mode(v1::PARTIAL);
    undo.add_names(fmt::format("tenants/acme/changeSets/{}", change_set_));
    const store::v1::ResolvedUndo all = acme_.Resolve(undo);
    for (int i = all.commits_size() - 1; i >= 0; --i) {
      for (const store::v1::EntityRef& entity : all.commits(i).entities()) {
        if (all.commits(i).position() <= row().work().begun_after() ||
            KindOf(FromStored(entity).kind).bookkeeping || !seen.insert(entity.id()).second) {
          continue;
        }
        store::v1::ResolvedUndo one = all;
        one.mutable_request()->clear_names();
        for (auto& commit : *one.mutable_commits()) {
          const bool touched =
              std::any_of(commit.entities().begin(), commit.entities().end(),
                          [&](const auto& other) { return other.id() == entity.id(); });
          commit.clear_entities();
          if (touched) *commit.add_entities() = entity;
        }
        targets.push_back(
            {entity.id(), {}, DriftSign::kNone, [one](Draft& draft, const Context& context) {
               return Decide(one, draft, context);
             }});
      }
    }
    const Reply taken = Run([&](Draft& draft, const Context& context) {
      return DecideTakenBack(operation_, targets, draft, context);
    });
    EXPECT_TRUE(taken.ok()) << taken.status;
    const Reply out = Run([this](Draft& draft, const Context& context) {
      return DecideBackedOut(operation_, draft, context);
    });
    EXPECT_TRUE(out.ok()) << out.status;
  }

  const store::v1::OperationRow& row() {
    row_ = acme_.RowOf({KindNumber::kOperation, operation_});
    return row_->As<store::v1::OperationRow>();
  }
  RowPtr Customer() { return acme_.RowOf({KindNumber::kCustomer, customer_}); }

  TestTenant acme_;
  std::string customer_;
  std::vector<std::string> records_;
  std::string before_;
  std::string operation_;
  Position change_set_ = 0;
  OperationTarget target_;
  RowPtr row_;
};

TEST_F(OperationWorkTest, NobodyElseTouchesARootBeforeAllIsDone) {
  StartDeletion();
  const Reply engaged = Engage();
  ASSERT_TRUE(engaged.ok()) << engaged.status;
  const Reply update = acme_.Do<v1::UpdateCustomerRequest>(
      fmt::format("customer {{ name: '{}' level: 'x' }} update_mask {{ paths: 'level' }}", Name()));
  EXPECT_EQ(update.reason(), v1::BUSY);
  EXPECT_EQ(Metadata(update.status, "operation"), "tenants/acme/operations/" + operation_);
  EXPECT_EQ(Record().reason(), v1::BUSY);
  EXPECT_EQ(Engage().reason(), v1::STATE_REFUSED);

  auto work = Plan();
  ASSERT_TRUE(work.ok()) << work.status();
  ASSERT_TRUE(Step(*work, 2).ok());
  EXPECT_TRUE(Customer()->live());
  // After a restart: what is left.
  work = Plan();
  ASSERT_TRUE(work.ok()) << work.status();
  EXPECT_EQ(work->rest.size(), 3u);
  ASSERT_TRUE(Step(*work, 9).ok());
  EXPECT_EQ(row().state(), OperationMetadata::SUCCEEDED);
  EXPECT_TRUE(Customer()->binned());
  EXPECT_FALSE(Customer()->head.has_engaged());

  // All of it is one deletion.
  EXPECT_EQ(Customer()->head.deletion().position(), engaged.position);
  EXPECT_TRUE(acme_.Do<v1::UndeleteCustomerRequest>(fmt::format("name: '{}'", Name())).ok());
  EXPECT_EQ(acme_.Content(), before_);
}

TEST_F(OperationWorkTest, WhatSomebodyWroteMeanwhileIsDecidedAgain) {
  StartDeletion();
  ASSERT_TRUE(Engage().ok());
  auto work = Plan();
  ASSERT_TRUE(acme_
                  .Do<v1::UpdateRecordRequest>(
                      fmt::format("record {{ name: 'tenants/acme/records/{}' customer: '' }} "
                                  "update_mask {{ paths: 'customer' }}",
                                  records_[4]))
                  .ok());
  EXPECT_EQ(Step(*work, 9).reason(), v1::STATE_REFUSED);
  work = Plan();
  ASSERT_TRUE(Step(*work, 9).ok());
  EXPECT_EQ(row().state(), OperationMetadata::SUCCEEDED);
  EXPECT_TRUE(acme_.RowOf({KindNumber::kRecord, records_[4]})->live());
}

TEST_F(OperationWorkTest, ARootThatComesBackDoesSoFirst) {
  ASSERT_TRUE(acme_
                  .Do<v1::DeleteCustomerRequest>(
                      fmt::format("name: '{}' related {{ all: DELETE }}", Name()))
                  .ok());
  Start(testing::Parse<v1::UndeleteCustomerRequest>(fmt::format("name: '{}'", Name())));
  ASSERT_TRUE(Engage().ok());
  auto work = Plan();
  ASSERT_TRUE(work.ok()) << work.status();
  ASSERT_TRUE(Step(*work, 1).ok());
  EXPECT_TRUE(Customer()->live());
  EXPECT_EQ(Record().reason(), v1::BUSY);
  work = Plan();
  ASSERT_TRUE(work.ok()) << work.status();
  EXPECT_TRUE(work->leads.empty());
  EXPECT_EQ(work->rest.size(), 4u);
  ASSERT_TRUE(Step(*work, 9).ok());
  EXPECT_EQ(row().state(), OperationMetadata::SUCCEEDED);
  EXPECT_EQ(acme_.Content(), before_);
}

TEST_F(OperationWorkTest, WhatIsCancelledIsTakenBackBeforeTheRootIsReleased) {
  StartDeletion();
  ASSERT_TRUE(Engage().ok());
  auto work = Plan();
  ASSERT_TRUE(Step(*work, 3).ok());
  store::v1::OperationCancel cancel;
  cancel.set_name("tenants/acme/operations/" + operation_);
  ASSERT_TRUE(acme_.Record(cancel).ok());
  EXPECT_EQ(row().state(), OperationMetadata::REVERTING);
  EXPECT_EQ(acme_.Record(cancel).reason(), v1::OPERATION_ENDED);
  EXPECT_EQ(Step(*work, 9).reason(), v1::STATE_REFUSED);
  EXPECT_EQ(Record().reason(), v1::BUSY);
  TakeBack();
  EXPECT_EQ(row().state(), OperationMetadata::CANCELLED);
  EXPECT_FALSE(row().has_work());
  EXPECT_EQ(acme_.Content(), before_);
  EXPECT_TRUE(Record().ok());
}

TEST_F(OperationWorkTest, ARefusalHalfWayIsToldOfTheTarget) {
  StartDeletion();
  ASSERT_TRUE(Engage().ok());
  auto work = Plan();
  ASSERT_TRUE(Step(*work, 3).ok());
  ASSERT_TRUE(acme_
                  .Do<v1::PlaceHoldRequest>(fmt::format(
                      "parent: 'tenants/acme' hold {{ entity: '{}' case_number: 'C1' }} "
                      "options {{ reason: 'r' }}",
                      Name()))
                  .ok());
  const auto refused = Plan();
  EXPECT_EQ(ReasonOf(refused.status()), v1::HELD);
  EXPECT_EQ(Step(*work, 9).reason(), v1::HELD);
  v1::OperationItem item;
  item.set_name(Name());
  item.set_result(v1::OperationItem::REFUSED);
  item.set_reason("HELD");
  ASSERT_TRUE(Run([&](Draft& draft, const Context& context) {
                return DecideBackingOut(operation_, item, draft, context);
              }).ok());
  TakeBack();
  // The only target was refused.
  EXPECT_EQ(row().state(), OperationMetadata::FAILED);
  EXPECT_EQ(row().end().reason(), "HELD");
  EXPECT_EQ(row().refused(), 1);
  EXPECT_THAT(acme_.Content(), ::testing::StartsWith(before_));  // beside the hold
}

}  // namespace
}  // namespace retrace::domain
