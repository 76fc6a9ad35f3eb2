// The services: lists of registrations with the rpc template, and thin handlers.
#pragma once

#include <optional>
#include <string>

#include "absl/time/time.h"
#include "server/history.h"
#include "server/ledger.h"
#include "server/operation_runner.h"
#include "server/plans.h"
#include "server/queries.h"
#include "server/recycle_bin.h"
#include "server/rpc.h"
#include "server/sequencer.h"

namespace retrace::server {

// What handlers answer from. Filled in between registration and Rpc::Serve, which lets the first
// call through; immutable afterwards.
struct Backend {
  // Both must outlive the last call.
  void Open(Ledger& opened, Sequencer& started, Rpc& rpc) {
    ledger = &opened;
    sequencer = &started;
    queries.emplace(opened);
    history.emplace(opened);
    plans.emplace(opened);
    runner.emplace(OperationRunner::Parts{&rpc, ledger, sequencer, &*history, &*plans});
    recycle_bin.emplace(opened);
  }
  // Operations stop where they are. After the sequencer drained: no command is shown any more.
  void Close() { runner.reset(); }
  Ledger* ledger = nullptr;
  Sequencer* sequencer = nullptr;
  std::optional<Queries> queries;
  std::optional<History> history;
  std::optional<Plans> plans;
  std::optional<OperationRunner> runner;
  std::optional<RecycleBin> recycle_bin;

  // For Admin.
  absl::Time start_time = absl::Now();
  std::string backup_dir;
  std::string key_backup_dir;
};

// `rpc` and `backend` must outlive the server.
void AddCustomersService(Rpc& rpc, Backend& backend);
void AddRecordsService(Rpc& rpc, Backend& backend);
void AddMembersService(Rpc& rpc, Backend& backend);
void AddHistoryService(Rpc& rpc, Backend& backend);
void AddOperationsService(Rpc& rpc, Backend& backend);
void AddTenantsService(Rpc& rpc, Backend& backend);
void AddAdminService(Rpc& rpc, Backend& backend);
void AddRecycleBinService(Rpc& rpc, Backend& backend);
void AddHoldsService(Rpc& rpc, Backend& backend);
void AddAllServices(Rpc& rpc, Backend& backend);

}  // namespace retrace::server
