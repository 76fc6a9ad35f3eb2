#include "server/http_options.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "server/http/proxies.h"

namespace retrace::server {
namespace {

constexpr int64_t kMaxConnections = 1 << 20;

// Scheme and host, with a port or without, as a browser sends it as Origin: in small letters and
// without the port that the scheme has anyway.
bool IsOrigin(const std::string& text) {
  const size_t host = text.find("://");
  const bool own_port = (text.starts_with("https://") && text.ends_with(":443")) ||
                        (text.starts_with("http://") && text.ends_with(":80"));
  const auto stands = [](char c) {
    return absl::ascii_isgraph(static_cast<unsigned char>(c)) &&
           !absl::ascii_isupper(static_cast<unsigned char>(c));
  };
  return host != std::string::npos && host > 0 && host + 3 < text.size() && !own_port &&
         text.find('/', host + 3) == std::string::npos &&
         std::all_of(text.begin(), text.end(), stands);
}

}  // namespace

absl::Status CheckHttp(const Config& config) {
  for (const std::string& address : config.http_listen) {
    const bool word = address == "none" || address == "auto";
    if (address.empty() || (word && config.http_listen.size() > 1)) {
      return absl::InvalidArgumentError("`http_listen` needs addresses such as 127.0.0.1:7234");
    }
  }
  if (config.http_tls_cert.empty() != config.http_tls_key.empty()) {
    return absl::InvalidArgumentError("`http_tls_cert` and `http_tls_key` need each other");
  }
  for (const std::string& origin : config.http_origins) {
    if (!IsOrigin(origin)) {
      return absl::InvalidArgumentError(fmt::format(
          "`http_origins` needs origins as browsers send them, such as https://crm.example.com: "
          "small letters, no path and no port that the scheme has anyway; not `{}`",
          origin));
    }
  }
  for (const int64_t bound : {config.http_connections, config.http_connections_per_address}) {
    if (bound < 1 || bound > kMaxConnections) {
      return absl::InvalidArgumentError(fmt::format(
          "`http_connections` and `http_connections_per_address` must lie between 1 and {}",
          kMaxConnections));
    }
  }
  const absl::Status proxies = http::Proxies::Parse(config.http_trusted_proxies).status();
  return proxies.ok() ? proxies
                      : absl::InvalidArgumentError(fmt::format("`http_trusted_proxies`: {}",
                                                               std::string(proxies.message())));
}

http::EdgeOptions EdgeOptionsOf(const Config& config) {
  http::EdgeOptions options;
  options.addresses = config.http_listen;
  options.socket = config.http_socket;
  options.tls_cert = config.http_tls_cert;
  options.tls_key = config.http_tls_key;
  options.static_dir = config.http_static_dir;
  options.origins = config.http_origins;
  options.trusted_proxies = config.http_trusted_proxies;
  options.limits.connections = static_cast<size_t>(config.http_connections);
  options.limits.connections_of_address = static_cast<size_t>(config.http_connections_per_address);
  return options;
}

}  // namespace retrace::server
