// Replay: from stored commits to rows, by the same domain code that decided them.
#pragma once

#include <future>
#include <string>
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

// Adds the keys that these events destroy: once the commit is durable, before its rows are applied,
// so that a commit whose rows are there has done its work.
void AddDestroyedKeys(absl::Span<const domain::DraftEvent> events, std::vector<std::string>& keys);

// Applies an opened commit's events to a view and projects them.
absl::StatusOr<domain::Projection> ProjectStored(const domain::View& view,
                                                 const OpenedCommit& commit);

// Replays one tenant's commits into a row store. Thread-compatible.
class Replay {
 public:
  // Keys and rows must outlive it.
  Replay(eventstore::KeyStore& keys, eventstore::RowStore& rows, eventstore::TenantNumber tenant)
      : keys_(keys), rows_(rows), tenant_(tenant) {}

  // What was given but not awaited may be in the rows or not.
  ~Replay();
  Replay(const Replay&) = delete;
  Replay& operator=(const Replay&) = delete;

  // Takes commits that follow those given before, or the rows' checkpoint. Three things at once:
  // these are opened while those given before are projected and those before them are written. Keys
  // that they say are destroyed are destroyed before they are written. A log whose keys are missing
  // without such an event is DATA_LOSS and names the key. After an error the replay can only be
  // destroyed.
  absl::Status Apply(std::vector<eventstore::StoredCommit> commits);
  // Returns when everything given so far is in the rows, or why it is not.
  absl::Status Await();

 private:
  struct Opened {
    OpenedCommit commit;
    eventstore::Sha256Digest hash;
  };
  using OpenedCommits = absl::StatusOr<std::vector<Opened>>;

  OpenedCommits Open(const std::vector<eventstore::StoredCommit>& commits) const;
  absl::Status Project(const std::vector<Opened>& commits);
  // Projects what was being opened and starts to write it.
  absl::Status Advance(std::future<OpenedCommits> opening);
  absl::Status AwaitWritten();

  eventstore::KeyStore& keys_;
  eventstore::RowStore& rows_;
  const eventstore::TenantNumber tenant_;
  std::future<OpenedCommits> opening_;
  PendingKeys pending_;  // projected, perhaps not yet in the rows
  eventstore::Position written_to_ = 0;
  std::vector<eventstore::RowChanges> writing_;  // the writing thread's until AwaitWritten
  std::future<absl::Status> written_;
};

}  // namespace retrace::server
