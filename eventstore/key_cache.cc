#include "eventstore/key_cache.h"

#include <openssl/crypto.h>

#include <algorithm>

namespace retrace::eventstore {

KeyCache::KeyCache(size_t capacity) : shards_(std::make_unique<std::array<Shard, kShards>>()) {
  const size_t slots = std::max<size_t>(1, (capacity + kShards - 1) / kShards);
  for (Shard& shard : *shards_) {
    absl::MutexLock lock(&shard.mutex);
    shard.slots.resize(slots);
  }
}

KeyCache::~KeyCache() {
  for (Shard& shard : *shards_) {
    absl::MutexLock lock(&shard.mutex);
    for (Slot& slot : shard.slots) OPENSSL_cleanse(slot.secret.data(), slot.secret.size());
  }
}

KeyCache::Name KeyCache::NameOf(TenantNumber tenant, std::string_view key_id) {
  Name name{.tenant = tenant};
  std::copy_n(key_id.begin(), std::min(key_id.size(), kKeyIdSize), name.id.begin());
  return name;
}

KeyCache::Shard& KeyCache::ShardOf(const Name& name) const {
  // Ids are random.
  return (*shards_)[static_cast<uint8_t>(name.id[0]) % kShards];
}

bool KeyCache::Find(TenantNumber tenant, std::string_view key_id, SecretKey& secret) const {
  const Name name = NameOf(tenant, key_id);
  Shard& shard = ShardOf(name);
  absl::MutexLock lock(&shard.mutex);
  const auto found = shard.by_name.find(name);
  if (found == shard.by_name.end()) return false;
  Slot& slot = shard.slots[found->second];
  slot.used = true;
  secret = slot.secret;
  return true;
}

bool KeyCache::Contains(TenantNumber tenant, std::string_view key_id) const {
  const Name name = NameOf(tenant, key_id);
  Shard& shard = ShardOf(name);
  absl::MutexLock lock(&shard.mutex);
  return shard.by_name.contains(name);
}

void KeyCache::Insert(TenantNumber tenant, std::string_view key_id, const SecretKey& secret) {
  const Name name = NameOf(tenant, key_id);
  Shard& shard = ShardOf(name);
  absl::MutexLock lock(&shard.mutex);
  if (shard.by_name.contains(name)) return;  // another thread opened it, too
  Slot& slot = MakeRoom(shard);
  slot.name = name;
  slot.secret = secret;
  slot.taken = true;
  slot.used = false;
  shard.by_name.emplace(name, static_cast<uint32_t>(&slot - shard.slots.data()));
}

void KeyCache::Erase(TenantNumber tenant, std::string_view key_id) {
  const Name name = NameOf(tenant, key_id);
  Shard& shard = ShardOf(name);
  absl::MutexLock lock(&shard.mutex);
  const auto found = shard.by_name.find(name);
  if (found == shard.by_name.end()) return;
  Slot& slot = shard.slots[found->second];
  OPENSSL_cleanse(slot.secret.data(), slot.secret.size());
  slot.taken = false;
  shard.by_name.erase(found);
}

KeyCache::Slot& KeyCache::MakeRoom(Shard& shard) {
  while (true) {
    Slot& slot = shard.slots[shard.hand];
    shard.hand = (shard.hand + 1) % shard.slots.size();
    if (!slot.taken) return slot;
    if (slot.used) {
      slot.used = false;
      continue;
    }
    OPENSSL_cleanse(slot.secret.data(), slot.secret.size());
    shard.by_name.erase(slot.name);
    return slot;
  }
}

size_t KeyCache::size() const {
  size_t size = 0;
  for (const Shard& shard : *shards_) {
    absl::MutexLock lock(&shard.mutex);
    size += shard.by_name.size();
  }
  return size;
}

}  // namespace retrace::eventstore
