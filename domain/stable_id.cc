#include "domain/stable_id.h"

#include "absl/numeric/int128.h"

namespace retrace::domain {

std::string StableId(std::string_view text) {
  constexpr absl::uint128 kPrime = absl::MakeUint128(0x0000000001000000, 0x000000000000013b);
  constexpr std::string_view kDigits = "0123456789abcdefghjkmnpqrstvwxyz";
  absl::uint128 hash = absl::MakeUint128(0x6c62272e07bb0142, 0x62b821756295c58d);
  for (const char c : text) {
    hash = (hash ^ static_cast<unsigned char>(c)) * kPrime;
  }
  std::string id(26, '0');
  for (auto digit = id.rbegin(); digit != id.rend(); ++digit) {
    *digit = kDigits[static_cast<size_t>(absl::Uint128Low64(hash) & 31)];
    hash >>= 5;
  }
  return id;
}

}  // namespace retrace::domain
