// What every kind has from its first day: in use or not, live or in the recycle bin.
//
//   (new) -> ACTIVE <-> INACTIVE, each of them -> DELETED (the bin) -> back to what it was
//                                 each of them -> MERGED (customers) -> back to what it was
//
// The resource's own `state` says ACTIVE or INACTIVE, also in the bin and while merged; the head
// says live, binned or merged.
#pragma once

#include <span>
#include <string>

#include "absl/status/status.h"
#include "domain/context.h"
#include "domain/decider.h"
#include "domain/draft.h"
#include "domain/entity.h"
#include "google/protobuf/message.h"

namespace retrace::domain {

// Default instances of the events that every kind shares.
std::span<const google::protobuf::Message* const> LifecycleEvents();
// Applies the event if it is one of them; false otherwise. Of Detached and Reattached it does the
// head's part only.
bool ApplyLifecycle(const google::protobuf::Message& event, const Kind& kind,
                    const CommitHeader& header, Row& row);

// The resource's own state, also in the bin; empty for kinds without one.
std::string_view OwnState(const Row& row);
// The entity's state of use for counters and lists: `ACTIVE`, `INACTIVE`, `DELETED` or `MERGED`.
std::string_view StateName(const Row& row);

// Refuses every move of state that is not drawn above (STATE_REFUSED). `before` is null for a new
// entity.
absl::Status CheckMove(const EntityRef& entity, const Row* before, const Row& after,
                       const Context& context);

// The commands that are the same for every kind. All find the entity, target it and emit.
absl::Status DecideDeactivate(KindNumber kind, const std::string& name,
                              const v1::CommandOptions& options, Draft& draft,
                              const Context& context);
absl::Status DecideActivate(KindNumber kind, const std::string& name,
                            const v1::CommandOptions& options, Draft& draft,
                            const Context& context);
// Of an entity that nothing refers to with a choice.
absl::Status DecideDelete(KindNumber kind, const std::string& name,
                          const v1::CommandOptions& options, Draft& draft, const Context& context);
// With what its deletion took along.
absl::Status DecideUndelete(KindNumber kind, const std::string& name,
                            const v1::CommandOptions& options, Draft& draft,
                            const Context& context);

// Moves the entity to the bin as part of the deletion of `root`.
absl::Status EmitDeleted(const EntityRef& entity, const EntityRef& root, Draft& draft);
// Brings it back.
absl::Status EmitUndeleted(const Found& binned, Draft& draft);
// Who may undelete any deletion, and who only their own (NOT_YOUR_DELETION).
absl::Status CheckMayUndelete(const Found& binned, const Context& context);

store::v1::EntityRef ToStored(const EntityRef& entity);
EntityRef FromStored(const store::v1::EntityRef& entity);

}  // namespace retrace::domain
