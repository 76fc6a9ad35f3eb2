#include "server/daemon.h"

#include <fmt/format.h>
#include <grpcpp/server.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "domain/follower.h"
#include "domain/status_macros.h"
#include "eventstore/files.h"
#include "eventstore/rocks_status.h"
#include "server/addressing.h"
#include "server/backup_schedule.h"
#include "server/clock.h"
#include "server/deliverer.h"
#include "server/housekeeping.h"
#include "server/http/edge.h"
#include "server/http_options.h"
#include "server/ledger.h"
#include "server/listener.h"
#include "server/log_follower.h"
#include "server/logging.h"
#include "server/metrics.h"
#include "server/outbox_options.h"
#include "server/principals.h"
#include "server/release.h"
#include "server/rpc.h"
#include "server/scrub.h"
#include "server/sequencer.h"
#include "server/services.h"
#include "server/sweeper.h"
#include "server/system_log.h"
#include "server/tell.h"
#include "server/timers.h"
#include "server/unsubscribe.h"

namespace retrace::server {
namespace {

// How long calls under way may take once the daemon is asked to stop.
constexpr absl::Duration kDrain = absl::Seconds(20);

void Say(std::string_view text) {
  fmt::print(stderr, "retraced: {}\n", text);
  std::fflush(stderr);
}

// gRPC's listener does not recover from running out of descriptors, and the usual soft limit is
// low.
void TakeAllDescriptors() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
  }
}

// Waits for SIGTERM or SIGINT on a thread of its own. A signal before Arm ends the process at once:
// nothing is taken yet, and a start that is cut short loses nothing.
class StopSignal {
 public:
  StopSignal() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGTERM);
    sigaddset(&signals_, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals_, nullptr);
    std::thread([this] { Wait(); }).detach();
  }

  void Arm() { armed_ = true; }
  void Await() { stopped_.WaitForNotification(); }

 private:
  void Wait() {
    int signal = 0;
    sigwait(&signals_, &signal);
    if (!armed_) {
      Log(LogLevel::kInfo, "stopped while starting");
      StopLogging();
      _exit(static_cast<int>(ExitCode::kOk));
    }
    stopped_.Notify();
  }

  sigset_t signals_;
  std::atomic<bool> armed_{false};
  absl::Notification stopped_;
};

// One daemon, part by part in the order in which they need each other.
class Assembly {
 public:
  explicit Assembly(const Config& config) : config_(config) {}
  ~Assembly();

  // Each returns kOk, or says what is wrong and returns how to end.
  ExitCode Prepare();
  ExitCode Listen();
  ExitCode OpenLedger();
  void Serve();
  ExitCode Stop();

 private:
  ExitCode Fail(ExitCode code, std::string_view doing, const absl::Status& status) const;
  ExitCode FailStorage(std::string_view doing, const absl::Status& status) const;
  // Called on a storage thread when nothing may be answered any more.
  [[noreturn]] void DieOfStorage(const absl::Status& status) const;
  LedgerOptions MakeLedgerOptions();
  // Begins to tell people what happens.
  void StartNotifying();
  void CollectMetrics();

  const Config& config_;
  eventstore::DirectoryLock lock_;
  std::unique_ptr<Clock> clock_;
  std::unique_ptr<Principals> principals_;
  Metrics metrics_;
  Backend backend_;
  std::unique_ptr<Housekeeping> housekeeping_;
  std::unique_ptr<Rpc> rpc_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<http::Edge> http_;
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<Sequencer> sequencer_;
  std::unique_ptr<Timers> timers_;
  DelivererOptions delivering_;
  std::unique_ptr<Addressing> addressing_;
  std::unique_ptr<LogFollower> follower_;
  std::unique_ptr<Deliverer> deliverer_;
  std::unique_ptr<Unsubscribe> unsubscribe_;
  std::unique_ptr<Scrub> scrub_;
  std::unique_ptr<Sweeper> sweeper_;
  std::unique_ptr<BackupSchedule> backup_schedule_;
  absl::Time last_progress_ = absl::InfinitePast();
};

