// What was asked for in an epoch before: it is held until an administrator decides.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "domain/notification.h"
#include "tests/server/notifying_fixture.h"

namespace retrace::server {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

// A log that was recovered, or continued after a loss: what it does not know of may have left.
constexpr char kDeleted[] = "kind = \"customers.deleted\"";

class NewEpochTest : public NotifyingTest {
 protected:
  void BeginEpoch() {
    follower_.reset();
    addressing_.reset();
    sequencer_.reset();
    small_.Reopen(/*new_epoch=*/true);
    StartSequencer();
    StartFollower();
    Follow();
  }
  v1::Follower Row() {
    const RowView view(small_.ledger().rows(), small_.tenant().number, small_.tenant().visible);
    const auto row = view.Get(domain::FollowerRef(domain::kNotificationFollower));
    return !row.ok() || *row == nullptr ? v1::Follower() : (*row)->As<v1::Follower>();
  }
  void Decide(v1::ResolveHeldDeliveriesRequest::Choice choice) {
    v1::ResolveHeldDeliveriesRequest request;
    request.set_parent("tenants/acme");
    request.set_choice(choice);
    request.mutable_options()->set_reason("looked at");
    Do(request);
    Follow();
  }
  // A notification that gathers until its change set closes by itself.
  void GatherInAnOpenChangeSet() {
    v1::BeginChangeSetRequest begin;
    begin.set_parent("tenants/acme");
    Do(Deletion(NewCustomer("Acme", "bo"), Do(begin).outcome.change_set()));
  }
  void CloseByItself() {
    ASSERT_TRUE(clock_->Advance(25 * 3600 * int64_t{1'000'000}).ok());
    Timers timers(small_.ledger(), *sequencer_, *clock_, [](const absl::Status&) {});
    ASSERT_TRUE(timers.CatchUp().ok());
    Follow();
  }
};

TEST_F(NewEpochTest, NothingIsHeldWhereNothingWasAsked) {
  BeginEpoch();
  EXPECT_EQ(Row().held_position(), 0);
  EXPECT_THAT(InboxOf("boss"), IsEmpty());
}

TEST_F(NewEpochTest, WhatWasAskedBeforeWaitsAndWhatComesNowDoesNot) {
  Delete(NewCustomer("Acme", "bo"));
  Follow();
  BeginEpoch();
  EXPECT_GT(Row().held_position(), 0);
  // Whoever decides is told, although what is older waits.
  EXPECT_THAT(KindsOf(InboxOf("boss")), ::testing::ElementsAre("deliveries.held"));
  EXPECT_THAT(Deliveries("kind = \"deliveries.held\" AND channel = EMAIL"), SizeIs(1));
  Delete(NewCustomer("Beta", "anna"));
  Follow();
  EXPECT_THAT(Deliveries("recipient = \"tenants/acme/members/anna\" AND channel = EMAIL"),
              SizeIs(1));
}

TEST_F(NewEpochTest, WhatIsHeldLeavesByNoTimer) {
  GatherInAnOpenChangeSet();
  BeginEpoch();
  CloseByItself();
  EXPECT_THAT(Deliveries(kDeleted), IsEmpty());
  Decide(v1::ResolveHeldDeliveriesRequest::SEND);
  EXPECT_THAT(Deliveries(kDeleted), SizeIs(1));
}

TEST_F(NewEpochTest, WhatWasSkippedStaysSkipped) {
  GatherInAnOpenChangeSet();
  BeginEpoch();
  Decide(v1::ResolveHeldDeliveriesRequest::SKIP);
  CloseByItself();
  EXPECT_THAT(Deliveries(kDeleted), IsEmpty());
}
}  // namespace
}  // namespace retrace::server
