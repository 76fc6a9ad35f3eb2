#include "clients/cli/exit_codes.h"

#include <array>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "clients/cli/table.h"
#include "clients/cli/text_width.h"
#include "clients/cpp/error_details.h"
#include "fmt/format.h"

namespace retrace::cli {
namespace {

struct Explained {
  ExitCode code;
  const char* meaning;
};

constexpr std::array<Explained, 12> kCodes = {{
    {ExitCode::kOk, "done"},
    {ExitCode::kFailed, "the server failed, or refused for a reason not listed here"},
    {ExitCode::kUsage, "the command line or an input is wrong; nothing was sent"},
    {ExitCode::kUnavailable, "no server, no connection, or no answer in time"},
    {ExitCode::kPartial,
     "done in part: rows were rejected, targets refused, or verify found differences"},
    {ExitCode::kInvalid, "the server found the request invalid (INVALID_ARGUMENT)"},
    {ExitCode::kNotFound, "there is no such thing (NOT_FOUND)"},
    {ExitCode::kConflict, "taken, or changed meanwhile (ALREADY_EXISTS, ABORTED)"},
    {ExitCode::kPrecondition, "not in this state (FAILED_PRECONDITION)"},
    {ExitCode::kNotAllowed, "token unknown or not permitted (UNAUTHENTICATED, PERMISSION_DENIED)"},
    {ExitCode::kExhausted, "too busy or out of space (RESOURCE_EXHAUSTED)"},
    {ExitCode::kFile, "a local file could not be read or written"},
}};

// Marks errors of this program that have an exit code of their own.
constexpr char kPartialMark[] = "retrace.cli/partial";
constexpr char kFileMark[] = "retrace.cli/file";
constexpr char kRefusedMark[] = "retrace.cli/refused";

absl::Status Marked(std::string message, const char* mark) {
  absl::Status status = absl::FailedPreconditionError(message);
  status.SetPayload(mark, absl::Cord());
  return status;
}

ExitCode ServerCode(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return ExitCode::kUnavailable;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kOutOfRange:
      return ExitCode::kInvalid;
    case absl::StatusCode::kNotFound:
      return ExitCode::kNotFound;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kAborted:
      return ExitCode::kConflict;
    case absl::StatusCode::kFailedPrecondition:
      return ExitCode::kPrecondition;
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied:
      return ExitCode::kNotAllowed;
    case absl::StatusCode::kResourceExhausted:
      return ExitCode::kExhausted;
    default:
      return ExitCode::kFailed;
  }
}

// What to try next where the server did not say.
std::string NextStep(const absl::Status& status, const client::ErrorDetails& details) {
  // The server speaks of requests; what follows from it for a command line is said here.
  if (details.reason == "TOKEN_UNKNOWN") {
    return "set a token: --token-file FILE, RETRACE_TOKEN, or `retrace context set`";
  }
  if (details.reason == "RELATED_CHOICE_MISSING") {
    return "say --related delete, keep or refuse; for one kind, e.g. --related-kind DEAL=keep";
  }
  if (details.reason == "REASON_REQUIRED") return "say why: --reason TEXT";
  if (details.reason == "PLAN_REQUIRED") {
    return "look first: --plan, then --plan-token TOKEN; or --yes";
  }
  if (details.reason == "ACKNOWLEDGEMENT_REQUIRED") {
    return "look first: --plan says what to give to --acknowledge-count and --acknowledge";
  }
  if (details.reason == "USE_OPERATION") {
    return "as an operation: --operation; for many, --filter or --ids-file in place of ids";
  }
  if (!details.help.empty() || !details.reason.empty()) return "";
  if (ServerCode(status.code()) == ExitCode::kUnavailable) {
    return "is the server running, and is --endpoint right? `retrace context show` tells which one "
           "is used";
  }
  return "";
}

}  // namespace

std::string ExitCodesHelp() {
  std::string help = "Exit codes:\n";
  for (const Explained& explained : kCodes) {
    absl::StrAppend(
        &help, fmt::format("  {:>2}  {}\n", static_cast<int>(explained.code), explained.meaning));
  }
  return help;
}

absl::Status PartialError(std::string message) { return Marked(std::move(message), kPartialMark); }
absl::Status FileError(std::string message) { return Marked(std::move(message), kFileMark); }
absl::Status RefusedError(std::string message) { return Marked(std::move(message), kRefusedMark); }

ExitCode ExitCodeOf(const absl::Status& status) {
  if (status.ok()) return ExitCode::kOk;
  if (client::IsFromServer(status)) return ServerCode(status.code());
  if (status.GetPayload(kPartialMark)) return ExitCode::kPartial;
  if (status.GetPayload(kFileMark)) return ExitCode::kFile;
  if (status.GetPayload(kRefusedMark)) return ExitCode::kPrecondition;
  if (status.code() == absl::StatusCode::kUnavailable) return ExitCode::kUnavailable;
  if (status.code() == absl::StatusCode::kNotFound) return ExitCode::kNotFound;
  if (status.code() == absl::StatusCode::kPermissionDenied) return ExitCode::kNotAllowed;
  return ExitCode::kUsage;
}

void PrintError(const absl::Status& status, std::ostream& err, bool color) {
  const client::ErrorDetails details = client::DetailsOf(status);
  err << Styled("retrace:", "31", color) << ' ' << Printable(status.message());
  if (!details.reason.empty()) err << " (" << details.reason << ')';
  err << '\n';
  for (const auto& field : details.fields) {
    if (absl::StrContains(status.message(), field.description)) continue;
    err << "  " << Printable(field.field) << ": " << Printable(field.description) << '\n';
  }
  for (const auto& violation : details.preconditions) {
    err << "  " << Printable(violation.subject) << ": " << Printable(violation.description) << '\n';
  }
  if (!details.resource_name.empty()) err << "  see " << Printable(details.resource_name) << '\n';
  for (const auto& link : details.help) {
    // The message often ends with the next step.
    if (link.url.empty() && absl::StrContains(status.message(), link.description)) continue;
    err << "  " << Printable(link.description);
    if (!link.url.empty()) err << ' ' << Printable(link.url);
    err << '\n';
  }
  if (const std::string next = NextStep(status, details); !next.empty()) {
    err << "  " << next << '\n';
  }
}

}  // namespace retrace::cli
