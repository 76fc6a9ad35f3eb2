#include "server/announcement_execution.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "domain/announcement.h"
#include "domain/commands.h"
#include "domain/operation.h"
#include "domain/operation_row.h"
#include "domain/policy.h"
#include "domain/refusal.h"
#include "domain/resource.h"
#include "domain/status_macros.h"
#include "fmt/format.h"
#include "google/rpc/error_details.pb.h"
#include "server/kept_command.h"
#include "server/plan_token.h"
#include "server/row_view.h"
#include "server/submit.h"
#include "server/system_log.h"

namespace retrace::server {
namespace {

using domain::KindNumber;
using domain::Refusal;
using domain::RowPtr;
using store::v1::AdvanceAnnouncement;
using store::v1::AnnouncementRow;
using v1::Announcement;

constexpr int kMostDifferences = 20;
// How long resolving a command may take, e.g. finding the commits of an undo.
constexpr absl::Duration kReading = absl::Minutes(5);

// What may be over when the same is tried again: a fault, or a refusal that is not about the
// command.
bool MayPass(const absl::Status& status) {
  switch (domain::ReasonOf(status)) {
    case v1::ERROR_REASON_UNSPECIFIED:
    case v1::INTERNAL_ERROR:
    case v1::BUSY:
    case v1::CLOCK_JUMPED:
    case v1::DEADLINE_PASSED:
    case v1::CALLER_CANCELLED:
    case v1::QUEUE_FULL:
    case v1::DISK_FULL:
    case v1::NOT_SERVING:
    case v1::OUTCOME_UNKNOWN:
      return !status.ok();
    default:
      return false;
  }
}

class Execution {
 public:
  Execution(const ExecutionParts& parts, Tenant& tenant, std::string id)
      : parts_(parts), tenant_(tenant), id_(std::move(id)) {}

  absl::Status GoOn() {
    RETRACE_ASSIGN(const RowPtr row, Read({KindNumber::kAnnouncement, id_}));
    if (row == nullptr || row->As<AnnouncementRow>().shown().state() != Announcement::EXECUTING) {
      return absl::OkStatus();
    }
    row_ = row->As<AnnouncementRow>();
    if (!row_.operation().empty()) {
      return LookAtOperation();
    }
    const absl::StatusOr<CommandResult> sent = Send();
    const absl::Status status = sent.ok() ? sent->status : sent.status();
    if (MayPass(status)) {
      return status;
    }
    return status.ok() ? RecordDone(*sent) : RecordFailed(status);
  }

 private:
  absl::StatusOr<RowPtr> Read(const domain::EntityRef& entity) const {
    const RowView view(parts_.ledger->rows(), tenant_.number, tenant_.visible);
    return view.Get(entity);
  }

  // The principal of that id, if it holds all that the command needs. A token of theirs that may
  // less takes nothing away, and two that may each a part of it are not enough.
  PrincipalPtr WhoMay(const std::string& id) const {
    const auto& needed = row_.shown().permissions();
    for (const std::string& permission : needed) {
      PrincipalPtr found = parts_.rpc->principals().FindById(id, tenant_.id, permission);
      if (found != nullptr &&
          std::all_of(needed.begin(), needed.end(),
                      [&found](const std::string& one) { return found->Has(one); })) {
        return found;
      }
    }
    return nullptr;
  }

  absl::StatusOr<PrincipalPtr> CheckPeople() const {
    const Announcement& shown = row_.shown();
    PrincipalPtr planner = WhoMay(shown.planner());
    if (planner == nullptr) {
      return Refusal(
                 v1::PERMISSION_MISSING,
                 fmt::format("{}, whose plan it is, may not do this any more.", shown.planner()))
          .Next("Announce it again as somebody who may.");
    }
    const RowView view(parts_.ledger->rows(), tenant_.number, tenant_.visible);
    RETRACE_ASSIGN(const v1::Policy policy, domain::PolicyOf(view));
    if (policy.require_second_person() &&
        (!domain::HasSecondPerson(row_) || WhoMay(row_.approver_principal()) == nullptr)) {
      return Refusal(v1::SECOND_PERSON_REQUIRED,
                     "Nobody else approved it who may still give the command.")
          .Next("Announce it again, and ask somebody who may to approve it.");
    }
    return planner;
  }

  absl::StatusOr<KeptCommand> OpenCommand() const {
    std::optional<KeptCommand> kept = OpenKept(*parts_.rpc, row_.command());
    if (!kept.has_value()) {
      return Refusal(v1::METHOD_UNKNOWN,
                     fmt::format("This server does not have {}.", row_.method()));
    }
    v1::CommandOptions& options = kept->options();
    RETRACE_ASSIGN(*options.mutable_plan_token(),
                   SealPlanToken(*parts_.ledger, tenant_, row_.planned().token()));
    options.set_acknowledged_count(row_.planned().acknowledged_count());
    *options.mutable_acknowledged_warnings() = row_.planned().acknowledged_warnings();
    return *std::move(kept);
  }

  std::string RequestId() const { return fmt::format("announced-{}", id_); }

