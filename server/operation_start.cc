#include "server/operation_start.h"

#include <limits>
#include <memory>
#include <string>
#include <utility>

#include "domain/fields.h"
#include "domain/kind.h"
#include "domain/operation.h"
#include "domain/plan.h"
#include "domain/refusal.h"
#include "domain/resource.h"
#include "domain/status_macros.h"
#include "fmt/format.h"
#include "google/protobuf/util/time_util.h"
#include "google/rpc/error_details.pb.h"
#include "retrace/v1/history.pb.h"
#include "retrace/v1/operations.pb.h"
#include "server/operation_targets.h"
#include "server/plan_checks.h"
#include "server/plan_token.h"
#include "server/request_bytes.h"
#include "server/row_view.h"

namespace retrace::server {
namespace {

using domain::Refusal;
using google::protobuf::Message;
using google::protobuf::util::TimeUtil;
using store::v1::OperationRow;
using store::v1::OperationTask;
using store::v1::ResolvedOperation;
using v1::StartOperationRequest;
using Metadata = v1::OperationMetadata;

Refusal BadCommand(std::string description) {
  return Refusal(v1::INVALID_FIELD, "The operation's command cannot be sent to many entities.")
      .Field("command", std::move(description));
}

bool IsUndo(const Endpoint& endpoint) {
  return endpoint.method.request->GetDescriptor() == v1::UndoRequest::descriptor();
}

// A command on one entity of a kind that users have, or on names.
bool IsAboutOne(const Endpoint& endpoint) {
  const Method& method = endpoint.method;
  const domain::Kind* kind = domain::FindKind(method.collection);
  const bool one = kind != nullptr && kind->content && method.tenant_path.back()->name() == "name";
  return endpoint.resolve == nullptr && (one || NamesField(method) != nullptr);
}

void SetParent(const std::string& parent, Message& command) {
  const auto* field = command.GetDescriptor()->FindFieldByName("parent");
  if (field != nullptr) {
    command.GetReflection()->SetString(&command, field, parent);
  }
}

// Sets a name that every entity could have, so that the rest can be checked without one.
absl::Status CheckComplete(const Method& method, const std::string& tenant, Message& command) {
  const std::string collection = method.collection.empty() ? "customers" : method.collection;
  SetName(method, fmt::format("tenants/{}/{}/x", tenant, collection), command);
  const absl::Status status = domain::Inside("command", domain::Validate(command));
  SetName(method, "", command);
  return status;
}

absl::StatusOr<const Endpoint*> FindCommand(const Rpc& rpc, const QueryCall& call,
                                            const StartOperationRequest& request,
                                            Message& command) {
  const Endpoint* endpoint = rpc.FindCommand(*command.GetDescriptor());
  if (endpoint == nullptr || (!IsUndo(*endpoint) && !IsAboutOne(*endpoint))) {
    return BadCommand("must be the request of a command on one entity, or an UndoRequest");
  }
  const Method& method = endpoint->method;
  if (!call.principal->Has(method.permission)) {
    return Refusal(v1::PERMISSION_MISSING,
                   fmt::format("Your roles do not grant {}.", method.permission))
        .With("permission", method.permission)
        .Next("Ask an administrator to do it.");
  }
  if (method.OptionsOf(command).ByteSizeLong() > 0) {
    return BadCommand("must have no options; those of the operation hold for all");
  }
  const bool named = !request.operation().empty();
  const bool filtered = !request.filter().empty();
  if (IsUndo(*endpoint)) {
    static_cast<v1::UndoRequest&>(command).set_parent(request.parent());
    if (named || filtered) {
      return BadCommand("is an undo, which says itself what it is about");
    }
    RETRACE_RETURN_IF_ERROR(domain::Inside("command", domain::Validate(command)));
    return endpoint;
  }
  if (named == filtered) {
    return Refusal(v1::INVALID_FIELD, "An operation takes either a filter or named targets.")
        .Field("filter", "Give a filter (`*` for all), or name targets with AddTargets first.");
  }
  if (HasName(method, command)) {
    return BadCommand("must not name an entity");
  }
  if (NamesField(method) != nullptr) {
    SetParent(request.parent(), command);
  }
  RETRACE_RETURN_IF_ERROR(CheckComplete(method, call.tenant->id, command));
  return endpoint;
}

absl::Status CheckPlanAcknowledged(int64_t planned, const OperationTask& task) {
  const int64_t acknowledged = task.acknowledged_count();
  if (acknowledged == planned || (acknowledged == 0 && planned <= task.acknowledge_above())) {
    return absl::OkStatus();
  }
  return Refusal(
             v1::ACKNOWLEDGEMENT_REQUIRED,
             fmt::format("This touches {} entities; acknowledged were {}.", planned, acknowledged))
      .With("count", fmt::format("{}", planned))
      .Field("options.acknowledged_count", fmt::format("must be {}", planned))
      .Next("Look at the plan, then start it with that acknowledged_count.");
}

// What a filter found when it was planned stays what it is about, whatever was purged since.
absl::Status TakeNames(const Ledger& ledger, const Tenant& tenant, const std::string& planned,
                       OperationTask& task) {
  const RowView view(ledger.rows(), tenant.number, tenant.visible);
  RETRACE_ASSIGN(const domain::RowPtr row, view.Get({domain::KindNumber::kOperation, planned}));
  if (!task.filter().empty() && row != nullptr && row->As<OperationRow>().target_parts() > 0) {
    task.set_targets_of(planned);
  }
  return absl::OkStatus();
}

// What a plan's token says about the operation that executes it.
absl::Status TakePlan(const Rpc& rpc, Ledger& ledger, const QueryCall& call,
                      const StartOperationRequest& request, OperationTask& task) {
  StartOperationRequest copy = request;
  Command command;
  command.tenant = call.tenant;
  command.principal = call.principal;
  command.method = kStartOperation;
  command.options = request.options();
  command.request_bytes = RequestBytes(rpc.Find(kStartOperation)->method, copy);
  if (request.options().plan_only()) {
    task.set_command_hash(PlanCommandHash(command));
  }
  if (!request.options().plan_token().empty()) {
    const PlanUse use = OpenPlanToken(ledger, command);
    // Refused when it is decided: a repeat must get the first answer.
    if (use.refused.ok()) {
      RETRACE_RETURN_IF_ERROR(CheckPlanAcknowledged(use.token.count(), task));
      task.set_position(use.token.position());
      RETRACE_RETURN_IF_ERROR(TakeNames(ledger, *call.tenant, use.token.operation(), task));
      task.set_planned(true);
      // The plan's count holds for the operation, too: its targets are the same.
      task.set_acknowledge_above(std::numeric_limits<int64_t>::max());
      task.clear_acknowledged_count();
    }
  }
  return absl::OkStatus();
}

absl::Status CheckPolicy(Ledger& ledger, const QueryCall& call, const Method& method,
                         const v1::CommandOptions& options, OperationTask& task) {
  if (!method.destructive) {
    task.set_acknowledge_above(std::numeric_limits<int64_t>::max());
    return absl::OkStatus();
  }
  const RowView view(ledger.rows(), call.tenant->number, call.tenant->visible);
  RETRACE_ASSIGN(const Demands demands, DemandsOn(*call.principal, options, 0, view));
  task.set_acknowledge_above(demands.most);
  task.set_reason_required(demands.reason && options.plan_only());
  return options.plan_only() ? absl::OkStatus()
                             : CheckReasonAndPlan(demands, !options.plan_token().empty());
}

void ShowMetadata(const domain::Row& row, Metadata& shown) {
  const auto& operation = row.As<OperationRow>();
  shown.set_state(operation.state());
  shown.set_method(operation.task().method());
  shown.set_filter(operation.task().filter());
  shown.set_plan_only(operation.task().plan_only());
  shown.set_position(static_cast<int64_t>(operation.task().position()));
  shown.set_change_set(static_cast<int64_t>(operation.change_set()));
  shown.set_target_count(operation.target_count());
  shown.set_ok_count(operation.ok());
  shown.set_refused_count(operation.refused());
  shown.set_drifted_count(operation.drifted());
  shown.set_skipped_count(operation.skipped());
  shown.set_done_count(operation.ok() + operation.refused() + operation.drifted() +
                       operation.skipped());
  shown.set_changed_count(operation.entities());
  shown.set_actor(operation.actor());
  shown.set_reason(operation.reason());
  *shown.mutable_create_time() = TimeUtil::MicrosecondsToTimestamp(row.head.create_time_us());
  *shown.mutable_update_time() = TimeUtil::MicrosecondsToTimestamp(row.head.update_time_us());
}

absl::Status ShowResult(const OperationRow& operation, const domain::View& view,
                        google::longrunning::Operation& shown) {
  v1::OperationResult result;
  result.set_ok_count(operation.ok());
  result.set_refused_count(operation.refused());
  result.set_drifted_count(operation.drifted());
  result.set_skipped_count(operation.skipped());
  result.set_change_set(static_cast<int64_t>(operation.change_set()));
  if (operation.end().has_plan()) {
    *result.mutable_plan() = operation.end().plan();
    RETRACE_RETURN_IF_ERROR(domain::FillTitles(view, *result.mutable_plan()));
  }
  shown.mutable_response()->PackFrom(result);
  return absl::OkStatus();
}

void ShowError(const OperationRow& operation, google::longrunning::Operation& shown) {
  google::rpc::Status& error = *shown.mutable_error();
  v1::ErrorReason reason = v1::INTERNAL_ERROR;
  v1::ErrorReason_Parse(operation.end().reason(), &reason);
  error.set_code(static_cast<int32_t>(domain::CodeOf(reason)));
  error.set_message(operation.end().message());
  google::rpc::ErrorInfo info;
  info.set_reason(v1::ErrorReason_Name(reason));
  info.set_domain("retrace.v1");
  error.add_details()->PackFrom(info);
}

}  // namespace

absl::StatusOr<ResolvedOperation> ResolveOperation(const Rpc& rpc, Ledger& ledger,
                                                   const QueryCall& call,
                                                   const StartOperationRequest& request) {
  const std::shared_ptr<Message> command = Unpack(request.command());
  if (command == nullptr) {
    return BadCommand("holds no message that this server knows");
  }
  // What this build does not know must not get into events.
  command->DiscardUnknownFields();
  RETRACE_ASSIGN(const Endpoint* endpoint, FindCommand(rpc, call, request, *command));
  ResolvedOperation resolved;
  *resolved.mutable_options() = request.options();
  resolved.set_operation(request.operation());
  OperationTask& task = *resolved.mutable_task();
  task.mutable_command()->PackFrom(*command);
  task.set_filter(request.filter());
  task.set_collection(request.collection());
  task.set_show_inactive(request.show_inactive());
  task.set_show_deleted(request.show_deleted());
  task.set_method(endpoint->method.name);
  task.set_position(call.tenant->visible);
  task.set_on_drift(request.on_drift());
  task.set_plan_only(request.options().plan_only());
  task.set_acknowledged_count(request.options().acknowledged_count());
  *task.mutable_acknowledged_warnings() = request.options().acknowledged_warnings();
  RETRACE_RETURN_IF_ERROR(CheckPolicy(ledger, call, endpoint->method, request.options(), task));
  RETRACE_RETURN_IF_ERROR(TakePlan(rpc, ledger, call, request, task));
  if (!task.filter().empty()) {
    const TargetContext context{&rpc, &ledger, nullptr, call.tenant, call.principal, ""};
    RETRACE_RETURN_IF_ERROR(CheckFilter(context, task));
  }
  return resolved;
}

absl::StatusOr<google::longrunning::Operation> ShowOperation(const std::string& tenant,
                                                             const std::string& id,
                                                             const domain::Row& row,
                                                             const domain::View& view) {
  const auto& operation = row.As<OperationRow>();
  google::longrunning::Operation shown;
  shown.set_name(domain::NameOf(tenant, {domain::KindNumber::kOperation, id}));
  Metadata metadata;
  ShowMetadata(row, metadata);
  shown.mutable_metadata()->PackFrom(metadata);
  shown.set_done(domain::IsEnded(operation.state()));
  if (operation.state() == Metadata::SUCCEEDED) {
    RETRACE_RETURN_IF_ERROR(ShowResult(operation, view, shown));
  } else if (shown.done()) {
    ShowError(operation, shown);
  }
  return shown;
}

}  // namespace retrace::server
