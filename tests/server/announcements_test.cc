// Announced plans over real gRPC: who may what, when, and what comes of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "google/protobuf/util/time_util.h"
#include "tests/server/announcements_fixture.h"

namespace retrace::server {
namespace {

using google::protobuf::util::TimeUtil;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST_F(AnnouncementsTest, ItIsToldAnsweredAndExecuted) {
  const std::string ann = Create(1, "gold").front();
  CreateDeal(ann);
  const std::string name = Announce(Announcing(Deleting(ann))).name();
  Announcement shown = Get(name);
  EXPECT_EQ(shown.state(), Announcement::OPEN);
  EXPECT_EQ(shown.method(), "retrace.v1.Customers.DeleteCustomer");
  EXPECT_THAT(shown.permissions(), ElementsAre("customers.delete"));
  EXPECT_EQ(shown.plan().entity_count(), 2);
  EXPECT_EQ(shown.plan().plan_token(), "");
  EXPECT_EQ(shown.plan().samples(0).title(), "gold 0");
  EXPECT_EQ(shown.reason(), "they left");
  EXPECT_EQ(CountOf("plans.announced"), 1u);
  EXPECT_TRUE(Acknowledge(name).ok());
  EXPECT_TRUE(Acknowledge(name).ok());
  shown = Executed(name);
  EXPECT_EQ(shown.state(), Announcement::EXECUTED) << shown.DebugString();
  EXPECT_THAT(shown.acknowledgements(), SizeIs(1));
  EXPECT_TRUE(IsDeleted(ann));
  const v1::Commit commit = CommitAt(shown.result().change_set());
  EXPECT_EQ(commit.actor(), "administrator");
  EXPECT_EQ(commit.reason(), "they left");
  EXPECT_EQ(commit.on_behalf_of(), "");
  ASSERT_EQ(CountOf("plans.executed"), 1u);
  EXPECT_EQ(Asked("plans.executed")[0].change_set(), shown.result().change_set());
  // It can be undone like any other; those who were told hear of that, too.
  v1::UndoRequest undo;
  undo.set_parent(kParent);
  undo.add_names(fmt::format("{}/changeSets/{}", kParent, shown.result().change_set()));
  undo.mutable_options()->set_reason("they came back");
  v1::UndoResponse undone;
  ASSERT_TRUE(history_->Undo(As("administrator").get(), undo, &undone).ok());
  EXPECT_FALSE(IsDeleted(ann));
  EXPECT_EQ(Get(name).undone_by(), undone.outcome().change_set());
  EXPECT_EQ(CountOf("plans.undone"), 1u);
  undo.set_names(0, fmt::format("{}/changeSets/{}", kParent, undone.outcome().change_set()));
  ASSERT_TRUE(history_->Undo(As("administrator").get(), undo, &undone).ok());
  EXPECT_EQ(Get(name).undone_by(), 0);
  EXPECT_EQ(CountOf("plans.executed"), 2u);
}

TEST_F(AnnouncementsTest, ThePlanIsKeptForAWeek) {
  const std::vector<std::string> names = Create(2, "gold");
  const std::string kept = Announce(Announcing(Deleting(names[0]))).name();
  const std::string drifts = Announce(Announcing(Deleting(names[1]))).name();
  Pass(6 * kDayUs);
  Update(names[1], "silver");
  EXPECT_EQ(Executed(kept).state(), Announcement::EXECUTED);
  const Announcement failed = Executed(drifts);
  EXPECT_EQ(failed.state(), Announcement::FAILED);
  EXPECT_EQ(failed.result().reason(), "PLAN_DRIFTED");
  EXPECT_THAT(failed.result().differences(), ElementsAre(HasSubstr("level")));
  EXPECT_EQ(failed.result().change_set(), 0);
  EXPECT_FALSE(IsDeleted(names[1]));
  EXPECT_EQ(CountOf("plans.failed"), 1u);
}

TEST_F(AnnouncementsTest, AfterItsTimeNothingCanBeSaid) {
  const std::string ann = Create(1, "gold").front();
  const std::string name = Announce(Announcing(Deleting(ann))).name();
  passed_us_ += 8 * kDayUs;
  // Its timer has not come yet; its time is over all the same.
  EXPECT_EQ(ErrorOf(Object(name, "no")).reason, "ANNOUNCEMENT_CLOSED");
  EXPECT_EQ(ErrorOf(Execute(name)).reason, "ANNOUNCEMENT_CLOSED");
  Pass(0);
  EXPECT_EQ(Get(name).state(), Announcement::EXPIRED);
  EXPECT_EQ(ErrorOf(Object(name, "no")).reason, "ANNOUNCEMENT_CLOSED");
  EXPECT_EQ(ErrorOf(Acknowledge(name)).reason, "ANNOUNCEMENT_CLOSED");
  EXPECT_EQ(CountOf("plans.expired"), 1u);
  EXPECT_FALSE(IsDeleted(ann));
}

TEST_F(AnnouncementsTest, BadInputIsRefused) {
  const std::string ann = Create(1, "gold").front();
  v1::AnnounceRequest request = Announcing(Deleting(ann));
  *request.mutable_ttl() = TimeUtil::HoursToDuration(31 * 24);
  EXPECT_EQ(RefusalOf(request), "INVALID_FIELD");
  request = Announcing(Deleting(ann));
  request.clear_ttl();
  EXPECT_EQ(RefusalOf(request), "INVALID_FIELD");
  *request.mutable_expire_time() = TimeUtil::SecondsToTimestamp(1);
  EXPECT_EQ(RefusalOf(request), "INVALID_FIELD");
  request = Announcing(Deleting(ann));
  *request.mutable_execute_delay() = TimeUtil::HoursToDuration(7 * 24);
  EXPECT_EQ(RefusalOf(request), "INVALID_FIELD");
  for (const char* team : {"Nowhere", ""}) {
    request = Announcing(Deleting(ann));
    request.mutable_to()->set_teams(0, team);
    EXPECT_EQ(RefusalOf(request), "NOBODY_TO_TELL") << team;
  }
  request = Announcing(Deleting(ann));
  request.mutable_to()->Clear();
  EXPECT_EQ(RefusalOf(request), "NOBODY_TO_TELL");
  for (const char* who : {"tenants/acme/members/nobody", "principals/nobody"}) {
    request.mutable_to()->Clear();
    request.mutable_to()->add_recipients(who);
    EXPECT_EQ(RefusalOf(request), "NOBODY_TO_TELL") << who;
  }
  request.mutable_to()->Clear();
  request.mutable_to()->add_roles("king");
  EXPECT_EQ(RefusalOf(request), "NOBODY_TO_TELL");
  request.mutable_to()->Clear();
  request.mutable_to()->set_member_filter("team = \"Nowhere\"");
  EXPECT_EQ(RefusalOf(request), "NOBODY_TO_TELL");
  // What destroys nothing, what is of another tenant, what is no command.
  v1::UpdateCustomerRequest update;
  update.mutable_customer()->set_name(ann);
  EXPECT_EQ(RefusalOf(Announcing(update)), "INVALID_FIELD");
  EXPECT_NE(RefusalOf(Announcing(Deleting("tenants/globex/customers/x"))), "");
  EXPECT_EQ(RefusalOf(Announcing(v1::Customer())), "INVALID_FIELD");
  v1::DeleteCustomerRequest joined = Deleting(ann);
  joined.mutable_options()->set_change_set(1);
  EXPECT_EQ(RefusalOf(Announcing(joined)), "INVALID_FIELD");
  // What the policy asks for is asked for now, not in a week.
  v1::DeleteCustomerRequest silent = Deleting(ann);
  silent.mutable_options()->clear_reason();
  EXPECT_EQ(RefusalOf(Announcing(silent)), "REASON_REQUIRED");
  SetPolicy("acknowledge_above_humans",
            [](v1::Policy& policy) { policy.set_acknowledge_above_humans(1); });
  CreateDeal(ann);
  EXPECT_EQ(RefusalOf(Announcing(Deleting(ann))), "ACKNOWLEDGEMENT_REQUIRED");
  EXPECT_EQ(RefusalOf(Announcing(Deletion("*"))), "PLAN_REQUIRED");
  EXPECT_EQ(CountOf("plans.announced"), 0u);
}

TEST_F(AnnouncementsTest, ObjectionsAreAcknowledgedFirst) {
  const std::string ann = Create(1, "gold").front();
  v1::AnnounceRequest request = Announcing(Deleting(ann));
  *request.mutable_execute_delay() = TimeUtil::HoursToDuration(24);
  const std::string name = Announce(request).name();
  EXPECT_EQ(ErrorOf(Object(name, "  ")).reason, "INVALID_FIELD");
  ASSERT_TRUE(Object(name, "she is mine").ok());
  EXPECT_EQ(CountOf("plans.objected"), 1u);
  // The timer leaves it, and tells why.
  Pass(2 * kDayUs);
  EXPECT_EQ(Get(name).state(), Announcement::OPEN);
  EXPECT_EQ(Get(name).held_back(), "OBJECTIONS_EXIST");
  EXPECT_EQ(CountOf("plans.failed"), 1u);
  EXPECT_EQ(ErrorOf(Execute(name)).reason, "OBJECTIONS_EXIST");
  EXPECT_EQ(ErrorOf(Execute(name, "administrator", 2)).reason, "OBJECTIONS_EXIST");
  ASSERT_TRUE(Object(name, "and still is").ok());
  EXPECT_EQ(ErrorOf(Execute(name, "administrator", 1)).reason, "OBJECTIONS_EXIST");
  const Announcement shown = Executed(name, 2);
  EXPECT_EQ(shown.state(), Announcement::EXECUTED);
  EXPECT_EQ(shown.objections(0).words(), "she is mine");
  EXPECT_EQ(shown.acknowledged_objections(), 2);
}

TEST_F(AnnouncementsTest, TheTimerExecutesWhatIsLeft) {
  const std::vector<std::string> names = Create(150, "gold");
  v1::AnnounceRequest request = Announcing(Planned(Deletion("level = \"gold\"")));
  *request.mutable_execute_delay() = TimeUtil::HoursToDuration(6 * 24);
  const std::string name = Announce(request).name();
  EXPECT_EQ(Get(name).plan().entity_count(), 150);
  EXPECT_THAT(Get(name).permissions(), ElementsAre("customers.delete", "operations.start"));
  ASSERT_TRUE(Object(name, "two of them are mine").ok());
  EXPECT_EQ(ErrorOf(TakeOut(name, {names[3]}, 0, "agent")).reason, "PERMISSION_MISSING");
  EXPECT_EQ(ErrorOf(TakeOut(name, {"tenants/acme/customers/nobody"})).reason, "ENTITY_NOT_FOUND");
  ASSERT_TRUE(TakeOut(name, {names[3], names[120]}).ok());
  ASSERT_TRUE(TakeOut(name, {names[3]}, 1).ok());
  EXPECT_THAT(Get(name).taken_out(), ElementsAre(names[3], names[120]));
  Pass(6 * kDayUs + 1'000'000);
  const Announcement shown = AwaitEnd(name);
  ASSERT_EQ(shown.state(), Announcement::EXECUTED) << shown.DebugString();
  EXPECT_EQ(shown.result().ok_count(), 148);
  EXPECT_EQ(shown.result().skipped_count(), 2);
  EXPECT_FALSE(IsDeleted(names[3]));
  EXPECT_FALSE(IsDeleted(names[120]));
  EXPECT_TRUE(IsDeleted(names[4]));
  EXPECT_THAT(Items(shown.result().operation()).items(), SizeIs(2));
  // The undo of many tells once.
  Run(Planned(Undo(shown.result().change_set())));
  EXPECT_FALSE(IsDeleted(names[4]));
  EXPECT_NE(Get(name).undone_by(), 0);
  EXPECT_EQ(CountOf("plans.undone"), 1u);
}

TEST_F(AnnouncementsTest, WhatIsTakenOutIsNotTakenAlong) {
  const std::string ann = Create(1, "gold").front();
  const std::string eve = Create(1, "gold").front();
  CreateDeal(ann);
  const std::string name = Announce(Announcing(Planned(Deletion("level = \"gold\"")))).name();
  v1::ListRecordsRequest list;
  list.set_parent(kParent);
  v1::ListRecordsResponse records;
  ASSERT_TRUE(records_->ListRecords(As("administrator").get(), list, &records).ok());
  ASSERT_TRUE(TakeOut(name, {records.records(0).name()}).ok());
  const Announcement shown = Executed(name);
  EXPECT_EQ(shown.result().ok_count(), 1) << shown.DebugString();
  EXPECT_EQ(shown.result().refused_count(), 1);
  EXPECT_FALSE(IsDeleted(ann));
  EXPECT_TRUE(IsDeleted(eve));
  // One commit is done wholly or not at all.
  const std::string single = Announce(Announcing(Deleting(ann))).name();
  EXPECT_EQ(ErrorOf(TakeOut(single, {ann})).reason, "STATE_REFUSED");
  const std::string undo = Announce(Announcing(Planned(Undo(shown.result().change_set())))).name();
  EXPECT_EQ(ErrorOf(TakeOut(undo, {eve})).reason, "STATE_REFUSED");
}

TEST_F(AnnouncementsTest, DriftStopsAnOperationOrIsSkipped) {
  const std::vector<std::string> names = Create(3, "gold");
  v1::StartOperationRequest skips = Deletion("level = \"gold\"");
  skips.set_on_drift(v1::StartOperationRequest::SKIP);
  const std::string skipping = Announce(Announcing(Planned(skips))).name();
  const std::string stopping = Announce(Announcing(Planned(Deletion("level = \"gold\"")))).name();
  Update(names[1], "silver");
  const Announcement done = Executed(skipping);
  EXPECT_EQ(done.state(), Announcement::EXECUTED);
  EXPECT_EQ(done.result().drifted_count(), 1);
  const Announcement stopped = Executed(stopping);
  EXPECT_EQ(stopped.state(), Announcement::FAILED);
  EXPECT_EQ(stopped.result().reason(), "PLAN_DRIFTED");
  EXPECT_FALSE(IsDeleted(names[1]));
}

TEST_F(AnnouncementsTest, ARequestIsApprovedByWhoMay) {
  v1::DeleteMemberRequest request;
  request.set_name("tenants/acme/members/bob");
  request.mutable_options()->set_reason("he left");
  const std::string name = Announce(Announcing(request), "agent").name();
  Announcement shown = Get(name, "agent");
  EXPECT_EQ(shown.state(), Announcement::REQUESTED);
  EXPECT_FALSE(shown.has_plan());
  EXPECT_EQ(CountOf("plans.requested"), 1u);
  // Nobody gets rights by asking.
  EXPECT_EQ(ErrorOf(Execute(name, "agent")).reason, "PERMISSION_MISSING");
  EXPECT_EQ(ErrorOf(Approve(name, "agent")).reason, "PERMISSION_MISSING");
  EXPECT_EQ(ErrorOf(Execute(name)).reason, "STATE_REFUSED");
  ASSERT_TRUE(Approve(name, "administrator").ok());
  shown = Get(name);
  EXPECT_EQ(shown.state(), Announcement::OPEN);
  EXPECT_EQ(shown.planner(), "administrator");
  EXPECT_EQ(shown.plan().entity_count(), 1);
  EXPECT_EQ(CountOf("plans.approved"), 1u);
  EXPECT_EQ(ErrorOf(Execute(name, "agent")).reason, "PERMISSION_MISSING");
  shown = Executed(name);
  EXPECT_EQ(shown.state(), Announcement::EXECUTED) << shown.DebugString();
  const v1::Commit commit = CommitAt(shown.result().change_set());
  EXPECT_EQ(commit.actor(), "administrator");
  EXPECT_EQ(commit.on_behalf_of(), "agent");
}

TEST_F(AnnouncementsTest, ARequestForAnOperationIsPlannedByWhoApproves) {
  CreateMember("jim", "Sales");
  v1::StartOperationRequest request;
  request.set_parent(kParent);
  request.mutable_command()->PackFrom(v1::DeleteMemberRequest());
  request.set_filter("team = \"Sales\"");
  request.mutable_options()->set_reason("the team is closed");
  const std::string name = Announce(Announcing(request), "agent").name();
  EXPECT_EQ(Get(name).state(), Announcement::REQUESTED);
  EXPECT_FALSE(Get(name, "auditor").has_command());
  EXPECT_EQ(ErrorOf(Approve(name, "administrator")).reason, "PLAN_REQUIRED");
  v1::StartOperationRequest told;
  ASSERT_TRUE(Get(name).command().UnpackTo(&told));
  EXPECT_EQ(ErrorOf(Approve(name, "root", Planned(told).options().plan_token())).reason,
            "PLAN_TOKEN_INVALID");
  ASSERT_TRUE(Approve(name, "administrator", Planned(told).options().plan_token()).ok());
  const Announcement shown = Executed(name);
  EXPECT_EQ(shown.state(), Announcement::EXECUTED) << shown.DebugString();
  EXPECT_EQ(shown.result().ok_count(), 2);
}

TEST_F(AnnouncementsTest, ThePolicyAsksForASecondPerson) {
  SetPolicy("require_second_person",
            [](v1::Policy& policy) { policy.set_require_second_person(true); });
  const std::vector<std::string> names = Create(3, "gold");
  const std::string first = Announce(Announcing(Deleting(names[0]))).name();
  EXPECT_EQ(ErrorOf(Execute(first)).reason, "SECOND_PERSON_REQUIRED");
  EXPECT_EQ(ErrorOf(Approve(first, "administrator")).reason, "SECOND_PERSON_REQUIRED");
  EXPECT_EQ(ErrorOf(Approve(first, "auditor")).reason, "PERMISSION_MISSING");
  ASSERT_TRUE(Approve(first, "agent").ok());
  EXPECT_EQ(Executed(first).state(), Announcement::EXECUTED);
  // Who executes as another person approves by this.
  const std::string second = Announce(Announcing(Deleting(names[1]))).name();
  ASSERT_TRUE(Execute(second, "agent").ok());
  const Announcement shown = AwaitEnd(second);
  EXPECT_EQ(shown.state(), Announcement::EXECUTED);
  EXPECT_EQ(shown.approver(), "agent");
  EXPECT_EQ(CommitAt(shown.result().change_set()).actor(), "administrator");
  // The timer asks for one, too.
  v1::AnnounceRequest request = Announcing(Deleting(names[2]));
  *request.mutable_execute_delay() = TimeUtil::HoursToDuration(1);
  const std::string third = Announce(request).name();
  Pass(kDayUs);
  EXPECT_EQ(Get(third).held_back(), "SECOND_PERSON_REQUIRED");
  EXPECT_FALSE(IsDeleted(names[2]));
}

TEST_F(AnnouncementsTest, WhoLostThePermissionDoesNothing) {
  const std::string ann = Create(1, "gold").front();
  v1::AnnounceRequest request = Announcing(Deleting(ann));
  *request.mutable_execute_delay() = TimeUtil::HoursToDuration(1);
  const std::string name = Announce(request, "agent").name();
  ChangeRole("agent", "auditor");
  Pass(kDayUs);
  const Announcement shown = AwaitEnd(name);
  EXPECT_EQ(shown.state(), Announcement::FAILED);
  EXPECT_EQ(shown.result().reason(), "PERMISSION_MISSING");
  EXPECT_FALSE(IsDeleted(ann));
}

TEST_F(AnnouncementsTest, WithdrawnIsOver) {
  const std::string ann = Create(1, "gold").front();
  const std::string name = Announce(Announcing(Deleting(ann))).name();
  EXPECT_EQ(ErrorOf(Withdraw(name, "agent")).reason, "PERMISSION_MISSING");
  ASSERT_TRUE(Withdraw(name).ok());
  EXPECT_EQ(ErrorOf(Withdraw(name)).reason, "ANNOUNCEMENT_CLOSED");
  EXPECT_EQ(ErrorOf(Execute(name)).reason, "ANNOUNCEMENT_CLOSED");
  EXPECT_EQ(CountOf("plans.withdrawn"), 1u);
  // Who may withdraw what others announced.
  const std::string theirs = Announce(Announcing(Deleting(ann)), "agent").name();
  EXPECT_TRUE(Withdraw(theirs).ok());
  // What is being executed cannot be withdrawn.
  const std::string late = Announce(Announcing(Deleting(ann))).name();
  backend_.announcements.reset();
  ASSERT_TRUE(Execute(late).ok());
  EXPECT_EQ(ErrorOf(Withdraw(late)).reason, "ANNOUNCEMENT_CLOSED");
  EXPECT_EQ(ErrorOf(Object(late, "no")).reason, "ANNOUNCEMENT_CLOSED");
}

TEST_F(AnnouncementsTest, ARestartGoesOnAndDoesNothingTwice) {
  const std::vector<std::string> names = Create(2, "gold");
  const std::string begun = Announce(Announcing(Deleting(names[0]))).name();
  const std::string sent = Announce(Announcing(Deleting(names[1]))).name();
  backend_.announcements.reset();
  ASSERT_TRUE(Execute(begun).ok());
  ASSERT_TRUE(Execute(sent).ok());
  // As if the server had been killed between sending the command and recording its end.
  v1::DeleteCustomerRequest deletion = Deleting(names[1]);
  deletion.mutable_options()->set_request_id("announced-" + sent.substr(sent.rfind('/') + 1));
  v1::DeleteCustomerResponse deleted;
  ASSERT_TRUE(customers_->DeleteCustomer(As("administrator").get(), deletion, &deleted).ok());
  Close();
  Open();
  Reconnect();
  const Announcement shown = AwaitEnd(begun);
  EXPECT_EQ(shown.state(), Announcement::EXECUTED) << shown.DebugString();
  EXPECT_TRUE(IsDeleted(names[0]));
  const Announcement repeated = AwaitEnd(sent);
  EXPECT_EQ(repeated.state(), Announcement::EXECUTED) << repeated.DebugString();
  EXPECT_EQ(repeated.result().change_set(), deleted.outcome().change_set());
}

TEST_F(AnnouncementsTest, ARepeatGetsTheFirstAnswer) {
  const std::string ann = Create(1, "gold").front();
  v1::AnnounceRequest request = Announcing(Deleting(ann));
  request.mutable_options()->set_request_id("once");
  const Announcement first = Announce(request);
  EXPECT_EQ(Announce(request).name(), first.name());
  EXPECT_EQ(Executed(first.name()).state(), Announcement::EXECUTED);
  // It could not be planned again by now.
  EXPECT_EQ(Announce(request).name(), first.name());
  request.set_message("another");
  EXPECT_EQ(RefusalOf(request), "REQUEST_ID_REUSED");
  v1::ExecuteRequest execute;
  execute.set_name(first.name());
  EXPECT_EQ(ErrorOf(Execute(first.name())).reason, "ANNOUNCEMENT_CLOSED");
}

TEST_F(AnnouncementsTest, APlanIsExecutedOnce) {
  const std::string ann = Create(1, "gold").front();
  v1::DeleteCustomerRequest deletion = Deleting(ann);
  deletion.mutable_options()->set_plan_only(true);
  v1::DeleteCustomerResponse planned;
  ASSERT_TRUE(customers_->DeleteCustomer(As("administrator").get(), deletion, &planned).ok());
  deletion.mutable_options()->set_plan_only(false);
  deletion.mutable_options()->set_plan_token(planned.plan().plan_token());
  const std::string one = Announce(Announcing(deletion)).name();
  const std::string two = Announce(Announcing(deletion)).name();
  EXPECT_EQ(RefusalOf(Announcing(deletion), "root"), "PLAN_TOKEN_INVALID");
  EXPECT_EQ(Executed(one).state(), Announcement::EXECUTED);
  EXPECT_EQ(Executed(two).result().reason(), "PLAN_TOKEN_USED");
  const std::string eve = Create(1, "gold").front();
  deletion = Deleting(eve);
  deletion.mutable_options()->set_plan_only(true);
  ASSERT_TRUE(customers_->DeleteCustomer(As("administrator").get(), deletion, &planned).ok());
  deletion.mutable_options()->set_plan_only(false);
  deletion.mutable_options()->set_plan_token(planned.plan().plan_token());
  Update(eve, "silver");
  EXPECT_EQ(RefusalOf(Announcing(deletion)), "PLAN_DRIFTED");
}

TEST_F(AnnouncementsTest, WhatIsNotForTheCallerIsNotShown) {
  const std::string ann = Create(1, "gold").front();
  const std::string name = Announce(Announcing(Deleting(ann))).name();
  EXPECT_TRUE(Get(name, "agent").has_command());
  const Announcement shown = Get(name, "auditor");
  EXPECT_FALSE(shown.has_command());
  EXPECT_THAT(shown.plan().samples(), SizeIs(1));
  v1::ListAnnouncementsRequest list;
  list.set_parent(kParent);
  v1::ListAnnouncementsResponse page;
  ASSERT_TRUE(plans_->ListAnnouncements(As("auditor").get(), list, &page).ok());
  ASSERT_THAT(page.announcements(), SizeIs(1));
  EXPECT_EQ(page.announcements(0).plan().entity_count(), 1);
  EXPECT_THAT(page.announcements(0).plan().samples(), IsEmpty());
  EXPECT_FALSE(page.announcements(0).has_command());
  const std::string newer = Announce(Announcing(Deleting(ann))).name();
  list.set_page_size(1);
  ASSERT_TRUE(plans_->ListAnnouncements(As("auditor").get(), list, &page).ok());
  EXPECT_EQ(page.announcements(0).name(), newer);
  list.set_page_token(page.next_page_token());
  ASSERT_TRUE(plans_->ListAnnouncements(As("auditor").get(), list, &page).ok());
  EXPECT_EQ(page.announcements(0).name(), name);
  EXPECT_EQ(page.next_page_token(), "");
  ASSERT_TRUE(Withdraw(name).ok());
  list.clear_page_token();
  list.set_page_size(10);
  ASSERT_TRUE(plans_->ListAnnouncements(As("auditor").get(), list, &page).ok());
  EXPECT_THAT(page.announcements(), SizeIs(1));
  list.set_show_closed(true);
  ASSERT_TRUE(plans_->ListAnnouncements(As("auditor").get(), list, &page).ok());
  EXPECT_THAT(page.announcements(), SizeIs(2));
}

}  // namespace
}  // namespace retrace::server
