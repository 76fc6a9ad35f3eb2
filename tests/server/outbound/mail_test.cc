// Mail on its way to a real mail server.
#include <fmt/format.h>

#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/outbound/outbound_fixture.h"

namespace retrace::server {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

std::unique_ptr<JsonLines> StartMailServer(std::vector<std::string> arguments = {}) {
  // Debian's interpreter, for which Debian's python3-aiosmtpd is.
  arguments.insert(arguments.begin(), {"/usr/bin/python3", HelperFile("mail_server.py")});
  return std::make_unique<JsonLines>(arguments);
}

OutboxOptions OptionsFor(int port) {
  OutboxOptions options;
  options.mail.url = fmt::format("smtp://localhost:{}/crm.test", port);
  options.mail.tls = MailTls::kNever;
  options.mail.sender.from = {"销售系统", "crm@example.com"};
  options.resolve = {fmt::format("localhost:{}:127.0.0.1", port)};
  return options;
}

OutgoingMail MailTo(const std::string& address) {
  OutgoingMail mail;
  mail.to = {"王小明", address};
  mail.subject = "您负责的 3 个客户已被删除：北京华信科技有限公司、上海远洋贸易有限公司 等";
  mail.text = "原因：合同到期\n.\n..a line that begins with dots\n" + std::string(2000, '=') + "\n";
  mail.html = "<p>原因：<b>合同到期</b></p>";
  mail.time_us = 1'800'000'000'000'000;
  mail.message_id = "n1.a1@crm.example.com";
  mail.unsubscribe_url = "https://crm.example.com/u/abc";
  return mail;
}

class MailTest : public ::testing::Test {
 protected:
  SendResult Send(const OutboxOptions& options, const OutgoingMail& mail) {
    Results results;
    Outbox outbox(options);
    outbox.Send(mail, results.Take());
    return results.Await();
  }

