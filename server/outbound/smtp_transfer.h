// One mail on its way to the mail server, and the connection that it goes over.
#pragma once

#include <curl/curl.h>

#include <atomic>
#include <set>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "server/outbound/curl_handle.h"

namespace retrace::server {

// The connection of one thread, kept from one mail to the next. Used by that thread.
class MailConnection {
 public:
  MailConnection() : handle_(curl_easy_init()) {}
  ~MailConnection() { BreakOff(); }
  CURL* handle() { return handle_.get(); }
  // To be called after each curl_easy_reset.
  void Attach();
  // Nothing more goes over it. libcurl takes leave of a server and waits for its answer, for
  // minutes when the server hangs: this leaves it nobody to wait for.
  void BreakOff();

 private:
  static curl_socket_t Open(void* connection, curlsocktype purpose, curl_sockaddr* address);
  static int Close(void* connection, curl_socket_t fd);

  std::set<curl_socket_t> sockets_;
  EasyHandle handle_;  // destroyed first: it closes sockets
};

// Used by one thread.
class SmtpTransfer {
 public:
  // `message` as MessageText makes it. Gives up when `stopping` becomes true.
  SmtpTransfer(const OutboxOptions& options, MailAddress from, MailAddress to, std::string message,
               const std::atomic<bool>& stopping);
  // Blocks until it is known what became of it, a second longer than the time-out at most.
  SendResult Perform(MailConnection& connection);

 private:
  // What the server's last reply is about.
  enum class Step { kGreeting, kSignIn, kSender, kRecipient, kMessage };

  void SetOptions(CURL* handle);
  void SetCallbacks(CURL* handle);
  // The outcome of a command that we sent, as libcurl shows it.
  void TakeCommand(std::string_view line);
  // False: give up.
  bool TakeReply(std::string_view line);
  SendResult Judge(CURLcode code) const;
  SendResult JudgeReply() const;

  static int Debug(CURL*, curl_infotype type, char* text, size_t size, void* transfer);
  static size_t Header(char* text, size_t size, size_t count, void* transfer);
  static int Progress(void* transfer, curl_off_t, curl_off_t, curl_off_t, curl_off_t);

  const OutboxOptions& options_;
  const MailAddress from_;
  const MailAddress to_;
  const std::atomic<bool>& stopping_;
  absl::Time deadline_;
  MailConnection* connection_ = nullptr;
  bool gave_up_ = false;
  Upload upload_;
  CurlList recipients_;
  CurlList resolve_;
  Step step_ = Step::kGreeting;
  int reply_ = 0;         // 0: none since the last command
  std::string enhanced_;  // RFC 3463, e.g. "5.1.1"; empty: none
  bool over_ = false;
  bool takes_utf8_ = false;
  bool gave_up_utf8_ = false;
};

}  // namespace retrace::server
