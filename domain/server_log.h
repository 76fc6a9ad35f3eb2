// What the server itself did: epochs and administrative acts, events of one entity of the reserved
// tenant `system`.
#pragma once

#include "domain/kind.h"

namespace retrace::domain {

Kind ServerKind();
EntityRef ServerRef();

}  // namespace retrace::domain