  // The command again after it was done: its request id gets the first answer, whatever the people
  // may by now.
  Command Repeat(const KeptCommand& kept) const {
    auto planner = std::make_shared<Principal>();
    planner->id = row_.shown().planner();
    Command command = CommandFor(*kept.endpoint, *kept.request);
    command.tenant = &tenant_;
    command.principal = std::move(planner);
    command.options.set_request_id(RequestId());
    command.decide = [](domain::Draft&, const domain::Context&) {
      return absl::InternalError("a command that was done is decided again");
    };
    return command;
  }

  absl::StatusOr<CommandResult> Send() const {
    RETRACE_ASSIGN(
        const RowPtr done,
        Read({KindNumber::kRequest, domain::RequestRowId(row_.shown().planner(), RequestId())}));
    QueryCall call;
    if (done == nullptr) {
      RETRACE_ASSIGN(call.principal, CheckPeople());
    }
    RETRACE_ASSIGN(const KeptCommand kept, OpenCommand());
    if (done != nullptr) {
      return SubmitAndAwait(*parts_.sequencer, Repeat(kept));
    }
    call.tenant = &tenant_;
    call.deadline = call.start + kReading;
    call.cancelled = parts_.stopping;
    RETRACE_ASSIGN(Command command, MakeCommand(kept, call, row_.shown().taken_out()));
    command.options.set_request_id(RequestId());
    if (command.options.on_behalf_of().empty() && row_.shown().asker() != row_.shown().planner()) {
      command.options.set_on_behalf_of(row_.shown().asker());
    }
    if (command.options.correlation_id().empty()) {
      command.options.set_correlation_id(fmt::format("announcements/{}", id_));
    }
    command.plan = std::make_shared<const PlanUse>(parts_.plans->Open(command));
    return SubmitAndAwait(*parts_.sequencer, std::move(command));
  }

  absl::Status RecordDone(const CommandResult& done) const {
    AdvanceAnnouncement step;
    const auto change_set = static_cast<uint64_t>(done.outcome.change_set());
    if (row_.shown().as_operation()) {
      parts_.operations->Wake(tenant_);
      step.mutable_started()->set_operation(done.targets.front().first.id);
      step.mutable_started()->set_change_set(change_set);
    } else {
      step.mutable_ended()->set_state(Announcement::EXECUTED);
      step.mutable_ended()->mutable_result()->set_change_set(done.outcome.change_set());
    }
    return Record(std::move(step));
  }

  absl::Status RecordFailed(const absl::Status& why) const {
    AdvanceAnnouncement step;
    step.mutable_ended()->set_state(Announcement::FAILED);
    Announcement::Result& result = *step.mutable_ended()->mutable_result();
    result.set_reason(v1::ErrorReason_Name(domain::ReasonOf(why)));
    result.set_message(domain::WithoutValues(why));
    const google::rpc::Status details = domain::DetailsOf(why);
    for (const google::protobuf::Any& any : details.details()) {
      google::rpc::PreconditionFailure unmet;
      if (!any.UnpackTo(&unmet)) continue;
      for (const auto& violation : unmet.violations()) {
        // Only these are without values, which would outlive a purge here.
        if (violation.type() != "DRIFT") continue;
        if (result.differences_size() == kMostDifferences) break;
        result.add_differences(fmt::format("{}: {}", violation.subject(), violation.description()));
      }
    }
    return Record(std::move(step));
  }

  absl::Status LookAtOperation() const {
    RETRACE_ASSIGN(const RowPtr row, Read({KindNumber::kOperation, row_.operation()}));
    if (row == nullptr) {
      return absl::DataLossError(fmt::format("Operation {} is missing.", row_.operation()));
    }
    const auto& operation = row->As<store::v1::OperationRow>();
    if (!domain::IsEnded(operation.state())) {
      return absl::OkStatus();
    }
    const bool succeeded = operation.state() == v1::OperationMetadata::SUCCEEDED;
    AdvanceAnnouncement step;
    step.mutable_ended()->set_state(succeeded ? Announcement::EXECUTED : Announcement::FAILED);
    Announcement::Result& result = *step.mutable_ended()->mutable_result();
    result.set_operation(row_.shown().result().operation());
    result.set_change_set(operation.entities() > 0 ? static_cast<int64_t>(operation.change_set())
                                                   : 0);
    result.set_ok_count(operation.ok());
    result.set_refused_count(operation.refused());
    result.set_drifted_count(operation.drifted());
    result.set_skipped_count(operation.skipped());
    result.set_reason(operation.end().reason());
    result.set_message(operation.end().message());
    return Record(std::move(step));
  }

  absl::Status Record(AdvanceAnnouncement step) const {
    step.set_announcement(id_);
    Command command;
    command.tenant = &tenant_;
    command.principal = ServerItself();
    command.method = "retraced.AdvanceAnnouncement";
    command.options.set_reason(row_.shown().reason());
    command.options.set_on_behalf_of(row_.shown().planner());
    command.decide = [&step](domain::Draft& draft, const domain::Context& context) {
      return domain::Decide(step, draft, context);
    };
    return SubmitAndAwait(*parts_.sequencer, std::move(command)).status;
  }

  const ExecutionParts& parts_;
  Tenant& tenant_;
  const std::string id_;
  AnnouncementRow row_;
};

}  // namespace

absl::Status GoOnExecuting(const ExecutionParts& parts, Tenant& tenant, const std::string& id) {
  return Execution(parts, tenant, id).GoOn();
}

}  // namespace retrace::server
