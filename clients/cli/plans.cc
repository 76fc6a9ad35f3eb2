#include "clients/cli/plans.h"

#include <iostream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "clients/cli/app.h"
#include "clients/cli/columns.h"
#include "clients/cli/money_text.h"
#include "clients/cli/operation_wait.h"
#include "clients/cli/table.h"
#include "clients/cli/text_width.h"
#include "clients/cli/time_text.h"
#include "clients/cpp/request_id.h"
#include "google/longrunning/operations.pb.h"
#include "retrace/v1/annotations.pb.h"

namespace retrace::cli {
namespace {

using google::protobuf::Message;

// Bold, as headings of tables are.
constexpr char kHeading[] = "1";
constexpr char kAlarm[] = "31";

v1::CommandOptions& OptionsOf(Exchange& exchange) {
  return static_cast<v1::CommandOptions&>(*MutableSub(*exchange.request, "options"));
}

std::string KindText(const std::string& kind, const std::string& subkind) {
  return subkind.empty() ? kind : absl::StrCat(kind, " ", subkind);
}

void PrintCounts(const v1::Plan& plan, std::ostream& out, const TableStyle& style) {
  Table table({{"WHAT HAPPENS"}, {"TO"}, {"HOW MANY", Align::kRight}});
  for (const v1::Plan::Count& count : plan.counts()) {
    table.Add(
        {count.change(), KindText(count.kind(), count.subkind()), absl::StrCat(count.count())});
  }
  table.Print(out, style);
}

void PrintSamples(const v1::Plan& plan, std::ostream& out, const TableStyle& style) {
  Table table({{"ID"}, {"NAME"}, {"WHAT HAPPENS"}});
  for (const v1::Plan::Sample& sample : plan.samples()) {
    table.Add({sample.name().empty() ? "(new)" : IdOf(sample.name()), sample.title(),
               absl::StrJoin(sample.changes(), ", ")});
  }
  out << '\n';
  table.Print(out, style);
  if (plan.entity_count() > plan.samples_size()) {
    out << "and " << plan.entity_count() - plan.samples_size() << " more\n";
  }
}

void PrintSums(const v1::Plan& plan, std::ostream& out, const TableStyle& style) {
  if (plan.sums().empty()) return;
  Table table({{"MONEY"}, {"OF"}, {"AMOUNT", Align::kRight}});
  for (const v1::Plan::Sum& sum : plan.sums()) {
    table.Add(
        {sum.change(), KindText(sum.kind(), sum.subkind()),
         absl::StrCat(MinorUnitsText(sum.minor_units(), sum.currency()), " ", sum.currency())});
  }
  out << '\n';
  table.Print(out, style);
}

void PrintPeople(const v1::Plan& plan, std::ostream& out, const TableStyle& style) {
  if (plan.people().empty()) return;
  Table table({{"TO BE TOLD"}, {"NAME"}, {"THEIRS", Align::kRight}});
  for (const v1::Plan::Person& person : plan.people()) {
    table.Add({IdOf(person.name()), person.title(), absl::StrCat(person.count())});
  }
  out << '\n';
  table.Print(out, style);
}

void PrintLosses(const v1::Plan& plan, std::ostream& out, const TableStyle& style) {
  out << '\n';
  if (plan.loss_count() == 0) {
    out << "All of it could be undone.\n";
  } else {
    out << Styled(absl::StrCat("Could not be undone: ", plan.loss_count()), kAlarm, style.color)
        << '\n';
  }
  for (const v1::Plan::Loss& loss : plan.losses()) {
    out << "  " << Printable(IdOf(loss.name())) << ": " << Printable(loss.description()) << '\n';
  }
  for (const v1::Plan::Warning& warning : plan.warnings()) {
    out << Styled(absl::StrCat("warning ", warning.id(), ": "), kAlarm, style.color)
        << Printable(warning.description()) << '\n';
  }
  for (const std::string& note : plan.notes()) out << "note: " << Printable(note) << '\n';
}

// What the flags and the server would still ask for.
void PrintHowTo(const v1::Plan& plan, Session& session) {
  session.err() << "nothing was done; to do exactly this, send it again ";
  if (plan.reason_required()) {
    session.err() << "with --plan and --reason TEXT first: a token is for one reason\n";
    return;
  }
  session.err() << "with\n  --plan-token " << plan.plan_token();
  if (plan.count_required()) session.err() << " --acknowledge-count " << plan.entity_count();
  for (const v1::Plan::Warning& warning : plan.warnings()) {
    session.err() << " --acknowledge " << warning.id();
  }
  session.err() << "\n  until " << ShortTime(plan.expire_time()) << '\n';
}

// The plan of an operation is what it ends with.
absl::StatusOr<v1::Plan> PlanOf(Session& session, const google::longrunning::Operation& operation) {
  absl::StatusOr<google::longrunning::Operation> ended = AwaitOperation(session, operation);
  if (!ended.ok()) return ended.status();
  if (absl::Status status = StatusOf(*ended); !status.ok()) return status;
  return ResultOf(*ended).plan();
}

// A line that the person types.
std::string Prompt(Session& session, const std::string& question) {
  session.err() << question << std::flush;
  std::string line;
  if (!std::getline(std::cin, line)) session.err() << '\n';
  return std::string(absl::StripAsciiWhitespace(line));
}

// True when the person agrees to the plan. What is large is not done by a habit of typing `y`.
bool Confirm(Session& session, const v1::Plan& plan, const std::string& verb) {
  PrintPlan(plan, session.err(), {.color = session.color_err(), .max_width = 0});
  if (plan.count_required()) {
    const std::string count = absl::StrCat(plan.entity_count());
    return Prompt(session, absl::StrCat("Type ", count, " to ", absl::AsciiStrToLower(verb),
                                        " it: ")) == count;
  }
  const std::string answer = Prompt(session, absl::StrCat(verb, " it? [y/N] "));
  return answer == "y" || answer == "Y" || answer == "yes";
}

// The command is told beforehand in place of being done.
absl::StatusOr<bool> Told(Session& session, const Exchange& exchange, const PlanFlags& flags) {
  if (absl::Status status = Announce(session, *exchange.request, flags.announcement);
      !status.ok()) {
    return status;
  }
  return false;
}

// What the person agreed to is acknowledged.
void Acknowledge(const v1::Plan& plan, v1::CommandOptions& options) {
  options.set_acknowledged_count(plan.entity_count());
  for (const v1::Plan::Warning& warning : plan.warnings()) {
    options.add_acknowledged_warnings(warning.id());
  }
}

}  // namespace

void PrintPlan(const v1::Plan& plan, std::ostream& out, const TableStyle& style) {
  out << Styled(absl::StrCat("Plan at position ", plan.position(), ": ", plan.entity_count(),
                             plan.entity_count() == 1 ? " entity" : " entities"),
                kHeading, style.color)
      << '\n';
  if (plan.entity_count() > 0) {
    PrintCounts(plan, out, style);
    PrintSamples(plan, out, style);
    PrintSums(plan, out, style);
    PrintPeople(plan, out, style);
  }
  PrintLosses(plan, out, style);
}

absl::StatusOr<v1::Plan> AskForPlan(Session& session, const Exchange& exchange) {
  Exchange planning{exchange.method, std::unique_ptr<Message>(exchange.request->New()),
                    std::unique_ptr<Message>(exchange.response->New())};
  planning.request->CopyFrom(*exchange.request);
  v1::CommandOptions& options = OptionsOf(planning);
  options.set_plan_only(true);
  const auto* operation =
      dynamic_cast<const google::longrunning::Operation*>(planning.response.get());
  // The operation that plans is not the one that --request-id names.
  if (operation != nullptr) options.set_request_id(client::NewRequestId());
  if (absl::Status status = session.Run(planning); !status.ok()) return status;
  if (operation != nullptr) return PlanOf(session, *operation);
  return static_cast<const v1::Plan&>(Sub(*planning.response, "plan"));
}

absl::Status ConfirmPlan(Session& session, const v1::Plan& plan, const std::string& verb) {
  if (Confirm(session, plan, verb)) return absl::OkStatus();
  return absl::InvalidArgumentError("not confirmed; nothing was done");
}

absl::Status ShowPlan(Session& session, const v1::Plan& plan) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  if (style->format != OutputFormat::kTable) {
    PrintMessage(plan, *style, session.out());
    return absl::OkStatus();
  }
  PrintPlan(plan, session.out(), style->table);
  session.out().flush();
  PrintHowTo(plan, session);
  return absl::OkStatus();
}

