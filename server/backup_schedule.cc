#include "server/backup_schedule.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/time/clock.h"
#include "domain/status_macros.h"
#include "domain/text_excerpt.h"
#include "eventstore/backup.h"
#include "fmt/format.h"
#include "server/logging.h"
#include "server/system_log.h"

namespace retrace::server {
namespace {

namespace fs = std::filesystem;

constexpr absl::Duration kLook = absl::Seconds(1);
// Between two tries of what failed.
constexpr int64_t kShortestWaitUs = 60LL * 1'000'000;
constexpr int64_t kLongestWaitUs = 3600LL * 1'000'000;
constexpr int64_t kDayUs = 24LL * 3600 * 1'000'000;
constexpr int kNiceness = 10;
constexpr size_t kMostFaultBytes = 1000;
constexpr char kMethod[] = "retraced.Backup";

// The file that makes a backup one goes first: what a crash leaves is no backup any more.
void RemoveBackup(const std::string& directory) {
  std::error_code error;
  fs::remove(directory + "/SHA256SUMS", error);
  fs::remove_all(directory, error);
  if (error) {
    const std::string fault = error.message();
    Log(LogLevel::kWarn, "an old backup is not removed",
        {{"directory", directory}, {"fault", fault}});
  }
}

}  // namespace

BackupSchedule::BackupSchedule(Ledger& ledger, Sequencer& sequencer, Clock& clock,
                               BackupScheduleOptions options)
    : ledger_(ledger),
      sequencer_(sequencer),
      clock_(clock),
      options_(std::move(options)),
      epoch_(ledger.log().epoch()) {
  state_.scheduled = options_.every > absl::ZeroDuration();
  if (state_.scheduled) {
    thread_ = std::thread([this] { Run(); });
  }
}

BackupSchedule::~BackupSchedule() { Stop(); }

void BackupSchedule::Stop() {
  {
    absl::MutexLock lock(&wait_);
    stopping_ = true;
  }
  if (thread_.joinable()) {
    thread_.join();
  }
}

void BackupSchedule::Run() {
  // This thread's only: what it reads and hashes gives way to commands.
  setpriority(PRIO_PROCESS, static_cast<id_t>(gettid()), kNiceness);
  const auto stopping = [this] { return IsStopping(); };
  while (true) {
    CatchUp();
    absl::MutexLock lock(&wait_);
    if (wait_.AwaitWithTimeout(absl::Condition(&stopping), kLook)) {
      return;
    }
  }
}

void BackupSchedule::CatchUp() {
  if (options_.every <= absl::ZeroDuration()) {
    return;
  }
  absl::MutexLock lock(&round_);
  if (!begun_ && !IsStopping()) {
    Begin();
    begun_ = true;
  }
  if (IsStopping()) {
    return;
  }
  TellAll();
  if (!IsDue()) {
    return;
  }
  const absl::Status made = Make();
  if (!made.ok() && !IsStopping()) {
    PutOff(made);
  }
}

void BackupSchedule::Begin() {
  RemoveUnfinished();
  counted_from_us_ = clock_.MonotonicMicros();
  // Without keys as new as itself a copy of the log is none that could be opened.
  std::string keys;
  for (const std::string& id : FindScheduled(options_.places.keys, epoch_)) {
    if (IsStopping()) return;
    if (const absl::Status found = VerifyKeys(id); found.ok()) {
      keys = id;
      break;
    } else {
      NoteDamage(options_.places.keys + "/" + id, found);
    }
  }
  BackupState good;
  good.since = LogBegan();
  for (const std::string& id : FindScheduled(options_.places.log, epoch_)) {
    const absl::StatusOr<store::v1::BackupManifest> found = VerifyLog(id);
    if (IsStopping()) return;
    if (!found.ok()) {
      NoteDamage(options_.places.log + "/" + id, found.status());
    } else if (id <= keys) {
      good.last_id = id;
      good.since = absl::FromUnixMicros(found->time_us());
      good.bytes = BytesOf(*found);
      break;
    }
  }
  const absl::Time now = absl::FromUnixMicros(clock_.WallMicros());
  if (good.since > now) {
    // The clock was ahead then, or is behind now: nobody knows how old it is.
    good.since = now - options_.every;
  }
  {
    absl::MutexLock lock(&state_mutex_);
    state_.last_id = good.last_id;
    state_.since = good.since;
    state_.bytes = good.bytes;
    state_.next = std::max(good.since + options_.every, now);
  }
  ListKept();
}

void BackupSchedule::RemoveUnfinished() {
  const BackupPlaces& places = options_.places;
  for (const std::string& id : FindScheduled(places.log, epoch_)) {
    std::error_code unseen;
    if (!fs::exists(fs::path(places.log) / id / "SHA256SUMS", unseen) && !unseen) {
      RemoveBackup(places.log + "/" + id);
    }
  }
  RemoveHalfMadeKeys(places);
}

absl::Time BackupSchedule::LogBegan() const {
  const absl::StatusOr<OpenedCommit> first = ledger_.ReadCommit(*ledger_.tenants().system(), 1);
  return first.ok() ? absl::FromUnixMicros(first->header.time_us) : absl::UnixEpoch();
}

// By the wall clock, as people count; and by the other one, for a wall clock that is set back.
bool BackupSchedule::IsDue() const {
  const int64_t monotonic_us = clock_.MonotonicMicros();
  if (wait_us_ > 0) {
    return monotonic_us >= try_us_;
  }
  const absl::Time now = absl::FromUnixMicros(clock_.WallMicros());
  absl::MutexLock lock(&state_mutex_);
  return now >= state_.since + options_.every ||
         monotonic_us >= counted_from_us_ + absl::ToInt64Microseconds(options_.every);
}

// Later than all there are, even when the clock was set back: names tell the order.
std::string BackupSchedule::NewId() const {
  absl::Time time = absl::FromUnixMicros(clock_.WallMicros());
  for (const std::string& place : {options_.places.log, options_.places.keys}) {
    const std::vector<std::string> ids = FindScheduled(place, epoch_);
    if (!ids.empty()) {
      time = std::max(time, TimeOfScheduled(ids.front()) + absl::Seconds(1));
    }
  }
  return ScheduledId(time, epoch_);
}

absl::Status BackupSchedule::Make() {
  const absl::Time begin = absl::Now();
  const std::string id = NewId();
  RETRACE_ASSIGN(const store::v1::BackupManifest manifest,
                 MakeBackup(ledger_, options_.places, id, absl::FromUnixMicros(clock_.WallMicros()),
                            [this] { return IsStopping(); }));
  wait_us_ = 0;
  // What fails from now on is another fault.
  std::erase_if(faults_, [](const auto& fault) {
    return fault.second.kind == BackupFault::kFailed && fault.second.told;
  });
  counted_from_us_ = clock_.MonotonicMicros();
  {
    absl::MutexLock lock(&state_mutex_);
    state_.last_id = id;
    state_.since = absl::FromUnixMicros(manifest.time_us());
    state_.next = state_.since + options_.every;
    state_.fault.clear();
    state_.bytes = BytesOf(manifest);
    state_.took = absl::Now() - begin;
  }
  Record("BACKUP", DescribeBackup(id, manifest));
  PruneAll(id);
  ListKept();
  return absl::OkStatus();
}

absl::StatusOr<store::v1::BackupManifest> BackupSchedule::VerifyLog(const std::string& id) const {
  return eventstore::VerifyBackup(options_.places.log + "/" + id, nullptr,
                                  [this] { return IsStopping(); });
}

absl::Status BackupSchedule::VerifyKeys(const std::string& id) const {
  return eventstore::KeyStore::VerifyCopy(options_.places.keys + "/" + id,
                                          ledger_.options().master_key_file);
}

void BackupSchedule::Prune(const std::string& directory, int64_t keep,
                           const std::function<absl::Status(const std::string&)>& verify) {
  int64_t good = 0;
  for (const std::string& id : FindScheduled(directory, epoch_)) {
    if (good >= keep) {
      RemoveBackup(directory + "/" + id);
      continue;
    }
    const absl::Status found = verify(id);
    if (IsStopping()) return;
    if (found.ok()) {
      ++good;
    } else {
      NoteDamage(directory + "/" + id, found);
    }
  }
}

void BackupSchedule::PruneAll(const std::string& made) {
  {
    absl::MutexLock lock(&state_mutex_);
    state_.damaged.clear();
  }
  // What was made just now was verified just now, and what was made before when it was made.
  Prune(options_.places.log, options_.keep, [&](const std::string& id) {
    return id == made ? absl::OkStatus()
                      : eventstore::VerifyFiles(options_.places.log + "/" + id, nullptr, [this] {
                          return IsStopping();
                        }).status();
  });
  Prune(options_.places.keys, options_.key_keep,
        [&](const std::string& id) { return id == made ? absl::OkStatus() : VerifyKeys(id); });
}

void BackupSchedule::PutOff(const absl::Status& failed) {
  wait_us_ = std::clamp(2 * wait_us_, kShortestWaitUs, kLongestWaitUs);
  try_us_ = clock_.MonotonicMicros() + wait_us_;
  const std::string fault = domain::WholeUtf8(std::string(failed.message()), kMostFaultBytes);
  {
    absl::MutexLock lock(&state_mutex_);
    state_.fault = fault;
    state_.fault_time = absl::FromUnixMicros(clock_.WallMicros());
    state_.next = state_.fault_time + absl::Microseconds(wait_us_);
  }
  // Its text differs from try to try: it has the name of the copy, or how much room there is.
  Tell(absl::StatusCodeToString(failed.code()), BackupFault::kFailed,
       "The backup failed: " + fault);
}

void BackupSchedule::NoteDamage(const std::string& directory, const absl::Status& damage) {
  if (IsStopping()) {
    return;
  }
  {
    absl::MutexLock lock(&state_mutex_);
    state_.damaged.push_back(directory);
  }
  Tell(directory, BackupFault::kDamaged,
       fmt::format("A backup is not good any more: {}", std::string(damage.message())));
}

void BackupSchedule::Tell(const std::string& key, BackupFault kind, std::string text) {
  const int64_t now_us = clock_.MonotonicMicros();
  if (now_us >= faults_us_ + kDayUs) {
    faults_us_ = now_us;
    std::erase_if(faults_, [](const auto& fault) { return fault.second.told; });
  }
  const auto [fault, is_new] =
      faults_.try_emplace(key, Fault{.kind = kind, .text = std::move(text)});
  if (is_new) {
    Log(LogLevel::kError, "no good backup", {{"fault", fault->second.text}});
    tell_us_ = now_us;
    TellAll();
  }
}

void BackupSchedule::TellAll() {
  const int64_t now_us = clock_.MonotonicMicros();
  if (now_us < tell_us_) {
    return;
  }
  tell_us_ = now_us + kShortestWaitUs;
  const std::string last_good = state().last_id;
  for (auto& [key, fault] : faults_) {
    fault.recorded = fault.recorded || Record("BACKUP_FAILED", fault.text);
    fault.told =
        fault.told || options_.on_fault == nullptr || options_.on_fault(fault.kind, last_good).ok();
  }
}

// A backup without its act is good all the same; a full disk records none.
bool BackupSchedule::Record(const char* act, const std::string& description) {
  const absl::StatusOr<v1::Outcome> recorded =
      RecordAct(sequencer_, ledger_.tenants(), ServerItself(), kMethod, act, description);
  if (!recorded.ok()) {
    const std::string fault(recorded.status().message());
    Log(LogLevel::kWarn, "an act is not recorded",
        {{"act", act}, {"description", description}, {"fault", fault}});
  }
  return recorded.ok();
}

void BackupSchedule::ListKept() {
  std::vector<std::string> kept = FindScheduled(options_.places.log, epoch_);
  absl::MutexLock lock(&state_mutex_);
  state_.kept = std::move(kept);
}

BackupState BackupSchedule::state() const {
  absl::MutexLock lock(&state_mutex_);
  return state_;
}

absl::Duration BackupSchedule::AgeOf(const BackupState& state) const {
  return std::max(absl::ZeroDuration(), absl::FromUnixMicros(clock_.WallMicros()) - state.since);
}

void BackupSchedule::SetMetrics(Metrics& metrics) const {
  const BackupState now = state();
  if (!now.scheduled || now.since == absl::InfinitePast()) {
    return;  // there are none, or what there is was not read yet
  }
  metrics.Set("retrace_backup_age_seconds",
              "Age of the last good scheduled backup; without one, of the log.",
              absl::ToDoubleSeconds(AgeOf(now)));
  metrics.Set("retrace_backup_failed", "1 when the last scheduled backup failed.",
              now.fault.empty() ? 0 : 1);
  metrics.Set("retrace_backups", "Scheduled backups that are kept.",
              static_cast<double>(now.kept.size()));
  metrics.Set("retrace_backups_damaged", "Those of them, or of the keys' copies, that are damaged.",
              static_cast<double>(now.damaged.size()));
  metrics.Set("retrace_backup_bytes", "Size of the last good scheduled backup.",
              static_cast<double>(now.bytes));
  metrics.Set("retrace_backup_duration_seconds", "How long the last scheduled backup took.",
              absl::ToDoubleSeconds(now.took));
}

}  // namespace retrace::server
