// What a webhook is sent, and the secrets that it is signed with, which are made when they are
// needed and kept nowhere.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "domain/entity.h"
#include "eventstore/key_store.h"
#include "retrace/v1/notifications.pb.h"
#include "retrace/v1/webhooks.pb.h"
#include "server/outbound/webhook_message.h"
#include "server/tenants.h"

namespace retrace::server {

// The secrets that a delivery is signed with at a time (microseconds since 1970), newest first, as
// its receiver keeps them. Each follows from the tenant's key and the ids of webhook and secret.
// Errors are those of the key store.
absl::StatusOr<std::vector<std::string>> SecretsOf(eventstore::KeyStore& keys,
                                                   eventstore::TenantNumber tenant,
                                                   const std::string& webhook_id,
                                                   const v1::Webhook& webhook, int64_t time_us);

// A delivery to a webhook.
struct WebhookDelivery {
  domain::EntityRef webhook;
  const v1::Webhook& endpoint;
  // What webhook-id says: the same in each attempt, and in no other delivery.
  std::string id;
  std::string notification_name;  // `tenants/acme/notifications/...`
  const v1::Notification& notification;
  int64_t notification_time_us = 0;  // when it was asked for
};

// An attempt at it, sent at the real time `sent_us`, which its receiver compares with its own
// clock, and signed with the secrets that are good at `now_us` by the server's clock: an event of
// the type `retrace.` and the notification's kind, whose data is the notification as the API shows
// it, with its position and the entities' revisions. The body is the same in each attempt unless
// more was taken back meanwhile. Errors are those of the key store.
absl::StatusOr<OutgoingPost> PostOf(eventstore::KeyStore& keys, const Tenant& tenant,
                                    const WebhookDelivery& delivery, int64_t now_us,
                                    int64_t sent_us);

}  // namespace retrace::server
