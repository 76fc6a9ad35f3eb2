// Legal holds. Commands are declared in commands.h.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "domain/context.h"
#include "domain/draft.h"
#include "domain/kind.h"

namespace retrace::domain {

Kind HoldKind();

// An active hold.
struct ActiveHold {
  EntityRef entity;
  std::string case_number;
};

// The hold that keeps the entity as `row` is; nothing when none does. With `as_part` also one of
// what its personal data belongs to, or belonged to as far back as it has a past.
absl::StatusOr<std::optional<ActiveHold>> HoldOn(const EntityRef& entity, const Row& row,
                                                 bool as_part, const View& view,
                                                 const std::string& tenant);

// Refuses to purge what is held, or a part of it (HELD).
absl::Status CheckMayBePurged(const EntityRef& entity, const Row& row, const View& view,
                              const Context& context);
// Refuses an outcome that takes away what is held (HELD, with the case): moves it to the bin, or
// removes its past. A purge takes away parts of what is held, too.
absl::Status CheckHolds(const Draft& draft, const Context& context);

}  // namespace retrace::domain
