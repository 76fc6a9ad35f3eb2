#include "domain/announcement.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "domain/commands.h"
#include "domain/index_values.h"
#include "domain/policy.h"
#include "domain/resource.h"
#include "fmt/format.h"
#include "google/protobuf/util/time_util.h"
#include "retrace/store/v1/timers.pb.h"

namespace retrace::domain {
namespace {

using google::protobuf::Message;
using google::protobuf::util::TimeUtil;
using store::v1::AnnouncementRow;
using v1::Announcement;
using State = v1::Announcement::State;

constexpr uint8_t kDueIndex = 2;
// Undos of one announcement that are told apart.
constexpr int kMostUndos = 200;

template <typename Event>
const Event* As(const Message& event) {
  return event.GetDescriptor() == Event::descriptor() ? static_cast<const Event*>(&event) : nullptr;
}

int64_t DueOf(const Announcement& shown) {
  if (!IsOpen(shown.state())) {
    return 0;
  }
  const bool by_timer = shown.has_execute_time() && shown.held_back().empty();
  return TimeUtil::TimestampToMicroseconds(by_timer ? shown.execute_time() : shown.expire_time());
}

void TakePlan(const store::v1::AnnouncedPlan& planned, const CommitHeader& header,
              AnnouncementRow& row) {
  *row.mutable_planned() = planned;
  row.set_planner_person(PersonOf(header));
  row.mutable_shown()->set_planner(planned.token().principal());
  row.mutable_shown()->set_state(Announcement::OPEN);
}

void Begin(const store::v1::PlanAnnounced& event, const CommitHeader& header,
           AnnouncementRow& row) {
  *row.mutable_command() = event.command();
  row.set_method(event.method());
  row.set_divisible(event.divisible());
  row.set_newest_first(-static_cast<int64_t>(header.position));
  Announcement& shown = *row.mutable_shown();
  shown.set_state(Announcement::REQUESTED);
  shown.set_method(event.target_method());
  shown.set_as_operation(event.method() != event.target_method());
  *shown.mutable_permissions() = event.permissions();
  *shown.mutable_to() = event.to();
  shown.set_message(event.message());
  shown.set_reason(event.reason());
  shown.set_asker(PersonOf(header));
  row.set_asker_principal(header.actor);
  *shown.mutable_expire_time() = TimeUtil::MicrosecondsToTimestamp(event.expire_time_us());
  if (event.execute_time_us() != 0) {
    *shown.mutable_execute_time() = TimeUtil::MicrosecondsToTimestamp(event.execute_time_us());
  }
  if (event.has_planned()) {
    TakePlan(event.planned(), header, row);
  }
}

// What people said of it.
void Answer(const Message& event, const CommitHeader& header, AnnouncementRow& row) {
  Announcement& shown = *row.mutable_shown();
  if (As<store::v1::AnnouncementAcknowledged>(event) != nullptr) {
    Announcement::Acknowledgement& added = *shown.add_acknowledgements();
    added.set_principal(PersonOf(header));
    *added.mutable_time() = TimeUtil::MicrosecondsToTimestamp(header.time_us);
  } else if (const auto* objected = As<store::v1::AnnouncementObjected>(event)) {
    Announcement::Objection& added = *shown.add_objections();
    added.set_principal(PersonOf(header));
    added.set_words(objected->words());
    *added.mutable_time() = TimeUtil::MicrosecondsToTimestamp(header.time_us);
  } else if (const auto* approved = As<store::v1::AnnouncementApproved>(event)) {
    if (approved->has_planned()) {
      TakePlan(approved->planned(), header, row);
      // Nobody could object to this plan before its time came: somebody has to say when.
      if (TimeUtil::TimestampToMicroseconds(shown.execute_time()) <= header.time_us) {
        shown.clear_execute_time();
      }
    }
    shown.set_approver(PersonOf(header));
    row.set_approver_principal(header.actor);
    shown.clear_held_back();  // if it is still in the way of something, its timer finds out at once
  } else if (const auto* taken_out = As<store::v1::AnnouncementTakenOut>(event)) {
    shown.mutable_taken_out()->MergeFrom(taken_out->names());
    shown.set_taken_out_count(shown.taken_out_size());
  } else if (const auto* read = As<store::v1::AnnouncementObjectionsRead>(event)) {
    shown.set_acknowledged_objections(read->count());
    shown.clear_held_back();
  }
}

// Keeps which undos stand, and how far; of a great many the oldest only in how far.
void NoteUndo(const store::v1::AnnouncementUndone& event, AnnouncementRow& row) {
  const auto by = static_cast<int64_t>(event.by());
  auto& undos = *row.mutable_undos();
  auto undo = std::find_if(undos.begin(), undos.end(),
                           [by](const auto& one) { return one.change_set() == by; });
  if (undo == undos.end()) {
    if (undos.size() == kMostUndos) {
      undos[1].set_entities(undos[0].entities() + undos[1].entities());
      undos.erase(undos.begin());
    }
    undos.Add()->set_change_set(by);
    undo = std::prev(undos.end());
  }
  undo->set_entities(undo->entities() + (event.redone() ? -event.entities() : event.entities()));
  if (undo->entities() <= 0) {
    undos.erase(undo);
  }
  row.mutable_shown()->set_undone_by(undos.empty() ? 0 : undos.rbegin()->change_set());
}

// What became of it.
void Advance(const Message& event, const CommitHeader& header, AnnouncementRow& row) {
  Announcement& shown = *row.mutable_shown();
  if (const auto* held_back = As<store::v1::AnnouncementHeldBack>(event)) {
    shown.set_held_back(held_back->reason());
  } else if (As<store::v1::AnnouncementExecutionBegun>(event) != nullptr) {
    shown.set_state(Announcement::EXECUTING);
    row.set_executing(kExecuting);
  } else if (const auto* started = As<store::v1::AnnouncementStarted>(event)) {
    row.set_operation(started->operation());
    shown.mutable_result()->set_operation(
        NameOf(header.tenant, {KindNumber::kOperation, started->operation()}));
    shown.mutable_result()->set_change_set(static_cast<int64_t>(started->change_set()));
  } else if (const auto* ended = As<store::v1::AnnouncementEnded>(event)) {
    shown.set_state(ended->state());
    // As a whole: what began a change set may have done nothing in it.
    *shown.mutable_result() = ended->result();
    row.clear_executing();
    row.clear_command();
  } else if (const auto* undone = As<store::v1::AnnouncementUndone>(event)) {
    NoteUndo(*undone, row);
  }
  row.set_change_set(shown.result().change_set());
}

void ApplyAnnouncementEvent(const Message& event, const CommitHeader& header, Row& row) {
  auto after = row.resource == nullptr
                   ? std::make_shared<AnnouncementRow>()
                   : std::make_shared<AnnouncementRow>(row.As<AnnouncementRow>());
  if (const auto* announced = As<store::v1::PlanAnnounced>(event)) {
    Begin(*announced, header, *after);
  }
  Answer(event, header, *after);
  Advance(event, header, *after);
  after->set_due_us(DueOf(after->shown()));
  const State state = after->shown().state();
  const bool over = !IsOpen(state) && state != Announcement::EXECUTING;
  after->set_open_newest_first(over ? 0 : after->newest_first());
  row.resource = std::move(after);
}

bool MayMove(const Row* before, State to) {
  if (before == nullptr) {
    return to == Announcement::REQUESTED || to == Announcement::OPEN;
  }
  const State from = before->As<AnnouncementRow>().shown().state();
  if (from == to) {
    return true;
  }
  if (IsOpen(from)) {
    return to == Announcement::OPEN || to == Announcement::WITHDRAWN ||
           to == Announcement::EXPIRED ||
           (from == Announcement::OPEN && to == Announcement::EXECUTING);
  }
  return from == Announcement::EXECUTING &&
         (to == Announcement::EXECUTED || to == Announcement::FAILED);
}

absl::Status CheckAnnouncement(const EntityRef& entity, const Row* before, const Row& after,
                               const View& /*view*/, const Context& context) {
  const State to = after.As<AnnouncementRow>().shown().state();
  if (after.live() && MayMove(before, to)) {
    return absl::OkStatus();
  }
  return Refusal(v1::STATE_REFUSED,
                 fmt::format("{} cannot become {}.", NameOf(context.header.tenant, entity),
                             Announcement::State_Name(to)));
}

std::string SubjectOfAnnouncement(const EntityRef& entity, const Row& /*row*/) {
  return "announcements/" + entity.id;
}

// Its moment came: it ends, or is executed unless something stands in the way.
absl::Status FireAnnouncement(const Found& waiting, const store::v1::Fire& /*fire*/, Draft& draft,
                              const Context& context) {
  const Announcement& shown = waiting.row->As<AnnouncementRow>().shown();
  if (context.header.time_us >= TimeUtil::TimestampToMicroseconds(shown.expire_time())) {
    auto ended = std::make_shared<store::v1::AnnouncementEnded>();
    ended->set_state(Announcement::EXPIRED);
    RETRACE_RETURN_IF_ERROR(draft.Emit(waiting.entity, std::move(ended)));
    return TellEverybody(waiting, "plans.expired", shown.message(), draft, context);
  }
  const absl::Status why = CheckMayExecute(waiting, draft, context);
  if (why.ok()) {
    auto executed = std::make_shared<store::v1::AnnouncementExecutionBegun>();
    executed->set_by_timer(true);
    return draft.Emit(waiting.entity, std::move(executed));
  }
  if (ReasonOf(why) == v1::ERROR_REASON_UNSPECIFIED) {
    return why;
  }
  auto held_back = std::make_shared<store::v1::AnnouncementHeldBack>();
  held_back->set_reason(v1::ErrorReason_Name(ReasonOf(why)));
  RETRACE_RETURN_IF_ERROR(draft.Emit(waiting.entity, std::move(held_back)));
  return TellAskers(waiting, "plans.failed",
                    fmt::format("It was not executed at its time. {}", std::string(why.message())),
                    draft, context);
}

// Somebody, and through whom they act: themselves, or a service.
struct Acting {
  const std::string& person;
  const std::string& principal;
};

// Users of one service are different people; the service by itself is none beside them.
bool AreOne(const Acting& a, const Acting& b) {
  return a.person == b.person || a.person == b.principal || a.principal == b.person;
}

// What somebody did is theirs alone, by their own token or through the same service again: on whose
// behalf another service acts is what it says.
bool MaySpeakAs(const Acting& other, const Acting& acting) {
  return acting.person == other.person &&
         (acting.principal == other.principal || acting.principal == acting.person);
}

Acting AskerOf(const AnnouncementRow& row) { return {row.shown().asker(), row.asker_principal()}; }
Acting PlannerOf(const AnnouncementRow& row) {
  return {row.planner_person(), row.shown().planner()};
}

}  // namespace

Kind AnnouncementKind() {
  Kind kind;
  kind.number = KindNumber::kAnnouncement;
  kind.singular = "announcement";
  kind.collection = "announcements";
  kind.resource = &AnnouncementRow::default_instance();
  kind.events = {&store::v1::PlanAnnounced::default_instance(),
                 &store::v1::AnnouncementAcknowledged::default_instance(),
                 &store::v1::AnnouncementObjected::default_instance(),
                 &store::v1::AnnouncementApproved::default_instance(),
                 &store::v1::AnnouncementTakenOut::default_instance(),
                 &store::v1::AnnouncementObjectionsRead::default_instance(),
                 &store::v1::AnnouncementHeldBack::default_instance(),
                 &store::v1::AnnouncementExecutionBegun::default_instance(),
                 &store::v1::AnnouncementStarted::default_instance(),
                 &store::v1::AnnouncementEnded::default_instance(),
                 &store::v1::AnnouncementUndone::default_instance()};
  kind.indexes = {
      {.number = kExecutingIndex, .name = "executing", .fields = {"executing"}},
      {.number = kDueIndex, .name = "due", .fields = {"due_us"}, .normaliser = Normaliser::kNumber},
      {.number = kNewestAnnouncementIndex,
       .name = "newest_first",
       .fields = {"newest_first"},
       .normaliser = Normaliser::kNumber},
      {.number = kOpenAnnouncementIndex,
       .name = "open_newest_first",
       .fields = {"open_newest_first"},
       .normaliser = Normaliser::kNumber},
      {.number = kAnnouncedChangeSetIndex,
       .name = "change_set",
       .fields = {"change_set"},
       .normaliser = Normaliser::kNumber},
      {.number = kAnnouncedUndoIndex,
       .name = "undos",
       .fields = {"undos.change_set"},
       .normaliser = Normaliser::kNumber},
  };
  kind.bookkeeping = true;
  kind.apply = ApplyAnnouncementEvent;
  kind.check = CheckAnnouncement;
  kind.subject = SubjectOfAnnouncement;
  kind.due_index = kDueIndex;
  kind.fire = FireAnnouncement;
  return kind;
}

const std::string& PersonOf(const CommitHeader& header) {
  return header.on_behalf_of.empty() ? header.actor : header.on_behalf_of;
}

bool IsAsker(const AnnouncementRow& row, const CommitHeader& header) {
  const Acting acting{PersonOf(header), header.actor};
  return AreOne(AskerOf(row), acting) || (row.has_planned() && AreOne(PlannerOf(row), acting));
}

bool MaySpeakAsAsker(const AnnouncementRow& row, const CommitHeader& header) {
  const Acting acting{PersonOf(header), header.actor};
  return MaySpeakAs(AskerOf(row), acting) ||
         (row.has_planned() && MaySpeakAs(PlannerOf(row), acting));
}

bool HasSecondPerson(const AnnouncementRow& row) {
  const Announcement& shown = row.shown();
  return !shown.approver().empty() &&
         !AreOne(AskerOf(row), {shown.approver(), row.approver_principal()});
}

bool IsOpen(State state) { return state == Announcement::REQUESTED || state == Announcement::OPEN; }

absl::Status CheckOpen(const Found& announcement, const Context& context) {
  const Announcement& shown = announcement.row->As<AnnouncementRow>().shown();
  const std::string name = NameOf(context.header.tenant, announcement.entity);
  if (!IsOpen(shown.state())) {
    return Refusal(v1::ANNOUNCEMENT_CLOSED,
                   fmt::format("`{}` is {}.", name, Announcement::State_Name(shown.state())))
        .With("state", Announcement::State_Name(shown.state()))
        .About("announcement", name)
        .Next(shown.state() == Announcement::EXECUTING ? "Wait for its end; it can be undone."
                                                       : "Announce it anew.");
  }
  if (context.header.time_us >= TimeUtil::TimestampToMicroseconds(shown.expire_time())) {
    return Refusal(v1::ANNOUNCEMENT_CLOSED, fmt::format("The time of `{}` is over.", name))
        .With("state", Announcement::State_Name(Announcement::EXPIRED))
        .About("announcement", name)
        .Next("Announce it anew.");
  }
  return absl::OkStatus();
}

absl::Status CheckMayGive(const AnnouncementRow& row, const Context& context) {
  for (const std::string& permission : row.shown().permissions()) {
    if (!context.may(permission)) {
      return Refusal(v1::PERMISSION_MISSING,
                     fmt::format("Your roles do not grant {}, which the announced command needs.",
                                 permission))
          .With("permission", permission)
          .Next("Ask somebody who may give the command to approve it.");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckMayExecute(const Found& announcement, const View& view, const Context& context) {
  const auto& row = announcement.row->As<AnnouncementRow>();
  const Announcement& shown = row.shown();
  const std::string name = NameOf(context.header.tenant, announcement.entity);
  if (shown.state() == Announcement::REQUESTED) {
    return Refusal(v1::PLAN_REQUIRED,
                   fmt::format("`{}` is a request that nobody who may give the command approved "
                               "yet, so it has no plan.",
                               name))
        .About("announcement", name)
        .Next("Ask somebody who holds the command's permissions to approve it.");
  }
  RETRACE_ASSIGN(const v1::Policy policy, PolicyOf(view));
  if (policy.require_second_person() && !HasSecondPerson(row)) {
    return Refusal(v1::SECOND_PERSON_REQUIRED,
                   fmt::format("`{}` was not approved yet by somebody else who may give the "
                               "command.",
                               name))
        .About("announcement", name)
        .Next("Ask somebody who holds the command's permissions to approve it.");
  }
  const int64_t unread = shown.objections_size() - shown.acknowledged_objections();
  if (unread <= 0) {
    return absl::OkStatus();
  }
  Refusal refusal(v1::OBJECTIONS_EXIST,
                  fmt::format("{} objected to `{}`.",
                              shown.objections(shown.objections_size() - 1).principal(), name));
  for (int i = static_cast<int>(shown.acknowledged_objections()); i < shown.objections_size();
       ++i) {
    refusal = std::move(refusal).Unmet("OBJECTION", shown.objections(i).principal(),
                                       shown.objections(i).words());
  }
  return std::move(refusal)
      .With("objections", fmt::format("{}", shown.objections_size()))
      .About("announcement", name)
      .Next(
          "Read them, take out what must stay, then say in acknowledge_objections how many "
          "there are.");
}

}  // namespace retrace::domain
