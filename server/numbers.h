// Numbers as they stand in names, tokens and filters.
#pragma once

#include <charconv>
#include <optional>
#include <string_view>
#include <system_error>

namespace retrace::server {

// The number that `text` is, all of it; nothing when it is none or does not fit.
template <typename Number>
std::optional<Number> ReadNumber(std::string_view text, int radix = 10) {
  Number number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, radix);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return number;
}

}  // namespace retrace::server
