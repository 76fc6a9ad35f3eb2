// Who is told what, and once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "domain/notification.h"
#include "fmt/format.h"
#include "tests/server/notifying_fixture.h"

namespace retrace::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class NotificationsTest : public NotifyingTest {};

TEST_F(NotificationsTest, OwnerHearsOfADeletionOnceByEachWay) {
  Delete(NewCustomer("Acme", "anna"));
  Follow();
  const auto items = InboxOf("anna");
  ASSERT_THAT(items, SizeIs(1));
  EXPECT_EQ(items[0].notification().kind(), "customers.deleted");
  EXPECT_EQ(items[0].notification().count(), 1);
  EXPECT_EQ(items[0].notification().reason(), "left");
  EXPECT_EQ(items[0].notification().actor(), "boss");
  EXPECT_NE(items[0].subject().find("Acme"), std::string::npos) << items[0].subject();
  const auto mail = Deliveries("channel = EMAIL");
  ASSERT_THAT(mail, SizeIs(1));
  EXPECT_EQ(mail[0].recipient(), "tenants/acme/members/anna");
  EXPECT_EQ(mail[0].state(), v1::Delivery::PENDING);
  EXPECT_THAT(InboxOf("boss"), IsEmpty());
}

TEST_F(NotificationsTest, NobodyIsToldWhatTheyDidThemselves) {
  Delete(NewCustomer("Acme", "anna"), "anna");
  Follow();
  EXPECT_THAT(Notifications(), IsEmpty());
}

TEST_F(NotificationsTest, WithoutAnOwnerOrAWayNobodyIsTold) {
  v1::UpdateMemberRequest update;
  update.mutable_member()->set_name("tenants/acme/members/bo");
  update.mutable_update_mask()->add_paths("email");
  Do(update);
  Delete(NewCustomer("Acme", ""));
  Delete(NewCustomer("Beta", "bo"));
  Follow();
  EXPECT_THAT(Notifications(), IsEmpty());
}

TEST_F(NotificationsTest, WhatNeedsNothingButAnInboxIsDoneWith) {
  v1::UpdateMemberRequest update;
  update.mutable_member()->set_name("tenants/acme/members/anna");
  update.mutable_update_mask()->add_paths("email");
  Do(update);
  Delete(NewCustomer("Acme", "anna"));
  Follow();
  ASSERT_THAT(Notifications(), SizeIs(1));
  EXPECT_EQ(Notifications()[0].state(), v1::Notification::ADDRESSED);
  EXPECT_THAT(InboxOf("anna"), SizeIs(1));
  Follow();
  const auto head = small_.tenant().visible.load();
  Follow();
  EXPECT_EQ(small_.tenant().visible.load(), head);
}

TEST_F(NotificationsTest, OneMessageForWhatTheServerPurgesInAnHour) {
  for (const char* title : {"Acme", "Beta", "Gamma"}) {
    const std::string name = NewCustomer(title, "anna");
    Delete(name);
    v1::PurgeEntitiesRequest purge;
    purge.set_parent("tenants/acme");
    purge.add_names(name);
    Do(purge, "retraced");
  }
  const auto told = Notifications("kind = \"customers.purged\"");
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].count(), 3);
  EXPECT_EQ(told[0].state(), v1::Notification::WAITING);
}

TEST_F(NotificationsTest, WhatIsToldOnceIsNotToldAgain) {
  store::v1::Tell tell;
  tell.set_kind("backups.failed");
  tell.mutable_audience()->add_roles("administrator");
  tell.set_key("2026-11-22");
  Do(tell, "retraced");
  Follow();
  Do(tell, "retraced");
  Follow();
  EXPECT_THAT(InboxOf("boss"), SizeIs(1));
  EXPECT_THAT(Deliveries("channel = EMAIL"), SizeIs(1));
  tell.set_key("2026-11-23");
  Do(tell, "retraced");
  Follow();
  EXPECT_THAT(InboxOf("boss"), SizeIs(2));
}

