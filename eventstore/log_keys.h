// The bytes of the commit log's keys and values; described in README.md.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "eventstore/types.h"

namespace retrace::eventstore {

// Key of a commit: tenant, then position, big-endian, so that keys sort in the order of commits.
using CommitKey = std::array<char, 12>;

CommitKey MakeCommitKey(TenantNumber tenant, Position position);

struct CommitPlace {
  TenantNumber tenant = 0;
  Position position = kNoPosition;
};

// nullopt when `key` is not a commit's.
std::optional<CommitPlace> ParseCommitKey(std::string_view key);

// Key of the batch record of group `number`: two alternate.
std::string_view BatchRecordKey(uint64_t number);

// Key of the LogHeader.
inline constexpr std::string_view kHeaderKey = "header";

// Every value starts with a check sum over key and content, so that a record which lies at
// another's place is found, too.
using CheckSum = std::array<char, 4>;

CheckSum MakeCheckSum(std::string_view key, std::string_view content);

// The content of a stored value; nullopt when it does not belong to `key` or was damaged.
std::optional<std::string_view> CheckedContent(std::string_view key, std::string_view value);

// Lower-case hexadecimal.
std::string Hex(const Sha256Digest& digest);

inline std::string_view AsView(const Sha256Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

// `bytes` as a digest; nullopt unless it has 32 of them.
std::optional<Sha256Digest> AsDigest(std::string_view bytes);

}  // namespace retrace::eventstore
