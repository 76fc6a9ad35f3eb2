// Deliveries: a notification on its way to one recipient by one channel. Each lives alone, with its
// own attempts; what becomes of each attempt is recorded by a command.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "domain/draft.h"
#include "domain/kind.h"
#include "retrace/v1/notifications.pb.h"

namespace retrace::store::v1 {
class Recipient;
}  // namespace retrace::store::v1

namespace retrace::domain {

// The index of deliveries that are to be tried, by the moment (EncodeNumber).
inline constexpr uint8_t kNextAttemptIndex = 1;
// The index of inboxes: InboxKey, then the newest first.
inline constexpr uint8_t kInboxIndex = 2;

Kind DeliveryKind();
EntityRef DeliveryRef(std::string_view notification_id, v1::Channel channel,
                      std::string_view recipient);

// The beginning of the values that the inbox of a principal has in kInboxIndex.
std::string InboxPrefix(std::string_view principal);

// Emits a delivery of a notification that was asked for: one that lies in an inbox has arrived, one
// that travels is first tried at `due_us`, microseconds since 1970. False when it is there already.
absl::StatusOr<bool> EmitDelivery(const EntityRef& notification, std::string_view notification_kind,
                                  const store::v1::Recipient& recipient, int64_t due_us,
                                  Draft& draft);

}  // namespace retrace::domain
