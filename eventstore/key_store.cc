#include "eventstore/key_store.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "eventstore/key_cache.h"
#include "eventstore/wrapped_keys.h"
#include "fmt/format.h"

namespace retrace::eventstore {
namespace {

// A tenant's first pool; every refill doubles it, so that one with many new subjects soon waits for
// no sync, and one with few leaves few keys unused.
constexpr size_t kFirstPool = 16;
constexpr size_t kLargestPool = 1024;
constexpr size_t kCachedKeys = 65536;
constexpr std::string_view kMacPurpose = "retrace mac key 1";

void Cleanse(SecretKey& secret) { OPENSSL_cleanse(secret.data(), secret.size()); }

SecretKey RandomSecret() {
  SecretKey secret{};
  if (RAND_priv_bytes(secret.data(), static_cast<int>(secret.size())) != 1) {
    std::fputs("the system's random source failed\n", stderr);
    std::abort();
  }
  return secret;
}

// A tenant's key, what is derived from it, and keys made ahead for subjects to come.
struct TenantKeys {
  TenantKeys(TenantNumber tenant, const SecretKey& tenant_key)
      : number(tenant), secret(tenant_key), mac(Hmac(tenant_key, kMacPurpose)) {}
  ~TenantKeys() {
    Cleanse(secret);
    Cleanse(mac);
    absl::MutexLock lock(&mutex);
    for (SubjectKey& key : pool) Cleanse(key.secret);
  }
  TenantKeys(const TenantKeys&) = delete;
  TenantKeys& operator=(const TenantKeys&) = delete;

  const TenantNumber number;
  SecretKey secret;
  SecretKey mac;
  absl::Mutex mutex;
  // On disk, synced, and given to nobody. A deque, since it never moves what is in it.
  std::deque<SubjectKey> pool ABSL_GUARDED_BY(mutex);
  size_t pool_target ABSL_GUARDED_BY(mutex) = kFirstPool;
  bool refill_asked ABSL_GUARDED_BY(mutex) = false;
};

class PooledKeyStore final : public KeyStore {
 public:
  PooledKeyStore(std::function<void(const absl::Status&)> on_failure,
                 std::unique_ptr<WrappedKeys> wrapped)
      : on_failure_(std::move(on_failure)),
        wrapped_(std::move(wrapped)),
        cache_(kCachedKeys),
        refiller_([this] { RefillWhenAsked(); }) {}
  ~PooledKeyStore() override;

  absl::StatusOr<SubjectKey> NewKey(TenantNumber tenant) override;
  absl::Status Destroy(TenantNumber tenant, absl::Span<const std::string> key_ids) override;
  absl::StatusOr<bool> WasDestroyed(TenantNumber tenant, std::string_view key_id) const override;
  absl::Status Sweep() override;
  absl::Status Import(TenantNumber tenant, absl::Span<const SubjectKey> keys) override;
  absl::StatusOr<SecretKey> Find(TenantNumber tenant, std::string_view key_id) const override;
  absl::StatusOr<bool> Contains(TenantNumber tenant, std::string_view key_id) const override;
  absl::StatusOr<SecretKey> MacKey(TenantNumber tenant) override;
  absl::Status Checkpoint(const std::string& directory) const override;

 private:
  using Tenants = absl::flat_hash_map<TenantNumber, std::unique_ptr<TenantKeys>>;

  absl::Status Usable() const;
  absl::Status Fail(const absl::Status& cause);
  TenantKeys* Known(TenantNumber tenant) const ABSL_LOCKS_EXCLUDED(tenants_mutex_);
  // NOT_FOUND when the tenant has no key.
  absl::StatusOr<TenantKeys*> Load(TenantNumber tenant) const ABSL_LOCKS_EXCLUDED(load_mutex_);
  absl::StatusOr<TenantKeys*> LoadOrMake(TenantNumber tenant) ABSL_LOCKS_EXCLUDED(load_mutex_);
  TenantKeys* Remember(TenantNumber tenant, const SecretKey& secret) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(load_mutex_) ABSL_LOCKS_EXCLUDED(tenants_mutex_);
  void AskForRefill(TenantKeys& keys) ABSL_LOCKS_EXCLUDED(queue_mutex_);
  void RefillWhenAsked() ABSL_LOCKS_EXCLUDED(queue_mutex_);
  absl::Status Refill(absl::Span<TenantKeys* const> tenants) ABSL_LOCKS_EXCLUDED(refill_mutex_);

  const std::function<void(const absl::Status&)> on_failure_;
  const std::unique_ptr<WrappedKeys> wrapped_;
  mutable KeyCache cache_;
  std::atomic<uint64_t> destructions_ = 0;
  std::atomic<bool> failed_ = false;

