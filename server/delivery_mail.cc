#include "server/delivery_mail.h"

#include <utility>

#include "domain/delivery.h"
#include "domain/notification.h"
#include "domain/notification_kinds.h"
#include "domain/status_macros.h"
#include "fmt/format.h"
#include "server/logging.h"
#include "server/message.h"
#include "server/message_values.h"
#include "server/row_view.h"
#include "server/unsubscribe.h"

namespace retrace::server {

absl::StatusOr<std::optional<DeliveryMail>> MailOf(const MailParts& parts, const Tenant& tenant,
                                                   const std::string& id,
                                                   const domain::Row& delivery_row,
                                                   const v1::Notification& notification) {
  const auto& delivery = delivery_row.As<v1::Delivery>();
  const Ledger& ledger = *parts.ledger;
  const Principals& principals = *parts.principals;
  RETRACE_ASSIGN(const std::string address,
                 AddressOf(ledger, principals, tenant, delivery.recipient()));
  if (address.empty()) {
    return std::nullopt;
  }
  RETRACE_ASSIGN(const std::vector<std::string> languages,
                 LanguagesOf(ledger, principals, tenant, delivery.recipient()));
  RETRACE_ASSIGN(MessageValues values, ValuesOf(ledger, principals, tenant, delivery.notification(),
                                                notification, delivery.recipient()));
  const domain::NotificationKind* kind = domain::FindNotificationKind(notification.kind());
  if (!parts.public_url.empty() && kind != nullptr && !kind->transactional) {
    RETRACE_ASSIGN(const std::string token, UnsubscribeToken(*parts.ledger, tenant, delivery));
    values.unsubscribe_url = fmt::format("{}/u/{}", parts.public_url, token);
  }
  const RowView view(ledger.rows(), tenant.number, tenant.visible);
  WrittenMessage message = Compose(view, languages, values);
  DeliveryMail written;
  if (!message.fault.empty()) {
    written.note = "; in the shipped words: " + message.fault;
    Log(LogLevel::kWarn, "a template is broken",
        {{"tenant", tenant.id}, {"kind", notification.kind()}, {"fault", message.fault}});
  }
  // Ids and positions alone may come again after a recovery; the time makes the difference.
  const auto message_id = [&parts, &tenant](const std::string& of, int64_t create_time_us) {
    return fmt::format("{}.{}.{:x}@{}", of, tenant.number, create_time_us, parts.message_domain);
  };
  OutgoingMail& mail = written.mail;
  mail.to = {values.recipient_name, address};
  mail.subject = std::move(message.subject);
  mail.text = std::move(message.text);
  mail.html = std::move(message.html);
  mail.time_us = delivery_row.head.create_time_us();
  mail.message_id = message_id(id, delivery_row.head.create_time_us());
  mail.unsubscribe_url = values.unsubscribe_url;
  if (!notification.corrects().empty()) {
    const domain::EntityRef before = domain::DeliveryRef(domain::IdOfName(notification.corrects()),
                                                         v1::EMAIL, delivery.recipient());
    RETRACE_ASSIGN(const domain::RowPtr told, view.Get(before));
    if (told != nullptr) {
      mail.references.push_back(message_id(before.id, told->head.create_time_us()));
    }
  }
  return written;
}

}  // namespace retrace::server
