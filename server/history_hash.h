// What a whole history comes to in one hash.
#pragma once

#include <string>
#include <string_view>

#include "eventstore/types.h"

namespace retrace::server {

// One hash over all commits: SHA-256(hash before, then SHA-256 of the stored bytes), from 32 zero
// bytes on.
class HistoryHash {
 public:
  void Add(std::string_view stored);
  const eventstore::Sha256Digest& digest() const { return digest_; }
  // Lower-case hexadecimal.
  std::string text() const;

 private:
  eventstore::Sha256Digest digest_{};
};

}  // namespace retrace::server
