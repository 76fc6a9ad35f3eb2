#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "clients/cli/session.h"

namespace retrace::cli {

// The full name of an entity of any kind: given in full, or as `customers/` and whatever names a
// customer where customers are meant (ResolveName).
absl::StatusOr<std::string> NameOfAny(Session& session, const std::string& text);

}  // namespace retrace::cli
