// What one connection, and many of them, may do to the HTTP server: each bad input is answered as
// stated, and what comes after is served as before.
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "server/http/server.h"
#include "server/http/static_files.h"
#include "tests/support/http_client.h"
#include "tests/support/temp_directory.h"

namespace retrace::server::http {
namespace {

using ::testing::HasSubstr;
using testing::HttpClient;
using testing::HttpReply;
using testing::HttpRequest;

// More than the system takes of one connection.
constexpr size_t kLarge = 16 << 20;

// Answers with what it was asked; /hold waits until the test lets go.
class HttpServerTest : public ::testing::Test {
 protected:
  void Start(Limits limits = {}, ServerOptions options = {}) {
    options.addresses = {"127.0.0.1:0"};
    options.socket = directory_.Below("http.sock");
    options.limits = limits;
    auto server = Server::Start(std::move(options), [this](ExchangePtr exchange) {
      const Request& request = exchange->request();
      if (request.path == "/hold") {
        absl::MutexLock lock(&mutex_);
        exchange->OnGone([this] { gone_.Notify(); });
        held_.push_back(std::move(exchange));
      } else if (request.path == "/drop") {
        return;
      } else if (request.path == "/large" && !exchange->HasRoomFor(kLarge)) {
        exchange->Send(ErrorReply(503, "unavailable", "There is no room."));
      } else if (request.path == "/large" || request.path == "/done") {
        exchange->Send(TextReply(200, std::string(kLarge, 'x')));
      } else if (request.path.ends_with(".txt")) {
        StaticFiles(directory_.path()).Answer(exchange);
      } else if (request.path == "/endless") {
        exchange->Begin(TextReply(200, ""));
        WriteForEver(exchange);
      } else {
        exchange->Send(TextReply(
            200, request.method + " " + request.path + "?" + request.query + " " + request.body));
      }
    });
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  void WriteForEver(const ExchangePtr& exchange) {
    exchange->Write(std::string(64 << 10, 'x'), [this, exchange](bool ok) {
      if (ok) {
        WriteForEver(exchange);
      } else {
        gone_.Notify();
      }
    });
  }
  int port() const { return server_->ports().front(); }
  ExchangePtr AwaitHeld() {
    const auto any = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !held_.empty(); };
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(&any));
    ExchangePtr exchange = std::move(held_.back());
    held_.pop_back();
    return exchange;
  }
  // The status of a refusal, whose body says the same; the connection ends behind it.
  static int Refusal(HttpClient& client) {
    const HttpReply reply = client.Read();
    EXPECT_EQ(reply.headers.count("content-type") > 0 ? reply.headers.at("content-type") : "",
              "application/json");
    EXPECT_EQ(reply.headers.count("connection") > 0 ? reply.headers.at("connection") : "", "close");
    EXPECT_FALSE(nlohmann::json::parse(reply.body, nullptr, false).value("message", "").empty());
    client.EndSending();
    EXPECT_TRUE(client.ReadsEnd());
    return reply.status;
  }
  int RefusalOf(std::string_view bytes) {
    HttpClient client(port());
    client.Send(bytes);
    return Refusal(client);
  }
  void ExpectServes() {
    EXPECT_EQ(HttpClient(port()).Call(HttpRequest("GET", "/after")).body, "GET /after? ");
  }

