#include "server/sealed_token.h"

#include "absl/strings/escaping.h"
#include "domain/status_macros.h"
#include "eventstore/types.h"
#include "openssl/crypto.h"

namespace retrace::server {
namespace {

constexpr size_t kMacSize = 32;

absl::StatusOr<std::string> MacOf(eventstore::KeyStore& keys, eventstore::TenantNumber tenant,
                                  std::string_view purpose, std::string_view bytes) {
  RETRACE_ASSIGN(eventstore::SecretKey key, keys.MacKey(tenant));
  std::string covered(purpose);
  covered.push_back('\0');
  covered.append(bytes);
  const eventstore::Sha256Digest mac = eventstore::Hmac(key, covered);
  return std::string(mac.begin(), mac.end());
}

}  // namespace

absl::StatusOr<std::string> SealToken(eventstore::KeyStore& keys, eventstore::TenantNumber tenant,
                                      std::string_view purpose, std::string_view bytes) {
  RETRACE_ASSIGN(std::string mac, MacOf(keys, tenant, purpose, bytes));
  return absl::WebSafeBase64Escape(std::string(bytes) + mac);
}

absl::StatusOr<std::optional<std::string>> OpenToken(eventstore::KeyStore& keys,
                                                     eventstore::TenantNumber tenant,
                                                     std::string_view purpose,
                                                     std::string_view text) {
  std::string bytes;
  // The same bytes have other texts, too; only the one that was given out counts.
  if (!absl::WebSafeBase64Unescape(std::string(text), &bytes) || bytes.size() < kMacSize ||
      absl::WebSafeBase64Escape(bytes) != text) {
    return std::nullopt;
  }
  const std::string mac = bytes.substr(bytes.size() - kMacSize);
  bytes.resize(bytes.size() - kMacSize);
  RETRACE_ASSIGN(std::string expected, MacOf(keys, tenant, purpose, bytes));
  if (CRYPTO_memcmp(mac.data(), expected.data(), kMacSize) != 0) return std::nullopt;
  return bytes;
}

std::string HashOfCall(std::string_view method, std::string_view request_bytes) {
  eventstore::Sha256Hasher hasher;
  hasher.Update(method);
  hasher.Update(std::string_view("\0", 1));
  hasher.Update(request_bytes);
  const eventstore::Sha256Digest digest = hasher.Finish();
  return std::string(digest.begin(), digest.end());
}

}  // namespace retrace::server
