#include "server/outbound/webhook_message.h"

#include <fmt/format.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <nlohmann/json.hpp>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/time/time.h"
#include "domain/status_macros.h"

namespace retrace::server {
namespace {

constexpr std::string_view kSecretPrefix = "whsec_";
constexpr size_t kShortestSecret = 24;

std::string Quoted(std::string_view text) {
  return nlohmann::json(std::string(text))
      .dump(-1, ' ', /*ensure_ascii=*/false, nlohmann::json::error_handler_t::replace);
}

std::string Base64(std::string_view bytes) {
  return absl::Base64Escape(absl::string_view(bytes.data(), bytes.size()));
}

absl::StatusOr<std::string> KeyOf(std::string_view secret) {
  std::string key;
  if (!secret.starts_with(kSecretPrefix)) {
    return absl::InvalidArgumentError("no webhook secret");
  }
  secret.remove_prefix(kSecretPrefix.size());
  if (!absl::Base64Unescape(absl::string_view(secret.data(), secret.size()), &key) ||
      key.size() < kShortestSecret) {
    return absl::InvalidArgumentError("no webhook secret");
  }
  return key;
}

}  // namespace

std::string EventBody(const CloudEvent& event) {
  const std::string time = absl::FormatTime(
      "%Y-%m-%dT%H:%M:%E*SZ", absl::FromUnixMicros(event.time_us), absl::UTCTimeZone());
  const std::string subject =
      event.subject.empty() ? "" : fmt::format(R"("subject":{},)", Quoted(event.subject));
  return fmt::format(
      R"({{"specversion":"1.0","id":{},"source":{},"type":{},{}"time":"{}","timestamp":"{}",)"
      R"("datacontenttype":"application/json","data":{}}})",
      Quoted(event.id), Quoted(event.source), Quoted(event.type), subject, time, time, event.data);
}

std::string SecretText(std::string_view bytes) {
  return std::string(kSecretPrefix) + Base64(bytes);
}

absl::StatusOr<std::string> Signature(std::span<const std::string> secrets, std::string_view id,
                                      int64_t timestamp_s, std::string_view body) {
  const std::string content = fmt::format("{}.{}.{}", id, timestamp_s, body);
  std::string signatures;
  for (const std::string& secret : secrets) {
    RETRACE_ASSIGN(const std::string key, KeyOf(secret));
    unsigned char mac[EVP_MAX_MD_SIZE];
    unsigned size = 0;
    if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
             reinterpret_cast<const unsigned char*>(content.data()), content.size(), mac,
             &size) == nullptr) {
      return absl::InternalError("HMAC-SHA256 failed inside OpenSSL");
    }
    if (!signatures.empty()) signatures += ' ';
    signatures += "v1," + Base64({reinterpret_cast<const char*>(mac), size});
  }
  if (signatures.empty()) {
    return absl::InvalidArgumentError("no webhook secret");
  }
  return signatures;
}

absl::StatusOr<OutgoingPost> SignedPost(std::string url, std::string_view id, std::string body,
                                        std::span<const std::string> secrets, int64_t now_us) {
  const int64_t timestamp_s = now_us / 1'000'000;
  RETRACE_ASSIGN(const std::string signature, Signature(secrets, id, timestamp_s, body));
  OutgoingPost post;
  post.url = std::move(url);
  post.headers = {"Content-Type: application/cloudevents+json; charset=utf-8",
                  "User-Agent: Retrace", fmt::format("webhook-id: {}", id),
                  fmt::format("webhook-timestamp: {}", timestamp_s),
                  fmt::format("webhook-signature: {}", signature)};
  post.body = std::move(body);
  return post;
}

}  // namespace retrace::server
