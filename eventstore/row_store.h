// Rows: read models that remember. Every version of every row is kept, so reading as of a position
// is a seek and runs the same code as reading now.
//
// The store holds bytes and knows no CRM words: a row is addressed by tenant, kind number and id;
// an index entry by tenant, kind, index number, order-preserving value and id. Rows are disposable:
// WAL off, one column family, and the checkpoint of each tenant lies in the same flush as its rows.
// Layout of the keys: eventstore/README.md.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "eventstore/types.h"

namespace rocksdb {
class Env;
}

namespace retrace::eventstore {

using KindNumber = uint16_t;
using IndexNumber = uint8_t;

// What an index entry says of its entity from its position on.
enum class Mark : uint8_t {
  kGone = 0,    // the entity no longer has this value
  kLive = 1,    // in the lists
  kBinned = 2,  // in the recycle bin
};

// A version of a row.
struct RowVersion {
  Position position = kNoPosition;
  std::string bytes;
  bool operator==(const RowVersion&) const = default;
};

// A new version of a row.
struct RowPut {
  KindNumber kind = 0;
  std::string id;
  std::string bytes;
  // Since when it holds; kNoPosition: since its commit.
  Position position = kNoPosition;
};

// A new version of an index entry.
struct IndexPut {
  KindNumber kind = 0;
  IndexNumber index = 0;
  std::string value;  // encoded order-preserving by the caller; any bytes
  std::string id;
  Mark mark = Mark::kLive;
  // Since when it holds; kNoPosition: since its commit.
  Position position = kNoPosition;
};

// A version of a row that is removed for ever.
struct RowRemoval {
  KindNumber kind = 0;
  std::string id;
  Position position = kNoPosition;
};

// A version of an index entry that is removed for ever.
struct IndexRemoval {
  KindNumber kind = 0;
  IndexNumber index = 0;
  std::string value;
  std::string id;
  Position position = kNoPosition;
};

// Everything that one commit changes: first what it removes, then what it puts.
struct RowChanges {
  TenantNumber tenant = 0;
  Position position = kNoPosition;
  Epoch epoch = 0;
  Sha256Digest commit_hash{};
  std::vector<RowPut> rows;
  std::vector<IndexPut> entries;
  std::vector<RowRemoval> removed_rows;
  std::vector<IndexRemoval> removed_entries;
};

// How far a tenant's rows have come: exactly this commit.
struct RowsCheckpoint {
  Epoch epoch = 0;
  Position position = kNoPosition;
  Sha256Digest commit_hash{};
  bool operator==(const RowsCheckpoint&) const = default;
};

// A range of index values: from `lower` (inclusive) to `upper` (exclusive; empty: no bound).
struct IndexRange {
  TenantNumber tenant = 0;
  KindNumber kind = 0;
  IndexNumber index = 0;
  std::string lower;
  std::string upper;
  // All values that begin with `prefix`.
  static IndexRange Prefix(TenantNumber tenant, KindNumber kind, IndexNumber index,
                           std::string_view prefix);
  // Exactly `value`.
  static IndexRange Exactly(TenantNumber tenant, KindNumber kind, IndexNumber index,
                            std::string_view value);
};

// One entry as a scan sees it: the newest version at or below the asked position, gone ones left
// out.
struct IndexEntry {
  std::string value;
  std::string id;
  Position position = kNoPosition;
  Mark mark = Mark::kLive;
  bool operator==(const IndexEntry&) const = default;
};

// Walks an index range as of a position, by value then id, or backwards. Sees the store as it was
// when it was made. Thread-compatible; must not outlive the store.
class IndexScan {
 public:
  virtual ~IndexScan() = default;
  // The next entry, or nothing at the end; an error when stored bytes are damaged.
  virtual absl::StatusOr<std::optional<IndexEntry>> Next() = 0;
  // Goes to the first entry at or after (backwards: at or before) (value, id) in the scan's
  // direction.
  virtual void Seek(std::string_view value, std::string_view id) = 0;
  // Keys looked at so far: what a page's budget counts.
  virtual size_t keys_read() const = 0;
};

// A row in a walk over rows.
struct RowAt {
  KindNumber kind = 0;
  std::string id;
  Position position = kNoPosition;
  std::string bytes;
  bool operator==(const RowAt&) const = default;
};

// Walks the rows of a tenant as of a position in key order (kind, id). Like IndexScan otherwise.
class RowScan {
 public:
  virtual ~RowScan() = default;
  virtual absl::StatusOr<std::optional<RowAt>> Next() = 0;
};

struct RowStoreOptions {
  // Directory; made when missing.
  std::string directory;
  // Hash of everything that determines the bytes of rows (index declarations, row descriptors, fold
  // number, ICU version).
  std::string layout_stamp;
  // Block cache in bytes.
  size_t cache_bytes = 256u << 20;
  // For tests: another file system; null: the default one. Must outlive the store.
  rocksdb::Env* env = nullptr;
};

// Thread-safe: one applying thread, any number of readers.
class RowStore {
 public:
  // Opens or creates. FAILED_PRECONDITION with a payload-free message beginning "layout stamp" when
  // the directory was made with another stamp: build a new store beside it. DATA_LOSS when damaged:
  // the caller throws the directory away.
  static absl::StatusOr<std::unique_ptr<RowStore>> Open(RowStoreOptions options);
  virtual ~RowStore() = default;

