#include "server/outbound/mail_threads.h"

#include <string>

#include "server/outbound/smtp_transfer.h"

namespace retrace::server {
namespace {

SendResult SendMail(const OutboxOptions& options, const OutgoingMail& mail,
                    const std::atomic<bool>& stopping, MailConnection& connection) {
  const MailServer& server = options.mail;
  if (server.url.empty()) {
    return {.kind = SendResult::kRetry, .detail = "not sent: no mail server is set"};
  }
  const absl::StatusOr<MailAddress> from = MailAddress::Parse(server.sender.from.address);
  if (!from.ok()) {
    return {.kind = SendResult::kRetry, .detail = "not sent: no sender is set"};
  }
  const absl::StatusOr<MailAddress> to = MailAddress::Parse(mail.to.address);
  if (!to.ok()) {
    return {.kind = SendResult::kRefused, .detail = std::string(to.status().message())};
  }
  absl::StatusOr<std::string> message = MessageText(mail, server.sender);
  if (!message.ok()) {
    return {.kind = SendResult::kRefused, .detail = std::string(message.status().message())};
  }
  return SmtpTransfer(options, *from, *to, *std::move(message), stopping).Perform(connection);
}

}  // namespace

MailThreads::MailThreads(const OutboxOptions& options) : options_(options) {
  for (size_t i = 0; i < options_.mails_at_once; ++i) {
    threads_.emplace_back([this] { Run(); });
  }
}

MailThreads::~MailThreads() {
  {
    const absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  for (std::thread& thread : threads_) thread.join();
  for (Waiting& waiting : queue_) {
    waiting.second({.kind = SendResult::kRetry, .detail = "not sent: the server stops"});
  }
}

void MailThreads::Send(OutgoingMail mail, SendDone done) {
  const absl::MutexLock lock(&mutex_);
  queue_.emplace_back(std::move(mail), std::move(done));
}

void MailThreads::Run() {
  MailConnection connection;
  while (true) {
    mutex_.LockWhen(absl::Condition(this, &MailThreads::Wake));
    if (stopping_) {
      mutex_.Unlock();
      return;
    }
    Waiting waiting = std::move(queue_.front());
    queue_.pop_front();
    mutex_.Unlock();
    waiting.second(SendMail(options_, waiting.first, stopping_, connection));
  }
}

}  // namespace retrace::server