TEST_F(NotificationsTest, OneMessageForAChangeSet) {
  v1::BeginChangeSetRequest begin;
  begin.set_parent("tenants/acme");
  const int64_t change_set = Do(begin).outcome.change_set();
  for (int i = 0; i < 12; ++i) {
    Do(Deletion(NewCustomer(fmt::format("Customer {}", i), "anna"), change_set));
  }
  Follow();
  // It gathers, and nothing is mailed.
  EXPECT_THAT(Notifications("state = GATHERING"), SizeIs(1));
  EXPECT_THAT(Deliveries("channel = EMAIL"), IsEmpty());
  v1::EndChangeSetRequest end;
  end.set_name(fmt::format("tenants/acme/changeSets/{}", change_set));
  Do(end);
  Follow();
  EXPECT_THAT(Deliveries("channel = EMAIL"), SizeIs(1));
  const auto items = InboxOf("anna");
  ASSERT_THAT(items, SizeIs(1));
  EXPECT_EQ(items[0].notification().count(), 12);
  EXPECT_EQ(items[0].notification().entities_size(), 10);
  // Also those that were not there yet when it began to gather.
  EXPECT_THAT(items[0].text(), ::testing::HasSubstr("- Customer 0\n- Customer 1\n"));
  EXPECT_THAT(items[0].text(), ::testing::HasSubstr("- Customer 9\n- and 2 more\n"));
}

TEST_F(NotificationsTest, AChangeSetThatNobodyEndsIsToldWhenItCloses) {
  v1::BeginChangeSetRequest begin;
  begin.set_parent("tenants/acme");
  const int64_t change_set = Do(begin).outcome.change_set();
  Do(Deletion(NewCustomer("Acme", "bo"), change_set));
  Follow();
  EXPECT_THAT(Deliveries(), IsEmpty());
  ASSERT_TRUE(clock_->Advance(25 * 3600 * int64_t{1'000'000}).ok());
  Timers timers(small_.ledger(), *sequencer_, *clock_, [](const absl::Status&) {});
  ASSERT_TRUE(timers.CatchUp().ok());
  Follow();
  EXPECT_THAT(Deliveries(), SizeIs(1));
}

TEST_F(NotificationsTest, ManyRecipientsAreHeldBack) {
  v1::UpdatePolicyRequest policy;
  policy.mutable_policy()->set_name("tenants/acme/policy");
  policy.mutable_policy()->set_hold_notifications_above(1);
  policy.mutable_policy()->set_hold_notifications_seconds(300);
  policy.mutable_update_mask()->add_paths("hold_notifications_above");
  policy.mutable_update_mask()->add_paths("hold_notifications_seconds");
  Do(policy);
  v1::BatchDeleteCustomersRequest request;
  request.set_parent("tenants/acme");
  request.add_names(NewCustomer("Acme", "anna"));
  request.add_names(NewCustomer("Beta", "bo"));
  request.mutable_related()->set_all(v1::RelatedRecords::DELETE);
  Do(request);
  const int64_t before_us = clock_->WallMicros();
  Follow();
  const auto mail = Deliveries("channel = EMAIL");
  ASSERT_THAT(mail, SizeIs(2));
  for (const v1::Delivery& delivery : mail) {
    EXPECT_GT(delivery.next_attempt_time().seconds(), before_us / 1'000'000 + 290);
  }
}

TEST_F(NotificationsTest, OptedOutOfNothingIsSentAndTransactionalAllTheSame) {
  EXPECT_TRUE(SwitchOff("anna", "customers.deleted", v1::INBOX).status.ok());
  const std::string name = NewCustomer("Acme", "anna");
  Delete(name);
  EXPECT_THAT(InboxOf("anna"), IsEmpty());
  v1::PurgeEntitiesRequest purge;
  purge.set_parent("tenants/acme");
  purge.add_names(name);
  Do(purge);
  Follow();
  EXPECT_THAT(KindsOf(InboxOf("anna")), ElementsAre("customers.purged"));
  // What was purged is not named any more.
  EXPECT_EQ(InboxOf("anna").at(0).text().find("Acme"), std::string::npos);

  EXPECT_EQ(domain::ReasonOf(SwitchOff("anna", "customers.purged", v1::INBOX).status),
            v1::INVALID_FIELD);
}

