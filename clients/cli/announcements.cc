#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "clients/cli/announce.h"
#include "clients/cli/app.h"
#include "clients/cli/columns.h"
#include "clients/cli/entity_verbs.h"
#include "clients/cli/exit_codes.h"
#include "clients/cli/field_values.h"
#include "clients/cli/named_entities.h"
#include "clients/cli/nouns.h"
#include "clients/cli/operation_start.h"
#include "clients/cli/plans.h"
#include "clients/cli/table.h"
#include "clients/cli/time_text.h"
#include "retrace/v1/announcements.pb.h"

namespace retrace::cli {
namespace {

using v1::Announcement;

constexpr int64_t kLargestPage = 1000;
// Between two looks at one that is being executed.
constexpr absl::Duration kLook = absl::Milliseconds(200);

struct Flags {
  std::string id;
  std::string words;
  std::vector<std::string> names;
  std::string ids_file;
  int64_t acknowledge_objections = 0;
  int64_t limit = 50;
  bool all = false;
  bool closed = false;
  bool no_wait = false;
  PlanFlags plan;
};

absl::StatusOr<std::string> NameOf(Session& session, const std::string& id) {
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  return FullName(*tenant, "announcements", id);
}

absl::StatusOr<Announcement> Get(Session& session, const std::string& id) {
  absl::StatusOr<std::string> name = NameOf(session, id);
  if (!name.ok()) return name.status();
  v1::GetAnnouncementRequest request;
  request.set_name(*name);
  const auto reply = session.Ask<v1::GetAnnouncementResponse>("Plans.GetAnnouncement", request);
  if (!reply.ok()) return reply.status();
  return reply->announcement();
}

using Lines = std::vector<std::pair<std::string, std::string>>;

// One `field  value` line, unless there is no value.
void AddLine(Lines& lines, const char* field, const std::string& value) {
  if (!value.empty()) lines.emplace_back(field, value);
}

std::string TimeText(bool set, const google::protobuf::Timestamp& time) {
  return set ? ShortTime(time) : std::string();
}

// What came of it, in a line.
std::string ResultText(const Announcement& shown) {
  const Announcement::Result& result = shown.result();
  std::vector<std::string> parts;
  if (!result.operation().empty()) {
    parts.push_back(absl::StrCat("operation ", IdOf(result.operation())));
  }
  if (shown.as_operation() && shown.state() != Announcement::EXECUTING &&
      !result.operation().empty()) {
    parts.push_back(absl::StrCat(result.ok_count(), " ok, ", result.refused_count(), " refused, ",
                                 result.drifted_count(), " drifted, ", result.skipped_count(),
                                 " skipped"));
  }
  if (result.change_set() != 0) parts.push_back(absl::StrCat("change set ", result.change_set()));
  if (!result.reason().empty()) parts.push_back(result.reason());
  if (!result.message().empty()) parts.push_back(result.message());
  return absl::StrJoin(parts, "; ");
}

void PrintLines(const Announcement& shown, std::ostream& out, const TableStyle& style) {
  Lines lines;
  AddLine(lines, "announcement", IdOf(shown.name()));
  AddLine(lines, "state", Announcement::State_Name(shown.state()));
  AddLine(lines, "command", shown.method().substr(shown.method().rfind('.') + 1));
  AddLine(lines, "reason", shown.reason());
  AddLine(lines, "message", shown.message());
  AddLine(lines, "asker", shown.asker());
  AddLine(lines, "planner", shown.planner() == shown.asker() ? "" : shown.planner());
  AddLine(lines, "approver", shown.approver());
  AddLine(lines, "until", ShortTime(shown.expire_time()));
  AddLine(lines, "at", TimeText(shown.has_execute_time(), shown.execute_time()));
  AddLine(lines, "held back", shown.held_back());
  std::vector<std::string> known;
  for (const auto& one : shown.acknowledgements()) known.push_back(one.principal());
  AddLine(lines, "known to", absl::StrJoin(known, ", "));
  for (int i = 0; i < shown.objections_size(); ++i) {
    const auto& objection = shown.objections(i);
    AddLine(lines, i < shown.acknowledged_objections() ? "objection (acknowledged)" : "objection",
            absl::StrCat(objection.principal(), ": ", objection.words()));
  }
  if (shown.taken_out_count() > 0) {
    AddLine(lines, "taken out", absl::StrCat(shown.taken_out_count()));
  }
  AddLine(lines, "result", ResultText(shown));
  if (shown.undone_by() != 0) {
    AddLine(lines, "undone by", absl::StrCat("change set ", shown.undone_by()));
  }
  PrintPairs(lines, out, style);
}

void PrintList(const char* heading, const google::protobuf::RepeatedPtrField<std::string>& lines,
               std::ostream& out, const TableStyle& style) {
  if (lines.empty()) return;
  std::vector<Table::Heading> headings = {{.text = heading}};
  Table table(std::move(headings));
  for (const std::string& line : lines) table.Add({line});
  out << '\n';
  table.Print(out, style);
}

absl::Status RunList(Session& session, const Flags& flags) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  v1::ListAnnouncementsRequest request;
  request.set_parent(*tenant);
  request.set_show_closed(flags.closed);
  RowOutput rows(*style,
                 {{"ID", "name"},
                  {"STATE", "state"},
                  {"COMMAND", "method"},
                  {"ENTITIES", "plan.entity_count"},
                  {"BY", "asker"},
                  {"REASON", "reason"},
                  {"UNTIL", "expire_time"},
                  {"AT", "execute_time"}},
                 *Announcement::descriptor(), session.out());
  bool more = true;
  for (int64_t left = flags.all ? INT64_MAX : flags.limit; left > 0 && more;) {
    request.set_page_size(static_cast<int32_t>(std::min(left, kLargestPage)));
    const auto reply =
        session.Ask<v1::ListAnnouncementsResponse>("Plans.ListAnnouncements", request);
    if (!reply.ok()) return reply.status();
    for (const auto& announcement : reply->announcements()) rows.Add(announcement);
    left -= reply->announcements_size();
    more = !reply->next_page_token().empty();
    request.set_page_token(reply->next_page_token());
  }
  rows.Finish();
  if (more) session.err() << "there are more: --all or --limit N\n";
  return absl::OkStatus();
}

absl::Status RunShow(Session& session, const Flags& flags) {
  const absl::StatusOr<Announcement> shown = Get(session, flags.id);
  return shown.ok() ? PrintAnnouncement(session, *shown, /*with_plan=*/true) : shown.status();
}

// Sends a request that is filled but for the name, and prints what it came to.
template <typename Reply, typename Request>
absl::Status Send(Session& session, const Flags& flags, const char* method, Request request) {
  absl::StatusOr<std::string> name = NameOf(session, flags.id);
  if (!name.ok()) return name.status();
  request.set_name(*name);
  const auto reply = session.Ask<Reply>(method, request);
  if (!reply.ok()) return reply.status();
  if (absl::Status status = PrintAnnouncement(session, reply->announcement(), /*with_plan=*/false);
      !status.ok()) {
    return status;
  }
  session.NoteOutcome(reply->outcome());
  return absl::OkStatus();
}

absl::Status RunAcknowledge(Session& session, const Flags& flags) {
  if (flags.acknowledge_objections == 0) {
    return Send<v1::AcknowledgeResponse>(session, flags, "Plans.Acknowledge",
                                         v1::AcknowledgeRequest());
  }
  v1::AcknowledgeObjectionsRequest request;
  request.set_acknowledge_objections(flags.acknowledge_objections);
  return Send<v1::AcknowledgeObjectionsResponse>(session, flags, "Plans.AcknowledgeObjections",
                                                 request);
}

absl::Status RunObject(Session& session, const Flags& flags) {
  v1::ObjectRequest request;
  request.set_words(flags.words);
  return Send<v1::ObjectResponse>(session, flags, "Plans.Object", request);
}

absl::Status RunWithdraw(Session& session, const Flags& flags) {
  return Send<v1::WithdrawResponse>(session, flags, "Plans.Withdraw", v1::WithdrawRequest());
}

absl::Status RunTakeOut(Session& session, const Flags& flags) {
  std::vector<std::string> ids = flags.names;
  if (!flags.ids_file.empty()) {
    absl::StatusOr<std::vector<std::string>> read = ReadIds(flags.ids_file);
    if (!read.ok()) return read.status();
    ids.insert(ids.end(), read->begin(), read->end());
  }
  if (ids.empty()) return absl::InvalidArgumentError("which? Say NAMEs or --ids-file FILE");
  v1::TakeOutRequest request;
  request.set_acknowledge_objections(flags.acknowledge_objections);
  for (const std::string& id : ids) {
    absl::StatusOr<std::string> name = NameOfAny(session, id);
    if (!name.ok()) return name.status();
    request.add_names(*std::move(name));
  }
  return Send<v1::TakeOutResponse>(session, flags, "Plans.TakeOut", request);
}

// The plan of a request, made by who approves it.
absl::Status PlanRequested(Session& session, const Announcement& shown, const Flags& flags,
                           v1::ApproveRequest& request) {
  const std::string method = shown.as_operation() ? "Operations.StartOperation" : shown.method();
  Exchange exchange = NewExchange(absl::StripPrefix(method, "retrace.v1."));
  if (!shown.command().UnpackTo(exchange.request.get())) {
    return absl::PermissionDeniedError(
        "you may not give the command that is asked for, so you cannot approve it");
  }
  // The plan is of exactly that command: what is said here is about the approval.
  const GlobalFlags given = session.flags;
  const auto& options = static_cast<const v1::CommandOptions&>(Sub(*exchange.request, "options"));
  session.flags.reason = options.reason();
  session.flags.on_behalf_of = options.on_behalf_of();
  session.flags.correlation_id = options.correlation_id();
  session.flags.request_id.clear();
  session.flags.change_set = 0;
  absl::StatusOr<v1::Plan> plan = AskForPlan(session, exchange);
  session.flags = given;
  if (!plan.ok()) return plan.status();
  if (session.can_ask() && !flags.plan.yes) {
    if (absl::Status status = ConfirmPlan(session, *plan, "Approve"); !status.ok()) {
      return status;
    }
    request.set_acknowledged_count(plan->entity_count());
    for (const auto& warning : plan->warnings()) {
      request.add_acknowledged_warnings(warning.id());
    }
  }
  request.set_plan_token(plan->plan_token());
  return absl::OkStatus();
}

absl::Status RunApprove(Session& session, const Flags& flags) {
  const absl::StatusOr<Announcement> shown = Get(session, flags.id);
  if (!shown.ok()) return shown.status();
  v1::ApproveRequest request;
  request.set_acknowledged_count(flags.plan.acknowledged_count);
  request.mutable_acknowledged_warnings()->Assign(flags.plan.acknowledged_warnings.begin(),
                                                  flags.plan.acknowledged_warnings.end());
  if (shown->state() == Announcement::REQUESTED) {
    if (absl::Status status = PlanRequested(session, *shown, flags, request); !status.ok()) {
      return status;
    }
  } else if (session.can_ask() && !flags.plan.yes && shown->has_plan()) {
    if (absl::Status status = ConfirmPlan(session, shown->plan(), "Approve"); !status.ok()) {
      return status;
    }
  }
  return Send<v1::ApproveResponse>(session, flags, "Plans.Approve", request);
}

// Not OK when it did not do all that was announced.
absl::Status StatusOf(const Announcement& shown) {
  const Announcement::Result& result = shown.result();
  if (shown.state() == Announcement::FAILED) {
    std::string why = absl::StrCat(result.message(), result.differences_size() == 0 ? "" : "\n",
                                   absl::StrJoin(result.differences(), "\n"));
    return result.change_set() == 0 ? RefusedError(std::move(why)) : PartialError(std::move(why));
  }
  const int64_t not_done = result.refused_count() + result.drifted_count();
  if (not_done == 0) return absl::OkStatus();
  return PartialError(absl::StrCat("it was not done to ", not_done, "; `retrace operations items ",
                                   IdOf(result.operation()), "` tells why"));
}

absl::Status RunExecute(Session& session, const Flags& flags) {
  absl::StatusOr<std::string> name = NameOf(session, flags.id);
  if (!name.ok()) return name.status();
  v1::ExecuteRequest request;
  request.set_name(*name);
  request.set_acknowledge_objections(flags.acknowledge_objections);
  const auto reply = session.Ask<v1::ExecuteResponse>("Plans.Execute", request);
  if (!reply.ok()) return reply.status();
  absl::StatusOr<Announcement> shown = reply->announcement();
  while (!flags.no_wait && shown.ok() && shown->state() == Announcement::EXECUTING) {
    absl::SleepFor(kLook);
    shown = Get(session, *name);
  }
  if (!shown.ok()) return shown.status();
  absl::Status status = PrintAnnouncement(session, *shown, /*with_plan=*/false);
  return status.ok() ? StatusOf(*shown) : status;
}

using Run = absl::Status (*)(Session&, const Flags&);

struct Verb {
  CLI::App* app;
  std::shared_ptr<Flags> flags;
};

Verb Add(CLI::App& noun, Session& session, const char* name, const char* about, const char* example,
         Run run) {
  Verb verb{AddVerb(noun, name, about, example), std::make_shared<Flags>()};
  verb.app->callback([&session, flags = verb.flags, run] {
    session.Choose([&session, flags, run] { return run(session, *flags); });
  });
  return verb;
}

Verb AddOnOne(CLI::App& noun, Session& session, const char* name, const char* about,
              const char* example, Run run) {
  Verb verb = Add(noun, session, name, about, example, run);
  verb.app->add_option("id", verb.flags->id, "id or full name")->required()->option_text("ID");
  return verb;
}

void AddObjectionsFlag(const Verb& verb) {
  verb.app
      ->add_option("--acknowledge-objections", verb.flags->acknowledge_objections,
                   "how many objections you have read: all that there are")
      ->option_text("N")
      ->check(AtLeastOne());
}

}  // namespace

