// Turning drafts into keys: rows, index entries, and the derived rows of requests and change sets.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "domain/draft.h"
#include "domain/kind.h"

namespace retrace::domain {

// Remembers request ids; see store.v1.RequestRow.
Kind RequestKind();
// Remembers what change sets come to; see store.v1.ChangeSetTally.
Kind ChangeSetTallyKind();

// Appends what changes in the entity's index entries: values gone, new ones, and all of them when
// the entity went to the bin or came back. `before` is null for a new entity. Pure: what a version
// wrote can be told from it and the one before.
void ProjectEntries(const Kind& kind, const std::string& id, const Row* before, const Row& after,
                    std::vector<ProjectedEntry>& entries);

// The version of the entity before the one that `row` is; null when there is none, or its past was
// removed.
absl::StatusOr<RowPtr> VersionBefore(const EntityRef& entity, const Row& row, const View& view);

}  // namespace retrace::domain
