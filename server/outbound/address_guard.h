// Which addresses the server connects to at somebody's wish: never itself, its network or a cloud's
// metadata, unless the operator allows it.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace retrace::server {

// An address of either family; IPv4 as IPv4-mapped IPv6, so that both spellings are one.
struct IpAddress {
  std::array<uint8_t, 16> bytes{};

  // Nothing for other families.
  static absl::StatusOr<IpAddress> Of(const sockaddr& address);
  // "192.0.2.1" or "2001:db8::1".
  static absl::StatusOr<IpAddress> Parse(std::string_view text);
  std::string ToString() const;
  bool operator==(const IpAddress&) const = default;
};

// Immutable.
class AddressGuard {
 public:
  // Networks that are allowed in spite of everything, e.g. "10.1.0.0/16" or "::1". INVALID_ARGUMENT
  // naming the one that is none.
  static absl::StatusOr<AddressGuard> Allowing(const std::vector<std::string>& networks);
  AddressGuard() = default;

  // In one of the networks that the operator allows.
  bool IsListed(const IpAddress& address) const;
  // Listed, or a public unicast address.
  bool Allows(const IpAddress& address) const;

 private:
  struct Network {
    IpAddress address;
    int bits = 0;
  };
  std::vector<Network> networks_;
};

// The addresses of a host; asks the name service, so it may block for seconds.
using Resolver = std::function<absl::StatusOr<std::vector<IpAddress>>(const std::string& host)>;
absl::StatusOr<std::vector<IpAddress>> ResolveHost(const std::string& host);

// Judges a webhook's URL before anything is sent there: https (http to listed addresses only), port
// 443 or from 1024 on (any at listed addresses), no user, no fragment, and a host all of whose
// addresses are allowed. INVALID_ARGUMENT says what is wrong. Names can point elsewhere tomorrow,
// so the guard is asked again about every connection.
absl::Status CheckWebhookUrl(const std::string& url, const AddressGuard& guard,
                             const Resolver& resolve = ResolveHost);

}  // namespace retrace::server
