// The sequencer: the one place where commands become commits.
//
// Four stages, each on its own thread: deciding, syncing, applying, replying. While one group
// syncs, the next is decided on its projected keys, which are not durable yet; every answer (OK,
// refusal, repeat) leaves only when everything that it could have been decided on is durable and in
// the rows. A command that is alone goes through all stages on the deciding thread. Tenants wait in
// queues of their own and are served by deficit round robin.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "domain/context.h"
#include "domain/draft.h"
#include "retrace/v1/common.pb.h"
#include "server/ledger.h"
#include "server/principal.h"

namespace retrace::server {

// What became of a command, for its reply.
struct CommandResult {
  absl::Status status;  // OK, a refusal, or OUTCOME_UNKNOWN
  v1::Outcome outcome;
  // The entities it was addressed to, as of the outcome's position, in order.
  std::vector<std::pair<domain::EntityRef, domain::RowPtr>> targets;
};

struct PlanUse;  // plan_token.h

// A command on its way in.
struct Command {
  Tenant* tenant = nullptr;
  PrincipalPtr principal;
  std::string method;  // full name of the RPC
  v1::CommandOptions options;
  std::string request_bytes;      // deterministic serialisation without options' request id and
                                  // what they say about plans; hashed when it matters
  bool destructive = false;       // the method's option: the tenant's policy has a say
  bool starts_operation = false;  // a plan is then the operation's to keep
  std::string operation;          // id of the one that sends it; empty: a caller
  std::shared_ptr<const PlanUse> plan;  // the opened options.plan_token; null without one
  size_t cost = 8;                      // keys that it will probably write: what fairness counts
  absl::Time deadline = absl::InfiniteFuture();
  // Becomes true when the caller went away; looked at once, before decide. Null: never.
  std::shared_ptr<std::atomic<bool>> cancelled;
  std::function<absl::Status(domain::Draft&, const domain::Context&)> decide;
  // Called exactly once: on the replying thread, on the deciding one for a command that is alone,
  // or inside Submit when it cannot be taken.
  std::function<void(CommandResult)> done;
};

struct SequencerOptions {
  size_t max_commands_per_tenant = 1000;
  size_t max_bytes_per_tenant = 8u << 20;
  size_t max_bytes = 64u << 20;
  size_t max_group_commits = 256;
  size_t max_group_bytes = 1u << 20;
  // Wall clock in microseconds and monotonic clock in microseconds; null: the system's.
  std::function<int64_t()> wall_us;
  std::function<int64_t()> monotonic_us;
  // True while free space is below the reserve; null: never.
  std::function<bool()> disk_full;
  // Called when rows could not be applied: the store must not be used further. The daemon's exits.
  // Null: nothing.
  std::function<void(const absl::Status&)> on_failure;
};

// Thread-safe.
class Sequencer {
 public:
  // Starts the four threads. The ledger (or the log, keys, rows and tenants given) must outlive the
  // sequencer.
  Sequencer(eventstore::CommitLog& log, eventstore::KeyStore& keys, eventstore::RowStore& rows,
            Tenants& tenants, SequencerOptions options);
  // Stops taking commands, finishes those taken, joins the threads.
  ~Sequencer();

  // Takes a command; never blocks. When it cannot be taken, `done` is called at once (QUEUE_FULL,
  // DISK_FULL, NOT_SERVING).
  void Submit(Command command);
  // Refuses everything from now on and returns when all that was taken is answered.
  void Drain();

  size_t queued() const;
  // Latencies and sizes for metrics.
  struct Counts {
    uint64_t commits = 0, groups = 0, refusals = 0, repeats = 0, keys_written = 0;
  };
  Counts counts() const;

 private:
  class Stages;
  std::unique_ptr<Stages> stages_;
};

}  // namespace retrace::server
