// Tokens that callers carry for the server: opaque, and worthless when changed or taken to another
// tenant or to another use.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "eventstore/key_store.h"

namespace retrace::server {

// The token's text: URL-safe base64 of the bytes and an HMAC with the tenant's key over `purpose`
// and the bytes.
absl::StatusOr<std::string> SealToken(eventstore::KeyStore& keys, eventstore::TenantNumber tenant,
                                      std::string_view purpose, std::string_view bytes);
// The bytes; nothing when the text is no such token. Errors are those of the key store.
absl::StatusOr<std::optional<std::string>> OpenToken(eventstore::KeyStore& keys,
                                                     eventstore::TenantNumber tenant,
                                                     std::string_view purpose,
                                                     std::string_view text);

// SHA-256 over a method's name and the bytes of a request.
std::string HashOfCall(std::string_view method, std::string_view request_bytes);

}  // namespace retrace::server