  testing::TempDirectory directory_;
};

TEST_F(MailTest, ArrivesIntact) {
  const auto server = StartMailServer();
  const OutgoingMail mail = MailTo("xiaoming@example.com");
  const SendResult result = Send(OptionsFor(server->port()), mail);
  EXPECT_EQ(result.kind, SendResult::kSent) << result.detail;
  EXPECT_EQ(result.code, 250);
  const nlohmann::json taken = server->Next();
  EXPECT_EQ(taken["subject"], mail.subject);
  EXPECT_EQ(taken["from_name"], "销售系统");
  EXPECT_EQ(taken["to_name"], "王小明");
  EXPECT_EQ(taken["to_address"], "xiaoming@example.com");
  EXPECT_EQ(taken["text"], mail.text);
  EXPECT_EQ(taken["html"], mail.html + "\n");
  EXPECT_EQ(taken["message_id"], "<n1.a1@crm.example.com>");
  EXPECT_EQ(taken["auto_submitted"], "auto-generated");
  EXPECT_EQ(taken["list_unsubscribe"], "<https://crm.example.com/u/abc>");
  EXPECT_EQ(taken["list_unsubscribe_post"], "List-Unsubscribe=One-Click");
  EXPECT_EQ(taken["mail_from"], "crm@example.com");
  EXPECT_EQ(taken["rcpt_to"], nlohmann::json({"xiaoming@example.com"}));
  EXPECT_EQ(taken["hello"], "crm.test");
  EXPECT_EQ(taken["defects"], nlohmann::json::array());
  EXPECT_LE(taken["longest_line"], 78);
  EXPECT_EQ(taken["bare_line_ends"], 0);
}

TEST_F(MailTest, NoValueBeginsAHeaderOrACommand) {
  const auto server = StartMailServer();
  OutgoingMail mail = MailTo("ann@example.com");
  mail.subject = "hello\r\nBcc: evil@example.com";
  mail.to.name = "Ann\r\nBcc: evil@example.com";
  EXPECT_EQ(Send(OptionsFor(server->port()), mail).kind, SendResult::kSent);
  const nlohmann::json taken = server->Next();
  EXPECT_THAT(taken["headers"].get<std::vector<std::string>>(), Not(Contains("Bcc")));
  EXPECT_EQ(taken["rcpt_to"].size(), 1u);
  const SendResult refused =
      Send(OptionsFor(server->port()), MailTo("ann@example.com>\r\nRCPT TO:<evil@example.com"));
  EXPECT_EQ(refused.kind, SendResult::kRefused);
  EXPECT_THAT(refused.detail, Not(HasSubstr("evil")));
}

TEST_F(MailTest, TellsWhatTheServerSays) {
  const auto server = StartMailServer();
  Results results;
  Outbox outbox(OptionsFor(server->port()));
  const auto send = [&](const std::string& local) {
    outbox.Send(MailTo(local + "@example.com"), results.Take());
    return results.Await();
  };
  const SendResult nobody = send("nobody");
  EXPECT_EQ(nobody.kind, SendResult::kRefused);
  EXPECT_EQ(nobody.code, 550);
  EXPECT_EQ(nobody.detail, "the mail server refused the recipient: 550 5.1.1");
  EXPECT_EQ(send("plain").detail, "the mail server refused the recipient: 550");
  const SendResult busy = send("busy");
  EXPECT_EQ(busy.kind, SendResult::kRetry);
  EXPECT_EQ(busy.code, 451);
  for (const auto& [local, kind, code] :
       {std::tuple("toolarge", SendResult::kRefused, 552),
        std::tuple("spam", SendResult::kRefused, 554), std::tuple("later", SendResult::kRetry, 452),
        std::tuple("closing", SendResult::kRetry, 421)}) {
    const SendResult result = send(local);
    EXPECT_EQ(result.kind, kind) << local;
    EXPECT_EQ(result.code, code) << local;
    EXPECT_THAT(result.detail, HasSubstr("refused the message")) << local;
  }
  // After all that the next one arrives.
  EXPECT_EQ(send("ann").kind, SendResult::kSent);
}

TEST_F(MailTest, DoesNotKnowWhenTheAnswerIsLost) {
  const auto server = StartMailServer();
  const SendResult result = Send(OptionsFor(server->port()), MailTo("vanish@example.com"));
  EXPECT_EQ(result.kind, SendResult::kUnknown);
  EXPECT_EQ(result.code, 0);
  OutboxOptions hasty = OptionsFor(server->port());
  hasty.total_timeout = absl::Seconds(5);
  const SendResult slow = Send(hasty, MailTo("slow@example.com"));
  EXPECT_EQ(slow.kind, SendResult::kUnknown);
  EXPECT_THAT(slow.detail, HasSubstr("answer lost"));
}

TEST_F(MailTest, TriesAgainWhatWasNeverSent) {
  SendResult result = Send(OptionsFor(ClosedPort()), MailTo("ann@example.com"));
  EXPECT_EQ(result.kind, SendResult::kRetry);
  EXPECT_THAT(result.detail, HasSubstr("not sent"));
  OutboxOptions off = OptionsFor(1);
  off.mail.url.clear();
  EXPECT_EQ(Send(off, MailTo("ann@example.com")).kind, SendResult::kRetry);
  // What is wrong with ourselves can be mended.
  const auto server = StartMailServer();
  OutboxOptions unwanted = OptionsFor(server->port());
  unwanted.mail.sender.from.address = "unwanted@example.com";
  result = Send(unwanted, MailTo("ann@example.com"));
  EXPECT_EQ(result.kind, SendResult::kRetry);
  EXPECT_EQ(result.detail, "the mail server refused the sender: 550 5.7.1");
}

TEST_F(MailTest, UsesTlsAsItIsTold) {
  const Certificate good = MakeCertificate(directory_, "good");
  const Certificate other = MakeCertificate(directory_, "other");
  const auto secure =
      StartMailServer({"--certificate", good.file, "--key", good.key, "--require-tls"});
  OutboxOptions options = OptionsFor(secure->port());
  options.mail.tls = MailTls::kRequired;
  options.mail.ca_file = good.file;
  EXPECT_EQ(Send(options, MailTo("ann@example.com")).kind, SendResult::kSent);
  EXPECT_EQ(secure->Next()["tls"], true);
  options.mail.tls = MailTls::kIfOffered;
  EXPECT_EQ(Send(options, MailTo("ann@example.com")).kind, SendResult::kSent);
  EXPECT_EQ(secure->Next()["tls"], true);
  for (const MailTls tls : {MailTls::kRequired, MailTls::kIfOffered}) {
    options.mail.tls = tls;
    options.mail.ca_file = other.file;
    const SendResult stranger = Send(options, MailTo("ann@example.com"));
    EXPECT_EQ(stranger.kind, SendResult::kRetry);
    EXPECT_THAT(stranger.detail, HasSubstr("certificate"));
  }
  const auto plain = StartMailServer();
  options = OptionsFor(plain->port());
  options.mail.tls = MailTls::kRequired;
  EXPECT_EQ(Send(options, MailTo("ann@example.com")).kind, SendResult::kRetry);
  options.mail.tls = MailTls::kIfOffered;
  EXPECT_EQ(Send(options, MailTo("ann@example.com")).kind, SendResult::kSent);
  EXPECT_EQ(plain->Next()["tls"], false);
}

TEST_F(MailTest, SignsIn) {
  const Certificate certificate = MakeCertificate(directory_, "good");
  const auto server = StartMailServer(
      {"--certificate", certificate.file, "--key", certificate.key, "--require-user"});
  OutboxOptions options = OptionsFor(server->port());
  options.mail.tls = MailTls::kRequired;
  options.mail.ca_file = certificate.file;
  const SendResult stranger = Send(options, MailTo("ann@example.com"));
  EXPECT_EQ(stranger.kind, SendResult::kRetry);
  EXPECT_EQ(stranger.code, 530);
  options.mail.user = "retrace";
  options.mail.password = "wrong";
  const SendResult wrong = Send(options, MailTo("ann@example.com"));
  EXPECT_EQ(wrong.kind, SendResult::kRetry);
  EXPECT_EQ(wrong.code, 535);
  EXPECT_THAT(wrong.detail, HasSubstr("our signing in"));
  options.mail.password = "secret";
  EXPECT_EQ(Send(options, MailTo("ann@example.com")).kind, SendResult::kSent);
  EXPECT_EQ(server->Next()["user"], "retrace");
}

TEST_F(MailTest, WritesInternationalAddresses) {
  const auto old = StartMailServer();
  EXPECT_EQ(Send(OptionsFor(old->port()), MailTo("ann@例子.公司")).kind, SendResult::kSent);
  EXPECT_EQ(old->Next()["rcpt_to"], nlohmann::json({"ann@xn--fsqu00a.xn--55qx5d"}));
  const SendResult refused = Send(OptionsFor(old->port()), MailTo("用户@例子.公司"));
  EXPECT_EQ(refused.kind, SendResult::kRefused);
  EXPECT_THAT(refused.detail, HasSubstr("ASCII"));
  const auto modern = StartMailServer({"--utf8"});
  EXPECT_EQ(Send(OptionsFor(modern->port()), MailTo("用户@例子.公司")).kind, SendResult::kSent);
  const nlohmann::json taken = modern->Next();
  EXPECT_THAT(taken["options"].get<std::vector<std::string>>(), Contains("SMTPUTF8"));
  EXPECT_EQ(taken["rcpt_to"], nlohmann::json({"用户@xn--fsqu00a.xn--55qx5d"}));
}

TEST_F(MailTest, KeepsItsConnections) {
  const auto server = StartMailServer();
  OutboxOptions options = OptionsFor(server->port());
  options.mails_at_once = 1;
  Results results;
  Outbox outbox(options);
  std::vector<int> peers;
  for (int i = 0; i < 5; ++i) outbox.Send(MailTo("ann@example.com"), results.Take());
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(results.Await().kind, SendResult::kSent);
    peers.push_back(server->Next()["peer"]);
  }
  EXPECT_THAT(peers, ::testing::Each(peers.front()));
}

