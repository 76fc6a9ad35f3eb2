#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "clients/cli/app.h"
#include "clients/cli/exit_codes.h"
#include "clients/cli/nouns.h"
#include "clients/cli/progress_bar.h"
#include "clients/cpp/error_details.h"
#include "retrace/v1/admin.grpc.pb.h"

namespace retrace::cli {
namespace {

absl::Status RunStatus(Session& session) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  const auto reply = session.Ask<v1::GetStatusResponse>("Admin.GetStatus", v1::GetStatusRequest());
  if (!reply.ok()) return reply.status();
  PrintMessage(*reply, *style, session.out());
  return absl::OkStatus();
}

absl::Status RunBackup(Session& session, const std::string& id) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  Exchange exchange = NewExchange("Admin.Backup");
  SetText(*exchange.request, "backup_id", id);
  // A backup of a large log takes its time, and takes no request id: sending it again would be
  // another backup.
  const absl::Status status =
      session.Run(exchange, {.deadline = absl::Now() + absl::Hours(6), .retry = false});
  if (!status.ok()) return status;
  PrintMessage(*exchange.response, *style, session.out());
  return absl::OkStatus();
}

std::vector<Column> BackupColumns() {
  return {{"NAME", "backup_id"},      {"MADE", "create_time"}, {"BYTES", "bytes"},
          {"SCHEDULED", "scheduled"}, {"KEYS", "has_keys"},    {"EPOCH", "epoch"},
          {"UNDER WAY", "under_way"}, {"FAULT", "fault"}};
}

absl::Status RunBackups(Session& session) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  const auto reply =
      session.Ask<v1::GetBackupsResponse>("Admin.GetBackups", v1::GetBackupsRequest());
  if (!reply.ok()) return reply.status();
  RowOutput rows(*style, BackupColumns(), *v1::BackupSummary::descriptor(), session.out());
  for (const v1::BackupSummary& backup : reply->backups()) rows.Add(backup);
  rows.Finish();
  return absl::OkStatus();
}

// Also in days, which absl does not know.
absl::StatusOr<absl::Duration> ParseSpan(const std::string& text) {
  absl::Duration span;
  double days = 0;
  if (absl::EndsWith(text, "d") && absl::SimpleAtod(absl::StripSuffix(text, "d"), &days)) {
    return days * absl::Hours(24);
  }
  if (absl::ParseDuration(text, &span)) return span;
  return absl::InvalidArgumentError(absl::StrCat("`", text, "` is no span such as 36h or 60d"));
}

absl::Status RunAdvanceClock(Session& session, const std::string& by) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  absl::StatusOr<absl::Duration> span = ParseSpan(by);
  if (!span.ok()) return span.status();
  Exchange exchange = NewExchange("Admin.AdvanceClock");
  auto& request = static_cast<v1::AdvanceClockRequest&>(*exchange.request);
  request.mutable_by()->set_seconds(absl::ToInt64Seconds(*span));
  // Sent again it would be another advance.
  const absl::Status status =
      session.Run(exchange, {.deadline = absl::Now() + absl::Minutes(10), .retry = false});
  if (!status.ok()) return status;
  PrintMessage(*exchange.response, *style, session.out());
  return absl::OkStatus();
}

absl::Status ReportVerification(Session& session, const v1::VerifyResponse::Result& result,
                                const OutputStyle& style) {
  PrintMessage(result, style, session.out());
  if (result.ok()) return absl::OkStatus();
  return PartialError(absl::StrCat("verification found ", result.differences_size(),
                                   " differences; keep the data directory as it is and look at "
                                   "each before writing on"));
}

absl::Status RunVerify(Session& session) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  absl::StatusOr<client::Client*> client = session.Client();
  if (!client.ok()) return client.status();
  grpc::ClientContext context;
  (*client)->Authorize(context);
  context.set_deadline(absl::ToChronoTime(absl::Now() + absl::Hours(24)));
  auto reader = (*client)->StubOf<v1::Admin::Stub>().Verify(&context, v1::VerifyRequest());
  ProgressBar bar(session.err(), session.err_is_terminal, "verifying");
  v1::VerifyResponse step;
  v1::VerifyResponse::Result result;
  bool has_result = false;
  while (reader->Read(&step)) {
    if (step.has_progress()) bar.Show(step.progress().commits(), step.progress().total_commits());
    if (step.has_result()) {
      result = step.result();
      has_result = true;
    }
  }
  bar.Clear();
  const grpc::Status status = reader->Finish();
  if (!status.ok()) return client::ToAbslStatus(status);
  if (!has_result) return absl::UnavailableError("the verification ended without a result");
  return ReportVerification(session, result, *style);
}

}  // namespace

void AddAdminVerbs(CLI::App& noun, Session& session) {
  CLI::App* status =
      AddVerb(noun, "status", "heads, space, memory, queues and backups of the server",
              "retrace admin status -o json");
  status->callback([&session] { session.Choose([&session] { return RunStatus(session); }); });
  CLI::App* backup =
      AddVerb(noun, "backup", "back up the log into the server's backup directory while it serves",
              "retrace admin backup before-upgrade");
  auto id = std::make_shared<std::string>();
  backup->add_option("name", *id, "name of the backup; none: made from the time")
      ->option_text("[NAME]");
  backup->callback(
      [&session, id] { session.Choose([&session, id] { return RunBackup(session, *id); }); });
  CLI::App* backups =
      AddVerb(noun, "backups", "backups in the server's backup directory", "retrace admin backups");
  backups->callback([&session] { session.Choose([&session] { return RunBackups(session); }); });
  CLI::App* advance = AddVerb(noun, "advance-clock", "move the clock of a server for tests ahead",
                              "retrace admin advance-clock 60d");
  auto by = std::make_shared<std::string>();
  advance->add_option("by", *by, "e.g. 36h or 60d")->option_text("SPAN")->required();
  advance->callback(
      [&session, by] { session.Choose([&session, by] { return RunAdvanceClock(session, *by); }); });
  CLI::App* verify = AddVerb(
      noun, "verify", "read the whole log, rebuild all rows beside the serving ones and compare",
      "retrace admin verify");
  verify->callback([&session] { session.Choose([&session] { return RunVerify(session); }); });
}

}  // namespace retrace::cli
