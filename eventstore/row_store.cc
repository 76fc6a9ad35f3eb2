#include "eventstore/row_store.h"

#include <fmt/format.h>
#include <rocksdb/cache.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>

#include <algorithm>
#include <set>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/escaping.h"
#include "absl/synchronization/mutex.h"
#include "eventstore/files.h"
#include "eventstore/key_changes.h"
#include "eventstore/row_errors.h"
#include "eventstore/row_keys.h"
#include "eventstore/row_removals.h"
#include "eventstore/version_walk.h"
#include "retrace/store/v1/row.pb.h"

namespace retrace::eventstore {
namespace {

// Small, so that little is lost, and applied again, after an unclean stop.
constexpr size_t kMemtableBytes = 16u << 20;

rocksdb::Slice ToSlice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }
std::string_view View(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

rocksdb::BlockBasedTableOptions TableOptions(std::shared_ptr<rocksdb::Cache> cache) {
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = std::move(cache);
  // Index and filter blocks lie outside the cache, whole: a get costs 6.6 us that way, 7.7 with
  // them in the cache and 11.8 with partitions in the cache, on two busy cores. They take about 20
  // MiB for a million entities with eleven index entries each.
  table.cache_index_and_filter_blocks = false;
  table.block_size = 8u << 10;
  // Reads are seeks to a prefix; only checkpoints are ever read by their whole key.
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.whole_key_filtering = false;
  table.format_version = 5;
  return table;
}

rocksdb::Options DatabaseOptions(const RowStoreOptions& options,
                                 std::shared_ptr<rocksdb::Cache> cache) {
  rocksdb::Options result;
  if (options.env != nullptr) result.env = options.env;
  result.create_if_missing = true;
  result.paranoid_checks = true;
  // A failed write is final: the rows are thrown away, never resumed.
  result.max_bgerror_resume_count = 0;
  result.write_buffer_size = kMemtableBytes;
  result.max_write_buffer_number = 3;
  result.max_background_jobs = 2;
  result.allow_concurrent_memtable_write = false;  // one thread applies
  result.enable_write_thread_adaptive_yield = false;
  result.level_compaction_dynamic_level_bytes = true;
  result.compression = rocksdb::kLZ4Compression;
  result.prefix_extractor = RowPrefix();
  result.memtable_prefix_bloom_size_ratio = 0.1;
  // Begins the search for a key's place where the table's last key went.
  result.memtable_insert_with_hint_prefix_extractor = TablePrefix();
  result.keep_log_file_num = 4;
  // The manifest names the first and last key of every table file, and the log of the database
  // those of what it compacts. So each change of files begins a manifest without the old ones.
  result.max_manifest_file_size = 1;
  result.info_log_level = rocksdb::WARN_LEVEL;
  result.table_factory.reset(rocksdb::NewBlockBasedTableFactory(TableOptions(std::move(cache))));
  return result;
}

class WalkedIndexScan final : public IndexScan {
 public:
  WalkedIndexScan(rocksdb::DB& db, std::string directory, IndexRange range, WalkRange keys)
      : directory_(directory), range_(std::move(range)), walk_(db, directory, std::move(keys)) {}

  absl::StatusOr<std::optional<IndexEntry>> Next() override {
    while (true) {
      const absl::StatusOr<bool> found = walk_.Next();
      if (!found.ok()) return found.status();
      if (!*found) return std::nullopt;
      const std::string_view value = walk_.value();
      if (value.size() != 1 || static_cast<uint8_t>(value[0]) > uint8_t{2}) return Malformed();
      const Mark mark = static_cast<Mark>(value[0]);
      if (mark == Mark::kGone) continue;
      IndexEntry entry{.position = walk_.position(), .mark = mark};
      if (!ParseEntryStem(walk_.stem(), entry.value, entry.id)) return Malformed();
      return entry;
    }
  }

  void Seek(std::string_view value, std::string_view id) override {
    walk_.Seek(EntryStem(range_.tenant, range_.kind, range_.index, value, id));
  }

  size_t keys_read() const override { return walk_.keys_read(); }

 private:
  absl::Status Malformed() const {
    return DamagedRow(directory_, "a malformed index entry", walk_.stem());
  }

  const std::string directory_;
  const IndexRange range_;
  VersionWalk walk_;
};

class WalkedRowScan final : public RowScan {
 public:
  WalkedRowScan(rocksdb::DB& db, std::string directory, WalkRange keys)
      : directory_(directory), walk_(db, directory, std::move(keys)) {}

  absl::StatusOr<std::optional<RowAt>> Next() override {
    const absl::StatusOr<bool> found = walk_.Next();
    if (!found.ok()) return found.status();
    if (!*found) return std::nullopt;
    RowAt row{.position = walk_.position(), .bytes = std::string(walk_.value())};
    if (!ParseRowStem(walk_.stem(), row.kind, row.id)) {
      return DamagedRow(directory_, "a malformed row", walk_.stem());
    }
    return row;
  }

 private:
  const std::string directory_;
  VersionWalk walk_;
};

class RocksRowStore final : public RowStore {
 public:
  RocksRowStore(RowStoreOptions options, std::shared_ptr<rocksdb::Cache> cache,
                std::unique_ptr<rocksdb::DB> db)
      : options_(std::move(options)),
        cache_(std::move(cache)),
        db_(std::move(db)),
        removals_(*db_) {}

  absl::Status CheckLayoutStamp();
  absl::Status ReadRemovals() { return ToStatus(removals_.Read()); }

  absl::Status Apply(absl::Span<const RowChanges> commits) override ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Flush() override;
  absl::Status Sweep() override ABSL_LOCKS_EXCLUDED(mutex_);
  std::optional<absl::Time> OldestRemoval() const override { return removals_.Oldest(); }
  absl::StatusOr<RowsCheckpoint> CheckpointOf(TenantNumber tenant) const override
      ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<std::vector<TenantNumber>> Tenants() const override;
  absl::StatusOr<std::optional<RowVersion>> Get(TenantNumber tenant, KindNumber kind,
                                                std::string_view id, Position as_of) const override;
  absl::StatusOr<std::vector<RowVersion>> Versions(TenantNumber tenant, KindNumber kind,
                                                   std::string_view id, Position as_of,
                                                   size_t limit) const override;
  std::unique_ptr<IndexScan> ScanIndex(const IndexRange& range, Position as_of,
                                       bool backwards) const override;
  std::unique_ptr<RowScan> ScanRows(TenantNumber tenant, KindNumber first_kind,
                                    KindNumber last_kind, Position as_of) const override;
  absl::StatusOr<Sha256Digest> FullDigest(TenantNumber tenant) const override;
  size_t MemoryBytes() const override;

 private:
  using Checkpoints = absl::flat_hash_map<TenantNumber, RowsCheckpoint>;

  absl::Status ToStatus(const rocksdb::Status& status) const {
    return RowsStatus(status, options_.directory);
  }
  absl::StatusOr<RowsCheckpoint> ReadCheckpoint(TenantNumber tenant) const;
  absl::StatusOr<RowsCheckpoint> ParseCheckpoint(TenantNumber tenant, std::string_view bytes) const;
  absl::StatusOr<Checkpoints> CheckpointsAfter(absl::Span<const RowChanges> commits) const;
  // A failure is final.
  absl::Status Latched(rocksdb::Status status) ABSL_LOCKS_EXCLUDED(mutex_);

  const RowStoreOptions options_;
  const std::shared_ptr<rocksdb::Cache> cache_;
  const std::unique_ptr<rocksdb::DB> db_;
  RowRemovals removals_;
  mutable absl::Mutex mutex_;
  // Those asked for so far; what is on disk follows.
  mutable Checkpoints checkpoints_ ABSL_GUARDED_BY(mutex_);
  // Why the store must not be written to any more.
  absl::Status failure_ ABSL_GUARDED_BY(mutex_);
};

absl::Status RocksRowStore::CheckLayoutStamp() {
  std::string stored;
  const rocksdb::Status read = db_->Get({}, LayoutStampKey(), &stored);
  if (read.ok()) {
    if (stored == options_.layout_stamp) return absl::OkStatus();
    return absl::FailedPreconditionError(fmt::format(
        "layout stamp of the rows in {} is {}, this program's is {}: build new rows beside them",
        options_.directory, absl::BytesToHexString(stored),
        absl::BytesToHexString(options_.layout_stamp)));
  }
  if (!read.IsNotFound()) return ToStatus(read);
  std::unique_ptr<rocksdb::Iterator> any(db_->NewIterator({}));
  any->SeekToFirst();
  if (any->Valid()) {
    return DamagedRow(options_.directory, "no layout stamp", LayoutStampKey());
  }
  if (!any->status().ok()) return ToStatus(any->status());
  rocksdb::WriteBatch batch;
  rocksdb::Status written = batch.Put(LayoutStampKey(), ToSlice(options_.layout_stamp));
  if (written.ok()) written = WriteUnlogged(*db_, batch);
  return written.ok() ? Flush() : ToStatus(written);
}

absl::Status RocksRowStore::Apply(absl::Span<const RowChanges> commits) {
  absl::StatusOr<Checkpoints> checkpoints = CheckpointsAfter(commits);
  if (!checkpoints.ok()) return checkpoints.status();
  rocksdb::WriteBatch batch;
  rocksdb::Status put;
  std::set<std::string> removed_from;
  for (const KeyChange& change : SortedKeys(commits)) {
    if (!put.ok()) break;
    if (!change.value.has_value()) removed_from.emplace(TableOf(change.key));
    put = change.value.has_value() ? batch.Put(change.key, ToSlice(*change.value))
                                   : batch.Delete(change.key);
  }
  for (const auto& [tenant, checkpoint] : *checkpoints) {
    store::v1::RowsCheckpoint stored;
    stored.set_epoch(checkpoint.epoch);
    stored.set_position(checkpoint.position);
    stored.set_commit_hash(checkpoint.commit_hash.data(), checkpoint.commit_hash.size());
    if (put.ok()) put = batch.Put(CheckpointKey(tenant), stored.SerializeAsString());
  }
  if (!put.ok()) return ToStatus(put);
  const absl::Status written =
      Latched(removed_from.empty() ? WriteUnlogged(*db_, batch)
                                   : removals_.WriteAndNote(batch, removed_from));
  if (!written.ok()) return written;
  absl::MutexLock lock(&mutex_);
  for (const auto& [tenant, checkpoint] : *checkpoints) checkpoints_[tenant] = checkpoint;
  return absl::OkStatus();
}

absl::StatusOr<RocksRowStore::Checkpoints> RocksRowStore::CheckpointsAfter(
    absl::Span<const RowChanges> commits) const {
  {
    absl::MutexLock lock(&mutex_);
    if (!failure_.ok()) return failure_;
  }
  Checkpoints after;
  for (const RowChanges& commit : commits) {
    auto found = after.find(commit.tenant);
    if (found == after.end()) {
      absl::StatusOr<RowsCheckpoint> before = CheckpointOf(commit.tenant);
      if (!before.ok()) return before.status();
      found = after.emplace(commit.tenant, *before).first;
    }
    if (commit.position != found->second.position + 1) {
      return absl::InternalError(
          fmt::format("commit {} of tenant {} cannot follow the rows at position {}: nothing of "
                      "the batch was applied",
                      commit.position, commit.tenant, found->second.position));
    }
    found->second = {commit.epoch, commit.position, commit.commit_hash};
  }
  return after;
}

absl::Status RocksRowStore::Sweep() {
  {
    absl::MutexLock lock(&mutex_);
    if (!failure_.ok()) return failure_;
  }
  return Latched(removals_.Sweep());
}

absl::Status RocksRowStore::Latched(rocksdb::Status status) {
  const absl::Status result = ToStatus(status);
  if (result.ok()) return result;
  absl::MutexLock lock(&mutex_);
  failure_ = result;
  return result;
}

absl::Status RocksRowStore::Flush() { return Latched(db_->Flush(rocksdb::FlushOptions())); }

absl::StatusOr<RowsCheckpoint> RocksRowStore::CheckpointOf(TenantNumber tenant) const {
  // Read under the lock: an older checkpoint must not replace one that Apply noted meanwhile.
  absl::MutexLock lock(&mutex_);
  const auto known = checkpoints_.find(tenant);
  if (known != checkpoints_.end()) return known->second;
  absl::StatusOr<RowsCheckpoint> read = ReadCheckpoint(tenant);
  if (read.ok() && read->position != kNoPosition) checkpoints_[tenant] = *read;
  return read;
}

absl::StatusOr<RowsCheckpoint> RocksRowStore::ReadCheckpoint(TenantNumber tenant) const {
  std::string bytes;
  const rocksdb::Status read = db_->Get({}, CheckpointKey(tenant), &bytes);
  if (read.IsNotFound()) return RowsCheckpoint{};
  if (!read.ok()) return ToStatus(read);
  return ParseCheckpoint(tenant, bytes);
}

absl::StatusOr<RowsCheckpoint> RocksRowStore::ParseCheckpoint(TenantNumber tenant,
                                                              std::string_view bytes) const {
  store::v1::RowsCheckpoint stored;
  RowsCheckpoint checkpoint;
  if (!stored.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) ||
      stored.commit_hash().size() != checkpoint.commit_hash.size() ||
      stored.position() == kNoPosition) {
    return DamagedRow(options_.directory, "a malformed checkpoint", CheckpointKey(tenant));
  }
  checkpoint.epoch = stored.epoch();
  checkpoint.position = stored.position();
  std::copy(stored.commit_hash().begin(), stored.commit_hash().end(),
            checkpoint.commit_hash.begin());
  return checkpoint;
}

absl::StatusOr<std::vector<TenantNumber>> RocksRowStore::Tenants() const {
  rocksdb::ReadOptions options;
  options.total_order_seek = true;
  std::unique_ptr<rocksdb::Iterator> iterator(db_->NewIterator(options));
  std::vector<TenantNumber> tenants;
  // A tenant's checkpoint is its first key.
  for (iterator->Seek(FirstKeyOf(kSystemTenant)); iterator->Valid();
       iterator->Seek(EndOf(tenants.back()))) {
    if (!IsCheckpointKey(View(iterator->key()))) {
      return DamagedRow(options_.directory, "a tenant without a checkpoint", View(iterator->key()));
    }
    tenants.push_back(TenantOf(View(iterator->key())));
  }
  if (!iterator->status().ok()) return ToStatus(iterator->status());
  return tenants;
}

absl::StatusOr<std::optional<RowVersion>> RocksRowStore::Get(TenantNumber tenant, KindNumber kind,
                                                             std::string_view id,
                                                             Position as_of) const {
  absl::StatusOr<std::vector<RowVersion>> versions = Versions(tenant, kind, id, as_of, 1);
  if (!versions.ok()) return versions.status();
  if (versions->empty()) return std::nullopt;
  return std::move(versions->front());
}

absl::StatusOr<std::vector<RowVersion>> RocksRowStore::Versions(TenantNumber tenant,
                                                                KindNumber kind,
                                                                std::string_view id, Position as_of,
                                                                size_t limit) const {
  std::string target = RowStem(tenant, kind, id);
  const size_t stem_size = target.size();
  AppendPosition(as_of, target);
  const std::string_view stem = std::string_view(target).substr(0, stem_size);
  rocksdb::ReadOptions options;
  options.prefix_same_as_start = true;  // the stem of a row is its prefix
  options.background_purge_on_iterator_cleanup = true;
  std::unique_ptr<rocksdb::Iterator> iterator(db_->NewIterator(options));
  std::vector<RowVersion> versions;
  if (limit > 0) iterator->Seek(target);
  while (versions.size() < limit && iterator->Valid()) {
    const std::string_view key = View(iterator->key());
    if (key.size() != target.size() || StemOf(key) != stem) break;
    versions.push_back({PositionOf(key), iterator->value().ToString()});
    if (versions.size() < limit) iterator->Next();
  }
  if (!iterator->status().ok()) return ToStatus(iterator->status());
  return versions;
}

std::unique_ptr<IndexScan> RocksRowStore::ScanIndex(const IndexRange& range, Position as_of,
                                                    bool backwards) const {
  WalkRange keys{.as_of = as_of, .backwards = backwards};
  keys.lower = FirstEntryOf(range.tenant, range.kind, range.index, range.lower);
  keys.upper = range.upper.empty()
                   ? EndOfEntries(range.tenant, range.kind, range.index)
                   : FirstEntryOf(range.tenant, range.kind, range.index, range.upper);
  const bool one_value = range.upper.size() == range.lower.size() + 1 &&
                         range.upper.back() == '\0' &&
                         range.upper.compare(0, range.lower.size(), range.lower) == 0;
  keys.one_prefix = one_value && !backwards;
  return std::make_unique<WalkedIndexScan>(*db_, options_.directory, range, std::move(keys));
}

std::unique_ptr<RowScan> RocksRowStore::ScanRows(TenantNumber tenant, KindNumber first_kind,
                                                 KindNumber last_kind, Position as_of) const {
  WalkRange keys{.as_of = as_of, .once = true};
  keys.lower = FirstRowOf(tenant, first_kind);
  keys.upper = last_kind == UINT16_MAX ? EndOfRows(tenant)
                                       : FirstRowOf(tenant, static_cast<KindNumber>(last_kind + 1));
  return std::make_unique<WalkedRowScan>(*db_, options_.directory, std::move(keys));
}

absl::StatusOr<Sha256Digest> RocksRowStore::FullDigest(TenantNumber tenant) const {
  const std::string end = EndOf(tenant);
  const rocksdb::Slice upper(end);
  rocksdb::ReadOptions options;
  options.iterate_upper_bound = &upper;
  options.total_order_seek = true;
  options.fill_cache = false;
  options.readahead_size = 2u << 20;
  std::unique_ptr<rocksdb::Iterator> iterator(db_->NewIterator(options));
  Sha256Hasher hasher;
  const auto update = [&hasher](std::string_view bytes) {
    const uint64_t size = bytes.size();
    char prefix[sizeof(size)];
    for (size_t i = 0; i < sizeof(size); ++i) prefix[i] = static_cast<char>(size >> (8 * i));
    hasher.Update({prefix, sizeof(prefix)});
    hasher.Update(bytes);
  };
  for (iterator->Seek(FirstKeyOf(tenant)); iterator->Valid(); iterator->Next()) {
    const std::string_view key = View(iterator->key());
    update(key);
    if (!IsCheckpointKey(key)) {
      update(View(iterator->value()));
      continue;
    }
    absl::StatusOr<RowsCheckpoint> checkpoint = ParseCheckpoint(tenant, View(iterator->value()));
    if (!checkpoint.ok()) return checkpoint.status();
    update(fmt::format("{}", checkpoint->position));
    const Sha256Digest& hash = checkpoint->commit_hash;
    update(std::string(hash.begin(), hash.end()));
  }
  if (!iterator->status().ok()) return ToStatus(iterator->status());
  return hasher.Finish();
}

size_t RocksRowStore::MemoryBytes() const {
  size_t bytes = cache_->GetUsage();
  for (const std::string& property : {rocksdb::DB::Properties::kSizeAllMemTables,
                                      rocksdb::DB::Properties::kEstimateTableReadersMem}) {
    uint64_t value = 0;
    if (db_->GetIntProperty(property, &value)) bytes += value;
  }
  return bytes;
}

}  // namespace

absl::StatusOr<std::unique_ptr<RowStore>> RowStore::Open(RowStoreOptions options) {
  std::shared_ptr<rocksdb::Cache> cache = rocksdb::NewLRUCache(options.cache_bytes);
  rocksdb::DB* opened = nullptr;
  const rocksdb::Options database = DatabaseOptions(options, cache);
  const rocksdb::Status created = MakeDirectories(database.env, options.directory);
  if (!created.ok()) return RowsStatus(created, options.directory);
  const rocksdb::Status status = rocksdb::DB::Open(database, options.directory, &opened);
  if (!status.ok()) return RowsStatus(status, options.directory);
  auto store = std::make_unique<RocksRowStore>(std::move(options), std::move(cache),
                                               std::unique_ptr<rocksdb::DB>(opened));
  const absl::Status stamp = store->CheckLayoutStamp();
  if (!stamp.ok()) return stamp;
  const absl::Status removals = store->ReadRemovals();
  if (!removals.ok()) return removals;
  return store;
}

}  // namespace retrace::eventstore
