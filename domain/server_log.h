// What the server itself did: epochs and administrative acts, events of one entity of the reserved
// tenant `system`.
#pragma once

#include <string_view>

#include "domain/kind.h"

namespace retrace::domain {

// The actor of what the daemon does by itself.
inline constexpr std::string_view kServerActor = "retraced";

Kind ServerKind();
EntityRef ServerRef();

}  // namespace retrace::domain
