// CRC-32C (Castagnoli), the check sum of everything that eventstore writes.
#pragma once

#include <cstdint>
#include <string_view>

namespace retrace::eventstore {

// CRC-32C of what `crc` was computed over followed by `bytes`; start with 0.
uint32_t ExtendCrc32c(uint32_t crc, std::string_view bytes);

// CRC-32C of `bytes`.
inline uint32_t Crc32c(std::string_view bytes) { return ExtendCrc32c(0, bytes); }

}  // namespace retrace::eventstore
