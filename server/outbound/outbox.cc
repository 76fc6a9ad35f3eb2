#include "server/outbound/outbox.h"

#include <curl/curl.h>

#include <utility>

#include "server/outbound/mail_threads.h"
#include "server/outbound/post_loop.h"

namespace retrace::server {

Outbox::Outbox(OutboxOptions options) {
  static const CURLcode ready = curl_global_init(CURL_GLOBAL_DEFAULT);
  static_cast<void>(ready);
  mail_ = std::make_unique<MailThreads>(options);
  posts_ = std::make_unique<PostLoop>(std::move(options));
}

Outbox::~Outbox() = default;

void Outbox::Send(OutgoingMail mail, SendDone done) {
  mail_->Send(std::move(mail), std::move(done));
}

void Outbox::Send(OutgoingPost post, SendDone done) {
  posts_->Send(std::move(post), std::move(done));
}

}  // namespace retrace::server
