// Replay: from stored commits to rows, by the same domain code that decided them.
#pragma once

#include <future>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "eventstore/commit_log.h"
#include "eventstore/key_store.h"
#include "eventstore/row_store.h"
#include "server/commit_codec.h"
#include "server/pending_keys.h"

namespace retrace::server {

// What a commit writes into rows, in the store's words. Takes the projection's strings.
eventstore::RowChanges ToRowChanges(eventstore::TenantNumber tenant,
                                    const domain::CommitHeader& header,
                                    const eventstore::Sha256Digest& commit_hash,
                                    domain::Projection&& projection);

// Applies an opened commit's events to a view and projects them.
absl::StatusOr<domain::Projection> ProjectStored(const domain::View& view,
                                                 const OpenedCommit& commit);

// Replays one tenant's commits into a row store. Thread-compatible.
class Replay {
 public:
  // Keys and rows must outlive it.
  Replay(const eventstore::KeyStore& keys, eventstore::RowStore& rows,
         eventstore::TenantNumber tenant)
      : keys_(keys), rows_(rows), tenant_(tenant) {}

  // Waits as Await does.
  ~Replay();
  Replay(const Replay&) = delete;
  Replay& operator=(const Replay&) = delete;

  // Projects commits that follow those given before, or the rows' checkpoint; they are written, all
  // at once, while the next ones are projected. A log whose keys are missing without an erase event
  // is DATA_LOSS and names the key. After an error nothing more can be applied.
  absl::Status Apply(absl::Span<const eventstore::StoredCommit> commits);
  // Returns when everything given so far is in the rows, or why it is not.
  absl::Status Await();

 private:
  const eventstore::KeyStore& keys_;
  eventstore::RowStore& rows_;
  const eventstore::TenantNumber tenant_;
  PendingKeys pending_;  // projected, perhaps not yet in the rows
  eventstore::Position written_to_ = 0;
  std::vector<eventstore::RowChanges> writing_;  // the writing thread's until Await
  std::future<absl::Status> written_;
};

}  // namespace retrace::server
