#include "server/announcing.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_join.h"
#include "domain/announcement.h"
#include "domain/context.h"
#include "domain/decider.h"
#include "domain/operation_row.h"
#include "domain/refusal.h"
#include "domain/status_macros.h"
#include "fmt/format.h"
#include "google/protobuf/util/time_util.h"
#include "google/rpc/error_details.pb.h"
#include "retrace/v1/history.pb.h"
#include "retrace/v1/operations.pb.h"
#include "server/admission.h"
#include "server/audience_check.h"
#include "server/kept_command.h"
#include "server/plan_checks.h"
#include "server/plan_token.h"
#include "server/row_view.h"

namespace retrace::server {
namespace {

using domain::KindNumber;
using domain::Refusal;
using domain::RowPtr;
using google::protobuf::util::TimeUtil;
using store::v1::AnnouncedPlan;
using store::v1::AnnouncementRow;
using store::v1::PlanAnnounced;

Refusal BadCommand(std::string description) {
  return Refusal(v1::INVALID_FIELD, "This command cannot be announced.")
      .Field("command", std::move(description));
}

absl::StatusOr<bool> IsRepeat(const Announcing& parts, const QueryCall& call,
                              const std::string& request_id) {
  if (request_id.empty()) {
    return false;
  }
  const RowView view(parts.ledger->rows(), call.tenant->number, call.tenant->visible);
  RETRACE_ASSIGN(
      const RowPtr row,
      view.Get({KindNumber::kRequest, domain::RequestRowId(call.principal->id, request_id)}));
  return row != nullptr;
}

// The command of the request, checked as if it were sent.
absl::StatusOr<KeptCommand> OpenCommand(const Announcing& parts, const QueryCall& call,
                                        const google::protobuf::Any& any) {
  std::optional<KeptCommand> kept = OpenKept(*parts.rpc, any);
  if (!kept.has_value() || !kept->endpoint->method.destructive) {
    return BadCommand("must be the request of a destructive command, or a StartOperationRequest");
  }
  const Method& method = kept->endpoint->method;
  RETRACE_ASSIGN(const Tenant* tenant,
                 FindTenant(method, *kept->request, *call.principal, parts.ledger->tenants()));
  if (tenant != call.tenant) {
    return BadCommand("must be about the announcement's own tenant");
  }
  RETRACE_RETURN_IF_ERROR(
      domain::Inside("command", CheckRequest(method, *kept->request, *call.principal)));
  if (TargetMethod(*parts.rpc, *kept) == nullptr) {
    return BadCommand("starts an operation with a command that this server does not have");
  }
  const v1::CommandOptions& options = kept->options();
  if (options.plan_only() || options.change_set() != 0) {
    return BadCommand("must have neither plan_only nor a change set in its options");
  }
  return *std::move(kept);
}

// Its execution needs these, the one of what is done to entities first.
std::vector<std::string> PermissionsOf(const Rpc& rpc, const KeptCommand& kept) {
  std::vector<std::string> permissions = {TargetMethod(rpc, kept)->permission};
  if (kept.endpoint->method.permission != permissions[0]) {
    permissions.push_back(kept.endpoint->method.permission);
  }
  return permissions;
}

template <typename Permissions>
bool HasAll(const Principal& principal, const Permissions& permissions) {
  return std::all_of(permissions.begin(), permissions.end(),
                     [&](const std::string& one) { return principal.Has(one); });
}

// What an operation that planned ended with, and what its targets took.
absl::StatusOr<v1::Plan> PlanOfOperation(const Announcing& parts, const Tenant& tenant,
                                         const store::v1::PlanToken& token,
                                         std::set<std::string>& taken) {
  const RowView view(parts.ledger->rows(), tenant.number, tenant.visible);
  RETRACE_ASSIGN(const RowPtr row, view.Get({KindNumber::kOperation, token.operation()}));
  if (row == nullptr || !row->As<store::v1::OperationRow>().end().has_plan()) {
    return Refusal(v1::PLAN_TOKEN_INVALID, "The operation that planned this is not known.")
        .Next("Plan again.");
  }
  const store::v1::OperationEnded& end = row->As<store::v1::OperationRow>().end();
  taken.insert(end.permissions().begin(), end.permissions().end());
  return end.plan();
}

absl::Status CheckSame(const v1::Plan& plan, const store::v1::PlanToken& token) {
  if (plan.digest() == absl::BytesToHexString(token.digest())) {
    return absl::OkStatus();
  }
  return Refusal(
             v1::PLAN_DRIFTED,
             fmt::format("This is not what was planned at position {} any more.", token.position()))
      .With("position", fmt::format("{}", token.position()))
      .With("planned-count", fmt::format("{}", token.count()))
      .With("count", fmt::format("{}", plan.entity_count()))
      .Next("Plan again, look at what differs, and announce the new plan.");
}

// When it executes itself: at a time, or so long after now; neither: it does not.
struct Timer {
  int64_t time_us = 0;
  int64_t delay_us = 0;
  bool is_set() const { return time_us != 0 || delay_us != 0; }
};

// The command decided as if the timer's time had come (unset: now), noting the permissions beyond
// the method's that it takes.
Command Watched(const Command& command, const Timer& timer, std::set<std::string>& taken) {
  Command watched = command;
  watched.decide = [&taken, timer, decide = command.decide](domain::Draft& draft,
                                                            const domain::Context& context) {
    domain::Context then = context;
    then.header.time_us = std::max(then.header.time_us, timer.time_us) + timer.delay_us;
    then.may = [&taken, &context](const std::string& permission) {
      const bool may = context.may(permission);
      if (may) {
        taken.insert(permission);
      }
      return may;
    };
    return decide(draft, then);
  };
  return watched;
}

// The plan of one commit. PERMISSION_MISSING and its like also when only the timer would meet it.
absl::StatusOr<v1::Plan> MakePlan(const Plans& plans, const Command& command, const Timer& timer,
                                  std::set<std::string>& taken) {
  RETRACE_ASSIGN(v1::Plan plan, plans.Make(Watched(command, {}, taken)));
  if (timer.is_set()) {
    const absl::Status then = plans.Make(Watched(command, timer, taken)).status();
    // What else differs then is drift, which nobody knows now.
    if (absl::IsPermissionDenied(then)) {
      return then;
    }
  }
  return plan;
}

// The plan of the caller that will be executed: that of the command's token, or one made now.
// `taken` gets the permissions that deciding it took.
absl::StatusOr<AnnouncedPlan> PlanFor(const Announcing& parts, const QueryCall& call,
                                      const KeptCommand& kept, const Timer& timer,
                                      std::set<std::string>& taken) {
  const v1::CommandOptions options = kept.options();
  const bool starts_operation = kept.endpoint->method.starts_operation;
  if (options.plan_token().empty() && starts_operation) {
    return Refusal(v1::PLAN_REQUIRED, "An operation is announced with the token of its plan.")
        .Field("command.options.plan_token", "must be the token of a plan")
        .Next("Start it with plan_only, look at the plan, then announce it with the token.");
  }
  RETRACE_ASSIGN(Command command, MakeCommand(kept, call));
  AnnouncedPlan planned;
  if (!options.plan_token().empty()) {
    const PlanUse use = parts.plans->Open(command);
    RETRACE_RETURN_IF_ERROR(domain::Inside("command", use.refused));
    *planned.mutable_token() = use.token;
  }
  v1::Plan plan;
  if (starts_operation) {
    RETRACE_ASSIGN(plan, PlanOfOperation(parts, *call.tenant, planned.token(), taken));
  } else {
    RETRACE_ASSIGN(plan, MakePlan(*parts.plans, command, timer, taken));
  }
  if (planned.has_token()) {
    RETRACE_RETURN_IF_ERROR(CheckSame(plan, planned.token()));
  } else {
    command.options.set_plan_token(plan.plan_token());
    *planned.mutable_token() = parts.plans->Open(command).token;
  }
  RETRACE_RETURN_IF_ERROR(domain::Inside("command", CheckAgreed(options, plan)));
  *planned.mutable_plan() = std::move(plan);
  planned.set_acknowledged_count(options.acknowledged_count());
  *planned.mutable_acknowledged_warnings() = options.acknowledged_warnings();
  return planned;
}

void ClearForKeeping(v1::CommandOptions& options) {
  options.clear_request_id();
  options.clear_plan_token();
  options.clear_acknowledged_count();
  options.clear_acknowledged_warnings();
}

// Microseconds; refuses what is no time from now on.
absl::StatusOr<int64_t> FromNow(const google::protobuf::Duration& duration,
                                std::string_view field) {
  const int64_t most_s = domain::kLongestAnnouncementUs / 1'000'000;
  if (duration.seconds() < 0 || duration.seconds() > most_s || duration.nanos() < 0 ||
      TimeUtil::DurationToMicroseconds(duration) == 0) {
    return Refusal(v1::INVALID_FIELD, fmt::format("{} is not within 30 days.", field))
        .Field(field, "must be more than 0, and at most 30 days");
  }
  return TimeUtil::DurationToMicroseconds(duration);
}

absl::Status TakeTimes(const v1::AnnounceRequest& request, store::v1::ResolvedAnnounce& resolved) {
  PlanAnnounced& announced = *resolved.mutable_announced();
  if (request.has_expire_time() == request.has_ttl()) {
    return Refusal(v1::INVALID_FIELD, "It says once until when it can be executed.")
        .Field("expire_time", "Give expire_time or ttl.");
  }
  if (request.has_execute_time() && request.has_execute_delay()) {
    return Refusal(v1::INVALID_FIELD, "It says once when it executes itself.")
        .Field("execute_time", "Give execute_time or execute_delay, or neither.");
  }
  announced.set_expire_time_us(TimeUtil::TimestampToMicroseconds(request.expire_time()));
  if (request.has_execute_time()) {
    // The very first moment is past, and not "none".
    announced.set_execute_time_us(
        std::max<int64_t>(1, TimeUtil::TimestampToMicroseconds(request.execute_time())));
  }
  if (request.has_ttl()) {
    RETRACE_ASSIGN(const int64_t ttl_us, FromNow(request.ttl(), "ttl"));
    resolved.set_ttl_us(ttl_us);
  }
  if (request.has_execute_delay()) {
    RETRACE_ASSIGN(const int64_t delay_us, FromNow(request.execute_delay(), "execute_delay"));
    resolved.set_execute_delay_us(delay_us);
  }
  return absl::OkStatus();
}

// An operation goes from target to target; an undo that is STRICT does so as a whole.
bool IsDivisible(const KeptCommand& kept) {
  if (!kept.endpoint->method.starts_operation) {
    return false;
  }
  store::v1::OperationTask task;
  *task.mutable_command() = static_cast<const v1::StartOperationRequest&>(*kept.request).command();
  return !domain::IsWhole(task);
}

// The permission that a refusal misses; empty: it names none.
std::string MissingIn(const absl::Status& refusal) {
  const google::rpc::Status details = domain::DetailsOf(refusal);
  for (const google::protobuf::Any& any : details.details()) {
    google::rpc::ErrorInfo info;
    if (any.UnpackTo(&info) && info.metadata().contains("permission")) {
      return info.metadata().at("permission");
    }
  }
  return {};
}

// A request that somebody can approve.
absl::Status CheckRequested(const Announcing& parts, const Tenant& tenant, const KeptCommand& kept,
                            const std::vector<std::string>& needed) {
  if (kept.endpoint->method.starts_operation &&
      !static_cast<const v1::StartOperationRequest&>(*kept.request).operation().empty()) {
    return BadCommand(
        "names targets one by one, which nobody else can plan: to ask for it, say a filter");
  }
  const std::vector<PrincipalPtr> all = parts.rpc->principals().Entering(tenant.id);
  if (std::any_of(all.begin(), all.end(),
                  [&needed](const PrincipalPtr& one) { return HasAll(*one, needed); })) {
    return absl::OkStatus();
  }
  return Refusal(v1::NOBODY_TO_TELL, "Nobody of the tenant may give this command or approve it.")
      .Field("command", fmt::format("needs {}", absl::StrJoin(needed, ", ")))
      .Next("Ask whoever runs the server for a role that may; `retraced roles` prints them.");
}

// Plans it in the caller's name; or, when it takes a permission that the caller lacks, makes it a
// request that needs it.
absl::Status PlanOrRequest(const Announcing& parts, const QueryCall& call, const KeptCommand& kept,
                           store::v1::ResolvedAnnounce& resolved) {
  PlanAnnounced& announced = *resolved.mutable_announced();
  std::vector<std::string> needed = PermissionsOf(*parts.rpc, kept);
  bool planned = HasAll(*call.principal, needed);
  if (planned) {
    const Timer timer{announced.execute_time_us(), resolved.execute_delay_us()};
    std::set<std::string> taken;
    absl::StatusOr<AnnouncedPlan> plan = PlanFor(parts, call, kept, timer, taken);
    planned = plan.ok();
    if (planned) {
      *announced.mutable_planned() = *std::move(plan);
    } else {
      taken = {MissingIn(plan.status())};
      if (!absl::IsPermissionDenied(plan.status()) || taken.contains("")) {
        return plan.status();
      }
    }
    // The decisive ones first: those who hold them are told of a request.
    for (const std::string& permission : needed) {
      taken.erase(permission);
    }
    std::copy(taken.begin(), taken.end(), std::inserter(needed, needed.begin()));
  }
  if (!planned) {
    RETRACE_RETURN_IF_ERROR(CheckRequested(parts, *call.tenant, kept, needed));
  }
  announced.mutable_permissions()->Assign(needed.begin(), needed.end());
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<store::v1::ResolvedAnnounce> ResolveAnnounce(const Announcing& parts,
                                                            const QueryCall& call,
                                                            const v1::AnnounceRequest& request) {
  store::v1::ResolvedAnnounce resolved;
  *resolved.mutable_options() = request.options();
  RETRACE_ASSIGN(const bool repeat, IsRepeat(parts, call, request.options().request_id()));
  if (repeat) {
    return resolved;
  }
  RETRACE_RETURN_IF_ERROR(TakeTimes(request, resolved));
  RETRACE_ASSIGN(const KeptCommand kept, OpenCommand(parts, call, request.command()));
  RETRACE_RETURN_IF_ERROR(
      CheckAudience(request.to(), *parts.ledger, *call.tenant, parts.rpc->principals(), "to"));
  RETRACE_RETURN_IF_ERROR(PlanOrRequest(parts, call, kept, resolved));
  PlanAnnounced& announced = *resolved.mutable_announced();
  ClearForKeeping(kept.options());
  announced.mutable_command()->PackFrom(*kept.request);
  announced.set_method(kept.endpoint->method.name);
  announced.set_target_method(TargetMethod(*parts.rpc, kept)->name);
  announced.set_divisible(IsDivisible(kept));
  announced.set_reason(kept.options().reason());
  *announced.mutable_to() = request.to();
  announced.set_message(request.message());
  return resolved;
}

absl::StatusOr<store::v1::ResolvedApprove> ResolveApprove(const Announcing& parts,
                                                          const QueryCall& call,
                                                          const v1::ApproveRequest& request) {
  store::v1::ResolvedApprove resolved;
  resolved.set_name(request.name());
  *resolved.mutable_options() = request.options();
  RETRACE_ASSIGN(const bool repeat, IsRepeat(parts, call, request.options().request_id()));
  if (repeat) {
    return resolved;
  }
  const RowView view(parts.ledger->rows(), call.tenant->number, call.tenant->visible);
  domain::Context context;
  context.header.tenant = call.tenant->id;
  RETRACE_ASSIGN(const domain::Found found,
                 domain::FindLive(KindNumber::kAnnouncement, request.name(), request.options(),
                                  view, context));
  const auto& row = found.row->As<AnnouncementRow>();
  // What cannot be approved is refused when it is decided.
  if (row.shown().state() != v1::Announcement::REQUESTED ||
      !HasAll(*call.principal, row.shown().permissions())) {
    return resolved;
  }
  const std::optional<KeptCommand> kept = OpenKept(*parts.rpc, row.command());
  if (!kept.has_value()) {
    return BadCommand("is none of this server");
  }
  v1::CommandOptions& options = kept->options();
  options.set_plan_token(request.plan_token());
  options.set_acknowledged_count(request.acknowledged_count());
  *options.mutable_acknowledged_warnings() = request.acknowledged_warnings();
  const Timer timer{TimeUtil::TimestampToMicroseconds(row.shown().execute_time()), 0};
  std::set<std::string> taken;
  RETRACE_ASSIGN(*resolved.mutable_planned(), PlanFor(parts, call, *kept, timer, taken));
  return resolved;
}

}  // namespace retrace::server
