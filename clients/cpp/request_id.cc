#include "clients/cpp/request_id.h"

#include <array>
#include <cstdint>
#include <random>

namespace retrace::client {

std::string NewRequestId() {
  // libstdc++ reads the processor's or the kernel's generator; nothing is seeded or shared.
  thread_local std::random_device source;
  std::array<uint8_t, 16> bytes;
  for (size_t i = 0; i < bytes.size(); i += 4) {
    const uint32_t word = source();
    for (size_t j = 0; j < 4; ++j) bytes[i + j] = static_cast<uint8_t>(word >> (8 * j));
  }
  bytes[6] = (bytes[6] & 0x0f) | 0x40;  // version 4
  bytes[8] = (bytes[8] & 0x3f) | 0x80;  // variant of RFC 9562
  constexpr char kDigits[] = "0123456789abcdef";
  std::string id;
  id.reserve(36);
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) id += '-';
    id += kDigits[bytes[i] >> 4];
    id += kDigits[bytes[i] & 0x0f];
  }
  return id;
}

}  // namespace retrace::client