TEST_F(NotificationsTest, WhatAPrincipalChoseHoldsForTheMember) {
  EXPECT_TRUE(SwitchOff("boss", "customers.deleted", v1::EMAIL).status.ok());
  AddMember("mei", "boss", "en");
  Delete(NewCustomer("Acme", "mei"), "anna");
  Follow();
  EXPECT_THAT(Deliveries("channel = EMAIL"), IsEmpty());
  EXPECT_THAT(InboxOf("boss"), SizeIs(1));
}

TEST_F(NotificationsTest, SuppressedAddressesGetNothingUntilTheyChange) {
  Delete(NewCustomer("Acme", "bo"));
  Follow();
  store::v1::RecordAttempt refused;
  const v1::Delivery delivery = Deliveries().at(0);
  refused.set_delivery(delivery.name().substr(delivery.name().rfind('/') + 1));
  refused.set_attempt(1);
  refused.set_state(v1::Delivery::FAILED);
  refused.set_result("refused: 550 5.1.1");
  refused.set_address_refused(true);
  refused.set_seen_position(static_cast<int64_t>(small_.tenant().visible));
  Do(refused, "retraced");
  Delete(NewCustomer("Beta", "bo"));
  Follow();
  EXPECT_THAT(Deliveries("state = PENDING"), IsEmpty());
  v1::UpdateMemberRequest update;
  update.mutable_member()->set_name("tenants/acme/members/bo");
  update.mutable_member()->set_email("new@example.com");
  update.mutable_update_mask()->add_paths("email");
  Do(update);
  Delete(NewCustomer("Gamma", "bo"));
  Follow();
  EXPECT_THAT(Deliveries("state = PENDING"), SizeIs(1));
}

TEST_F(NotificationsTest, NobodyIsSuppressedWhoCannotBe) {
  v1::SuppressContactPointRequest suppress;
  suppress.set_parent("tenants/acme");
  suppress.set_channel(v1::EMAIL);
  suppress.mutable_options()->set_reason("asked by phone");
  suppress.set_recipient("principals/" + std::string(201, 'x'));
  EXPECT_EQ(domain::ReasonOf(TryAs("boss", suppress).status), v1::INVALID_FIELD);
  suppress.set_recipient("principals/" + std::string(200, 'x'));
  EXPECT_TRUE(TryAs("boss", suppress).status.ok());
}

TEST_F(NotificationsTest, ABounceIsAboutTheAddressThatWasTried) {
  Delete(NewCustomer("Acme", "bo"));
  Follow();
  store::v1::RecordAttempt refused;
  const v1::Delivery delivery = Deliveries().at(0);
  refused.set_delivery(delivery.name().substr(delivery.name().rfind('/') + 1));
  refused.set_attempt(1);
  refused.set_state(v1::Delivery::FAILED);
  refused.set_result("refused: 550 5.1.1");
  refused.set_address_refused(true);
  refused.set_seen_position(static_cast<int64_t>(small_.tenant().visible));
  const auto move = [this](const std::string& email) {
    v1::UpdateMemberRequest update;
    update.mutable_member()->set_name("tenants/acme/members/bo");
    update.mutable_member()->set_email(email);
    update.mutable_update_mask()->add_paths("email");
    Do(update);
  };
  move("new@example.com");  // before the answer is recorded
  Do(refused, "retraced");
  Delete(NewCustomer("Beta", "bo"));
  Follow();
  EXPECT_THAT(Deliveries("state = PENDING"), SizeIs(1));

  // What an administrator suppresses stays so, whatever the address.
  v1::SuppressContactPointRequest suppress;
  suppress.set_parent("tenants/acme");
  suppress.set_recipient("tenants/acme/members/bo");
  suppress.set_channel(v1::EMAIL);
  suppress.mutable_options()->set_reason("asked on the phone");
  move("bo@example.com");
  Do(suppress);
  move("newer@example.com");
  Delete(NewCustomer("Gamma", "bo"));
  Follow();
  EXPECT_THAT(Deliveries("state = PENDING"), SizeIs(1));
}

