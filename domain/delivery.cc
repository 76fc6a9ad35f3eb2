#include "domain/delivery.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "domain/commands.h"
#include "domain/decider.h"
#include "domain/notification.h"
#include "domain/policy.h"
#include "domain/recipient.h"
#include "domain/resource.h"
#include "domain/stable_id.h"
#include "domain/text_excerpt.h"
#include "fmt/format.h"
#include "google/protobuf/util/time_util.h"
#include "retrace/store/v1/notifications.pb.h"
#include "retrace/v1/tenants.pb.h"

namespace retrace::domain {
namespace {

using google::protobuf::Message;
using google::protobuf::util::TimeUtil;
using v1::Delivery;

constexpr uint8_t kStateIndex = 3;
constexpr size_t kMostResultBytes = 1000;

void Attempt(const store::v1::DeliveryAttempted& event, const CommitHeader& header,
             Delivery& delivery) {
  delivery.set_state(event.state());
  delivery.set_attempt_count(event.attempt());
  delivery.set_last_result(event.result());
  delivery.set_may_have_arrived(delivery.may_have_arrived() || event.may_have_arrived());
  if (event.state() == Delivery::SENT) {
    *delivery.mutable_send_time() = TimeUtil::MicrosecondsToTimestamp(header.time_us);
  }
  if (event.next_attempt_us() != 0) {
    *delivery.mutable_next_attempt_time() =
        TimeUtil::MicrosecondsToTimestamp(event.next_attempt_us());
  } else {
    delivery.clear_next_attempt_time();
  }
}

void Mark(const store::v1::DeliveryMarked& event, const CommitHeader& header, Delivery& delivery) {
  if (event.unread()) {
    delivery.clear_read_time();
  } else {
    *delivery.mutable_read_time() = TimeUtil::MicrosecondsToTimestamp(header.time_us);
  }
}

void ApplyDelivery(const Message& event, const CommitHeader& header, Row& row) {
  auto delivery = row.resource == nullptr ? std::make_shared<Delivery>()
                                          : std::make_shared<Delivery>(row.As<Delivery>());
  const auto* type = event.GetDescriptor();
  if (type == store::v1::DeliveryRequested::descriptor()) {
    *delivery = static_cast<const store::v1::DeliveryRequested&>(event).delivery();
    if (delivery->state() == Delivery::SENT) {
      *delivery->mutable_send_time() = TimeUtil::MicrosecondsToTimestamp(header.time_us);
    }
  } else if (type == store::v1::DeliveryAttempted::descriptor()) {
    Attempt(static_cast<const store::v1::DeliveryAttempted&>(event), header, *delivery);
  } else {
    Mark(static_cast<const store::v1::DeliveryMarked&>(event), header, *delivery);
  }
  row.resource = std::move(delivery);
}

absl::StatusOr<Found> FindDelivery(const std::string& id, const Draft& draft) {
  Found found{{KindNumber::kDelivery, id}, nullptr};
  RETRACE_ASSIGN(found.row, draft.Get(found.entity));
  if (found.row == nullptr) {
    return Refusal(v1::ENTITY_NOT_FOUND, fmt::format("There is no delivery {}.", id));
  }
  return found;
}

absl::StatusOr<Found> NotificationOf(const Delivery& delivery, const Draft& draft) {
  Found found{{KindNumber::kNotification, IdOfName(delivery.notification())}, nullptr};
  RETRACE_ASSIGN(found.row, draft.Get(found.entity));
  if (found.row == nullptr) {
    return absl::DataLossError(fmt::format("{} is missing.", delivery.notification()));
  }
  return found;
}

// What somebody who was told now, or may have been, has to hear besides.
absl::Status AfterItLeft(const store::v1::RecordAttempt& attempt, const Delivery& delivery,
                         Draft& draft, const Context& context) {
  RETRACE_ASSIGN(Found notification, NotificationOf(delivery, draft));
  if (!notification.row->As<v1::Notification>().left()) {
    RETRACE_RETURN_IF_ERROR(
        draft.Emit(notification.entity, std::make_shared<store::v1::NotificationLeft>()));
    RETRACE_ASSIGN(notification.row, draft.Get(notification.entity));
  }
  // It was undone while it was on its way.
  return notification.row->As<v1::Notification>().taken_back_count() > attempt.taken_back_count()
             ? Correct(notification, attempt.taken_back_count(), draft, context)
             : absl::OkStatus();
}

// Who reads what was undone meanwhile, from a list that is not fresh, has to hear that, too; a list
// tells of what stands of the rest.
absl::Status AfterItWasRead(const Delivery& delivery, Draft& draft, const Context& context) {
  RETRACE_ASSIGN(const Found notification, NotificationOf(delivery, draft));
  return !delivery.has_read_time() && !Stands(notification.row->As<v1::Notification>())
             ? Correct(notification, 0, draft, context)
             : absl::OkStatus();
}

absl::Status Suppress(const Delivery& delivery, const store::v1::RecordAttempt& attempt,
                      Draft& draft, const Context& context) {
  RETRACE_ASSIGN(const bool known, IsKnown(delivery.recipient(), draft, context.header.tenant));
  if (!known) {
    return absl::OkStatus();
  }
  const EntityRef entity = ContactPointRef(delivery.channel(), delivery.recipient());
  auto event = std::make_shared<store::v1::ContactPointChosen>();
  event->set_recipient(delivery.recipient());
  event->set_channel(delivery.channel());
  event->set_suppressed(true);
  auto& evidence = *event->mutable_suppression();
  evidence.set_source("BOUNCE");
  *evidence.mutable_time() = TimeUtil::MicrosecondsToTimestamp(context.header.time_us);
  evidence.set_actor(context.header.actor);
  evidence.set_reason(WholeUtf8(attempt.result(), kMostResultBytes));
  // By now the member may have another address.
  event->set_refused_position(attempt.seen_position() != 0
                                  ? static_cast<uint64_t>(attempt.seen_position())
                                  : context.header.position);
  return draft.Emit(entity, std::move(event));
}

}  // namespace

Kind DeliveryKind() {
  Kind kind;
  kind.number = KindNumber::kDelivery;
  kind.singular = "delivery";
  kind.collection = "deliveries";
  kind.resource = &Delivery::default_instance();
  kind.events = {&store::v1::DeliveryRequested::default_instance(),
                 &store::v1::DeliveryAttempted::default_instance(),
                 &store::v1::DeliveryMarked::default_instance()};
  kind.indexes = {{.number = kNextAttemptIndex,
                   .name = "next_attempt_time",
                   .fields = {"next_attempt_time"},
                   .normaliser = Normaliser::kTime},
                  {.number = kInboxIndex,
                   .name = "inbox_key",
                   .fields = {"inbox_key"},
                   .normaliser = Normaliser::kExact},
                  {.number = kStateIndex,
                   .name = "state",
                   .fields = {"state"},
                   .normaliser = Normaliser::kExact}};
  kind.bookkeeping = true;
  kind.apply = ApplyDelivery;
  return kind;
}

EntityRef DeliveryRef(std::string_view notification_id, v1::Channel channel,
                      std::string_view recipient) {
  // As notifications, in the order of their change sets.
  const std::string_view prefix = notification_id.substr(0, notification_id.find('-'));
  return {KindNumber::kDelivery,
          fmt::format("{}-{}", prefix,
                      StableId(fmt::format("{}\n{}\n{}", notification_id, static_cast<int>(channel),
                                           recipient)))};
}

std::string InboxPrefix(std::string_view principal) { return fmt::format("{}\n", principal); }

absl::StatusOr<bool> EmitDelivery(const EntityRef& notification, std::string_view notification_kind,
                                  const store::v1::Recipient& recipient, int64_t due_us,
                                  Draft& draft) {
  const EntityRef entity = DeliveryRef(notification.id, recipient.channel(), recipient.name());
  RETRACE_ASSIGN(const RowPtr row, draft.Get(entity));
  if (row != nullptr) {
    return false;
  }
  auto event = std::make_shared<store::v1::DeliveryRequested>();
  Delivery& delivery = *event->mutable_delivery();
  delivery.set_notification(NameOf(draft.header().tenant, notification));
  delivery.set_kind(std::string(notification_kind));
  delivery.set_channel(recipient.channel());
  delivery.set_recipient(recipient.name());
  if (recipient.channel() == v1::INBOX) {
    delivery.set_principal(recipient.principal());
    delivery.set_inbox_key(fmt::format("{}{:016x}", InboxPrefix(recipient.principal()),
                                       ~static_cast<uint64_t>(draft.header().position)));
    delivery.set_state(Delivery::SENT);
  } else {
    delivery.set_state(Delivery::PENDING);
    *delivery.mutable_next_attempt_time() = TimeUtil::MicrosecondsToTimestamp(due_us);
  }
  RETRACE_RETURN_IF_ERROR(draft.Emit(entity, std::move(event)));
  return true;
}

absl::Status Decide(const store::v1::AddressNotification& command, Draft& draft,
                    const Context& context) {
  const EntityRef entity{KindNumber::kNotification, command.notification()};
  RETRACE_ASSIGN(const RowPtr row, draft.Get(entity));
  if (row == nullptr) {
    return Refusal(v1::ENTITY_NOT_FOUND,
                   fmt::format("There is no notification {}.", command.notification()));
  }
  const auto& notification = row->As<v1::Notification>();
  draft.Target(entity);
  if (!Stands(notification)) {
    return absl::OkStatus();
  }
  RETRACE_ASSIGN(const v1::Policy policy, PolicyOf(draft));
  const int64_t due_us =
      context.header.time_us +
      (command.hold() ? policy.hold_notifications_seconds() * int64_t{1'000'000} : 0);
  auto event = std::make_shared<store::v1::NotificationAddressed>();
  event->set_more(command.more());
  for (const store::v1::Recipient& recipient : command.recipients()) {
    RETRACE_ASSIGN(const bool made,
                   EmitDelivery(entity, notification.kind(), recipient, due_us, draft));
    event->set_delivery_count(event->delivery_count() + (made ? 1 : 0));
  }
  const bool told_before =
      event->delivery_count() == 0 && notification.state() == v1::Notification::ADDRESSED;
  return told_before ? absl::OkStatus() : draft.Emit(entity, std::move(event));
}

absl::Status Decide(const store::v1::RecordAttempt& attempt, Draft& draft, const Context& context) {
  RETRACE_ASSIGN(const Found found, FindDelivery(attempt.delivery(), draft));
  const auto& delivery = found.row->As<Delivery>();
  draft.Target(found.entity);
  // Recorded before, or decided by an administrator meanwhile.
  const bool known = attempt.attempt() != 0 && attempt.attempt() <= delivery.attempt_count();
  const bool arrived = attempt.state() == Delivery::SENT || attempt.may_have_arrived();
  if (known || (delivery.state() != Delivery::PENDING && !arrived)) {
    return absl::OkStatus();
  }
  auto event = std::make_shared<store::v1::DeliveryAttempted>();
  event->set_state(attempt.state());
  event->set_attempt(attempt.attempt() == 0 ? delivery.attempt_count() : attempt.attempt());
  event->set_result(WholeUtf8(attempt.result(), kMostResultBytes));
  event->set_next_attempt_us(attempt.state() == Delivery::PENDING ? attempt.next_attempt_us() : 0);
  event->set_may_have_arrived(attempt.may_have_arrived());
  RETRACE_RETURN_IF_ERROR(draft.Emit(found.entity, std::move(event)));
  if (attempt.address_refused()) {
    RETRACE_RETURN_IF_ERROR(Suppress(delivery, attempt, draft, context));
  }
  return arrived ? AfterItLeft(attempt, delivery, draft, context) : absl::OkStatus();
}

absl::Status Decide(const v1::RetryDeliveryRequest& request, Draft& draft, const Context& context) {
  RETRACE_ASSIGN(const Found found, FindLive(KindNumber::kDelivery, request.name(),
                                             request.options(), draft, context));
  const auto& delivery = found.row->As<Delivery>();
  draft.Target(found.entity);
  if (delivery.state() == Delivery::PENDING) {
    return absl::OkStatus();
  }
  if (delivery.state() == Delivery::SENT) {
    return Refusal(v1::STATE_REFUSED, fmt::format("{} has arrived.", request.name()))
        .Next("There is nothing to try again.");
  }
  auto event = std::make_shared<store::v1::DeliveryAttempted>();
  event->set_state(Delivery::PENDING);
  event->set_result(delivery.last_result());
  event->set_next_attempt_us(context.header.time_us);
  return draft.Emit(found.entity, std::move(event));
}

absl::Status Decide(const v1::MarkMyNotificationsRequest& request, Draft& draft,
                    const Context& context) {
  RETRACE_RETURN_IF_ERROR(CheckParent(request.parent(), context));
  for (const std::string& name : request.names()) {
    RETRACE_ASSIGN(const Found found, FindLive(KindNumber::kDelivery, name, request.options(),
                                               draft, context, "names"));
    const auto& delivery = found.row->As<Delivery>();
    if (delivery.principal() != context.header.actor) {
      // Another's inbox is nobody's business.
      return Refusal(v1::ENTITY_NOT_FOUND, fmt::format("There is no delivery `{}`.", name))
          .Field("names", "Give names of your own inbox.");
    }
    draft.Target(found.entity);
    if (delivery.has_read_time() == request.unread()) {
      auto event = std::make_shared<store::v1::DeliveryMarked>();
      event->set_unread(request.unread());
      RETRACE_RETURN_IF_ERROR(draft.Emit(found.entity, std::move(event)));
      RETRACE_RETURN_IF_ERROR(AfterItWasRead(delivery, draft, context));
    }
  }
  return absl::OkStatus();
}

}  // namespace retrace::domain
