// Announced plans, one by one: which moves there are, what is told, what undo means for them.
#include "domain/announcement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/substitute.h"
#include "domain/lifecycle.h"
#include "domain/timer.h"
#include "retrace/store/v1/timers.pb.h"
#include "retrace/v1/announcements.pb.h"
#include "tests/support/decider_test.h"

namespace retrace::domain {
namespace {

using retrace::testing::Reply;
using retrace::testing::TestTenant;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;
using v1::Announcement;

constexpr int64_t kDayUs = 24LL * 3600 * 1'000'000;

class AnnouncementTest : public ::testing::Test {
 protected:
  // A plan of ann's that is announced for a week; without `planner` a request.
  Reply Announce(const std::string& planner = "ann", int64_t execute_after_us = 0,
                 int64_t ttl_us = 7 * kDayUs) {
    store::v1::ResolvedAnnounce resolved;
    store::v1::PlanAnnounced& announced = *resolved.mutable_announced();
    announced.set_method("retrace.v1.Customers.DeleteCustomer");
    announced.set_target_method(announced.method());
    announced.add_permissions("customers.delete");
    announced.mutable_to()->add_teams("Sales");
    announced.set_message("by Friday");
    announced.set_divisible(true);
    resolved.set_ttl_us(ttl_us);
    resolved.set_execute_delay_us(execute_after_us);
    if (!planner.empty()) {
      *announced.mutable_planned() = PlanOf(planner);
    }
    return acme_.Do(resolved);
  }
  store::v1::AnnouncedPlan PlanOf(const std::string& planner) {
    store::v1::AnnouncedPlan planned;
    planned.mutable_token()->set_principal(planner);
    planned.mutable_token()->set_nonce(absl::StrCat("nonce ", ++nonces_));
    planned.mutable_token()->set_expire_time_us(acme_.time_us() + kDayUs);
    planned.mutable_plan()->set_plan_token("a secret");
    auto& count = *planned.mutable_plan()->add_counts();
    count.set_kind("customers");
    count.set_change("Deleted");
    count.set_count(3);
    return planned;
  }
  std::string Opened(int64_t execute_after_us = 0) {
    const Reply reply = Announce("ann", execute_after_us);
    EXPECT_TRUE(reply.ok()) << reply.status;
    return reply.id();
  }
  const store::v1::AnnouncementRow& Row(const std::string& id) {
    row_ = acme_.RowOf({KindNumber::kAnnouncement, id});
    return row_->As<store::v1::AnnouncementRow>();
  }
  Announcement::State StateOf(const std::string& id) { return Row(id).shown().state(); }
  static std::string Named(const std::string& id, const std::string& more = "") {
    return absl::Substitute(R"pb(name: "tenants/acme/announcements/$0" $1)pb", id, more);
  }
  Reply Advance(const std::string& id, Announcement::State state, int64_t change_set) {
    store::v1::AdvanceAnnouncement step;
    step.set_announcement(id);
    step.mutable_ended()->set_state(state);
    step.mutable_ended()->mutable_result()->set_change_set(change_set);
    return acme_.Record(step);
  }
  // An undo as the server decides it: what it causes is told in the same commit.
  Reply Undo(Position position) {
    v1::UndoRequest request;
    request.set_parent("tenants/acme");
    request.add_names(absl::StrCat("tenants/acme/commits/", position));
    const store::v1::ResolvedUndo undo = acme_.Resolve(request);
    return acme_.DoWith(request, [&](const auto&, Draft& draft, const Context& context) {
      const absl::Status decided = Decide(undo, draft, context);
      return decided.ok() ? NoteUndone(draft, context) : decided;
    });
  }
  // Fires what is due; how many were.
  size_t FireDue() {
    const auto due = FindDue(acme_.view(), acme_.time_us(), 10);
    size_t fired = 0;
    for (const Due& one : *due) {
      if (one.entity.kind != KindNumber::kAnnouncement) continue;
      store::v1::Fire fire;
      *fire.mutable_entity() = ToStored(one.entity);
      fire.set_due_us(one.due_us);
      const Reply reply = acme_.Record(fire);
      EXPECT_TRUE(reply.ok()) << reply.status;
      ++fired;
    }
    return fired;
  }