  testing::TempDirectory directory_;
  absl::Notification gone_;
  absl::Mutex mutex_;
  std::vector<ExchangePtr> held_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Server> server_;
};

TEST_F(HttpServerTest, ServesOneRequestAfterTheOther) {
  Start();
  HttpClient client(port());
  EXPECT_EQ(client.Call(HttpRequest("GET", "/a?b=c")).body, "GET /a?b=c ");
  const HttpReply posted = client.Call(HttpRequest("POST", "/p", "", "body"));
  EXPECT_EQ(posted.body, "POST /p? body");
  EXPECT_EQ(posted.headers.at("connection"), "keep-alive");
  client.Send(HttpRequest("HEAD", "/h"));
  const HttpReply head = client.Read(true);
  EXPECT_EQ(head.headers.at("content-length"), "9");
  EXPECT_EQ(client.Call(HttpRequest("GET", "/z")).body, "GET /z? ");
  client.Send(HttpRequest("HEAD", "/h"));
  client.Read(true);
  client.Send("hello\r\n\r\n");
  EXPECT_EQ(Refusal(client), 400) << "without the words that its length tells";
}

TEST_F(HttpServerTest, ReadsChunksAndTellsToContinue) {
  Start();
  HttpClient client(port());
  EXPECT_EQ(client
                .Call("POST /c HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                      "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n")
                .body,
            "POST /c? abcde");
  client.Send("POST /e HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n");
  EXPECT_EQ(client.Read().status, 100);
  EXPECT_EQ(client.Call("ok").body, "POST /e? ok");
}

TEST_F(HttpServerTest, ServesTheUnixSocketAndOldClients) {
  Start();
  HttpClient local(directory_.Below("http.sock"));
  EXPECT_EQ(local.Call(HttpRequest("GET", "/u")).body, "GET /u? ");
  HttpClient old(port());
  const HttpReply reply = old.Call("GET /old HTTP/1.0\r\n\r\n");
  EXPECT_EQ(reply.body, "GET /old? ");
  EXPECT_EQ(reply.headers.at("connection"), "close");
}

TEST_F(HttpServerTest, RefusesWhatIsNoRequest) {
  Start();
  EXPECT_EQ(RefusalOf("hello\r\n\r\n"), 400);
  EXPECT_EQ(RefusalOf("GET /a HTTP/1.1\r\n\r\n"), 400);            // no Host
  EXPECT_EQ(RefusalOf("GET a HTTP/1.1\r\nHost: a\r\n\r\n"), 400);  // no path
  EXPECT_EQ(RefusalOf("GET /a HTTP/1.1\r\nHost: a\r\nB\x01: c\r\n\r\n"), 400);
  EXPECT_EQ(RefusalOf("GET /a HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"), 400);
  EXPECT_EQ(RefusalOf(HttpRequest("GET", "/a", "Authorization: a\r\nAuthorization: b\r\n")), 400);
  EXPECT_EQ(RefusalOf("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 505);
  EXPECT_EQ(RefusalOf(HttpRequest("GET", "/a", "Expect: tea\r\n")), 417);
  ExpectServes();
}

// Two lengths for one body are two requests to whoever stands in front.
TEST_F(HttpServerTest, RefusesBodiesOfTwoLengths) {
  Start();
  EXPECT_EQ(RefusalOf("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n"
                      "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            400);
  EXPECT_EQ(RefusalOf("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n"
                      "\r\nabcd"),
            400);
  EXPECT_EQ(RefusalOf("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n"
                      "\r\nabc"),
            400);
  EXPECT_EQ(RefusalOf("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: -3\r\n\r\nabc"), 400);
  EXPECT_EQ(RefusalOf("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n"),
            501);
  EXPECT_EQ(RefusalOf("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n"),
            501);
  EXPECT_EQ(RefusalOf("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n"),
            400);
  ExpectServes();
}

TEST_F(HttpServerTest, RefusesTooMuchOfAHeader) {
  Start();
  std::string headers;
  for (int i = 0; i < 100; ++i) headers += "X-" + std::to_string(i) + ": a\r\n";
  EXPECT_EQ(RefusalOf(HttpRequest("GET", "/a", headers)), 431);
  EXPECT_EQ(RefusalOf(HttpRequest("GET", "/" + std::string(9000, 'a'))), 431);
  EXPECT_EQ(RefusalOf(HttpRequest("GET", "/a", "X: " + std::string(9000, 'a') + "\r\n")), 431);
  EXPECT_EQ(RefusalOf("GET /a HTTP/1.1\r\nHost: a\r\n" + std::string(20'000, 'a')), 431);
  ExpectServes();
}

// The parser forgets whole lines that it has taken: those that come one by one are counted here.
TEST_F(HttpServerTest, CountsAHeaderThatComesInPieces) {
  Start();
  HttpClient client(port());
  bool taken = client.Send("GET /a HTTP/1.1\r\nHost: a\r\n");
  for (int i = 0; i < 40 && taken; ++i) {
    absl::SleepFor(absl::Milliseconds(5));  // so that it is read by itself
    taken = client.Send("X-" + std::to_string(i) + ": " + std::string(500, 'a') + "\r\n");
  }
  EXPECT_EQ(Refusal(client), 431);
}

TEST_F(HttpServerTest, RefusesBodiesThatAreTooLarge) {
  Start({.body_bytes = 1000, .ahead_bytes = 2000});
  const std::string fits(1000, 'a');
  EXPECT_EQ(HttpClient(port()).Call(HttpRequest("POST", "/f", "", fits)).status, 200);
  EXPECT_EQ(RefusalOf(HttpRequest("POST", "/a", "", fits + "a")), 413);
  // Also one of which more arrives with the header than a header may have.
  EXPECT_EQ(RefusalOf(HttpRequest("POST", "/a", "", std::string(20'000, 'a'))), 413);
  EXPECT_EQ(RefusalOf("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999\r\n\r\n"),
            413);
  EXPECT_EQ(RefusalOf("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                      "3e8\r\n" +
                      fits + "\r\n1\r\na\r\n0\r\n\r\n"),
            413);
  EXPECT_EQ(RefusalOf("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                      "1;" +
                      std::string(5000, 'x')),
            431);
  ExpectServes();
}

TEST_F(HttpServerTest, RefusesMoreBodiesThanItHolds) {
  Start({.all_body_bytes = 1500});
  HttpClient first(port());
  first.Send(HttpRequest("POST", "/hold", "", std::string(1000, 'a')));
  ExchangePtr held = AwaitHeld();
  EXPECT_EQ(RefusalOf(HttpRequest("POST", "/a", "", std::string(1000, 'a'))), 503);
  held->Send(TextReply(200, "held"));
  held.reset();
  EXPECT_EQ(first.Read().body, "held");
  EXPECT_EQ(first.Call(HttpRequest("POST", "/a", "", std::string(1000, 'a'))).status, 200);
}

// A body is there for as long as somebody works on it, whether its client waits or not.
TEST_F(HttpServerTest, CountsBodiesOfClientsThatWentAway) {
  Start({.all_body_bytes = 1500});
  HttpClient first(port());
  first.Send(HttpRequest("POST", "/hold", "", std::string(1000, 'a')));
  ExchangePtr held = AwaitHeld();
  first.Close();
  EXPECT_TRUE(gone_.WaitForNotificationWithTimeout(absl::Seconds(20)));
  EXPECT_EQ(RefusalOf(HttpRequest("POST", "/a", "", std::string(1000, 'a'))), 503);
  held.reset();
  EXPECT_EQ(HttpClient(port()).Call(HttpRequest("POST", "/a", "", std::string(1000, 'a'))).status,
            200);
}

TEST_F(HttpServerTest, RefusesMoreLargeRepliesThanItHolds) {
  Start({.all_body_bytes = kLarge + (1 << 20)});
  HttpClient slow(port());
  slow.ReadSlowly();
  slow.Send(HttpRequest("GET", "/large"));
  EXPECT_EQ(slow.ReadHead().status, 200);
  EXPECT_EQ(HttpClient(port()).Call(HttpRequest("GET", "/large")).status, 503);
  EXPECT_EQ(HttpClient(port()).Call(HttpRequest("GET", "/done")).body.size(), kLarge)
      << "what was done is not denied";
  ExpectServes();
  slow.Close();
  while (server_->counts().connections > 0) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_EQ(HttpClient(port()).Call(HttpRequest("GET", "/large")).body.size(), kLarge);
}

TEST_F(HttpServerTest, SendsLargeFilesPieceByPiece) {
  // Less than the file: it is never held whole.
  Start({.all_body_bytes = 1 << 20});
  std::string bytes;
  for (int i = 0; bytes.size() < 3'000'000; ++i) bytes += std::to_string(i);
  std::ofstream(directory_.Below("large.txt")) << bytes;
  std::ofstream(directory_.Below("empty.txt")) << "";
  HttpClient client(port());
  client.Send(HttpRequest("HEAD", "/large.txt"));
  EXPECT_EQ(client.Read(true).headers.at("content-length"), std::to_string(bytes.size()));
  const HttpReply reply = client.Call(HttpRequest("GET", "/large.txt"));
  EXPECT_EQ(reply.headers.at("connection"), "keep-alive");
  EXPECT_TRUE(reply.body == bytes);
  EXPECT_EQ(client.Call(HttpRequest("GET", "/empty.txt")).body, "");
  EXPECT_EQ(client.Call(HttpRequest("GET", "/a")).status, 200);
}

TEST_F(HttpServerTest, AnswersHalfABody) {
  Start();
  HttpClient client(port());
  client.Send("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhalf");
  client.EndSending();
  EXPECT_EQ(client.Read().status, 400);
  ExpectServes();
}

TEST_F(HttpServerTest, AnswersSlowHeadersAndBodies) {
  Start({.header_time = absl::Milliseconds(50), .body_time = absl::Milliseconds(50)});
  EXPECT_EQ(RefusalOf("GET /a HTTP/1.1\r\nHo"), 408);
  EXPECT_EQ(RefusalOf("POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nslow"), 408);
  EXPECT_EQ(RefusalOf("POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"),
            408);
  ExpectServes();
}

// Slowloris: a byte now and then does not make a header's time longer.
TEST_F(HttpServerTest, IsNotHeldByDrops) {
  Start({.header_time = absl::Milliseconds(200)});
  HttpClient client(port());
  client.Send("GET /a HTTP/1.1\r\nHost: a\r\n");
  for (int i = 0; i < 50 && client.Send("X: a\r\n"); ++i) {
    absl::SleepFor(absl::Milliseconds(10));
  }
  EXPECT_EQ(Refusal(client), 408);
}

TEST_F(HttpServerTest, ClosesIdleConnectionsWithoutAWord) {
  Start({.idle_time = absl::Milliseconds(500)});
  HttpClient silent(port());
  EXPECT_TRUE(silent.ReadsEnd());
  HttpClient client(port());
  EXPECT_EQ(client.Call(HttpRequest("GET", "/a")).status, 200);
  EXPECT_TRUE(client.ReadsEnd());
}

TEST_F(HttpServerTest, AnswersPipelinedRequestsInOrder) {
  Start({.ahead_bytes = 4 << 10});
  HttpClient client(port());
  client.Send(HttpRequest("GET", "/hold"));
  const ExchangePtr held = AwaitHeld();
  // More than is read ahead: the rest waits in the system until its turn.
  std::string many;
  for (int i = 0; i < 500; ++i) many += HttpRequest("GET", "/" + std::to_string(i));
  EXPECT_TRUE(client.Send(many));
  held->Send(TextReply(200, "held"));
  EXPECT_EQ(client.Read().body, "held");
  for (int i = 0; i < 500; ++i) {
    ASSERT_EQ(client.Read().body, "GET /" + std::to_string(i) + "? ");
  }
}

// What is read ahead while a request is answered never lands behind what was read before.
TEST_F(HttpServerTest, AnswersWhatFollowsOnTwoAtOnce) {
  Start();
  HttpClient client(port());
  for (int i = 0; i < 20; ++i) {
    client.Send(HttpRequest("GET", "/first") + HttpRequest("GET", "/second"));
    ASSERT_EQ(client.Read().body, "GET /first? ");
    ASSERT_EQ(client.Read().body, "GET /second? ");
    ASSERT_EQ(client.Call(HttpRequest("GET", "/third?a=b")).body, "GET /third?a=b ");
  }
}

// The next request may come before the server knows that its answer was written.
TEST_F(HttpServerTest, AnswersEachRequestOfManyConnections) {
  Start();
  std::vector<std::thread> clients;
  for (int c = 0; c < 3; ++c) {
    clients.emplace_back([this] {
      HttpClient client(port());
      for (int i = 0; i < 3000; ++i) {
        const std::string path = i % 2 == 0 ? "/even" : "/an-odd-one";
        ASSERT_EQ(client.Call(HttpRequest("GET", path)).body, "GET " + path + "? ") << i;
      }
    });
  }
  for (std::thread& client : clients) client.join();
}

TEST_F(HttpServerTest, TellsWhenTheClientGoesAway) {
  Start();
  HttpClient client(port());
  client.Send(HttpRequest("GET", "/hold"));
  const ExchangePtr held = AwaitHeld();
  client.Close();
  EXPECT_TRUE(gone_.WaitForNotificationWithTimeout(absl::Seconds(20)));
  held->Send(TextReply(200, "nobody reads it"));
  ExpectServes();
}

TEST_F(HttpServerTest, AnswersForAHandlerThatDoesNot) {
  Start();
  HttpClient client(port());
  EXPECT_EQ(client.Call(HttpRequest("GET", "/drop")).status, 500);
  EXPECT_EQ(client.Call(HttpRequest("GET", "/a")).status, 200);
}

// The server keeps one piece of a stream at a time, and gives up a client that takes nothing.
TEST_F(HttpServerTest, GivesUpWhoDoesNotRead) {
  Start({.write_time = absl::Milliseconds(100)});
  HttpClient client(port());
  client.ReadSlowly();
  client.Send(HttpRequest("GET", "/endless"));
  EXPECT_TRUE(gone_.WaitForNotificationWithTimeout(absl::Seconds(20)));
  ExpectServes();
}

TEST_F(HttpServerTest, RefusesConnectionsAboveTheBound) {
  Start({.connections = 3});
  std::vector<std::unique_ptr<HttpClient>> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(std::make_unique<HttpClient>(port()));
    EXPECT_EQ(clients.back()->Call(HttpRequest("GET", "/a")).status, 200);
  }
  HttpClient fourth(port());
  const HttpReply refused = fourth.Read();
  EXPECT_EQ(refused.status, 503);
  EXPECT_EQ(refused.headers.at("retry-after"), "1");
  EXPECT_EQ(server_->counts().refused_connections, 1u);
  clients.front()->Close();
  // The place is free once the server has seen the end.
  while (server_->counts().connections > 3) absl::SleepFor(absl::Milliseconds(1));
  while (HttpClient(port()).Call(HttpRequest("GET", "/a")).status != 200) {
  }
}

TEST_F(HttpServerTest, BoundsConnectionsOfOneAddress) {
  Start({.connections_of_address = 2});
  HttpClient first(port());
  HttpClient second(port());
  EXPECT_EQ(first.Call(HttpRequest("GET", "/a")).status, 200);
  EXPECT_EQ(second.Call(HttpRequest("GET", "/a")).status, 200);
  EXPECT_EQ(HttpClient(port()).Read().status, 503);
  // The unix socket has no address.
  EXPECT_EQ(HttpClient(directory_.Below("http.sock")).Call(HttpRequest("GET", "/a")).status, 200);
}

TEST_F(HttpServerTest, DoesNotBoundTrustedProxies) {
  ServerOptions options;
  options.trusted_proxies = *Proxies::Parse({"127.0.0.0/8"});
  Start({.connections_of_address = 1}, std::move(options));
  HttpClient first(port());
  EXPECT_EQ(first.Call(HttpRequest("GET", "/a")).status, 200);
  ExpectServes();
}

TEST_F(HttpServerTest, DrainsWhatIsUnderWay) {
  Start();
  HttpClient idle(port());
  EXPECT_EQ(idle.Call(HttpRequest("GET", "/a")).status, 200);
  HttpClient half(port());
  half.Send("POST /a HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 10\r\n\r\n");
  EXPECT_EQ(half.Read().status, 100);
  HttpClient busy(port());
  busy.Send(HttpRequest("GET", "/hold"));
  ExchangePtr held = AwaitHeld();
  std::thread stopping([&] { server_->Stop(absl::Now() + absl::Seconds(20)); });
  EXPECT_TRUE(idle.ReadsEnd());
  EXPECT_EQ(Refusal(half), 503);
  held->Send(TextReply(200, "held"));
  held.reset();
  const HttpReply last = busy.Read();
  EXPECT_EQ(last.body, "held");
  EXPECT_EQ(last.headers.at("connection"), "close");
  busy.EndSending();
  stopping.join();
  EXPECT_FALSE(HttpClient(port()).connected());
}

TEST_F(HttpServerTest, CutsAtTheDeadline) {
  Start();
  HttpClient client(port());
  client.Send(HttpRequest("GET", "/hold"));
  ExchangePtr held = AwaitHeld();
  std::thread stopping([&] { server_->Stop(absl::Now()); });
  EXPECT_TRUE(gone_.WaitForNotificationWithTimeout(absl::Seconds(20)));
  held.reset();
  stopping.join();
  EXPECT_TRUE(client.ReadsEnd());
}

TEST_F(HttpServerTest, TakesNoFilesPlaceForItsSocket) {
  ServerOptions options;
  options.socket = directory_.Below("precious");
  std::ofstream(options.socket) << "kept";
  const auto server = Server::Start(options, [](const ExchangePtr&) {});
  EXPECT_THAT(std::string(server.status().message()), HasSubstr("precious"));
  std::string kept;
  std::ifstream(options.socket) >> kept;
  EXPECT_EQ(kept, "kept");
}

TEST_F(HttpServerTest, NeedsItsAddress) {
  Start();
  ServerOptions options;
  options.addresses = {"127.0.0.1:" + std::to_string(port())};
  EXPECT_TRUE(absl::IsUnavailable(Server::Start(options, [](const ExchangePtr&) {}).status()));
  options.addresses = {"nonsense"};
  const auto nonsense = Server::Start(options, [](const ExchangePtr&) {});
  EXPECT_THAT(std::string(nonsense.status().message()), HasSubstr("nonsense"));
}

}  // namespace
}  // namespace retrace::server::http
