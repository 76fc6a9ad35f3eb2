#include "server/ids.h"

#include "eventstore/key_store.h"

namespace retrace::server {
namespace {

constexpr char kAlphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";
constexpr size_t kBlock = 4096;

// Adds one to a big-endian number; false when it overflowed.
bool Increment(std::string& bytes) {
  for (size_t i = bytes.size(); i-- > 0;) {
    if (++bytes[i] != 0) return true;
  }
  return false;
}

}  // namespace

std::string IdSource::Random(size_t size) {
  if (block_.size() - used_ < size) {
    block_ = eventstore::RandomBytes(kBlock);
    used_ = 0;
  }
  used_ += size;
  return block_.substr(used_ - size, size);
}

std::string IdSource::EntityId(int64_t time_us) {
  const int64_t ms = time_us / 1000;
  // Within one millisecond ids count up, so that a batch keeps its order.
  if (ms != last_ms_ || !Increment(last_random_)) last_random_ = Random(10);
  last_ms_ = ms;

  std::string id(26, '0');
  uint64_t head = static_cast<uint64_t>(ms);
  for (size_t i = 10; i-- > 0; head >>= 5) id[i] = kAlphabet[head & 31];
  // 80 bits are 16 digits of five bits.
  unsigned bits = 0, held = 0;
  size_t out = 10;
  for (const char c : last_random_) {
    held = held << 8 | static_cast<uint8_t>(c);
    bits += 8;
    while (bits >= 5) {
      bits -= 5;
      id[out++] = kAlphabet[held >> bits & 31];
    }
    held &= (1u << bits) - 1;
  }
  return id;
}

}  // namespace retrace::server
