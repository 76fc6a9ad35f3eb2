#include "domain/state_moves.h"

#include <string_view>

#include "domain/lifecycle.h"

namespace retrace::domain {

std::vector<StateMove> MovesBetween(const Kind& kind, const Row* before, const Row& after) {
  if (!kind.content) {
    return {StateMove::kGoOn};
  }
  std::vector<StateMove> moves;
  if (before == nullptr) {
    return {StateMove::kCreate};
  }
  if (after.purged()) {
    return {StateMove::kPurge};
  }
  if (before->merged() != after.merged()) {
    moves.push_back(after.merged() ? StateMove::kMerge : StateMove::kUnmerge);
  } else if (before->live() != after.live()) {
    moves.push_back(after.live() ? StateMove::kUndelete : StateMove::kDelete);
  }
  const std::string_view from = OwnState(*before);
  const std::string_view to = OwnState(after);
  if (from != to) {
    moves.push_back(to == "INACTIVE"   ? StateMove::kDeactivate
                    : to == "ACTIVE"   ? StateMove::kActivate
                    : to == "PAUSED"   ? StateMove::kPause
                    : to == "DISABLED" ? StateMove::kDisable
                                       : StateMove::kGoOn);
  }
  return moves;
}

}  // namespace retrace::domain
