#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace retrace::cli {

// Digits after the decimal point that ISO 4217 gives a currency: 2 for USD, 0 for JPY, 3 for KWD.
// 2 for codes that are not in the list of exceptions.
int CurrencyDigits(absl::string_view currency);

// Which character stands before the fraction.
enum class DecimalMark { kPoint, kComma };

// An amount as people write it, in minor units of `currency`: `1,054.50`, `1054.5`, `$ 1054`,
// `-3`, `(3)`. INVALID_ARGUMENT, with the reason, for anything else, for more digits after the mark
// than the currency has, and for what does not fit; nothing is rounded.
absl::StatusOr<int64_t> ParseMinorUnits(absl::string_view text, absl::string_view currency,
                                        DecimalMark mark = DecimalMark::kPoint);

// `1054.50` for 105450 minor units of USD; no thousands separators.
std::string MinorUnitsText(int64_t minor_units, absl::string_view currency);

}  // namespace retrace::cli
