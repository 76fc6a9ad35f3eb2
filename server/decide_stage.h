// The first stage: from a command to an item of the group that is being formed.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "eventstore/commit_log.h"
#include "eventstore/row_store.h"
#include "server/commit_clock.h"
#include "server/ids.h"
#include "server/pending_keys.h"
#include "server/sequencer.h"

namespace retrace::server {

// A decided command on its way through the stages: a commit, or an answer that waits for what it
// was decided on.
struct Item {
  Command command;
  CommandResult result;
  // Answer from the commit that the same request made before; 0: no repeat.
  eventstore::Position repeat_of = 0;
  bool is_commit = false;
  uint64_t fence = 0;
  eventstore::Position position = 0;
  std::string commit_id;
  std::string bytes;
  eventstore::RowChanges changes;
  // To be destroyed once the commit is durable.
  std::vector<std::string> destroyed_keys;
  int64_t time_us = 0;
  // Tenants that this commit created: id and number.
  std::vector<std::pair<std::string, eventstore::TenantNumber>> new_tenants;
};

// Thread-compatible: the deciding thread's, or the syncing thread's while it recovers.
class DecideStage {
 public:
  DecideStage(eventstore::CommitLog& log, eventstore::KeyStore& keys, eventstore::RowStore& rows,
              const SequencerOptions& options);

  // Decides one command. Its keys are pending from then on, and later commands are decided on them.
  Item Decide(Command command);

  // Forgets what is pending for the tenant and acquires it again; the lease's head is the truth.
  absl::StatusOr<eventstore::Lease> Reacquire(Tenant& tenant);

 private:
  struct TenantState {
    bool leased = false;
    eventstore::Lease lease;
    eventstore::Position head = 0;  // durable or pending
    PendingKeys pending;
    RecentRows recent;
    bool has_mac = false;
    eventstore::SecretKey mac{};
  };

  absl::StatusOr<TenantState*> StateOf(Tenant& tenant);
  absl::StatusOr<domain::CommitHeader> HeaderFor(const Command& command, TenantState& state);
  // Fills the item with a repeat or a refusal when the request id is known; false when it is new.
  absl::StatusOr<bool> AnswerRepeat(const domain::View& view, const domain::CommitHeader& header,
                                    Item& item);
  absl::Status DecideOnce(Item& item);
  absl::Status Encode(domain::Draft& draft, TenantState& state, Item& item);

  eventstore::CommitLog& log_;
  eventstore::KeyStore& keys_;
  eventstore::RowStore& rows_;
  const SequencerOptions& options_;
  CommitClock clock_;
  IdSource ids_;
  absl::flat_hash_map<Tenant*, std::unique_ptr<TenantState>> states_;
};

// What a commit's reply says about it.
v1::Outcome OutcomeOf(const domain::CommitHeader& header, const std::vector<std::string>& notes);
// What the reply says when nothing was written.
v1::Outcome NothingWritten(const domain::CommitHeader& header,
                           const std::vector<std::string>& notes);

}  // namespace retrace::server