TEST_F(MailTest, ASlowMailDoesNotDelayOthers) {
  const auto server = StartMailServer();
  Results slow;
  Results results;
  {
    Outbox outbox(OptionsFor(server->port()));
    outbox.Send(MailTo("slow@example.com"), slow.Take());
    EXPECT_EQ(server->Next()["waiting"], "slow@example.com");
    outbox.Send(MailTo("ann@example.com"), results.Take());
    EXPECT_EQ(results.Await().kind, SendResult::kSent);
    EXPECT_EQ(slow.size(), 0u);
  }
  // Broken off while the server had all of it.
  EXPECT_EQ(slow.Await().kind, SendResult::kUnknown);
}

TEST_F(MailTest, DropsWhatWaitsWhenItStops) {
  const auto server = StartMailServer();
  OutboxOptions options = OptionsFor(server->port());
  options.mails_at_once = 1;
  Results slow;
  Results waiting;
  {
    Outbox outbox(options);
    outbox.Send(MailTo("slow@example.com"), slow.Take());
    outbox.Send(MailTo("ann@example.com"), waiting.Take());
    EXPECT_EQ(server->Next()["waiting"], "slow@example.com");
  }
  EXPECT_EQ(slow.Await().kind, SendResult::kUnknown);
  EXPECT_EQ(waiting.Await().kind, SendResult::kRetry);
}

}  // namespace
}  // namespace retrace::server
