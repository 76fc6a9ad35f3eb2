#include "clients/cli/money_text.h"

#include <algorithm>
#include <limits>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "fmt/format.h"

namespace retrace::cli {
namespace {

absl::Status NoAmount(absl::string_view text, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat("`", text, "` is no amount: ", why));
}

// The digits before the mark without their separators, which must stand before each three digits.
absl::StatusOr<std::string> WholeDigits(absl::string_view whole, char separator,
                                        absl::string_view text) {
  std::string digits;
  bool separated = false;
  size_t group = 0;
  for (const char c : whole) {
    if (absl::ascii_isdigit(c)) {
      digits += c;
      ++group;
    } else if (c == separator) {
      if (group == 0 || group > 3 || (separated && group != 3)) {
        return NoAmount(text, "a thousands separator is out of place");
      }
      separated = true;
      group = 0;
    } else {
      return NoAmount(text, absl::StrCat("unexpected `", std::string(1, c), "`"));
    }
  }
  if (separated && group != 3) {
    return NoAmount(text,
                    "the last thousands separator is not followed by three digits; is it a "
                    "decimal comma (--decimal-comma)?");
  }
  return digits;
}

absl::StatusOr<int64_t> ToInteger(const std::string& digits, bool negative,
                                  absl::string_view text) {
  __int128 value = 0;
  for (const char c : digits) {
    value = value * 10 + (c - '0');
    if (value > std::numeric_limits<int64_t>::max()) return NoAmount(text, "it is too large");
  }
  return static_cast<int64_t>(negative ? -value : value);
}

// Takes sign, parentheses, currency sign or code off `rest`; true when it is negative.
bool ConsumeOrnaments(absl::string_view& rest, absl::string_view currency) {
  bool negative = false;
  rest = absl::StripAsciiWhitespace(rest);
  if (rest.size() > 2 && rest.front() == '(' && rest.back() == ')') {
    negative = true;
    rest = rest.substr(1, rest.size() - 2);
  }
  for (int pass = 0; pass < 2; ++pass) {
    rest = absl::StripAsciiWhitespace(rest);
    if (!negative && absl::ConsumePrefix(&rest, "-")) negative = true;
    absl::ConsumePrefix(&rest, "+");
    for (const absl::string_view sign : {"$", "€", "£", "¥"}) absl::ConsumePrefix(&rest, sign);
    if (!currency.empty()) absl::ConsumePrefix(&rest, currency);
  }
  if (!currency.empty()) absl::ConsumeSuffix(&rest, currency);
  rest = absl::StripAsciiWhitespace(rest);
  return negative;
}

}  // namespace

int CurrencyDigits(absl::string_view currency) {
  static const auto* const kExceptions = new absl::flat_hash_map<std::string, int>{
      {"BIF", 0}, {"CLP", 0}, {"DJF", 0}, {"GNF", 0}, {"ISK", 0}, {"JPY", 0}, {"KMF", 0},
      {"KRW", 0}, {"PYG", 0}, {"RWF", 0}, {"UGX", 0}, {"UYI", 0}, {"VND", 0}, {"VUV", 0},
      {"XAF", 0}, {"XOF", 0}, {"XPF", 0}, {"BHD", 3}, {"IQD", 3}, {"JOD", 3}, {"KWD", 3},
      {"LYD", 3}, {"OMR", 3}, {"TND", 3}, {"CLF", 4}, {"UYW", 4}};
  const auto found = kExceptions->find(std::string(currency));
  return found == kExceptions->end() ? 2 : found->second;
}

absl::StatusOr<int64_t> ParseMinorUnits(absl::string_view text, absl::string_view currency,
                                        DecimalMark mark) {
  absl::string_view rest = text;
  const bool negative = ConsumeOrnaments(rest, currency);
  const char point = mark == DecimalMark::kPoint ? '.' : ',';
  const char separator = mark == DecimalMark::kPoint ? ',' : '.';
  const size_t at = rest.find(point);
  const absl::string_view whole = rest.substr(0, at);
  absl::string_view fraction = at == rest.npos ? "" : rest.substr(at + 1);
  if (whole.empty() && fraction.empty()) return NoAmount(text, "it has no digits");
  absl::StatusOr<std::string> digits = WholeDigits(whole, separator, text);
  if (!digits.ok()) return digits.status();
  if (!std::all_of(fraction.begin(), fraction.end(), absl::ascii_isdigit)) {
    return NoAmount(text, "what follows the decimal mark is not a number");
  }
  const size_t places = CurrencyDigits(currency);
  // 10.500 USD is exact; 10.505 USD is not, and rounding would be guessing.
  while (fraction.size() > places && fraction.back() == '0') fraction.remove_suffix(1);
  if (fraction.size() > places) {
    return NoAmount(text, absl::StrCat(currency, " has ", places, " decimal places"));
  }
  absl::StrAppend(&*digits, fraction, std::string(places - fraction.size(), '0'));
  return ToInteger(*digits, negative, text);
}

std::string MinorUnitsText(int64_t minor_units, absl::string_view currency) {
  const int places = CurrencyDigits(currency);
  if (places == 0) return absl::StrCat(minor_units);
  const bool negative = minor_units < 0;
  const uint64_t magnitude =
      negative ? uint64_t{0} - static_cast<uint64_t>(minor_units) : minor_units;
  uint64_t unit = 1;
  for (int i = 0; i < places; ++i) unit *= 10;
  return fmt::format("{}{}.{:0{}}", negative ? "-" : "", magnitude / unit, magnitude % unit,
                     places);
}

}  // namespace retrace::cli
