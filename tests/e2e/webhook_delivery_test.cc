// Webhooks from the command to the endpoint and back: a real daemon, a real receiver.
#include <chrono>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "retrace/v1/customers.grpc.pb.h"
#include "retrace/v1/notifications.grpc.pb.h"
#include "retrace/v1/tenants.grpc.pb.h"
#include "retrace/v1/webhooks.grpc.pb.h"
#include "tests/server/outbound/outbound_fixture.h"
#include "tests/support/daemon.h"

namespace retrace::server {
namespace {

using ::testing::HasSubstr;
using v1::Webhooks;

class WebhookDeliveryTest : public ::testing::Test {
 protected:
  WebhookDeliveryTest()
      : daemon_(directory_.path()),
        secret_file_(directory_.Below("secret")),
        receiver_({"node", HelperFile("webhook_receiver.mjs"), "@" + secret_file_}) {
    EXPECT_TRUE(daemon_.Start({"--webhook-allow", "127.0.0.1"})) << daemon_.log();
    webhooks_ = Webhooks::NewStub(daemon_.Channel());
    v1::CreateTenantRequest tenant;
    tenant.set_tenant_id("acme");
    Ask<v1::CreateTenantResponse>(*v1::Tenants::NewStub(daemon_.Channel()),
                                  &v1::Tenants::Stub::CreateTenant, tenant);
  }

  template <typename Reply, typename Stub, typename Call, typename Request>
  Reply Ask(Stub& stub, Call call, const Request& request) {
    grpc::ClientContext context;
    context.AddMetadata("authorization", "Bearer " + daemon_.token());
    Reply reply;
    const grpc::Status status = (stub.*call)(&context, request, &reply);
    EXPECT_TRUE(status.ok()) << Request::descriptor()->name() << ": " << status.error_message();
    return reply;
  }

  std::string Create(const std::string& path) {
    v1::CreateWebhookRequest request;
    request.set_parent("tenants/acme");
    request.mutable_webhook()->set_url(
        fmt::format("http://127.0.0.1:{}{}", receiver_.port(), path));
    const auto reply =
        Ask<v1::CreateWebhookResponse>(*webhooks_, &Webhooks::Stub::CreateWebhook, request);
    std::ofstream(secret_file_) << reply.secret();
    return reply.webhook().name();
  }
  v1::Webhook Get(const std::string& name) {
    v1::GetWebhookRequest request;
    request.set_name(name);
    return Ask<v1::GetWebhookResponse>(*webhooks_, &Webhooks::Stub::GetWebhook, request).webhook();
  }
  v1::Delivery OnlyDelivery(const std::string& webhook) {
    v1::ListWebhookDeliveriesRequest request;
    request.set_parent(webhook);
    const auto reply = Ask<v1::ListWebhookDeliveriesResponse>(
        *webhooks_, &Webhooks::Stub::ListWebhookDeliveries, request);
    EXPECT_LE(reply.deliveries_size(), 1);
    return reply.deliveries_size() == 1 ? reply.deliveries(0) : v1::Delivery();
  }
  // Deletes a customer, which webhooks are told of.
  std::string DeleteACustomer() {
    const auto customers = v1::Customers::NewStub(daemon_.Channel());
    v1::CreateCustomerRequest create;
    create.set_parent("tenants/acme");
    create.mutable_customer()->set_display_name("北京测试有限公司");
    const std::string name =
        Ask<v1::CreateCustomerResponse>(*customers, &v1::Customers::Stub::CreateCustomer, create)
            .customer()
            .name();
    v1::DeleteCustomerRequest gone;
    gone.set_name(name);
    gone.mutable_related()->set_all(v1::RelatedRecords::DELETE);
    gone.mutable_options()->set_reason("合同到期");
    Ask<v1::DeleteCustomerResponse>(*customers, &v1::Customers::Stub::DeleteCustomer, gone);
    return name;
  }
  // True once it holds; false when patience is over.
  static bool Eventually(const std::function<bool()>& holds) {
    for (int i = 0; i < 3000; ++i) {
      if (holds()) return true;
      std::this_thread::sleep_for(std::chrono::milliseconds(10));
    }
    return false;
  }

