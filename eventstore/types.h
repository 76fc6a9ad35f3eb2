// The few words that everything in eventstore shares.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace retrace::eventstore {

// Number of a tenant, the first part of every key. 0 is the reserved tenant `system`.
using TenantNumber = uint32_t;
inline constexpr TenantNumber kSystemTenant = 0;

// Place of a commit in its tenant's order: 1, 2, 3 ...; 0 stands for "before the first".
using Position = uint64_t;
inline constexpr Position kNoPosition = 0;
// As-of position that means "whatever is newest".
inline constexpr Position kLatest = UINT64_MAX;

// Identifies one continuous life of a log: random, new when a log is created, recovered or
// continued after accepted loss.
using Epoch = uint64_t;

using Sha256Digest = std::array<uint8_t, 32>;

// SHA-256 of `bytes`.
Sha256Digest Sha256(std::string_view bytes);

// Incremental SHA-256. Thread-compatible.
class Sha256Hasher {
 public:
  Sha256Hasher();
  ~Sha256Hasher();
  Sha256Hasher(const Sha256Hasher&) = delete;
  Sha256Hasher& operator=(const Sha256Hasher&) = delete;
  void Update(std::string_view bytes);
  // Ends the computation; call once.
  Sha256Digest Finish();

 private:
  void* context_;
};

}  // namespace retrace::eventstore
