// Who is believed when it says for whom it asks.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "server/http/message.h"

namespace retrace::server::http {

// Immutable.
class Proxies {
 public:
  Proxies() = default;
  // Addresses ("10.0.0.1", "::1"), networks ("10.0.0.0/8"), or "unix": whoever may open the unix
  // socket. INVALID_ARGUMENT for anything else.
  static absl::StatusOr<Proxies> Parse(const std::vector<std::string>& entries);

  bool Trusts(std::string_view peer) const;
  // Whose request it is: the peer, or, when that is trusted, the last address of X-Forwarded-For
  // that is not, or else X-Real-IP. What is no address is not believed.
  std::string ClientOf(const Request& request) const;

 private:
  // An address in its 16-byte form, and how many of its bits count.
  struct Network {
    std::string bytes;
    size_t bits = 0;
  };
  std::vector<Network> networks_;
  bool unix_ = false;
};

// Whose connections count together: an IPv4 address, or the /64 that an IPv6 address is of, since
// that is what one customer of a provider has.
std::string NetworkOf(const std::string& address);

}  // namespace retrace::server::http
