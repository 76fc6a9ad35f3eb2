// Storing an entity anew: its past goes, and what it is now is said once more, so that it is sealed
// under the subject that it has now.
#pragma once

#include "absl/status/status.h"
#include "domain/decider.h"
#include "domain/draft.h"
#include "retrace/store/v1/entities.pb.h"

namespace retrace::domain {

// Emits `removed`, and then as changes everything that the entity says now; in several events when
// one would be too large.
absl::Status StoreAnew(const Found& kept, store::v1::PastRemoved removed, Draft& draft);

}  // namespace retrace::domain