  testing::TempDirectory directory_;
  testing::Daemon daemon_;
  const std::string secret_file_;
  JsonLines receiver_;
  std::unique_ptr<Webhooks::Stub> webhooks_;
};

TEST_F(WebhookDeliveryTest, AnEventArrivesSignedWithItsReason) {
  const std::string webhook = Create("/ok");
  const std::string customer = DeleteACustomer();
  const nlohmann::json taken = receiver_.NextWith("path");
  EXPECT_FALSE(taken.contains("fault")) << taken;
  EXPECT_EQ(taken["event"]["type"], "retrace.customers.deleted");
  EXPECT_EQ(taken["event"]["source"], "/tenants/acme");
  EXPECT_EQ(taken["event"]["subject"], customer);
  const nlohmann::json& data = taken["event"]["data"];
  EXPECT_EQ(data["reason"], "合同到期");
  EXPECT_EQ(data["entities"][0]["name"], customer);
  EXPECT_EQ(data["entities"][0]["revision"], "2");
  EXPECT_TRUE(data.contains("position"));
  EXPECT_TRUE(Eventually([&] { return OnlyDelivery(webhook).state() == v1::Delivery::SENT; }));
}

TEST_F(WebhookDeliveryTest, AnEndpointThatIsGoneIsDisabledAndTold) {
  const std::string webhook = Create("/gone");
  DeleteACustomer();
  EXPECT_TRUE(Eventually([&] { return Get(webhook).state() == v1::Webhook::DISABLED; }));
  EXPECT_EQ(Get(webhook).disable_reason(), "answered 410");
  EXPECT_EQ(OnlyDelivery(webhook).state(), v1::Delivery::FAILED);
  const auto notifications = v1::Notifications::NewStub(daemon_.Channel());
  EXPECT_TRUE(Eventually([&] {
    v1::ListMyNotificationsRequest inbox;
    inbox.set_parent("tenants/acme");
    const std::string shown =
        Ask<v1::ListMyNotificationsResponse>(*notifications,
                                             &v1::Notifications::Stub::ListMyNotifications, inbox)
            .DebugString();
    return shown.find("webhooks.disabled") != std::string::npos &&
           shown.find(webhook) != std::string::npos;
  }));
}

TEST_F(WebhookDeliveryTest, ATryIsMadeOnceAndDisablesNothing) {
  const std::string webhook = Create("/broken");
  v1::PauseWebhookRequest pause;
  pause.set_name(webhook);
  Ask<v1::PauseWebhookResponse>(*webhooks_, &Webhooks::Stub::PauseWebhook, pause);
  v1::TestWebhookRequest test;
  test.set_name(webhook);
  Ask<v1::TestWebhookResponse>(*webhooks_, &Webhooks::Stub::TestWebhook, test);
  EXPECT_EQ(receiver_.NextWith("path")["event"]["type"], "retrace.webhooks.tested");
  EXPECT_TRUE(Eventually([&] { return OnlyDelivery(webhook).state() == v1::Delivery::FAILED; }));
  EXPECT_EQ(OnlyDelivery(webhook).last_result(), "answered 500");
  EXPECT_EQ(Get(webhook).state(), v1::Webhook::PAUSED);
}

TEST_F(WebhookDeliveryTest, AnEndpointThatFailsIsTriedAgain) {
  const std::string webhook = Create("/broken");
  DeleteACustomer();
  EXPECT_TRUE(Eventually([&] { return OnlyDelivery(webhook).attempt_count() >= 1; }));
  const v1::Delivery delivery = OnlyDelivery(webhook);
  EXPECT_EQ(delivery.state(), v1::Delivery::PENDING);
  EXPECT_TRUE(delivery.has_next_attempt_time());
  EXPECT_EQ(Get(webhook).state(), v1::Webhook::ACTIVE);
}

}  // namespace
}  // namespace retrace::server