Assembly::~Assembly() {
  backend_.Close();
  scrub_.reset();
  http_.reset();
  listener_.reset();
  housekeeping_.reset();
  rpc_.reset();
}

ExitCode Assembly::Fail(ExitCode code, std::string_view doing, const absl::Status& status) const {
  Log(LogLevel::kError, "start failed",
      {{"doing", doing},
       {"fault", std::string_view(status.message().data(), status.message().size())}});
  Say(fmt::format("{}: {}", doing, std::string(status.message())));
  return code;
}

ExitCode Assembly::FailStorage(std::string_view doing, const absl::Status& status) const {
  return Fail(ExitCodeOf(status, PlacesOf(config_)), doing, status);
}

void Assembly::DieOfStorage(const absl::Status& status) const {
  const ExitCode code = ExitCodeOf(status, PlacesOf(config_));
  const std::string message(status.message());
  Log(LogLevel::kError, "storage failed",
      {{"fault", message}, {"exit_code", static_cast<int64_t>(code)}});
  Say(fmt::format("storage failed, stopping: {}", message));
  if (listener_ != nullptr) {
    listener_->SetServing(false);
  }
  FlushLogging();
  _exit(static_cast<int>(code));
}

ExitCode Assembly::Prepare() {
  namespace fs = std::filesystem;
  const bool is_there = fs::is_directory(config_.data_dir);
  const bool has_data = fs::exists(config_.token_file) || fs::exists(config_.master_key_file) ||
                        fs::exists(config_.data_dir + "/log");
  if (!is_there || !has_data) {
    Say(fmt::format("{} {}; make a data directory with `retraced init {}`",
                    is_there ? "there is no data in" : "there is no directory", config_.data_dir,
                    config_.data_dir));
    return ExitCode::kUsage;
  }
  const absl::Status logging = StartLogging({config_.log_file, config_.log_level});
  if (!logging.ok()) {
    return Fail(ExitCode::kUsage, "starting the log", logging);
  }
  // Before the ports are opened: a second daemon must not take the first one's socket away.
  const absl::Status locked =
      eventstore::FromRocks(lock_.Lock(eventstore::EnvOrDefault(nullptr), config_.data_dir),
                            fmt::format("locking the data directory {}", config_.data_dir), "");
  if (!locked.ok()) {
    return FailStorage("starting", locked);
  }
  absl::StatusOr<std::unique_ptr<Clock>> clock = Clock::Open(config_.data_dir, config_.test_clock);
  if (absl::IsResourceExhausted(clock.status())) {
    return FailStorage("setting the clock", clock.status());
  }
  if (!clock.ok()) {
    return Fail(ExitCode::kUsage, "setting the clock", clock.status());
  }
  clock_ = *std::move(clock);
  std::error_code ignored;
  fs::remove_all(config_.data_dir + "/scratch", ignored);
  absl::StatusOr<std::unique_ptr<Principals>> principals = Principals::Open(config_.token_file);
  if (!principals.ok()) {
    return Fail(ExitCode::kUsage, "reading the principals", principals.status());
  }
  principals_ = *std::move(principals);
  absl::StatusOr<OutboxOptions> outbox = OutboxOptionsOf(config_);
  if (!outbox.ok()) {
    return Fail(ExitCode::kUsage, "reading the settings of what is sent", outbox.status());
  }
  delivering_.outbox = *std::move(outbox);
  delivering_.public_url = config_.public_url;
  if (!config_.smtp_url.empty() && config_.public_url.empty()) {
    Log(LogLevel::kWarn, "mail has no links to unsubscribe by: public_url is not set");
  }
  return ExitCode::kOk;
}

