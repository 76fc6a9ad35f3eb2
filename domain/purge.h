// Purging: what lies in the bin goes for ever, at every position. Commands are declared in
// commands.h.
//
// A purge leaves a tombstone: name, position, time, actor, method. With an entity go
//   - what lies in the bin below it, whatever deletion brought it there;
//   - what was merged into it;
//   - what only tells about these, such as the contact points of a member;
//   - the keys of its own subject, so that its sealed events open for nobody;
//   - the past of entities that stay but were sealed under such a key: they are stored anew; keys
//     that only this past was sealed under go with it.
// Rows lose every version and every index entry of all of these, on replay just as when it was
// decided.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "domain/decider.h"
#include "domain/draft.h"

namespace retrace::domain {

// Purges binned entities. Refuses more than one commit takes (USE_OPERATION); whether they may go
// is judged by the draft's check.
absl::Status PurgeAll(const std::vector<Found>& binned, Draft& draft);

// How far one commit brings the purge of an entity.
struct PurgePart {
  bool last = false;  // it is purged; else the next commit goes on
  // What the purge takes, the entity first, as it is before.
  std::vector<Found> taken;
};
// Purges a binned entity. When more of what stays was sealed with it than one commit stores anew,
// it only stores some of that anew, which brings the purge nearer; refused when what the purge
// takes is held, or is more than one commit takes (USE_OPERATION).
absl::StatusOr<PurgePart> PurgeInParts(const Found& binned, Draft& draft, const Context& context);

// The keys that an event destroys; null for all others but Purged and PastRemoved.
const google::protobuf::RepeatedPtrField<std::string>* DestroyedKeys(
    const google::protobuf::Message& event);

// True of events that take an entity's past away, at every position: of one that is purged, and of
// one that was sealed with it. By the name of their type.
bool TakesPastAway(std::string_view event_type);

}  // namespace retrace::domain
