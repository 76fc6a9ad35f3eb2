#include "domain/follower.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "domain/commands.h"
#include "domain/decider.h"
#include "domain/notification.h"
#include "domain/resource.h"
#include "fmt/format.h"
#include "google/protobuf/util/time_util.h"
#include "retrace/store/v1/notifications.pb.h"
#include "retrace/v1/notifications.pb.h"

namespace retrace::domain {
namespace {

using google::protobuf::Message;
using google::protobuf::util::TimeUtil;
using v1::Follower;

constexpr std::string_view kParkedKind = "followers.parked";
constexpr std::string_view kHeldKind = "deliveries.held";

Follower::Parked* FindParked(std::string_view entity, Follower& follower) {
  for (Follower::Parked& parked : *follower.mutable_parked()) {
    if (parked.entity() == entity) {
      return &parked;
    }
  }
  return nullptr;
}

void Unpark(std::string_view entity, Follower& follower) {
  auto* parked = follower.mutable_parked();
  parked->erase(
      std::remove_if(parked->begin(), parked->end(),
                     [entity](const Follower::Parked& one) { return one.entity() == entity; }),
      parked->end());
}

void Advance(const store::v1::FollowerAdvanced& event, Follower& follower) {
  follower.set_position(static_cast<int64_t>(event.position()));
  follower.set_epoch(fmt::format("{:016x}", event.epoch()));
  if (event.held_position() != 0) {
    follower.set_held_position(static_cast<int64_t>(event.held_position()));
  }
}

void Park(const Follower::Parked& parked, const CommitHeader& header, Follower& follower) {
  Follower::Parked* known = FindParked(parked.entity(), follower);
  Follower::Parked& written = known == nullptr ? *follower.add_parked() : *known;
  const int32_t attempts = written.attempt_count();
  written = parked;
  written.set_attempt_count(attempts + 1);
  *written.mutable_time() = TimeUtil::MicrosecondsToTimestamp(header.time_us);
}

void ApplyFollower(const Message& event, const CommitHeader& header, Row& row) {
  auto follower = row.resource == nullptr ? std::make_shared<Follower>()
                                          : std::make_shared<Follower>(row.As<Follower>());
  const auto* type = event.GetDescriptor();
  if (type == store::v1::FollowerAdvanced::descriptor()) {
    Advance(static_cast<const store::v1::FollowerAdvanced&>(event), *follower);
  } else if (type == store::v1::EventParked::descriptor()) {
    Park(static_cast<const store::v1::EventParked&>(event).parked(), header, *follower);
  } else if (type == store::v1::EventUnparked::descriptor()) {
    Unpark(static_cast<const store::v1::EventUnparked&>(event).entity(), *follower);
  } else if (type == store::v1::ParkedEventRetried::descriptor()) {
    const auto& retried = static_cast<const store::v1::ParkedEventRetried&>(event);
    if (auto* parked = FindParked(retried.entity(), *follower); parked != nullptr) {
      parked->set_retry(true);
    }
  } else if (type == store::v1::ParkedEventDiscarded::descriptor()) {
    // What comes after it is tried next.
    const auto& discarded = static_cast<const store::v1::ParkedEventDiscarded&>(event);
    if (auto* parked = FindParked(discarded.entity(), *follower); parked != nullptr) {
      parked->set_position(parked->position() + 1);
      parked->set_retry(true);
    }
  } else if (type == store::v1::FollowerPaused::descriptor()) {
    follower->set_paused(!static_cast<const store::v1::FollowerPaused&>(event).resumed());
  } else {
    if (!static_cast<const store::v1::HeldDeliveriesResolved&>(event).send()) {
      follower->set_skipped_position(follower->held_position());
    }
    follower->clear_held_position();
  }
  row.resource = std::move(follower);
}

absl::Status CheckReason(const v1::CommandOptions& options) {
  return options.reason().empty() ? Refusal(v1::INVALID_FIELD, "This is decided with a reason.")
                                        .Field("options.reason", "Say why.")
                                  : absl::OkStatus();
}

// Tells administrators of what was parked.
absl::Status TellOfParked(std::string_view follower, const Follower::Parked& parked, Draft& draft,
                          const Context& context) {
  Notice notice;
  notice.kind = kParkedKind;
  notice.audience.add_roles("administrator");
  notice.about = NameOf(context.header.tenant, FollowerRef(follower));
  notice.message = fmt::format("{}: {}", parked.entity(), parked.fault());
  return Notify(notice, draft, context);
}

// Tells administrators that nothing leaves until they decide. This notification does: it is
// younger.
absl::Status TellOfHeld(Draft& draft, const Context& context) {
  Notice notice;
  notice.kind = kHeldKind;
  notice.audience.add_roles("administrator");
  return Notify(notice, draft, context);
}

// What cannot be told is not told of.
absl::StatusOr<bool> IsWorthTelling(const Follower::Parked& parked, const Draft& draft) {
  const auto name = ParseName(parked.entity(), "entity");
  if (!name.ok() || FindKind(name->collection) == nullptr ||
      FindKind(name->collection)->number != KindNumber::kNotification) {
    return true;
  }
  RETRACE_ASSIGN(const RowPtr row, draft.Get({KindNumber::kNotification, name->id}));
  return row == nullptr || row->As<v1::Notification>().kind() != kParkedKind;
}

}  // namespace

Kind FollowerKind() {
  Kind kind;
  kind.number = KindNumber::kFollower;
  kind.singular = "follower";
  kind.collection = "followers";
  kind.resource = &Follower::default_instance();
  kind.events = {&store::v1::FollowerAdvanced::default_instance(),
                 &store::v1::EventParked::default_instance(),
                 &store::v1::EventUnparked::default_instance(),
                 &store::v1::ParkedEventRetried::default_instance(),
                 &store::v1::ParkedEventDiscarded::default_instance(),
                 &store::v1::FollowerPaused::default_instance(),
                 &store::v1::HeldDeliveriesResolved::default_instance()};
  kind.bookkeeping = true;
  kind.apply = ApplyFollower;
  return kind;
}

EntityRef FollowerRef(std::string_view follower) {
  return {KindNumber::kFollower, std::string(follower)};
}

absl::Status Decide(const store::v1::AdvanceFollower& command, Draft& draft,
                    const Context& context) {
  const EntityRef entity = FollowerRef(command.follower());
  RETRACE_ASSIGN(const RowPtr row, draft.Get(entity));
  const Follower before = row == nullptr ? Follower() : row->As<Follower>();
  draft.Target(entity);
  if (!command.unparked().empty()) {
    auto event = std::make_shared<store::v1::EventUnparked>();
    event->set_entity(command.unparked());
    RETRACE_RETURN_IF_ERROR(draft.Emit(entity, std::move(event)));
  }
  if (command.has_parked()) {
    Follower known = before;
    const bool again = FindParked(command.parked().entity(), known) != nullptr;
    if (!again && before.parked_size() >= kMostParked) {
      return Refusal(v1::LIMIT_REACHED,
                     fmt::format("Events of {} entities are parked.", before.parked_size()))
          .Next("Retry or discard some of them.");
    }
    auto event = std::make_shared<store::v1::EventParked>();
    *event->mutable_parked() = command.parked();
    RETRACE_RETURN_IF_ERROR(draft.Emit(entity, std::move(event)));
    RETRACE_ASSIGN(const bool tell, IsWorthTelling(command.parked(), draft));
    if (!again && tell) {
      RETRACE_RETURN_IF_ERROR(TellOfParked(command.follower(), command.parked(), draft, context));
    }
  }
  if (command.position() == 0 && !command.hold()) {
    return absl::OkStatus();
  }
  auto event = std::make_shared<store::v1::FollowerAdvanced>();
  event->set_position(std::max(command.position(), static_cast<uint64_t>(before.position())));
  event->set_epoch(context.header.epoch);
  if (command.hold()) {
    event->set_held_position(context.header.position - 1);
    RETRACE_RETURN_IF_ERROR(TellOfHeld(draft, context));
  }
  return draft.Emit(entity, std::move(event));
}

absl::Status Decide(const v1::PauseFollowerRequest& request, Draft& draft, const Context& context) {
  RETRACE_ASSIGN(const ResourceName name, ParseName(request.name(), "name"));
  const EntityRef entity = FollowerRef(name.id);
  if (name.tenant != context.header.tenant || name.collection != "followers" ||
      name.id != kNotificationFollower) {
    return Refusal(v1::ENTITY_NOT_FOUND, fmt::format("There is no `{}`.", request.name()))
        .Next("List the tenant's followers.");
  }
  RETRACE_ASSIGN(const RowPtr row, draft.Get(entity));
  draft.Target(entity);
  const bool paused = row != nullptr && row->As<Follower>().paused();
  if (paused != request.resume()) {
    return absl::OkStatus();
  }
  auto event = std::make_shared<store::v1::FollowerPaused>();
  event->set_resumed(request.resume());
  return draft.Emit(entity, std::move(event));
}

absl::Status Decide(const v1::ResolveParkedEventRequest& request, Draft& draft,
                    const Context& context) {
  RETRACE_RETURN_IF_ERROR(CheckReason(request.options()));
  RETRACE_ASSIGN(const Found found, FindLive(KindNumber::kFollower, request.name(),
                                             request.options(), draft, context));
  Follower follower = found.row->As<Follower>();
  draft.Target(found.entity);
  if (FindParked(request.entity(), follower) == nullptr) {
    return Refusal(v1::ENTITY_NOT_FOUND,
                   fmt::format("Nothing of `{}` is parked.", request.entity()))
        .Field("entity", "Give one of the follower's parked entities.");
  }
  switch (request.choice()) {
    case v1::ResolveParkedEventRequest::RETRY: {
      auto event = std::make_shared<store::v1::ParkedEventRetried>();
      event->set_entity(request.entity());
      return draft.Emit(found.entity, std::move(event));
    }
    case v1::ResolveParkedEventRequest::DISCARD: {
      auto event = std::make_shared<store::v1::ParkedEventDiscarded>();
      event->set_entity(request.entity());
      return draft.Emit(found.entity, std::move(event));
    }
    default:
      return Refusal(v1::INVALID_FIELD, "What becomes of the event is not said.")
          .Field("choice", "Give RETRY or DISCARD.");
  }
}

absl::Status Decide(const v1::ResolveHeldDeliveriesRequest& request, Draft& draft,
                    const Context& context) {
  RETRACE_RETURN_IF_ERROR(CheckParent(request.parent(), context));
  RETRACE_RETURN_IF_ERROR(CheckReason(request.options()));
  if (request.choice() != v1::ResolveHeldDeliveriesRequest::SEND &&
      request.choice() != v1::ResolveHeldDeliveriesRequest::SKIP) {
    return Refusal(v1::INVALID_FIELD, "What becomes of held deliveries is not said.")
        .Field("choice", "Give SEND or SKIP.");
  }
  const EntityRef entity = FollowerRef(kNotificationFollower);
  RETRACE_ASSIGN(const RowPtr row, draft.Get(entity));
  draft.Target(entity);
  if (row == nullptr || row->As<Follower>().held_position() == 0) {
    return Refusal(v1::STATE_REFUSED, "Nothing is held.").Next("There is nothing to decide.");
  }
  auto event = std::make_shared<store::v1::HeldDeliveriesResolved>();
  event->set_send(request.choice() == v1::ResolveHeldDeliveriesRequest::SEND);
  return draft.Emit(entity, std::move(event));
}

absl::Status Decide(const store::v1::Tell& command, Draft& draft, const Context& context) {
  Notice notice;
  notice.kind = command.kind();
  notice.audience = command.audience();
  notice.about = command.about();
  notice.message = command.message();
  notice.key = command.key();
  notice.once = !command.key().empty();
  notice.count = command.count();
  notice.entities.assign(command.entities().begin(), command.entities().end());
  return Notify(notice, draft, context);
}

}  // namespace retrace::domain