ExitCode Assembly::Listen() {
  RpcOptions options;
  options.query_threads = static_cast<size_t>(config_.query_threads);
  rpc_ = std::make_unique<Rpc>(*principals_, metrics_, options);
  backend_.backups = {config_.backup_dir, config_.key_backup_dir};
  backend_.webhook_guard = delivering_.outbox.guard;
  AddAllServices(*rpc_, backend_);
  ListenerOptions listening;
  listening.addresses = config_.listen;
  listening.socket = config_.socket;
  listening.reflection = config_.ServesReflection();
  absl::StatusOr<std::unique_ptr<Listener>> listener = Listener::Start(*rpc_, listening);
  if (!listener.ok()) {
    const bool address = absl::IsUnavailable(listener.status());
    return Fail(address ? ExitCode::kAddress : ExitCode::kFailed, "listening", listener.status());
  }
  listener_ = *std::move(listener);
  absl::StatusOr<std::unique_ptr<http::Edge>> http =
      http::Edge::Start(*rpc_, listener_->server(), EdgeOptionsOf(config_));
  if (!http.ok()) {
    const bool address = absl::IsUnavailable(http.status());
    return Fail(address ? ExitCode::kAddress : ExitCode::kUsage, "serving HTTP", http.status());
  }
  http_ = *std::move(http);
  for (const int port : http_->ports()) {
    Log(LogLevel::kInfo, "serving HTTP", {{"port", static_cast<int64_t>(port)}});
  }
  return ExitCode::kOk;
}

LedgerOptions Assembly::MakeLedgerOptions() {
  LedgerOptions options;
  options.data_directory = config_.data_dir;
  options.witness_directory = config_.witness_dir;
  options.master_key_file = config_.master_key_file;
  options.cache_bytes = static_cast<size_t>(config_.cache_mib) << 20;
  options.wall_us = [this] { return clock_->WallMicros(); };
  options.on_failure = [this](const absl::Status& status) { DieOfStorage(status); };
  options.on_progress = [this](uint64_t done, uint64_t total) {
    if (const absl::Time now = absl::Now(); now - last_progress_ >= absl::Seconds(1)) {
      last_progress_ = now;
      Log(LogLevel::kInfo, "bringing rows to the head",
          {{"commits", static_cast<int64_t>(done)}, {"of", static_cast<int64_t>(total)}});
    }
  };
  return options;
}

ExitCode Assembly::OpenLedger() {
  absl::StatusOr<std::unique_ptr<Ledger>> ledger = Ledger::Open(MakeLedgerOptions());
  if (!ledger.ok()) {
    return FailStorage("opening the data", ledger.status());
  }
  ledger_ = *std::move(ledger);
  housekeeping_ = std::make_unique<Housekeeping>(
      HousekeepingOptions{config_.data_dir, config_.metrics_file}, *principals_, metrics_);
  SequencerOptions options;
  options.wall_us = [this] { return clock_->WallMicros(); };
  options.monotonic_us = [this] { return clock_->MonotonicMicros(); };
  options.disk_full = [this] { return housekeeping_->disk_full(); };
  options.on_failure = [this](const absl::Status& status) { DieOfStorage(status); };
  sequencer_ = std::make_unique<Sequencer>(ledger_->log(), ledger_->keys(), ledger_->rows(),
                                           ledger_->tenants(), std::move(options));
  const absl::StatusOr<bool> recorded =
      RecordEpoch(*ledger_, *sequencer_, "ACCEPTED_LOSS",
                  "The epoch was begun outside the daemon and found when it started.");
  if (!recorded.ok()) {
    return FailStorage("recording the log's epoch", recorded.status());
  }
  return ExitCode::kOk;
}

