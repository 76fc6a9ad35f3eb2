#include "server/outbound/smtp_transfer.h"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <charconv>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/time/clock.h"

namespace retrace::server {
namespace {

// RFC 3463's code at the beginning of a reply's text; empty when there is none.
std::string EnhancedCode(std::string_view text) {
  size_t end = 0;
  int dots = 0;
  while (end < text.size() && end < 9 && (absl::ascii_isdigit(text[end]) || text[end] == '.')) {
    dots += text[end] == '.' ? 1 : 0;
    ++end;
  }
  return dots == 2 ? std::string(text.substr(0, end)) : "";
}

// A reply about how we signed in, whatever it was given to.
bool IsAboutSigningIn(int code) { return code == 530 || code == 534 || code == 535 || code == 538; }

}  // namespace

SmtpTransfer::SmtpTransfer(const OutboxOptions& options, MailAddress from, MailAddress to,
                           std::string message, const std::atomic<bool>& stopping)
    : options_(options),
      from_(std::move(from)),
      to_(std::move(to)),
      stopping_(stopping),
      upload_(std::move(message)) {}

void MailConnection::Attach() {
  curl_easy_setopt(handle(), CURLOPT_OPENSOCKETFUNCTION, &MailConnection::Open);
  curl_easy_setopt(handle(), CURLOPT_OPENSOCKETDATA, this);
  curl_easy_setopt(handle(), CURLOPT_CLOSESOCKETFUNCTION, &MailConnection::Close);
  curl_easy_setopt(handle(), CURLOPT_CLOSESOCKETDATA, this);
}

void MailConnection::BreakOff() {
  for (const curl_socket_t fd : sockets_) shutdown(fd, SHUT_RDWR);
}

curl_socket_t MailConnection::Open(void* connection, curlsocktype /*purpose*/,
                                   curl_sockaddr* address) {
  const int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
  if (fd >= 0) static_cast<MailConnection*>(connection)->sockets_.insert(fd);
  return fd >= 0 ? fd : CURL_SOCKET_BAD;
}

int MailConnection::Close(void* connection, curl_socket_t fd) {
  static_cast<MailConnection*>(connection)->sockets_.erase(fd);
  return close(fd);
}

SendResult SmtpTransfer::Perform(MailConnection& connection) {
  CURL* handle = connection.handle();
  connection_ = &connection;
  deadline_ = absl::Now() + options_.total_timeout;
  curl_easy_reset(handle);
  SetOptions(handle);
  SetCallbacks(handle);
  connection.Attach();
  const SendResult result = Judge(curl_easy_perform(handle));
  curl_easy_reset(handle);  // the handle outlives what it points to
  return result;
}

void SmtpTransfer::SetOptions(CURL* handle) {
  const MailServer& server = options_.mail;
  SetCommonOptions(handle, options_, "smtp,smtps", server.ca_file);
  // Instead of libcurl's own, after which it takes leave of the server: see MailConnection.
  curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, 0L);
  for (const std::string& entry : options_.resolve) Append(resolve_, entry);
  curl_easy_setopt(handle, CURLOPT_RESOLVE, resolve_.get());
  curl_easy_setopt(handle, CURLOPT_URL, server.url.c_str());
  const long tls = server.tls == MailTls::kRequired    ? CURLUSESSL_ALL
                   : server.tls == MailTls::kIfOffered ? CURLUSESSL_TRY
                                                       : CURLUSESSL_NONE;
  curl_easy_setopt(handle, CURLOPT_USE_SSL, tls);
  if (!server.user.empty()) {
    curl_easy_setopt(handle, CURLOPT_USERNAME, server.user.c_str());
    curl_easy_setopt(handle, CURLOPT_PASSWORD, server.password.c_str());
  }
  curl_easy_setopt(handle, CURLOPT_MAIL_FROM, ("<" + from_.ToString() + ">").c_str());
  Append(recipients_, "<" + to_.ToString() + ">");
  curl_easy_setopt(handle, CURLOPT_MAIL_RCPT, recipients_.get());
  curl_easy_setopt(handle, CURLOPT_UPLOAD, 1L);
  curl_easy_setopt(handle, CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(upload_.size()));
  if (from_.NeedsUtf8() || to_.NeedsUtf8()) {
    // Only a server that was greeted says whether it takes them.
    curl_easy_setopt(handle, CURLOPT_FRESH_CONNECT, 1L);
  }
}

