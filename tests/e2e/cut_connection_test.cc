// A thousand times the connection is cut after the commit and before the answer: each command is in
// the log once, and its caller has the first answer.
#include <cstdlib>
#include <map>
#include <string>

#include "clients/cpp/client.h"
#include "gtest/gtest.h"
#include "retrace/v1/customers.grpc.pb.h"
#include "retrace/v1/history.grpc.pb.h"
#include "retrace/v1/tenants.grpc.pb.h"
#include "tests/support/cutting_proxy.h"
#include "tests/support/daemon.h"
#include "tests/support/temp_directory.h"

namespace retrace {
namespace {

TEST(CutConnectionTest, EachCommandHappensOnceAndIsAnswered) {
  testing::TempDirectory directory;
  testing::Daemon daemon(directory.path());
  ASSERT_TRUE(daemon.Start()) << daemon.log();
  auto straight = client::Client::Connect({.endpoint = daemon.target(), .token = daemon.token()});
  ASSERT_TRUE(straight.ok()) << straight.status();
  v1::CreateTenantRequest tenant;
  tenant.set_tenant_id("acme");
  ASSERT_TRUE((*straight)->Call(&v1::Tenants::Stub::CreateTenant, tenant).ok());

  testing::CuttingProxy proxy(directory.Below("proxy.sock"), daemon.data() + "/retraced.sock");
  auto cut = client::Client::Connect({.endpoint = "unix:" + directory.Below("proxy.sock"),
                                      .token = daemon.token(),
                                      .first_backoff = absl::Milliseconds(1),
                                      .max_backoff = absl::Milliseconds(20)});
  ASSERT_TRUE(cut.ok()) << cut.status();
  constexpr int kCommands = 1000;
  std::map<int64_t, std::string> names;  // by position
  int repeated = 0;
  for (int i = 0; i < kCommands; ++i) {
    v1::CreateCustomerRequest request;
    request.set_parent("tenants/acme");
    request.mutable_customer()->set_display_name("Customer " + std::to_string(i));
    auto reply = (*cut)->Call(&v1::Customers::Stub::CreateCustomer, request);
    ASSERT_TRUE(reply.ok()) << "command " << i << ": " << reply.status();
    EXPECT_EQ(reply->customer().display_name(), request.customer().display_name());
    repeated += reply->outcome().repeated() ? 1 : 0;
    EXPECT_TRUE(names.emplace(reply->outcome().position(), reply->customer().name()).second);
  }
  EXPECT_GE(proxy.cuts(), static_cast<uint64_t>(kCommands));
  EXPECT_EQ(repeated, kCommands)
      << "every first answer was cut, so every answer that arrived repeats it";

  v1::ListCommitsRequest list;
  list.set_parent("tenants/acme");
  list.set_page_size(1000);
  list.set_oldest_first(true);
  size_t creates = 0;
  do {
    auto page = (*straight)->Call(&v1::History::Stub::ListCommits, list);
    ASSERT_TRUE(page.ok()) << page.status();
    for (const v1::Commit& commit : page->commits()) {
      if (commit.method() != "retrace.v1.Customers.CreateCustomer") continue;
      ++creates;
      ASSERT_EQ(commit.events_size(), 1);
      EXPECT_EQ(names[commit.position()], commit.events(0).entity());
    }
    list.set_page_token(page->next_page_token());
  } while (!list.page_token().empty());
  EXPECT_EQ(creates, static_cast<size_t>(kCommands));
  EXPECT_EQ(daemon.Stop(), 0) << daemon.log();
}

}  // namespace
}  // namespace retrace
