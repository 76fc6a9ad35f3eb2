// The key store: one key per person, outside the log and its backups, so that destroying the key
// erases the person.
//
// Subject keys are wrapped by the tenant's key, that by the master key, which comes from a file.
// New keys come from a pool that is made and synced ahead in the background, so a commit never
// waits for a key's sync and never refers to a key that is not on disk.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "eventstore/types.h"

namespace rocksdb {
class Env;
}

namespace retrace::eventstore {

using SecretKey = std::array<uint8_t, 32>;

// A subject's key with its name.
struct SubjectKey {
  std::string id;  // 16 random bytes
  SecretKey secret{};
};

struct KeyStoreOptions {
  // Directory; made (0700) when missing.
  std::string directory;
  // File with the 32-byte master key in hexadecimal, mode 0600; others' access is refused.
  std::string master_key_file;
  // Called once when a write or sync failed; see RocksCommitLogOptions::on_failure. Never null.
  std::function<void(const absl::Status&)> on_failure;
  // For tests; null: the default one.
  rocksdb::Env* env = nullptr;
};

// Thread-safe.
class KeyStore {
 public:
  // Opens or creates. FAILED_PRECONDITION: the master key file is missing, unreadable, open to
  // others, malformed, or is not the one that this store was made with; or another process has the
  // store open. DATA_LOSS: damaged. Every message names file and next step.
  static absl::StatusOr<std::unique_ptr<KeyStore>> Open(KeyStoreOptions options);
  // Makes a master key file, mode 0600; ALREADY_EXISTS if there is one.
  static absl::Status MakeMasterKey(const std::string& file);
  // Reads the whole of a copy that Checkpoint made. The errors are Open's.
  static absl::Status VerifyCopy(const std::string& directory, const std::string& master_key_file);
  virtual ~KeyStore() = default;

  // A fresh key for a subject of the tenant; on disk and synced before this returns.
  virtual absl::StatusOr<SubjectKey> NewKey(TenantNumber tenant) = 0;
  // Destroys keys for ever; synced before this returns. That they were destroyed is remembered,
  // also of keys that were not there. To be called again after a crash: it changes nothing then.
  virtual absl::Status Destroy(TenantNumber tenant, absl::Span<const std::string> key_ids) = 0;
  // True of a key that was destroyed; false of one that is there, and of one that is lost.
  virtual absl::StatusOr<bool> WasDestroyed(TenantNumber tenant, std::string_view key_id) const = 0;
  // Destroyed keys can be opened by nobody through this store, but their bytes are still in files.
  // Rewrites the files, so that none holds those destroyed before it was called any more. Returns
  // at once when nothing waits.
  virtual absl::Status Sweep() = 0;
  // Adds keys that another store made, with their ids, but for those that were destroyed here;
  // synced before this returns.
  // INVALID_ARGUMENT when an id is none.
  virtual absl::Status Import(TenantNumber tenant, absl::Span<const SubjectKey> keys) = 0;
  // The key of that id. NOT_FOUND when it is not there (destroyed, or lost); DATA_LOSS when it does
  // not unwrap.
  virtual absl::StatusOr<SecretKey> Find(TenantNumber tenant, std::string_view key_id) const = 0;
  // True when the key is there; cheaper than Find.
  virtual absl::StatusOr<bool> Contains(TenantNumber tenant, std::string_view key_id) const = 0;
  // Key for HMACs of the tenant (request hashes, tokens); derived from the tenant's key, stable.
  virtual absl::StatusOr<SecretKey> MacKey(TenantNumber tenant) = 0;
  // A copy of the wrapped keys, synced; to be kept apart from the log's backup and not for long.
  // Sweep first, or its files may hold bytes of destroyed keys.
  virtual absl::Status Checkpoint(const std::string& directory) const = 0;
};

// HMAC-SHA256.
Sha256Digest Hmac(const SecretKey& key, std::string_view bytes);
// `size` bytes from the system's random source; never fails (aborts when the system cannot).
std::string RandomBytes(size_t size);

}  // namespace retrace::eventstore
