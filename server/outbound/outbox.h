// Sends mail and webhooks. Takes one attempt at a time and tells what became of it: retries,
// records and order are the caller's.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/outbound/address_guard.h"
#include "server/outbound/mail_message.h"
#include "server/outbound/send_result.h"
#include "server/outbound/webhook_message.h"

namespace retrace::server {

enum class MailTls { kRequired, kIfOffered, kNever };

// The server that takes our mail and sends it on (which also signs it: DKIM).
struct MailServer {
  // "smtp://host:port" or "smtps://host:port", with "/name" the name that we greet it with; empty:
  // mail is off, and each attempt at it is to be made again later.
  std::string url;
  MailTls tls = MailTls::kRequired;  // of smtp: what STARTTLS has to be; certificates are checked
  std::string ca_file;               // empty: the system's
  std::string user;                  // empty: nobody signs in
  std::string password;
  MailSender sender;
};

struct OutboxOptions {
  MailServer mail;
  AddressGuard guard;           // where webhooks may go
  std::string webhook_ca_file;  // empty: the system's
  absl::Duration connect_timeout = absl::Seconds(10);
  absl::Duration total_timeout = absl::Seconds(30);  // of an attempt, once it began
  size_t mails_at_once = 4;
  size_t posts_at_once = 512;
  // "host:port:address" as CURLOPT_RESOLVE takes them: where names lead to, for tests.
  std::vector<std::string> resolve;
};

class MailThreads;
class PostLoop;

// Thread-safe. Mail and webhooks do not wait for each other; posts begin in the order in which they
// are handed over, whoever's they are, so that callers bound how many are under way to one
// endpoint. What is handed over is held in memory until it is its turn, so callers hand over no
// more than they can afford.
class Outbox {
 public:
  explicit Outbox(OutboxOptions options);
  // Breaks off what is under way and drops what waits; each `done` is called before it returns,
  // with kUnknown when the other side may have all of it, else with kRetry.
  ~Outbox();
  Outbox(const Outbox&) = delete;
  Outbox& operator=(const Outbox&) = delete;

  // `done` is called on a thread of this, never on the caller's. 4xx of the mail server is kRetry;
  // 5xx about the recipient or the message kRefused; 5xx about ourselves (signing in, our sender)
  // kRetry, since an operator can mend it.
  void Send(OutgoingMail mail, SendDone done);
  // 2xx is kSent, 410 kGone, everything else kRetry: redirects are not followed. The answer's body
  // is read up to 64 KiB and dropped. Connects only to what the guard allows at that moment, to
  // http only when the operator listed the address, never through a proxy.
  void Send(OutgoingPost post, SendDone done);

 private:
  std::unique_ptr<MailThreads> mail_;
  std::unique_ptr<PostLoop> posts_;
};

}  // namespace retrace::server
