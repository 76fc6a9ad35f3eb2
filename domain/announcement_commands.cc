// The commands on announcements.
#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "domain/announcement.h"
#include "domain/commands.h"
#include "domain/normalise.h"
#include "domain/policy.h"
#include "domain/resource.h"
#include "fmt/format.h"
#include "google/protobuf/util/time_util.h"

namespace retrace::domain {
namespace {

using google::protobuf::util::TimeUtil;
using store::v1::AnnouncementRow;
using v1::Announcement;

constexpr int kMostObjections = 50;
constexpr int kMostAcknowledgements = 500;
// Of a row. What is left to the most that a row may have is for its end, which nobody may hinder.
constexpr size_t kMostAnnouncementBytes = 200 << 10;

const Announcement& ShownOf(const Found& found) { return found.row->As<AnnouncementRow>().shown(); }

// What is told of an announcement is told at once, not when a change set closes: by then it may
// have been executed.
absl::Status CheckAlone(const v1::CommandOptions& options) {
  if (options.change_set() == 0) {
    return absl::OkStatus();
  }
  return Refusal(v1::INVALID_FIELD, "Commands on announced plans stand in no change set.")
      .Field("options.change_set", "Leave it out.");
}

absl::StatusOr<Found> FindOpen(const std::string& name, const v1::CommandOptions& options,
                               Draft& draft, const Context& context) {
  RETRACE_RETURN_IF_ERROR(CheckAlone(options));
  RETRACE_ASSIGN(Found found, FindLive(KindNumber::kAnnouncement, name, options, draft, context));
  RETRACE_RETURN_IF_ERROR(CheckOpen(found, context));
  draft.Target(found.entity);
  return found;
}

bool IsTheirs(const Found& found, const Context& context) {
  return MaySpeakAsAsker(found.row->As<AnnouncementRow>(), context.header);
}

// Whether it is who acts that approved it last. Whoever else approves it takes their place: they
// may be allowed to no more.
bool IsApprover(const Found& found, const Context& context) {
  const auto& row = found.row->As<AnnouncementRow>();
  return row.shown().approver() == PersonOf(context.header) &&
         row.approver_principal() == context.header.actor;
}

absl::Status CheckAsker(const Found& found, const Context& context) {
  if (IsTheirs(found, context)) {
    return absl::OkStatus();
  }
  const std::string& asker = ShownOf(found).asker();
  return Refusal(v1::PERMISSION_MISSING, fmt::format("{} announced it, not you.", asker))
      .Next(fmt::format("Ask {} to do it, or object.", asker));
}

absl::Status CheckTimes(const store::v1::PlanAnnounced& announced, int64_t now_us) {
  const int64_t expire_us = announced.expire_time_us();
  const int64_t execute_us = announced.execute_time_us();
  if (expire_us <= now_us || expire_us > now_us + kLongestAnnouncementUs) {
    return Refusal(v1::INVALID_FIELD, "It can be executed from now until at most 30 days from now.")
        .Field("expire_time", "must be in the future, and at most 30 days from now");
  }
  if (execute_us != 0 && (execute_us <= now_us || execute_us >= expire_us)) {
    return Refusal(v1::INVALID_FIELD, "It executes itself between now and expire_time.")
        .Field("execute_time", "must be in the future, and before expire_time");
  }
  return absl::OkStatus();
}

// A plan that can still be executed is good until the announcement is over.
absl::Status KeepUntil(int64_t expire_us, const View& view, const Context& context,
                       store::v1::AnnouncedPlan& planned) {
  const std::string& nonce = planned.token().nonce();
  RETRACE_ASSIGN(const RowPtr spent, view.Get({KindNumber::kRequest, PlanRowId(nonce)}));
  if (spent != nullptr) {
    return Refusal(v1::PLAN_TOKEN_USED, "This plan was executed; a plan is executed once.")
        .Next("Plan again for what is left to do.");
  }
  if (context.header.time_us >= planned.token().expire_time_us()) {
    return Refusal(v1::PLAN_EXPIRED, "The plan is too old to be announced.").Next("Plan again.");
  }
  planned.mutable_token()->set_expire_time_us(expire_us);
  DropTitlesAndToken(*planned.mutable_plan());
  return absl::OkStatus();
}

// What those who may object have to know.
std::string TextFor(const AnnouncementRow& row) {
  const Announcement& shown = row.shown();
  std::string text = shown.message();
  const auto add = [&text](const std::string& line) { text += (text.empty() ? "" : "\n") + line; };
  if (row.has_planned()) {
    add(SummaryOf(row.planned().plan()));
  }
  const auto time = [](const google::protobuf::Timestamp& at) {
    return absl::FormatTime("%Y-%m-%d %H:%M UTC",
                            absl::FromUnixMicros(TimeUtil::TimestampToMicroseconds(at)),
                            absl::UTCTimeZone());
  };
  if (shown.has_execute_time()) {
    add(fmt::format("It executes itself at {}.", time(shown.execute_time())));
  }
  add(fmt::format("It can be executed until {}.", time(shown.expire_time())));
  return text;
}

absl::Status ReadObjections(const Found& found, int64_t acknowledged, Draft& draft) {
  const int count = ShownOf(found).objections_size();
  if (acknowledged == 0) {
    return absl::OkStatus();
  }
  if (count == 0) {
    return Refusal(v1::INVALID_FIELD, "Nobody objected; there is nothing to acknowledge.")
        .Field("acknowledge_objections", "there are none");
  }
  if (acknowledged != count) {
    return Refusal(v1::OBJECTIONS_EXIST,
                   fmt::format("There are {} objections, not {}.", count, acknowledged))
        .With("objections", fmt::format("{}", count))
        .Field("acknowledge_objections", fmt::format("must be {}", count))
        .Next("Read them with GetAnnouncement.");
  }
  if (ShownOf(found).acknowledged_objections() == count) {
    return absl::OkStatus();
  }
  auto read = std::make_shared<store::v1::AnnouncementObjectionsRead>();
  read->set_count(acknowledged);
  return draft.Emit(found.entity, std::move(read));
}

// Adds what somebody says of it, as long as there is room.
absl::Status EmitAnswer(const Found& found, std::shared_ptr<const google::protobuf::Message> event,
                        Draft& draft) {
  RETRACE_RETURN_IF_ERROR(draft.Emit(found.entity, std::move(event)));
  RETRACE_ASSIGN(const RowPtr row, draft.Get(found.entity));
  if (row->resource->ByteSizeLong() <= kMostAnnouncementBytes) {
    return absl::OkStatus();
  }
  return Refusal(v1::LIMIT_REACHED, "There is no more room in this announcement.")
      .Next(fmt::format("Talk to {}.", ShownOf(found).asker()));
}

absl::Status Divisible(const Found& found) {
  if (found.row->As<AnnouncementRow>().divisible()) {
    return absl::OkStatus();
  }
  return Refusal(v1::STATE_REFUSED, "This is done wholly or not at all.")
      .Next("Withdraw it, and announce a command that leaves them alone.");
}

}  // namespace

absl::Status Decide(const store::v1::ResolvedAnnounce& resolved, Draft& draft,
                    const Context& context) {
  RETRACE_RETURN_IF_ERROR(CheckAlone(resolved.options()));
  auto announced = std::make_shared<store::v1::PlanAnnounced>(resolved.announced());
  if (resolved.ttl_us() != 0) {
    announced->set_expire_time_us(context.header.time_us + resolved.ttl_us());
  }
  if (resolved.execute_delay_us() != 0) {
    announced->set_execute_time_us(context.header.time_us + resolved.execute_delay_us());
  }
  RETRACE_RETURN_IF_ERROR(CheckTimes(*announced, context.header.time_us));
  if (announced->has_planned()) {
    RETRACE_RETURN_IF_ERROR(
        KeepUntil(announced->expire_time_us(), draft, context, *announced->mutable_planned()));
  }
  Found found{{KindNumber::kAnnouncement, context.new_id()}, nullptr};
  draft.Target(found.entity);
  RETRACE_RETURN_IF_ERROR(draft.Emit(found.entity, std::move(announced)));
  RETRACE_ASSIGN(found.row, draft.Get(found.entity));
  return TellBeginning(found, TextFor(found.row->As<AnnouncementRow>()), draft, context);
}

absl::Status Decide(const v1::AcknowledgeRequest& request, Draft& draft, const Context& context) {
  RETRACE_ASSIGN(const Found found, FindOpen(request.name(), request.options(), draft, context));
  const auto& known = ShownOf(found).acknowledgements();
  if (std::any_of(known.begin(), known.end(), [&context](const auto& one) {
        return one.principal() == PersonOf(context.header);
      })) {
    return absl::OkStatus();
  }
  if (known.size() >= kMostAcknowledgements) {
    return Refusal(v1::LIMIT_REACHED,
                   fmt::format("{} people know of it already; no more are kept.", known.size()));
  }
  return EmitAnswer(found, std::make_shared<store::v1::AnnouncementAcknowledged>(), draft);
}

absl::Status Decide(const v1::ObjectRequest& request, Draft& draft, const Context& context) {
  RETRACE_ASSIGN(const Found found, FindOpen(request.name(), request.options(), draft, context));
  auto objected = std::make_shared<store::v1::AnnouncementObjected>();
  objected->set_words(request.words());
  Trim(*objected->mutable_words());
  if (objected->words().empty()) {
    return Refusal(v1::INVALID_FIELD, "An objection needs words.")
        .Field("words", "Say what speaks against it.");
  }
  const auto& others = ShownOf(found).objections();
  const auto mine = std::count_if(others.begin(), others.end(), [&context](const auto& one) {
    return one.principal() == PersonOf(context.header);
  });
  if (others.size() >= kMostObjections || mine >= kMostObjectionsEach) {
    return Refusal(v1::LIMIT_REACHED,
                   fmt::format("There are {} objections already, {} of them yours.", others.size(),
                               mine))
        .Next(fmt::format("Talk to {}.", ShownOf(found).asker()));
  }
  std::string words = objected->words();
  RETRACE_RETURN_IF_ERROR(EmitAnswer(found, std::move(objected), draft));
  return TellAskers(found, "plans.objected", std::move(words), draft, context);
}

absl::Status Decide(const store::v1::ResolvedApprove& resolved, Draft& draft,
                    const Context& context) {
  RETRACE_ASSIGN(Found found, FindOpen(resolved.name(), resolved.options(), draft, context));
  const RowPtr before = found.row;
  const auto& row = before->As<AnnouncementRow>();
  RETRACE_RETURN_IF_ERROR(CheckMayGive(row, context));
  const bool requested = row.shown().state() == Announcement::REQUESTED;
  RETRACE_ASSIGN(const v1::Policy policy, PolicyOf(draft));
  if (IsAsker(row, context.header) && (!requested || policy.require_second_person())) {
    return Refusal(v1::SECOND_PERSON_REQUIRED, "Somebody else approves what you announced.")
        .Next("Ask another person who holds the command's permissions.");
  }
  if (!requested && IsApprover(found, context)) {
    return absl::OkStatus();
  }
  auto approved = std::make_shared<store::v1::AnnouncementApproved>();
  if (requested) {
    *approved->mutable_planned() = resolved.planned();
    RETRACE_RETURN_IF_ERROR(KeepUntil(TimeUtil::TimestampToMicroseconds(row.shown().expire_time()),
                                      draft, context, *approved->mutable_planned()));
  }
  const std::string summary = SummaryOf(approved->planned().plan());
  RETRACE_RETURN_IF_ERROR(EmitAnswer(found, std::move(approved), draft));
  RETRACE_ASSIGN(found.row, draft.Get(found.entity));
  RETRACE_RETURN_IF_ERROR(TellAskers(found, "plans.approved", summary, draft, context));
  return requested ? TellAudience(found, "plans.announced",
                                  TextFor(found.row->As<AnnouncementRow>()), draft, context)
                   : absl::OkStatus();
}

absl::Status Decide(const v1::TakeOutRequest& request, Draft& draft, const Context& context) {
  RETRACE_ASSIGN(const Found found, FindOpen(request.name(), request.options(), draft, context));
  RETRACE_RETURN_IF_ERROR(CheckAsker(found, context));
  RETRACE_RETURN_IF_ERROR(Divisible(found));
  const auto& before = ShownOf(found).taken_out();
  std::set<std::string> known(before.begin(), before.end());
  auto taken_out = std::make_shared<store::v1::AnnouncementTakenOut>();
  for (int i = 0; i < request.names_size(); ++i) {
    const std::string field = fmt::format("names[{}]", i);
    RETRACE_ASSIGN(const Found entity, FindKept(request.names(i), draft, context, field));
    if (!KindOf(entity.entity.kind).content) {
      return Refusal(v1::INVALID_FIELD, field + " names nothing that can be left alone.")
          .Field(field, "must name an entity like `tenants/acme/customers/4hj2`");
    }
    if (known.insert(request.names(i)).second) {
      taken_out->add_names(request.names(i));
    }
  }
  if (known.size() > kMostTakenOut) {
    return Refusal(v1::LIMIT_REACHED,
                   fmt::format("At most {} entities are taken out.", kMostTakenOut))
        .Next("Withdraw it, and announce a command that matches less.");
  }
  if (taken_out->names_size() > 0) {
    RETRACE_RETURN_IF_ERROR(EmitAnswer(found, std::move(taken_out), draft));
  }
  return ReadObjections(found, request.acknowledge_objections(), draft);
}

absl::Status Decide(const v1::AcknowledgeObjectionsRequest& request, Draft& draft,
                    const Context& context) {
  RETRACE_ASSIGN(const Found found, FindOpen(request.name(), request.options(), draft, context));
  RETRACE_RETURN_IF_ERROR(CheckAsker(found, context));
  if (request.acknowledge_objections() == 0) {
    return Refusal(v1::INVALID_FIELD, "How many objections were read?")
        .Field("acknowledge_objections", "must be how many there are, at least 1");
  }
  return ReadObjections(found, request.acknowledge_objections(), draft);
}

absl::Status Decide(const v1::WithdrawRequest& request, Draft& draft, const Context& context) {
  RETRACE_ASSIGN(const Found found, FindOpen(request.name(), request.options(), draft, context));
  if (!IsTheirs(found, context) && !context.may(kWithdrawAny)) {
    return Refusal(v1::PERMISSION_MISSING, fmt::format("{} announced it.", ShownOf(found).asker()))
        .With("permission", kWithdrawAny)
        .Next(fmt::format("Ask {} or an administrator to withdraw it.", ShownOf(found).asker()));
  }
  auto ended = std::make_shared<store::v1::AnnouncementEnded>();
  ended->set_state(Announcement::WITHDRAWN);
  RETRACE_RETURN_IF_ERROR(draft.Emit(found.entity, std::move(ended)));
  return TellEverybody(found, "plans.withdrawn", context.header.reason, draft, context);
}

absl::Status Decide(const v1::ExecuteRequest& request, Draft& draft, const Context& context) {
  RETRACE_ASSIGN(Found found, FindOpen(request.name(), request.options(), draft, context));
  RETRACE_RETURN_IF_ERROR(CheckMayGive(found.row->As<AnnouncementRow>(), context));
  if (ShownOf(found).state() == Announcement::REQUESTED) {
    return Refusal(v1::STATE_REFUSED, "It has no plan yet.")
        .Next("Approve it first: that plans it in your name.");
  }
  if (!IsAsker(found.row->As<AnnouncementRow>(), context.header) && !IsApprover(found, context)) {
    RETRACE_RETURN_IF_ERROR(
        draft.Emit(found.entity, std::make_shared<store::v1::AnnouncementApproved>()));
  }
  RETRACE_RETURN_IF_ERROR(ReadObjections(found, request.acknowledge_objections(), draft));
  RETRACE_ASSIGN(found.row, draft.Get(found.entity));
  RETRACE_RETURN_IF_ERROR(CheckMayExecute(found, draft, context));
  return draft.Emit(found.entity, std::make_shared<store::v1::AnnouncementExecutionBegun>());
}

absl::Status Decide(const store::v1::AdvanceAnnouncement& command, Draft& draft,
                    const Context& context) {
  Found found{{KindNumber::kAnnouncement, command.announcement()}, nullptr};
  RETRACE_ASSIGN(found.row, draft.Get(found.entity));
  if (found.row == nullptr || ShownOf(found).state() != Announcement::EXECUTING) {
    return Refusal(v1::STATE_REFUSED,
                   fmt::format("Announcement {} is not EXECUTING.", command.announcement()));
  }
  if (command.has_started()) {
    return draft.Emit(found.entity,
                      std::make_shared<store::v1::AnnouncementStarted>(command.started()));
  }
  RETRACE_RETURN_IF_ERROR(
      draft.Emit(found.entity, std::make_shared<store::v1::AnnouncementEnded>(command.ended())));
  RETRACE_ASSIGN(found.row, draft.Get(found.entity));
  return TellEnd(found, draft, context);
}

}  // namespace retrace::domain