  // Applies commits atomically together with the checkpoints of their tenants. Each tenant's
  // positions must follow its checkpoint without a gap. Visible to readers when it returns. An
  // error means the store must not be used further.
  virtual absl::Status Apply(absl::Span<const RowChanges> commits) = 0;

  // Writes everything that was applied to disk.
  virtual absl::Status Flush() = 0;

  // What was removed is out of sight at once, but its bytes are still in files. Rewrites the tables
  // concerned, so that no file of the store holds them any more; takes as long as reading and
  // writing those tables. Returns at once when nothing waits. Called by one thread at a time,
  // beside any others.
  virtual absl::Status Sweep() = 0;
  // When the oldest removal was applied that waits for Sweep; survives a restart.
  virtual std::optional<absl::Time> OldestRemoval() const = 0;

  // The tenant's checkpoint; position 0 when nothing was applied.
  virtual absl::StatusOr<RowsCheckpoint> CheckpointOf(TenantNumber tenant) const = 0;
  // Every tenant with a checkpoint, ascending.
  virtual absl::StatusOr<std::vector<TenantNumber>> Tenants() const = 0;

  // The newest version at or below `as_of`; nothing when there is none.
  virtual absl::StatusOr<std::optional<RowVersion>> Get(TenantNumber tenant, KindNumber kind,
                                                        std::string_view id,
                                                        Position as_of) const = 0;
  // Up to `limit` versions at or below `as_of`, newest first.
  virtual absl::StatusOr<std::vector<RowVersion>> Versions(TenantNumber tenant, KindNumber kind,
                                                           std::string_view id, Position as_of,
                                                           size_t limit) const = 0;

  virtual std::unique_ptr<IndexScan> ScanIndex(const IndexRange& range, Position as_of,
                                               bool backwards) const = 0;
  // Rows of kinds `first_kind` to `last_kind`, both included.
  virtual std::unique_ptr<RowScan> ScanRows(TenantNumber tenant, KindNumber first_kind,
                                            KindNumber last_kind, Position as_of) const = 0;

  // The full digest: SHA-256 over every key and value of the tenant but its checkpoint's epoch.
  // Equal for live and rebuilt rows of one layout stamp.
  virtual absl::StatusOr<Sha256Digest> FullDigest(TenantNumber tenant) const = 0;

  // Bytes of memory that RocksDB holds for this store: memtables, cache, table readers.
  virtual size_t MemoryBytes() const = 0;
};

}  // namespace retrace::eventstore
