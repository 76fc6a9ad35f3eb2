// Large answers: how many of them are held, for how long, and of whom.
#include <memory>
#include <string>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "server/http/edge.h"
#include "server/http/server.h"
#include "tests/server/rpc_fixture.h"
#include "tests/support/http_client.h"

namespace retrace::server::http {
namespace {

using nlohmann::json;
using testing::HttpClient;
using testing::HttpReply;
using testing::HttpRequest;

// More than the system takes of one connection.
constexpr size_t kLarge = 16 << 20;
constexpr std::string_view kOrigin = "https://crm.example.com";

// GetCommit answers with as much as the test says.
class HttpLargeTest : public RpcFixture {
 protected:
  HttpLargeTest() {
    get_commit = [this](const QueryCall&, const v1::GetCommitRequest&) {
      v1::GetCommitResponse reply;
      reply.mutable_commit()->set_reason(std::string(size_, 'a'));
      return reply;
    };
  }
  void StartEdge(const Limits& limits) {
    Start();
    EdgeOptions options;
    options.addresses = {"127.0.0.1:0"};
    options.origins = {std::string(kOrigin)};
    options.limits = limits;
    auto edge = Edge::Start(*rpc_, listener_->server(), std::move(options));
    ASSERT_TRUE(edge.ok()) << edge.status();
    edge_ = *std::move(edge);
  }
  ~HttpLargeTest() override { edge_.reset(); }

  std::string Request(const std::string& method, const std::string& body) const {
    const std::string headers = "Content-Type: application/json\r\nAuthorization: Bearer " +
                                tokens_.at("ann") + "\r\nOrigin: " + std::string(kOrigin) + "\r\n";
    return HttpRequest("POST", "/retrace.v1.History/" + method, headers, body);
  }
  std::string Query() const { return Request("GetCommit", R"({"name":"tenants/acme/commits/1"})"); }
  // Somebody who asks and takes next to nothing of the answer.
  std::unique_ptr<HttpClient> AskSlowly() const {
    auto slow = std::make_unique<HttpClient>(port());
    slow->ReadSlowly();
    slow->Send(Query());
    EXPECT_EQ(slow->ReadHead().status, 200);
    return slow;
  }
  int port() const { return edge_->ports().front(); }

  size_t size_ = kLarge;
  std::unique_ptr<Edge> edge_;
};

// Who is told that a command was not done sends it again.
TEST_F(HttpLargeTest, RefusesLargeAnswersOfQueriesOnly) {
  int done = 0;
  submit = [&done](Command command) {
    ++done;
    CommandResult result;
    result.outcome.set_epoch(std::string(2 << 20, 'e'));
    command.done(std::move(result));
  };
  StartEdge({.all_body_bytes = kLarge + (1 << 20)});
  const auto slow = AskSlowly();
  size_ = 2 << 20;
  const HttpReply refused = HttpClient(port()).Call(Query());
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.headers.at("retry-after"), "1");
  EXPECT_EQ(refused.headers.at("access-control-allow-origin"), kOrigin);
  EXPECT_EQ(json::parse(refused.body)["code"], "unavailable");
  const HttpReply command =
      HttpClient(port()).Call(Request("BeginChangeSet", R"({"parent":"tenants/acme"})"));
  EXPECT_EQ(command.status, 200) << command.body;
  EXPECT_GT(command.body.size(), size_);
  EXPECT_EQ(done, 1);
  size_ = 1000;
  EXPECT_EQ(HttpClient(port()).Call(Query()).status, 200);
}

// Or a few clients, each of which takes a piece before each time-out, would hold all large answers.
TEST(HttpSlowReaderTest, IsGivenUp) {
  constexpr size_t kHuge = 16 << 20;  // more than the system takes of one connection
  const std::string huge(kHuge, 'x');
  ServerOptions options;
  options.addresses = {"127.0.0.1:0"};
  options.limits = {.write_time = absl::Milliseconds(300), .write_bytes_per_second = kHuge << 4};
  const auto server = Server::Start(std::move(options), [&huge](const ExchangePtr& exchange) {
    exchange->Send(TextReply(200, huge));
  });
  ASSERT_TRUE(server.ok()) << server.status();
  HttpClient slow((*server)->ports().front());
  slow.Send(HttpRequest("GET", "/"));
  EXPECT_EQ(slow.ReadHead().status, 200);
  size_t taken = 0;
  while ((*server)->counts().connections > 0 && taken < kHuge) {
    taken += slow.ReadSome().size();
    absl::SleepFor(absl::Milliseconds(1));
  }
  EXPECT_LT(taken, kHuge);
}

}  // namespace
}  // namespace retrace::server::http
