// The commit log: the truth. Everything else but the key store can be computed from it again.
//
// A log holds, per tenant, commits at positions 1, 2, 3 ... without gaps. It knows nothing of what
// the bytes mean. The interface has to fit a local RocksDB (rocks_commit_log.h) and, later, a
// distributed engine behind the PostgreSQL protocol; tests run one contract suite over RocksDB and
// over a log that answers anything at will (tests/support/test_commit_log.h). Head witness,
// idempotency and proofs stay out of it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "eventstore/types.h"

namespace retrace::eventstore {

// Where a tenant's log ends. Position 0 and a zero hash: no commit yet.
struct Head {
  Position position = kNoPosition;
  // SHA-256 of the last commit's stored bytes.
  Sha256Digest commit_hash{};
  bool operator==(const Head&) const = default;
};

// The right to append to one tenant. Acquiring it again, here or elsewhere, fences every earlier
// holder.
struct Lease {
  TenantNumber tenant = 0;
  uint64_t fence = 0;
  Head head;
};

// One commit to append, at position `expected_head + 1`.
struct PendingCommit {
  TenantNumber tenant = 0;
  uint64_t fence = 0;  // of the Lease
  Position expected_head = kNoPosition;
  std::string_view bytes;  // must stay valid during Append
};

enum class AppendOutcome {
  kDurable,   // synced, and witnessed where the log has a witness
  kConflict,  // the tenant's head is not `expected_head`: nothing of this tenant was written
  kFenced,    // somebody else acquired the tenant: nothing of this tenant was written
  kUnknown,   // storage failed: may or may not be there. After it every Append answers kUnknown
};

// What became of all commits of one tenant in one Append.
struct TenantAppend {
  TenantNumber tenant = 0;
  AppendOutcome outcome = AppendOutcome::kUnknown;
  // The head after the append (kDurable), or the actual one (kConflict); else unset.
  Head head;
};

// A commit as stored, at its position.
struct StoredCommit {
  Position position = kNoPosition;
  std::string bytes;
};

// Progress of a reader that waits for any tenant's head to move; start with {}.
struct TailCursor {
  uint64_t batch = 0;
};

struct TailResult {
  std::vector<TenantNumber> moved;  // each once
  TailCursor next;
};

// Thread-safe: any number of readers beside one appending thread.
class CommitLog {
 public:
  virtual ~CommitLog() = default;

  // Random number of this life of the log; stable while it is open.
  virtual Epoch epoch() const = 0;

  // Fences earlier holders and tells the tenant's head. UNAVAILABLE when storage failed.
  virtual absl::StatusOr<Lease> Acquire(TenantNumber tenant) = 0;

  // Appends the commits in order with one sync; blocks until that is done. The commits of one
  // tenant, which must follow one another, are atomic together; kDurable only when everything of
  // that tenant is. One result per tenant, in order of first appearance. After anything but
  // kDurable the caller forgets what it had pending for that tenant, acquires again, reads on and
  // settles waiting commands by their commit ids.
  virtual std::vector<TenantAppend> Append(absl::Span<const PendingCommit> commits) = 0;

  // Commits after `after` in order, at least one if there is any, else as many as fit into
  // `max_bytes`; empty at the end. Shows only durable commits. DATA_LOSS names tenant and position
  // when stored bytes fail their check sum or a position is missing.
  virtual absl::StatusOr<std::vector<StoredCommit>> Read(TenantNumber tenant, Position after,
                                                         size_t max_bytes) const = 0;

  // Tenants whose head moved since the cursor; does not block.
  virtual absl::StatusOr<TailResult> Tail(TailCursor cursor) const = 0;

  // Every tenant with at least one commit, ascending.
  virtual absl::StatusOr<std::vector<TenantNumber>> Tenants() const = 0;

  // The durable head of a tenant; {} when it has no commit.
  virtual absl::StatusOr<Head> HeadOf(TenantNumber tenant) const = 0;
};

}  // namespace retrace::eventstore
