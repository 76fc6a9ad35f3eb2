// Webhooks on their way to a real endpoint, checked by the library that endpoints use.
#include <fmt/format.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/outbound/outbound_fixture.h"

namespace retrace::server {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kSecond = 1'000'000;

class WebhookPostTest : public ::testing::Test {
 protected:
  WebhookPostTest()
      : certificate_(MakeCertificate(directory_, "good")),
        receiver_({"node", HelperFile("webhook_receiver.mjs"), secret_, certificate_.file,
                   certificate_.key}) {
    options_.guard = *AddressGuard::Allowing({"127.0.0.0/8"});
    options_.webhook_ca_file = certificate_.file;
  }

  OutgoingPost Post(const std::string& url, std::vector<std::string> secrets = {}) const {
    if (secrets.empty()) secrets = {secret_};
    const CloudEvent event{
        "n1",          "/tenants/acme",         "retrace.customer.deleted",
        "customers/1", 1'800'000'000 * kSecond, R"({"reason":"合同到期","position":"17"})"};
    return *SignedPost(url, event.id, EventBody(event), secrets, absl::ToUnixMicros(absl::Now()));
  }
  std::string Url(const std::string& path, const std::string& which = "port") const {
    return fmt::format("http://127.0.0.1:{}{}", receiver_.port(which), path);
  }
  SendResult Send(const std::string& url) {
    Results results;
    Outbox outbox(options_);
    outbox.Send(Post(url), results.Take());
    return results.Await();
  }

  const std::string secret_ = SecretText(std::string(32, 's'));
  testing::TempDirectory directory_;
  const Certificate certificate_;
  JsonLines receiver_;
  OutboxOptions options_;
};

TEST_F(WebhookPostTest, IsTakenByTheStandardsLibrary) {
  const SendResult result = Send(Url("/ok"));
  EXPECT_EQ(result.kind, SendResult::kSent) << result.detail;
  EXPECT_EQ(result.code, 204);
  const nlohmann::json taken = receiver_.NextWith("path");
  EXPECT_FALSE(taken.contains("fault")) << taken;
  EXPECT_EQ(taken["method"], "POST");
  EXPECT_EQ(taken["headers"]["webhook-id"], "n1");
  EXPECT_EQ(taken["headers"]["content-type"], "application/cloudevents+json; charset=utf-8");
  EXPECT_EQ(taken["event"]["type"], "retrace.customer.deleted");
  EXPECT_EQ(taken["event"]["specversion"], "1.0");
  EXPECT_EQ(taken["event"]["data"]["reason"], "合同到期");
}

TEST_F(WebhookPostTest, IsTakenWhileASecretTakesThePlaceOfAnother) {
  Results results;
  Outbox outbox(options_);
  const std::string fresh = SecretText(std::string(32, 'n'));
  outbox.Send(Post(Url("/ok"), {fresh, secret_}), results.Take());
  EXPECT_EQ(results.Await().kind, SendResult::kSent);
  EXPECT_FALSE(receiver_.NextWith("path").contains("fault"));
  outbox.Send(Post(Url("/ok"), {fresh}), results.Take());
  EXPECT_EQ(results.Await().kind, SendResult::kSent);
  EXPECT_TRUE(receiver_.NextWith("path").contains("fault")) << "another's signature counts";
}

TEST_F(WebhookPostTest, DoesNotFollowRedirects) {
  for (const auto& [path, code] : {std::pair("/redirect", 302), std::pair("/moved", 308)}) {
    const SendResult result = Send(Url(path));
    EXPECT_EQ(result.kind, SendResult::kRetry);
    EXPECT_EQ(result.code, code);
    EXPECT_EQ(receiver_.NextWith("path")["path"], path);
  }
  // Nothing came after them.
  EXPECT_EQ(Send(Url("/gone")).kind, SendResult::kGone);
  EXPECT_EQ(receiver_.NextWith("path")["path"], "/gone");
}

TEST_F(WebhookPostTest, TellsWhatTheEndpointSays) {
  EXPECT_EQ(Send(Url("/gone")).code, 410);
  const SendResult broken = Send(Url("/broken"));
  EXPECT_EQ(broken.kind, SendResult::kRetry);
  EXPECT_EQ(broken.detail, "answered 500");
  EXPECT_FALSE(broken.retry_after_us.has_value());
  EXPECT_EQ(Send(Url("/forbidden")).kind, SendResult::kRetry);
}

TEST_F(WebhookPostTest, WaitsAsLongAsItIsAskedTo) {
  const SendResult wait = Send(Url("/wait"));
  EXPECT_EQ(wait.kind, SendResult::kRetry);
  EXPECT_EQ(wait.retry_after_us, 120 * kSecond);
  EXPECT_EQ(Send(Url("/wait-long")).retry_after_us, 24 * 3600 * kSecond);
  const int64_t until = Send(Url("/wait-date")).retry_after_us.value_or(0);
  EXPECT_GT(until, 300 * kSecond);
  EXPECT_LE(until, 600 * kSecond);
  EXPECT_FALSE(Send(Url("/broken-wait")).retry_after_us.has_value());
}

TEST_F(WebhookPostTest, StopsReadingALargeAnswer) {
  const SendResult large = Send(Url("/large"));
  EXPECT_EQ(large.kind, SendResult::kSent) << large.detail;
  EXPECT_LT(receiver_.NextWith("megabytes")["megabytes"], 50);
  EXPECT_NE(Send(Url("/large-headers")).kind, SendResult::kRefused);
}

TEST_F(WebhookPostTest, DoesNotKnowWhenTheAnswerIsLost) {
  EXPECT_EQ(Send(Url("/cut")).kind, SendResult::kUnknown);
  options_.total_timeout = absl::Seconds(2);
  EXPECT_EQ(Send(Url("/slow")).kind, SendResult::kUnknown);
  const SendResult down = Send(fmt::format("http://127.0.0.1:{}/ok", ClosedPort()));
  EXPECT_EQ(down.kind, SendResult::kRetry);
  EXPECT_EQ(down.code, 0);
}

TEST_F(WebhookPostTest, RefusesTheAddressThatANameLeadsToByNow) {
  const AddressGuard guard;
  options_.guard = guard;
  const int port = receiver_.port("secure_port");
  const std::string url = fmt::format("https://hook.example:{}/ok", port);
  const Resolver before = [](const std::string&) -> absl::StatusOr<std::vector<IpAddress>> {
    return std::vector<IpAddress>{*IpAddress::Parse("8.8.8.8")};
  };
  ASSERT_TRUE(CheckWebhookUrl(url, guard, before).ok());
  for (const char* now : {"127.0.0.1", "[::ffff:127.0.0.1]"}) {
    options_.resolve = {fmt::format("hook.example:{}:{}", port, now)};
    const SendResult result = Send(url);
    EXPECT_EQ(result.kind, SendResult::kRetry);
    EXPECT_EQ(result.detail, "not sent: the address is refused");
  }
  // A number in place of a name is no way around.
  EXPECT_EQ(Send(fmt::format("https://127.1:{}/ok", port)).detail,
            "not sent: the address is refused");
  // Nobody connected meanwhile: the first connection is the one of the next.
  options_.guard = *AddressGuard::Allowing({"127.0.0.1"});
  options_.resolve.clear();
  EXPECT_EQ(Send(Url("/gone")).kind, SendResult::kGone);
  EXPECT_TRUE(receiver_.Next().contains("connection"));
  EXPECT_EQ(receiver_.Next()["path"], "/gone");
}

TEST_F(WebhookPostTest, SpeaksHttpOnlyWhereTheOperatorListedTheAddress) {
  options_.guard = AddressGuard();
  options_.resolve = {fmt::format("hook.example:{}:8.8.8.8", receiver_.port())};
  options_.connect_timeout = absl::Milliseconds(500);
  EXPECT_EQ(Send(fmt::format("http://hook.example:{}/ok", receiver_.port())).detail,
            "not sent: the address is refused");
}

TEST_F(WebhookPostTest, UsesNoProxyAndNoOtherProtocol) {
  const std::string proxy = fmt::format("http://127.0.0.1:{}", receiver_.port("other_port"));
  for (const char* name : {"http_proxy", "https_proxy", "all_proxy"}) {
    setenv(name, proxy.c_str(), 1);
  }
  EXPECT_EQ(Send(Url("/ok")).kind, SendResult::kSent);
  EXPECT_EQ(receiver_.NextWith("path")["path"], "/ok");
  for (const char* name : {"http_proxy", "https_proxy", "all_proxy"}) unsetenv(name);
  for (const char* url : {"file:///etc/passwd", "ftp://127.0.0.1/", "gopher://127.0.0.1/", "",
                          "https://user:secret@127.0.0.1/", "nonsense"}) {
    EXPECT_EQ(Send(url).kind, SendResult::kRefused) << url;
  }
}

TEST_F(WebhookPostTest, ChecksCertificates) {
  const int port = receiver_.port("secure_port");
  options_.resolve = {fmt::format("localhost:{}:127.0.0.1", port),
                      fmt::format("elsewhere.example:{}:127.0.0.1", port)};
  EXPECT_EQ(Send(fmt::format("https://localhost:{}/ok", port)).kind, SendResult::kSent);
  EXPECT_EQ(receiver_.NextWith("path")["path"], "/ok");
  const SendResult other_name = Send(fmt::format("https://elsewhere.example:{}/ok", port));
  EXPECT_EQ(other_name.kind, SendResult::kRetry);
  options_.webhook_ca_file = MakeCertificate(directory_, "other").file;
  const SendResult stranger = Send(fmt::format("https://localhost:{}/ok", port));
  EXPECT_EQ(stranger.kind, SendResult::kRetry);
  EXPECT_THAT(stranger.detail, HasSubstr("certificate"));
}

TEST_F(WebhookPostTest, SlowEndpointsDelayNoOtherWithinTheBound) {
  options_.posts_at_once = 3;
  Results slow;
  Results fast;
  {
    Outbox outbox(options_);
    for (int i = 0; i < 2; ++i) {
      outbox.Send(Post(Url("/slow")), slow.Take());
      EXPECT_EQ(receiver_.NextWith("path")["path"], "/slow");
    }
    for (int i = 0; i < 20; ++i) outbox.Send(Post(Url("/ok", "other_port")), fast.Take());
    for (int i = 0; i < 20; ++i) {
      EXPECT_EQ(fast.Await().kind, SendResult::kSent);
      EXPECT_EQ(receiver_.NextWith("path")["path"], "/ok");
    }
    EXPECT_EQ(slow.size(), 0u);
    for (int i = 0; i < 18; ++i) outbox.Send(Post(Url("/slow")), slow.Take());
    EXPECT_EQ(receiver_.NextWith("path")["path"], "/slow");
  }
  // Three were with the endpoint, the others were never sent.
  int unknown = 0;
  for (int i = 0; i < 20; ++i) unknown += slow.Await().kind == SendResult::kUnknown ? 1 : 0;
  EXPECT_EQ(unknown, 3);
}

TEST_F(WebhookPostTest, NoHeaderBeginsAnother) {
  OutgoingPost post = Post(Url("/ok"));
  post.headers.push_back("x-one: a\r\nx-two: b");
  Results results;
  Outbox outbox(options_);
  outbox.Send(post, results.Take());
  EXPECT_EQ(results.Await().kind, SendResult::kRefused);
}

}  // namespace
}  // namespace retrace::server
