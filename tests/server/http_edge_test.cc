// The addresses of the HTTP edge, and the Connect protocol in front of handlers that a test puts
// in.
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "domain/refusal.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "server/http/connect_wire.h"
#include "server/http/edge.h"
#include "server/http/gzip.h"
#include "tests/server/rpc_fixture.h"
#include "tests/support/http_client.h"

namespace retrace::server::http {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using testing::HttpClient;
using testing::HttpReply;
using testing::HttpRequest;

constexpr std::string_view kGetCommit = "/retrace.v1.History/GetCommit";
constexpr std::string_view kWatch = "/retrace.v1.History/WatchCommits";
const std::string kJson = "Content-Type: application/json\r\n";

class HttpEdgeTest : public RpcFixture {
 protected:
  void StartEdge(EdgeOptions options = {}, bool serving = true) {
    Start({}, serving);
    options.addresses = {"127.0.0.1:0"};
    auto edge = Edge::Start(*rpc_, listener_->server(), std::move(options));
    ASSERT_TRUE(edge.ok()) << edge.status();
    edge_ = *std::move(edge);
  }
  int port() const { return edge_->ports().front(); }
  std::string Bearer(const std::string& principal) const {
    return "Authorization: Bearer " + tokens_.at(principal) + "\r\n";
  }
  HttpReply Fetch(std::string_view method, std::string_view target, std::string_view headers = "",
                  std::string_view body = "") const {
    HttpClient client(port());
    client.Send(HttpRequest(method, target, headers, body));
    return client.Read(method == "HEAD");
  }
  HttpReply Get(std::string_view target, std::string_view headers = "") const {
    return Fetch("GET", target, headers);
  }
  // A unary call with JSON.
  HttpReply Call(std::string_view method, std::string_view body,
                 const std::string& headers = "") const {
    return Fetch("POST", method, kJson + Bearer("ann") + headers, body);
  }
  // The messages of a stream, and the last envelope's JSON.
  static std::vector<std::string> Messages(std::string_view body, json& end) {
    std::vector<std::string> messages;
    int ends = 0;
    while (body.size() >= kEnvelopeBytes) {
      size_t size = 0;
      for (size_t i = 1; i < kEnvelopeBytes; ++i) size = size << 8 | static_cast<uint8_t>(body[i]);
      const std::string message(body.substr(kEnvelopeBytes, size));
      if (body[0] == kEndOfStream) {
        ++ends;
        end = json::parse(message);
      } else {
        EXPECT_EQ(ends, 0);
        messages.push_back(body[0] == kCompressed ? Gunzip(message, 4 << 20).bytes : message);
      }
      body.remove_prefix(kEnvelopeBytes + size);
    }
    EXPECT_EQ(body, "");
    EXPECT_EQ(ends, 1);
    return messages;
  }

