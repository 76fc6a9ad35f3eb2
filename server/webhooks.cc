#include "server/webhooks.h"

#include <utility>

#include "domain/status_macros.h"
#include "fmt/format.h"
#include "google/protobuf/util/json_util.h"
#include "google/protobuf/util/time_util.h"

namespace retrace::server {
namespace {

using google::protobuf::util::TimeUtil;

absl::StatusOr<std::string> DataOf(const WebhookDelivery& delivery) {
  v1::Notification shown = delivery.notification;
  shown.set_name(delivery.notification_name);
  // How far it has come is nobody's business outside.
  shown.clear_state();
  shown.clear_due_time();
  shown.clear_gathers();
  shown.clear_left();
  shown.clear_delivery_count();
  shown.clear_audience();
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string json;
  const auto status = google::protobuf::util::MessageToJsonString(shown, &json, options);
  if (!status.ok()) {
    return absl::InternalError(
        fmt::format("cannot show a notification as JSON: {}", std::string(status.message())));
  }
  return json;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> SecretsOf(eventstore::KeyStore& keys,
                                                   eventstore::TenantNumber tenant,
                                                   const std::string& webhook_id,
                                                   const v1::Webhook& webhook, int64_t time_us) {
  RETRACE_ASSIGN(const eventstore::SecretKey key, keys.MacKey(tenant));
  std::vector<std::string> secrets;
  for (const v1::Webhook::Secret& secret : webhook.secrets()) {
    if (secret.has_expire_time() &&
        TimeUtil::TimestampToMicroseconds(secret.expire_time()) <= time_us) {
      continue;
    }
    // The purpose keeps it apart from all else that the key is for.
    const eventstore::Sha256Digest mac = eventstore::Hmac(
        key, fmt::format("webhook secret{}{}{}{}", '\0', webhook_id, '\0', secret.id()));
    secrets.push_back(SecretText({reinterpret_cast<const char*>(mac.data()), mac.size()}));
  }
  return secrets;
}

absl::StatusOr<OutgoingPost> PostOf(eventstore::KeyStore& keys, const Tenant& tenant,
                                    const WebhookDelivery& delivery, int64_t now_us,
                                    int64_t sent_us) {
  const v1::Notification& notification = delivery.notification;
  RETRACE_ASSIGN(const std::vector<std::string> secrets,
                 SecretsOf(keys, tenant.number, delivery.webhook.id, delivery.endpoint, now_us));
  CloudEvent event;
  event.id = delivery.id;
  event.source = fmt::format("/tenants/{}", tenant.id);
  event.type = fmt::format("retrace.{}", notification.kind());
  // What it is about, when that is one thing.
  event.subject = notification.count() == 1 && notification.entities_size() == 1
                      ? notification.entities(0).name()
                      : notification.about();
  event.time_us = delivery.notification_time_us;
  RETRACE_ASSIGN(event.data, DataOf(delivery));
  return SignedPost(delivery.endpoint.url(), delivery.id, EventBody(event), secrets, sent_us);
}

}  // namespace retrace::server
