#include "server/outbound/address_guard.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <fmt/format.h>
#include <netdb.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <memory>
#include <optional>
#include <span>

#include "domain/status_macros.h"
#include "server/outbound/mail_address.h"

namespace retrace::server {
namespace {

constexpr size_t kLongestUrl = 2000;

struct Block {
  std::string_view network;
  int bits;
};

// What is not public unicast of IPv4 (the IANA registry of special addresses), and what clouds
// serve their machines at.
constexpr Block kRefusedV4[] = {
    {"0.0.0.0", 8},         // this network
    {"10.0.0.0", 8},        // private
    {"100.64.0.0", 10},     // carriers' NAT
    {"127.0.0.0", 8},       // loopback
    {"168.63.129.16", 32},  // a cloud's metadata
    {"169.254.0.0", 16},    // link-local, most clouds' metadata
    {"172.16.0.0", 12},     // private
    {"192.0.0.0", 24},      // protocol assignments
    {"192.0.2.0", 24},      // documentation
    {"192.88.99.0", 24},    // relays to 6to4
    {"192.168.0.0", 16},    // private
    {"198.18.0.0", 15},     // benchmarks
    {"198.51.100.0", 24},   // documentation
    {"203.0.113.0", 24},    // documentation
    {"224.0.0.0", 4},       // multicast
    {"240.0.0.0", 4},       // reserved, broadcast
};
// Of IPv6, within 2000::/3; what is outside is refused but for what stands for an IPv4 address.
constexpr Block kRefusedV6[] = {
    {"2001::", 23},      // protocol assignments, Teredo among them
    {"2001:db8::", 32},  // documentation
    {"2002::", 16},      // 6to4
    {"3fff::", 20},      // documentation
};

constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr uint8_t kNat64[12] = {0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0};

bool StartsWith(const IpAddress& address, std::span<const uint8_t> prefix) {
  return std::equal(prefix.begin(), prefix.end(), address.bytes.begin());
}

bool IsV4(const IpAddress& address) { return StartsWith(address, kMapped); }

bool InNetwork(const IpAddress& address, const IpAddress& network, int bits) {
  const size_t whole = static_cast<size_t>(bits / 8);
  if (!std::equal(network.bytes.begin(), network.bytes.begin() + whole, address.bytes.begin())) {
    return false;
  }
  const int rest = bits % 8;
  return rest == 0 || (network.bytes[whole] ^ address.bytes[whole]) >> (8 - rest) == 0;
}

bool InAny(const IpAddress& address, std::span<const Block> blocks, int more_bits) {
  return std::any_of(blocks.begin(), blocks.end(), [&](const Block& block) {
    return InNetwork(address, *IpAddress::Parse(block.network), block.bits + more_bits);
  });
}

bool IsPublic(const IpAddress& address) {
  if (IsV4(address)) {
    return !InAny(address, kRefusedV4, 96);
  }
  if (StartsWith(address, kNat64)) {
    IpAddress inner;
    std::copy(std::begin(kMapped), std::end(kMapped), inner.bytes.begin());
    std::copy(address.bytes.begin() + 12, address.bytes.end(), inner.bytes.begin() + 12);
    return IsPublic(inner);
  }
  return (address.bytes[0] & 0xe0) == 0x20 && !InAny(address, kRefusedV6, 0);
}

struct UrlDeleter {
  void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using Url = std::unique_ptr<CURLU, UrlDeleter>;

std::optional<std::string> PartOf(CURLU* url, CURLUPart part, unsigned flags = 0) {
  char* text = nullptr;
  if (curl_url_get(url, part, &text, flags) != CURLUE_OK) {
    return std::nullopt;
  }
  std::string copy(text);
  curl_free(text);
  return copy;
}

absl::Status Bad(std::string_view why) { return absl::InvalidArgumentError(std::string(why)); }

absl::Status CheckAddresses(const std::string& host, bool plain, int port,
                            const AddressGuard& guard, const std::vector<IpAddress>& addresses) {
  for (const IpAddress& address : addresses) {
    if (guard.IsListed(address)) {
      continue;
    }
    if (plain) {
      return Bad("The address does not begin with https://.");
    }
    if (!guard.Allows(address)) {
      // Not which one: names of the inner network are nobody's business outside.
      return Bad(fmt::format("{} leads to an address that this server sends nothing to.", host));
    }
    if (port != 443 && port < 1024) {
      return Bad(fmt::format("Port {} is neither 443 nor one from 1024 on.", port));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<IpAddress> IpAddress::Of(const sockaddr& address) {
  IpAddress ip;
  if (address.sa_family == AF_INET6) {
    sockaddr_in6 v6;
    std::memcpy(&v6, &address, sizeof(v6));
    std::memcpy(ip.bytes.data(), &v6.sin6_addr, 16);
    return ip;
  }
  if (address.sa_family == AF_INET) {
    sockaddr_in v4;
    std::memcpy(&v4, &address, sizeof(v4));
    std::memcpy(ip.bytes.data(), kMapped, sizeof(kMapped));
    std::memcpy(ip.bytes.data() + 12, &v4.sin_addr, 4);
    return ip;
  }
  return absl::InvalidArgumentError("neither IPv4 nor IPv6");
}

absl::StatusOr<IpAddress> IpAddress::Parse(std::string_view text) {
  const std::string copy(text);
  IpAddress ip;
  if (inet_pton(AF_INET6, copy.c_str(), ip.bytes.data()) == 1) {
    return ip;
  }
  std::memcpy(ip.bytes.data(), kMapped, sizeof(kMapped));
  if (inet_pton(AF_INET, copy.c_str(), ip.bytes.data() + 12) == 1) {
    return ip;
  }
  return absl::InvalidArgumentError(fmt::format("`{}` is no IP address", copy));
}

std::string IpAddress::ToString() const {
  char text[INET6_ADDRSTRLEN] = {};
  const bool v4 = IsV4(*this);
  inet_ntop(v4 ? AF_INET : AF_INET6, bytes.data() + (v4 ? 12 : 0), text, sizeof(text));
  return text;
}

absl::StatusOr<AddressGuard> AddressGuard::Allowing(const std::vector<std::string>& networks) {
  AddressGuard guard;
  for (const std::string& text : networks) {
    const size_t slash = text.find('/');
    const absl::StatusOr<IpAddress> address = IpAddress::Parse(text.substr(0, slash));
    const bool v4 = address.ok() && IsV4(*address) && text.find(':') == std::string::npos;
    const int most = v4 ? 32 : 128;
    int bits = most;
    bool good = address.ok();
    if (slash != std::string::npos) {
      const char* end = text.data() + text.size();
      const auto [rest, error] = std::from_chars(text.data() + slash + 1, end, bits);
      good = good && error == std::errc() && rest == end && bits >= 0 && bits <= most;
    }
    if (!good) {
      return absl::InvalidArgumentError(
          fmt::format("`{}` is no network such as 10.1.0.0/16 or fd00::/8", text));
    }
    guard.networks_.push_back({*address, bits + (v4 ? 96 : 0)});
  }
  return guard;
}

bool AddressGuard::IsListed(const IpAddress& address) const {
  return std::any_of(networks_.begin(), networks_.end(), [&](const Network& network) {
    return InNetwork(address, network.address, network.bits);
  });
}

bool AddressGuard::Allows(const IpAddress& address) const {
  return IsListed(address) || IsPublic(address);
}

absl::StatusOr<std::vector<IpAddress>> ResolveHost(const std::string& host) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = getaddrinfo(host.c_str(), nullptr, &hints, &found); error != 0) {
    return absl::UnavailableError(gai_strerror(error));
  }
  std::vector<IpAddress> addresses;
  for (const addrinfo* at = found; at != nullptr; at = at->ai_next) {
    if (absl::StatusOr<IpAddress> address = IpAddress::Of(*at->ai_addr); address.ok()) {
      addresses.push_back(*address);
    }
  }
  freeaddrinfo(found);
  return addresses;
}

absl::Status CheckWebhookUrl(const std::string& text, const AddressGuard& guard,
                             const Resolver& resolve) {
  const bool clean =
      std::none_of(text.begin(), text.end(), [](unsigned char c) { return c <= ' ' || c == 0x7f; });
  const Url url(curl_url());
  if (text.size() > kLongestUrl || !clean ||
      curl_url_set(url.get(), CURLUPART_URL, text.c_str(), CURLU_DISALLOW_USER) != CURLUE_OK) {
    return Bad("This is no address like https://example.com/path, without user and password.");
  }
  const std::string scheme = PartOf(url.get(), CURLUPART_SCHEME).value_or("");
  if (scheme != "https" && scheme != "http") {
    return Bad("The address does not begin with https://.");
  }
  if (PartOf(url.get(), CURLUPART_FRAGMENT).has_value()) {
    return Bad("The address has a part after #, which is never sent.");
  }
  std::string host = PartOf(url.get(), CURLUPART_HOST).value_or("");
  if (host.starts_with('[')) {
    host = host.substr(1, host.size() - 2);
  } else if (absl::StatusOr<std::string> ascii = AsciiHost(host); ascii.ok()) {
    host = *std::move(ascii);
  } else {
    return Bad("The address names no host.");
  }
  const std::string digits = PartOf(url.get(), CURLUPART_PORT, CURLU_DEFAULT_PORT).value_or("0");
  int port = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), port);
  const absl::StatusOr<std::vector<IpAddress>> addresses = resolve(host);
  if (!addresses.ok() || addresses->empty()) {
    return Bad(fmt::format("The name {} leads to no address.", host));
  }
  return CheckAddresses(host, scheme == "http", port, guard, *addresses);
}

}  // namespace retrace::server
