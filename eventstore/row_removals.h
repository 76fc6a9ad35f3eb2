// What was removed from rows but is still in files: noted in the database itself, and swept out.
//
// A removal hides a key at once; its bytes stay in table files until compaction meets them, and in
// the manifest, which names the first and last key of every file. Sweeping forces both.
#pragma once

#include <rocksdb/db.h>

#include <optional>
#include <set>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace retrace::eventstore {

// Writes without a write-ahead log, as everything of the row store is.
rocksdb::Status WriteUnlogged(rocksdb::DB& db, rocksdb::WriteBatch& batch);

// Thread-safe: one thread writes, one sweeps. Must not outlive the database.
class RowRemovals {
 public:
  explicit RowRemovals(rocksdb::DB& db) : db_(db) {}

  // Learns what an earlier process left. Called once, before all others.
  rocksdb::Status Read();
  // Writes a batch that removes keys of these tables (TableOf), with a note of it.
  rocksdb::Status WriteAndNote(rocksdb::WriteBatch& batch, const std::set<std::string>& tables)
      ABSL_LOCKS_EXCLUDED(mutex_);
  // See RowStore::Sweep and RowStore::OldestRemoval.
  rocksdb::Status Sweep() ABSL_LOCKS_EXCLUDED(mutex_);
  std::optional<absl::Time> Oldest() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  rocksdb::Status Compact(const std::string& table) const;
  rocksdb::Status NoteSwept() ABSL_LOCKS_EXCLUDED(mutex_);

  rocksdb::DB& db_;
  mutable absl::Mutex mutex_;
  std::set<std::string> pending_ ABSL_GUARDED_BY(mutex_);
  absl::Time pending_since_ ABSL_GUARDED_BY(mutex_);
  // Being swept.
  std::set<std::string> swept_ ABSL_GUARDED_BY(mutex_);
  absl::Time swept_since_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace retrace::eventstore
