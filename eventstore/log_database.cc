#include "eventstore/log_database.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "eventstore/files.h"
#include "eventstore/log_keys.h"
#include "eventstore/rocks_status.h"
#include "fmt/format.h"
#include "google/protobuf/io/coded_stream.h"
#include "rocksdb/cache.h"
#include "rocksdb/convenience.h"
#include "rocksdb/file_checksum.h"
#include "rocksdb/listener.h"
#include "rocksdb/snapshot.h"
#include "rocksdb/table.h"
#include "rocksdb/utilities/checkpoint.h"

namespace retrace::eventstore {
namespace {

using store::v1::BatchRecord;
using store::v1::LogHeader;

constexpr char kBatchesFamily[] = "batches";

constexpr std::string_view kIfDamaged =
    "Copy the directories of log and witness aside, then recover from a backup (`retraced recover "
    "--from BACKUP --to DIRECTORY`); without one, `retraced accept-loss` continues with what can "
    "still be read.";

rocksdb::Slice AsSlice(std::string_view bytes) { return {bytes.data(), bytes.size()}; }
std::string_view AsView(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

rocksdb::CompressionType FastCompression() {
  const std::vector<rocksdb::CompressionType> supported = rocksdb::GetSupportedCompressions();
  const bool lz4 =
      std::find(supported.begin(), supported.end(), rocksdb::kLZ4Compression) != supported.end();
  return lz4 ? rocksdb::kLZ4Compression : rocksdb::kNoCompression;
}

bool IsReadOnly(DatabaseMode mode) {
  return mode == DatabaseMode::kReadOnly || mode == DatabaseMode::kReadOnlyUpToDamage;
}

bool StopsAtDamage(DatabaseMode mode) {
  return mode == DatabaseMode::kReadOnlyUpToDamage || mode == DatabaseMode::kUpToDamage ||
         mode == DatabaseMode::kSalvage;
}

rocksdb::ColumnFamilyOptions FamilyOptions(const rocksdb::Options& options, size_t memtable) {
  rocksdb::ColumnFamilyOptions family(options);
  family.write_buffer_size = memtable;
  return family;
}

}  // namespace

// Remembers the first failure of a flush or compaction and forbids RocksDB to recover by itself:
// what a failed sync lost stays lost, although the next one says OK.
class LogDatabase::FailureListener : public rocksdb::EventListener {
 public:
  void OnBackgroundError(rocksdb::BackgroundErrorReason, rocksdb::Status* status) override {
    absl::MutexLock lock(&mutex_);
    if (!failed_.load(std::memory_order_relaxed)) first_ = *status;
    failed_.store(true, std::memory_order_release);
  }
  void OnErrorRecoveryBegin(rocksdb::BackgroundErrorReason, rocksdb::Status,
                            bool* auto_recovery) override {
    *auto_recovery = false;
  }
  rocksdb::Status First() const {
    if (!failed_.load(std::memory_order_acquire)) return rocksdb::Status::OK();
    absl::MutexLock lock(&mutex_);
    return first_;
  }

