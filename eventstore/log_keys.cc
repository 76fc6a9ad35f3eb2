#include "eventstore/log_keys.h"

#include <algorithm>

#include "eventstore/crc32c.h"

namespace retrace::eventstore {
namespace {

template <typename Integer>
void PutBigEndian(Integer value, char* to) {
  for (size_t i = 0; i < sizeof(value); ++i) {
    to[i] = static_cast<char>(static_cast<uint8_t>(value >> (8 * (sizeof(value) - 1 - i))));
  }
}

template <typename Integer>
Integer GetBigEndian(const char* from) {
  Integer value = 0;
  for (size_t i = 0; i < sizeof(value); ++i) {
    value = static_cast<Integer>(value << 8) | static_cast<uint8_t>(from[i]);
  }
  return value;
}

}  // namespace

CommitKey MakeCommitKey(TenantNumber tenant, Position position) {
  CommitKey key;
  PutBigEndian(tenant, key.data());
  PutBigEndian(position, key.data() + sizeof(tenant));
  return key;
}

std::optional<CommitPlace> ParseCommitKey(std::string_view key) {
  if (key.size() != sizeof(CommitKey)) return std::nullopt;
  return CommitPlace{GetBigEndian<TenantNumber>(key.data()),
                     GetBigEndian<Position>(key.data() + sizeof(TenantNumber))};
}

std::string_view BatchRecordKey(uint64_t number) { return number % 2 == 0 ? "batch0" : "batch1"; }

CheckSum MakeCheckSum(std::string_view key, std::string_view content) {
  CheckSum sum;
  PutBigEndian(ExtendCrc32c(Crc32c(key), content), sum.data());
  return sum;
}

std::optional<std::string_view> CheckedContent(std::string_view key, std::string_view value) {
  if (value.size() < sizeof(CheckSum)) return std::nullopt;
  const std::string_view content = value.substr(sizeof(CheckSum));
  const CheckSum sum = MakeCheckSum(key, content);
  if (value.substr(0, sum.size()) != std::string_view(sum.data(), sum.size())) return std::nullopt;
  return content;
}

std::string Hex(const Sha256Digest& digest) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  text.reserve(2 * digest.size());
  for (const uint8_t byte : digest) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::optional<Sha256Digest> AsDigest(std::string_view bytes) {
  Sha256Digest digest;
  if (bytes.size() != digest.size()) return std::nullopt;
  std::copy(bytes.begin(), bytes.end(), digest.begin());
  return digest;
}

}  // namespace retrace::eventstore
