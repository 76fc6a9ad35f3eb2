// What is sent, when, and what is recorded of it: by webhooks, for which the test answers, and by
// mail to a real mail server.
#include "server/deliverer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "google/protobuf/util/message_differencer.h"
#include "retrace/v1/templates.pb.h"
#include "tests/server/deliverer_fixture.h"
#include "tests/server/outbound/outbound_fixture.h"

namespace retrace::server {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class DelivererTest : public DelivererFixture {};

TEST_F(DelivererTest, SendsWhatIsDueAndRecordsIt) {
  NewWebhook(endpoint_.Url());
  Tell();
  StartDeliverer();
  const v1::Delivery sent = AwaitTried();
  EXPECT_EQ(sent.state(), v1::Delivery::SENT);
  EXPECT_EQ(sent.attempt_count(), 1);
  EXPECT_EQ(sent.last_result(), "answered 204");
  EXPECT_TRUE(sent.has_send_time());
  EXPECT_TRUE(Notifications().at(0).left());
  EXPECT_TRUE(deliverer_->Stop());
  EXPECT_EQ(deliverer_->counts().sent, 1u);
  EXPECT_EQ(deliverer_->counts().waiting, 0u);
  EXPECT_EQ(endpoint_.taken(), 1);
}

TEST_F(DelivererTest, TriesAgainWhenItIsTime) {
  NewWebhook(endpoint_.Url());
  Tell();
  endpoint_.AnswerWith(500);
  StartDeliverer();
  const v1::Delivery failed = AwaitTried();
  EXPECT_EQ(failed.state(), v1::Delivery::PENDING);
  EXPECT_EQ(failed.last_result(), "answered 500");
  EXPECT_GT(failed.next_attempt_time().seconds(), clock_->WallMicros() / 1'000'000 - 1);
  endpoint_.AnswerWith(204);
  ASSERT_TRUE(clock_->Advance(kHourUs).ok());
  const v1::Delivery sent = AwaitTried(2);
  EXPECT_EQ(sent.state(), v1::Delivery::SENT);
  EXPECT_EQ(sent.attempt_count(), 2);
  EXPECT_EQ(endpoint_.taken(), 2);
}

TEST_F(DelivererTest, WhatWasTakenBackDoesNotLeave) {
  NewWebhook(endpoint_.Url());
  Undo(Tell());
  StartDeliverer();
  const v1::Delivery cancelled = AwaitTried();
  EXPECT_EQ(cancelled.state(), v1::Delivery::CANCELLED);
  EXPECT_EQ(cancelled.attempt_count(), 0);
  EXPECT_EQ(endpoint_.taken(), 0);
}

TEST_F(DelivererTest, WhoIsSuppressedMeanwhileGetsNothing) {
  Delete(NewCustomer("Acme", "bo"));
  Follow();
  v1::SuppressContactPointRequest suppress;
  suppress.set_parent("tenants/acme");
  suppress.set_recipient("tenants/acme/members/bo");
  suppress.set_channel(v1::EMAIL);
  suppress.mutable_options()->set_reason("asked by phone");
  Do(suppress);
  StartDeliverer();
  const v1::Delivery suppressed = AwaitTried();
  EXPECT_EQ(suppressed.state(), v1::Delivery::SUPPRESSED);
  EXPECT_EQ(suppressed.attempt_count(), 0);
}

TEST_F(DelivererTest, APausedWebhookGetsNothing) {
  const std::string webhook = NewWebhook(endpoint_.Url());
  Tell();
  v1::PauseWebhookRequest pause;
  pause.set_name(webhook);
  Do(pause);
  StartDeliverer();
  EXPECT_EQ(AwaitTried().state(), v1::Delivery::SUPPRESSED);
  EXPECT_EQ(endpoint_.taken(), 0);
}

TEST_F(DelivererTest, NothingLeavesWhileTheFollowerIsPaused) {
  NewWebhook(endpoint_.Url());
  Tell();
  Pause(/*resume=*/false);
  StartDeliverer();
  AwaitAnothersTurn();
  deliverer_->Stop();
  EXPECT_EQ(endpoint_.taken(), 1);
  EXPECT_EQ(Only().attempt_count(), 0);
  Pause(/*resume=*/true);
  StartDeliverer();
  EXPECT_EQ(AwaitTried().state(), v1::Delivery::SENT);
}

TEST_F(DelivererTest, NothingLeavesBeforeItIsKnownWhatIsHeld) {
  NewWebhook(endpoint_.Url());
  Tell();
  open_ = false;
  StartDeliverer();
  AwaitAnothersTurn();
  deliverer_->Stop();
  EXPECT_EQ(endpoint_.taken(), 1);
  open_ = true;
  StartDeliverer();
  EXPECT_EQ(AwaitTried().state(), v1::Delivery::SENT);
}

TEST_F(DelivererTest, WhatIsHeldWaitsUntilItMayLeave) {
  NewWebhook(endpoint_.Url());
  Tell();
  Hold();
  StartDeliverer();
  AwaitAnothersTurn();
  deliverer_->Stop();
  EXPECT_EQ(endpoint_.taken(), 1);
  Resolve(v1::ResolveHeldDeliveriesRequest::SEND);
  StartDeliverer();
  EXPECT_EQ(AwaitTried().state(), v1::Delivery::SENT);
}

TEST_F(DelivererTest, WhatWasHeldAndSkippedDoesNotLeave) {
  NewWebhook(endpoint_.Url());
  Tell();
  Hold();
  Resolve(v1::ResolveHeldDeliveriesRequest::SKIP);
  StartDeliverer();
  EXPECT_EQ(AwaitTried().state(), v1::Delivery::SKIPPED);
  EXPECT_EQ(endpoint_.taken(), 0);
}

TEST_F(DelivererTest, WhatCouldNotBeRecordedIsRecordedLater) {
  NewWebhook(endpoint_.Url());
  Tell();
  FillDisk();
  StartDeliverer();
  Await([this] { return refusals_ >= 2; });
  disk_full_ = false;
  EXPECT_EQ(AwaitTried().state(), v1::Delivery::SENT);
  EXPECT_EQ(endpoint_.taken(), 1);
}

TEST_F(DelivererTest, AStopRecordsWhatCouldNotBeYet) {
  NewWebhook(endpoint_.Url());
  Tell();
  FillDisk();
  StartDeliverer();
  // By then it waits for seconds before it asks again.
  Await([this] { return refusals_ >= 4; });
  disk_full_ = false;
  EXPECT_TRUE(deliverer_->Stop());
  EXPECT_EQ(Only().state(), v1::Delivery::SENT);
}

TEST_F(DelivererTest, AStopTellsWhatIsNotRecorded) {
  NewWebhook(endpoint_.Url());
  Tell();
  FillDisk();
  StartDeliverer();
  Await([this] { return refusals_ >= 1; });
  EXPECT_FALSE(deliverer_->Stop());
}

TEST_F(DelivererTest, SendsNoMoreThanItCanRecord) {
  constexpr int kMany = 250;
  const std::string webhook = NewWebhook(endpoint_.Url());
  for (int i = 0; i < kMany; ++i) Try(webhook);
  FillDisk();
  StartDeliverer();
  // More than there would be if each was sent and refused once.
  Await([this] { return refusals_ > kMany; });
  EXPECT_LT(endpoint_.taken(), kMany / 2);
  disk_full_ = false;
  Await([this] { return deliverer_->counts().waiting == 0 && endpoint_.taken() >= kMany; });
  EXPECT_TRUE(deliverer_->Stop());
  EXPECT_THAT(Deliveries("state = PENDING"), IsEmpty());
  EXPECT_EQ(endpoint_.taken(), kMany);
}

TEST_F(DelivererTest, ABacklogHidesNobody) {
  const std::string silent = NewWebhook(endpoint_.Url("/hold"));
  const std::string other = NewWebhook(endpoint_.Url("/ok"));
  for (int i = 0; i < 10; ++i) Try(silent);
  Try(other);
  DelivererOptions options;
  options.entries_per_look = 3;
  StartDeliverer(options);
  Await([&] { return Deliveries("state = SENT").size() == 1; });
  EXPECT_EQ(Only("state = SENT").recipient(), other);
}

TEST_F(DelivererTest, AnEndpointHasFourAtOnce) {
  const std::string webhook = NewWebhook(endpoint_.Url("/hold"));
  for (int i = 0; i < 10; ++i) Try(webhook);
  StartDeliverer();
  std::vector<http::ExchangePtr> held;
  for (int i = 0; i < 4; ++i) held.push_back(endpoint_.AwaitHeld());
  AwaitAnothersTurn();
  EXPECT_EQ(endpoint_.taken(), 5);
  held.front()->Send(http::TextReply(204, ""));
  held.push_back(endpoint_.AwaitHeld());
  deliverer_->Stop();
  EXPECT_EQ(endpoint_.taken(), 6);
}

// Which destroys nothing: what waits stays due, and counts as no attempt.
class StoppedDelivererTest : public DelivererFixture {};

TEST_F(StoppedDelivererTest, WhatWasNotSentStaysAsItWas) {
  // Takes connections, but never answers a handshake.
  const int listening = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  ASSERT_EQ(bind(listening, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(getsockname(listening, reinterpret_cast<sockaddr*>(&address), &size), 0);
  ASSERT_EQ(listen(listening, 8), 0);
  const std::string webhook =
      NewWebhook(fmt::format("https://127.0.0.1:{}/", ntohs(address.sin_port)));
  Tell();
  FailOften(9);
  const v1::Delivery before = Only();
  StartDeliverer();
  const int connection = accept(listening, nullptr, nullptr);
  EXPECT_TRUE(deliverer_->Stop());
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(Only(), before))
      << Only().DebugString();
  EXPECT_EQ(WebhookOf(webhook).state(), v1::Webhook::ACTIVE);
  close(connection);
  close(listening);
}

TEST_F(StoppedDelivererTest, ALostAnswerIsAskedForAgain) {
  const std::string webhook = NewWebhook(endpoint_.Url("/hold"));
  Tell();
  FailOften(9);
  StartDeliverer();
  const http::ExchangePtr held = endpoint_.AwaitHeld();
  EXPECT_TRUE(deliverer_->Stop());
  const v1::Delivery lost = Only();
  EXPECT_EQ(lost.state(), v1::Delivery::PENDING);
  EXPECT_EQ(lost.attempt_count(), 10);
  EXPECT_TRUE(lost.may_have_arrived());
  EXPECT_TRUE(lost.has_next_attempt_time());
  EXPECT_EQ(WebhookOf(webhook).state(), v1::Webhook::ACTIVE);
}

// What was undone before a restart: only who may have been told hears that it takes place after
// all.
TEST_F(StoppedDelivererTest, WhatWasNotTriedNeedsNoCorrection) {
  NewWebhook(endpoint_.Url());
  const int64_t change_set = Tell();
  PutOff();
  Undo(change_set);
  Restart(/*in_order=*/true);
  ASSERT_TRUE(clock_->Advance(kHourUs).ok());
  StartDeliverer();
  const v1::Delivery cancelled = AwaitTried(2);
  EXPECT_EQ(cancelled.state(), v1::Delivery::CANCELLED);
  EXPECT_FALSE(cancelled.may_have_arrived());
  Follow();
  EXPECT_THAT(Notifications("kind = \"customers.restored\""), IsEmpty());
}

TEST_F(StoppedDelivererTest, WhatBecameDueAfterAKillNeedsNoCorrection) {
  NewWebhook(endpoint_.Url());
  const int64_t change_set = Tell();
  PutOff();
  Undo(change_set);
  Restart(/*in_order=*/false);
  ASSERT_TRUE(clock_->Advance(kHourUs).ok());
  StartDeliverer();
  EXPECT_FALSE(AwaitTried(2).may_have_arrived());
}

TEST_F(StoppedDelivererTest, WhatMayHaveBeenSentIsCorrected) {
  NewWebhook(endpoint_.Url());
  Undo(Tell());
  Restart(/*in_order=*/false);
  StartDeliverer();
  const v1::Delivery cancelled = AwaitTried();
  EXPECT_EQ(cancelled.state(), v1::Delivery::CANCELLED);
  EXPECT_TRUE(cancelled.may_have_arrived());
  Follow();
  EXPECT_THAT(Deliveries("kind = \"customers.restored\""), SizeIs(1));
}

class DisablingDelivererTest : public DelivererFixture {};

TEST_F(DisablingDelivererTest, AnEndpointThatTookNothingForDaysIsDisabled) {
  const std::string webhook = NewWebhook(endpoint_.Url());
  endpoint_.AnswerWith(500);
  StartDeliverer();
  Tell();
  for (int attempt = 1; attempt < 10; ++attempt) {
    EXPECT_EQ(AwaitTried(attempt).state(), v1::Delivery::PENDING);
    ASSERT_TRUE(clock_->Advance(30 * kHourUs).ok());
  }
  EXPECT_EQ(AwaitTried(10).state(), v1::Delivery::FAILED);
  EXPECT_EQ(WebhookOf(webhook).state(), v1::Webhook::DISABLED);
}

TEST_F(DisablingDelivererTest, WhatArrivedBeforeARestartIsNotForgotten) {
  const std::string webhook = NewWebhook(endpoint_.Url());
  Tell();
  FailOften(9);
  endpoint_.AnswerWith(500);
  StartDeliverer();
  EXPECT_EQ(AwaitTried(10).state(), v1::Delivery::FAILED);
  EXPECT_EQ(WebhookOf(webhook).state(), v1::Webhook::ACTIVE);
}

TEST_F(DisablingDelivererTest, WhatAnAddressSaidThatItHasNoMoreCounts) {
  const std::string webhook = NewWebhook(endpoint_.Url("/hold"));
  Tell();
  StartDeliverer();
  const http::ExchangePtr held = endpoint_.AwaitHeld();
  v1::UpdateWebhookRequest update;
  update.mutable_webhook()->set_name(webhook);
  update.mutable_webhook()->set_url(endpoint_.Url("/new"));
  update.mutable_update_mask()->add_paths("url");
  Do(update);
  held->Send(http::TextReply(410, ""));
  EXPECT_EQ(AwaitTried().state(), v1::Delivery::FAILED);
  EXPECT_EQ(WebhookOf(webhook).state(), v1::Webhook::ACTIVE);
}

TEST_F(DisablingDelivererTest, WhatIsGoneIsDisabled) {
  const std::string webhook = NewWebhook(endpoint_.Url());
  Tell();
  endpoint_.AnswerWith(410);
  StartDeliverer();
  EXPECT_EQ(AwaitTried().state(), v1::Delivery::FAILED);
  EXPECT_EQ(WebhookOf(webhook).state(), v1::Webhook::DISABLED);
}

class MailingDelivererTest : public DelivererFixture {
 protected:
  // Debian's interpreter, for which Debian's python3-aiosmtpd is.
  MailingDelivererTest() : server_({"/usr/bin/python3", HelperFile("mail_server.py")}) {}

  void StartDeliverer() {
    DelivererOptions options;
    options.outbox.mail.url = fmt::format("smtp://localhost:{}/crm.test", server_.port());
    options.outbox.mail.tls = MailTls::kNever;
    options.outbox.mail.sender.from = {"Sales", "crm@example.com"};
    options.outbox.resolve = {fmt::format("localhost:{}:127.0.0.1", server_.port())};
    options.public_url = "https://crm.example.com";
    DelivererFixture::StartDeliverer(std::move(options));
  }

  JsonLines server_;
};

TEST_F(MailingDelivererTest, MailsInTheLanguageOfTheRecipient) {
  Delete(NewCustomer("华信科技", "bo"));
  Follow();
  StartDeliverer();
  const nlohmann::json mail = server_.NextWith("subject");
  EXPECT_EQ(mail["to_address"], "bo@example.com");
  EXPECT_NE(mail["subject"].get<std::string>().find("华信科技"), std::string::npos) << mail;
  EXPECT_NE(mail["list_unsubscribe"], "None");
  EXPECT_EQ(AwaitTried().state(), v1::Delivery::SENT);
}

TEST_F(MailingDelivererTest, AnAddressThatIsRefusedIsSuppressed) {
  AddMember("nobody", "", "en");
  Delete(NewCustomer("Acme", "nobody"));
  Follow();
  StartDeliverer();
  EXPECT_EQ(AwaitTried().state(), v1::Delivery::FAILED);
  Delete(NewCustomer("Beta", "nobody"));
  Follow();
  EXPECT_THAT(Deliveries(), SizeIs(1));
}

TEST_F(MailingDelivererTest, ATemplateThatCannotBeUsedHidesNoRefusal) {
  v1::CreateTemplateRequest unusable;
  unusable.set_parent("tenants/acme");
  unusable.mutable_template_()->set_kind("customers.deleted");
  unusable.mutable_template_()->set_language("en");
  unusable.mutable_template_()->set_subject("{{message}}");
  unusable.mutable_template_()->set_text("T");
  Do(unusable);
  AddMember("nobody", "", "en");
  Delete(NewCustomer("Acme", "nobody"));
  Follow();
  StartDeliverer();
  const v1::Delivery refused = AwaitTried();
  EXPECT_EQ(refused.state(), v1::Delivery::FAILED);
  EXPECT_THAT(refused.last_result(), HasSubstr(" 5.1.1; in the shipped words: templates/"));
  Delete(NewCustomer("Beta", "nobody"));
  Follow();
  EXPECT_THAT(Deliveries(), SizeIs(1));
}

TEST_F(MailingDelivererTest, ACorrectionFollowsWhatItCorrects) {
  const int64_t change_set = Delete(NewCustomer("Acme", "bo"));
  Follow();
  StartDeliverer();
  const std::string first = server_.NextWith("subject")["message_id"];
  EXPECT_EQ(AwaitTried().state(), v1::Delivery::SENT);
  Undo(change_set);
  Follow();
  const nlohmann::json second = server_.NextWith("subject");
  EXPECT_NE(second["message_id"], first);
  EXPECT_THAT(second["headers"].get<std::vector<std::string>>(), Contains("In-Reply-To"));
}

}  // namespace
}  // namespace retrace::server