  mutable absl::Mutex load_mutex_;  // held while a tenant's key is read or made
  mutable absl::Mutex tenants_mutex_ ABSL_ACQUIRED_AFTER(load_mutex_);
  mutable Tenants tenants_ ABSL_GUARDED_BY(tenants_mutex_);

  absl::Mutex refill_mutex_;  // held while keys are made and synced
  absl::Mutex queue_mutex_;
  std::vector<TenantKeys*> queue_ ABSL_GUARDED_BY(queue_mutex_);
  bool stopping_ ABSL_GUARDED_BY(queue_mutex_) = false;
  std::thread refiller_;  // last: it uses everything above
};

PooledKeyStore::~PooledKeyStore() {
  {
    absl::MutexLock lock(&queue_mutex_);
    stopping_ = true;
  }
  refiller_.join();
  if (failed_) return;
  // What nobody was given is of no use. A crash leaves it there, at most a pool for each tenant.
  absl::MutexLock lock(&tenants_mutex_);
  for (const auto& [number, keys] : tenants_) {
    absl::MutexLock pool_lock(&keys->mutex);
    std::vector<std::string_view> ids;
    for (const SubjectKey& key : keys->pool) ids.push_back(key.id);
    if (!wrapped_->RemoveUnused(number, ids).ok()) return;
  }
}

absl::Status PooledKeyStore::Usable() const {
  if (!failed_) return absl::OkStatus();
  return absl::UnavailableError(
      "the key store failed before and answers no more; see the first failure in the log, then "
      "start again");
}

absl::Status PooledKeyStore::Fail(const absl::Status& cause) {
  if (!failed_.exchange(true)) on_failure_(cause);
  return absl::UnavailableError(std::string(cause.message()));
}

TenantKeys* PooledKeyStore::Known(TenantNumber tenant) const {
  absl::ReaderMutexLock lock(&tenants_mutex_);
  const auto found = tenants_.find(tenant);
  return found == tenants_.end() ? nullptr : found->second.get();
}

TenantKeys* PooledKeyStore::Remember(TenantNumber tenant, const SecretKey& secret) const {
  absl::MutexLock lock(&tenants_mutex_);
  return tenants_.emplace(tenant, std::make_unique<TenantKeys>(tenant, secret)).first->second.get();
}

absl::StatusOr<TenantKeys*> PooledKeyStore::Load(TenantNumber tenant) const {
  if (TenantKeys* const known = Known(tenant)) return known;
  absl::MutexLock lock(&load_mutex_);
  if (TenantKeys* const known = Known(tenant)) return known;
  absl::StatusOr<SecretKey> secret = wrapped_->TenantKey(tenant);
  if (!secret.ok()) return secret.status();
  TenantKeys* const keys = Remember(tenant, *secret);
  Cleanse(*secret);
  return keys;
}

absl::StatusOr<TenantKeys*> PooledKeyStore::LoadOrMake(TenantNumber tenant) {
  absl::StatusOr<TenantKeys*> loaded = Load(tenant);
  if (!absl::IsNotFound(loaded.status())) return loaded;
  absl::MutexLock lock(&load_mutex_);
  if (TenantKeys* const known = Known(tenant)) return known;
  SecretKey secret = RandomSecret();
  const absl::Status added = wrapped_->AddTenantKey(tenant, secret);
  if (!added.ok()) return Fail(added);
  TenantKeys* const keys = Remember(tenant, secret);
  Cleanse(secret);
  return keys;
}

absl::StatusOr<SubjectKey> PooledKeyStore::NewKey(TenantNumber tenant) {
  absl::Status usable = Usable();
  if (!usable.ok()) return usable;
  absl::StatusOr<TenantKeys*> keys = LoadOrMake(tenant);
  if (!keys.ok()) return keys.status();
  while (true) {
    bool ask = false;
    {
      absl::MutexLock lock(&(*keys)->mutex);
      std::deque<SubjectKey>& pool = (*keys)->pool;
      if (!pool.empty()) {
        SubjectKey key = pool.front();
        Cleanse(pool.front().secret);
        pool.pop_front();
        ask = pool.size() < (*keys)->pool_target / 2 && !(*keys)->refill_asked;
        if (ask) {
          (*keys)->refill_asked = true;
          AskForRefill(**keys);
        }
        cache_.Insert(tenant, key.id, key.secret);
        return key;
      }
    }
    TenantKeys* const one = *keys;
    const absl::Status refilled = Refill({&one, 1});
    if (!refilled.ok()) return refilled;
  }
}

void PooledKeyStore::AskForRefill(TenantKeys& keys) {
  absl::MutexLock lock(&queue_mutex_);
  queue_.push_back(&keys);
}

void PooledKeyStore::RefillWhenAsked() {
  while (true) {
    std::vector<TenantKeys*> asked;
    {
      absl::MutexLock lock(&queue_mutex_);
      const auto something = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(queue_mutex_) {
        return stopping_ || !queue_.empty();
      };
      queue_mutex_.Await(absl::Condition(&something));
      if (stopping_) return;
      asked.swap(queue_);
    }
    // An error is latched and answered by every later call.
    if (!Refill(asked).ok()) return;
  }
}

absl::Status PooledKeyStore::Refill(absl::Span<TenantKeys* const> tenants) {
  absl::MutexLock refill(&refill_mutex_);
  absl::Status usable = Usable();
  if (!usable.ok()) return usable;
  std::deque<std::pair<TenantKeys*, SubjectKey>> made;
  for (TenantKeys* const keys : tenants) {
    absl::MutexLock lock(&keys->mutex);
    keys->refill_asked = false;
    // Another caller may have filled it while this one waited.
    if (keys->pool.size() >= keys->pool_target / 2) continue;
    for (size_t missing = keys->pool_target - keys->pool.size(); missing > 0; --missing) {
      made.emplace_back(keys, SubjectKey{RandomBytes(kKeyIdSize), RandomSecret()});
    }
    keys->pool_target = std::min(2 * keys->pool_target, kLargestPool);
  }
  if (made.empty()) return absl::OkStatus();
  std::vector<WrappedKeys::Addition> additions;
  additions.reserve(made.size());
  for (const auto& [keys, key] : made) {
    additions.push_back({keys->number, key.id, key.secret, keys->secret});
  }
  const absl::Status added = wrapped_->AddSubjectKeys(additions);
  for (auto& [keys, key] : made) {
    if (added.ok()) {
      absl::MutexLock lock(&keys->mutex);
      keys->pool.push_back(key);
    }
    Cleanse(key.secret);
  }
  return added.ok() ? absl::OkStatus() : Fail(added);
}

absl::Status PooledKeyStore::Import(TenantNumber tenant, absl::Span<const SubjectKey> keys) {
  absl::Status usable = Usable();
  if (!usable.ok()) return usable;
  if (keys.empty()) return absl::OkStatus();
  const absl::StatusOr<TenantKeys*> tenant_keys = LoadOrMake(tenant);
  if (!tenant_keys.ok()) return tenant_keys.status();
  std::vector<WrappedKeys::Addition> additions;
  additions.reserve(keys.size());
  for (const SubjectKey& key : keys) {
    if (key.id.size() != kKeyIdSize) {
      return absl::InvalidArgumentError(
          fmt::format("a key id has {} bytes, not {}", kKeyIdSize, key.id.size()));
    }
    const auto presence = wrapped_->PresenceOf(tenant, key.id);
    if (!presence.ok()) return presence.status();
    if (*presence == WrappedKeys::Presence::kDestroyed) continue;
    additions.push_back({tenant, key.id, key.secret, (*tenant_keys)->secret});
  }
  const absl::Status added = wrapped_->AddSubjectKeys(additions);
  return added.ok() ? added : Fail(added);
}

absl::StatusOr<SecretKey> PooledKeyStore::Find(TenantNumber tenant, std::string_view key_id) const {
  absl::Status usable = Usable();
  if (!usable.ok()) return usable;
  if (key_id.size() != kKeyIdSize) {
    return absl::NotFoundError(
        fmt::format("a key id has {} bytes, not {}", kKeyIdSize, key_id.size()));
  }
  SecretKey secret{};
  if (cache_.Find(tenant, key_id, secret)) return secret;
  const absl::StatusOr<TenantKeys*> keys = Load(tenant);
  if (!keys.ok()) {
    if (!absl::IsNotFound(keys.status())) return keys.status();
    const auto orphan = wrapped_->PresenceOf(tenant, key_id);
    if (!orphan.ok()) return orphan.status();
    if (*orphan != WrappedKeys::Presence::kThere) return keys.status();
    return absl::DataLossError(std::string(keys.status().message()) +
                               ", but there are keys wrapped by it");
  }
  const uint64_t destructions = destructions_;
  absl::StatusOr<SecretKey> found = wrapped_->SubjectSecret(tenant, key_id, (*keys)->secret);
  if (found.ok()) cache_.Insert(tenant, key_id, *found);
  // It may have been destroyed between the two.
  if (destructions != destructions_) cache_.Erase(tenant, key_id);
  return found;
}

absl::StatusOr<bool> PooledKeyStore::Contains(TenantNumber tenant, std::string_view key_id) const {
  absl::Status usable = Usable();
  if (!usable.ok()) return usable;
  if (key_id.size() != kKeyIdSize) return false;
  if (cache_.Contains(tenant, key_id)) return true;
  const auto presence = wrapped_->PresenceOf(tenant, key_id);
  if (!presence.ok()) return presence.status();
  return *presence == WrappedKeys::Presence::kThere;
}

absl::Status PooledKeyStore::Destroy(TenantNumber tenant, absl::Span<const std::string> key_ids) {
  absl::Status usable = Usable();
  if (!usable.ok()) return usable;
  std::vector<std::string> left;
  for (const std::string& id : key_ids) {
    if (id.size() != kKeyIdSize) {
      return absl::InvalidArgumentError(
          fmt::format("a key id has {} bytes, not {}", kKeyIdSize, id.size()));
    }
    const auto presence = wrapped_->PresenceOf(tenant, id);
    if (!presence.ok()) return presence.status();
    if (*presence != WrappedKeys::Presence::kDestroyed) left.push_back(id);
  }
  if (left.empty()) return absl::OkStatus();
  const absl::Status destroyed = wrapped_->Destroy(tenant, left);
  if (!destroyed.ok()) return Fail(destroyed);
  ++destructions_;
  for (const std::string& id : left) cache_.Erase(tenant, id);
  return absl::OkStatus();
}

absl::StatusOr<bool> PooledKeyStore::WasDestroyed(TenantNumber tenant,
                                                  std::string_view key_id) const {
  absl::Status usable = Usable();
  if (!usable.ok()) return usable;
  const auto presence = wrapped_->PresenceOf(tenant, key_id);
  if (!presence.ok()) return presence.status();
  return *presence == WrappedKeys::Presence::kDestroyed;
}

absl::Status PooledKeyStore::Sweep() {
  absl::Status usable = Usable();
  if (!usable.ok()) return usable;
  const absl::Status swept = wrapped_->Sweep();
  return swept.ok() ? swept : Fail(swept);
}

absl::StatusOr<SecretKey> PooledKeyStore::MacKey(TenantNumber tenant) {
  absl::Status usable = Usable();
  if (!usable.ok()) return usable;
  const absl::StatusOr<TenantKeys*> keys = LoadOrMake(tenant);
  if (!keys.ok()) return keys.status();
  return (*keys)->mac;
}

absl::Status PooledKeyStore::Checkpoint(const std::string& directory) const {
  absl::Status usable = Usable();
  return usable.ok() ? wrapped_->Checkpoint(directory) : usable;
}

// This thread's context: OpenSSL's one-shot HMAC looks its algorithm up each time, which costs
// several times the hashing.
EVP_MAC_CTX* HmacContext() {
  struct Owned {
    Owned() {
      EVP_MAC* algorithm = EVP_MAC_fetch(nullptr, "HMAC", nullptr);
      context = algorithm == nullptr ? nullptr : EVP_MAC_CTX_new(algorithm);
      EVP_MAC_free(algorithm);
      char digest[] = "SHA256";
      const OSSL_PARAM parameters[] = {
          OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
          OSSL_PARAM_construct_end()};
      if (context == nullptr || EVP_MAC_CTX_set_params(context, parameters) != 1) std::abort();
    }
    ~Owned() { EVP_MAC_CTX_free(context); }
    EVP_MAC_CTX* context = nullptr;
  };
  thread_local Owned owned;
  return owned.context;
}

}  // namespace

absl::Status KeyStore::VerifyCopy(const std::string& directory,
                                  const std::string& master_key_file) {
  return WrappedKeys::VerifyCopy(directory, master_key_file);
}

absl::StatusOr<std::unique_ptr<KeyStore>> KeyStore::Open(KeyStoreOptions options) {
  absl::StatusOr<std::unique_ptr<WrappedKeys>> wrapped =
      WrappedKeys::Open(options.env, options.directory, options.master_key_file);
  if (!wrapped.ok()) return wrapped.status();
  return std::make_unique<PooledKeyStore>(std::move(options.on_failure), *std::move(wrapped));
}

Sha256Digest Hmac(const SecretKey& key, std::string_view bytes) {
  Sha256Digest digest{};
  size_t size = digest.size();
  EVP_MAC_CTX* const context = HmacContext();
  if (EVP_MAC_init(context, key.data(), key.size(), nullptr) != 1 ||
      EVP_MAC_update(context, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size()) !=
          1 ||
      EVP_MAC_final(context, digest.data(), &size, digest.size()) != 1) {
    std::fputs("HMAC-SHA256 failed inside OpenSSL\n", stderr);
    std::abort();
  }
  return digest;
}

std::string RandomBytes(size_t size) {
  std::string bytes(size, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(size)) != 1) {
    std::fputs("the system's random source failed\n", stderr);
    std::abort();
  }
  return bytes;
}

}  // namespace retrace::eventstore
