// Opened subject keys, so that the same person's key is not unwrapped again and again.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "eventstore/key_store.h"
#include "eventstore/types.h"

namespace retrace::eventstore {

inline constexpr size_t kKeyIdSize = 16;

// Holds a fixed number of keys; which one makes room is chosen by the clock rule (the first that
// was not used since the hand passed last). A secret is cleansed when it leaves. Thread-safe.
class KeyCache {
 public:
  // `capacity` is rounded up to a multiple of the number of shards.
  explicit KeyCache(size_t capacity);
  ~KeyCache();
  KeyCache(const KeyCache&) = delete;
  KeyCache& operator=(const KeyCache&) = delete;

  // `key_id` is kKeyIdSize bytes. False when it is not here.
  bool Find(TenantNumber tenant, std::string_view key_id, SecretKey& secret) const;
  bool Contains(TenantNumber tenant, std::string_view key_id) const;
  void Insert(TenantNumber tenant, std::string_view key_id, const SecretKey& secret);
  void Erase(TenantNumber tenant, std::string_view key_id);
  size_t size() const;

 private:
  struct Name {
    TenantNumber tenant = 0;
    std::array<char, kKeyIdSize> id{};
    bool operator==(const Name&) const = default;
    template <typename H>
    friend H AbslHashValue(H state, const Name& name) {
      return H::combine(std::move(state), name.tenant, name.id);
    }
  };
  struct Slot {
    Name name;
    SecretKey secret{};
    bool taken = false;
    bool used = false;
  };
  struct Shard {
    mutable absl::Mutex mutex;
    // Made once at full size: growing would leave copies of secrets behind.
    std::vector<Slot> slots ABSL_GUARDED_BY(mutex);
    absl::flat_hash_map<Name, uint32_t> by_name ABSL_GUARDED_BY(mutex);
    size_t hand ABSL_GUARDED_BY(mutex) = 0;
  };
  static constexpr size_t kShards = 16;

  static Name NameOf(TenantNumber tenant, std::string_view key_id);
  Shard& ShardOf(const Name& name) const;
  static Slot& MakeRoom(Shard& shard) ABSL_EXCLUSIVE_LOCKS_REQUIRED(shard.mutex);

  const std::unique_ptr<std::array<Shard, kShards>> shards_;
};

}  // namespace retrace::eventstore
