// Operations: one command sent to many entities, chunk by chunk, each chunk one commit.
//
// An operation is an entity. What it is asked to do is fixed when it is started; its commits are
// one change set, whose number is the position of the start. A chunk does the command to its
// targets and advances the operation in the same commit, so going on after a restart is reading the
// row. The runner (server/operations.h) only fetches targets and submits chunks.
//
//   COLLECTING -> COUNTING -> RUNNING -> SUCCEEDED | STOPPED;  not yet ended -> CANCELLED | FAILED
//                     RUNNING -> REVERTING -> RUNNING | STOPPED | CANCELLED | FAILED
//
// What one commit does not hold, and what must be done as a whole: operation_work.h.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "domain/context.h"
#include "domain/draft.h"
#include "domain/kind.h"
#include "retrace/store/v1/operations.pb.h"

namespace retrace::domain {

// Names given in one call, and to one operation.
inline constexpr int kMostNamesPerCall = 10'000;
inline constexpr int64_t kMostTargets = 1'000'000;
// Names of one part, so that its event stays small.
inline constexpr int kNamesPerPart = 500;
// Targets of one chunk.
inline constexpr size_t kChunkTargets = 100;
// The index that holds unfinished operations, with this value; and all of them, the newest first.
inline constexpr uint8_t kUnfinishedIndex = 1;
inline constexpr char kUnfinished[] = "yes";
inline constexpr uint8_t kNewestFirstIndex = 2;
// Cancel operations that others started.
inline constexpr char kCancelAny[] = "operations.cancel-any";

Kind OperationKind();
// Named targets, and items that tell why something was not done, some hundreds a part.
Kind OperationPartKind();
EntityRef TargetPart(const std::string& operation, uint32_t part);  // 1, 2, 3 ...
EntityRef ItemPart(const std::string& operation, uint32_t part);

// What tells that a target is not any more what it was as of the task's position.
enum class DriftSign {
  kWrite,     // somebody else wrote an entity that it is about
  kConflict,  // an undo, found without conflicts then, meets one
  kNone,
};

// A target, with the command as it is for it.
struct OperationTarget {
  std::string name;  // as items tell it
  // What it is about, without what the command takes along.
  std::vector<EntityRef> entities;
  DriftSign drift = DriftSign::kWrite;
  std::function<absl::Status(Draft&, const Context&)> decide;
};

// What became of targets that were tried on a draft.
struct Tried {
  store::v1::OperationAdvanced counts;
  std::vector<v1::OperationItem> items;  // those that are not OK
  // An entity had drifted and the task says STOP: this one; it does not count as tried.
  std::string stopped_at;
  // The first target alone is more than the draft takes; none was tried.
  bool too_large = false;
  int64_t count() const {
    return counts.ok() + counts.refused() + counts.drifted() + counts.skipped();
  }
};

// Does the task's command to targets, one after the other, as far as one commit holds them: at
// least one. Errors are faults, and ACKNOWLEDGEMENT_REQUIRED when a target has a warning that the
// caller did not read; refusals of the command are told of the target.
absl::StatusOr<Tried> TryTargets(const store::v1::OperationTask& task,
                                 const std::vector<OperationTarget>& targets, Draft& draft,
                                 const Context& context);

// One commit's worth of an operation.
struct OperationChunk {
  std::string operation;  // id
  int64_t first = 0;      // how many targets must have been seen to before
  std::vector<OperationTarget> targets;
};
// Tries the targets and advances the operation; ends it with the last one. STATE_REFUSED when the
// operation is not RUNNING or has come to another place: read it again. USE_OPERATION when one
// commit does not hold the targets: try fewer; a single one is done in steps, see operation_work.h.
absl::Status DecideChunk(const OperationChunk& chunk, Draft& draft, const Context& context);

// Keeps names that a filter found, in parts of kNamesPerPart after the first `parts` ones.
// STATE_REFUSED unless COUNTING.
absl::Status DecideFound(const std::string& operation, uint32_t parts,
                         const std::vector<std::string>& names, Draft& draft,
                         const Context& context);
// What counting came to.
struct Counted {
  int64_t targets = 0;
  int64_t entities = 0;  // that they are about
  uint32_t parts = 0;    // see DecideFound
  // To be kept in further parts.
  std::vector<std::string> names;
};
// The targets are counted: the operation runs, or ends when there are none or the number of
// entities is not the acknowledged one. STATE_REFUSED unless COUNTING.
absl::Status DecideCounted(const std::string& operation, const Counted& counted, Draft& draft,
                           const Context& context);
// Ends an operation with its plan, which took those permissions beside the methods', or with why it
// cannot go on. STATE_REFUSED when it has ended.
absl::Status DecidePlanned(const std::string& operation, const v1::Plan& plan,
                           const std::set<std::string>& permissions, Draft& draft,
                           const Context& context);
absl::Status DecideFailed(const std::string& operation, const absl::Status& why, Draft& draft,
                          const Context& context);

// Whether the state is one that an operation ends in.
bool IsEnded(v1::OperationMetadata::State state);

}  // namespace retrace::domain
