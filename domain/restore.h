// Restoring from the bin, whole. Commands are declared in commands.h.
#pragma once

#include <set>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "domain/decider.h"
#include "domain/draft.h"
#include "domain/unique_keys.h"
#include "retrace/v1/recycle_bin.pb.h"

namespace retrace::domain {

// Brings a binned entity back with what its deletion took, but for `left`.
absl::Status Restore(const Found& binned, const std::set<EntityRef>& left, Draft& draft);

// The unique keys of what the request asks for that others hold in the view, whatever rules it has.
// Errors are those of deciding the request.
absl::StatusOr<std::vector<KeyClash>> FindRestoreClashes(const v1::RestoreEntitiesRequest& request,
                                                         const View& view, const Context& context);

}  // namespace retrace::domain
