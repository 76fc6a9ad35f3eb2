// What was told and is undone: taken back before it left, corrected afterwards.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "domain/notification.h"
#include "tests/server/notifying_fixture.h"

namespace retrace::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class CorrectionsTest : public NotifyingTest {};

TEST_F(CorrectionsTest, UndoneBeforeItLeftNothingIsTold) {
  const int64_t change_set = Delete(NewCustomer("Acme", "anna"));
  Follow();
  Undo(change_set);
  Follow();
  EXPECT_THAT(InboxOf("anna"), IsEmpty());
  EXPECT_THAT(Notifications("state = TAKEN_BACK"), SizeIs(1));
  EXPECT_THAT(Notifications(), SizeIs(1));
}

TEST_F(CorrectionsTest, UndoneAfterItWasReadACorrectionFollows) {
  const int64_t change_set = Delete(NewCustomer("Acme", "anna"));
  MarkRead("anna", InboxOf("anna").at(0).name());
  const int64_t undo = Undo(change_set);
  Follow();
  const auto items = InboxOf("anna");
  EXPECT_THAT(KindsOf(items), ElementsAre("customers.restored", "customers.deleted"));
  EXPECT_EQ(items[0].notification().change_set(), undo);
  EXPECT_EQ(items[0].notification().corrects(), items[1].notification().name());
  // What was told is still there to read.
  EXPECT_EQ(items[1].subject(), "Customer “Acme” was deleted");
}

TEST_F(CorrectionsTest, UndoneAfterTheMailLeftACorrectionIsMailed) {
  const int64_t change_set = Delete(NewCustomer("Acme", "bo"));
  Follow();
  Record(Deliveries("channel = EMAIL").at(0), v1::Delivery::SENT);
  Undo(change_set);
  Follow();
  const auto mail = Deliveries("kind = \"customers.restored\"");
  ASSERT_THAT(mail, SizeIs(1));
  EXPECT_EQ(mail[0].recipient(), "tenants/acme/members/bo");
}

TEST_F(CorrectionsTest, UndoneWhileTheMailWasUnderWayACorrectionIsMailed) {
  const std::string customer = NewCustomer("Acme", "bo");
  const int64_t change_set = Delete(customer);
  Follow();
  const v1::Delivery under_way = Deliveries("channel = EMAIL").at(0);
  Undo(change_set);
  Follow();
  EXPECT_THAT(Deliveries(), SizeIs(1));
  Record(under_way, v1::Delivery::SENT, /*taken_back=*/0);
  Follow();
  const auto mail = Deliveries("kind = \"customers.restored\"");
  ASSERT_THAT(mail, SizeIs(1));
  EXPECT_EQ(mail[0].recipient(), "tenants/acme/members/bo");
  // It says what came back.
  const auto correction = Notifications("kind = \"customers.restored\"").at(0);
  ASSERT_THAT(correction.entities(), SizeIs(1));
  EXPECT_EQ(correction.entities(0).name(), customer);
}

TEST_F(CorrectionsTest, ACorrectionOfAPartNamesThatPart) {
  const std::string first = NewCustomer("Acme", "bo");
  const std::string second = NewCustomer("Beta", "bo");
  v1::BatchDeleteCustomersRequest request;
  request.set_parent("tenants/acme");
  request.add_names(first);
  request.add_names(second);
  request.mutable_related()->set_all(v1::RelatedRecords::DELETE);
  Do(request);
  Follow();
  const v1::Delivery under_way = Deliveries("channel = EMAIL").at(0);
  v1::UndeleteCustomerRequest undelete;
  undelete.set_name(second);
  Do(undelete);
  Record(under_way, v1::Delivery::SENT, /*taken_back=*/0);
  Follow();
  const auto correction = Notifications("kind = \"customers.restored\"").at(0);
  EXPECT_EQ(correction.count(), 1);
  ASSERT_THAT(correction.entities(), SizeIs(1));
  EXPECT_EQ(correction.entities(0).name(), second);
}

TEST_F(CorrectionsTest, WhatIsLeftOfManyAndWasNotShownIsCounted) {
  v1::BatchDeleteCustomersRequest request;
  request.set_parent("tenants/acme");
  for (int i = 0; i < 11; ++i) {
    request.add_names(NewCustomer("Acme " + std::to_string(i), "anna"));
  }
  request.mutable_related()->set_all(v1::RelatedRecords::DELETE);
  Do(request);
  const auto shown = InboxOf("anna").at(0).notification().entities();
  ASSERT_THAT(shown, SizeIs(10));
  v1::RestoreEntitiesRequest undelete;
  undelete.set_parent("tenants/acme");
  for (const v1::NotifiedEntity& entity : shown) undelete.add_names(entity.name());
  Do(undelete);
  const auto items = InboxOf("anna");
  ASSERT_THAT(items, SizeIs(1));
  EXPECT_EQ(items[0].subject(), "1 of your customers were deleted");
}

