// Whether changes of state can be taken back: the one table. A move that is added to the list and
// not to the table does not compile.
#pragma once

#include <vector>

#include "domain/entity.h"
#include "domain/kind.h"

namespace retrace::domain {

// What can happen to the state of an entity.
enum class StateMove {
  kCreate,      // nothing -> live
  kDelete,      // live -> the bin
  kUndelete,    // the bin -> live
  kPurge,       // the bin -> nothing
  kMerge,       // live -> a part of another entity
  kUnmerge,     // a part of another entity -> live
  kDeactivate,  // ACTIVE -> INACTIVE
  kActivate,    // INACTIVE, PAUSED or DISABLED -> ACTIVE
  kPause,       // of webhooks: ACTIVE -> PAUSED
  kDisable,     // of webhooks: to DISABLED, by the server
  kGoOn,        // of what only goes on, like tenants, epochs
};

enum class Reversal {
  kReversible,    // undo makes the opposite move
  kIrreversible,  // undo leaves it alone and says so
};

#pragma GCC diagnostic push
#pragma GCC diagnostic error "-Wswitch"
constexpr Reversal ReversalOf(StateMove move) {
  // No default: the compiler names the move that is missing.
  switch (move) {
    case StateMove::kCreate:
    case StateMove::kDelete:
    case StateMove::kUndelete:
    case StateMove::kMerge:
    case StateMove::kUnmerge:
    case StateMove::kDeactivate:
    case StateMove::kActivate:
    case StateMove::kPause:
    case StateMove::kDisable:
      return Reversal::kReversible;
    case StateMove::kPurge:
    case StateMove::kGoOn:
      return Reversal::kIrreversible;
  }
  return Reversal::kIrreversible;
}
#pragma GCC diagnostic pop

// The moves that lead from one version of an entity to the next; `before` is null for a new one.
std::vector<StateMove> MovesBetween(const Kind& kind, const Row* before, const Row& after);

}  // namespace retrace::domain