  std::unique_ptr<Edge> edge_;
};

TEST_F(HttpEdgeTest, TellsHowItIs) {
  StartEdge({}, false);
  EXPECT_EQ(Get("/healthz").status, 200);
  EXPECT_EQ(Get("/readyz").status, 503);
  EXPECT_EQ(json::parse(Call(kGetCommit, "{}").body)["code"], "unavailable");
  Serve();
  EXPECT_EQ(Get("/readyz").status, 200);
  EXPECT_EQ(Fetch("HEAD", "/readyz").status, 200);
  listener_->SetServing(false);
  EXPECT_EQ(Get("/readyz").status, 503);
  EXPECT_EQ(Fetch("POST", "/healthz").status, 405);
}

TEST_F(HttpEdgeTest, ShowsMetricsToOperators) {
  StartEdge();
  EXPECT_EQ(Get("/metrics").status, 401);
  EXPECT_EQ(Get("/metrics", Bearer("ann")).status, 403);
  EXPECT_EQ(Get("/metrics", "Authorization: Basic b3R0bzo=\r\n").status, 401);
  edge_->Collect(metrics_);
  const HttpReply metrics = Get("/metrics", Bearer("otto"));
  EXPECT_EQ(metrics.status, 200);
  EXPECT_THAT(metrics.body, HasSubstr("retrace_http_requests_total 3"));
}

TEST_F(HttpEdgeTest, AnswersNotFoundElsewhere) {
  StartEdge();
  for (const std::string path : {"/", "/x", "/u/abc", "/u/", "/../etc/passwd", "/metrics/"}) {
    const HttpReply reply = Get(path);
    EXPECT_EQ(reply.status, 404) << path;
    EXPECT_EQ(json::parse(reply.body)["code"], "not_found");
  }
}

TEST_F(HttpEdgeTest, ServesFiles) {
  std::filesystem::create_directories(directory_.Below("web/assets"));
  std::ofstream(directory_.Below("web/index.html")) << "<p>北京</p>";
  std::ofstream(directory_.Below("web/assets/a.js")) << "1";
  std::ofstream(directory_.Below("web/.hidden")) << "secret";
  std::filesystem::create_symlink(token_file(), directory_.Below("web/leak.txt"));
  std::filesystem::create_directory_symlink(directory_.path(), directory_.Below("web/up"));
  StartEdge({.static_dir = directory_.Below("web")});
  const HttpReply page = Get("/");
  EXPECT_EQ(page.body, "<p>北京</p>");
  EXPECT_EQ(page.headers.at("content-type"), "text/html; charset=utf-8");
  EXPECT_EQ(page.headers.at("x-content-type-options"), "nosniff");
  EXPECT_THAT(page.headers.at("content-security-policy"), HasSubstr("frame-ancestors 'none'"));
  EXPECT_EQ(Get("/assets/a.js").headers.at("content-type"), "text/javascript; charset=utf-8");
  const std::string etag = "If-None-Match: \"x\", " + page.headers.at("etag") + "\r\n";
  const HttpReply same = Get("/", etag);
  EXPECT_EQ(same.status, 304);
  EXPECT_EQ(same.body, "");
  std::ofstream(directory_.Below("web/index.html")) << "changed!";
  EXPECT_EQ(Get("/", etag).body, "changed!");
  EXPECT_EQ(Fetch("HEAD", "/").headers.at("content-length"), "8");
  for (const std::string path : {"/assets", "/assets/", "/.hidden", "/leak.txt", "/up/tokens.toml",
                                 "/%2e%2e/tokens.toml", "/assets/%2e%2e/index.html", "/nothing"}) {
    EXPECT_EQ(Get(path).status, 404) << path;
  }
  EXPECT_EQ(Fetch("POST", "/").status, 405);
}

TEST_F(HttpEdgeTest, HandsUnsubscribesOn) {
  StartEdge({.trusted_proxies = {"127.0.0.1"}});
  std::vector<UnsubscribeCall> calls;
  edge_->AttachUnsubscribe(
      [&](const UnsubscribeCall& call, std::function<void(UnsubscribeAnswer)> done) {
        calls.push_back(call);
        done({.status = 200, .body = "<p>done</p>"});
      });
  const HttpReply page = Get("/u/a.b%2Bc", "Accept-Language: zh\r\nX-Forwarded-For: 192.0.2.1\r\n");
  EXPECT_EQ(page.body, "<p>done</p>");
  EXPECT_EQ(page.headers.at("cache-control"), "no-store");
  EXPECT_EQ(page.headers.at("referrer-policy"), "no-referrer");
  EXPECT_THAT(page.headers.at("content-security-policy"), HasSubstr("default-src 'none'"));
  EXPECT_EQ(page.headers.count("set-cookie"), 0u);
  const std::string form = "Content-Type: application/x-www-form-urlencoded\r\n";
  EXPECT_EQ(Fetch("POST", "/u/t", form, "List-Unsubscribe=One-Click").status, 200);
  EXPECT_EQ(Fetch("HEAD", "/u/t").headers.at("content-length"), "11");
  ASSERT_EQ(calls.size(), 3u);
  EXPECT_EQ(calls[0].token, "a.b+c");
  EXPECT_EQ(calls[0].method, "GET");
  EXPECT_EQ(calls[0].client_address, "192.0.2.1");
  EXPECT_EQ(calls[0].accept_language, "zh");
  EXPECT_EQ(calls[1].method, "POST");
  EXPECT_EQ(calls[1].form.at("List-Unsubscribe"), "One-Click");
  EXPECT_EQ(calls[1].client_address, "127.0.0.1");
  EXPECT_EQ(calls[2].method, "HEAD");
  // None of these reaches the handler.
  EXPECT_EQ(Fetch("POST", "/u/t", "", "List-Unsubscribe=One-Click").status, 415);
  EXPECT_EQ(Fetch("POST", "/u/t", form, std::string(20'000, 'a')).status, 413);
  EXPECT_EQ(Fetch("DELETE", "/u/t").status, 405);
  EXPECT_EQ(Get("/u/" + std::string(5000, 'a')).status, 404);
  EXPECT_EQ(Get("/u/%zz").status, 404);
  EXPECT_EQ(calls.size(), 3u);
  edge_->AttachUnsubscribe(nullptr);
  EXPECT_EQ(Get("/u/t").status, 404);
}

TEST_F(HttpEdgeTest, CallsWithJsonAndProto) {
  get_commit = [](const QueryCall& call, const v1::GetCommitRequest& request) {
    EXPECT_EQ(call.principal->id, "ann");
    EXPECT_EQ(request.name(), "tenants/acme/commits/1");
    v1::GetCommitResponse reply;
    reply.mutable_commit()->set_position(1ll << 53);
    return reply;
  };
  StartEdge();
  const HttpReply text = Call(kGetCommit, R"({"name":"tenants/acme/commits/1"})");
  EXPECT_EQ(text.status, 200);
  EXPECT_EQ(text.headers.at("content-type"), "application/json");
  EXPECT_EQ(text.headers.at("cache-control"), "no-store");
  EXPECT_EQ(text.body, R"({"commit":{"position":"9007199254740992"}})");
  const HttpReply bytes =
      Fetch("POST", kGetCommit,
            "Content-Type: application/proto\r\nConnect-Protocol-Version: 1\r\n" + Bearer("ann"),
            CommitRequest().SerializeAsString());
  v1::GetCommitResponse reply;
  EXPECT_TRUE(reply.ParseFromString(bytes.body));
  EXPECT_EQ(reply.commit().position(), 1ll << 53);
  EXPECT_EQ(bytes.headers.at("content-type"), "application/proto");
}

TEST_F(HttpEdgeTest, AsksHealthAndRefusesWhatIsNotThere) {
  StartEdge();
  EXPECT_EQ(Fetch("POST", "/grpc.health.v1.Health/Check", kJson, "{}").body,
            R"({"status":"SERVING"})");
  for (const std::string path :
       {"/retrace.v1.History/Nothing", "/retrace.v1.Nothing/Get",
        "/retrace.v1.Customers/GetCustomer", "/retrace.v1.history/GetCommit",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"}) {
    const HttpReply reply = Call(path, "{}");
    EXPECT_EQ(reply.status, 501) << path;
    EXPECT_EQ(json::parse(reply.body)["code"], "unimplemented");
    EXPECT_EQ(json::parse(reply.body)["details"][0]["debug"]["reason"], "METHOD_UNKNOWN");
  }
  const HttpReply get = Get(kGetCommit);
  EXPECT_EQ(get.status, 405);
  EXPECT_EQ(get.headers.at("allow"), "POST");
}

TEST_F(HttpEdgeTest, RefusesOtherContentTypes) {
  StartEdge();
  for (const std::string type : {"text/plain", "application/connect+json", "application/grpc",
                                 "application/json; charset=utf-16"}) {
    const HttpReply reply =
        Fetch("POST", kGetCommit, Bearer("ann") + "Content-Type: " + type + "\r\n", "{}");
    EXPECT_EQ(reply.status, 415) << type;
    EXPECT_EQ(reply.headers.at("accept-post"), "application/json, application/proto");
  }
  EXPECT_EQ(Fetch("POST", kGetCommit, Bearer("ann"), "{}").status, 415);
  EXPECT_EQ(Call(kWatch, "{}").headers.at("accept-post"),
            "application/connect+json, application/connect+proto");
}

TEST_F(HttpEdgeTest, NamesWhatIsWrongInTheJson) {
  StartEdge();
  const HttpReply unknown = Call(kGetCommit, R"({"name":"tenants/acme/commits/1","nmae":1})");
  EXPECT_EQ(unknown.status, 400);
  const json error = json::parse(unknown.body);
  EXPECT_EQ(error["code"], "invalid_argument");
  EXPECT_THAT(error["message"].get<std::string>(), HasSubstr("nmae: there is no such field"));
  EXPECT_THAT(unknown.body, HasSubstr("MALFORMED_REQUEST"));
  for (const std::string body : {"", "{", "[]", "{\"name\":{}}", "{}{}"}) {
    EXPECT_EQ(Call(kGetCommit, body).status, 400) << body;
  }
  // Who may not call does not learn what is wrong with the call.
  EXPECT_EQ(Fetch("POST", kGetCommit, kJson, "{").status, 401);
  EXPECT_EQ(Fetch("POST", kGetCommit, kJson + Bearer("otto"), "{").status, 403);
  EXPECT_EQ(Fetch("POST", kGetCommit, kJson + "Authorization: Bearer \xff\xfe\r\n", "{}").status,
            401);
}

TEST_F(HttpEdgeTest, MindsConnectsHeaders) {
  StartEdge();
  const std::string good = R"({"name":"tenants/acme/commits/1"})";
  const auto code = [&](const std::string& header) {
    return json::parse(Call(kGetCommit, good, header).body).value("code", "");
  };
  EXPECT_EQ(code("Connect-Protocol-Version: 2\r\n"), "invalid_argument");
  EXPECT_EQ(code("Connect-Timeout-Ms: 12345678901\r\n"), "invalid_argument");
  EXPECT_EQ(code("Connect-Timeout-Ms: -1\r\n"), "invalid_argument");
  EXPECT_EQ(code("Connect-Timeout-Ms: 9999999999\r\n"), "");
  EXPECT_EQ(code("Content-Encoding: br\r\n"), "unimplemented");
  EXPECT_EQ(code("Content-Encoding: identity\r\n"), "");
  EXPECT_EQ(code("Content-Encoding: gzip\r\n"), "invalid_argument");
}

TEST_F(HttpEdgeTest, EndsAtTheDeadline) {
  get_commit = [](const QueryCall& call, const v1::GetCommitRequest&) {
    while (!call.cancelled->load()) absl::SleepFor(absl::Milliseconds(1));
    return v1::GetCommitResponse();
  };
  StartEdge();
  const HttpReply late =
      Call(kGetCommit, R"({"name":"tenants/acme/commits/1"})", "Connect-Timeout-Ms: 50\r\n");
  EXPECT_EQ(late.status, 504);
  EXPECT_EQ(json::parse(late.body)["code"], "deadline_exceeded");
}

TEST_F(HttpEdgeTest, PassesTheDeadlineOn) {
  absl::Time deadline;
  get_commit = [&](const QueryCall& call, const v1::GetCommitRequest&) {
    deadline = call.deadline;
    return v1::GetCommitResponse();
  };
  StartEdge();
  const absl::Time start = absl::Now();
  Call(kGetCommit, R"({"name":"tenants/acme/commits/1"})", "Connect-Timeout-Ms: 30000\r\n");
  EXPECT_GE(deadline, start + absl::Seconds(29));
  EXPECT_LE(deadline, absl::Now() + absl::Seconds(31));
}

TEST_F(HttpEdgeTest, PacksAndUnpacks) {
  get_commit = [](const QueryCall&, const v1::GetCommitRequest& request) {
    v1::GetCommitResponse reply;
    reply.mutable_commit()->set_reason(request.name() + std::string(5000, 'a'));
    return reply;
  };
  StartEdge();
  const HttpReply packed = Call(kGetCommit, Gzip(R"({"name":"tenants/acme/commits/1"})"),
                                "Content-Encoding: gzip\r\nAccept-Encoding: br, gzip\r\n");
  EXPECT_EQ(packed.status, 200);
  EXPECT_EQ(packed.headers.at("content-encoding"), "gzip");
  EXPECT_LT(packed.body.size(), 500u);
  EXPECT_THAT(Gunzip(packed.body, 1 << 20).bytes, HasSubstr("tenants/acme/commits/1aaaa"));
  const std::string bomb = Gzip(std::string(20 << 20, ' '));
  const HttpReply refused = Call(kGetCommit, bomb, "Content-Encoding: gzip\r\n");
  EXPECT_EQ(refused.status, 400);
  EXPECT_THAT(refused.body, HasSubstr("at most 4194304 bytes"));
  // For whom nobody knows, nothing is unpacked.
  for (const std::string token : {"", "Authorization: Bearer wrong\r\n"}) {
    const HttpReply unknown =
        Fetch("POST", kGetCommit, kJson + token + "Content-Encoding: gzip\r\n", bomb);
    EXPECT_EQ(unknown.status, 401) << unknown.body;
  }
}

TEST_F(HttpEdgeTest, CancelsWhenTheClientGoesAway) {
  absl::Notification begun;
  absl::Notification cancelled;
  get_commit = [&](const QueryCall& call, const v1::GetCommitRequest&) {
    begun.Notify();
    while (!call.cancelled->load() && absl::Now() < call.deadline) {
      absl::SleepFor(absl::Milliseconds(1));
    }
    if (call.cancelled->load()) cancelled.Notify();
    return v1::GetCommitResponse();
  };
  StartEdge();
  HttpClient client(port());
  client.Send(HttpRequest("POST", kGetCommit,
                          kJson + Bearer("ann") + "Connect-Timeout-Ms: 60000\r\n",
                          R"({"name":"tenants/acme/commits/1"})"));
  begun.WaitForNotification();
  client.Close();
  EXPECT_TRUE(cancelled.WaitForNotificationWithTimeout(absl::Seconds(20)));
}

TEST_F(HttpEdgeTest, LetsNamedOriginsCall) {
  StartEdge({.origins = {"https://crm.example.com"}});
  const std::string preflight =
      "Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: authorization\r\n";
  const HttpReply allowed =
      Fetch("OPTIONS", kGetCommit, "Origin: https://crm.example.com\r\n" + preflight);
  EXPECT_EQ(allowed.status, 204);
  EXPECT_EQ(allowed.headers.at("access-control-allow-origin"), "https://crm.example.com");
  EXPECT_THAT(allowed.headers.at("access-control-allow-headers"), HasSubstr("Authorization"));
  EXPECT_EQ(allowed.headers.at("vary"), "Origin");
  EXPECT_EQ(allowed.headers.count("access-control-allow-credentials"), 0u);
  const HttpReply other =
      Fetch("OPTIONS", kGetCommit, "Origin: https://evil.example\r\n" + preflight);
  EXPECT_EQ(other.status, 405);
  EXPECT_EQ(other.headers.count("access-control-allow-origin"), 0u);
  const HttpReply call = Call(kGetCommit, R"({"name":"tenants/acme/commits/1"})",
                              "Origin: https://crm.example.com\r\n");
  EXPECT_EQ(call.headers.at("access-control-allow-origin"), "https://crm.example.com");
}

TEST_F(HttpEdgeTest, LetsNoOriginCallByDefault) {
  StartEdge();
  EXPECT_EQ(Fetch("OPTIONS", kGetCommit, "Origin: https://crm.example.com\r\n").status, 405);
}

TEST_F(HttpEdgeTest, Streams) {
  watch = [](const QueryCall&, const v1::WatchCommitsRequest&, StreamWriter& writer) {
    for (int i = 1; i <= 3; ++i) {
      v1::WatchCommitsResponse message;
      message.mutable_commit()->set_reason(std::string(i == 3 ? 5000 : 1, 'a'));
      const absl::Status written = writer.Write(message);
      if (!written.ok()) return written;
    }
    return absl::Status(domain::Refusal(v1::EPOCH_CHANGED, "The epoch ended."));
  };
  StartEdge();
  const std::string type = "Content-Type: application/connect+json\r\n" + Bearer("ann");
  const HttpReply plain = Fetch("POST", kWatch, type, Envelope(0, R"({"parent":"tenants/acme"})"));
  EXPECT_EQ(plain.status, 200);
  EXPECT_EQ(plain.headers.at("content-type"), "application/connect+json");
  json end;
  std::vector<std::string> messages = Messages(plain.body, end);
  ASSERT_EQ(messages.size(), 3u);
  EXPECT_EQ(messages[0], R"({"commit":{"reason":"a"}})");
  EXPECT_EQ(end["error"]["code"], "failed_precondition");
  EXPECT_EQ(end["error"]["details"][0]["debug"]["reason"], "EPOCH_CHANGED");
  const HttpReply packed = Fetch(
      "POST", kWatch, type + "Connect-Content-Encoding: gzip\r\nConnect-Accept-Encoding: gzip\r\n",
      Envelope(kCompressed, Gzip(R"({"parent":"tenants/acme"})")));
  EXPECT_EQ(packed.headers.at("connect-content-encoding"), "gzip");
  EXPECT_LT(packed.body.size(), 1500u);
  EXPECT_EQ(Messages(packed.body, end), messages);
}

TEST_F(HttpEdgeTest, RefusesStreamsInTheStream) {
  StartEdge();
  const std::string type = "Content-Type: application/connect+json\r\n";
  const auto code = [&](const std::string& headers, const std::string& body) {
    const HttpReply reply = Fetch("POST", kWatch, type + headers, body);
    EXPECT_EQ(reply.status, 200);
    json end;
    EXPECT_TRUE(Messages(reply.body, end).empty());
    return end["error"].value("code", "");
  };
  const std::string good = Envelope(0, R"({"parent":"tenants/acme"})");
  EXPECT_EQ(code("", good), "unauthenticated");
  const std::string packed = "Connect-Content-Encoding: gzip\r\n";
  EXPECT_EQ(code(packed, Envelope(kCompressed, Gzip(std::string(20 << 20, ' ')))),
            "unauthenticated");
  EXPECT_EQ(code(Bearer("agnes"), good), "permission_denied");
  EXPECT_EQ(code(Bearer("ann"), Envelope(0, R"({"parent":"tenants/globex"})")), "not_found");
  EXPECT_EQ(code(Bearer("ann"), good.substr(0, 9)), "invalid_argument");
  EXPECT_EQ(code(Bearer("ann"), ""), "invalid_argument");
  EXPECT_EQ(code(Bearer("ann"), good + good), "invalid_argument");
  EXPECT_EQ(code(Bearer("ann"), Envelope(0, R"({"nope":1})")), "invalid_argument");
  EXPECT_EQ(code(Bearer("ann"), Envelope(kCompressed, "x")), "invalid_argument");
  EXPECT_EQ(code(Bearer("ann") + "Connect-Content-Encoding: br\r\n", good), "unimplemented");
  EXPECT_EQ(code(Bearer("ann") + "Content-Encoding: gzip\r\n", good), "unimplemented");
  EXPECT_EQ(code(Bearer("ann") + "Connect-Timeout-Ms: x\r\n", good), "invalid_argument");
}

// The RPC is not read faster than the client reads; when that goes away, the RPC ends.
TEST_F(HttpEdgeTest, HoldsAStreamBackAndEndsIt) {
  std::atomic<int> written{0};
  absl::Notification ended;
  watch = [&](const QueryCall&, const v1::WatchCommitsRequest&, StreamWriter& writer) {
    v1::WatchCommitsResponse message;
    message.mutable_commit()->set_reason(std::string(100 << 10, 'a'));
    absl::Status status;
    while (status.ok()) {
      status = writer.Write(message);
      ++written;
    }
    ended.Notify();
    return status;
  };
  StartEdge();
  HttpClient client(port());
  client.ReadSlowly();
  client.Send(HttpRequest("POST", kWatch,
                          "Content-Type: application/connect+proto\r\n" + Bearer("ann"),
                          Envelope(0, WatchRequest().SerializeAsString())));
  EXPECT_EQ(client.ReadHead().status, 200);
  // It stands still once the system's buffers are full: 100 MB would be read without backpressure.
  int before = -1;
  while (written != before) {
    before = written;
    absl::SleepFor(absl::Milliseconds(200));
  }
  EXPECT_LT(written, 1000);
  client.Close();
  EXPECT_TRUE(ended.WaitForNotificationWithTimeout(absl::Seconds(20)));
}

TEST_F(HttpEdgeTest, EndsStreamsWhenItDrains) {
  absl::Notification begun;
  watch = [&](const QueryCall&, const v1::WatchCommitsRequest&, StreamWriter& writer) {
    begun.Notify();
    while (writer.Alive().ok()) absl::SleepFor(absl::Milliseconds(1));
    return writer.Alive();
  };
  StartEdge();
  HttpClient client(port());
  client.Send(HttpRequest("POST", kWatch,
                          "Content-Type: application/connect+json\r\n" + Bearer("ann"),
                          Envelope(0, R"({"parent":"tenants/acme"})")));
  begun.WaitForNotification();
  rpc_->Drain();
  edge_->Stop(absl::Now() + absl::Seconds(20));
  json end;
  Messages(client.Read().body, end);
  EXPECT_EQ(end["error"]["code"], "unavailable");
}

}  // namespace
}  // namespace retrace::server::http