TEST_F(NotificationsTest, AnAttemptIsRecordedOnce) {
  Delete(NewCustomer("Acme", "bo"));
  Follow();
  const v1::Delivery delivery = Deliveries().at(0);
  Record(delivery, v1::Delivery::PENDING);
  Record(delivery, v1::Delivery::PENDING);
  EXPECT_EQ(Deliveries().at(0).attempt_count(), 1);
  Record(Deliveries().at(0), v1::Delivery::SENT);
  EXPECT_EQ(Deliveries().at(0).state(), v1::Delivery::SENT);
  EXPECT_EQ(Deliveries().at(0).attempt_count(), 2);
}

// A mail server may answer in any encoding.
TEST_F(NotificationsTest, AnAttemptIsRecordedInWholeCharacters) {
  Delete(NewCustomer("Acme", "bo"));
  Follow();
  store::v1::RecordAttempt attempt;
  attempt.set_delivery(domain::IdOfName(Deliveries().at(0).name()));
  attempt.set_attempt(1);
  attempt.set_state(v1::Delivery::FAILED);
  attempt.set_result("550 bo\xeete pleine");
  ASSERT_TRUE(TryAs("retraced", attempt).status.ok());
  EXPECT_EQ(Deliveries().at(0).last_result(), "550 bo?te pleine");
}

TEST_F(NotificationsTest, AnInboxIsItsOwners) {
  Delete(NewCustomer("Acme", "anna"));
  v1::MarkMyNotificationsRequest request;
  request.set_parent("tenants/acme");
  request.add_names(InboxOf("anna").at(0).name());
  EXPECT_EQ(domain::ReasonOf(TryAs("boss", request).status), v1::ENTITY_NOT_FOUND);
  MarkRead("anna", request.names(0));
  EXPECT_THAT(InboxOf("anna", /*unread_only=*/true), IsEmpty());
  request.set_unread(true);
  Do(request, "anna");
  EXPECT_THAT(InboxOf("anna", /*unread_only=*/true), SizeIs(1));
}

TEST_F(NotificationsTest, AudiencesAreResolvedAsOfTheirMoment) {
  const auto resolve = [this](const v1::Audience& audience) {
    const auto recipients =
        addressing_->Resolve(small_.tenant(), audience, "plans.announced", small_.tenant().visible);
    EXPECT_TRUE(recipients.ok()) << recipients.status();
    std::vector<std::string> shown;
    for (const auto& one : *recipients) {
      shown.push_back(fmt::format("{} {}", one.name(), v1::Channel_Name(one.channel())));
    }
    return shown;
  };
  v1::Audience roles;
  roles.add_roles("administrator");
  EXPECT_THAT(resolve(roles),
              UnorderedElementsAre("principals/boss INBOX", "principals/boss EMAIL"));
  v1::Audience filter;
  filter.set_member_filter("display_name = \"b*\"");
  EXPECT_THAT(resolve(filter), ElementsAre("tenants/acme/members/bo EMAIL"));
  v1::Audience both;
  both.add_recipients("tenants/acme/members/anna");
  both.add_recipients("principals/anna");
  both.set_permission("customers.delete");
  EXPECT_THAT(
      resolve(both),
      UnorderedElementsAre("tenants/acme/members/anna EMAIL", "tenants/acme/members/anna INBOX",
                           "principals/boss INBOX", "principals/boss EMAIL"));
}

}  // namespace
}  // namespace retrace::server