absl::Status PrintAnnouncement(Session& session, const Announcement& shown, bool with_plan) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  if (style->format != OutputFormat::kTable) {
    PrintMessage(shown, *style, session.out());
    return absl::OkStatus();
  }
  PrintLines(shown, session.out(), style->table);
  if (with_plan && shown.has_plan()) {
    session.out() << '\n';
    PrintPlan(shown.plan(), session.out(), style->table);
  }
  if (with_plan) {
    PrintList("TAKEN OUT", shown.taken_out(), session.out(), style->table);
    PrintList("DIFFERS FROM THE PLAN", shown.result().differences(), session.out(), style->table);
  }
  return absl::OkStatus();
}

void AddAnnouncementVerbs(CLI::App& noun, Session& session) {
  Verb list = Add(noun, session, "list", "those that are not over, newest first",
                  "retrace plans list --closed", RunList);
  list.app->add_flag("--closed", list.flags->closed, "those that are over, too");
  list.app->add_flag("--all", list.flags->all, "all of them, however many");
  list.app->add_option("--limit", list.flags->limit, "how many at most (50)")
      ->option_text("N")
      ->check(AtLeastOne());
  AddOnOne(noun, session, "show", "what it would do, and what people say of it",
           "retrace plans show 01j...", RunShow);
  Verb acknowledge =
      AddOnOne(noun, session, "acknowledge", "say that you know of it, or of its objections",
               "retrace plans acknowledge 01j...", RunAcknowledge);
  AddObjectionsFlag(acknowledge);
  Verb object =
      AddOnOne(noun, session, "object", "object to it, with words",
               "retrace plans object 01j... --words \"twelve of them are mine\"", RunObject);
  object.app->add_option("--words", object.flags->words, "the objection")
      ->option_text("TEXT")
      ->required();
  Verb approve = AddOnOne(noun, session, "approve",
                          "approve it; of a request this makes the plan, in your name",
                          "retrace plans approve 01j...", RunApprove);
  approve.app->add_flag("-y,--yes", approve.flags->plan.yes, "do not ask");
  approve.app
      ->add_option("--acknowledge-count", approve.flags->plan.acknowledged_count,
                   "how many entities you know that it touches")
      ->check(AtLeastOne())
      ->option_text("N");
  approve.app
      ->add_option("--acknowledge", approve.flags->plan.acknowledged_warnings,
                   "a warning of the plan; repeatable")
      ->option_text("WARNING");
  Verb take_out = AddOnOne(noun, session, "take-out", "leave entities alone when it is executed",
                           "retrace plans take-out 01j... customers/ext:H-1", RunTakeOut);
  take_out.app->add_option("names", take_out.flags->names, "full names, or customers/ID")
      ->option_text("NAME...");
  take_out.app
      ->add_option("--ids-file", take_out.flags->ids_file,
                   "a file of them, one a line; - for standard input")
      ->option_text("FILE");
  AddObjectionsFlag(take_out);
  Verb execute = AddOnOne(noun, session, "execute", "execute it now",
                          "retrace plans execute 01j... --acknowledge-objections 1", RunExecute);
  AddObjectionsFlag(execute);
  execute.app->add_flag("--no-wait", execute.flags->no_wait, "leave it to the server");
  AddOnOne(noun, session, "withdraw", "withdraw it; nothing is done",
           "retrace plans withdraw 01j... --reason \"not this year\"", RunWithdraw);
}

}  // namespace retrace::cli
