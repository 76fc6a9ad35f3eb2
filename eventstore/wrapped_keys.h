// Wrapped keys on disk: the RocksDB below the key store.
//
//   00                      -> the check record: a random key under the master key
//   01 tenant               -> the tenant's key, under the master key
//   02 tenant key-id        -> a subject's key, under the tenant's
//   03                      -> how many batches of keys were written, 8 bytes, big endian
//   04                      -> there only while files may hold bytes of destroyed keys
//
// tenant: 4 bytes, big endian; key-id: 16 random bytes. Values are WrappedKey; bound to each are
// its purpose, tenant and key id, so that none stands for another.
//
// The number of batches is also written to a witness (witness.h) in a directory below, after each
// batch and before any of its keys is given out. A store that has fewer has lost keys and is
// refused; damage behind that number, which a power cut leaves in the write-ahead log, is dropped.
// A store without witness, such as a copy, is taken as it is.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/types/span.h"
#include "eventstore/files.h"
#include "eventstore/key_store.h"
#include "eventstore/types.h"
#include "eventstore/witness.h"
#include "rocksdb/db.h"

namespace retrace::eventstore {

// Thread-safe.
class WrappedKeys {
 public:
  // A subject's key to be stored.
  struct Addition {
    TenantNumber tenant = 0;
    std::string_view id;
    const SecretKey& secret;
    const SecretKey& tenant_key;
  };

  // See KeyStore::Open. A null `env` is the default one.
  static absl::StatusOr<std::unique_ptr<WrappedKeys>> Open(rocksdb::Env* env, std::string directory,
                                                           const std::string& master_key_file);
  ~WrappedKeys();
  WrappedKeys(const WrappedKeys&) = delete;
  WrappedKeys& operator=(const WrappedKeys&) = delete;

  // NOT_FOUND when the tenant has none; DATA_LOSS when it does not unwrap.
  absl::StatusOr<SecretKey> TenantKey(TenantNumber tenant) const;
  // NOT_FOUND when there is none, or it was destroyed; DATA_LOSS when it does not unwrap.
  absl::StatusOr<SecretKey> SubjectSecret(TenantNumber tenant, std::string_view id,
                                          const SecretKey& tenant_key) const;
  // What there is of a subject's key.
  enum class Presence { kNone, kThere, kDestroyed };
  absl::StatusOr<Presence> PresenceOf(TenantNumber tenant, std::string_view id) const;

  // All return when everything is synced. After an error the store must not be used any more.
  absl::Status AddTenantKey(TenantNumber tenant, const SecretKey& secret);
  absl::Status AddSubjectKeys(absl::Span<const Addition> additions);
  absl::Status Destroy(TenantNumber tenant, absl::Span<const std::string> ids);

  // See KeyStore.
  absl::Status Sweep();

  // Removes keys that nothing refers to; not synced.
  absl::Status RemoveUnused(TenantNumber tenant, absl::Span<const std::string_view> ids);

  // See KeyStore.
  absl::Status Checkpoint(const std::string& directory) const;
  static absl::Status VerifyCopy(const std::string& directory, const std::string& master_key_file);

 private:
  WrappedKeys(std::string directory, std::string master_key_file, const SecretKey& master_key,
              std::unique_ptr<DirectoryLock> lock, std::unique_ptr<rocksdb::DB> db, bool on_disk);

  // Opens the database, which the witness vouches for.
  static absl::StatusOr<std::unique_ptr<rocksdb::DB>> OpenDatabase(rocksdb::Env* env,
                                                                   const std::string& directory,
                                                                   const WitnessContents& witness);

  absl::Status ToStatus(const rocksdb::Status& status, std::string_view doing) const;
  absl::Status CheckMasterKey();
  absl::Status BeginWitness(const WitnessContents& witness);
  // That the keys in `db`, which lies in `directory`, were made with this master key.
  static absl::Status CheckMasterKey(rocksdb::DB& db, const std::string& directory,
                                     const SecretKey& master_key,
                                     const std::string& master_key_file);
  absl::StatusOr<SecretKey> Read(const std::string& key, std::string_view purpose,
                                 TenantNumber tenant, std::string_view id,
                                 const SecretKey& under) const;
  // Of keys: numbered, synced and witnessed.
  absl::Status Write(rocksdb::WriteBatch& batch) ABSL_LOCKS_EXCLUDED(write_mutex_);
  absl::Status WriteLocked(rocksdb::WriteBatch& batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(write_mutex_);

  const std::string directory_;
  const std::string master_key_file_;
  SecretKey master_key_;
  const std::unique_ptr<DirectoryLock> lock_;  // of the witness, too, which RocksDB's own is not
  const std::unique_ptr<rocksdb::DB> db_;
  const bool on_disk_;  // not in a test's file system
  absl::Mutex write_mutex_;
  uint64_t batches_ ABSL_GUARDED_BY(write_mutex_) = 0;
  uint64_t destructions_ ABSL_GUARDED_BY(write_mutex_) = 0;
  std::unique_ptr<Witness> witness_ ABSL_GUARDED_BY(write_mutex_);
};

}  // namespace retrace::eventstore
