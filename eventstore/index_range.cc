#include <string>
#include <string_view>

#include "eventstore/row_store.h"

namespace retrace::eventstore {

IndexRange IndexRange::Prefix(TenantNumber tenant, KindNumber kind, IndexNumber index,
                              std::string_view prefix) {
  IndexRange range{.tenant = tenant, .kind = kind, .index = index, .lower = std::string(prefix)};
  // The first value after all that begin with the prefix; none after a prefix of only ff.
  range.upper = prefix;
  while (!range.upper.empty() && range.upper.back() == '\xff') range.upper.pop_back();
  if (!range.upper.empty()) ++range.upper.back();
  return range;
}

IndexRange IndexRange::Exactly(TenantNumber tenant, KindNumber kind, IndexNumber index,
                               std::string_view value) {
  IndexRange range{.tenant = tenant, .kind = kind, .index = index, .lower = std::string(value)};
  range.upper = range.lower + '\0';
  return range;
}

std::string EncodeOrdered(int64_t number) {
  // With the sign bit inverted, unsigned order is signed order.
  const uint64_t shifted = static_cast<uint64_t>(number) ^ (uint64_t{1} << 63);
  std::string bytes;
  for (int shift = 56; shift >= 0; shift -= 8) bytes.push_back(static_cast<char>(shifted >> shift));
  return bytes;
}

int64_t DecodeOrdered(std::string_view bytes) {
  uint64_t shifted = 0;
  for (size_t i = 0; i < sizeof(shifted); ++i) {
    shifted = (shifted << 8) | (i < bytes.size() ? static_cast<uint8_t>(bytes[i]) : 0);
  }
  return static_cast<int64_t>(shifted ^ (uint64_t{1} << 63));
}

}  // namespace retrace::eventstore
