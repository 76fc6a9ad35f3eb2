// Webhooks: their states, their secrets, what undo and bin do to them.
#include "domain/webhook.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmt/format.h"
#include "google/protobuf/util/time_util.h"
#include "retrace/store/v1/notifications.pb.h"
#include "retrace/store/v1/webhooks.pb.h"
#include "tests/support/decider_test.h"

namespace retrace::domain {
namespace {

using google::protobuf::util::TimeUtil;
using retrace::testing::FaultyFields;
using retrace::testing::Metadata;
using retrace::testing::Reply;
using retrace::testing::TestTenant;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using v1::Webhook;

constexpr int64_t kHourUs = int64_t{3600} * 1'000'000;

class WebhookTest : public ::testing::Test {
 protected:
  Reply Create(const std::string& fields = "url: 'https://example.com/hook'") {
    return acme_.Do<v1::CreateWebhookRequest>("parent: 'tenants/acme' webhook { " + fields + " }");
  }
  std::string Made(const std::string& fields = "url: 'https://example.com/hook'") {
    const Reply reply = Create(fields);
    EXPECT_TRUE(reply.ok()) << reply.status;
    return reply.id();
  }
  Webhook Show(const std::string& id) const {
    return acme_.Show<Webhook>({KindNumber::kWebhook, id});
  }
  template <typename Request>
  Reply Do(const std::string& id, const std::string& more = "") {
    return acme_.Do<Request>(fmt::format("name: 'tenants/acme/webhooks/{}' {}", id, more));
  }
  uint64_t RevisionOf(const std::string& id) const {
    return acme_.RowOf({KindNumber::kWebhook, id})->head.revision();
  }
  Reply Disable(const std::string& id) { return Disable(id, RevisionOf(id)); }
  Reply Disable(const std::string& id, uint64_t tried_revision) {
    store::v1::DisableWebhook command;
    command.set_webhook(id);
    command.set_revision(tried_revision);
    command.set_reason("answered 410");
    return acme_.Record(command);
  }
  std::vector<std::string> Secrets(const std::string& id) const {
    std::vector<std::string> ids;
    const Webhook webhook = Show(id);
    for (const Webhook::Secret& secret : webhook.secrets()) ids.push_back(secret.id());
    return ids;
  }
  bool Takes(const std::string& id, std::string_view kind) const {
    return domain::Takes(*acme_.RowOf({KindNumber::kWebhook, id}), kind);
  }

