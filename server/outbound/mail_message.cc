#include "server/outbound/mail_message.h"

#include <fmt/format.h>
#include <openssl/sha.h>

#include <algorithm>
#include <string_view>

#include "absl/strings/escaping.h"
#include "absl/time/time.h"
#include "domain/status_macros.h"
#include "server/outbound/mime_text.h"

namespace retrace::server {
namespace {

constexpr size_t kLongestId = 200;
constexpr size_t kLongestUrl = 900;  // a line of mail has at most 998 characters

// Printable ASCII without blanks and brackets.
bool IsToken(std::string_view text, size_t longest) {
  return !text.empty() && text.size() <= longest &&
         std::all_of(text.begin(), text.end(),
                     [](char c) { return c > 0x20 && c < 0x7f && c != '<' && c != '>'; });
}

absl::Status CheckId(std::string_view id) {
  const size_t at = id.find('@');
  if (IsToken(id, kLongestId) && at != std::string_view::npos && at > 0 && at + 1 < id.size()) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError("no message id such as unique@example.com");
}

// "Name <address>", folded before the address when both do not fit.
absl::StatusOr<std::string> MailboxHeader(std::string_view header, const Mailbox& mailbox) {
  RETRACE_ASSIGN(const MailAddress address, MailAddress::Parse(mailbox.address));
  const std::string phrase = HeaderPhrase(header, mailbox.name);
  if (phrase.empty()) {
    return fmt::format("{}: {}\r\n", header, address.ToString());
  }
  const size_t break_at = phrase.rfind("\r\n");
  const size_t last_line = break_at == std::string::npos ? header.size() + 2 + phrase.size()
                                                         : phrase.size() - break_at - 2;
  const bool fits = last_line + 3 + address.ToString().size() <= 76;
  return fmt::format("{}: {}{}<{}>\r\n", header, phrase, fits ? " " : "\r\n ", address.ToString());
}

// Stands in no part: quoted-printable text holds no "=_".
std::string BoundaryOf(std::string_view message_id) {
  unsigned char hash[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(message_id.data()), message_id.size(), hash);
  const std::string hex =
      absl::BytesToHexString(absl::string_view(reinterpret_cast<const char*>(hash), 16));
  return "=_" + hex;
}

absl::StatusOr<std::string> ThreadHeaders(const OutgoingMail& mail) {
  std::string headers;
  if (mail.references.empty()) {
    return headers;
  }
  for (const std::string& id : mail.references) {
    RETRACE_RETURN_IF_ERROR(CheckId(id));
    headers += fmt::format("{}<{}>\r\n", headers.empty() ? "References: " : " ", id);
  }
  return fmt::format("In-Reply-To: <{}>\r\n{}", mail.references.back(), headers);
}

absl::StatusOr<std::string> UnsubscribeHeaders(const std::string& url) {
  if (url.empty()) {
    return std::string();
  }
  if (!IsToken(url, kLongestUrl) || !url.starts_with("https://") ||
      url.find(',') != std::string::npos) {
    return absl::InvalidArgumentError("no https address to unsubscribe at");
  }
  return fmt::format(
      "List-Unsubscribe: <{}>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n", url);
}

std::string Part(const std::string& boundary, std::string_view type, const std::string& text) {
  return fmt::format(
      "--{}\r\nContent-Type: {}; charset=utf-8\r\n"
      "Content-Transfer-Encoding: quoted-printable\r\n\r\n{}\r\n",
      boundary, type, QuotedPrintable(text));
}

}  // namespace

absl::StatusOr<std::string> MessageText(const OutgoingMail& mail, const MailSender& sender) {
  RETRACE_RETURN_IF_ERROR(CheckId(mail.message_id));
  std::string message = fmt::format(
      "Date: {}\r\n", absl::FormatTime("%a, %d %b %Y %H:%M:%S +0000",
                                       absl::FromUnixMicros(mail.time_us), absl::UTCTimeZone()));
  RETRACE_ASSIGN(const std::string from, MailboxHeader("From", sender.from));
  message += from;
  if (sender.reply_to.has_value()) {
    RETRACE_ASSIGN(const std::string reply_to, MailboxHeader("Reply-To", *sender.reply_to));
    message += reply_to;
  }
  RETRACE_ASSIGN(const std::string to, MailboxHeader("To", mail.to));
  message += to;
  message += fmt::format("Subject: {}\r\n", HeaderText("Subject", mail.subject));
  message += fmt::format("Message-ID: <{}>\r\n", mail.message_id);
  RETRACE_ASSIGN(const std::string thread, ThreadHeaders(mail));
  RETRACE_ASSIGN(const std::string unsubscribe, UnsubscribeHeaders(mail.unsubscribe_url));
  const std::string boundary = BoundaryOf(mail.message_id);
  message += thread + unsubscribe;
  message += fmt::format(
      "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n"
      "Content-Type: multipart/alternative;\r\n boundary=\"{}\"\r\n\r\n",
      boundary);
  message += Part(boundary, "text/plain", mail.text);
  message += Part(boundary, "text/html", mail.html);
  return message + fmt::format("--{}--\r\n", boundary);
}

}  // namespace retrace::server
