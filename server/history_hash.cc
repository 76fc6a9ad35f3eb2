#include "server/history_hash.h"

#include "server/digest.h"

namespace retrace::server {
namespace {

std::string_view BytesOf(const eventstore::Sha256Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

}  // namespace

void HistoryHash::Add(std::string_view stored) {
  eventstore::Sha256Hasher hasher;
  hasher.Update(BytesOf(digest_));
  hasher.Update(BytesOf(eventstore::Sha256(stored)));
  digest_ = hasher.Finish();
}

std::string HistoryHash::text() const { return ShowDigest(digest_); }

}  // namespace retrace::server
