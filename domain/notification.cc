#include "domain/notification.h"

#include <algorithm>
#include <memory>
#include <set>
#include <utility>

#include "domain/change_set.h"
#include "domain/index_values.h"
#include "domain/notification_kinds.h"
#include "domain/resource.h"
#include "domain/stable_id.h"
#include "fmt/format.h"
#include "google/protobuf/util/time_util.h"
#include "retrace/store/v1/notifications.pb.h"
#include "retrace/store/v1/timers.pb.h"
#include "retrace/v1/history.pb.h"

namespace retrace::domain {
namespace {

using google::protobuf::Message;
using google::protobuf::util::TimeUtil;
using v1::Notification;

constexpr uint8_t kDueIndex = 2;

void Request(const store::v1::NotificationRequested& event, const CommitHeader& header,
             Notification& notification) {
  notification = event.notification();
  notification.set_position(static_cast<int64_t>(header.position));
  if (notification.change_set() == 0) {
    notification.set_change_set(static_cast<int64_t>(header.change_set));
  }
  if (notification.actor().empty()) {
    notification.set_actor(header.actor);
    if (notification.reason().empty()) {
      notification.set_reason(header.reason);
    }
  }
}

void Extend(const store::v1::NotificationExtended& event, const CommitHeader& header,
            Notification& notification) {
  // What was taken back while it gathered is not told with what came later.
  if (!Stands(notification) && event.count() > 0) {
    notification.clear_entities();
  }
  notification.set_count(notification.count() + event.count());
  notification.set_taken_back_count(notification.taken_back_count() + event.taken_back_count());
  if (event.not_only_a_correction()) {
    notification.clear_corrects();
  }
  // When nothing stands any more, what it told stays readable.
  if (Stands(notification)) {
    const auto& gone = event.taken_back();
    auto* shown = notification.mutable_entities();
    shown->erase(std::remove_if(shown->begin(), shown->end(),
                                [&gone](const v1::NotifiedEntity& entity) {
                                  return std::find(gone.begin(), gone.end(), entity.name()) !=
                                         gone.end();
                                }),
                 shown->end());
  }
  for (const v1::NotifiedEntity& entity : event.entities()) {
    *notification.add_entities() = entity;
  }
  if (event.taken_back_count() > 0) {
    notification.set_taken_back_by(static_cast<int64_t>(header.change_set));
    notification.set_taken_back_actor(header.actor);
    notification.set_taken_back_reason(header.reason);
  }
  // While the change set is open more of the same may come.
  if (notification.state() != Notification::GATHERING && !Stands(notification)) {
    notification.set_state(Notification::TAKEN_BACK);
    notification.clear_due_time();
  }
}

void Ready(Notification& notification) {
  notification.set_state(Notification::READY);
  notification.clear_due_time();
  notification.clear_gathers();
}

void Address(const store::v1::NotificationAddressed& event, Notification& notification) {
  notification.set_delivery_count(notification.delivery_count() + event.delivery_count());
  if (notification.state() == Notification::TAKEN_BACK || event.more()) {
    return;
  }
  Ready(notification);
  notification.set_state(Notification::ADDRESSED);
}

void ApplyNotification(const Message& event, const CommitHeader& header, Row& row) {
  auto notification = row.resource == nullptr
                          ? std::make_shared<Notification>()
                          : std::make_shared<Notification>(row.As<Notification>());
  const auto* type = event.GetDescriptor();
  if (type == store::v1::NotificationRequested::descriptor()) {
    Request(static_cast<const store::v1::NotificationRequested&>(event), header, *notification);
  } else if (type == store::v1::NotificationExtended::descriptor()) {
    Extend(static_cast<const store::v1::NotificationExtended&>(event), header, *notification);
  } else if (type == store::v1::NotificationAddressed::descriptor()) {
    Address(static_cast<const store::v1::NotificationAddressed&>(event), *notification);
  } else if (type == store::v1::NotificationLeft::descriptor()) {
    notification->set_left(true);
  } else if (notification->state() != Notification::TAKEN_BACK) {
    Ready(*notification);
  }
  row.resource = std::move(notification);
}

std::string SubjectOfNotification(const EntityRef& entity, const Row& /*row*/) {
  return fmt::format("notifications/{}", entity.id);
}

absl::Status FireNotification(const Found& waiting, const store::v1::Fire& /*fire*/, Draft& draft,
                              const Context& /*context*/) {
  draft.Target(waiting.entity);
  return draft.Emit(waiting.entity, std::make_shared<store::v1::NotificationDue>());
}

bool IsEmpty(const v1::Audience& audience) {
  return audience.recipients().empty() && audience.member_filter().empty() &&
         audience.teams().empty() && audience.roles().empty() && audience.permission().empty() &&
         !audience.webhooks();
}

// When it goes out: it gathers while its change set may go on.
absl::Status Schedule(const Notice& notice, Position change_set, const Draft& draft,
                      Notification& notification) {
  const int64_t now_us = draft.header().time_us;
  RETRACE_ASSIGN(const RowPtr row,
                 draft.Get({KindNumber::kChangeSet, fmt::format("{}", change_set)}));
  if (row != nullptr && IsOpenAt(*row, now_us) && notice.window_us == 0) {
    notification.set_state(Notification::GATHERING);
    notification.set_gathers(static_cast<int64_t>(change_set));
    *notification.mutable_due_time() = row->As<v1::ChangeSet>().expire_time();
  } else if (notice.window_us > 0) {
    notification.set_state(Notification::WAITING);
    *notification.mutable_due_time() =
        TimeUtil::MicrosecondsToTimestamp((now_us / notice.window_us + 1) * notice.window_us);
  } else if (notice.not_before_us > now_us) {
    notification.set_state(Notification::WAITING);
    *notification.mutable_due_time() = TimeUtil::MicrosecondsToTimestamp(notice.not_before_us);
  } else {
    notification.set_state(Notification::READY);
  }
  return absl::OkStatus();
}

absl::Status ExtendExisting(const EntityRef& entity, const Row& row, const Notice& notice,
                            Draft& draft) {
  auto event = std::make_shared<store::v1::NotificationExtended>();
  event->set_count(notice.count);
  const auto& notification = row.As<Notification>();
  event->set_not_only_a_correction(!notification.corrects().empty() &&
                                   notification.corrects() != notice.corrects);
  const int room = kMostShown - notification.entities_size();
  for (int i = 0; i < std::min<int>(room, static_cast<int>(notice.entities.size())); ++i) {
    *event->add_entities() = notice.entities[static_cast<size_t>(i)];
  }
  return event->count() == 0 ? absl::OkStatus() : draft.Emit(entity, std::move(event));
}

// Names what was taken back, as far as it was shown: when all of it was, the notification names it
// still, else it did before.
absl::Status ShowTakenBack(const Found& notification, const Draft& draft,
                           Notification& correction) {
  const auto& told = notification.row->As<Notification>();
  RowPtr then = notification.row;
  std::set<std::string> standing;
  if (Stands(told)) {
    RETRACE_ASSIGN(then, draft.base().GetAt(notification.entity,
                                            static_cast<Position>(told.taken_back_by()) - 1));
    for (const v1::NotifiedEntity& entity : told.entities()) {
      standing.insert(entity.name());
    }
  }
  if (then == nullptr || then->resource == nullptr) {
    return absl::OkStatus();
  }
  for (const v1::NotifiedEntity& entity : then->As<Notification>().entities()) {
    if (!standing.contains(entity.name())) *correction.add_entities() = entity;
  }
  return absl::OkStatus();
}

}  // namespace

bool Stands(const Notification& notification) {
  return notification.taken_back_count() == 0 ||
         notification.taken_back_count() < notification.count();
}

Kind NotificationsKind() {
  Kind kind;
  kind.number = KindNumber::kNotification;
  kind.singular = "notification";
  kind.collection = "notifications";
  kind.resource = &Notification::default_instance();
  kind.events = {&store::v1::NotificationRequested::default_instance(),
                 &store::v1::NotificationExtended::default_instance(),
                 &store::v1::NotificationDue::default_instance(),
                 &store::v1::NotificationLeft::default_instance(),
                 &store::v1::NotificationAddressed::default_instance()};
  kind.indexes = {{.number = kGatheringIndex,
                   .name = "gathers",
                   .fields = {"gathers"},
                   .normaliser = Normaliser::kNumber},
                  {.number = kDueIndex,
                   .name = "due_time",
                   .fields = {"due_time"},
                   .normaliser = Normaliser::kTime},
                  {.number = kNotificationStateIndex,
                   .name = "state",
                   .fields = {"state"},
                   .normaliser = Normaliser::kExact}};
  kind.bookkeeping = true;
  kind.due_index = kDueIndex;
  kind.subject = SubjectOfNotification;
  kind.apply = ApplyNotification;
  kind.fire = FireNotification;
  return kind;
}

EntityRef NotificationRef(Position change_set, std::string_view kind, std::string_view key) {
  return {KindNumber::kNotification,
          fmt::format("{:011x}-{}", change_set, StableId(fmt::format("{}\n{}", kind, key)))};
}

std::string IdOfName(std::string_view name) {
  return std::string(name.substr(name.rfind('/') + 1));
}

EntityRef RefOf(const Notice& notice, const Draft& draft) {
  const std::string& key = notice.key.empty() ? notice.about : notice.key;
  if (notice.window_us > 0) {
    const int64_t window = draft.header().time_us / notice.window_us;
    return NotificationRef(0, notice.kind, fmt::format("{} {}", key, window));
  }
  return NotificationRef(notice.once ? 0 : draft.header().change_set, notice.kind, key);
}

absl::Status Notify(const Notice& notice, Draft& draft, const Context& /*context*/) {
  if (FindNotificationKind(notice.kind) == nullptr) {
    return absl::InternalError(fmt::format("There is no kind of notification {}.", notice.kind));
  }
  if (IsEmpty(notice.audience)) {
    return Refusal(v1::NOBODY_TO_TELL, "This would be told to nobody.")
        .Next("Name members, teams, roles or a filter.");
  }
  const EntityRef entity = RefOf(notice, draft);
  RETRACE_ASSIGN(const RowPtr row, draft.Get(entity));
  if (row != nullptr && notice.once) {
    return absl::OkStatus();
  }
  if (row != nullptr) {
    return ExtendExisting(entity, *row, notice, draft);
  }
  auto event = std::make_shared<store::v1::NotificationRequested>();
  Notification& notification = *event->mutable_notification();
  notification.set_kind(notice.kind);
  *notification.mutable_audience() = notice.audience;
  notification.set_about(notice.about);
  notification.set_change_set(static_cast<int64_t>(notice.change_set));
  notification.set_message(notice.message);
  notification.set_reason(notice.reason);
  notification.set_corrects(notice.corrects);
  notification.set_count(notice.count);
  const size_t shown = std::min<size_t>(notice.entities.size(), kMostShown);
  notification.mutable_entities()->Add(notice.entities.begin(),
                                       notice.entities.begin() + static_cast<ptrdiff_t>(shown));
  RETRACE_RETURN_IF_ERROR(Schedule(notice, draft.header().change_set, draft, notification));
  if (notice.addressed && notification.state() == Notification::READY) {
    notification.set_state(Notification::ADDRESSED);
  }
  return draft.Emit(entity, std::move(event));
}

absl::Status Correct(const Found& notification, int64_t known, Draft& draft,
                     const Context& context) {
  const auto& told = notification.row->As<Notification>();
  const NotificationKind* kind = FindNotificationKind(told.kind());
  if (kind == nullptr || kind->opposite.empty() || told.taken_back_by() == 0) {
    return absl::OkStatus();
  }
  // The same recipient and kind as the rules give it, so that there is one correction.
  const std::string key = told.audience().webhooks()             ? "webhooks"
                          : told.audience().recipients().empty() ? told.about()
                                                                 : told.audience().recipients(0);
  const auto by = static_cast<Position>(told.taken_back_by());
  const EntityRef entity = NotificationRef(by, kind->opposite, key);
  RETRACE_ASSIGN(const RowPtr row, draft.Get(entity));
  if (row != nullptr) {
    const auto state = row->As<Notification>().state();
    return state == Notification::ADDRESSED || state == Notification::READY
               ? draft.Emit(entity, std::make_shared<store::v1::NotificationDue>())
               : absl::OkStatus();
  }
  auto event = std::make_shared<store::v1::NotificationRequested>();
  Notification& correction = *event->mutable_notification();
  correction.set_kind(std::string(kind->opposite));
  correction.set_change_set(told.taken_back_by());
  *correction.mutable_audience() = told.audience();
  correction.set_about(told.about());
  correction.set_corrects(NameOf(context.header.tenant, notification.entity));
  correction.set_count(told.taken_back_count() - known);
  RETRACE_RETURN_IF_ERROR(ShowTakenBack(notification, draft, correction));
  correction.set_actor(told.taken_back_actor());
  correction.set_reason(told.taken_back_reason());
  RETRACE_RETURN_IF_ERROR(Schedule({}, by, draft, correction));
  return draft.Emit(entity, std::move(event));
}

}  // namespace retrace::domain
