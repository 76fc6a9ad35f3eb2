// One mail as a message of RFC 5322.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/outbound/mail_address.h"

namespace retrace::server {

struct OutgoingMail {
  Mailbox to;
  std::string subject;
  std::string text;  // the same for people to read twice: as text and as HTML, both UTF-8
  std::string html;
  int64_t time_us = 0;  // since 1970; of the message, not of the attempt
  // "unique@host", without brackets; the same in each attempt, and in no other message.
  std::string message_id;
  // Of the messages that this one corrects, oldest first, as message_id; the last is answered.
  std::vector<std::string> references;
  // https address that takes RFC 8058's POST; empty: nothing to unsubscribe from.
  std::string unsubscribe_url;
};

// Whom all mail is from.
struct MailSender {
  Mailbox from;
  std::optional<Mailbox> reply_to;
};

// The message's bytes, lines ended by CRLF; the same for the same mail and sender.
// INVALID_ARGUMENT, without personal data in its text, for what cannot stand in a header:
// addresses, ids, URLs. Names and subject may hold anything.
absl::StatusOr<std::string> MessageText(const OutgoingMail& mail, const MailSender& sender);

}  // namespace retrace::server