void AddPlanFlags(CLI::App& verb, PlanFlags& flags) {
  verb.add_flag("--plan", flags.plan, "only show what it would do");
  verb.add_flag("-y,--yes", flags.yes, "do not ask");
  verb.add_option("--plan-token", flags.plan_token, "do exactly what this plan said, or nothing")
      ->option_text("TOKEN");
  verb.add_option("--acknowledge-count", flags.acknowledged_count,
                  "how many entities you know that it touches")
      ->check(AtLeastOne())
      ->option_text("N");
  verb.add_option("--acknowledge", flags.acknowledged_warnings, "a warning of the plan; repeatable")
      ->option_text("WARNING");
  AddAnnounceFlags(verb, flags.announcement);
}

absl::StatusOr<bool> RunCommand(Session& session, Exchange& exchange, const PlanFlags& flags) {
  if (absl::Status status = CheckAnnounceFlags(flags.announcement); !status.ok()) return status;
  if (!exchange.method->options().GetExtension(v1::destructive)) {
    if (flags.given()) {
      return absl::InvalidArgumentError(
          "this is not planned when it is done to one; a plan is of --filter or --ids-file");
    }
    if (absl::Status status = session.Run(exchange); !status.ok()) return status;
    return true;
  }
  v1::CommandOptions& options = OptionsOf(exchange);
  options.set_acknowledged_count(flags.acknowledged_count);
  options.mutable_acknowledged_warnings()->Assign(flags.acknowledged_warnings.begin(),
                                                  flags.acknowledged_warnings.end());
  const bool ask = session.can_ask() && !flags.yes && flags.plan_token.empty() && !flags.plan;
  const bool must_plan = flags.yes || flags.announcement.announce;
  absl::StatusOr<v1::Plan> plan = v1::Plan();
  if (flags.plan || ask || (must_plan && flags.plan_token.empty())) {
    plan = AskForPlan(session, exchange);
  }
  if (flags.plan) {
    if (!plan.ok()) return plan.status();
    if (absl::Status status = ShowPlan(session, *plan); !status.ok()) return status;
    return false;
  }
  if (flags.announcement.announce && absl::IsPermissionDenied(plan.status())) {
    // A request to those who may.
    return Told(session, exchange, flags);
  }
  if (!plan.ok() && session.flags.request_id.empty()) return plan.status();
  if (!plan.ok() || plan->plan_token().empty()) {
    // By the given token or without a plan; so, too, when a request that may have been answered
    // before cannot be planned again: its id gets the first answer.
    options.set_plan_token(flags.plan_token);
    if (flags.announcement.announce) return Told(session, exchange, flags);
    if (absl::Status status = session.Run(exchange); !status.ok()) return status;
    return true;
  }
  if (ask && plan->reason_required()) {
    session.flags.reason = Prompt(session, "Why? ");
    if (session.flags.reason.empty()) {
      return absl::InvalidArgumentError("no reason is given; nothing was done");
    }
    plan = AskForPlan(session, exchange);
    if (!plan.ok()) return plan.status();
  }
  if (ask) {
    const char* verb = flags.announcement.announce ? "Announce" : "Do";
    if (absl::Status status = ConfirmPlan(session, *plan, verb); !status.ok()) return status;
    Acknowledge(*plan, options);
  }
  options.set_plan_token(plan->plan_token());
  if (flags.announcement.announce) return Told(session, exchange, flags);
  if (absl::Status status = session.Run(exchange); !status.ok()) return status;
  return true;
}

}  // namespace retrace::cli
