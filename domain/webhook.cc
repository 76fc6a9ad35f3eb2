#include "domain/webhook.h"

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "domain/commands.h"
#include "domain/delivery.h"
#include "domain/lifecycle.h"
#include "domain/normalise.h"
#include "domain/notification.h"
#include "domain/notification_kinds.h"
#include "domain/resource.h"
#include "domain/standard.h"
#include "fmt/format.h"
#include "google/protobuf/util/time_util.h"
#include "retrace/store/v1/entities.pb.h"
#include "retrace/store/v1/notifications.pb.h"
#include "retrace/store/v1/webhooks.pb.h"

namespace retrace::domain {
namespace {

using google::protobuf::Message;
using google::protobuf::util::TimeUtil;
using v1::Webhook;

constexpr int64_t kMostWebhooks = 50;
constexpr int kMostSecrets = 10;
constexpr int64_t kOldSecretStaysUs = int64_t{24} * 3600 * 1'000'000;

void AddSecret(const std::string& id, int64_t time_us, Webhook& webhook) {
  Webhook::Secret secret;
  secret.set_id(id);
  *secret.mutable_create_time() = TimeUtil::MicrosecondsToTimestamp(time_us);
  webhook.mutable_secrets()->Add(std::move(secret));
  std::rotate(webhook.mutable_secrets()->pointer_begin(),
              webhook.mutable_secrets()->pointer_end() - 1,
              webhook.mutable_secrets()->pointer_end());
}

bool EndsBy(const Webhook::Secret& secret, int64_t time_us) {
  return secret.has_expire_time() &&
         TimeUtil::TimestampToMicroseconds(secret.expire_time()) <= time_us;
}

// The old secrets end; those that ended before, and what is too many, are forgotten.
void Rotate(const store::v1::WebhookSecretRotated& event, const CommitHeader& header,
            Webhook& webhook) {
  auto& secrets = *webhook.mutable_secrets();
  for (int i = secrets.size(); i-- > 0;) {
    if (EndsBy(secrets[i], header.time_us) || i >= kMostSecrets - 1) {
      secrets.DeleteSubrange(i, 1);
    } else if (!EndsBy(secrets[i], event.old_expire_us())) {
      *secrets[i].mutable_expire_time() = TimeUtil::MicrosecondsToTimestamp(event.old_expire_us());
    }
  }
  AddSecret(event.secret(), header.time_us, webhook);
}

void ApplyWebhook(const Message& event, const CommitHeader& header, Row& row) {
  const auto* type = event.GetDescriptor();
  if (type == store::v1::WebhookCreated::descriptor() ||
      type == store::v1::WebhookUpdated::descriptor()) {
    ApplyResourceEvent(event, header, row);
    return;
  }
  auto webhook = std::make_shared<Webhook>(row.As<Webhook>());
  if (type == store::v1::WebhookSecretRotated::descriptor()) {
    Rotate(static_cast<const store::v1::WebhookSecretRotated&>(event), header, *webhook);
  } else if (type == store::v1::WebhookPaused::descriptor()) {
    webhook->set_state(Webhook::PAUSED);
  } else if (type == store::v1::WebhookResumed::descriptor()) {
    webhook->set_state(Webhook::ACTIVE);
    webhook->clear_disable_reason();
    webhook->clear_disable_time();
  } else {
    webhook->set_state(Webhook::DISABLED);
    webhook->set_disable_reason(static_cast<const store::v1::WebhookDisabled&>(event).reason());
    *webhook->mutable_disable_time() = TimeUtil::MicrosecondsToTimestamp(header.time_us);
  }
  row.resource = std::move(webhook);
}

// Whether it looks like an address at all; where it leads the server has seen before.
bool IsUrl(std::string_view url) {
  const bool http = url.starts_with("https://") || url.starts_with("http://");
  return http && std::none_of(url.begin(), url.end(),
                              [](unsigned char c) { return c <= ' ' || c == 0x7f; });
}

absl::Status Normalise(Webhook& webhook) {
  FieldFaults faults("webhook");
  Trim(*webhook.mutable_url());
  Trim(*webhook.mutable_description());
  if (!IsUrl(webhook.url())) {
    faults.Add("url", "Is no address like https://example.com/path.");
  }
  NormaliseTags(*webhook.mutable_kinds(), faults);
  for (const std::string& kind : webhook.kinds()) {
    if (FindNotificationKind(kind) == nullptr) {
      faults.Add("kinds",
                 fmt::format("There is no kind `{}`; give one like `customers.deleted`, or "
                             "none for all.",
                             kind));
    }
  }
  return faults.ToStatus();
}

// How many webhooks the tenant has, those in the bin not counted.
absl::StatusOr<int64_t> LiveWebhooks(const View& view) {
  RETRACE_ASSIGN(const RowPtr row, view.Get({KindNumber::kCounters, ""}));
  int64_t count = 0;
  if (row != nullptr) {
    for (const store::v1::Counter& counter : row->As<store::v1::Counters>().counters()) {
      if (counter.kind() == static_cast<uint32_t>(KindNumber::kWebhook) &&
          counter.state() != "DELETED") {
        count += counter.count();
      }
    }
  }
  return count;
}

absl::Status CheckWebhook(const EntityRef& entity, const Row* before, const Row& after,
                          const View& view, const Context& context) {
  const bool was_live = before != nullptr && before->live();
  const std::string_view from = before == nullptr ? "nothing" : OwnState(*before);
  const std::string_view to = OwnState(after);
  const bool known = to == "ACTIVE" || to == "PAUSED" || to == "DISABLED";
  const bool begins_well = before != nullptr || (to == "ACTIVE" && after.live());
  // What lies in the bin stays what it was.
  const bool kept = was_live || after.live() || from == to;
  if (!known || !begins_well || !kept) {
    return Refusal(v1::STATE_REFUSED, fmt::format("{} cannot go from {} to {}.",
                                                  NameOf(context.header.tenant, entity), from, to))
        .With("from", from)
        .With("to", to)
        .Next("Pause, resume, delete and undelete change the state, one at a time.");
  }
  if (was_live || !after.live()) {
    return absl::OkStatus();
  }
  RETRACE_ASSIGN(const int64_t others, LiveWebhooks(view));
  if (others < kMostWebhooks) {
    return absl::OkStatus();
  }
  return Refusal(v1::LIMIT_REACHED, fmt::format("There are {} webhooks, no more fit.", others))
      .With("limit", fmt::format("{}", kMostWebhooks))
      .Next("Delete one that is no longer needed.");
}

std::string SubjectOfWebhook(const EntityRef& entity, const Row& /*row*/) {
  return fmt::format("webhooks/{}", entity.id);
}

void ContributeWebhook(const Row& /*row*/, std::vector<Contribution>& contributions) {
  contributions.emplace_back();
}

}  // namespace

Kind WebhookKind() {
  Kind kind;
  kind.number = KindNumber::kWebhook;
  kind.singular = "webhook";
  kind.collection = "webhooks";
  kind.resource = &Webhook::default_instance();
  kind.events = {&store::v1::WebhookCreated::default_instance(),
                 &store::v1::WebhookUpdated::default_instance(),
                 &store::v1::WebhookSecretRotated::default_instance(),
                 &store::v1::WebhookPaused::default_instance(),
                 &store::v1::WebhookResumed::default_instance(),
                 &store::v1::WebhookDisabled::default_instance()};
  kind.indexes = {{.number = kWebhookStateIndex,
                   .name = "state",
                   .fields = {"state"},
                   .normaliser = Normaliser::kExact}};
  kind.content = true;
  kind.apply = ApplyWebhook;
  kind.check = CheckWebhook;
  kind.subject = SubjectOfWebhook;
  kind.contribute = ContributeWebhook;
  return kind;
}

bool Takes(const Row& row, std::string_view notification_kind) {
  if (!row.live()) {
    return false;
  }
  const auto& webhook = row.As<Webhook>();
  const auto& kinds = webhook.kinds();
  return notification_kind == kWebhookTested ||
         (webhook.state() == Webhook::ACTIVE &&
          (kinds.empty() ||
           std::find(kinds.begin(), kinds.end(), notification_kind) != kinds.end()));
}

absl::Status Decide(const v1::CreateWebhookRequest& request, Draft& draft, const Context& context) {
  RETRACE_RETURN_IF_ERROR(CheckParent(request.parent(), context));
  Webhook webhook = request.webhook();
  ClearOutputOnly(webhook);
  RETRACE_RETURN_IF_ERROR(Normalise(webhook));
  AddSecret(context.new_id(), context.header.time_us, webhook);
  return CreateEntity<store::v1::WebhookCreated>({KindNumber::kWebhook, context.new_id()},
                                                 std::move(webhook), draft);
}

absl::Status Decide(const v1::UpdateWebhookRequest& request, Draft& draft, const Context& context) {
  return UpdateEntity<store::v1::WebhookUpdated>(
      KindNumber::kWebhook, request.webhook(), request.update_mask(), request.options(), draft,
      context,
      [](const Webhook&, Webhook& after, std::vector<std::string>&) { return Normalise(after); });
}

absl::Status Decide(const v1::RotateSecretRequest& request, Draft& draft, const Context& context) {
  RETRACE_ASSIGN(const Found found,
                 FindLive(KindNumber::kWebhook, request.name(), request.options(), draft, context));
  draft.Target(found.entity);
  auto event = std::make_shared<store::v1::WebhookSecretRotated>();
  event->set_secret(context.new_id());
  event->set_old_expire_us(context.header.time_us +
                           (request.end_old_now() ? 0 : kOldSecretStaysUs));
  return draft.Emit(found.entity, std::move(event));
}

absl::Status Decide(const v1::PauseWebhookRequest& request, Draft& draft, const Context& context) {
  RETRACE_ASSIGN(const Found found,
                 FindLive(KindNumber::kWebhook, request.name(), request.options(), draft, context));
  draft.Target(found.entity);
  const auto state = found.row->As<Webhook>().state();
  if (state == Webhook::DISABLED) {
    return Refusal(v1::STATE_REFUSED, fmt::format("{} is disabled.", request.name()))
        .With("from", "DISABLED")
        .With("to", "PAUSED")
        .Next("It is sent nothing as it is; resume it first.");
  }
  return state == Webhook::PAUSED
             ? absl::OkStatus()
             : draft.Emit(found.entity, std::make_shared<store::v1::WebhookPaused>());
}

absl::Status Decide(const v1::ResumeWebhookRequest& request, Draft& draft, const Context& context) {
  RETRACE_ASSIGN(const Found found,
                 FindLive(KindNumber::kWebhook, request.name(), request.options(), draft, context));
  draft.Target(found.entity);
  return found.row->As<Webhook>().state() == Webhook::ACTIVE
             ? absl::OkStatus()
             : draft.Emit(found.entity, std::make_shared<store::v1::WebhookResumed>());
}

absl::Status Decide(const v1::DeleteWebhookRequest& request, Draft& draft, const Context& context) {
  return DecideDelete(KindNumber::kWebhook, request.name(), request.options(), draft, context);
}

absl::Status Decide(const v1::UndeleteWebhookRequest& request, Draft& draft,
                    const Context& context) {
  return DecideUndelete(KindNumber::kWebhook, request.name(), request.options(), draft, context);
}

absl::Status Decide(const store::v1::DisableWebhook& command, Draft& draft,
                    const Context& context) {
  const EntityRef entity{KindNumber::kWebhook, command.webhook()};
  RETRACE_ASSIGN(const RowPtr row, draft.Get(entity));
  if (row == nullptr || !row->live() || row->As<Webhook>().state() == Webhook::DISABLED ||
      row->head.revision() != command.revision()) {
    return absl::OkStatus();
  }
  draft.Target(entity);
  auto event = std::make_shared<store::v1::WebhookDisabled>();
  event->set_reason(command.reason());
  RETRACE_RETURN_IF_ERROR(draft.Emit(entity, std::move(event)));
  Notice notice;
  notice.kind = "webhooks.disabled";
  notice.audience.add_roles("administrator");
  notice.about = NameOf(context.header.tenant, entity);
  notice.message = command.reason();
  notice.key = fmt::format("{} {}", notice.about, context.header.position);
  return Notify(notice, draft, context);
}

absl::Status Decide(const v1::TestWebhookRequest& request, Draft& draft, const Context& context) {
  RETRACE_ASSIGN(const Found found,
                 FindLive(KindNumber::kWebhook, request.name(), request.options(), draft, context));
  Notice notice;
  notice.kind = kWebhookTested;
  notice.about = request.name();
  notice.audience.add_recipients(request.name());
  // Each try is one of its own, in one change set, too.
  notice.key = fmt::format("{} {}", request.name(), context.header.position);
  RETRACE_RETURN_IF_ERROR(Notify(notice, draft, context));
  const EntityRef notification =
      NotificationRef(context.header.change_set, kWebhookTested, notice.key);
  store::v1::Recipient recipient;
  recipient.set_name(request.name());
  recipient.set_channel(v1::WEBHOOK);
  RETRACE_RETURN_IF_ERROR(
      EmitDelivery(notification, kWebhookTested, recipient, context.header.time_us, draft)
          .status());
  draft.Target(DeliveryRef(notification.id, v1::WEBHOOK, request.name()));
  auto addressed = std::make_shared<store::v1::NotificationAddressed>();
  addressed->set_delivery_count(1);
  return draft.Emit(notification, std::move(addressed));
}

absl::Status Decide(const v1::RedeliverWebhookRequest& request, Draft& draft,
                    const Context& context) {
  RETRACE_ASSIGN(const Found webhook,
                 FindLive(KindNumber::kWebhook, request.name(), request.options(), draft, context));
  // What is pending for a webhook that takes nothing is given up: what was sent would no longer
  // say so.
  const auto state = webhook.row->As<Webhook>().state();
  if (state != Webhook::ACTIVE) {
    const bool paused = state == Webhook::PAUSED;
    return Refusal(v1::STATE_REFUSED,
                   fmt::format("{} is {}.", request.name(), paused ? "paused" : "disabled"))
        .With("from", paused ? "PAUSED" : "DISABLED")
        .With("to", "ACTIVE")
        .Next("It is sent nothing as it is; resume it first.");
  }
  RETRACE_ASSIGN(const Found found, FindLive(KindNumber::kDelivery, request.delivery(), {}, draft,
                                             context, "delivery"));
  const auto& delivery = found.row->As<v1::Delivery>();
  if (delivery.recipient() != request.name()) {
    return Refusal(v1::ENTITY_NOT_FOUND, fmt::format("There is no delivery `{}` of {}.",
                                                     request.delivery(), request.name()))
        .Field("delivery", "Give one of ListWebhookDeliveries.");
  }
  draft.Target(found.entity);
  if (delivery.state() == v1::Delivery::PENDING) {
    return absl::OkStatus();
  }
  auto event = std::make_shared<store::v1::DeliveryAttempted>();
  event->set_state(v1::Delivery::PENDING);
  event->set_result(delivery.last_result());
  event->set_next_attempt_us(context.header.time_us);
  return draft.Emit(found.entity, std::move(event));
}

}  // namespace retrace::domain
