// Who is addressed, and who is not.
#include "server/addressing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmt/format.h"
#include "retrace/v1/webhooks.pb.h"
#include "tests/server/notifying_fixture.h"

namespace retrace::server {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

class AddressingTest : public NotifyingTest {
 protected:
  void RestartFollower(bool mail) {
    follower_.reset();
    StartFollower(mail);
    Follow();
  }
};

// What was sent once more, in vain, has arrived before.
TEST_F(AddressingTest, ACorrectionGoesToAWebhookThatWasSentItTwice) {
  v1::CreateWebhookRequest create;
  create.set_parent("tenants/acme");
  create.mutable_webhook()->set_url("https://example.com/");
  const auto made = Do(create);
  const int64_t change_set = Delete(NewCustomer("Acme", ""));
  Follow();
  const v1::Delivery sent = Deliveries().at(0);
  Record(sent, v1::Delivery::SENT);
  v1::RedeliverWebhookRequest again;
  again.set_name("tenants/acme/webhooks/" + made.targets.at(0).first.id);
  again.set_delivery(sent.name());
  Do(again);
  Record(Deliveries().at(0), v1::Delivery::PENDING);
  Undo(change_set);
  Follow();
  EXPECT_THAT(Deliveries("kind = \"customers.restored\""), SizeIs(1));
}

// Whoever subscribed in between was told nothing that would need to be corrected.
TEST_F(AddressingTest, ACorrectionGoesToNobodyWhoWasNotTold) {
  v1::CreateWebhookRequest create;
  create.set_parent("tenants/acme");
  create.mutable_webhook()->set_url("https://example.com/");
  Do(create);
  const int64_t change_set = Delete(NewCustomer("Acme", ""));
  Follow();
  const v1::Delivery sent = Deliveries().at(0);
  Record(sent, v1::Delivery::SENT);
  Do(create);
  Undo(change_set);
  Follow();
  const auto corrections = Deliveries("kind = \"customers.restored\"");
  ASSERT_THAT(corrections, SizeIs(1));
  EXPECT_EQ(corrections[0].recipient(), sent.recipient());
}

// People look there for what they did.
TEST_F(AddressingTest, ItsOwnNotesAreNotListedAmongWhatWasDone) {
  const int64_t change_set = Delete(NewCustomer("Acme", "bo"));
  Follow();
  Record(Deliveries("channel = EMAIL").at(0), v1::Delivery::SENT);
  v1::ListChangeSetsRequest request;
  request.set_parent("tenants/acme");
  const History history(small_.ledger());
  auto listed = history.Answer(small_.Call("ListChangeSets", "boss"), request);
  ASSERT_TRUE(listed.ok()) << listed.status();
  EXPECT_EQ(listed->change_sets(0).number(), change_set);
  request.set_show_delivery_notes(true);
  listed = history.Answer(small_.Call("ListChangeSets", "boss"), request);
  ASSERT_TRUE(listed.ok()) << listed.status();
  EXPECT_GT(listed->change_sets(0).number(), change_set);
  EXPECT_EQ(listed->change_sets(0).actor(), "retraced");
}

// An operator who sets a mail server gets none of the past's mail sent.
TEST_F(AddressingTest, WhatNobodyCouldBeMailedStaysUnmailed) {
  RestartFollower(/*mail=*/false);
  Delete(NewCustomer("Acme", "bo"));
  Follow();
  EXPECT_THAT(Notifications("state = ADDRESSED"), SizeIs(1));
  RestartFollower(/*mail=*/true);
  store::v1::AdvanceFollower hold;
  hold.set_follower(std::string(domain::kNotificationFollower));
  hold.set_hold(true);
  Do(hold, "retraced");
  v1::ResolveHeldDeliveriesRequest resolve;
  resolve.set_parent("tenants/acme");
  resolve.set_choice(v1::ResolveHeldDeliveriesRequest::SEND);
  resolve.mutable_options()->set_reason("looked at");
  Do(resolve);
  Follow();
  EXPECT_THAT(Deliveries("kind = \"customers.deleted\""), IsEmpty());
}

// So that other tenants have their turn, and a stop does not wait for the end.
class AddressingInTurnsTest : public AddressingTest {
 protected:
  AddressingInTurnsTest() {
    follower_.reset();
    v1::BeginChangeSetRequest begin;
    begin.set_parent("tenants/acme");
    change_set_ = Do(begin).outcome.change_set();
    AddMember("cleo", "", "en");
    for (const char* owner : {"anna", "bo", "cleo"}) {
      Do(Deletion(NewCustomer(owner, owner), change_set_));
    }
    v1::EndChangeSetRequest end;
    end.set_name(fmt::format("tenants/acme/changeSets/{}", change_set_));
    Do(end);
  }
  absl::StatusOr<bool> HandleTheEnd() {
    const Addressing addressing({.ledger = &small_.ledger(),
                                 .sequencer = sequencer_.get(),
                                 .principals = principals_.get(),
                                 .mail = true,
                                 .most_at_once = 1});
    const std::string id = fmt::format("{}", change_set_);
    const Envelope::Event event{.kind = static_cast<uint32_t>(domain::KindNumber::kChangeSet),
                                .id = id,
                                .type = "ChangeSetEnded"};
    return addressing.Handle(small_.tenant(), Envelope(), event);
  }

  int64_t change_set_ = 0;
};

TEST_F(AddressingInTurnsTest, EachIsAddressedOnce) {
  for (size_t turn = 1; turn <= 2; ++turn) {
    EXPECT_TRUE(absl::IsUnavailable(HandleTheEnd().status()));
    EXPECT_THAT(Deliveries("channel = EMAIL"), SizeIs(turn));
  }
  absl::StatusOr<bool> changed = HandleTheEnd();
  ASSERT_TRUE(changed.ok()) << changed.status();
  EXPECT_TRUE(*changed);
  EXPECT_THAT(Deliveries("channel = EMAIL"), SizeIs(3));
  changed = HandleTheEnd();
  ASSERT_TRUE(changed.ok()) << changed.status();
  EXPECT_FALSE(*changed);
}

TEST_F(AddressingInTurnsTest, TheRestIsHeldAsTheWhole) {
  v1::UpdatePolicyRequest policy;
  policy.mutable_policy()->set_name("tenants/acme/policy");
  policy.mutable_policy()->set_hold_notifications_above(1);
  policy.mutable_policy()->set_hold_notifications_seconds(300);
  policy.mutable_update_mask()->add_paths("hold_notifications_above");
  policy.mutable_update_mask()->add_paths("hold_notifications_seconds");
  Do(policy);
  const int64_t now_s = clock_->WallMicros() / 1'000'000;
  EXPECT_TRUE(absl::IsUnavailable(HandleTheEnd().status()));
  EXPECT_TRUE(HandleTheEnd().ok());
  const auto mail = Deliveries("channel = EMAIL");
  EXPECT_THAT(mail, SizeIs(3));
  for (const v1::Delivery& delivery : mail) {
    EXPECT_GT(delivery.next_attempt_time().seconds(), now_s + 290);
  }
}

}  // namespace
}  // namespace retrace::server