  TestTenant acme_;
  RowPtr row_;
  int nonces_ = 0;
};

TEST_F(AnnouncementTest, ThePlanIsKeptWithoutItsTokenAndLivesAsLongAsIt) {
  const Reply reply = Announce();
  ASSERT_TRUE(reply.ok()) << reply.status;
  EXPECT_THAT(reply.events, Contains(HasSubstr("NotificationRequested")));
  EXPECT_THAT(reply.events, Contains(HasSubstr("plans.announced")));
  EXPECT_THAT(reply.events, Contains(HasSubstr("3 customers: Deleted")));
  const auto& row = Row(reply.id());
  EXPECT_EQ(row.planned().plan().plan_token(), "");
  EXPECT_EQ(row.planned().token().expire_time_us() / kDayUs,
            (acme_.time_us() + 7 * kDayUs) / kDayUs);
  EXPECT_EQ(row.shown().state(), Announcement::OPEN);
  EXPECT_EQ(row.shown().planner(), "ann");
}

TEST_F(AnnouncementTest, TimesAreWithinThirtyDays) {
  EXPECT_TRUE(Announce("ann", 0, 30 * kDayUs).ok());
  EXPECT_EQ(Announce("ann", 0, 30 * kDayUs + 1).reason(), v1::INVALID_FIELD);
  EXPECT_EQ(Announce("ann", 7 * kDayUs).reason(), v1::INVALID_FIELD);
  EXPECT_EQ(Announce("ann", 0, -1).reason(), v1::INVALID_FIELD);
}

TEST_F(AnnouncementTest, ItIsExecutedByItsTimerAndEndsOnce) {
  const std::string id = Opened(kDayUs);
  EXPECT_EQ(FireDue(), 0u);
  acme_.Pass(kDayUs);
  EXPECT_EQ(FireDue(), 1u);
  EXPECT_EQ(StateOf(id), Announcement::EXECUTING);
  EXPECT_EQ(Row(id).executing(), kExecuting);
  acme_.Pass(30 * kDayUs);
  EXPECT_EQ(FireDue(), 0u);
  const Reply ended = Advance(id, Announcement::EXECUTED, 5);
  ASSERT_TRUE(ended.ok()) << ended.status;
  EXPECT_THAT(ended.events, Contains(HasSubstr("plans.executed")));
  EXPECT_EQ(Row(id).executing(), "");
  EXPECT_EQ(Advance(id, Announcement::EXECUTED, 5).reason(), v1::STATE_REFUSED);
}

TEST_F(AnnouncementTest, ItExpiresInsteadOfBeingExecutedLate) {
  const std::string id = Opened(kDayUs);
  acme_.Pass(8 * kDayUs);
  EXPECT_EQ(FireDue(), 1u);
  EXPECT_EQ(StateOf(id), Announcement::EXPIRED);
  EXPECT_EQ(FireDue(), 0u);
}

TEST_F(AnnouncementTest, AnObjectionHoldsTheTimerBackUntilTheEnd) {
  const std::string id = Opened(kDayUs);
  acme_.ActAs("bob");
  acme_.Must<v1::ObjectRequest>(Named(id, R"pb(words: "no")pb"));
  acme_.Pass(kDayUs);
  EXPECT_EQ(FireDue(), 1u);
  EXPECT_EQ(StateOf(id), Announcement::OPEN);
  EXPECT_EQ(Row(id).shown().held_back(), "OBJECTIONS_EXIST");
  EXPECT_EQ(FireDue(), 0u);
  acme_.Pass(6 * kDayUs);
  EXPECT_EQ(FireDue(), 1u);
  EXPECT_EQ(StateOf(id), Announcement::EXPIRED);
}

TEST_F(AnnouncementTest, AcknowledgedObjectionsDoNot) {
  const std::string id = Opened(kDayUs);
  acme_.Must<v1::ObjectRequest>(Named(id, R"pb(words: "no")pb"));
  EXPECT_EQ(
      acme_.Do<v1::AcknowledgeObjectionsRequest>(Named(id, "acknowledge_objections: 2")).reason(),
      v1::OBJECTIONS_EXIST);
  acme_.Must<v1::AcknowledgeObjectionsRequest>(Named(id, "acknowledge_objections: 1"));
  acme_.Pass(kDayUs);
  FireDue();
  EXPECT_EQ(StateOf(id), Announcement::EXECUTING);
}

TEST_F(AnnouncementTest, AnotherObjectionCountsAnew) {
  const std::string id = Opened();
  acme_.Must<v1::ObjectRequest>(Named(id, R"pb(words: "no")pb"));
  acme_.Must<v1::AcknowledgeObjectionsRequest>(Named(id, "acknowledge_objections: 1"));
  acme_.Must<v1::ObjectRequest>(Named(id, R"pb(words: "never")pb"));
  const Reply refused = acme_.Do<v1::ExecuteRequest>(Named(id));
  EXPECT_EQ(refused.reason(), v1::OBJECTIONS_EXIST);
  EXPECT_THAT(testing::Unmet(refused.status), ElementsAre("ann: never"));
  EXPECT_EQ(testing::Metadata(refused.status, "objections"), "2");
  EXPECT_TRUE(acme_.Do<v1::ExecuteRequest>(Named(id, "acknowledge_objections: 2")).ok());
}

TEST_F(AnnouncementTest, ARequestGivesNobodyRights) {
  acme_.ActAs("agnes", {});
  const Reply reply = Announce("");
  ASSERT_TRUE(reply.ok()) << reply.status;
  EXPECT_THAT(reply.events, Contains(HasSubstr("plans.requested")));
  const std::string& id = reply.id();
  EXPECT_EQ(acme_.Do<v1::ExecuteRequest>(Named(id)).reason(), v1::PERMISSION_MISSING);
  store::v1::ResolvedApprove approval;
  approval.set_name("tenants/acme/announcements/" + id);
  EXPECT_EQ(acme_.Do(approval).reason(), v1::PERMISSION_MISSING);
  acme_.ActAs("ann");
  EXPECT_EQ(acme_.Do<v1::ExecuteRequest>(Named(id)).reason(), v1::STATE_REFUSED);
  *approval.mutable_planned() = PlanOf("ann");
  ASSERT_TRUE(acme_.Do(approval).ok());
  EXPECT_EQ(StateOf(id), Announcement::OPEN);
  EXPECT_EQ(Row(id).shown().planner(), "ann");
  EXPECT_EQ(Row(id).shown().asker(), "agnes");
}

TEST_F(AnnouncementTest, AnExecutedPlanCannotBeAnnounced) {
  store::v1::ResolvedAnnounce resolved;
  *resolved.mutable_announced()->mutable_planned() = PlanOf("ann");
  resolved.mutable_announced()->add_permissions("customers.delete");
  resolved.mutable_announced()->mutable_to()->add_teams("Sales");
  resolved.set_ttl_us(7 * kDayUs);
  acme_.Pass(kDayUs);
  EXPECT_EQ(acme_.Do(resolved).reason(), v1::PLAN_EXPIRED);
}

TEST_F(AnnouncementTest, OnlyExistingEntitiesAreTakenOut) {
  const std::string id = Opened();
  const std::string customer =
      acme_
          .Must<v1::CreateCustomerRequest>(R"pb(parent: "tenants/acme"
                                                customer { display_name: "Ann" })pb")
          .id();
  const auto take_out = [&](const std::string& name) {
    return acme_.Do<v1::TakeOutRequest>(Named(id, absl::Substitute(R"pb(names: "$0")pb", name)));
  };
  EXPECT_EQ(take_out("tenants/acme/customers/nobody").reason(), v1::ENTITY_NOT_FOUND);
  EXPECT_EQ(take_out("tenants/globex/customers/" + customer).reason(), v1::ENTITY_NOT_FOUND);
  EXPECT_EQ(take_out("tenants/acme/announcements/" + id).reason(), v1::INVALID_FIELD);
  EXPECT_TRUE(take_out("tenants/acme/customers/" + customer).ok());
  EXPECT_TRUE(take_out("tenants/acme/customers/" + customer).ok());
  EXPECT_EQ(Row(id).shown().taken_out_size(), 1);
}

TEST_F(AnnouncementTest, ItsUndoIsToldOnceAndTheUndoOfThat) {
  const std::string id = Opened();
  acme_.Must<v1::ExecuteRequest>(Named(id));
  const Reply done =
      acme_.Must<v1::CreateCustomerRequest>(R"pb(parent: "tenants/acme"
                                                 customer { display_name: "Eve" })pb");
  Advance(id, Announcement::EXECUTED, static_cast<int64_t>(done.position));
  const Reply undone = Undo(done.position);
  ASSERT_TRUE(undone.ok()) << undone.status;
  EXPECT_THAT(undone.events, Contains(HasSubstr("plans.undone")));
  EXPECT_EQ(Row(id).undone_by(), static_cast<int64_t>(undone.position));
  const Reply redone = Undo(undone.position);
  ASSERT_TRUE(redone.ok()) << redone.status;
  EXPECT_THAT(redone.events, Contains(HasSubstr("plans.executed")));
  EXPECT_EQ(Row(id).undone_by(), 0);
}

TEST_F(AnnouncementTest, ReplayGivesTheSameRows) {
  const std::string id = Opened(kDayUs);
  acme_.Must<v1::ObjectRequest>(Named(id, R"pb(words: "no")pb"));
  acme_.Must<v1::AcknowledgeRequest>(Named(id));
  acme_.Must<v1::ExecuteRequest>(Named(id, "acknowledge_objections: 1"));
  const auto replayed = acme_.Replay();
  ASSERT_TRUE(replayed.ok()) << replayed.status();
  const EntityRef entity{KindNumber::kAnnouncement, id};
  const RowPtr again = *testing::MemoryView(*replayed, kLatest).Get(entity);
  EXPECT_EQ(again->resource->SerializeAsString(),
            acme_.RowOf(entity)->resource->SerializeAsString());
}

}  // namespace
}  // namespace retrace::domain