 private:
  std::atomic<bool> failed_ = false;
  mutable absl::Mutex mutex_;
  rocksdb::Status first_ ABSL_GUARDED_BY(mutex_);
};

absl::StatusOr<DirectoryState> LogDatabase::Inspect(rocksdb::Env* env,
                                                    const std::string& directory) {
  std::vector<std::string> names;
  const rocksdb::Status status = ListDirectory(env, directory, &names);
  if (!status.ok()) {
    return FromRocks(status, "looking for a commit log in " + directory, kIfDamaged);
  }
  bool pieces = false;
  for (const std::string& name : names) {
    if (name == "CURRENT") return DirectoryState::kLog;
    // A creation that a crash cut short leaves its first manifest, and nothing that holds commits.
    pieces |= absl::EndsWith(name, ".sst") || absl::EndsWith(name, ".log") ||
              (absl::StartsWith(name, "MANIFEST-") && name != "MANIFEST-000001");
  }
  return pieces ? DirectoryState::kDamaged : DirectoryState::kEmpty;
}

LogDatabase::LogDatabase(rocksdb::Env* env, std::string directory)
    : env_(env), directory_(std::move(directory)), listener_(std::make_shared<FailureListener>()) {}

LogDatabase::~LogDatabase() {
  for (rocksdb::ColumnFamilyHandle* handle : handles_) {
    db_->DestroyColumnFamilyHandle(handle).PermitUncheckedError();
  }
}

// Each with its reason; design section 3.
rocksdb::Options LogDatabase::MakeOptions(DatabaseMode mode) const {
  rocksdb::Options options;
  options.env = env_;
  options.create_if_missing = mode == DatabaseMode::kCreate;
  options.error_if_exists = mode == DatabaseMode::kCreate;
  options.create_missing_column_families = true;
  // The default recovery opens OK after one flipped bit and drops every commit behind it. This mode
  // refuses, and accepts a torn last record, which a power cut leaves.
  options.wal_recovery_mode = StopsAtDamage(mode)
                                  ? rocksdb::WALRecoveryMode::kPointInTimeRecovery
                                  : rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  // A torn end is accepted in older logs, too; the manifest knows how long those must be.
  options.track_and_verify_wals_in_manifest = mode != DatabaseMode::kSalvage;
  options.paranoid_checks = true;
  options.force_consistency_checks = true;
  options.memtable_protection_bytes_per_key = 8;
  options.file_checksum_gen_factory = rocksdb::GetFileChecksumGenCrc32cFactory();
  // Recycled files hold valid old records behind the end.
  options.recycle_log_file_num = 0;
  // What recovery read may come from a lying page cache; flushing it writes it again.
  options.avoid_flush_during_recovery = false;
  // Two flushes at once may install in the wrong order after a failure (fixed after 7.8).
  options.max_background_flushes = 1;
  options.max_background_compactions = 1;
  // Never Resume(): see FailureListener.
  options.max_bgerror_resume_count = 0;
  options.listeners = {listener_};
  // Bounds what is replayed on open, and what the idle column family pins.
  options.max_total_wal_size = 128 << 20;
  // One thread writes.
  options.allow_concurrent_memtable_write = false;
  options.enable_write_thread_adaptive_yield = false;
  options.compression = FastCompression();
  options.level_compaction_dynamic_level_bytes = true;
  options.keep_log_file_num = 4;
  options.max_log_file_size = 4 << 20;
  options.info_log_level = rocksdb::WARN_LEVEL;
  if (IsReadOnly(mode)) options.info_log = SilentLogger();
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(32 << 20);
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.format_version = 5;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

absl::StatusOr<std::unique_ptr<LogDatabase>> LogDatabase::Open(rocksdb::Env* env,
                                                               const std::string& directory,
                                                               DatabaseMode mode) {
  std::unique_ptr<LogDatabase> log(new LogDatabase(env, directory));
  const rocksdb::Options options = log->MakeOptions(mode);
  // The batch records, rewritten with every group, lie apart: among the commits they would make
  // every file overlap every other, and compaction would copy what it could have moved.
  const std::vector<rocksdb::ColumnFamilyDescriptor> families = {
      {rocksdb::kDefaultColumnFamilyName, FamilyOptions(options, 32 << 20)},
      {kBatchesFamily, FamilyOptions(options, 4 << 20)}};
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status =
      IsReadOnly(mode)
          ? rocksdb::DB::OpenForReadOnly(options, directory, families, &log->handles_, &db)
          : rocksdb::DB::Open(options, directory, families, &log->handles_, &db);
  if (!status.ok()) return log->Translate(status, "opening");
  log->db_.reset(db);
  return log;
}

absl::Status LogDatabase::Translate(const rocksdb::Status& status, std::string_view doing) const {
  return FromRocks(status, fmt::format("{} the commit log in {}", doing, directory_), kIfDamaged);
}

absl::Status LogDatabase::Damaged(std::string_view what) const {
  return absl::DataLossError(
      fmt::format("the commit log in {} is damaged: {}. {}", directory_, what, kIfDamaged));
}

absl::Status LogDatabase::Write(rocksdb::WriteBatch* batch) {
  rocksdb::WriteOptions options;
  options.sync = true;
  return Translate(db_->Write(options, batch), "appending to");
}

rocksdb::Status LogDatabase::PutHeader(const LogHeader& header, rocksdb::WriteBatch* batch) const {
  const std::string content = header.SerializeAsString();
  const CheckSum sum = MakeCheckSum(kHeaderKey, content);
  const std::string value = std::string(sum.data(), sum.size()) + content;
  return batch->Put(batches(), AsSlice(kHeaderKey), value);
}

rocksdb::Status LogDatabase::PutBatchRecord(uint64_t number, std::string_view serialized,
                                            rocksdb::WriteBatch* batch) const {
  const std::string_view key = BatchRecordKey(number);
  const CheckSum sum = MakeCheckSum(key, serialized);
  const rocksdb::Slice key_part = AsSlice(key);
  const rocksdb::Slice value_parts[] = {{sum.data(), sum.size()}, AsSlice(serialized)};
  return batch->Put(batches(), rocksdb::SliceParts(&key_part, 1),
                    rocksdb::SliceParts(value_parts, 2));
}

absl::StatusOr<std::optional<BatchRecord>> LogDatabase::ReadBatchRecord(
    const rocksdb::ReadOptions& at, uint64_t number) const {
  const std::string_view key = BatchRecordKey(number);
  std::string value;
  const rocksdb::Status status = db_->Get(at, batches(), AsSlice(key), &value);
  if (status.IsNotFound()) return std::nullopt;
  if (!status.ok()) return Translate(status, "reading a batch record of");
  const std::optional<std::string_view> content = CheckedContent(key, value);
  BatchRecord record;
  if (!content.has_value() ||
      !record.ParseFromArray(content->data(), static_cast<int>(content->size())) ||
      BatchRecordKey(record.number()) != key || !AsDigest(record.chain_hash()).has_value() ||
      !AsDigest(record.previous_chain_hash()).has_value()) {
    return Damaged(fmt::format("the batch record under {} does not match its check sum", key));
  }
  return record;
}

absl::StatusOr<bool> LogDatabase::ReadHeader(const rocksdb::ReadOptions& at,
                                             LogHeader* header) const {
  std::string value;
  const rocksdb::Status status = db_->Get(at, batches(), AsSlice(kHeaderKey), &value);
  if (status.IsNotFound()) return false;
  if (!status.ok()) return Translate(status, "reading the header of");
  const std::optional<std::string_view> content = CheckedContent(kHeaderKey, value);
  if (!content.has_value() ||
      !header->ParseFromArray(content->data(), static_cast<int>(content->size()))) {
    return Damaged("the header does not match its check sum");
  }
  if (header->format() > kLogFormat) {
    return absl::FailedPreconditionError(fmt::format(
        "the commit log in {} has format {}; this build knows up to {}. Start a newer build.",
        directory_, header->format(), kLogFormat));
  }
  return true;
}

absl::StatusOr<std::map<TenantNumber, Head>> LogDatabase::ReadHeads(
    const rocksdb::ReadOptions& at) const {
  std::map<TenantNumber, Head> heads;
  const std::unique_ptr<rocksdb::Iterator> key(db_->NewIterator(at, commits()));
  for (key->SeekToFirst(); key->Valid(); key->Next()) {
    const std::optional<CommitPlace> first = ParseCommitKey(AsView(key->key()));
    if (!first.has_value()) return Damaged("it holds a key that is not a commit's");
    const CommitKey end = MakeCommitKey(first->tenant, kLatest);
    key->SeekForPrev({end.data(), end.size()});
    if (!key->Valid()) break;
    const std::optional<CommitPlace> last = ParseCommitKey(AsView(key->key()));
    if (!last.has_value() || last->tenant != first->tenant) {
      return Damaged("its keys are not in order");
    }
    const std::optional<std::string_view> bytes =
        CheckedContent(AsView(key->key()), AsView(key->value()));
    if (!bytes.has_value()) {
      return Damaged(fmt::format("tenant {}'s commit {} does not match its check sum", last->tenant,
                                 last->position));
    }
    if (const uint32_t reader = MinimumReader(*bytes); reader > kCommitReader) {
      return absl::FailedPreconditionError(fmt::format(
          "the commit log in {} was written by a newer build: tenant {}'s commit {} needs a "
          "reader of format {}, this build has {}. Start a build that has at least {}.",
          directory_, last->tenant, last->position, reader, kCommitReader, reader));
    }
    heads[last->tenant] = Head{last->position, Sha256(*bytes)};
  }
  if (!key->status().ok()) return Translate(key->status(), "reading the heads of");
  return heads;
}

absl::Status LogDatabase::CheckRecords(const LogEnd& end) const {
  if (end.last.epoch() != end.header.epoch()) return Damaged("header and batch record differ");
  if (end.last.number() == 0 && !end.heads.empty()) {
    return Damaged("it holds commits, but by its batch record none were written");
  }
  if (end.previous.has_value() && (end.previous->number() + 1 != end.last.number() ||
                                   end.previous->chain_hash() != end.last.previous_chain_hash())) {
    return Damaged("its two batch records do not follow one another");
  }
  return absl::OkStatus();
}

absl::Status LogDatabase::CheckLastBatch(const rocksdb::ReadOptions& at, const LogEnd& end) const {
  std::vector<Sha256Digest> hashes;
  for (const store::v1::TenantRange& range : end.last.tenants()) {
    const auto head = end.heads.find(range.tenant());
    const Position position = head == end.heads.end() ? kNoPosition : head->second.position;
    if (position != range.last()) {
      return Damaged(fmt::format("tenant {}'s last commit is {}, but by the last batch record {}",
                                 range.tenant(), position, range.last()));
    }
    absl::Status status = ReadCommitsAt(at, range.tenant(), range.first() - 1, range.last(),
                                        [&hashes](Position, std::string_view bytes) {
                                          hashes.push_back(Sha256(bytes));
                                          return true;
                                        });
    if (!status.ok()) return status;
  }
  const Sha256Digest previous = *AsDigest(end.last.previous_chain_hash());
  // A fresh log's record closes no group.
  const Sha256Digest expected = end.last.number() == 0 ? previous : ChainHash(previous, hashes);
  if (expected != *AsDigest(end.last.chain_hash())) {
    return Damaged("the last group of commits does not hash to its batch record");
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<LogEnd>> LogDatabase::ReadEnd() const {
  rocksdb::ManagedSnapshot snapshot(db_.get());
  rocksdb::ReadOptions at;
  at.snapshot = snapshot.snapshot();
  at.fill_cache = false;
  return ReadEndAt(at);
}

absl::StatusOr<std::optional<LogEnd>> LogDatabase::ReadEndAt(const rocksdb::ReadOptions& at) const {
  LogEnd end;
  absl::StatusOr<bool> header = ReadHeader(at, &end.header);
  if (!header.ok()) return header.status();
  absl::StatusOr<std::optional<BatchRecord>> last = ReadBatchRecord(at, 0);
  if (!last.ok()) return last.status();
  absl::StatusOr<std::optional<BatchRecord>> other = ReadBatchRecord(at, 1);
  if (!other.ok()) return other.status();
  absl::StatusOr<std::map<TenantNumber, Head>> heads = ReadHeads(at);
  if (!heads.ok()) return heads.status();
  end.heads = *std::move(heads);
  if (!last->has_value() || (other->has_value() && (*last)->number() < (*other)->number())) {
    std::swap(*last, *other);
  }
  if (!*header && !last->has_value() && end.heads.empty()) return std::nullopt;
  if (!*header) return Damaged("the header is missing");
  if (!last->has_value()) return Damaged("the batch records are missing");
  end.last = **std::move(last);
  end.previous = *std::move(other);
  absl::Status checked = CheckRecords(end);
  if (checked.ok()) checked = CheckLastBatch(at, end);
  if (!checked.ok()) return checked;
  return end;
}

absl::Status LogDatabase::ReadCommits(TenantNumber tenant, Position after, Position last,
                                      const Take& take) const {
  return ReadCommitsAt(rocksdb::ReadOptions(), tenant, after, last, take);
}

absl::Status LogDatabase::ReadCommitsAt(const rocksdb::ReadOptions& at, TenantNumber tenant,
                                        Position after, Position last, const Take& take) const {
  if (after >= last) return absl::OkStatus();
  const CommitKey begin = MakeCommitKey(tenant, after + 1);
  const CommitKey end = MakeCommitKey(tenant, last + 1);
  const rocksdb::Slice upper(end.data(), end.size());
  rocksdb::ReadOptions options = at;
  options.iterate_upper_bound = &upper;
  const std::unique_ptr<rocksdb::Iterator> key(db_->NewIterator(options, commits()));
  Position expected = after + 1;
  for (key->Seek({begin.data(), begin.size()}); key->Valid(); key->Next(), ++expected) {
    const std::optional<CommitPlace> place = ParseCommitKey(AsView(key->key()));
    if (!place.has_value() || place->tenant != tenant || place->position != expected) break;
    const std::optional<std::string_view> bytes =
        CheckedContent(AsView(key->key()), AsView(key->value()));
    if (!bytes.has_value()) {
      return Damaged(
          fmt::format("tenant {}'s commit {} does not match its check sum", tenant, expected));
    }
    if (!take(expected, *bytes)) return absl::OkStatus();
  }
  if (!key->status().ok()) {
    return Translate(key->status(),
                     fmt::format("reading tenant {}'s commit {} of", tenant, expected));
  }
  if (expected != last + 1) {
    return Damaged(fmt::format("tenant {}'s commit {} is missing", tenant, expected));
  }
  return absl::OkStatus();
}

absl::Status LogDatabase::Verify(const std::map<TenantNumber, Head>& heads,
                                 const std::function<bool()>& stopping) const {
  for (const auto& [tenant, head] : heads) {
    Sha256Digest last{};
    bool stopped = false;
    absl::Status status = ReadCommits(tenant, kNoPosition, head.position,
                                      [&](Position position, std::string_view bytes) {
                                        if (position == head.position) last = Sha256(bytes);
                                        stopped = stopping != nullptr && stopping();
                                        return !stopped;
                                      });
    if (!status.ok()) return status;
    if (stopped) return absl::CancelledError("the verification was stopped");
    if (last != head.commit_hash) {
      return Damaged(fmt::format("tenant {}'s commit {} is not the one that was written", tenant,
                                 head.position));
    }
  }
  if (stopping != nullptr && stopping()) {
    return absl::CancelledError("the verification was stopped");
  }
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  return Translate(db_->VerifyFileChecksums(options), "verifying the files of");
}

absl::Status LogDatabase::BackgroundFailure() const {
  return Translate(listener_->First(), "writing files of");
}

absl::Status LogDatabase::Copy(const std::string& directory) const {
  rocksdb::Status status = MakeDirectories(env_, ParentDirectory(directory));
  rocksdb::Checkpoint* opened = nullptr;
  if (status.ok()) status = rocksdb::Checkpoint::Create(db_.get(), &opened);
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(opened);
  if (status.ok()) status = checkpoint->CreateCheckpoint(directory);
  std::vector<std::string> names;
  if (status.ok()) status = ListDirectory(env_, directory, &names);
  // RocksDB 7.8 may leave the copied write-ahead log unsynced.
  for (const std::string& name : names) {
    if (status.ok()) status = SyncFile(env_, directory + "/" + name);
  }
  if (status.ok()) status = SyncDirectory(env_, directory);
  if (status.ok()) status = SyncDirectory(env_, ParentDirectory(directory));
  return FromRocks(status, fmt::format("copying the commit log in {} to {}", directory_, directory),
                   "Remove the unfinished copy and verify the log (`retrace admin verify`).");
}

Sha256Digest ChainHash(const Sha256Digest& previous, const std::vector<Sha256Digest>& commits) {
  Sha256Hasher hasher;
  hasher.Update(eventstore::AsView(previous));
  for (const Sha256Digest& commit : commits) hasher.Update(eventstore::AsView(commit));
  return hasher.Finish();
}

uint32_t MinimumReader(std::string_view commit) {
  using google::protobuf::io::CodedInputStream;
  CodedInputStream in(reinterpret_cast<const uint8_t*>(commit.data()),
                      static_cast<int>(commit.size()));
  while (const uint32_t tag = in.ReadTag()) {
    uint64_t value = 0;
    uint32_t size = 0;
    switch (tag & 7) {
      case 0:
        if (!in.ReadVarint64(&value)) return 0;
        if (tag >> 3 == store::v1::Commit::kMinimumReaderFieldNumber) {
          return static_cast<uint32_t>(value);
        }
        break;
      case 1:
        if (!in.Skip(8)) return 0;
        break;
      case 2:
        if (!in.ReadVarint32(&size) || !in.Skip(static_cast<int>(size))) return 0;
        break;
      case 5:
        if (!in.Skip(4)) return 0;
        break;
      default:
        return 0;
    }
  }
  return 0;
}

std::string Describe(const BatchRecord& record) {
  constexpr int kShown = 5;
  const std::optional<Sha256Digest> chain = AsDigest(record.chain_hash());
  std::string text =
      fmt::format("batch {} (chain hash {}, epoch {:016x}", record.number(),
                  chain.has_value() ? Hex(*chain).substr(0, 16) + "..." : "none", record.epoch());
  for (int i = 0; i < std::min(kShown, record.tenants_size()); ++i) {
    text +=
        fmt::format(", tenant {} up to {}", record.tenants(i).tenant(), record.tenants(i).last());
  }
  if (record.tenants_size() > kShown) {
    text += fmt::format(", {} more tenants", record.tenants_size() - kShown);
  }
  return text + ")";
}

}  // namespace retrace::eventstore
