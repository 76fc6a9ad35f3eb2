#include "eventstore/wrapped_keys.h"

#include <openssl/crypto.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "eventstore/aes_gcm.h"
#include "eventstore/files.h"
#include "eventstore/key_cache.h"
#include "eventstore/master_key.h"
#include "eventstore/rocks_status.h"
#include "fmt/format.h"
#include "retrace/store/v1/commit.pb.h"
#include "retrace/store/v1/keys.pb.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/table.h"
#include "rocksdb/utilities/checkpoint.h"

namespace retrace::eventstore {
namespace {

constexpr std::string_view kNextStep =
    "Restore the key store's directory from its own backup; without its keys the personal fields "
    "in the log cannot be read.";
constexpr std::string_view kCheck = "check";
constexpr std::string_view kTenant = "tenant";
constexpr std::string_view kSubject = "subject";

std::string CheckKey() { return std::string(1, '\x00'); }

std::string TenantKeyName(TenantNumber tenant) {
  std::string key(1, '\x01');
  AppendPiece(tenant, key);
  return key;
}

std::string SubjectKeyName(TenantNumber tenant, std::string_view id) {
  std::string key(1, '\x02');
  AppendPiece(tenant, key);
  key.append(id);
  return key;
}

std::string BatchesKey() { return std::string(1, '\x03'); }

std::string UnsweptKey() { return std::string(1, '\x04'); }

std::string WitnessDirectory(const std::string& directory) { return directory + "/witness"; }

// 0 when nothing was ever written; nothing when the value is damaged.
std::optional<uint64_t> BatchesIn(rocksdb::DB& db) {
  std::string value;
  const rocksdb::Status read = db.Get({}, BatchesKey(), &value);
  if (read.IsNotFound()) return 0;
  if (!read.ok() || value.size() != sizeof(uint64_t)) return std::nullopt;
  uint64_t batches = 0;
  for (const char byte : value) batches = (batches << 8) | static_cast<uint8_t>(byte);
  return batches;
}

uint64_t BatchesOf(const WitnessContents& witness) {
  return witness.last.has_value() ? witness.last->number() : 0;
}

store::v1::BatchRecord RecordOf(uint64_t batches) {
  store::v1::BatchRecord record;
  record.set_number(batches);
  return record;
}

std::string Bound(std::string_view purpose, TenantNumber tenant, std::string_view id) {
  std::string bound;
  AppendPiece("retrace wrapped key 1", bound);
  AppendPiece(purpose, bound);
  AppendPiece(tenant, bound);
  AppendPiece(id, bound);
  return bound;
}

std::string Wrap(const SecretKey& secret, std::string_view purpose, TenantNumber tenant,
                 std::string_view id, const SecretKey& under) {
  store::v1::WrappedKey wrapped;
  wrapped.set_tenant(tenant);
  wrapped.set_nonce(RandomBytes(kNonceSize));
  const std::string_view bytes(reinterpret_cast<const char*>(secret.data()), secret.size());
  wrapped.set_ciphertext(Encrypt(under, wrapped.nonce(), Bound(purpose, tenant, id), bytes));
  return wrapped.SerializeAsString();
}

bool Unwrap(const std::string& value, std::string_view purpose, TenantNumber tenant,
            std::string_view id, const SecretKey& under, SecretKey& secret) {
  store::v1::WrappedKey wrapped;
  std::string bytes;
  if (!wrapped.ParseFromString(value) || wrapped.tenant() != tenant ||
      !Decrypt(under, wrapped.nonce(), Bound(purpose, tenant, id), wrapped.ciphertext(), bytes) ||
      bytes.size() != secret.size()) {
    return false;
  }
  std::copy(bytes.begin(), bytes.end(), secret.begin());
  OPENSSL_cleanse(bytes.data(), bytes.size());
  return true;
}

rocksdb::Options DatabaseOptions(rocksdb::Env* env) {
  rocksdb::Options options;
  options.env = env;
  options.create_if_missing = true;
  // As for the commit log, and for its reasons: a flipped bit must not pass for a torn end, and a
  // failed sync is final.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kTolerateCorruptedTailRecords;
  options.track_and_verify_wals_in_manifest = true;
  options.paranoid_checks = true;
  options.memtable_protection_bytes_per_key = 8;
  options.recycle_log_file_num = 0;
  options.max_background_flushes = 1;
  options.max_background_compactions = 1;
  options.max_bgerror_resume_count = 0;
  options.write_buffer_size = 8u << 20;
  // Random bytes do not compress.
  options.compression = rocksdb::kNoCompression;
  options.keep_log_file_num = 4;
  options.info_log_level = rocksdb::WARN_LEVEL;
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = rocksdb::NewLRUCache(16u << 20);
  // Outside the cache: an index block would fill a whole shard of so small a one.
  table.cache_index_and_filter_blocks = false;
  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.format_version = 5;
  options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  return options;
}

// RocksDB makes a new database where CURRENT is missing, whatever else lies there or is gone.
absl::Status CheckComplete(rocksdb::Env* env, const std::string& directory,
                           const WitnessContents& witness) {
  std::vector<std::string> names;
  const rocksdb::Status listed = ListDirectory(env, directory, &names);
  if (!listed.ok()) return FromRocks(listed, fmt::format("keys in {}", directory), kNextStep);
  const bool current = std::find(names.begin(), names.end(), "CURRENT") != names.end();
  const bool remains = std::any_of(names.begin(), names.end(), [](const std::string& name) {
    return absl::EndsWith(name, ".sst") || absl::EndsWith(name, ".log");
  });
  if (current || (!remains && BatchesOf(witness) == 0)) return absl::OkStatus();
  return absl::DataLossError(fmt::format(
      "keys in {}: the file CURRENT is missing, but there were keys. {}", directory, kNextStep));
}

absl::Status MakePrivate(const std::string& directory) {
  if (chmod(directory.c_str(), 0700) == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      fmt::format("keys in {}: the directory cannot be closed to others (mode 0700): {}; check "
                  "its owner",
                  directory, std::strerror(errno)));
}

}  // namespace

WrappedKeys::WrappedKeys(std::string directory, std::string master_key_file,
                         const SecretKey& master_key, std::unique_ptr<DirectoryLock> lock,
                         std::unique_ptr<rocksdb::DB> db, bool on_disk)
    : directory_(std::move(directory)),
      master_key_file_(std::move(master_key_file)),
      master_key_(master_key),
      lock_(std::move(lock)),
      db_(std::move(db)),
      on_disk_(on_disk) {}

WrappedKeys::~WrappedKeys() { OPENSSL_cleanse(master_key_.data(), master_key_.size()); }

absl::StatusOr<std::unique_ptr<WrappedKeys>> WrappedKeys::Open(rocksdb::Env* env,
                                                               std::string directory,
                                                               const std::string& master_key_file) {
  absl::StatusOr<SecretKey> master_key = ReadMasterKey(master_key_file);
  if (!master_key.ok()) return master_key.status();
  const bool on_disk = env == nullptr;
  env = EnvOrDefault(env);
  const std::string doing = fmt::format("keys in {}", directory);
  const rocksdb::Status made = MakeDirectories(env, directory);
  if (!made.ok()) return FromRocks(made, doing, kNextStep);
  if (on_disk) {
    const absl::Status hidden = MakePrivate(directory);
    if (!hidden.ok()) return hidden;
  }
  auto lock = std::make_unique<DirectoryLock>();
  const rocksdb::Status locked = lock->Lock(env, directory);
  if (!locked.ok()) return FromRocks(locked, doing, kNextStep);
  const absl::StatusOr<WitnessContents> witness = ReadWitness(env, WitnessDirectory(directory));
  if (!witness.ok()) return witness.status();
  absl::StatusOr<std::unique_ptr<rocksdb::DB>> db = OpenDatabase(env, directory, *witness);
  if (!db.ok()) return db.status();
  std::unique_ptr<WrappedKeys> keys(new WrappedKeys(std::move(directory), master_key_file,
                                                    *master_key, std::move(lock), *std::move(db),
                                                    on_disk));
  OPENSSL_cleanse(master_key->data(), master_key->size());
  const absl::Status witnessed = keys->BeginWitness(*witness);
  if (!witnessed.ok()) return witnessed;
  const absl::Status fits = keys->CheckMasterKey();
  if (!fits.ok()) return fits;
  return keys;
}

absl::StatusOr<std::unique_ptr<rocksdb::DB>> WrappedKeys::OpenDatabase(
    rocksdb::Env* env, const std::string& directory, const WitnessContents& witness) {
  const std::string doing = fmt::format("keys in {}", directory);
  const absl::Status complete = CheckComplete(env, directory, witness);
  if (!complete.ok()) return complete;
  if (!witness.exists && !env->FileExists(directory + "/CURRENT").ok()) {
    // Says that nothing was given out yet, whatever a crash leaves of what is made next.
    const rocksdb::Status made = MakeDirectories(env, WitnessDirectory(directory));
    if (!made.ok()) return FromRocks(made, doing, kNextStep);
    const absl::Status begun = ReplaceWitness(env, WitnessDirectory(directory), RecordOf(0));
    if (!begun.ok()) return begun;
  }
  rocksdb::Options options = DatabaseOptions(env);
  rocksdb::DB* db = nullptr;
  const rocksdb::Status opened = rocksdb::DB::Open(options, directory, &db);
  if (opened.ok()) return std::unique_ptr<rocksdb::DB>(db);
  const absl::Status refused = FromRocks(opened, doing, kNextStep);
  if (!opened.IsCorruption() || !witness.last.has_value()) return refused;
  // A power cut may leave a last batch of full length with other bytes. When all that was witnessed
  // lies before the damage, nobody was told of the rest.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  options.track_and_verify_wals_in_manifest = false;
  if (!rocksdb::DB::OpenForReadOnly(options, directory, &db).ok()) return refused;
  const std::optional<uint64_t> batches = BatchesIn(*db);
  delete db;
  if (!batches.has_value() || *batches < BatchesOf(witness)) return refused;
  const rocksdb::Status salvaged = rocksdb::DB::Open(options, directory, &db);
  if (!salvaged.ok()) return FromRocks(salvaged, doing, kNextStep);
  return std::unique_ptr<rocksdb::DB>(db);
}

absl::Status WrappedKeys::BeginWitness(const WitnessContents& witness) {
  absl::MutexLock lock(&write_mutex_);
  const std::optional<uint64_t> batches = BatchesIn(*db_);
  if (!batches.has_value() || *batches < BatchesOf(witness)) {
    return absl::DataLossError(fmt::format(
        "keys in {} end with batch {}, but the witness beside them has seen batch {}: keys were "
        "lost. {}",
        directory_, batches.value_or(0), BatchesOf(witness), kNextStep));
  }
  if (witness.exists && !witness.last.has_value()) {
    return absl::DataLossError(
        fmt::format("keys in {}: the witness {} is damaged, so nobody can say whether keys were "
                    "lost. {} Or, if "
                    "you are sure that none were, remove that file",
                    directory_, WitnessPath(WitnessDirectory(directory_)), kNextStep));
  }
  batches_ = *batches;
  rocksdb::Env* const env = db_->GetEnv();
  const std::string directory = WitnessDirectory(directory_);
  const rocksdb::Status made = MakeDirectories(env, directory);
  if (!made.ok()) return ToStatus(made, "opening");
  const absl::Status replaced = ReplaceWitness(env, directory, RecordOf(batches_));
  if (!replaced.ok()) return replaced;
  absl::StatusOr<std::unique_ptr<Witness>> opened = Witness::Open(env, directory);
  if (!opened.ok()) return opened.status();
  witness_ = *std::move(opened);
  return absl::OkStatus();
}

absl::Status WrappedKeys::ToStatus(const rocksdb::Status& status, std::string_view doing) const {
  return FromRocks(status, fmt::format("{} keys in {}", doing, directory_), kNextStep);
}

absl::Status WrappedKeys::CheckMasterKey() {
  std::unique_ptr<rocksdb::Iterator> first(db_->NewIterator({}));
  first->SeekToFirst();
  if (!first->status().ok()) return ToStatus(first->status(), "reading");
  if (first->Valid()) return CheckMasterKey(*db_, directory_, master_key_, master_key_file_);
  // Nothing was ever written: the store begins here.
  SecretKey random{};
  const std::string bytes = RandomBytes(random.size());
  std::copy(bytes.begin(), bytes.end(), random.begin());
  rocksdb::WriteBatch batch;
  const rocksdb::Status put = batch.Put(CheckKey(), Wrap(random, kCheck, 0, "", master_key_));
  return put.ok() ? Write(batch) : ToStatus(put, "writing");
}

absl::Status WrappedKeys::CheckMasterKey(rocksdb::DB& db, const std::string& directory,
                                         const SecretKey& master_key,
                                         const std::string& master_key_file) {
  std::string value;
  const rocksdb::Status read = db.Get({}, CheckKey(), &value);
  if (read.IsNotFound()) {
    return absl::DataLossError(fmt::format(
        "keys in {}: the record that proves the master key is missing. {}", directory, kNextStep));
  }
  if (!read.ok()) return FromRocks(read, fmt::format("reading keys in {}", directory), kNextStep);
  SecretKey ignored{};
  if (Unwrap(value, kCheck, 0, "", master_key, ignored)) return absl::OkStatus();
  return absl::FailedPreconditionError(fmt::format(
      "the master key in {} is not the one that the keys in {} were made with; put the right file "
      "there",
      master_key_file, directory));
}

absl::Status WrappedKeys::VerifyCopy(const std::string& directory,
                                     const std::string& master_key_file) {
  absl::StatusOr<SecretKey> master_key = ReadMasterKey(master_key_file);
  if (!master_key.ok()) return master_key.status();
  const std::string doing = fmt::format("reading the copy of the keys in {}", directory);
  rocksdb::Options database = DatabaseOptions(EnvOrDefault(nullptr));
  database.info_log = SilentLogger();
  rocksdb::DB* opened = nullptr;
  const rocksdb::Status readable = rocksdb::DB::OpenForReadOnly(database, directory, &opened);
  if (!readable.ok()) return FromRocks(readable, doing, kNextStep);
  const std::unique_ptr<rocksdb::DB> copy(opened);
  const absl::Status fits = CheckMasterKey(*copy, directory, *master_key, master_key_file);
  OPENSSL_cleanse(master_key->data(), master_key->size());
  if (!fits.ok()) return fits;
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  const std::unique_ptr<rocksdb::Iterator> each(copy->NewIterator(options));
  for (each->SeekToFirst(); each->Valid();) each->Next();
  return FromRocks(each->status(), doing, kNextStep);
}

absl::StatusOr<SecretKey> WrappedKeys::Read(const std::string& key, std::string_view purpose,
                                            TenantNumber tenant, std::string_view id,
                                            const SecretKey& under) const {
  std::string value;
  const rocksdb::Status read = db_->Get({}, key, &value);
  const std::string name = fmt::format("{} key {} of tenant {}", purpose,
                                       absl::BytesToHexString(std::string(id)), tenant);
  if (read.IsNotFound()) {
    return absl::NotFoundError(fmt::format("keys in {}: there is no {}", directory_, name));
  }
  if (!read.ok()) return ToStatus(read, "reading");
  SecretKey secret{};
  if (Unwrap(value, purpose, tenant, id, under, secret)) return secret;
  store::v1::WrappedKey wrapped;
  if (wrapped.ParseFromString(value) && wrapped.destroyed()) {
    return absl::NotFoundError(fmt::format("keys in {}: the {} was destroyed", directory_, name));
  }
  return absl::DataLossError(
      fmt::format("keys in {}: the {} does not unwrap. {}", directory_, name, kNextStep));
}

absl::StatusOr<SecretKey> WrappedKeys::TenantKey(TenantNumber tenant) const {
  return Read(TenantKeyName(tenant), kTenant, tenant, "", master_key_);
}

absl::StatusOr<SecretKey> WrappedKeys::SubjectSecret(TenantNumber tenant, std::string_view id,
                                                     const SecretKey& tenant_key) const {
  return Read(SubjectKeyName(tenant, id), kSubject, tenant, id, tenant_key);
}

absl::StatusOr<WrappedKeys::Presence> WrappedKeys::PresenceOf(TenantNumber tenant,
                                                              std::string_view id) const {
  rocksdb::PinnableSlice value;
  const rocksdb::Status read =
      db_->Get({}, db_->DefaultColumnFamily(), SubjectKeyName(tenant, id), &value);
  if (read.IsNotFound()) return Presence::kNone;
  if (!read.ok()) return ToStatus(read, "reading");
  store::v1::WrappedKey wrapped;
  const bool parsed = wrapped.ParseFromArray(value.data(), static_cast<int>(value.size()));
  return parsed && wrapped.destroyed() ? Presence::kDestroyed : Presence::kThere;
}

absl::Status WrappedKeys::AddTenantKey(TenantNumber tenant, const SecretKey& secret) {
  rocksdb::WriteBatch batch;
  const rocksdb::Status put =
      batch.Put(TenantKeyName(tenant), Wrap(secret, kTenant, tenant, "", master_key_));
  return put.ok() ? Write(batch) : ToStatus(put, "writing");
}

absl::Status WrappedKeys::AddSubjectKeys(absl::Span<const Addition> additions) {
  rocksdb::WriteBatch batch;
  for (const Addition& addition : additions) {
    const rocksdb::Status put = batch.Put(
        SubjectKeyName(addition.tenant, addition.id),
        Wrap(addition.secret, kSubject, addition.tenant, addition.id, addition.tenant_key));
    if (!put.ok()) return ToStatus(put, "writing");
  }
  return Write(batch);
}

absl::Status WrappedKeys::Destroy(TenantNumber tenant, absl::Span<const std::string> ids) {
  store::v1::WrappedKey remains;
  remains.set_tenant(tenant);
  remains.set_destroyed(true);
  const std::string value = remains.SerializeAsString();
  rocksdb::WriteBatch batch;
  rocksdb::Status put = batch.Put(UnsweptKey(), "");
  for (const std::string& id : ids) {
    if (put.ok()) put = batch.Put(SubjectKeyName(tenant, id), value);
  }
  if (!put.ok()) return ToStatus(put, "destroying");
  absl::MutexLock lock(&write_mutex_);
  ++destructions_;
  return WriteLocked(batch);
}

absl::Status WrappedKeys::Sweep() {
  uint64_t swept = 0;
  {
    absl::MutexLock lock(&write_mutex_);
    std::string ignored;
    const rocksdb::Status unswept = db_->Get({}, UnsweptKey(), &ignored);
    if (unswept.IsNotFound()) return absl::OkStatus();
    if (!unswept.ok()) return ToStatus(unswept, "reading");
    swept = destructions_;
  }
  // A flush lets go of the write-ahead log.
  rocksdb::Status status = db_->Flush(rocksdb::FlushOptions());
  rocksdb::CompactRangeOptions options;
  options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForce;
  if (status.ok()) status = db_->CompactRange(options, nullptr, nullptr);
  if (!status.ok()) return ToStatus(status, "sweeping");
  absl::MutexLock lock(&write_mutex_);
  if (destructions_ != swept) return absl::OkStatus();  // of which files may hold bytes
  rocksdb::WriteBatch batch;
  const rocksdb::Status removed = batch.Delete(UnsweptKey());
  return removed.ok() ? WriteLocked(batch) : ToStatus(removed, "sweeping");
}

absl::Status WrappedKeys::Write(rocksdb::WriteBatch& batch) {
  absl::MutexLock lock(&write_mutex_);
  return WriteLocked(batch);
}

absl::Status WrappedKeys::WriteLocked(rocksdb::WriteBatch& batch) {
  std::string number;
  for (int shift = 56; shift >= 0; shift -= 8) {
    number.push_back(static_cast<char>((batches_ + 1) >> shift));
  }
  rocksdb::Status status = batch.Put(BatchesKey(), number);
  rocksdb::WriteOptions synced;
  synced.sync = true;
  synced.protection_bytes_per_key = 8;
  if (status.ok()) status = db_->Write(synced, &batch);
  if (!status.ok()) return ToStatus(status, "writing");
  const store::v1::BatchRecord record = RecordOf(++batches_);
  return witness_->Write(record, record.SerializeAsString());
}

absl::Status WrappedKeys::RemoveUnused(TenantNumber tenant,
                                       absl::Span<const std::string_view> ids) {
  rocksdb::WriteBatch batch;
  for (const std::string_view id : ids) {
    const rocksdb::Status removed = batch.Delete(SubjectKeyName(tenant, id));
    if (!removed.ok()) return ToStatus(removed, "removing");
  }
  return ToStatus(db_->Write({}, &batch), "removing");
}

absl::Status WrappedKeys::Checkpoint(const std::string& directory) const {
  rocksdb::Env* const env = db_->GetEnv();
  if (env->FileExists(directory).ok()) {
    return absl::FailedPreconditionError(
        fmt::format("copying the keys: {} is there already; name a new directory", directory));
  }
  const std::string doing = fmt::format("copying the keys in {} to {}", directory_, directory);
  rocksdb::Checkpoint* made = nullptr;
  const rocksdb::Status created = rocksdb::Checkpoint::Create(db_.get(), &made);
  const std::unique_ptr<rocksdb::Checkpoint> checkpoint(made);
  if (!created.ok()) return FromRocks(created, doing, kNextStep);
  const rocksdb::Status copied = checkpoint->CreateCheckpoint(directory);
  if (!copied.ok()) return FromRocks(copied, doing, kNextStep);
  if (on_disk_) {
    const absl::Status hidden = MakePrivate(directory);
    if (!hidden.ok()) return hidden;
  }
  // RocksDB 7.8 may leave the copied write-ahead log unsynced.
  std::vector<std::string> names;
  rocksdb::Status synced = ListDirectory(env, directory, &names);
  for (const std::string& name : names) {
    if (synced.ok()) synced = SyncFile(env, directory + "/" + name);
  }
  if (synced.ok()) synced = SyncDirectory(env, directory);
  if (synced.ok()) synced = SyncDirectory(env, ParentDirectory(directory));
  if (!synced.ok()) return FromRocks(synced, doing, kNextStep);
  // A copy is good when it opens and this master key fits it.
  rocksdb::DB* opened = nullptr;
  const rocksdb::Status readable =
      rocksdb::DB::OpenForReadOnly(DatabaseOptions(env), directory, &opened);
  if (!readable.ok()) return FromRocks(readable, doing, kNextStep);
  const std::unique_ptr<rocksdb::DB> copy(opened);
  return CheckMasterKey(*copy, directory, master_key_, master_key_file_);
}

}  // namespace retrace::eventstore
