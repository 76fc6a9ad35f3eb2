// Webhooks as a client sees them: addresses, secrets, what nobody else is shown.
#include "server/webhooks.h"

#include <memory>
#include <string>
#include <vector>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "retrace/v1/history.grpc.pb.h"
#include "retrace/v1/recycle_bin.grpc.pb.h"
#include "retrace/v1/webhooks.grpc.pb.h"
#include "tests/server/rpc_fixture.h"
#include "tests/server/service_fixture.h"

namespace retrace::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;
using v1::Webhooks;

constexpr int64_t kDayUs = int64_t{24} * 3600 * 1'000'000;

class WebhooksTest : public ServiceFixture {
 protected:
  WebhooksTest() {
    backend_.resolve_host = [](const std::string& host) -> absl::StatusOr<std::vector<IpAddress>> {
      return std::vector<IpAddress>{
          *IpAddress::Parse(host == "inside.example" ? "10.0.0.1" : "8.8.8.8")};
    };
  }

  template <typename Reply, typename Call, typename Request>
  Reply Ask(Call call, const Request& request, const std::string& principal = "administrator") {
    Reply reply;
    status_ = (*webhooks_.*call)(As(principal).get(), request, &reply);
    return reply;
  }
  v1::CreateWebhookResponse Create(const std::string& url = "https://example.com/hook",
                                   const std::string& principal = "administrator") {
    v1::CreateWebhookRequest request;
    request.set_parent("tenants/acme");
    request.mutable_webhook()->set_url(url);
    return Ask<v1::CreateWebhookResponse>(&Webhooks::Stub::CreateWebhook, request, principal);
  }
  v1::RotateSecretResponse Rotate(const std::string& name) {
    v1::RotateSecretRequest request;
    request.set_name(name);
    return Ask<v1::RotateSecretResponse>(&Webhooks::Stub::RotateSecret, request);
  }
  v1::Webhook Get(const std::string& name) {
    v1::GetWebhookRequest request;
    request.set_name(name);
    return Ask<v1::GetWebhookResponse>(&Webhooks::Stub::GetWebhook, request).webhook();
  }
  // As a delivery at that time is signed.
  std::vector<std::string> SecretsAt(const v1::Webhook& webhook, int64_t time_us) {
    const Tenant& tenant = *ledger_->tenants().Find("acme");
    return *SecretsOf(ledger_->keys(), tenant.number,
                      webhook.name().substr(webhook.name().rfind('/') + 1), webhook, time_us);
  }
  std::string reason() const { return ErrorOf(status_).reason; }

  std::unique_ptr<Webhooks::Stub> webhooks_ = Webhooks::NewStub(Channel());
  grpc::Status status_;
};

