#include "eventstore/row_removals.h"

#include "absl/time/clock.h"
#include "eventstore/row_keys.h"
#include "retrace/store/v1/row.pb.h"

namespace retrace::eventstore {

rocksdb::Status WriteUnlogged(rocksdb::DB& db, rocksdb::WriteBatch& batch) {
  rocksdb::WriteOptions unlogged;
  unlogged.disableWAL = true;
  return db.Write(unlogged, &batch);
}

rocksdb::Status RowRemovals::Read() {
  std::string bytes;
  const rocksdb::Status read = db_.Get({}, PendingRemovalsKey(), &bytes);
  if (read.IsNotFound()) return rocksdb::Status::OK();
  if (!read.ok()) return read;
  store::v1::PendingRemovals stored;
  if (!stored.ParseFromString(bytes)) {
    return rocksdb::Status::Corruption("the note of pending removals is malformed");
  }
  absl::MutexLock lock(&mutex_);
  pending_.insert(stored.tables().begin(), stored.tables().end());
  pending_since_ = absl::FromUnixMicros(stored.since_us());
  return read;
}

rocksdb::Status RowRemovals::WriteAndNote(rocksdb::WriteBatch& batch,
                                          const std::set<std::string>& tables) {
  // Locked while it writes: what a sweep takes is in the database, and what it leaves is noted
  // there.
  absl::MutexLock lock(&mutex_);
  const absl::Time since = pending_.empty() ? absl::Now() : pending_since_;
  std::set<std::string> noted = pending_;
  noted.insert(swept_.begin(), swept_.end());
  noted.insert(tables.begin(), tables.end());
  store::v1::PendingRemovals stored;
  stored.set_since_us(absl::ToUnixMicros(swept_.empty() ? since : swept_since_));
  for (const std::string& table : noted) stored.add_tables(table);
  rocksdb::Status status = batch.Put(PendingRemovalsKey(), stored.SerializeAsString());
  if (status.ok()) status = WriteUnlogged(db_, batch);
  if (!status.ok()) return status;
  pending_since_ = since;
  pending_.insert(tables.begin(), tables.end());
  return status;
}

std::optional<absl::Time> RowRemovals::Oldest() const {
  absl::MutexLock lock(&mutex_);
  if (!swept_.empty()) return swept_since_;
  if (!pending_.empty()) return pending_since_;
  return std::nullopt;
}

rocksdb::Status RowRemovals::Sweep() {
  std::set<std::string> tables;
  {
    absl::MutexLock lock(&mutex_);
    if (pending_.empty()) return rocksdb::Status::OK();
    tables.swap(pending_);
    swept_ = tables;
    swept_since_ = pending_since_;
  }
  rocksdb::Status status = db_.Flush(rocksdb::FlushOptions());
  for (const std::string& table : tables) {
    if (status.ok()) status = Compact(table);
  }
  return status.ok() ? NoteSwept() : status;
}

rocksdb::Status RowRemovals::Compact(const std::string& table) const {
  rocksdb::CompactRangeOptions options;
  // Also where the last level has nothing to merge with: that is where the bytes lie.
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
  options.exclusive_manual_compaction = false;
  std::string end = table;  // the first key behind the table's
  while (!end.empty() && end.back() == '\xff') end.pop_back();
  if (!end.empty()) ++end.back();
  const rocksdb::Slice first(table), last(end);
  return db_.CompactRange(options, &first, end.empty() ? nullptr : &last);
}

rocksdb::Status RowRemovals::NoteSwept() {
  {
    absl::MutexLock lock(&mutex_);
    swept_.clear();
    // What was removed meanwhile is in the note already, and waits on.
    if (pending_.empty()) {
      rocksdb::WriteBatch batch;
      rocksdb::Status noted = batch.Delete(PendingRemovalsKey());
      if (noted.ok()) noted = WriteUnlogged(db_, batch);
      if (!noted.ok()) return noted;
    }
  }
  // The manifest that the last compaction wrote still names the files that it replaced; the next
  // one does not.
  return db_.Flush(rocksdb::FlushOptions());
}

}  // namespace retrace::eventstore
