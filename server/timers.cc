#include "server/timers.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "domain/commands.h"
#include "domain/expiry.h"
#include "domain/lifecycle.h"
#include "domain/refusal.h"
#include "domain/resource.h"
#include "domain/status_macros.h"
#include "domain/timer.h"
#include "retrace/store/v1/timers.pb.h"
#include "server/logging.h"
#include "server/row_view.h"
#include "server/submit.h"
#include "server/system_log.h"

namespace retrace::server {
namespace {

constexpr absl::Duration kLook = absl::Seconds(1);
constexpr int kLooksPerSave = 60;
constexpr int64_t kBinLookUs = 3600LL * 1'000'000;
// Between two tries of what is refused.
constexpr int64_t kShortestWaitUs = 1'000'000;
constexpr int64_t kLongestWaitUs = 3600LL * 1'000'000;
// Entities that are fired for one tenant before the next has its turn.
constexpr size_t kMostFired = 20;
// Of what one firing takes at once; fewer when that is too much for one commit.
constexpr int32_t kTaken[] = {50, 5, 1};
// Keys that one of them writes, about: what fairness between tenants counts.
constexpr size_t kCost = 1000;
constexpr std::string_view kExpired = "the recycle bin's retention is over";
constexpr std::string_view kCame = "its moment came";
constexpr std::string_view kExpires = "the recycle bin's retention ends";

}  // namespace

Timers::Timers(Ledger& ledger, Sequencer& sequencer, Clock& clock,
               std::function<void(const absl::Status&)> on_failure)
    : ledger_(ledger),
      sequencer_(sequencer),
      clock_(clock),
      on_failure_(std::move(on_failure)),
      notices_(ledger, sequencer, clock),
      thread_([this] { Run(); }) {}

Timers::~Timers() { Stop(); }

void Timers::Stop() {
  {
    absl::MutexLock lock(&wait_);
    stopping_ = true;
  }
  if (thread_.joinable()) {
    thread_.join();
  }
}

void Timers::Run() {
  const auto stopping = [this] { return stopping_.load(); };
  for (int looks = 0;; ++looks) {
    if (const absl::Status status = CatchUp(); !status.ok()) {
      on_failure_(status);
      return;
    }
    if (looks % kLooksPerSave == 0) {
      SaveClock();
    }
    absl::MutexLock lock(&wait_);
    if (wait_.AwaitWithTimeout(absl::Condition(&stopping), kLook)) {
      return;
    }
  }
}

// A full disk ends no server. What is not kept is uptime: what expires is announced for longer.
void Timers::SaveClock() {
  if (const absl::Status saved = clock_.Save(); !saved.ok()) {
    const std::string fault(saved.message());
    Log(LogLevel::kWarn, "the clock is not kept", {{"fault", fault}});
  }
}

absl::Status Timers::CatchUp() {
  absl::MutexLock lock(&round_);
  for (Tenant* tenant : ledger_.tenants().All()) {
    RETRACE_RETURN_IF_ERROR(CatchUp(*tenant));
  }
  return absl::OkStatus();
}

absl::Status Timers::CatchUp(Tenant& tenant) {
  for (bool more = true; more && !stopping_;) {
    RETRACE_ASSIGN(const bool fired, FireDue(tenant));
    RETRACE_ASSIGN(const bool announced, Announce(tenant));
    more = fired || announced;
  }
  return stopping_ ? absl::OkStatus() : notices_.Look(tenant);
}

template <typename Request>
CommandResult Timers::Do(Tenant& tenant, const Request& request, std::string method,
                         std::string reason) {
  Command command;
  command.tenant = &tenant;
  command.principal = ServerItself();
  command.method = std::move(method);
  command.options.set_reason(std::move(reason));
  command.cost = kCost;
  command.decide = [&request](domain::Draft& draft, const domain::Context& context) {
    return domain::Decide(request, draft, context);
  };
  return SubmitAndAwait(sequencer_, std::move(command));
}

absl::StatusOr<bool> Timers::FireDue(Tenant& tenant) {
  auto& refused = waiting_[&tenant].refused;
  const RowView view(ledger_.rows(), tenant.number, tenant.visible);
  RETRACE_ASSIGN(const std::vector<domain::Due> due,
                 domain::FindDue(view, clock_.WallMicros(), kMostFired + refused.size()));
  // What is due no more is forgotten.
  std::map<domain::EntityRef, Refused> before = std::exchange(refused, {});
  bool fired = false;
  for (const domain::Due& one : due) {
    const auto known = before.find(one.entity);
    if (known != before.end() && clock_.MonotonicMicros() < known->second.try_us) {
      refused.insert(before.extract(known));
      continue;
    }
    const absl::Status status = Fire(tenant, one);
    if (status.ok()) {
      fired = true;
      continue;
    }
    Refused& again = refused[one.entity];
    if (known != before.end()) again = std::move(known->second);
    PutOff(tenant, one.entity, status, again);
  }
  return fired;
}

absl::Status Timers::Fire(Tenant& tenant, const domain::Due& due) {
  store::v1::Fire fire;
  *fire.mutable_entity() = domain::ToStored(due.entity);
  fire.set_due_us(due.due_us);
  fire.set_uptime_us(clock_.UptimeMicros());
  const bool expires = due.entity.kind == domain::KindNumber::kExpiry;
  absl::Status status;
  for (const int32_t taken : kTaken) {
    fire.set_limit(taken);
    status = Do(tenant, fire, "retraced.Fire", std::string(expires ? kExpired : kCame)).status;
    if (domain::ReasonOf(status) != v1::USE_OPERATION) {
      break;
    }
  }
  return status;
}

void Timers::PutOff(const Tenant& tenant, const domain::EntityRef& entity,
                    const absl::Status& status, Refused& refused) {
  const int64_t now_us = clock_.MonotonicMicros();
  refused.wait_us = std::clamp(2 * refused.wait_us, kShortestWaitUs, kLongestWaitUs);
  refused.try_us = now_us + refused.wait_us;
  if (refused.fault == status.message() && now_us < refused.logged_us + kLongestWaitUs) {
    return;
  }
  refused.fault = std::string(status.message());
  refused.logged_us = now_us;
  const std::string name = domain::NameOf(tenant.id, entity);
  Log(LogLevel::kWarn, "a timer was refused", {{"entity", name}, {"fault", refused.fault}});
}

absl::StatusOr<bool> Timers::Announce(Tenant& tenant) {
  const int64_t now_us = clock_.WallMicros();
  Waiting& waiting = waiting_[&tenant];
  if (now_us < waiting.next_look_us) {
    return false;
  }
  const eventstore::Position position = tenant.visible;
  const RowView view(ledger_.rows(), tenant.number, position);
  domain::Context context;
  context.header.tenant = tenant.id;
  context.header.position = position + 1;
  context.header.time_us = std::max<int64_t>(now_us, tenant.visible_time_us + 1);
  RETRACE_ASSIGN(const std::vector<domain::EntityRef> expiring,
                 domain::FindExpiring(view, context, waiting.look));
  const bool ended = waiting.look.ended;
  if (ended) {
    waiting.next_look_us = now_us + kBinLookUs;
    waiting.look = {};
  }
  if (expiring.empty()) {
    return !ended;
  }
  store::v1::AnnounceExpiry announce;
  announce.set_uptime_us(clock_.UptimeMicros());
  for (const domain::EntityRef& entity : expiring) {
    *announce.add_entities() = domain::ToStored(entity);
  }
  const CommandResult result =
      Do(tenant, announce, "retraced.AnnounceExpiry", std::string(kExpires));
  if (result.status.ok()) {
    return true;
  }
  waiting.next_look_us = now_us + kBinLookUs;
  waiting.look = {};
  const std::string fault(result.status.message());
  Log(LogLevel::kWarn, "an expiry was not announced", {{"tenant", tenant.id}, {"fault", fault}});
  return false;
}

}  // namespace retrace::server