TEST_F(WebhooksTest, RefusesAnAddressThatItSendsNothingTo) {
  for (const char* url : {"https://inside.example/", "http://example.com/", "https://a:b@x.co/",
                          "https://example.com:22/", "nonsense"}) {
    Create(url);
    EXPECT_EQ(reason(), "ADDRESS_REFUSED") << url;
    EXPECT_EQ(status_.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  }
  const v1::Webhook webhook = Create().webhook();
  ASSERT_TRUE(status_.ok()) << status_.error_message();
  v1::UpdateWebhookRequest update;
  update.mutable_webhook()->set_name(webhook.name());
  update.mutable_webhook()->set_url("https://inside.example/");
  Ask<v1::UpdateWebhookResponse>(&Webhooks::Stub::UpdateWebhook, update);
  EXPECT_EQ(reason(), "ADDRESS_REFUSED");
  update.mutable_update_mask()->add_paths("url");
  Ask<v1::UpdateWebhookResponse>(&Webhooks::Stub::UpdateWebhook, update);
  EXPECT_EQ(reason(), "ADDRESS_REFUSED");
  EXPECT_EQ(Get(webhook.name()).url(), "https://example.com/hook");
  backend_.webhook_guard = *AddressGuard::Allowing({"10.0.0.0/8"});
  Ask<v1::UpdateWebhookResponse>(&Webhooks::Stub::UpdateWebhook, update);
  EXPECT_TRUE(status_.ok()) << status_.error_message();
}

TEST_F(WebhooksTest, ShowsASecretOnceAndSignsWithIt) {
  const v1::CreateWebhookResponse created = Create();
  ASSERT_TRUE(status_.ok()) << status_.error_message();
  EXPECT_THAT(created.secret(), StartsWith("whsec_"));
  const int64_t now_us = absl::ToUnixMicros(absl::Now());
  EXPECT_EQ(SecretsAt(Get(created.webhook().name()), now_us), std::vector{created.secret()});
  const v1::CreateWebhookResponse other = Create();
  EXPECT_NE(other.secret(), created.secret());
  const v1::RotateSecretResponse rotated = Rotate(created.webhook().name());
  EXPECT_NE(rotated.secret(), created.secret());
  const v1::Webhook webhook = Get(created.webhook().name());
  EXPECT_EQ(SecretsAt(webhook, now_us), (std::vector{rotated.secret(), created.secret()}));
  EXPECT_EQ(SecretsAt(webhook, now_us + 2 * kDayUs), std::vector{rotated.secret()});
}

TEST_F(WebhooksTest, ARepeatedRequestShowsTheFirstSecretAgain) {
  v1::CreateWebhookRequest request;
  request.set_parent("tenants/acme");
  request.mutable_webhook()->set_url("https://example.com/hook");
  request.mutable_options()->set_request_id("b1b4fcfd-9e3f-4d2c-9f0e-000000000001");
  const auto first = Ask<v1::CreateWebhookResponse>(&Webhooks::Stub::CreateWebhook, request);
  Rotate(first.webhook().name());
  const auto again = Ask<v1::CreateWebhookResponse>(&Webhooks::Stub::CreateWebhook, request);
  EXPECT_EQ(again.webhook().name(), first.webhook().name());
  EXPECT_EQ(again.secret(), first.secret());
}

// Neither history nor bin nor what is exported knows it.
TEST_F(WebhooksTest, NothingElseShowsASecret) {
  const v1::CreateWebhookResponse created = Create();
  v1::ListCommitsRequest list;
  list.set_parent("tenants/acme");
  list.set_view(v1::EVENTS);
  v1::ListCommitsResponse commits;
  const auto history = v1::History::NewStub(Channel());
  ASSERT_TRUE(history->ListCommits(As("auditor").get(), list, &commits).ok());
  EXPECT_THAT(commits.DebugString(), HasSubstr("WebhookCreated"));
  const std::string text = created.secret().substr(6);
  EXPECT_THAT(commits.DebugString(), Not(HasSubstr(text)));
  EXPECT_THAT(Get(created.webhook().name()).DebugString(), Not(HasSubstr(text)));
}

TEST_F(WebhooksTest, AreListedDeletedAndRestored) {
  const std::string first = Create("https://example.com/1").webhook().name();
  const std::string second = Create("https://example.com/2").webhook().name();
  v1::DeleteWebhookRequest gone;
  gone.set_name(first);
  gone.mutable_options()->set_reason("not needed");
  Ask<v1::DeleteWebhookResponse>(&Webhooks::Stub::DeleteWebhook, gone);
  ASSERT_TRUE(status_.ok()) << status_.error_message();
  v1::ListWebhooksRequest list;
  list.set_parent("tenants/acme");
  auto listed = Ask<v1::ListWebhooksResponse>(&Webhooks::Stub::ListWebhooks, list, "auditor");
  ASSERT_THAT(listed.webhooks(), SizeIs(1));
  EXPECT_EQ(listed.webhooks(0).name(), second);
  list.set_show_deleted(true);
  listed = Ask<v1::ListWebhooksResponse>(&Webhooks::Stub::ListWebhooks, list, "auditor");
  EXPECT_THAT(listed.webhooks(), SizeIs(2));
  v1::RestoreEntitiesRequest restore;
  restore.set_parent("tenants/acme");
  restore.add_names(first);
  restore.mutable_options()->set_reason("needed after all");
  v1::RestoreEntitiesResponse restored;
  status_ = v1::RecycleBin::NewStub(Channel())->RestoreEntities(As("administrator").get(), restore,
                                                                &restored);
  EXPECT_TRUE(status_.ok()) << status_.error_message();
  EXPECT_EQ(Get(first).state(), v1::Webhook::ACTIVE);
}

TEST_F(WebhooksTest, AreForThoseWhoMay) {
  Create("https://example.com/hook", "auditor");
  EXPECT_EQ(reason(), "PERMISSION_MISSING");
  Create("https://example.com/hook", "agent");
  EXPECT_EQ(reason(), "PERMISSION_MISSING");
  v1::ListWebhooksRequest list;
  list.set_parent("tenants/acme");
  Ask<v1::ListWebhooksResponse>(&Webhooks::Stub::ListWebhooks, list, "agent");
  EXPECT_EQ(reason(), "PERMISSION_MISSING");
}

TEST_F(WebhooksTest, AreTriedAndTheirDeliveriesListed) {
  const std::string name = Create().webhook().name();
  const std::string other = Create().webhook().name();
  v1::TestWebhookRequest test;
  test.set_name(name);
  const auto tested = Ask<v1::TestWebhookResponse>(&Webhooks::Stub::TestWebhook, test);
  ASSERT_TRUE(status_.ok()) << status_.error_message();
  EXPECT_EQ(tested.delivery().recipient(), name);
  EXPECT_EQ(tested.delivery().kind(), "webhooks.tested");
  v1::ListWebhookDeliveriesRequest list;
  list.set_parent(name);
  const auto listed =
      Ask<v1::ListWebhookDeliveriesResponse>(&Webhooks::Stub::ListWebhookDeliveries, list);
  ASSERT_THAT(listed.deliveries(), SizeIs(1));
  EXPECT_EQ(listed.deliveries(0).name(), tested.delivery().name());
  list.set_filter("state = SENT");
  EXPECT_THAT(Ask<v1::ListWebhookDeliveriesResponse>(&Webhooks::Stub::ListWebhookDeliveries, list)
                  .deliveries(),
              SizeIs(0));
  list.set_parent(other);
  list.clear_filter();
  EXPECT_THAT(Ask<v1::ListWebhookDeliveriesResponse>(&Webhooks::Stub::ListWebhookDeliveries, list)
                  .deliveries(),
              SizeIs(0));
  v1::RedeliverWebhookRequest again;
  again.set_name(other);
  again.set_delivery(tested.delivery().name());
  Ask<v1::RedeliverWebhookResponse>(&Webhooks::Stub::RedeliverWebhook, again);
  EXPECT_EQ(reason(), "ENTITY_NOT_FOUND");
}

TEST_F(WebhooksTest, AreSentANotificationWithItsPosition) {
  const v1::CreateWebhookResponse created = Create();
  v1::Notification notification;
  notification.set_kind("customers.deleted");
  notification.set_count(1);
  notification.set_position(17);
  notification.set_reason("合同到期");
  notification.mutable_audience()->set_webhooks(true);
  notification.set_state(v1::Notification::ADDRESSED);
  v1::NotifiedEntity& entity = *notification.add_entities();
  entity.set_name("tenants/acme/customers/4hj2");
  entity.set_revision(3);
  const std::string& name = created.webhook().name();
  const auto post =
      PostOf(ledger_->keys(), *ledger_->tenants().Find("acme"),
             {.webhook = {domain::KindNumber::kWebhook, name.substr(name.rfind('/') + 1)},
              .endpoint = created.webhook(),
              .id = "d1.1.2",
              .notification_name = "tenants/acme/notifications/n1",
              .notification = notification,
              .notification_time_us = 1'800'000'000'000'000},
             absl::ToUnixMicros(absl::Now()), 1'800'000'001'000'000);
  ASSERT_TRUE(post.ok()) << post.status();
  EXPECT_EQ(post->url, "https://example.com/hook");
  EXPECT_EQ(
      post->body,
      R"({"specversion":"1.0","id":"d1.1.2","source":"/tenants/acme",)"
      R"("type":"retrace.customers.deleted","subject":"tenants/acme/customers/4hj2",)"
      R"("time":"2027-01-15T08:00:00Z","timestamp":"2027-01-15T08:00:00Z",)"
      R"("datacontenttype":"application/json","data":{"name":"tenants/acme/notifications/n1",)"
      R"("kind":"customers.deleted","count":"1","entities":[{"name":)"
      R"("tenants/acme/customers/4hj2","revision":"3"}],"reason":"合同到期",)"
      R"("position":"17"}})");
  const std::vector<std::string> secrets = {created.secret()};
  EXPECT_THAT(post->headers,
              ::testing::Contains("webhook-signature: " +
                                  *Signature(secrets, "d1.1.2", 1'800'000'001, post->body)));
}

}  // namespace
}  // namespace retrace::server