void Assembly::Serve() {
  backend_.Open(*ledger_, *sequencer_, *rpc_, clock_.get());
  timers_ = std::make_unique<Timers>(*ledger_, *sequencer_, *clock_,
                                     [this](const absl::Status& status) { DieOfStorage(status); });
  backend_.timers = timers_.get();
  backup_schedule_ = std::make_unique<BackupSchedule>(
      *ledger_, *sequencer_, *clock_,
      BackupScheduleOptions{.places = backend_.backups,
                            .every = absl::Hours(config_.backup_every),
                            .keep = config_.backup_keep,
                            .key_keep = config_.key_backup_keep,
                            .on_fault = [this](BackupFault fault, const std::string& last_good) {
                              return TellOfBackups(*ledger_, *sequencer_, clock_->WallMicros(),
                                                   fault, last_good);
                            }});
  backend_.backup_schedule = backup_schedule_.get();
  StartNotifying();
  rpc_->Serve({.tenants = &ledger_->tenants(),
               .submit = [sequencer = sequencer_.get()](
                             Command command) { sequencer->Submit(std::move(command)); },
               .rows = &ledger_->rows(),
               .plans = &*backend_.plans});
  housekeeping_->Start([this] { CollectMetrics(); });
  scrub_ = std::make_unique<Scrub>(*ledger_, [this](const absl::Status& status, uint64_t commits) {
    if (!status.ok()) DieOfStorage(status);
    Log(LogLevel::kInfo, "scrubbed", {{"commits", static_cast<int64_t>(commits)}});
  });
  sweeper_ = std::make_unique<Sweeper>(
      *ledger_, [this](const absl::Status& status) { DieOfStorage(status); });
  listener_->SetServing(true);
  Log(LogLevel::kInfo, "serving",
      {{"release", Release()}, {"data_dir", config_.data_dir}, {"rows", ledger_->rows_origin()}});
}

void Assembly::StartNotifying() {
  addressing_ = std::make_unique<Addressing>(Addressing::Parts{
      ledger_.get(), sequencer_.get(), principals_.get(), !config_.smtp_url.empty()});
  FollowerOptions options;
  options.name = domain::kNotificationFollower;
  options.wants = &Addressing::Wants;
  options.handle = [this](Tenant& tenant, const Envelope& commit, const Envelope::Event& event) {
    return addressing_->Handle(tenant, commit, event);
  };
  follower_ = std::make_unique<LogFollower>(*ledger_, *sequencer_, std::move(options));
  backend_.follower = follower_.get();
  deliverer_ = std::make_unique<Deliverer>(
      Deliverer::Parts{ledger_.get(), sequencer_.get(), principals_.get(), clock_.get(),
                       [this](const Tenant& tenant) { return follower_->IsOpen(tenant); }},
      std::move(delivering_));
  unsubscribe_ =
      std::make_unique<Unsubscribe>(*ledger_, *principals_, *sequencer_, rpc_->pool(Lane::kQuick));
  http_->AttachUnsubscribe([this](const http::UnsubscribeCall& call, auto done) {
    unsubscribe_->Handle(call, std::move(done));
  });
}

