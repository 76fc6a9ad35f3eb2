#include "server/decide_stage.h"

#include <utility>

#include "absl/strings/escaping.h"
#include "absl/time/clock.h"
#include "domain/commands.h"
#include "domain/notification_rules.h"
#include "domain/refusal.h"
#include "domain/status_macros.h"
#include "fmt/format.h"
#include "retrace/v1/tenants.pb.h"
#include "server/commit_codec.h"
#include "server/plan_checks.h"
#include "server/plan_token.h"
#include "server/replay.h"

namespace retrace::server {
namespace {

using domain::CommitHeader;
using domain::Refusal;

constexpr size_t kMaxCommitBytes = 1u << 20;

// HMAC over principal, method and request; lengths keep the three apart.
std::string RequestHash(const eventstore::SecretKey& key, const Command& command) {
  const std::string text =
      fmt::format("{}:{}{}:{}{}", command.principal->id.size(), command.principal->id,
                  command.method.size(), command.method, command.request_bytes);
  const eventstore::Sha256Digest mac = eventstore::Hmac(key, text);
  return std::string(mac.begin(), mac.end());
}

void SetTime(int64_t time_us, google::protobuf::Timestamp& out) {
  out.set_seconds(time_us / 1'000'000);
  out.set_nanos(static_cast<int32_t>(time_us % 1'000'000) * 1000);
}

// Rows of the targets as the draft leaves them.
absl::Status TakeTargets(const domain::Draft& draft, CommandResult& result) {
  result.targets.reserve(draft.targets().size());
  for (const domain::EntityRef& target : draft.targets()) {
    RETRACE_ASSIGN(domain::RowPtr row, draft.Get(target));
    result.targets.emplace_back(target, std::move(row));
  }
  return absl::OkStatus();
}

void TakeNewTenants(const domain::Draft& draft, Item& item) {
  for (const auto& [entity, touched] : draft.touched()) {
    if (entity.kind != domain::KindNumber::kTenant || touched.before != nullptr) continue;
    item.new_tenants.emplace_back(
        entity.id, static_cast<eventstore::TenantNumber>(touched.after->As<v1::Tenant>().number()));
  }
}

}  // namespace

v1::Outcome OutcomeOf(const CommitHeader& header, const std::vector<std::string>& notes) {
  v1::Outcome outcome;
  outcome.set_position(static_cast<int64_t>(header.position));
  outcome.set_epoch(fmt::format("{:016x}", header.epoch));
  SetTime(header.time_us, *outcome.mutable_commit_time());
  outcome.set_change_set(static_cast<int64_t>(header.change_set));
  outcome.set_commit_id(absl::BytesToHexString(header.commit_id));
  for (const std::string& note : notes) outcome.add_notes(note);
  return outcome;
}

v1::Outcome NothingWritten(const CommitHeader& header, const std::vector<std::string>& notes) {
  v1::Outcome outcome;
  outcome.set_position(static_cast<int64_t>(header.position) - 1);
  outcome.set_epoch(fmt::format("{:016x}", header.epoch));
  for (const std::string& note : notes) outcome.add_notes(note);
  return outcome;
}

DecideStage::DecideStage(eventstore::CommitLog& log, eventstore::KeyStore& keys,
                         eventstore::RowStore& rows, const SequencerOptions& options)
    : log_(log),
      keys_(keys),
      rows_(rows),
      options_(options),
      clock_(options.wall_us, options.monotonic_us) {}

absl::StatusOr<DecideStage::TenantState*> DecideStage::StateOf(Tenant& tenant) {
  auto& state = states_[&tenant];
  if (state == nullptr) state = std::make_unique<TenantState>();
  if (!state->leased) {
    absl::StatusOr<eventstore::Lease> lease = Reacquire(tenant);
    if (!lease.ok()) {
      return Refusal(v1::NOT_SERVING, "The tenant's log cannot be written now.")
          .Next("Try again; an operator sees the cause in the server's log.");
    }
  }
  if (!state->has_mac) {
    RETRACE_ASSIGN(state->mac, keys_.MacKey(tenant.number));
    state->has_mac = true;
  }
  return state.get();
}

absl::StatusOr<eventstore::Lease> DecideStage::Reacquire(Tenant& tenant) {
  auto& state = states_[&tenant];
  if (state == nullptr) state = std::make_unique<TenantState>();
  state->pending.Clear();
  state->recent.Clear();
  state->leased = false;
  RETRACE_ASSIGN(state->lease, log_.Acquire(tenant.number));
  state->leased = true;
  state->head = state->lease.head.position;
  absl::MutexLock lock(&tenant.clock_mutex);
  tenant.clock.decided = state->head;
  return state->lease;
}

absl::StatusOr<CommitHeader> DecideStage::HeaderFor(const Command& command, TenantState& state) {
  CommitHeader header;
  header.tenant = command.tenant->id;
  header.position = state.head + 1;
  header.epoch = log_.epoch();
  RETRACE_ASSIGN(header.time_us, clock_.Stamp(*command.tenant));
  header.commit_id = ids_.CommitId();
  header.actor = command.principal->id;
  header.on_behalf_of = command.options.on_behalf_of();
  header.method = command.method;
  header.reason = command.options.reason();
  header.request_id = command.options.request_id();
  if (!header.request_id.empty()) header.request_hash = RequestHash(state.mac, command);
  header.change_set = command.options.change_set() > 0
                          ? static_cast<domain::Position>(command.options.change_set())
                          : header.position;
  header.correlation_id = command.options.correlation_id();
  if (command.plan != nullptr) header.plan_nonce = command.plan->token.nonce();
  return header;
}

absl::StatusOr<bool> DecideStage::AnswerRepeat(const domain::View& view, const CommitHeader& header,
                                               Item& item) {
  if (header.request_id.empty()) return false;
  RETRACE_ASSIGN(domain::RowPtr row,
                 view.Get({domain::KindNumber::kRequest,
                           domain::RequestRowId(header.actor, header.request_id)}));
  if (row == nullptr) return false;
  const auto& known = row->As<store::v1::RequestRow>();
  if (known.request_hash() != header.request_hash) {
    return Refusal(v1::REQUEST_ID_REUSED,
                   fmt::format("Request id {} was used by {} for another request.",
                               header.request_id, header.actor))
        .With("request-id", header.request_id)
        .Field("options.request_id", "already used for another request")
        .Next("Use a fresh id for every command; send the same id only with the same request.");
  }
  item.repeat_of = known.position();
  return true;
}

absl::Status DecideStage::Encode(domain::Draft& draft, TenantState& state, Item& item) {
  const CommitHeader& header = draft.header();
  RETRACE_ASSIGN(item.bytes, EncodeCommit(draft, item.command.tenant->number, keys_));
  if (item.bytes.size() > kMaxCommitBytes) {
    return Refusal(v1::USE_OPERATION,
                   fmt::format("The command would write a commit of {} bytes; the most is {}.",
                               item.bytes.size(), kMaxCommitBytes))
        .Next("Split it into smaller commands.");
  }
  RETRACE_ASSIGN(domain::Projection projection, draft.Project());
  if (!CommitClock::Confirm(*item.command.tenant, header.time_us, header.position)) {
    return absl::AbortedError("floor rose");  // seen by Decide only
  }
  state.pending.Add(header.position, projection);
  state.recent.PutAll(projection);
  state.head = header.position;
  item.is_commit = true;
  item.fence = state.lease.fence;
  item.position = header.position;
  item.commit_id = header.commit_id;
  item.time_us = header.time_us;
  item.changes = ToRowChanges(item.command.tenant->number, header, eventstore::Sha256(item.bytes),
                              std::move(projection));
  item.result.outcome = OutcomeOf(header, draft.notes());
  TakeNewTenants(draft, item);
  AddDestroyedKeys(draft.events(), item.destroyed_keys);
  return absl::OkStatus();
}

absl::Status DecideStage::DecideOnce(Item& item) {
  const Command& command = item.command;
  Tenant& tenant = *command.tenant;
  RETRACE_ASSIGN(TenantState * state, StateOf(tenant));
  state->pending.Forget(tenant.visible);
  const RowView base(rows_, tenant.number, eventstore::kLatest);
  const LiveView view(base, state->pending, &state->recent);
  domain::Context context;
  RETRACE_ASSIGN(context.header, HeaderFor(command, *state));
  const CommitHeader& header = context.header;
  context.new_id = [this, &header] { return ids_.EntityId(header.time_us); };
  context.may = [&command](const std::string& permission) {
    return command.principal->Has(permission);
  };

  RETRACE_ASSIGN(bool repeated, AnswerRepeat(view, header, item));
  if (repeated) return absl::OkStatus();
  if (header.change_set != header.position) {
    RETRACE_RETURN_IF_ERROR(
        domain::CheckChangeSet(header.change_set, command.operation, view, header));
  }
  if (command.plan != nullptr) {
    RETRACE_RETURN_IF_ERROR(CheckPlanUsable(*command.plan, view, header));
  }
  domain::Draft draft(view, header);
  absl::Status decided = command.decide(draft, context);
  if (decided.ok()) decided = draft.Check(context);
  if (command.plan != nullptr && !command.starts_operation) {
    const RowView then(rows_, tenant.number, command.plan->token.position());
    decided = CheckPlanned(command, draft, context, then, decided);
  }
  RETRACE_RETURN_IF_ERROR(decided);
  if (command.destructive) RETRACE_RETURN_IF_ERROR(CheckDemands(command, draft, view));
  RETRACE_RETURN_IF_ERROR(domain::AddNotifications(draft, context));
  if (draft.events().empty() && header.request_id.empty() && header.plan_nonce.empty()) {
    item.result.outcome = NothingWritten(header, draft.notes());
    return TakeTargets(draft, item.result);
  }
  RETRACE_RETURN_IF_ERROR(Encode(draft, *state, item));
  return TakeTargets(draft, item.result);
}

Item DecideStage::Decide(Command command) {
  Item item;
  item.command = std::move(command);
  if (item.command.cancelled != nullptr && item.command.cancelled->load()) {
    item.result.status = Refusal(v1::CALLER_CANCELLED, "The caller cancelled; nothing was done.");
    return item;
  }
  if (absl::Now() >= item.command.deadline) {
    item.result.status = Refusal(v1::DEADLINE_PASSED,
                                 "The deadline passed while the command waited; nothing was done.")
                             .Next("Send it again with the same request id and a longer deadline.");
    return item;
  }
  // Only a query as of a moment in this very microsecond makes the floor rise between stamp and
  // confirmation.
  do {
    item.result = {};
    item.result.status = DecideOnce(item);
  } while (!item.is_commit && absl::IsAborted(item.result.status) &&
           domain::ReasonOf(item.result.status) == v1::ERROR_REASON_UNSPECIFIED);
  return item;
}

}  // namespace retrace::server