void SmtpTransfer::SetCallbacks(CURL* handle) {
  upload_.Attach(handle);
  curl_easy_setopt(handle, CURLOPT_VERBOSE, 1L);
  curl_easy_setopt(handle, CURLOPT_DEBUGFUNCTION, &SmtpTransfer::Debug);
  curl_easy_setopt(handle, CURLOPT_DEBUGDATA, this);
  curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, &SmtpTransfer::Header);
  curl_easy_setopt(handle, CURLOPT_HEADERDATA, this);
  curl_easy_setopt(handle, CURLOPT_NOPROGRESS, 0L);
  curl_easy_setopt(handle, CURLOPT_XFERINFOFUNCTION, &SmtpTransfer::Progress);
  curl_easy_setopt(handle, CURLOPT_XFERINFODATA, this);
}

int SmtpTransfer::Debug(CURL* /*handle*/, curl_infotype type, char* text, size_t size,
                        void* transfer) {
  if (type == CURLINFO_HEADER_OUT) {
    static_cast<SmtpTransfer*>(transfer)->TakeCommand({text, size});
  }
  return 0;
}

size_t SmtpTransfer::Header(char* text, size_t size, size_t count, void* transfer) {
  const bool go_on = static_cast<SmtpTransfer*>(transfer)->TakeReply({text, size * count});
  return go_on ? size * count : 0;
}

int SmtpTransfer::Progress(void* transfer, curl_off_t /*size*/, curl_off_t /*now*/,
                           curl_off_t /*upload_size*/, curl_off_t /*uploaded*/) {
  SmtpTransfer& self = *static_cast<SmtpTransfer*>(transfer);
  if (!self.stopping_ && absl::Now() < self.deadline_) {
    return 0;
  }
  self.gave_up_ = true;
  self.connection_->BreakOff();
  return 1;
}

void SmtpTransfer::TakeCommand(std::string_view line) {
  if (line.starts_with("QUIT")) {
    over_ = true;  // said on the way out, whatever came before
    return;
  }
  reply_ = 0;
  enhanced_.clear();
  if (line.starts_with("EHLO") || line.starts_with("HELO") || line.starts_with("STARTTLS")) {
    step_ = Step::kGreeting;
    takes_utf8_ = false;
  } else if (line.starts_with("MAIL FROM")) {
    step_ = Step::kSender;
  } else if (line.starts_with("RCPT TO")) {
    step_ = Step::kRecipient;
  } else if (line.starts_with("DATA")) {
    step_ = Step::kMessage;
  } else if (line.starts_with("AUTH")) {
    step_ = Step::kSignIn;
  }
}

bool SmtpTransfer::TakeReply(std::string_view line) {
  if (over_) {
    return true;
  }
  const char* begin = line.data();
  int code = 0;
  const auto [rest, error] = std::from_chars(begin, begin + line.size(), code);
  if (error != std::errc() || rest != begin + 3) {
    return true;
  }
  reply_ = code;
  const std::string_view text = line.size() > 4 ? line.substr(4) : "";
  enhanced_ = EnhancedCode(text);
  if (step_ == Step::kGreeting && text.starts_with("SMTPUTF8")) {
    takes_utf8_ = true;
  }
  if (step_ == Step::kSender && !takes_utf8_ && (from_.NeedsUtf8() || to_.NeedsUtf8())) {
    gave_up_utf8_ = true;
    return false;
  }
  return true;
}

SendResult SmtpTransfer::JudgeReply() const {
  SendResult result;
  result.code = reply_;
  const bool about_us = step_ == Step::kGreeting || step_ == Step::kSignIn ||
                        IsAboutSigningIn(reply_) ||
                        (step_ == Step::kSender && reply_ != 552);  // 552: the message is too large
  const bool for_good = reply_ >= 500 && !about_us;
  result.kind = for_good ? SendResult::kRefused : SendResult::kRetry;
  const std::string_view what = step_ == Step::kRecipient ? "the recipient"
                                : step_ == Step::kMessage ? "the message"
                                : step_ == Step::kSender  ? "the sender"
                                : step_ == Step::kSignIn  ? "our signing in"
                                                          : "the connection";
  result.detail = fmt::format("the mail server refused {}: {}{}{}", what, reply_,
                              enhanced_.empty() ? "" : " ", enhanced_);
  return result;
}

SendResult SmtpTransfer::Judge(CURLcode code) const {
  if (code == CURLE_OK) {
    return {.kind = SendResult::kSent, .code = reply_, .detail = "taken by the mail server"};
  }
  if (gave_up_utf8_) {
    return {.kind = SendResult::kRefused,
            .detail = "the mail server takes only ASCII before the @ of an address"};
  }
  // 354 asked for the message; what is said of it comes after all of it.
  if (reply_ >= 400 && reply_ < 600) {
    return JudgeReply();
  }
  return WithoutAnswer(upload_,
                       gave_up_ && !stopping_ ? "Timeout was reached" : curl_easy_strerror(code));
}

}  // namespace retrace::server
