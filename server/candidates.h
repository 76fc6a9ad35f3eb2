// Candidates: entities that an index offers to a list, in some order, as of a position. Whether a
// candidate fits is judged on its row by whoever takes it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "eventstore/row_store.h"

namespace retrace::server {

// Which entries a list wants: chosen by the entry, without reading the row.
struct WantedMarks {
  bool live = true;
  bool binned = false;
  bool Has(eventstore::Mark mark) const {
    return mark == eventstore::Mark::kBinned ? binned : live;
  }
};

struct Candidate {
  std::string value;  // of the index
  std::string id;
};

// Where a walk goes on: after this value and id, in its direction.
struct After {
  std::string value;
  std::string id;
};

// The store as of a position, and the direction of all walks of one list.
struct CandidateSource {
  const eventstore::RowStore& rows;
  eventstore::Position position;
  bool backwards;
  WantedMarks marks;
};

// Thread-compatible; must not outlive the store.
class Candidates {
 public:
  virtual ~Candidates() = default;
  // The next one, nothing at the end. A call may read up to `max_reads` keys more and then return
  // nothing with ended() false: call again to go on.
  virtual absl::StatusOr<std::optional<Candidate>> Next(size_t max_reads) = 0;
  virtual bool ended() const = 0;
  // Keys read so far.
  virtual size_t reads() const = 0;
  // The entry up to which everything was looked at, also of unwanted marks: where the next page may
  // go on.
  virtual const After& passed() const = 0;
};

// One range, by value then id.
std::unique_ptr<Candidates> WalkRange(const CandidateSource& source,
                                      const eventstore::IndexRange& range,
                                      const std::optional<After>& after);
// Ranges of one value each (eventstore::IndexRange::Exactly), merged by id alone; `after.value` is
// not looked at.
std::unique_ptr<Candidates> WalkMerged(const CandidateSource& source,
                                       std::vector<eventstore::IndexRange> ranges,
                                       const std::optional<After>& after);
// Entities in both of two such ranges, by id.
std::unique_ptr<Candidates> WalkCommon(const CandidateSource& source,
                                       const eventstore::IndexRange& first,
                                       const eventstore::IndexRange& second,
                                       const std::optional<After>& after);

// Wanted entries of a range, counted up to `limit`; `limit` keys are read at most, and then it
// answers `limit`.
absl::StatusOr<size_t> CountUpTo(const CandidateSource& source, const eventstore::IndexRange& range,
                                 size_t limit);

}  // namespace retrace::server
