// Change sets that an actor begins, fills with several commands and ends. Commands and
// CheckChangeSet are declared in commands.h.
#pragma once

#include <cstdint>

#include "domain/kind.h"

namespace retrace::domain {

// After this long a change set closes by itself, microseconds.
inline constexpr int64_t kChangeSetLifeUs = 24LL * 3600 * 1'000'000;

Kind ChangeSetKind();
// True when the change set takes further commits at that time; its row may still say OPEN after it
// closed by itself.
bool IsOpenAt(const Row& row, int64_t time_us);

}  // namespace retrace::domain
