#include "server/http/proxies.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "server/http/asio.h"

namespace retrace::server::http {
namespace {

constexpr size_t kAddressBits = 128;
constexpr size_t kMappedBits = 96;  // of ::ffff:0:0/96, where IPv4 lies

std::optional<std::string> BytesOf(std::string_view text) {
  error_code error;
  const net::ip::address address = net::ip::make_address(std::string(text), error);
  if (error) {
    return std::nullopt;
  }
  const net::ip::address_v6 wide =
      address.is_v4() ? net::ip::make_address_v6(net::ip::v4_mapped, address.to_v4())
                      : address.to_v6();
  const auto bytes = wide.to_bytes();
  return std::string(bytes.begin(), bytes.end());
}

bool SameBits(std::string_view left, std::string_view right, size_t bits) {
  for (size_t i = 0; i < bits; ++i) {
    const int mask = 0x80 >> (i % 8);
    if ((left[i / 8] & mask) != (right[i / 8] & mask)) {
      return false;
    }
  }
  return true;
}

}  // namespace

absl::StatusOr<Proxies> Proxies::Parse(const std::vector<std::string>& entries) {
  Proxies proxies;
  for (const std::string& entry : entries) {
    if (entry == "unix") {
      proxies.unix_ = true;
      continue;
    }
    const size_t slash = entry.find('/');
    const std::optional<std::string> bytes = BytesOf(std::string_view(entry).substr(0, slash));
    size_t bits = kAddressBits;
    if (bytes.has_value() && slash != std::string::npos) {
      const size_t offset = entry.find(':') == std::string::npos ? kMappedBits : 0;
      const std::optional<int64_t> given =
          ParseDigits(std::string_view(entry).substr(slash + 1), 3);
      bits = given.has_value() ? offset + static_cast<size_t>(*given) : kAddressBits + 1;
    }
    if (!bytes.has_value() || bits > kAddressBits) {
      return absl::InvalidArgumentError(fmt::format(
          "`{}` is neither an address, nor a network such as 10.0.0.0/8, nor `unix`", entry));
    }
    proxies.networks_.push_back({*bytes, bits});
  }
  return proxies;
}

bool Proxies::Trusts(std::string_view peer) const {
  if (peer == "unix") {
    return unix_;
  }
  const std::optional<std::string> bytes = BytesOf(peer);
  return bytes.has_value() &&
         std::any_of(networks_.begin(), networks_.end(), [&](const Network& network) {
           return SameBits(*bytes, network.bytes, network.bits);
         });
}

std::string Proxies::ClientOf(const Request& request) const {
  std::string client = request.peer;
  if (!Trusts(client)) {
    return client;
  }
  // Several such headers are one list.
  std::vector<std::string> forwarded;
  for (const auto& [name, value] : request.headers) {
    if (name == "x-forwarded-for") {
      const std::vector<std::string> more = absl::StrSplit(value, ',');
      forwarded.insert(forwarded.end(), more.begin(), more.end());
    }
  }
  if (forwarded.empty()) {
    forwarded.emplace_back(request.Header("x-real-ip"));
  }
  for (auto entry = forwarded.rbegin(); entry != forwarded.rend(); ++entry) {
    const std::string address(absl::StripAsciiWhitespace(*entry));
    if (!BytesOf(address).has_value()) {
      break;
    }
    client = address;
    if (!Trusts(client)) {
      break;
    }
  }
  return client;
}

std::string NetworkOf(const std::string& address) {
  error_code error;
  const net::ip::address parsed = net::ip::make_address(address, error);
  if (error || parsed.is_v4()) {
    return address;
  }
  net::ip::address_v6::bytes_type bytes = parsed.to_v6().to_bytes();
  std::fill(bytes.begin() + 8, bytes.end(), 0);
  return net::ip::address_v6(bytes).to_string() + "/64";
}

}  // namespace retrace::server::http
