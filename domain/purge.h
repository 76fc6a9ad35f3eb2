// Purging: what lies in the bin goes for ever, at every position. Commands are declared in
// commands.h.
//
// A purge leaves a tombstone: name, position, time, actor, method. With an entity go
//   - what lies in the bin below it, whatever deletion brought it there;
//   - what was merged into it;
//   - the keys of its own subject, so that its sealed events open for nobody;
//   - the past of entities that stay but were sealed under such a key: they are stored anew; keys
//     that only this past was sealed under go with it.
// Rows lose every version and every index entry of all of these, on replay just as when it was
// decided.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "domain/decider.h"
#include "domain/draft.h"

namespace retrace::domain {

// Purges binned entities. Refuses more than one commit takes (USE_OPERATION); whether they may go
// is judged by the draft's check.
absl::Status PurgeAll(const std::vector<Found>& binned, Draft& draft);

// The keys that an event destroys; null for all others but Purged and PastRemoved.
const google::protobuf::RepeatedPtrField<std::string>* DestroyedKeys(
    const google::protobuf::Message& event);

}  // namespace retrace::domain
