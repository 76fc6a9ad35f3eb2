// One mail on its way to the mail server.
#pragma once

#include <curl/curl.h>

#include <atomic>
#include <string>
#include <string_view>

#include "server/outbound/curl_handle.h"

namespace retrace::server {

// Used by one thread.
class SmtpTransfer {
 public:
  // `message` as MessageText makes it. Gives up when `stopping` becomes true.
  SmtpTransfer(const OutboxOptions& options, MailAddress from, MailAddress to, std::string message,
               const std::atomic<bool>& stopping);
  // Blocks until it is known what became of it. The handle may still have a connection.
  SendResult Perform(CURL* handle);

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
  Upload upload_;
  CurlList recipients_;
  CurlList resolve_;
  Step step_ = Step::kGreeting;
  int reply_ = 0;         // 0: none since the last command
  std::string enhanced_;  // RFC 3463, e.g. "5.1.1"; empty: none
  bool takes_utf8_ = false;
  bool gave_up_utf8_ = false;
};

}  // namespace retrace::server
