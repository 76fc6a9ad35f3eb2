// Gets, lists and summaries: moments, bounds of pages, refusals, who may see what.
#include "server/queries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "domain/refusal.h"
#include "fmt/format.h"
#include "google/protobuf/util/time_util.h"
#include "tests/server/queries_fixture.h"

namespace retrace {
namespace {

using testing::AllPages;
using ::testing::ElementsAre;
using testing::FromText;
using testing::RequestFor;

class QueriesTest : public testing::QueriesFixture {};

TEST_F(QueriesTest, GetsDeletedAndPastEntities) {
  const std::string name = Create(R"pb(display_name: "Ann")pb");
  const domain::Position created = small_.head();
  v1::DeleteCustomerRequest remove;
  remove.set_name(name);
  remove.mutable_related()->set_all(v1::RelatedRecords::KEEP);
  ASSERT_TRUE(small_.Do(remove).status.ok());

  v1::GetCustomerRequest get;
  get.set_name(name);
  auto now = queries().Answer(small_.Call("get"), get);
  ASSERT_TRUE(now.ok()) << now.status();
  EXPECT_EQ(now->customer().state(), v1::Customer::DELETED);
  EXPECT_EQ(now->answered().position(), static_cast<int64_t>(small_.head()));
  EXPECT_TRUE(now->answered().has_commit_time());

  get.mutable_as_of()->set_position(static_cast<int64_t>(created));
  auto then = queries().Answer(small_.Call("get"), get);
  ASSERT_TRUE(then.ok());
  EXPECT_EQ(then->customer().state(), v1::Customer::ACTIVE);
  get.mutable_as_of()->set_position(static_cast<int64_t>(created) - 1);
  EXPECT_EQ(domain::ReasonOf(queries().Answer(small_.Call("get"), get).status()),
            v1::ENTITY_NOT_FOUND);
  get.mutable_as_of()->set_position(0);
  EXPECT_EQ(domain::ReasonOf(queries().Answer(small_.Call("get"), get).status()),
            v1::ENTITY_NOT_FOUND);
}

TEST_F(QueriesTest, AnswersAsOfATimeAtTheLastCommitAtOrBeforeIt) {
  const int64_t begin = small_.time_us();
  Create(R"pb(display_name: "Ann")pb");
  Create(R"pb(display_name: "Bob")pb");
  auto count_at = [&](int64_t time_us) {
    auto request = RequestFor<v1::ListCustomersRequest>({});
    *request.mutable_as_of()->mutable_time() =
        google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(time_us);
    return AllPages(small_, request).size();
  };
  EXPECT_EQ(count_at(begin - 1), 0u);
  EXPECT_EQ(count_at(begin), 1u);
  EXPECT_EQ(count_at(begin + 999'999), 1u);
  EXPECT_EQ(count_at(begin + 1'000'000), 2u);
}

TEST_F(QueriesTest, RefusesTheFutureAndWhatIsMalformed) {
  Create(R"pb(display_name: "Ann")pb");
  auto request = RequestFor<v1::ListCustomersRequest>({});
  request.mutable_as_of()->set_position(static_cast<int64_t>(small_.head()) + 1);
  EXPECT_EQ(domain::ReasonOf(ListError(request)), v1::FUTURE_AS_OF);
  request.mutable_as_of()->set_position(-1);
  EXPECT_EQ(domain::ReasonOf(ListError(request)), v1::INVALID_FIELD);
  request.mutable_as_of()->mutable_time()->set_seconds(4'000'000'000);
  EXPECT_EQ(domain::ReasonOf(ListError(request)), v1::FUTURE_AS_OF);
  request.mutable_as_of()->mutable_time()->set_seconds(400'000'000'000);
  EXPECT_EQ(domain::ReasonOf(ListError(request)), v1::INVALID_FIELD);
  request.clear_as_of();
  request.set_page_size(-1);
  EXPECT_EQ(domain::ReasonOf(ListError(request)), v1::INVALID_FIELD);
  request.clear_page_size();
  for (const char* order :
       {"level", "number sideways", "number desc asc", "update_time", "create_time desc"}) {
    request.set_order_by(order);
    EXPECT_EQ(domain::ReasonOf(ListError(request)), v1::INVALID_FIELD) << order;
  }
  request.clear_order_by();
  for (const char* filter : {"etag = 1", "nothing = 1", "level = ", "((((", "state = SLEEPING"}) {
    request.set_filter(filter);
    EXPECT_EQ(domain::ReasonOf(ListError(request)), v1::INVALID_FILTER) << filter;
  }
}

TEST_F(QueriesTest, PageSizesHaveADefaultAndAMost) {
  server::PageLimits limits;
  limits.default_size = 3;
  limits.max_size = 5;
  for (int i = 0; i < 8; ++i) Create(R"pb(display_name: "Ann")pb");
  auto request = RequestFor<v1::ListCustomersRequest>({});
  const server::Queries few(small_.ledger(), limits);
  EXPECT_EQ(few.Answer(small_.Call("list"), request)->customers_size(), 3);
  request.set_page_size(1000);
  EXPECT_EQ(few.Answer(small_.Call("list"), request)->customers_size(), 5);
  // A page that ends the list says so.
  request.set_page_size(0);
  limits.default_size = 8;
  limits.max_size = 8;
  EXPECT_EQ(server::Queries(small_.ledger(), limits)
                .Answer(small_.Call("list"), request)
                ->next_page_token(),
            "");
}

TEST_F(QueriesTest, APageStaysBelowWhatClientsReceive) {
  v1::CreateCustomerRequest create;
  create.mutable_customer()->set_display_name("Large");
  for (int i = 0; i < 50; ++i) {
    (*create.mutable_customer()->mutable_attributes())[fmt::format("key-{}", i)] =
        std::string(1000, 'x');
  }
  for (int i = 0; i < 90; ++i) ASSERT_TRUE(small_.Do(create).status.ok());
  auto request = RequestFor<v1::ListCustomersRequest>({});
  request.set_page_size(1000);
  auto page = queries().Answer(small_.Call("list"), request);
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_LT(page->ByteSizeLong(), 4u << 20);
  EXPECT_GT(page->customers_size(), 50);
  EXPECT_NE(page->next_page_token(), "");
  request.set_page_token(page->next_page_token());
  EXPECT_EQ(
      page->customers_size() + queries().Answer(small_.Call("list"), request)->customers_size(),
      90);
}

TEST_F(QueriesTest, SummarizesTheTenantAndOneCustomer) {
  const std::string name = Create(R"pb(display_name: "Ann")pb");
  for (int i = 0; i < 3; ++i) {
    auto request =
        FromText<v1::CreateRecordRequest>(R"pb(record {
                                                 kind: DEAL
                                                 title: "T"
                                                 stage: "Won"
                                                 amount { minor_units: 100 currency: "EUR" }
                                               })pb");
    if (i < 2) request.mutable_record()->set_customer(name);
    ASSERT_TRUE(small_.Do(request).status.ok());
  }
  v1::SummarizeRequest request;
  request.set_name("tenants/acme");
  auto whole = queries().Answer(small_.Call("sum"), request);
  ASSERT_TRUE(whole.ok()) << whole.status();
  ASSERT_EQ(whole->groups_size(), 2) << whole->DebugString();
  EXPECT_EQ(whole->groups(0).kind(), "CUSTOMER");
  EXPECT_EQ(whole->groups(0).count(), 1);
  EXPECT_EQ(whole->groups(1).kind(), "DEAL");
  EXPECT_EQ(whole->groups(1).count(), 3);
  EXPECT_EQ(whole->groups(1).sum_minor_units(), 300);
  request.set_name(name);
  EXPECT_EQ(queries().Answer(small_.Call("sum"), request)->groups(0).sum_minor_units(), 200);
  request.mutable_as_of()->set_position(static_cast<int64_t>(small_.head()) - 2);
  EXPECT_EQ(queries().Answer(small_.Call("sum"), request)->groups(0).sum_minor_units(), 100);
  request.set_name("tenants/acme/customers/nobody");
  EXPECT_EQ(domain::ReasonOf(queries().Answer(small_.Call("sum"), request).status()),
            v1::ENTITY_NOT_FOUND);
}

TEST_F(QueriesTest, FillsThePolicysDefaultsIn) {
  v1::GetPolicyRequest request;
  request.set_name("tenants/acme/policy");
  auto response = queries().Answer(small_.Call("policy"), request);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->policy().name(), "tenants/acme/policy");
  EXPECT_EQ(response->policy().region_code(), "US");
  EXPECT_EQ(response->policy().time_zone(), "UTC");
  EXPECT_FALSE(response->policy().has_update_time());
}

TEST_F(QueriesTest, ShowsOnlyTenantsThatTheCallerMayEnter) {
  auto principal = std::make_shared<server::Principal>();
  principal->id = "agnes";
  principal->tenants = {"other"};
  server::QueryCall call{
      .principal = principal, .tenant = small_.ledger().tenants().system(), .method = "tenants"};
  auto names = [&](const server::QueryCall& caller) {
    std::vector<std::string> result;
    v1::ListTenantsRequest request;
    request.set_page_size(1);
    do {
      auto response = queries().Answer(caller, request);
      EXPECT_TRUE(response.ok()) << response.status();
      if (!response.ok()) break;
      for (const auto& tenant : response->tenants()) result.push_back(tenant.name());
      request.set_page_token(response->next_page_token());
    } while (!request.page_token().empty());
    return result;
  };
  EXPECT_THAT(names(call), ElementsAre("tenants/other"));
  EXPECT_THAT(names(small_.Call("tenants")), ElementsAre("tenants/acme", "tenants/other"));
  v1::GetTenantRequest get;
  get.set_name("tenants/acme");
  EXPECT_EQ(domain::ReasonOf(queries().Answer(call, get).status()), v1::TENANT_NOT_FOUND);
  EXPECT_TRUE(queries().Answer(small_.Call("tenants"), get).ok());
  get.set_name("tenants/nowhere");
  EXPECT_EQ(domain::ReasonOf(queries().Answer(small_.Call("tenants"), get).status()),
            v1::TENANT_NOT_FOUND);
}

TEST_F(QueriesTest, GivesUpWhenTheCallerWentAway) {
  Create(R"pb(display_name: "Ann")pb");
  server::QueryCall call = small_.Call("list");
  call.cancelled = std::make_shared<std::atomic<bool>>(true);
  EXPECT_EQ(
      domain::ReasonOf(queries().Answer(call, RequestFor<v1::ListCustomersRequest>({})).status()),
      v1::CALLER_CANCELLED);
}

TEST_F(QueriesTest, ReturnsAShortPageWhenHalfOfTheDeadlineIsOver) {
  for (int i = 0; i < 5; ++i) Create(R"pb(display_name: "Ann")pb");
  server::QueryCall call = small_.Call("list");
  call.start = absl::Now() - absl::Seconds(10);
  call.deadline = call.start + absl::Seconds(15);
  auto request = RequestFor<v1::ListCustomersRequest>({});
  auto response = queries().Answer(call, request);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->customers_size(), 1);
  EXPECT_NE(response->next_page_token(), "");
}

}  // namespace
}  // namespace retrace
