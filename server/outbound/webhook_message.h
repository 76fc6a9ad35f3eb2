// Webhooks on the wire: Standard Webhooks v1 around a CloudEvents 1.0 event. The body is both: an
// event in structured mode, which the signature covers whole, and an object with type, timestamp
// and data.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace retrace::server {

// What an HTTP endpoint is sent, by POST.
struct OutgoingPost {
  std::string url;
  std::vector<std::string> headers;  // "name: value"
  std::string body;
};

// An event as its receivers see it. Source and id together are the same in each attempt, and in no
// other event.
struct CloudEvent {
  std::string id;
  std::string source;   // a URI reference, e.g. "/tenants/acme"
  std::string type;     // e.g. "retrace.customer.deleted"
  std::string subject;  // e.g. "customers/01h..."; may be empty
  int64_t time_us = 0;  // when it happened, since 1970
  std::string data;     // JSON
};

// The body, the same bytes for the same event.
std::string EventBody(const CloudEvent& event);

// A secret as its receiver keeps it: "whsec_" and base64 of these bytes.
std::string SecretText(std::string_view bytes);

// The value of webhook-signature: "v1,..." for each secret, so that receivers go on while one takes
// the place of another. INVALID_ARGUMENT when a secret is none.
absl::StatusOr<std::string> Signature(std::span<const std::string> secrets, std::string_view id,
                                      int64_t timestamp_s, std::string_view body);

// An attempt at the time `now_us`. Errors are those of Signature.
absl::StatusOr<OutgoingPost> SignedPost(std::string url, std::string_view id, std::string body,
                                        std::span<const std::string> secrets, int64_t now_us);

}  // namespace retrace::server
