// Announced plans, one by one: which moves there are, and what people say of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/domain/announcement_fixture.h"

namespace retrace::domain {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

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

TEST_F(AnnouncementTest, WhatIsClearedUpLateIsExecutedAtOnce) {
  const std::string objected = Opened(kDayUs);
  acme_.Must<v1::ObjectRequest>(Named(objected, R"pb(words: "no")pb"));
  acme_.Pass(kDayUs);
  FireDue();
  EXPECT_EQ(Row(objected).shown().held_back(), "OBJECTIONS_EXIST");
  acme_.Must<v1::AcknowledgeObjectionsRequest>(Named(objected, "acknowledge_objections: 1"));
  EXPECT_EQ(Row(objected).shown().held_back(), "");
  EXPECT_EQ(FireDue(), 1u);
  EXPECT_EQ(StateOf(objected), Announcement::EXECUTING);
  AskForASecondPerson();
  const std::string alone = Opened(kDayUs);
  acme_.Must<v1::ObjectRequest>(Named(alone, R"pb(words: "no")pb"));
  acme_.Pass(kDayUs);
  FireDue();
  EXPECT_EQ(Row(alone).shown().held_back(), "SECOND_PERSON_REQUIRED");
  ASSERT_TRUE(Approve(alone, "bob").ok());
  // One thing less in its way.
  EXPECT_EQ(FireDue(), 1u);
  EXPECT_EQ(Row(alone).shown().held_back(), "OBJECTIONS_EXIST");
  EXPECT_EQ(FireDue(), 0u);
}

TEST_F(AnnouncementTest, HowManyWereReadIsComparedWithHowManyThereAre) {
  const std::string id = Opened();
  const auto acknowledge = [&](int count) {
    return acme_
        .Do<v1::AcknowledgeObjectionsRequest>(
            Named(id, absl::Substitute("acknowledge_objections: $0", count)))
        .reason();
  };
  acme_.Must<v1::ObjectRequest>(Named(id, R"pb(words: "no")pb"));
  EXPECT_EQ(acknowledge(1), v1::ERROR_REASON_UNSPECIFIED);
  EXPECT_EQ(acknowledge(1), v1::ERROR_REASON_UNSPECIFIED);
  acme_.Must<v1::ObjectRequest>(Named(id, R"pb(words: "never")pb"));
  EXPECT_EQ(acknowledge(1), v1::OBJECTIONS_EXIST);
  EXPECT_EQ(acknowledge(0), v1::INVALID_FIELD);
}

TEST_F(AnnouncementTest, NobodyFilesAllObjections) {
  const std::string id = Opened();
  acme_.ActAs("bob");
  for (int i = 0; i < kMostObjectionsEach; ++i) {
    acme_.Must<v1::ObjectRequest>(Named(id, R"pb(words: "no")pb"));
  }
  EXPECT_EQ(acme_.Do<v1::ObjectRequest>(Named(id, R"pb(words: "no")pb")).reason(),
            v1::LIMIT_REACHED);
  acme_.ActAs("sue");
  acme_.Must<v1::ObjectRequest>(Named(id, R"pb(words: "no")pb"));
}

TEST_F(AnnouncementTest, AnswersLeaveRoomForItsEnd) {
  const std::string id = Opened();
  const auto person = [](int i) { return absl::StrCat(std::string(190, 'p'), i); };
  for (int i = 0; i < 50; ++i) {
    acme_.ActAs(person(i));
    acme_.Must<v1::ObjectRequest>(
        Named(id, absl::Substitute("words: '$0'", std::string(2000, 'w'))));
  }
  Reply reply;
  for (int i = 0; i < 500 && reply.ok(); ++i) {
    acme_.ActAs(person(i));
    reply = acme_.Do<v1::AcknowledgeRequest>(Named(id));
  }
  EXPECT_EQ(reply.reason(), v1::LIMIT_REACHED);
  acme_.ActAs("ann");
  acme_.Must<v1::ExecuteRequest>(Named(id, "acknowledge_objections: 50"));
  store::v1::AdvanceAnnouncement step;
  step.set_announcement(id);
  step.mutable_ended()->set_state(Announcement::FAILED);
  for (int i = 0; i < 20; ++i) {
    step.mutable_ended()->mutable_result()->add_differences(std::string(1000, 'd'));
  }
  EXPECT_TRUE(acme_.Record(step).ok());
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

TEST_F(AnnouncementTest, ItStandsInNoChangeSet) {
  const std::string id = Opened();
  const Position open =
      acme_.Must<v1::BeginChangeSetRequest>(R"pb(parent: "tenants/acme" title: "all")pb").position;
  store::v1::ResolvedAnnounce announce = Resolved("ann");
  announce.mutable_options()->set_change_set(static_cast<int64_t>(open));
  EXPECT_EQ(testing::FaultyFields(acme_.Do(announce).status),
            std::vector<std::string>{"options.change_set"});
  const std::string joined = absl::Substitute("options { change_set: $0 }", open);
  EXPECT_EQ(acme_.Do<v1::ObjectRequest>(Named(id, "words: 'no' " + joined)).reason(),
            v1::INVALID_FIELD);
  EXPECT_EQ(acme_.Do<v1::AcknowledgeRequest>(Named(id, joined)).reason(), v1::INVALID_FIELD);
  EXPECT_EQ(acme_.Do<v1::ExecuteRequest>(Named(id, joined)).reason(), v1::INVALID_FIELD);
  EXPECT_EQ(acme_.Do<v1::WithdrawRequest>(Named(id, joined)).reason(), v1::INVALID_FIELD);
  EXPECT_EQ(StateOf(id), Announcement::OPEN);
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

TEST_F(AnnouncementTest, ARequestThatIsApprovedLateWaitsForSomebody) {
  const std::string late = Announce("", kDayUs).id();
  acme_.Pass(kDayUs);
  EXPECT_EQ(FireDue(), 1u);
  EXPECT_EQ(Row(late).shown().held_back(), "PLAN_REQUIRED");
  ASSERT_TRUE(Approve(late, "bob").ok());
  EXPECT_EQ(FireDue(), 0u);
  EXPECT_EQ(StateOf(late), Announcement::OPEN);
  EXPECT_FALSE(Row(late).shown().has_execute_time());
  EXPECT_TRUE(Execute(late, "bob").ok());
  // One that is approved in time keeps its timer.
  const std::string soon = Announce("", kDayUs).id();
  ASSERT_TRUE(Approve(soon, "bob").ok());
  acme_.Pass(kDayUs);
  EXPECT_EQ(FireDue(), 1u);
  EXPECT_EQ(StateOf(soon), Announcement::EXECUTING);
}

TEST_F(AnnouncementTest, NothingIsAcknowledgedWhereNobodyObjected) {
  const std::string id = Opened();
  EXPECT_EQ(
      acme_.Do<v1::AcknowledgeObjectionsRequest>(Named(id, "acknowledge_objections: 2")).reason(),
      v1::INVALID_FIELD);
  EXPECT_EQ(acme_.Do<v1::ExecuteRequest>(Named(id, "acknowledge_objections: 1")).reason(),
            v1::INVALID_FIELD);
}

}  // namespace
}  // namespace retrace::domain
