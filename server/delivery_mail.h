// The mail that a delivery sends.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "domain/entity.h"
#include "retrace/v1/notifications.pb.h"
#include "server/ledger.h"
#include "server/outbound/mail_message.h"
#include "server/principals.h"
#include "server/tenants.h"

namespace retrace::server {

// What each mail is written with.
struct MailParts {
  Ledger* ledger = nullptr;
  const Principals* principals = nullptr;
  // Under which the public reaches the HTTP edge; empty: mail has no links.
  std::string public_url;
  // Behind the @ of Message-IDs.
  std::string message_domain;
};

struct DeliveryMail {
  OutgoingMail mail;
  // What is to be said of it beside how sending ended; may be empty.
  std::string note;
};

// The mail of the delivery with the id, as its recipient reads it now; nothing when they have no
// address. The Message-ID is the same in each attempt.
absl::StatusOr<std::optional<DeliveryMail>> MailOf(const MailParts& parts, const Tenant& tenant,
                                                   const std::string& id,
                                                   const domain::Row& delivery_row,
                                                   const v1::Notification& notification);

}  // namespace retrace::server
