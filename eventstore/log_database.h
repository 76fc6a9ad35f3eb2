// The RocksDB below the commit log: how it is opened and how what it holds is read and checked.
// RocksCommitLog appends to it; backups are verified with it.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "eventstore/commit_log.h"
#include "eventstore/types.h"
#include "retrace/store/v1/commit.pb.h"
#include "retrace/store/v1/log.pb.h"
#include "rocksdb/db.h"
#include "rocksdb/env.h"

namespace retrace::eventstore {

// The layout of keys and values that this build writes and the newest that it reads.
inline constexpr uint32_t kLogFormat = 1;
// The newest Commit.minimum_reader that this build satisfies.
inline constexpr uint32_t kCommitReader = 1;

// What a log holds besides its commits, and where each tenant's commits end.
struct LogEnd {
  store::v1::LogHeader header;
  // Of the last group; number 0 in a fresh log.
  store::v1::BatchRecord last;
  // Of the group before it, if there was one since the log was made.
  std::optional<store::v1::BatchRecord> previous;
  // Of every tenant with commits.
  std::map<TenantNumber, Head> heads;
};

enum class DatabaseMode {
  kExisting,  // must be there
  kCreate,    // must not be there
  kReadOnly,  // must be there; nothing is changed, not even a log line written
  // The same, but a damaged write-ahead log counts up to the damage. The first two still insist
  // that older write-ahead logs have the length that they were synced with.
  kReadOnlyUpToDamage,
  kUpToDamage,
  kSalvage,
};

// How much of a directory there is.
enum class DirectoryState {
  kEmpty,    // no log; perhaps the leftovers of a creation that a crash cut short
  kLog,      // a log
  kDamaged,  // pieces of a log, but not what makes them one
};

// Thread-safe for reading.
class LogDatabase {
 public:
  // Looks at names only.
  static absl::StatusOr<DirectoryState> Inspect(rocksdb::Env* env, const std::string& directory);

  static absl::StatusOr<std::unique_ptr<LogDatabase>> Open(rocksdb::Env* env,
                                                           const std::string& directory,
                                                           DatabaseMode mode);
  ~LogDatabase();
  LogDatabase(const LogDatabase&) = delete;
  LogDatabase& operator=(const LogDatabase&) = delete;

  // Reads where the log ends, at one moment, and checks it: header, batch records, every tenant's
  // last commit, and that the commits of the last group hash to its chain hash. nullopt: nothing
  // was ever written. FAILED_PRECONDITION: a newer build wrote this.
  absl::StatusOr<std::optional<LogEnd>> ReadEnd() const;

  // Commits of a tenant in (after, last], in order, until `take` returns false. DATA_LOSS when one
  // of them is damaged or missing.
  absl::Status ReadCommits(TenantNumber tenant, Position after, Position last,
                           const std::function<bool(Position, std::string_view)>& take) const;

  // Reads all: the files' check sums, and every commit of every tenant up to `heads`, gapless.
  // CANCELLED when `stopping` (may be null), asked at each commit, says so.
  absl::Status Verify(const std::map<TenantNumber, Head>& heads,
                      const std::function<bool()>& stopping = nullptr) const;

  // Writes with one sync. After an error nothing more may be written.
  absl::Status Write(rocksdb::WriteBatch* batch);
  // Column families for WriteBatch: the commits; header and batch records.
  rocksdb::ColumnFamilyHandle* commits() const { return handles_[0]; }
  rocksdb::ColumnFamilyHandle* batches() const { return handles_[1]; }

  // Adds header and batch record to `batch`.
  rocksdb::Status PutHeader(const store::v1::LogHeader& header, rocksdb::WriteBatch* batch) const;
  rocksdb::Status PutBatchRecord(uint64_t number, std::string_view serialized,
                                 rocksdb::WriteBatch* batch) const;

  // The first failure of a flush or compaction; OK while there was none.
  absl::Status BackgroundFailure() const;

  // Copies the database into `directory`, which must not exist, with everything written so far.
  // Synced, but not yet verified.
  absl::Status Copy(const std::string& directory) const;

  const std::string& directory() const { return directory_; }

 private:
  class FailureListener;
  using Take = std::function<bool(Position, std::string_view)>;

  LogDatabase(rocksdb::Env* env, std::string directory);

  rocksdb::Options MakeOptions(DatabaseMode mode) const;
  // These read at the snapshot in `at`.
  absl::StatusOr<bool> ReadHeader(const rocksdb::ReadOptions& at,
                                  store::v1::LogHeader* header) const;
  absl::StatusOr<std::optional<store::v1::BatchRecord>> ReadBatchRecord(
      const rocksdb::ReadOptions& at, uint64_t number) const;
  absl::StatusOr<std::map<TenantNumber, Head>> ReadHeads(const rocksdb::ReadOptions& at) const;
  absl::StatusOr<std::optional<LogEnd>> ReadEndAt(const rocksdb::ReadOptions& at) const;
  absl::Status ReadCommitsAt(const rocksdb::ReadOptions& at, TenantNumber tenant, Position after,
                             Position last, const Take& take) const;
  absl::Status CheckRecords(const LogEnd& end) const;
  absl::Status CheckLastBatch(const rocksdb::ReadOptions& at, const LogEnd& end) const;
  absl::Status Damaged(std::string_view what) const;
  absl::Status Translate(const rocksdb::Status& status, std::string_view doing) const;

  rocksdb::Env* const env_;
  const std::string directory_;
  std::shared_ptr<FailureListener> listener_;
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
};

// SHA-256 of the previous group's chain hash and this group's commit hashes, in the order of the
// batch record's tenants and then of positions.
Sha256Digest ChainHash(const Sha256Digest& previous, const std::vector<Sha256Digest>& commits);

// The field `minimum_reader` of a serialised store.v1.Commit, without parsing the rest; 0 when it
// is not set or the bytes are no such message.
uint32_t MinimumReader(std::string_view commit);

// e.g. "batch 17 (chain hash 3f..., epoch 0123456789abcdef, tenant 4 up to 99)".
std::string Describe(const store::v1::BatchRecord& record);

}  // namespace retrace::eventstore