TEST_F(CorrectionsTest, WhatCorrectsMoreThanWasToldIsToldToAll) {
  const std::string first = NewCustomer("Acme", "bo");
  const std::string old = NewCustomer("Old", "bo");
  Delete(old);
  Delete(first);
  Follow();
  const auto mail = Deliveries("channel = EMAIL");
  ASSERT_THAT(mail, SizeIs(2));
  for (const v1::Delivery& delivery : mail) Record(delivery, v1::Delivery::SENT);
  v1::RestoreEntitiesRequest undelete;
  undelete.set_parent("tenants/acme");
  undelete.add_names(first);
  undelete.add_names(old);
  Do(undelete);
  const auto restored = Notifications("kind = \"customers.restored\"");
  ASSERT_THAT(restored, SizeIs(1));
  EXPECT_EQ(restored[0].count(), 2);
  EXPECT_EQ(restored[0].corrects(), "");
}

TEST_F(CorrectionsTest, TheCorrectionGoesToWhoWasTold) {
  const std::string name = NewCustomer("Acme", "bo");
  const int64_t change_set = Delete(name);
  Follow();
  Record(Deliveries("channel = EMAIL").at(0), v1::Delivery::SENT);
  // Somebody else owns it when it comes back.
  Undo(change_set);
  v1::UpdateCustomerRequest update;
  update.mutable_customer()->set_name(name);
  update.mutable_customer()->set_owner("tenants/acme/members/anna");
  update.mutable_update_mask()->add_paths("owner");
  Do(update);
  Follow();
  EXPECT_THAT(Deliveries("kind = \"customers.restored\""), SizeIs(1));
  EXPECT_THAT(InboxOf("anna"), IsEmpty());
}

TEST_F(CorrectionsTest, RedoTellsAnew) {
  const int64_t change_set = Delete(NewCustomer("Acme", "anna"));
  const int64_t undo = Undo(change_set);
  Undo(undo);
  Follow();
  const auto items = InboxOf("anna");
  EXPECT_THAT(KindsOf(items), ElementsAre("customers.deleted"));
  EXPECT_NE(items.at(0).notification().change_set(), change_set);
}

TEST_F(CorrectionsTest, ARestoreTakesBackWhatDidNotLeave) {
  const std::string name = NewCustomer("Acme", "bo");
  Delete(name);
  Follow();
  v1::UndeleteCustomerRequest undelete;
  undelete.set_name(name);
  Do(undelete);
  Follow();
  EXPECT_THAT(Notifications("state = TAKEN_BACK"), SizeIs(1));
  EXPECT_THAT(Notifications(), SizeIs(1));
}

TEST_F(CorrectionsTest, WhatIsRestoredWhileItGathersLeavesTheRest) {
  v1::BeginChangeSetRequest begin;
  begin.set_parent("tenants/acme");
  const int64_t change_set = Do(begin).outcome.change_set();
  const std::string first = NewCustomer("Acme", "bo");
  Do(Deletion(first, change_set));
  Follow();
  v1::UndeleteCustomerRequest undelete;
  undelete.set_name(first);
  Do(undelete);
  Follow();
  const std::string second = NewCustomer("Beta", "bo");
  Do(Deletion(second, change_set));
  v1::EndChangeSetRequest end;
  end.set_name("tenants/acme/changeSets/" + std::to_string(change_set));
  Do(end);
  Follow();
  EXPECT_THAT(Deliveries("channel = EMAIL"), SizeIs(1));
  const auto told = Notifications("kind = \"customers.deleted\"");
  ASSERT_THAT(told, SizeIs(1));
  EXPECT_EQ(told[0].state(), v1::Notification::ADDRESSED);
  EXPECT_EQ(told[0].count() - told[0].taken_back_count(), 1);
  ASSERT_THAT(told[0].entities(), SizeIs(1));
  EXPECT_EQ(told[0].entities(0).name(), second);
}

TEST_F(CorrectionsTest, WhoReadsWhatWasUndoneMeanwhileIsTold) {
  const int64_t change_set = Delete(NewCustomer("Acme", "anna"));
  const std::string stale = InboxOf("anna").at(0).name();
  const int64_t undo = Undo(change_set);
  MarkRead("anna", stale);
  Follow();
  const auto items = InboxOf("anna");
  ASSERT_THAT(KindsOf(items), ElementsAre("customers.restored", "customers.deleted"));
  EXPECT_EQ(items[0].notification().change_set(), undo);
  EXPECT_EQ(items[0].notification().actor(), "boss");
}

TEST_F(CorrectionsTest, AnOwnerWhoOwnsItNoMoreIsCorrectedToo) {
  const std::string name = NewCustomer("Acme", "anna");
  Delete(name);
  MarkRead("anna", InboxOf("anna").at(0).name());
  v1::UndeleteCustomerRequest undelete;
  undelete.set_name(name);
  const int64_t restored = Do(undelete).outcome.change_set();
  MarkRead("anna", InboxOf("anna").at(0).name());
  v1::UpdateCustomerRequest update;
  update.mutable_customer()->set_name(name);
  update.mutable_customer()->set_owner("tenants/acme/members/bo");
  update.mutable_update_mask()->add_paths("owner");
  Do(update);
  Undo(restored);
  Follow();
  EXPECT_THAT(KindsOf(InboxOf("anna")),
              ElementsAre("customers.deleted", "customers.restored", "customers.deleted"));
  EXPECT_EQ(InboxOf("anna").at(0).notification().corrects(),
            InboxOf("anna").at(1).notification().name());
  EXPECT_THAT(Deliveries("channel = EMAIL AND recipient = \"tenants/acme/members/bo\""), SizeIs(1));
}

}  // namespace
}  // namespace retrace::server
