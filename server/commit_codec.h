// Between what domain decided and what the log stores: sealing on the way in, opening on the way
// out.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "domain/context.h"
#include "domain/draft.h"
#include "eventstore/key_store.h"
#include "retrace/store/v1/commit.pb.h"

namespace retrace::server {

// The format that this server writes, and the newest that it reads.
inline constexpr uint32_t kCommitFormat = 1;

// A stored commit, opened.
struct OpenedCommit {
  domain::CommitHeader header;
  std::vector<domain::DraftEvent> events;
  std::vector<domain::EntityRef> targets;
  std::vector<std::string> notes;
  uint64_t undoes = 0;
  bool erased = false;    // some personal part could not be opened: its key is gone
  bool key_lost = false;  // and it was not destroyed
  // Key of every sealed event's subject: {entity, subject, key id}, for the rows.
  struct Key {
    domain::EntityRef entity;
    std::string subject;
    std::string key_id;
  };
  std::vector<Key> keys;
};

// Bytes of the commit that a checked draft makes. Gives a key to every subject that has none yet,
// in the draft's rows, too; call it before draft.Project.
absl::StatusOr<std::string> EncodeCommit(domain::Draft& draft, eventstore::TenantNumber tenant,
                                         eventstore::KeyStore& keys);

// The envelope alone; cheap. DATA_LOSS when the bytes are no commit, FAILED_PRECONDITION when a
// newer reader is needed.
absl::StatusOr<store::v1::Commit> ParseCommit(std::string_view bytes);

// FAILED_PRECONDITION when the commit holds an event that this build does not know.
absl::Status CheckKnown(const store::v1::Commit& commit);

// Everything, events opened. Thread-safe.
absl::StatusOr<OpenedCommit> OpenCommit(const store::v1::Commit& commit,
                                        eventstore::TenantNumber tenant,
                                        const eventstore::KeyStore& keys);

}  // namespace retrace::server
