#include "domain/change_set.h"

#include <memory>
#include <string>
#include <utility>

#include "domain/commands.h"
#include "domain/decider.h"
#include "domain/normalise.h"
#include "domain/resource.h"
#include "fmt/format.h"
#include "google/protobuf/util/time_util.h"
#include "retrace/store/v1/entities.pb.h"
#include "retrace/v1/history.pb.h"

namespace retrace::domain {
namespace {

using google::protobuf::Message;
using google::protobuf::util::TimeUtil;

void ApplyChangeSetEvent(const Message& event, const CommitHeader& header, Row& row) {
  auto change_set = row.resource == nullptr
                        ? std::make_shared<v1::ChangeSet>()
                        : std::make_shared<v1::ChangeSet>(row.As<v1::ChangeSet>());
  const auto now = TimeUtil::MicrosecondsToTimestamp(header.time_us);
  if (event.GetDescriptor() == store::v1::ChangeSetBegun::descriptor()) {
    const auto& begun = static_cast<const store::v1::ChangeSetBegun&>(event);
    change_set->set_number(static_cast<int64_t>(header.position));
    change_set->set_title(begun.title());
    change_set->set_state(v1::ChangeSet::OPEN);
    change_set->set_actor(header.actor);
    change_set->set_on_behalf_of(header.on_behalf_of);
    change_set->set_reason(header.reason);
    if (!begun.operation().empty()) {
      change_set->set_operation(NameOf(header.tenant, {KindNumber::kOperation, begun.operation()}));
    }
    *change_set->mutable_begin_time() = now;
    *change_set->mutable_expire_time() = TimeUtil::MicrosecondsToTimestamp(begun.closes_at_us());
  } else {
    change_set->set_state(v1::ChangeSet::CLOSED);
    *change_set->mutable_end_time() = now;
  }
  row.resource = std::move(change_set);
}

absl::Status CheckChangeSetMove(const EntityRef& entity, const Row* before, const Row& after,
                                const View& /*view*/, const Context& /*context*/) {
  const auto state = after.As<v1::ChangeSet>().state();
  if (after.live() && (before == nullptr ? state == v1::ChangeSet::OPEN
                                         : before->As<v1::ChangeSet>().state() == state ||
                                               state == v1::ChangeSet::CLOSED)) {
    return absl::OkStatus();
  }
  return Refusal(v1::STATE_REFUSED,
                 fmt::format("Change set {} is begun and ended, nothing else.", entity.id));
}

Refusal Closed(std::string message) {
  return Refusal(v1::CHANGE_SET_CLOSED, std::move(message))
      .Next("Begin a change set of your own, or leave options.change_set out.");
}

}  // namespace

Kind ChangeSetKind() {
  Kind kind;
  kind.number = KindNumber::kChangeSet;
  kind.singular = "change set";
  kind.collection = "changeSets";
  kind.resource = &v1::ChangeSet::default_instance();
  kind.events = {&store::v1::ChangeSetBegun::default_instance(),
                 &store::v1::ChangeSetEnded::default_instance()};
  kind.bookkeeping = true;
  kind.apply = ApplyChangeSetEvent;
  kind.check = CheckChangeSetMove;
  return kind;
}

bool IsOpenAt(const Row& row, int64_t time_us) {
  const auto& change_set = row.As<v1::ChangeSet>();
  return change_set.state() == v1::ChangeSet::OPEN &&
         time_us < TimeUtil::TimestampToMicroseconds(change_set.expire_time());
}

absl::Status CheckChangeSet(Position change_set, const std::string& operation, const View& view,
                            const CommitHeader& header) {
  if (change_set == 0) {
    return absl::OkStatus();
  }
  RETRACE_ASSIGN(const RowPtr row,
                 view.Get({KindNumber::kChangeSet, fmt::format("{}", change_set)}));
  if (row == nullptr) {
    return Closed(fmt::format("Nobody began a change set {}.", change_set));
  }
  if (row->As<v1::ChangeSet>().actor() != header.actor) {
    return Closed(fmt::format("Change set {} is another actor's.", change_set));
  }
  const std::string& its = row->As<v1::ChangeSet>().operation();
  if (!its.empty() &&
      (operation.empty() || its != NameOf(header.tenant, {KindNumber::kOperation, operation}))) {
    return Closed(fmt::format("Change set {} is that of `{}`.", change_set, its));
  }
  if (!IsOpenAt(*row, header.time_us)) {
    return Closed(fmt::format("Change set {} is closed.", change_set));
  }
  return absl::OkStatus();
}

absl::Status Decide(const v1::BeginChangeSetRequest& request, Draft& draft,
                    const Context& context) {
  RETRACE_RETURN_IF_ERROR(CheckParent(request.parent(), context));
  if (request.options().change_set() != 0) {
    return Refusal(v1::INVALID_FIELD, "A change set cannot be begun inside another.")
        .Field("options.change_set", "Leave it out.");
  }
  auto event = std::make_shared<store::v1::ChangeSetBegun>();
  event->set_title(request.title());
  Trim(*event->mutable_title());
  event->set_closes_at_us(context.header.time_us + kChangeSetLifeUs);
  const EntityRef entity{KindNumber::kChangeSet, fmt::format("{}", context.header.position)};
  draft.Target(entity);
  return draft.Emit(entity, std::move(event));
}

absl::Status Decide(const v1::EndChangeSetRequest& request, Draft& draft, const Context& context) {
  RETRACE_ASSIGN(Found found, FindLive(KindNumber::kChangeSet, request.name(), request.options(),
                                       draft, context));
  const auto& change_set = found.row->As<v1::ChangeSet>();
  if (change_set.actor() != context.header.actor) {
    return Refusal(v1::CHANGE_SET_CLOSED, fmt::format("`{}` is {}'s; only they end it.",
                                                      request.name(), change_set.actor()))
        .With("actor", change_set.actor())
        .Next("It closes by itself 24 hours after it was begun.");
  }
  if (!change_set.operation().empty()) {
    return Refusal(v1::CHANGE_SET_CLOSED,
                   fmt::format("`{}` is that of `{}`.", request.name(), change_set.operation()))
        .Next("It ends with the operation; cancel that.");
  }
  draft.Target(found.entity);
  return change_set.state() == v1::ChangeSet::CLOSED
             ? absl::OkStatus()
             : draft.Emit(found.entity, std::make_shared<store::v1::ChangeSetEnded>());
}

}  // namespace retrace::domain