void Assembly::CollectMetrics() {
  const Sequencer::Counts counts = sequencer_->counts();
  metrics_.SetTotal("retrace_commits_total", "Commits written since the start.",
                    static_cast<double>(counts.commits));
  metrics_.SetTotal("retrace_commit_groups_total", "Groups of commits synced since the start.",
                    static_cast<double>(counts.groups));
  metrics_.SetTotal("retrace_refusals_total", "Commands refused by a decider since the start.",
                    static_cast<double>(counts.refusals));
  metrics_.SetTotal("retrace_repeats_total", "Commands answered as repeats since the start.",
                    static_cast<double>(counts.repeats));
  metrics_.SetTotal("retrace_row_keys_total", "Keys written to rows since the start.",
                    static_cast<double>(counts.keys_written));
  metrics_.Set("retrace_queued_commands", "Commands that wait to be decided.",
               static_cast<double>(sequencer_->queued()));
  metrics_.Set("retrace_rows_memory_bytes", "Memory that the rows' store holds.",
               static_cast<double>(ledger_->rows().MemoryBytes()));
  metrics_.Set("retrace_oldest_removal_seconds",
               "How long the oldest purge waits to leave the files.",
               absl::ToDoubleSeconds(OldestRemovalAge(*ledger_)));
  metrics_.Set("retrace_open_streams", "Streams that are open.",
               static_cast<double>(rpc_->streams().running()));
  http_->Collect(metrics_);
  const FollowerLag lag = follower_->Lag();
  const std::map<std::string, std::string> follower = {
      {"follower", std::string(domain::kNotificationFollower)}};
  metrics_.Set("retrace_follower_lag_commits",
               "Commits that the follower has not looked at, of the tenant with the most.",
               static_cast<double>(lag.commits), follower);
  metrics_.Set("retrace_follower_lag_seconds", "For how long the first of them has been there.",
               lag.seconds, follower);
  metrics_.Set("retrace_follower_parked_events", "Events that wait for an administrator.",
               static_cast<double>(lag.parked), follower);
  const Deliverer::Counts delivered = deliverer_->counts();
  metrics_.SetTotal("retrace_deliveries_sent_total", "Deliveries that arrived since the start.",
                    static_cast<double>(delivered.sent));
  metrics_.SetTotal("retrace_deliveries_retried_total",
                    "Attempts since the start that are made again.",
                    static_cast<double>(delivered.retried));
  metrics_.SetTotal("retrace_deliveries_failed_total", "Deliveries given up since the start.",
                    static_cast<double>(delivered.failed));
  metrics_.SetTotal("retrace_deliveries_suppressed_total",
                    "Deliveries that nobody wanted since the start.",
                    static_cast<double>(delivered.suppressed));
  metrics_.Set("retrace_deliveries_waiting", "Deliveries that are due and wait for their turn.",
               static_cast<double>(delivered.waiting));
  backup_schedule_->SetMetrics(metrics_);
}

ExitCode Assembly::Stop() {
  Log(LogLevel::kInfo, "draining");
  listener_->SetServing(false);
  rpc_->Drain();
  const absl::Time deadline = absl::Now() + kDrain;
  http_->Stop(deadline);
  listener_->Stop(deadline);
  scrub_.reset();
  sweeper_.reset();
  follower_->Stop();
  const bool all_recorded = deliverer_->Stop();
  timers_->Stop();
  backup_schedule_->Stop();
  sequencer_->Drain();
  housekeeping_.reset();  // until it drains, the sequencer asks it for free space
  backend_.Close();
  http_.reset();
  listener_.reset();
  rpc_.reset();  // queries of callers that went away still read
  timers_.reset();
  deliverer_.reset();
  follower_.reset();
  backup_schedule_.reset();
  sequencer_.reset();
  const absl::Status saved = all_recorded ? clock_->End() : clock_->Save();
  if (!saved.ok()) {
    return FailStorage("keeping the clock", saved);
  }
  const absl::Status flushed = ledger_->rows().Flush();
  if (!flushed.ok()) {
    return FailStorage("flushing the rows", flushed);
  }
  ledger_.reset();
  Log(LogLevel::kInfo, "stopped");
  return ExitCode::kOk;
}

}  // namespace

ExitCode RunDaemon(const Config& config) {
  TakeAllDescriptors();
  static StopSignal stop;  // its thread lives as long as the process
  ExitCode code = ExitCode::kOk;
  {
    Assembly assembly(config);
    for (const auto step : {&Assembly::Prepare, &Assembly::Listen, &Assembly::OpenLedger}) {
      if (code == ExitCode::kOk) {
        code = (assembly.*step)();
      }
    }
    if (code == ExitCode::kOk) {
      assembly.Serve();
      stop.Arm();
      stop.Await();
      code = assembly.Stop();
    }
  }
  StopLogging();
  return code;
}

}  // namespace retrace::server
