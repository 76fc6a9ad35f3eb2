// gzip, bounded.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace retrace::server::http {

std::string Gzip(std::string_view bytes);

enum class GunzipFault { kMalformed, kTooLarge };
struct Gunzipped {
  std::string bytes;
  std::optional<GunzipFault> fault;
};
// Unpacks at most `max_bytes`; what would be more is kTooLarge, however little was sent.
Gunzipped Gunzip(std::string_view packed, size_t max_bytes);

}  // namespace retrace::server::http
