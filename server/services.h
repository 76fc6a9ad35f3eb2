// The services: lists of registrations with the rpc template, and thin handlers.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "server/announcement_runner.h"
#include "server/backup_schedule.h"
#include "server/backups.h"
#include "server/clock.h"
#include "server/history.h"
#include "server/ledger.h"
#include "server/log_follower.h"
#include "server/operation_runner.h"
#include "server/outbound/address_guard.h"
#include "server/plans.h"
#include "server/queries.h"
#include "server/recycle_bin.h"
#include "server/rpc.h"
#include "server/sequencer.h"
#include "server/timers.h"

namespace retrace::server {

// What handlers answer from. Filled in between registration and Rpc::Serve, which lets the first
// call through; immutable afterwards.
struct Backend {
  // All must outlive the last call. Without a clock it is the system's.
  void Open(Ledger& opened, Sequencer& started, Rpc& rpc, Clock* shown = nullptr) {
    ledger = &opened;
    sequencer = &started;
    clock = shown;
    std::function<int64_t()> wall_us;
    if (shown != nullptr) wall_us = [shown] { return shown->WallMicros(); };
    queries.emplace(opened);
    HistoryOptions options;
    options.wall_us = wall_us;
    history.emplace(opened, std::move(options));
    plans.emplace(opened, std::move(wall_us));
    runner.emplace(OperationRunner::Parts{&rpc, ledger, sequencer, &*history, &*plans});
    announcements.emplace(ExecutionParts{&rpc, ledger, sequencer, &*plans, &*runner});
    recycle_bin.emplace(opened);
  }
  // Operations stop where they are. After the sequencer drained: no command is shown any more.
  void Close() {
    announcements.reset();
    runner.reset();
  }
  Ledger* ledger = nullptr;
  Sequencer* sequencer = nullptr;
  Clock* clock = nullptr;
  Timers* timers = nullptr;
  LogFollower* follower = nullptr;  // of notifications; null: none runs
  std::optional<Queries> queries;
  std::optional<History> history;
  std::optional<Plans> plans;
  std::optional<OperationRunner> runner;
  std::optional<AnnouncementRunner> announcements;
  std::optional<RecycleBin> recycle_bin;

  // For Admin.
  absl::Time start_time = absl::Now();
  BackupPlaces backups;
  BackupSchedule* backup_schedule = nullptr;

  // For Webhooks: where they may go.
  AddressGuard webhook_guard;
  Resolver resolve_host = ResolveHost;
};

// `rpc` and `backend` must outlive the server.
void AddCustomersService(Rpc& rpc, Backend& backend);
void AddRecordsService(Rpc& rpc, Backend& backend);
void AddMembersService(Rpc& rpc, Backend& backend);
void AddHistoryService(Rpc& rpc, Backend& backend);
void AddNotificationsService(Rpc& rpc, Backend& backend);
void AddOperationsService(Rpc& rpc, Backend& backend);
void AddTenantsService(Rpc& rpc, Backend& backend);
void AddAdminService(Rpc& rpc, Backend& backend);
void AddRecycleBinService(Rpc& rpc, Backend& backend);
void AddHoldsService(Rpc& rpc, Backend& backend);
void AddPlansService(Rpc& rpc, Backend& backend);
void AddTemplatesService(Rpc& rpc, Backend& backend);
void AddWebhooksService(Rpc& rpc, Backend& backend);
void AddAllServices(Rpc& rpc, Backend& backend);

}  // namespace retrace::server
