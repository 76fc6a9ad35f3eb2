// Whether an audience that a caller names is anybody.
#pragma once

#include <string_view>

#include "absl/status/status.h"
#include "retrace/v1/notifications.pb.h"
#include "server/ledger.h"
#include "server/principals.h"

namespace retrace::server {

// NOBODY_TO_TELL when the audience is empty, or when something in it reaches nobody now, e.g. a
// team without members or a member without address and principal; INVALID_FILTER. May read all
// members of the tenant. `field` is what the request calls the audience.
absl::Status CheckAudience(const v1::Audience& audience, Ledger& ledger, Tenant& tenant,
                           const Principals& principals, std::string_view field);

}  // namespace retrace::server
