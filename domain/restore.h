// Restoring from the bin, whole. Commands are declared in commands.h.
#pragma once

#include "absl/status/status.h"
#include "domain/decider.h"
#include "domain/draft.h"

namespace retrace::domain {

// Brings a binned entity back with what its deletion took, but for `left`.
absl::Status Restore(const Found& binned, const std::set<EntityRef>& left, Draft& draft);

}  // namespace retrace::domain
