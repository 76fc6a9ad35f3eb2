#include <memory>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "clients/cli/app.h"
#include "clients/cli/nouns.h"
#include "clients/cli/operation_start.h"
#include "clients/cli/plans.h"
#include "clients/cli/reflection.h"
#include "clients/cli/row_output.h"
#include "retrace/v1/history.pb.h"

namespace retrace::cli {
namespace {

struct UndoFlags {
  std::vector<int64_t> numbers;
  bool commits = false;
  std::string filter;
  std::vector<std::string> entities;
  std::string mode = "strict";
  bool conflicts = false;
  PlanFlags plan;
  bool as_operation = false;
  OperationFlags operation;
};

absl::StatusOr<v1::UndoMode> ParseMode(const std::string& text) {
  v1::UndoMode mode;
  if (v1::UndoMode_Parse(absl::AsciiStrToUpper(text), &mode) && mode != v1::UNDO_MODE_UNSPECIFIED) {
    return mode;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("--mode is strict, partial or force, not `", text, "`"));
}

// Fills what undo and its conflicts are asked with alike.
template <typename Request>
void Fill(const UndoFlags& flags, const std::string& tenant, Request& request) {
  request.set_parent(tenant);
  request.set_filter(flags.filter);
  for (const int64_t number : flags.numbers) {
    request.add_names(absl::StrCat(tenant, flags.commits ? "/commits/" : "/changeSets/", number));
  }
  for (const std::string& entity : flags.entities) {
    request.add_entities(absl::StartsWith(entity, "tenants/") ? entity
                                                              : absl::StrCat(tenant, "/", entity));
  }
}

absl::Status PrintConflicts(Session& session, const UndoFlags& flags, const std::string& tenant) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  v1::GetUndoConflictsRequest request;
  Fill(flags, tenant, request);
  const auto reply = session.Ask<v1::GetUndoConflictsResponse>("History.GetUndoConflicts", request);
  if (!reply.ok()) return reply.status();
  RowOutput rows(*style,
                 {{"ENTITY", "entity"},
                  {"PATH", "path"},
                  {"NOW", "now"},
                  {"WAS", "was"},
                  {"WHO", "actor"},
                  {"WHEN", "change_time"},
                  {"CHANGE SET", "change_set"},
                  {"CAUSE", "cause"}},
                 *v1::UndoConflict::descriptor(), session.out());
  for (const v1::UndoConflict& conflict : reply->conflicts()) rows.Add(conflict);
  rows.Finish();
  return absl::OkStatus();
}

absl::Status RunUndo(Session& session, const UndoFlags& flags) {
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  if (flags.conflicts) return PrintConflicts(session, flags, *tenant);
  absl::StatusOr<v1::UndoMode> mode = ParseMode(flags.mode);
  if (!mode.ok()) return mode.status();
  Exchange exchange = NewExchange("History.Undo");
  auto& request = static_cast<v1::UndoRequest&>(*exchange.request);
  Fill(flags, *tenant, request);
  request.set_mode(*mode);
  if (flags.as_operation) return RunAsOperation(session, request, {}, flags.operation, flags.plan);
  absl::StatusOr<bool> done = RunCommand(session, exchange, flags.plan);
  if (!done.ok() || !*done) return done.status();
  const auto& reply = static_cast<const v1::UndoResponse&>(*exchange.response);
  for (const std::string& entity : reply.entities()) session.out() << entity << '\n';
  session.NoteOutcome(reply.outcome());
  return absl::OkStatus();
}

void AddFlags(CLI::App& noun, Session& session, const char* numbers) {
  auto flags = std::make_shared<UndoFlags>();
  noun.add_option("numbers", flags->numbers, numbers)->option_text("NUMBER...");
  noun.add_flag("--commits", flags->commits, "the numbers are positions of single commits");
  noun.add_option("--filter", flags->filter, "in place of numbers: commits that this matches")
      ->option_text("FILTER");
  noun.add_option("--entity", flags->entities,
                  "only what was done to this, e.g. customers/01jd; may be repeated")
      ->option_text("NAME")
      ->expected(1)
      ->take_all();
  noun.add_option("--mode", flags->mode,
                  "strict: a conflict refuses all; partial: it stays as it is; force: it is "
                  "overwritten (strict)")
      ->option_text("MODE");
  noun.add_flag("--conflicts", flags->conflicts, "only list what was changed since; undo nothing");
  AddPlanFlags(noun, flags->plan);
  AddAsOperationFlags(noun, flags->as_operation, flags->operation);
  noun.callback([&session, flags] {
    session.Choose([&session, flags] { return RunUndo(session, *flags); });
  });
}

}  // namespace

void AddUndo(CLI::App& noun, Session& session) {
  noun.footer(
      "What was changed since is a conflict: it is shown, never guessed.\n\n"
      "Example:\n  retrace undo 812 --reason \"wrong list\"\n"
      "  retrace undo 812 --conflicts -o csv\n"
      "  retrace undo 812 --operation --plan\n"
      "  retrace undo --filter 'actor = \"sync\" AND time >= \"2026-03-01T10:00:00Z\"' "
      "--mode partial");
  AddFlags(noun, session, "change sets to take back");
}

void AddRedo(CLI::App& noun, Session& session) {
  noun.footer("A redo is the undo of an undo.\n\nExample:\n  retrace redo 815");
  AddFlags(noun, session, "change sets of the undos to take back");
}

}  // namespace retrace::cli