  TestTenant acme_;
};

TEST_F(WebhookTest, IsCreatedWithASecretAndUpdated) {
  const std::string id = Made(
      "url: ' https://example.com/hook ' kinds: 'customers.deleted' kinds: 'customers.deleted' "
      "state: PAUSED secrets { id: 'mine' }");
  const Webhook webhook = Show(id);
  EXPECT_EQ(webhook.url(), "https://example.com/hook");
  EXPECT_THAT(webhook.kinds(), ElementsAre("customers.deleted"));
  EXPECT_EQ(webhook.state(), Webhook::ACTIVE);
  ASSERT_THAT(webhook.secrets(), SizeIs(1));
  EXPECT_NE(webhook.secrets(0).id(), "mine");
  EXPECT_FALSE(webhook.secrets(0).has_expire_time());
  const Reply update = acme_.Do<v1::UpdateWebhookRequest>(
      fmt::format("webhook {{ name: 'tenants/acme/webhooks/{}' description: 'stock' }} "
                  "update_mask {{ paths: 'description' paths: 'kinds' }}",
                  id));
  ASSERT_TRUE(update.ok()) << update.status;
  EXPECT_EQ(Show(id).description(), "stock");
  EXPECT_THAT(Show(id).kinds(), IsEmpty());
}

TEST_F(WebhookTest, RefusesWhatIsNoAddressAndNoKind) {
  for (const char* fields :
       {"url: 'example.com'", "url: 'ftp://example.com'", "url: ''", "url: 'https://a b/'"}) {
    EXPECT_THAT(FaultyFields(Create(fields).status), ElementsAre("webhook.url")) << fields;
  }
  EXPECT_THAT(FaultyFields(Create("url: 'https://example.com' kinds: 'customers.eaten'").status),
              ElementsAre("webhook.kinds"));
}

TEST_F(WebhookTest, HasABoundPerTenant) {
  std::string last;
  for (int i = 0; i < 50; ++i) last = Made();
  EXPECT_EQ(Create().reason(), v1::LIMIT_REACHED);
  ASSERT_TRUE(Do<v1::DeleteWebhookRequest>(last).ok());
  EXPECT_TRUE(Create().ok());
  EXPECT_EQ(Do<v1::UndeleteWebhookRequest>(last).reason(), v1::LIMIT_REACHED);
}

TEST_F(WebhookTest, IsPausedDisabledAndResumed) {
  const std::string id = Made("url: 'https://example.com' kinds: 'customers.deleted'");
  EXPECT_TRUE(Takes(id, "customers.deleted"));
  EXPECT_FALSE(Takes(id, "customers.restored"));
  ASSERT_TRUE(Do<v1::PauseWebhookRequest>(id).ok());
  EXPECT_THAT(Do<v1::PauseWebhookRequest>(id).events, IsEmpty());
  EXPECT_EQ(Show(id).state(), Webhook::PAUSED);
  EXPECT_FALSE(Takes(id, "customers.deleted"));
  EXPECT_TRUE(Takes(id, kWebhookTested));
  ASSERT_TRUE(Disable(id).ok());
  EXPECT_THAT(Disable(id).events, IsEmpty());
  EXPECT_EQ(Show(id).disable_reason(), "answered 410");
  EXPECT_EQ(Do<v1::PauseWebhookRequest>(id).reason(), v1::STATE_REFUSED);
  ASSERT_TRUE(Do<v1::ResumeWebhookRequest>(id).ok());
  EXPECT_EQ(Show(id).state(), Webhook::ACTIVE);
  EXPECT_EQ(Show(id).disable_reason(), "");
  EXPECT_FALSE(Show(id).has_disable_time());
  EXPECT_THAT(Do<v1::ResumeWebhookRequest>(id).events, IsEmpty());
}

TEST_F(WebhookTest, IsNotDisabledForWhatItWasBefore) {
  const std::string id = Made();
  const uint64_t tried = RevisionOf(id);
  ASSERT_TRUE(acme_
                  .Do<v1::UpdateWebhookRequest>(
                      fmt::format("webhook {{ name: 'tenants/acme/webhooks/{}' url: "
                                  "'https://example.com/new' }} update_mask {{ paths: 'url' }}",
                                  id))
                  .ok());
  EXPECT_THAT(Disable(id, tried).events, IsEmpty());
  EXPECT_EQ(Show(id).state(), Webhook::ACTIVE);
}

TEST_F(WebhookTest, MovesAreTakenBack) {
  const std::string id = Made();
  const std::string active = acme_.Content();
  const Reply pause = Do<v1::PauseWebhookRequest>(id);
  const Reply undone = acme_.UndoCommit(pause.position);
  ASSERT_TRUE(undone.ok()) << undone.status;
  EXPECT_EQ(acme_.Content(), active);
  const Reply disabled = Disable(id);
  ASSERT_TRUE(acme_.UndoCommit(disabled.position).ok());
  EXPECT_EQ(acme_.Content(), active);
  ASSERT_TRUE(Do<v1::DeleteWebhookRequest>(id).ok());
  EXPECT_FALSE(Takes(id, kWebhookTested));
  // The server gives up what was deleted meanwhile.
  EXPECT_THAT(Disable(id).events, IsEmpty());
  ASSERT_TRUE(Do<v1::UndeleteWebhookRequest>(id).ok());
  EXPECT_EQ(acme_.Content(), active);
}

TEST_F(WebhookTest, RotatesItsSecret) {
  const std::string id = Made();
  const std::string first = Secrets(id).at(0);
  ASSERT_TRUE(Do<v1::RotateSecretRequest>(id).ok());
  Webhook webhook = Show(id);
  ASSERT_THAT(webhook.secrets(), SizeIs(2));
  EXPECT_EQ(webhook.secrets(1).id(), first);
  EXPECT_FALSE(webhook.secrets(0).has_expire_time());
  EXPECT_EQ(TimeUtil::TimestampToMicroseconds(webhook.secrets(1).expire_time()) -
                TimeUtil::TimestampToMicroseconds(webhook.secrets(0).create_time()),
            24 * kHourUs);
  const std::string ends = webhook.secrets(1).expire_time().ShortDebugString();
  const std::string second = webhook.secrets(0).id();
  // A second rotation does not lengthen the life of the first secret.
  acme_.Pass(kHourUs);
  ASSERT_TRUE(Do<v1::RotateSecretRequest>(id).ok());
  EXPECT_EQ(Show(id).secrets(2).expire_time().ShortDebugString(), ends);
  // One that others know ends now; what ended is forgotten with the next.
  ASSERT_TRUE(Do<v1::RotateSecretRequest>(id, "end_old_now: true").ok());
  webhook = Show(id);
  ASSERT_THAT(webhook.secrets(), SizeIs(4));
  for (int i = 1; i < 4; ++i) {
    EXPECT_LE(TimeUtil::TimestampToMicroseconds(webhook.secrets(i).expire_time()), acme_.time_us());
  }
  ASSERT_TRUE(Do<v1::RotateSecretRequest>(id).ok());
  EXPECT_THAT(Secrets(id), SizeIs(2));
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(Do<v1::RotateSecretRequest>(id).ok());
  EXPECT_THAT(Secrets(id), SizeIs(10));
}

TEST_F(WebhookTest, NothingBringsAnOldSecretBack) {
  const std::string id = Made();
  const Position then = acme_.head();
  const Reply rotated = Do<v1::RotateSecretRequest>(id, "end_old_now: true");
  const std::vector<std::string> now = Secrets(id);
  for (const v1::UndoMode mode : {v1::STRICT, v1::FORCE}) {
    const Reply undo = acme_.UndoCommit(rotated.position, mode);
    EXPECT_EQ(undo.reason(), v1::EVIDENCE_REQUIRED) << undo.status;
  }
  EXPECT_THAT(acme_.UndoCommit(rotated.position, v1::PARTIAL).events, IsEmpty());
  EXPECT_EQ(Secrets(id), now);
  v1::RestoreToRequest restore;
  restore.set_name("tenants/acme/webhooks/" + id);
  restore.mutable_as_of()->set_position(static_cast<int64_t>(then));
  EXPECT_TRUE(acme_.RestoreTo(restore).ok());
  EXPECT_EQ(Secrets(id), now);
  // Nor does the undo of its creation and the redo of that.
  const Reply undone = acme_.UndoCommit(then, v1::FORCE);
  ASSERT_TRUE(undone.ok()) << undone.status;
  EXPECT_FALSE(acme_.RowOf({KindNumber::kWebhook, id})->live());
  ASSERT_TRUE(acme_.UndoCommit(undone.position).ok());
  EXPECT_EQ(Secrets(id), now);
}

TEST_F(WebhookTest, ARestoreToAMomentLeavesItsStateAsItIs) {
  const std::string id = Made();
  ASSERT_TRUE(Do<v1::PauseWebhookRequest>(id).ok());
  const Position then = acme_.head();
  ASSERT_TRUE(Do<v1::ResumeWebhookRequest>(id).ok());
  v1::RestoreToRequest restore;
  restore.set_name("tenants/acme/webhooks/" + id);
  restore.mutable_as_of()->set_position(static_cast<int64_t>(then));
  const Reply restored = acme_.RestoreTo(restore);
  ASSERT_TRUE(restored.ok()) << restored.status;
  EXPECT_THAT(restored.events, IsEmpty());
  EXPECT_THAT(restored.notes, ElementsAre(HasSubstr("It was PAUSED then")));
  EXPECT_EQ(Show(id).state(), Webhook::ACTIVE);
}

TEST_F(WebhookTest, EachTestIsADeliveryOfItsOwn) {
  const std::string id = Made();
  const Reply one = Do<v1::TestWebhookRequest>(id);
  const Reply two = Do<v1::TestWebhookRequest>(id);
  ASSERT_TRUE(one.ok() && two.ok()) << one.status << two.status;
  EXPECT_NE(one.id(), two.id());
  const auto delivery = acme_.Show<v1::Delivery>({KindNumber::kDelivery, one.id()});
  EXPECT_EQ(delivery.recipient(), "tenants/acme/webhooks/" + id);
  EXPECT_EQ(delivery.channel(), v1::WEBHOOK);
  EXPECT_EQ(delivery.kind(), kWebhookTested);
  EXPECT_EQ(delivery.state(), v1::Delivery::PENDING);
  EXPECT_TRUE(delivery.has_next_attempt_time());
  const EntityRef notification{
      KindNumber::kNotification,
      delivery.notification().substr(delivery.notification().rfind('/') + 1)};
  EXPECT_EQ(acme_.Show<v1::Notification>(notification).state(), v1::Notification::ADDRESSED);
  // Within one change set, too.
  const Reply begun =
      acme_.Must<v1::BeginChangeSetRequest>("parent: 'tenants/acme' title: 'tries'");
  const std::string options = fmt::format("options {{ change_set: {} }}", begun.position);
  const Reply three = Do<v1::TestWebhookRequest>(id, options);
  const Reply four = Do<v1::TestWebhookRequest>(id, options);
  ASSERT_TRUE(three.ok() && four.ok()) << three.status << four.status;
  EXPECT_NE(three.id(), four.id());
}

TEST_F(WebhookTest, ItsOwnDeliveriesAreSentOnceMore) {
  const std::string id = Made();
  const std::string other = Made();
  const std::string delivery = Do<v1::TestWebhookRequest>(id).id();
  const std::string named = fmt::format("delivery: 'tenants/acme/deliveries/{}'", delivery);
  EXPECT_THAT(Do<v1::RedeliverWebhookRequest>(id, named).events, IsEmpty()) << "is on its way";
  store::v1::RecordAttempt attempt;
  attempt.set_delivery(delivery);
  attempt.set_attempt(1);
  attempt.set_state(v1::Delivery::SENT);
  ASSERT_TRUE(acme_.Record(attempt).ok());
  EXPECT_EQ(Do<v1::RedeliverWebhookRequest>(other, named).reason(), v1::ENTITY_NOT_FOUND);
  ASSERT_TRUE(Do<v1::PauseWebhookRequest>(id).ok());
  EXPECT_EQ(Do<v1::RedeliverWebhookRequest>(id, named).reason(), v1::STATE_REFUSED);
  ASSERT_TRUE(Do<v1::ResumeWebhookRequest>(id).ok());
  const Reply again = Do<v1::RedeliverWebhookRequest>(id, named);
  ASSERT_TRUE(again.ok()) << again.status;
  const auto shown = acme_.Show<v1::Delivery>({KindNumber::kDelivery, delivery});
  EXPECT_EQ(shown.state(), v1::Delivery::PENDING);
  EXPECT_EQ(shown.attempt_count(), 0);
  EXPECT_TRUE(shown.has_next_attempt_time());
}

}  // namespace
}  // namespace retrace::domain
