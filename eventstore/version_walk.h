// Reading kept versions as of a position: the one piece of code under every read of the row store.
#pragma once

#include <rocksdb/db.h>

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "eventstore/types.h"

namespace retrace::eventstore {

// Which keys a walk reads, and how.
struct WalkRange {
  std::string lower;  // first key
  std::string upper;  // end, exclusive
  Position as_of = kLatest;
  bool backwards = false;
  // The whole range lies within one prefix (see row_keys.h): bloom filters tell which files to
  // skip. Forwards only.
  bool one_prefix = false;
  // A read of everything once: leaves the block cache to the others.
  bool once = false;
};

// Walks a range of keys with positions, stem by stem, and stops at the newest version at or below
// `as_of` of each. A stem's versions lie newest first; more than a few dead ones (too new, or
// superseded) are jumped over with a seek. Sees the store as it was when the walk was made.
// Thread-compatible; must not outlive the database.
class VersionWalk {
 public:
  VersionWalk(rocksdb::DB& db, std::string directory, WalkRange range);
  ~VersionWalk();
  VersionWalk(const VersionWalk&) = delete;
  VersionWalk& operator=(const VersionWalk&) = delete;

  // Goes to the next stem that has a version; false at the end. After an error the walk is over.
  absl::StatusOr<bool> Next();
  // The next Next() finds the first stem at or after `stem` (backwards: the last at or before it).
  void Seek(std::string_view stem);
  // Of what Next() found; valid until the next call.
  std::string_view stem() const { return stem_; }
  Position position() const { return position_; }
  std::string_view value() const;
  // Keys looked at so far.
  size_t keys_read() const { return keys_read_; }

 private:
  absl::StatusOr<bool> NextForwards();
  absl::StatusOr<bool> NextBackwards();
  // Both look for the newest version at or below as_of, from the first key of a stem in the walk's
  // direction on; true when there is one.
  bool FindInStem();
  bool FindInStemBackwards();
  // Both go on to the first key, in the walk's direction, that is not of the stem.
  void LeaveStem();
  void LeaveStemBackwards();
  // The iterator stands on a version of stem_.
  bool InStem() const;
  // The version that the iterator stands on.
  Position Here() const;
  // Takes the stem that the iterator stands on; false when the key has no place for a position.
  bool EnterStem();
  void HoldThis();
  void StepTo(bool next);
  void JumpTo(std::string_view key);
  void JumpToOrBefore(std::string_view key);
  absl::StatusOr<bool> AtEnd() const;

  const std::string directory_;
  const WalkRange range_;
  const rocksdb::Slice lower_;
  const rocksdb::Slice upper_;
  std::unique_ptr<rocksdb::Iterator> iterator_;  // null: nothing can be in the range
  bool positioned_ = false;                      // the iterator stands where the walk goes on
  bool in_found_ = false;  // forwards: it still stands on the version that was found
  bool malformed_ = false;
  std::string stem_;
  std::string target_;  // of a jump
  std::string held_;    // backwards: the value that was found, since the iterator has moved on
  Position position_ = kNoPosition;
  size_t keys_read_ = 0;
};

}  // namespace retrace::eventstore
