// Replay: from stored commits to rows, by the same domain code that decided them.
#pragma once

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

  // Applies commits that follow the rows' checkpoint, all at once. A log whose keys are missing
  // without an erase event is DATA_LOSS and names the key.
  absl::Status Apply(absl::Span<const eventstore::StoredCommit> commits);

 private:
  const eventstore::KeyStore& keys_;
  eventstore::RowStore& rows_;
  const eventstore::TenantNumber tenant_;
};

}  // namespace retrace::server
