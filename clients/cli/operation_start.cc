#include "clients/cli/operation_start.h"

#include <algorithm>
#include <fstream>
#include <iostream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "clients/cli/exit_codes.h"
#include "clients/cli/operation_output.h"
#include "clients/cli/operation_wait.h"
#include "clients/cli/progress_bar.h"
#include "google/longrunning/operations.pb.h"
#include "retrace/v1/operations.pb.h"

namespace retrace::cli {
namespace {

using google::longrunning::Operation;
using google::protobuf::Message;

constexpr size_t kNamesPerCall = 5000;

absl::StatusOr<v1::StartOperationRequest::OnDrift> ParseOnDrift(const std::string& text) {
  using Request = v1::StartOperationRequest;
  Request::OnDrift on_drift;
  if (Request::OnDrift_Parse(absl::AsciiStrToUpper(text), &on_drift) &&
      on_drift != Request::ON_DRIFT_UNSPECIFIED) {
    return on_drift;
  }
  return absl::InvalidArgumentError(absl::StrCat("--on-drift is stop or skip, not `", text, "`"));
}

// Sends the names in pieces; the name of the operation that holds them.
absl::StatusOr<std::string> AddTargets(Session& session, const std::string& tenant,
                                       const std::vector<std::string>& names) {
  ProgressBar bar(session.err(), session.err_is_terminal, "naming");
  std::string operation;
  for (size_t begin = 0; begin < names.size(); begin += kNamesPerCall) {
    const size_t end = std::min(begin + kNamesPerCall, names.size());
    v1::AddTargetsRequest request;
    request.set_parent(tenant);
    request.set_operation(operation);
    for (size_t i = begin; i < end; ++i) request.add_names(names[i]);
    const auto reply = session.Ask<v1::AddTargetsResponse>("Operations.AddTargets", request);
    if (!reply.ok()) return reply.status();
    operation = reply->operation();
    bar.Show(static_cast<int64_t>(end), static_cast<int64_t>(names.size()));
  }
  return operation;
}

}  // namespace

void AddOperationFlags(CLI::App& verb, OperationFlags& flags) {
  const char* group = "Operation";
  verb.add_option("--on-drift", flags.on_drift,
                  "what somebody else wrote since it was planned: stop there, or skip it (stop)")
      ->option_text("CHOICE")
      ->check(CLI::IsMember({"stop", "skip"}))
      ->group(group);
  verb.add_flag("--no-wait", flags.no_wait, "print its name and leave it to the server")
      ->group(group);
}

void AddTargetFlags(CLI::App& verb, TargetFlags& flags) {
  const char* group = "Many at once";
  verb.add_option("--filter", flags.filter,
                  "in place of ID: all that this matches, as in lists; * is all")
      ->option_text("FILTER")
      ->group(group);
  verb.add_flag("--show-inactive", flags.show_inactive, "with --filter: inactive ones, too")
      ->group(group);
  verb.add_option("--ids-file", flags.ids_file,
                  "in place of ID: those that this file names, one a line; - for standard input")
      ->option_text("FILE")
      ->group(group);
  AddOperationFlags(verb, flags.operation);
}

absl::Status CheckTargets(const std::string& id, const TargetFlags& targets) {
  const int ways = !id.empty() + !targets.filter.empty() + !targets.ids_file.empty();
  if (ways == 1) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(ways == 0 ? "which? Say" : "say only one of",
                                                 " an ID, --filter FILTER or --ids-file FILE"));
}

absl::StatusOr<std::vector<std::string>> ReadIds(const std::string& file) {
  std::ifstream opened;
  if (file != "-") opened.open(file);
  std::istream& in = file == "-" ? std::cin : opened;
  std::vector<std::string> ids;
  for (std::string line; std::getline(in, line);) {
    const absl::string_view id = absl::StripAsciiWhitespace(line);
    if (!id.empty()) ids.emplace_back(id);
  }
  // A folder opens, but cannot be read.
  if (file != "-" && (!opened.is_open() || opened.bad())) {
    return FileError(absl::StrCat("cannot read ", file));
  }
  if (ids.empty()) return absl::InvalidArgumentError("no ids are given");
  return ids;
}

void AddAsOperationFlags(CLI::App& verb, bool& as_operation, OperationFlags& flags) {
  verb.add_flag("--operation", as_operation,
                "in the background, piece by piece: for more than one commit can hold")
      ->group("Operation");
  AddOperationFlags(verb, flags);
}

absl::Status RunAsOperation(Session& session, const Message& command, const Targets& targets,
                            const OperationFlags& flags, const PlanFlags& plan) {
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  const auto on_drift = ParseOnDrift(flags.on_drift);
  if (!on_drift.ok()) return on_drift.status();
  Exchange exchange = NewExchange("Operations.StartOperation");
  auto& request = static_cast<v1::StartOperationRequest&>(*exchange.request);
  request.set_parent(*tenant);
  request.mutable_command()->PackFrom(command);
  request.set_on_drift(*on_drift);
  request.set_filter(targets.filter);
  request.set_show_inactive(targets.show_inactive);
  request.set_collection(targets.collection);
  if (!targets.names.empty()) {
    if (!session.flags.request_id.empty()) {
      return absl::InvalidArgumentError(
          "names are sent before the command that they are for; --request-id names only one");
    }
    absl::StatusOr<std::string> operation = AddTargets(session, *tenant, targets.names);
    if (!operation.ok()) return operation.status();
    request.set_operation(*operation);
  }
  absl::StatusOr<bool> started = RunCommand(session, exchange, plan);
  if (!started.ok() || !*started) return started.status();
  const auto& operation = static_cast<const Operation&>(*exchange.response);
  if (flags.no_wait) return PrintStarted(session, operation);
  session.err() << "operation " << IdOf(operation.name()) << '\n';
  absl::StatusOr<Operation> ended = AwaitOperation(session, operation);
  if (!ended.ok()) return ended.status();
  return PrintEnded(session, *ended);
}

absl::Status RunOnTargets(Session& session, const EntityNoun& entity, const Message& command,
                          const std::string& state, const TargetFlags& flags,
                          const PlanFlags& plan) {
  Targets targets{.filter = flags.filter, .show_inactive = flags.show_inactive};
  if (!flags.filter.empty() && !state.empty()) {
    targets.filter = absl::StrCat("state = ", state);
    if (flags.filter != "*") absl::StrAppend(&targets.filter, " AND (", flags.filter, ")");
  }
  if (!flags.ids_file.empty()) {
    absl::StatusOr<std::vector<std::string>> ids = ReadIds(flags.ids_file);
    if (!ids.ok()) return ids.status();
    for (const std::string& id : *ids) {
      absl::StatusOr<std::string> name = ResolveName(session, entity, id);
      if (!name.ok()) return name.status();
      targets.names.push_back(*std::move(name));
    }
  }
  return RunAsOperation(session, command, targets, flags.operation, plan);
}

}  // namespace retrace::cli
