// Announced plans over real gRPC: who counts as whom, and what they need.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "retrace/v1/webhooks.grpc.pb.h"
#include "tests/server/announcements_fixture.h"

namespace retrace::server {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::SizeIs;

TEST_F(AnnouncementsTest, UsersOfAServiceAreTwoPeople) {
  AskForASecondPerson();
  AddService("web", "administrator");
  const std::string ann = Create(1, "gold").front();
  v1::AnnounceRequest request = Announcing(Deleting(ann));
  request.mutable_options()->set_on_behalf_of("agent");
  const std::string name = Announce(request, "web").name();
  EXPECT_EQ(Get(name).asker(), "agent");
  EXPECT_EQ(Get(name).planner(), "web");
  EXPECT_TRUE(Get(name, "web").has_command());
  // Who asked through the service is not a second person by their own token, nor is the service.
  EXPECT_EQ(ErrorOf(Approve(name, "agent")).reason, "SECOND_PERSON_REQUIRED");
  EXPECT_EQ(ErrorOf(Execute(name, "agent")).reason, "SECOND_PERSON_REQUIRED");
  EXPECT_EQ(ErrorOf(Approve(name, "web")).reason, "SECOND_PERSON_REQUIRED");
  v1::ApproveRequest approval;
  approval.set_name(name);
  approval.mutable_options()->set_on_behalf_of("bob");  // who has no token: the service's counts
  v1::ApproveResponse approved;
  ASSERT_TRUE(plans_->Approve(As("web").get(), approval, &approved).ok());
  EXPECT_EQ(approved.announcement().approver(), "bob");
  ASSERT_TRUE(Execute(name, "agent").ok());
  const Announcement shown = AwaitEnd(name);
  ASSERT_EQ(shown.state(), Announcement::EXECUTED) << shown.DebugString();
  EXPECT_EQ(CommitAt(shown.result().change_set()).actor(), "web");
  EXPECT_EQ(CommitAt(shown.result().change_set()).on_behalf_of(), "agent");
}

TEST_F(AnnouncementsTest, WhoApprovedMustStillBeAllowedTo) {
  AskForASecondPerson();
  const std::string ann = Create(1, "gold").front();
  const std::string name = Announce(Announcing(Deleting(ann))).name();
  ASSERT_TRUE(Approve(name, "agent").ok());
  ChangeRole("agent", "auditor");
  const Announcement shown = Executed(name);
  EXPECT_EQ(shown.state(), Announcement::FAILED);
  EXPECT_EQ(shown.result().reason(), "SECOND_PERSON_REQUIRED");
  EXPECT_FALSE(IsDeleted(ann));
}

TEST_F(AnnouncementsTest, TheTimerExecutesWhatIsApprovedLate) {
  AskForASecondPerson();
  const std::string ann = Create(1, "gold").front();
  const std::string name = Announce(ByTimer(Deleting(ann), 1)).name();
  Pass(kDayUs);
  EXPECT_EQ(Get(name).held_back(), "SECOND_PERSON_REQUIRED");
  ASSERT_TRUE(Approve(name, "agent").ok());
  Pass(0);
  EXPECT_EQ(AwaitEnd(name).state(), Announcement::EXECUTED);
  EXPECT_TRUE(IsDeleted(ann));
}

TEST_F(AnnouncementsTest, AnUndoOfWhatOthersDidIsARequest) {
  const std::string ann = Create(1, "gold").front();
  const int64_t theirs = Delete(ann, "administrator");
  const std::string name = Announce(Announcing(Undoing(theirs)), "agent").name();
  EXPECT_EQ(Get(name).state(), Announcement::REQUESTED);
  EXPECT_THAT(Get(name).permissions(), ElementsAre("history.undo-any", "history.undo"));
  EXPECT_EQ(ErrorOf(Approve(name, "agent")).reason, "PERMISSION_MISSING");
  ASSERT_TRUE(Approve(name, "administrator").ok());
  EXPECT_EQ(Executed(name).state(), Announcement::EXECUTED);
  EXPECT_FALSE(IsDeleted(ann));
}

TEST_F(AnnouncementsTest, ASecondPersonMayDoWhatItTakes) {
  AskForASecondPerson();
  const std::vector<std::string> names = Create(2, "gold");
  const int64_t theirs = Delete(names[0], "agent");
  const std::string forced = Announce(Announcing(Undoing(theirs, v1::FORCE))).name();
  EXPECT_THAT(Get(forced).permissions(), ElementsAre("history.undo-any", "history.undo"));
  EXPECT_EQ(ErrorOf(Approve(forced, "agent")).reason, "PERMISSION_MISSING");
  EXPECT_EQ(ErrorOf(Execute(forced, "agent")).reason, "PERMISSION_MISSING");
  ASSERT_TRUE(Approve(forced, "root").ok());
  EXPECT_EQ(Executed(forced).state(), Announcement::EXECUTED);
  // What takes no more than the method's own permission is approved by whoever has that.
  const int64_t own = Delete(names[1], "administrator");
  EXPECT_TRUE(Approve(Announce(Announcing(Undoing(own))).name(), "agent").ok());
}

TEST_F(AnnouncementsTest, WhatIsRefusedAtItsTimeIsARequest) {
  const std::string ann = Create(1, "gold").front();
  const int64_t own = Delete(ann, "agent");
  const std::string soon = Announce(ByTimer(Undoing(own), 1), "agent").name();
  EXPECT_EQ(Get(soon).state(), Announcement::OPEN);
  ASSERT_TRUE(Withdraw(soon, "agent").ok());
  // Agents undo what they did for 24 hours.
  const std::string late = Announce(ByTimer(Undoing(own), 48), "agent").name();
  EXPECT_EQ(Get(late).state(), Announcement::REQUESTED);
  EXPECT_THAT(Get(late).permissions(), ElementsAre("history.undo-old", "history.undo"));
  ASSERT_TRUE(Approve(late, "administrator").ok());
  Pass(2 * kDayUs);
  EXPECT_EQ(AwaitEnd(late).state(), Announcement::EXECUTED);
  EXPECT_FALSE(IsDeleted(ann));
}

TEST_F(AnnouncementsTest, ATokenThatMayLessTakesNothingAway) {
  v1::StartOperationRequest request;
  request.set_parent(kParent);
  request.mutable_command()->PackFrom(v1::DeleteMemberRequest());
  request.set_filter("team = \"Sales\"");
  request.mutable_options()->set_reason("the team is closed");
  const std::string name = Announce(Announcing(Planned(request))).name();
  AddService("administrator", "agent", Principal::Kind::kHuman);
  const Announcement shown = Executed(name);
  EXPECT_EQ(shown.state(), Announcement::EXECUTED) << shown.DebugString();
  EXPECT_EQ(shown.result().ok_count(), 1);
}

TEST_F(AnnouncementsTest, WhatNobodyCanApproveIsNoRequest) {
  v1::StartOperationRequest named;
  named.set_parent(kParent);
  named.mutable_command()->PackFrom(v1::DeleteMemberRequest());
  named.set_operation("tenants/acme/operations/01j");
  named.mutable_options()->set_reason("they left");
  EXPECT_EQ(RefusalOf(Announcing(named), "agent"), "INVALID_FIELD");
  v1::DeleteMemberRequest deletion;
  deletion.set_name("tenants/acme/members/bob");
  deletion.mutable_options()->set_reason("he left");
  EXPECT_EQ(RefusalOf(Announcing(deletion), "agent"), "");
  ReplaceInTokens("\"administrator\"]", "\"auditor\"]");
  ReplaceInTokens("\"administrator\", ", "");
  EXPECT_EQ(RefusalOf(Announcing(deletion), "agent"), "NOBODY_TO_TELL");
}

TEST_F(AnnouncementsTest, WebhooksAloneAreTold) {
  const std::string ann = Create(1, "gold").front();
  v1::AnnounceRequest request = Announcing(Deleting(ann));
  request.mutable_to()->set_webhooks(true);
  EXPECT_EQ(RefusalOf(request), "NOBODY_TO_TELL") << "beside a team that there is";
  request.mutable_to()->clear_teams();
  EXPECT_EQ(RefusalOf(request), "NOBODY_TO_TELL");
  backend_.resolve_host = [](const std::string& /*host*/) {
    return absl::StatusOr<std::vector<IpAddress>>({*IpAddress::Parse("8.8.8.8")});
  };
  v1::CreateWebhookRequest create;
  create.set_parent(kParent);
  create.mutable_webhook()->set_url("https://example.com/hook");
  v1::CreateWebhookResponse created;
  const auto webhooks = v1::Webhooks::NewStub(Channel());
  ASSERT_TRUE(webhooks->CreateWebhook(As("administrator").get(), create, &created).ok());
  EXPECT_EQ(RefusalOf(request), "");
}

// What it executes by itself the server does; who asked for it hears of it like the others.
TEST_F(AnnouncementsTest, WhoAskedIsToldHowItEnded) {
  const std::vector<std::string> names = Create(2, "gold");
  const std::string done = Announce(ByTimer(Deleting(names[0]), 1)).name();
  const std::string drifts = Announce(ByTimer(Deleting(names[1]), 1)).name();
  Update(names[1], "silver");
  Pass(kDayUs);
  EXPECT_EQ(AwaitEnd(done).state(), Announcement::EXECUTED);
  EXPECT_EQ(AwaitEnd(drifts).state(), Announcement::FAILED);
  for (const char* kind : {"plans.executed", "plans.failed"}) {
    ASSERT_THAT(Asked(kind), SizeIs(1)) << kind;
    EXPECT_THAT(Asked(kind)[0].audience().recipients(), Contains("principals/administrator"))
        << kind;
  }
}

TEST_F(AnnouncementsTest, AnotherSecondPersonTakesTheApproversPlace) {
  AskForASecondPerson();
  const std::string ann = Create(1, "gold").front();
  const std::string name = Announce(Announcing(Deleting(ann))).name();
  ASSERT_TRUE(Approve(name, "agent").ok());
  ChangeRole("agent", "auditor");
  ASSERT_TRUE(Approve(name, "root").ok());
  EXPECT_EQ(Get(name).approver(), "root");
  EXPECT_EQ(Executed(name).state(), Announcement::EXECUTED);
  EXPECT_TRUE(IsDeleted(ann));
}

TEST_F(AnnouncementsTest, ASecondPersonMayDoWhatItsTargetsTake) {
  AskForASecondPerson();
  const std::vector<std::string> names = Create(2, "gold");
  const int64_t theirs = Delete(names[0], "agent");
  const std::string forced = Announce(Announcing(Planned(Undo(theirs, v1::FORCE)))).name();
  EXPECT_THAT(Get(forced).permissions(),
              ElementsAre("history.undo-any", "history.undo", "operations.start"));
  EXPECT_EQ(ErrorOf(Approve(forced, "agent")).reason, "PERMISSION_MISSING");
  EXPECT_EQ(ErrorOf(Execute(forced, "agent")).reason, "PERMISSION_MISSING");
  ASSERT_TRUE(Approve(forced, "root").ok());
  EXPECT_EQ(Executed(forced).state(), Announcement::EXECUTED);
  EXPECT_FALSE(IsDeleted(names[0]));
  const int64_t own = Delete(names[1], "administrator");
  EXPECT_TRUE(Approve(Announce(Announcing(Planned(Undo(own)))).name(), "agent").ok());
}

}  // namespace
}  // namespace retrace::server
