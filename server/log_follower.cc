#include "server/log_follower.h"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "domain/commands.h"
#include "domain/follower.h"
#include "domain/kind.h"
#include "domain/notification.h"
#include "domain/refusal.h"
#include "domain/resource.h"
#include "domain/status_macros.h"
#include "domain/text_excerpt.h"
#include "fmt/format.h"
#include "retrace/store/v1/notifications.pb.h"
#include "server/log_walk.h"
#include "server/logging.h"
#include "server/moment.h"
#include "server/row_view.h"
#include "server/submit.h"
#include "server/system_log.h"

namespace retrace::server {
namespace {

using eventstore::Position;

// Between two looks: what is committed in between is read at once.
constexpr absl::Duration kRest = absl::Milliseconds(20);
constexpr absl::Duration kLook = absl::Seconds(1);
// After a fault that may pass.
constexpr absl::Duration kPause = absl::Milliseconds(500);
constexpr size_t kCost = 8;
constexpr size_t kMostFaultBytes = 500;

bool MayPass(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsResourceExhausted(status) ||
         absl::IsDeadlineExceeded(status) || absl::IsCancelled(status);
}

std::string EntityName(const Tenant& tenant, const Envelope::Event& event) {
  const domain::Kind* kind = domain::FindKindByNumber(event.kind);
  return kind == nullptr ? fmt::format("{}/{}", event.kind, event.id)
                         : domain::NameOf(tenant.id, {kind->number, std::string(event.id)});
}

bool IsParked(const v1::Follower& follower, const std::string& entity) {
  const auto& parked = follower.parked();
  return std::any_of(parked.begin(), parked.end(),
                     [&entity](const v1::Follower::Parked& one) { return one.entity() == entity; });
}

v1::Follower::Parked Parked(const std::string& entity, Position position,
                            const absl::Status& fault) {
  v1::Follower::Parked parked;
  parked.set_entity(entity);
  parked.set_position(static_cast<int64_t>(position));
  parked.set_fault(domain::WholeUtf8(std::string(fault.message()), kMostFaultBytes));
  return parked;
}

absl::Status Send(Sequencer& sequencer, Tenant& tenant, const store::v1::AdvanceFollower& request) {
  Command command;
  command.tenant = &tenant;
  command.principal = ServerItself();
  command.method = "retraced.AdvanceFollower";
  command.cost = kCost;
  command.decide = [&request](domain::Draft& draft, const domain::Context& context) {
    return domain::Decide(request, draft, context);
  };
  return SubmitAndAwait(sequencer, std::move(command)).status;
}

}  // namespace

LogFollower::LogFollower(Ledger& ledger, Sequencer& sequencer, FollowerOptions options)
    : ledger_(ledger),
      sequencer_(sequencer),
      options_(std::move(options)),
      thread_([this] { Run(); }) {}

LogFollower::~LogFollower() { Stop(); }

void LogFollower::Stop() {
  stopping_ = true;
  if (thread_.joinable()) {
    thread_.join();
  }
}

void LogFollower::Run() {
  uint64_t seen = 0;
  while (!stopping_) {
    const absl::Status status = CatchUp();
    if (!status.ok()) {
      const std::string fault(status.message());
      Log(LogLevel::kWarn, "a follower waits", {{"follower", options_.name}, {"fault", fault}});
    }
    absl::SleepFor(status.ok() ? kRest : kPause);
    for (absl::Duration waited; !stopping_ && waited < kLook; waited += kLook / 10) {
      const uint64_t changes = ledger_.tenants().WaitForChange(seen, kLook / 10);
      if (changes != seen) {
        seen = changes;
        break;
      }
    }
  }
}

absl::Status LogFollower::CatchUp() {
  absl::MutexLock lock(&round_);
  absl::Status first;
  std::set<const Tenant*> failed;  // they wait; the others go on
  const auto judge = [&first, &failed](const Tenant& tenant, const absl::Status& status) {
    first.Update(status);
    if (!status.ok()) failed.insert(&tenant);
  };
  for (bool more = true; more && !stopping_;) {
    more = false;
    const std::vector<Tenant*> tenants = ledger_.tenants().All();
    // Before anything is done for any tenant, it is known what must be held.
    for (Tenant* tenant : tenants) {
      Progress& progress = progress_[tenant];
      if (!stopping_ && !progress.opened && !failed.contains(tenant)) {
        judge(*tenant, Open(*tenant, progress));
      }
    }
    for (Tenant* tenant : tenants) {
      if (!stopping_ && !failed.contains(tenant)) {
        const absl::Status followed = Follow(*tenant);
        judge(*tenant, followed);
        more = more || (followed.ok() && progress_[tenant].more);
      }
    }
  }
  return first;
}

absl::StatusOr<v1::Follower> LogFollower::Read(const Tenant& tenant) const {
  const RowView view(ledger_.rows(), tenant.number, tenant.visible);
  RETRACE_ASSIGN(const domain::RowPtr row, view.Get(domain::FollowerRef(options_.name)));
  return row == nullptr ? v1::Follower() : row->As<v1::Follower>();
}

// Whether what was asked for before may have been done in a log that this one is no continuation
// of.
absl::StatusOr<bool> LogFollower::MustHold(const Tenant& tenant,
                                           const v1::Follower& follower) const {
  const RowView view(ledger_.rows(), tenant.number, tenant.visible);
  RETRACE_ASSIGN(
      const auto any,
      view.Find({domain::KindNumber::kNotification, domain::kNotificationStateIndex}, 1));
  if (any.empty()) {
    return false;
  }
  if (!follower.epoch().empty()) {
    return follower.epoch() != fmt::format("{:016x}", ledger_.log().epoch());
  }
  RETRACE_ASSIGN(const std::string bytes, ledger_.ReadStored(tenant, 1));
  Envelope envelope;
  RETRACE_RETURN_IF_ERROR(ReadEnvelope(bytes, /*with_events=*/false, envelope));
  return envelope.epoch != ledger_.log().epoch();
}

absl::Status LogFollower::Open(Tenant& tenant, Progress& progress) {
  RETRACE_ASSIGN(const v1::Follower follower, Read(tenant));
  progress.position = static_cast<Position>(follower.position());
  progress.parked = static_cast<size_t>(follower.parked_size());
  progress.recorded = progress.position;
  RETRACE_ASSIGN(const bool hold, MustHold(tenant, follower));
  if (hold) {
    store::v1::AdvanceFollower command;
    command.set_follower(options_.name);
    command.set_hold(true);
    RETRACE_RETURN_IF_ERROR(Send(sequencer_, tenant, command));
    Log(LogLevel::kWarn, "deliveries are held: the log began a new epoch", {{"tenant", tenant.id}});
  }
  progress.opened = true;
  SetLag(tenant, progress);
  return absl::OkStatus();
}

bool LogFollower::IsOpen(const Tenant& tenant) const {
  absl::MutexLock lock(&lag_mutex_);
  return lag_.contains(&tenant);
}

absl::Status LogFollower::Follow(Tenant& tenant) {
  Progress& progress = progress_[&tenant];
  const bool new_commits = progress.position < tenant.visible;
  progress.more = false;  // also of a follower that was paused in the middle
  if (!new_commits && !progress.dirty) {
    return absl::OkStatus();
  }
  RETRACE_ASSIGN(v1::Follower follower, Read(tenant));
  absl::Status status;
  if (follower.paused()) {
    RETRACE_ASSIGN(
        progress.first_waiting_us,
        CommitTimeOf(ledger_, tenant, std::min<Position>(progress.position + 1, tenant.visible)));
  } else {
    status.Update(RetryParked(tenant, follower, progress));
    // What was parked may not be any more.
    RETRACE_ASSIGN(follower, Read(tenant));
    progress.parked = static_cast<size_t>(follower.parked_size());
    status.Update(Walk(tenant, follower, progress));
  }
  SetLag(tenant, progress);
  const bool due = absl::Now() >= progress.next_record;
  if ((progress.dirty && due) ||
      progress.position >= progress.recorded + options_.checkpoint_positions) {
    status.Update(Record(tenant, progress));
  }
  return status;
}

absl::Status LogFollower::Walk(Tenant& tenant, const v1::Follower& recorded, Progress& progress) {
  v1::Follower follower = recorded;
  const Position visible = tenant.visible;
  if (progress.position >= visible) {
    return absl::OkStatus();
  }
  LogWalk walk(ledger_.log(), tenant.number, progress.position + 1, visible, /*backwards=*/false);
  Envelope commit;
  // Then it is the next tenant's turn.
  const absl::Time end = absl::Now() + options_.turn;
  progress.more = true;
  do {
    RETRACE_ASSIGN(const eventstore::StoredCommit* stored, walk.Next());
    if (stored == nullptr) {
      progress.more = false;
      break;
    }
    RETRACE_RETURN_IF_ERROR(ReadEnvelope(stored->bytes, /*with_events=*/true, commit));
    progress.first_waiting_us = commit.commit_time_us;
    SetLag(tenant, progress);
    const absl::StatusOr<bool> changed = HandleAll(tenant, commit, follower);
    RETRACE_RETURN_IF_ERROR(changed.status());
    progress.dirty = progress.dirty || *changed;
    progress.position = stored->position;
  } while (!stopping_ && absl::Now() < end);
  if (!progress.more) {
    progress.first_waiting_us = 0;
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> LogFollower::HandleAll(Tenant& tenant, const Envelope& commit,
                                            v1::Follower& follower) {
  bool changed = false;
  for (const Envelope::Event& event : commit.events) {
    if (!options_.wants(event)) {
      continue;
    }
    const std::string entity = EntityName(tenant, event);
    if (IsParked(follower, entity)) {
      continue;
    }
    const absl::StatusOr<bool> handled = options_.handle(tenant, commit, event);
    if (handled.ok()) {
      changed = changed || *handled;
      continue;
    }
    if (MayPass(handled.status())) {
      return handled.status();
    }
    store::v1::AdvanceFollower park;
    park.set_follower(options_.name);
    *park.mutable_parked() = Parked(entity, commit.position, handled.status());
    RETRACE_RETURN_IF_ERROR(Send(sequencer_, tenant, park));
    *follower.add_parked() = park.parked();
    changed = true;
  }
  return changed;
}

absl::Status LogFollower::RetryParked(Tenant& tenant, const v1::Follower& follower,
                                      Progress& progress) {
  for (const v1::Follower::Parked& parked : follower.parked()) {
    // What the walk has not come to yet, after a restart, is tried when it has.
    const bool behind = static_cast<Position>(parked.position()) <= progress.position;
    if (parked.retry() && behind && !stopping_) {
      RETRACE_RETURN_IF_ERROR(RetryOne(tenant, parked, progress));
    }
  }
  return absl::OkStatus();
}

absl::Status LogFollower::RetryOne(Tenant& tenant, const v1::Follower::Parked& parked,
                                   Progress& progress) {
  store::v1::AdvanceFollower outcome;
  outcome.set_follower(options_.name);
  outcome.set_unparked(parked.entity());
  LogWalk walk(ledger_.log(), tenant.number, static_cast<Position>(parked.position()),
               progress.position, /*backwards=*/false);
  Envelope commit;
  while (!stopping_ && !outcome.has_parked()) {
    RETRACE_ASSIGN(const eventstore::StoredCommit* stored, walk.Next());
    if (stored == nullptr) {
      break;
    }
    RETRACE_RETURN_IF_ERROR(ReadEnvelope(stored->bytes, /*with_events=*/true, commit));
    for (const Envelope::Event& event : commit.events) {
      if (!options_.wants(event) || EntityName(tenant, event) != parked.entity()) {
        continue;
      }
      const absl::StatusOr<bool> handled = options_.handle(tenant, commit, event);
      if (handled.ok()) {
        continue;
      }
      if (MayPass(handled.status())) {
        return handled.status();
      }
      outcome.clear_unparked();
      *outcome.mutable_parked() = Parked(parked.entity(), commit.position, handled.status());
      break;
    }
  }
  if (stopping_) {
    return absl::OkStatus();
  }
  return Send(sequencer_, tenant, outcome);
}

absl::Status LogFollower::Record(Tenant& tenant, Progress& progress) {
  store::v1::AdvanceFollower command;
  command.set_follower(options_.name);
  command.set_position(progress.position);
  RETRACE_RETURN_IF_ERROR(Send(sequencer_, tenant, command));
  progress.recorded = progress.position;
  progress.dirty = false;
  progress.next_record = absl::Now() + options_.checkpoint_every;
  return absl::OkStatus();
}

void LogFollower::SetLag(const Tenant& tenant, const Progress& progress) {
  absl::MutexLock lock(&lag_mutex_);
  lag_[&tenant] = progress;
}

FollowerLag LogFollower::LagOf(const Tenant& tenant) const {
  const Position visible = tenant.visible;
  FollowerLag lag;
  absl::MutexLock lock(&lag_mutex_);
  const auto known = lag_.find(&tenant);
  const Progress progress = known == lag_.end() ? Progress() : known->second;
  lag.commits = visible > progress.position ? visible - progress.position : 0;
  lag.parked = progress.parked;
  const int64_t first_us = progress.first_waiting_us;
  if (lag.commits > 0 && first_us > 0) {
    const int64_t now_us =
        ledger_.options().wall_us ? ledger_.options().wall_us() : absl::ToUnixMicros(absl::Now());
    lag.seconds = static_cast<double>(std::max<int64_t>(0, now_us - first_us)) / 1e6;
  }
  return lag;
}

FollowerLag LogFollower::Lag() const {
  FollowerLag most;  // but for what is parked: of all
  for (const Tenant* tenant : ledger_.tenants().All()) {
    const FollowerLag lag = LagOf(*tenant);
    most.commits = std::max(most.commits, lag.commits);
    most.seconds = std::max(most.seconds, lag.seconds);
    most.parked += lag.parked;
  }
  return most;
}

}  // namespace retrace::server
