// Page tokens: opaque to callers, pinned to epoch and position, worthless for any other request.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "google/protobuf/message.h"
#include "retrace/store/v1/page_token.pb.h"
#include "server/ledger.h"
#include "server/query_call.h"

namespace retrace::server {

// The token's text: URL-safe base64 of the token and an HMAC with the tenant's key. Fills epoch,
// principal and the hash of method and request (page_token and page_size left out); the caller has
// filled the rest.
absl::StatusOr<std::string> SealPageToken(Ledger& ledger, const QueryCall& call,
                                          const google::protobuf::Message& request,
                                          store::v1::PageToken token);

// The token that `request.page_token` holds. INVALID_PAGE_TOKEN when it is not one, was changed,
// belongs to another principal, tenant, method or request; EPOCH_CHANGED with `branch-position`
// when it is of another epoch.
absl::StatusOr<store::v1::PageToken> OpenPageToken(Ledger& ledger, const QueryCall& call,
                                                   const google::protobuf::Message& request,
                                                   std::string_view text);

}  // namespace retrace::server
