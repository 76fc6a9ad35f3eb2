#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "retrace/v1/notifications.pb.h"

namespace retrace::cli {

// `email` or `inbox`, in any case.
absl::StatusOr<v1::Channel> ParseChannel(absl::string_view text);

// The full name of an entity given as `customers/ID`; what is full, or of no tenant
// (`principals/ID`), is left as it is.
std::string BelowTenant(absl::string_view tenant, absl::string_view name);

}  // namespace retrace::cli
