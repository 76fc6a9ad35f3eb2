// What is sent, byte by byte; and when it is sent again.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/outbound/mail_message.h"
#include "server/outbound/mime_text.h"
#include "server/outbound/retry_schedule.h"
#include "server/outbound/webhook_message.h"

namespace retrace::server {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kHour = 3600 * kSecond;

OutgoingMail Mail() {
  OutgoingMail mail;
  mail.to = {"Ann Lee", "ann@example.com"};
  mail.subject = "3 customers deleted";
  mail.text = "Hello\n";
  mail.html = "<p>Hello</p>";
  mail.time_us = 1'800'000'000 * kSecond;
  mail.message_id = "n1.a1@crm.example.com";
  return mail;
}

MailSender Sender() { return {{"Retrace", "crm@example.com"}, std::nullopt}; }

std::string HeadOf(const std::string& message) {
  return message.substr(0, message.find("\r\n\r\n") + 2);
}

TEST(MimeTextTest, KeepsShortAsciiAsItIs) {
  EXPECT_EQ(HeaderText("Subject", "3 customers deleted"), "3 customers deleted");
  EXPECT_EQ(HeaderPhrase("To", "Ann Lee"), "Ann Lee");
  EXPECT_EQ(HeaderPhrase("To", "Lee, Ann \"AL\""), "\"Lee, Ann \\\"AL\\\"\"");
  EXPECT_EQ(HeaderPhrase("To", ""), "");
}

// Decodes encoded words and checks their form.
std::string Decoded(const std::string& value) {
  std::string text;
  for (const absl::string_view word : absl::StrSplit(value, "\r\n ")) {
    EXPECT_LE(word.size(), 75u);
    EXPECT_TRUE(absl::StartsWith(word, "=?UTF-8?B?") && absl::EndsWith(word, "?=")) << word;
    std::string bytes;
    EXPECT_TRUE(absl::Base64Unescape(word.substr(10, word.size() - 12), &bytes));
    EXPECT_NE(static_cast<unsigned char>(bytes[0]) & 0xc0, 0x80) << "parted a character";
    text += bytes;
  }
  return text;
}

TEST(MimeTextTest, EncodesWholeCharacters) {
  std::string subject;
  for (int length = 1; length < 60; ++length) {
    subject += length % 7 == 0 ? "a" : length % 5 == 0 ? "😀" : "客";
    EXPECT_EQ(Decoded(HeaderText("Subject", subject)), subject);
    EXPECT_EQ(Decoded(HeaderPhrase("Reply-To", subject)), subject);
  }
  const std::string ascii(200, 'x');
  EXPECT_EQ(Decoded(HeaderText("Subject", ascii)), ascii);
  EXPECT_EQ(Decoded(HeaderText("Subject", "=?UTF-8?B?eA==?=")), "=?UTF-8?B?eA==?=");
}

TEST(MimeTextTest, MakesBlanksOfLineBreaks) {
  EXPECT_EQ(HeaderText("Subject", "a\r\nBcc: b@example.com"), "a  Bcc: b@example.com");
  EXPECT_EQ(HeaderPhrase("To", "a\nb\rc"), "a b c");
  EXPECT_EQ(Decoded(HeaderText("Subject", "客\r\n户")), "客  户");
}

TEST(MimeTextTest, QuotesForPrinting) {
  EXPECT_EQ(QuotedPrintable("a = b \nc\r\nd\te\t"), "a =3D b=20\r\nc\r\nd\te=09\r\n");
  EXPECT_EQ(QuotedPrintable("客"), "=E5=AE=A2\r\n");
  const std::string quoted = QuotedPrintable(std::string(300, 'x') + std::string(100, '='));
  for (const absl::string_view line : absl::StrSplit(quoted, "\r\n")) EXPECT_LE(line.size(), 76u);
}

TEST(MailMessageTest, IsTheSameEachTime) {
  const std::string message = *MessageText(Mail(), Sender());
  EXPECT_EQ(message, *MessageText(Mail(), Sender()));
  const std::string head = HeadOf(message);
  EXPECT_THAT(head, HasSubstr("Date: Fri, 15 Jan 2027 08:00:00 +0000\r\n"));
  EXPECT_THAT(head, HasSubstr("From: Retrace <crm@example.com>\r\n"));
  EXPECT_THAT(head, HasSubstr("To: Ann Lee <ann@example.com>\r\n"));
  EXPECT_THAT(head, HasSubstr("Message-ID: <n1.a1@crm.example.com>\r\n"));
  EXPECT_THAT(head, HasSubstr("Auto-Submitted: auto-generated\r\n"));
  EXPECT_THAT(head, Not(HasSubstr("List-Unsubscribe")));
  EXPECT_THAT(head, Not(HasSubstr("References")));
  EXPECT_THAT(head, Not(HasSubstr("Reply-To")));
}

TEST(MailMessageTest, TellsOfCorrectionsAndUnsubscribing) {
  OutgoingMail mail = Mail();
  mail.references = {"n0.a@crm.example.com", "n0.b@crm.example.com"};
  mail.unsubscribe_url = "https://crm.example.com/u/abc";
  MailSender sender = Sender();
  sender.reply_to = Mailbox{"销售", "sales@例子.公司"};
  const std::string head = HeadOf(*MessageText(mail, sender));
  EXPECT_THAT(head, HasSubstr("In-Reply-To: <n0.b@crm.example.com>\r\n"));
  EXPECT_THAT(head, HasSubstr("References: <n0.a@crm.example.com>\r\n <n0.b@crm.example.com>\r\n"));
  EXPECT_THAT(head, HasSubstr("List-Unsubscribe: <https://crm.example.com/u/abc>\r\n"));
  EXPECT_THAT(head, HasSubstr("List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"));
  EXPECT_THAT(head, HasSubstr("Reply-To: =?UTF-8?B?6ZSA5ZSu?= <sales@xn--fsqu00a.xn--55qx5d>\r\n"));
}

TEST(MailMessageTest, LetsNoValueBeginAHeader) {
  OutgoingMail mail = Mail();
  mail.subject = "a\r\nBcc: evil@example.com\r\n\r\nbody";
  mail.to.name = "Ann\r\nBcc: evil@example.com";
  const std::string head = HeadOf(*MessageText(mail, Sender()));
  EXPECT_THAT(head, Not(HasSubstr("\nBcc")));
  EXPECT_THAT(head, HasSubstr("\r\nContent-Type: multipart/alternative"));
  const auto refused = [](const std::function<void(OutgoingMail&)>& spoil) {
    OutgoingMail spoilt = Mail();
    spoil(spoilt);
    return MessageText(spoilt, Sender()).status().code() == absl::StatusCode::kInvalidArgument;
  };
  const std::string injected = "x@example.com\r\nBcc: y@example.com";
  EXPECT_TRUE(refused([&](OutgoingMail& bad) { bad.to.address = injected; }));
  EXPECT_TRUE(refused([&](OutgoingMail& bad) { bad.message_id = injected; }));
  EXPECT_TRUE(refused([&](OutgoingMail& bad) { bad.references = {injected}; }));
  EXPECT_TRUE(refused([&](OutgoingMail& bad) { bad.unsubscribe_url = "https://x/\r\nBcc: y"; }));
  EXPECT_TRUE(refused([&](OutgoingMail& bad) { bad.unsubscribe_url = "http://example.com/u/a"; }));
}

TEST(MailAddressTest, TakesPlainAddressesOnly) {
  for (const char* address : {"a@example.com", "a.b+c@sub.example.com", "用户@例子.公司",
                              "o'neil@example.com", "a@localhost"}) {
    EXPECT_TRUE(MailAddress::Parse(address).ok()) << address;
  }
  for (const char* address :
       {"", "a", "@example.com", "a@", "a@b@c", "a b@example.com", "a@exa mple.com",
        "<a@example.com>", "a@example.com>", "\"a b\"@example.com", ".a@example.com",
        "a..b@example.com", "a@example..com", "a@.example.com", "a\r\n@example.com", "a,b@c.d"}) {
    EXPECT_FALSE(MailAddress::Parse(address).ok()) << address;
  }
  EXPECT_FALSE(MailAddress::Parse(std::string(65, 'a') + "@example.com").ok());
  EXPECT_EQ(MailAddress::Parse("用户@例子.公司")->ToString(), "用户@xn--fsqu00a.xn--55qx5d");
  EXPECT_EQ(Mailbox::Parse("Sales Team <a@example.com>")->name, "Sales Team");
  EXPECT_EQ(Mailbox::Parse("\"Sales, EU\" <a@example.com>")->name, "Sales, EU");
  EXPECT_EQ(Mailbox::Parse("a@example.com")->address, "a@example.com");
  EXPECT_FALSE(Mailbox::Parse("Sales <>").ok());
  EXPECT_EQ(Mailbox::Parse("Sales <a@例子.公司>")->Domain(), "xn--fsqu00a.xn--55qx5d");
}

TEST(WebhookMessageTest, IsACloudEventAndAStandardWebhook) {
  const std::string body =
      EventBody({"n1", "/tenants/acme", "retrace.customer.deleted", "customers/1",
                 1'800'000'000 * kSecond + 250'000, R"({"reason":"退订"})"});
  EXPECT_EQ(body, R"({"specversion":"1.0","id":"n1","source":"/tenants/acme",)"
                  R"("type":"retrace.customer.deleted","subject":"customers/1",)"
                  R"("time":"2027-01-15T08:00:00.25Z","timestamp":"2027-01-15T08:00:00.25Z",)"
                  R"("datacontenttype":"application/json","data":{"reason":"退订"}})");
}

// The example of the specification.
TEST(WebhookMessageTest, SignsAsTheSpecificationSays) {
  const std::vector<std::string> secrets = {"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"};
  EXPECT_EQ(
      *Signature(secrets, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, R"({"test": 2432232314})"),
      "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
}

TEST(WebhookMessageTest, SignsWithEachSecret) {
  const std::vector<std::string> secrets = {SecretText(std::string(32, 'a')),
                                            SecretText(std::string(32, 'b'))};
  const std::string both = *Signature(secrets, "id", 1, "{}");
  const std::string first = *Signature({secrets.data(), 1}, "id", 1, "{}");
  const std::string second = *Signature({secrets.data() + 1, 1}, "id", 1, "{}");
  EXPECT_EQ(both, first + " " + second);
  EXPECT_NE(first, second);
  EXPECT_FALSE(Signature({}, "id", 1, "{}").ok());
  const std::vector<std::string> bad = {"whsec_!", "whsec_YWJj", "abc", ""};
  for (const std::string& secret : bad) EXPECT_FALSE(Signature({&secret, 1}, "id", 1, "{}").ok());
}

TEST(RetryScheduleTest, WaitsLongerEachTimeAndEnds) {
  for (const SendChannel channel : {SendChannel::kMail, SendChannel::kWebhook}) {
    int64_t last = 0;
    int64_t total = 0;
    for (int attempts = 1; attempts <= 9; ++attempts) {
      const int64_t middle = *NextAttemptAfter(channel, attempts, 0.5, std::nullopt);
      EXPECT_GT(middle, last);
      EXPECT_EQ(*NextAttemptAfter(channel, attempts, 0.0, std::nullopt), middle / 10 * 8);
      EXPECT_LE(*NextAttemptAfter(channel, attempts, 1.0, std::nullopt), middle / 10 * 12);
      last = middle;
      total += middle;
    }
    EXPECT_GT(total, 24 * kHour);
    EXPECT_LT(total, 96 * kHour);
    EXPECT_FALSE(NextAttemptAfter(channel, 10, 0.5, std::nullopt).has_value());
    EXPECT_FALSE(NextAttemptAfter(channel, 10, 0.5, kSecond).has_value());
  }
  EXPECT_EQ(NextAttemptAfter(SendChannel::kWebhook, 1, 0.5, std::nullopt), 5 * kSecond);
  EXPECT_EQ(NextAttemptAfter(SendChannel::kWebhook, 9, 0.5, std::nullopt), 24 * kHour);
}

TEST(RetryScheduleTest, WaitsAsLongAsItIsAskedTo) {
  EXPECT_EQ(NextAttemptAfter(SendChannel::kWebhook, 1, 0.5, 3 * kHour), 3 * kHour);
  EXPECT_EQ(NextAttemptAfter(SendChannel::kWebhook, 5, 0.5, kSecond), 5 * kHour);
  EXPECT_EQ(NextAttemptAfter(SendChannel::kWebhook, 1, 0.5, 1000 * kHour), 24 * kHour);
}

}  // namespace
}  // namespace retrace::server
