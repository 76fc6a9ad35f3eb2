// Fresh identifiers.
#pragma once

#include <cstdint>
#include <string>

namespace retrace::server {

// Thread-compatible. Draws random bytes in blocks, since every commit needs some.
class IdSource {
 public:
  // 16 random bytes.
  std::string CommitId() { return Random(16); }
  // 26 lower-case characters of Crockford's base 32: 48 bits of milliseconds, then 80 random bits,
  // so that ids sort by time of creation (the ULID format, https://github.com/ulid/spec).
  std::string EntityId(int64_t time_us);

 private:
  std::string Random(size_t size);

  std::string block_;
  size_t used_ = 0;
  int64_t last_ms_ = 0;
  std::string last_random_;
};

}  // namespace retrace::server
