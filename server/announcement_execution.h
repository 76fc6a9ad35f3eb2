// The execution of an announced plan: its command is sent as its planner would send it, and what
// came of it is recorded. Everything that must survive a restart is in the announcement's row; the
// command's request id is made of the announcement's id, so that it is done once.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "server/ledger.h"
#include "server/operation_runner.h"
#include "server/plans.h"
#include "server/rpc.h"
#include "server/sequencer.h"

namespace retrace::server {

// What announced plans are executed with. All must outlive what is made of this.
struct ExecutionParts {
  Rpc* rpc = nullptr;
  Ledger* ledger = nullptr;
  Sequencer* sequencer = nullptr;
  const Plans* plans = nullptr;
  OperationRunner* operations = nullptr;
  // Becomes true when the server ends: what takes long breaks off. Null: never.
  std::shared_ptr<const std::atomic<bool>> stopping;
};

// Goes on with an announcement that is EXECUTING, as far as it gets now: sends the command, or
// looks how far its operation has come. It has ended when it is EXECUTING no more; FAILED only by a
// refusal. Errors are faults that may pass: try again. Blocks until the command is answered.
absl::Status GoOnExecuting(const ExecutionParts& parts, Tenant& tenant, const std::string& id);

}  // namespace retrace::server
