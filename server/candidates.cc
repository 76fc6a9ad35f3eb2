#include "server/candidates.h"

#include <utility>

#include "domain/status_macros.h"

namespace retrace::server {
namespace {

using eventstore::IndexEntry;
using eventstore::IndexRange;
using eventstore::IndexScan;

std::unique_ptr<IndexScan> OpenScan(const CandidateSource& source, const IndexRange& range) {
  return source.rows.ScanIndex(range, source.position, source.backwards);
}

// Entries of one range after a place, one looked at ahead.
class Cursor {
 public:
  Cursor(const CandidateSource& source, const IndexRange& range)
      : source_(source), range_(range), scan_(OpenScan(source, range)) {}

  // To the first entry after (value, id).
  absl::Status SkipPast(std::string_view value, std::string_view id) {
    RETRACE_RETURN_IF_ERROR(SkipTo(value, id));
    if (entry_.has_value() && entry_->value == value && entry_->id == id) return Advance();
    return absl::OkStatus();
  }
  // To the first entry at or after (value, id).
  absl::Status SkipTo(std::string_view value, std::string_view id) {
    scan_->Seek(value, id);
    return Advance();
  }
  absl::Status Advance() {
    RETRACE_ASSIGN(entry_, scan_->Next());
    begun_ = true;
    return absl::OkStatus();
  }
  absl::Status Begin() { return begun_ ? absl::OkStatus() : Advance(); }

  // Nothing at the end of the range.
  const std::optional<IndexEntry>& entry() const { return entry_; }
  // Of a range of one value.
  const std::string& value() const { return range_.lower; }
  size_t reads() const { return scan_->keys_read(); }
  // True when `a` comes before `b` in the direction of the walk.
  bool Before(const std::string& a, const std::string& b) const {
    return source_.backwards ? b < a : a < b;
  }

 private:
  const CandidateSource source_;
  const IndexRange range_;
  std::unique_ptr<IndexScan> scan_;
  std::optional<IndexEntry> entry_;
  bool begun_ = false;
};

// What the walks share: begin after a place, then take wanted entries until there are none or
// enough was read.
class CursorWalk : public Candidates {
 public:
  CursorWalk(const CandidateSource& source, const std::optional<After>& after)
      : marks_(source.marks), after_(after) {
    if (after.has_value()) passed_ = *after;
  }

  absl::StatusOr<std::optional<Candidate>> Next(size_t max_reads) override {
    const size_t stop = reads() + max_reads;
    if (!begun_) {
      begun_ = true;
      RETRACE_RETURN_IF_ERROR(Begin(after_));
    }
    while (true) {
      RETRACE_ASSIGN(std::optional<IndexEntry> entry, Take(stop));
      if (!entry.has_value()) return std::nullopt;
      passed_ = {entry->value, entry->id};
      if (marks_.Has(entry->mark)) return Candidate{std::move(entry->value), std::move(entry->id)};
      if (reads() >= stop) return std::nullopt;
    }
  }
  bool ended() const override { return ended_; }
  const After& passed() const override { return passed_; }

 protected:
  virtual absl::Status Begin(const std::optional<After>& after) = 0;
  // The next entry whatever its mark; nothing when it set ended_, or at `stop` keys read.
  virtual absl::StatusOr<std::optional<IndexEntry>> Take(size_t stop) = 0;

  const WantedMarks marks_;
  const std::optional<After> after_;
  bool begun_ = false;
  bool ended_ = false;
  After passed_;
};

class RangeWalk final : public CursorWalk {
 public:
  RangeWalk(const CandidateSource& source, const IndexRange& range,
            const std::optional<After>& after)
      : CursorWalk(source, after), cursor_(source, range) {}
  size_t reads() const override { return cursor_.reads(); }

 private:
  absl::Status Begin(const std::optional<After>& after) override {
    return after.has_value() ? cursor_.SkipPast(after->value, after->id) : cursor_.Begin();
  }
  absl::StatusOr<std::optional<IndexEntry>> Take(size_t) override {
    // The one looked at ahead is taken; the next is looked for only when it is asked for.
    if (taken_) RETRACE_RETURN_IF_ERROR(cursor_.Advance());
    taken_ = true;
    ended_ = !cursor_.entry().has_value();
    return cursor_.entry();
  }

  Cursor cursor_;
  bool taken_ = false;
};

class MergedWalk final : public CursorWalk {
 public:
  MergedWalk(const CandidateSource& source, const std::vector<IndexRange>& ranges,
             const std::optional<After>& after)
      : CursorWalk(source, after) {
    cursors_.reserve(ranges.size());
    for (const IndexRange& range : ranges) cursors_.emplace_back(source, range);
  }
  size_t reads() const override {
    size_t reads = 0;
    for (const Cursor& cursor : cursors_) reads += cursor.reads();
    return reads;
  }

 private:
  absl::Status Begin(const std::optional<After>& after) override {
    for (Cursor& cursor : cursors_) {
      RETRACE_RETURN_IF_ERROR(after.has_value() ? cursor.SkipPast(cursor.value(), after->id)
                                                : cursor.Begin());
    }
    return absl::OkStatus();
  }
  absl::StatusOr<std::optional<IndexEntry>> Take(size_t) override {
    if (last_ != nullptr) RETRACE_RETURN_IF_ERROR(last_->Advance());
    last_ = nullptr;
    for (Cursor& cursor : cursors_) {
      if (!cursor.entry().has_value()) continue;
      if (last_ == nullptr || cursor.Before(cursor.entry()->id, last_->entry()->id))
        last_ = &cursor;
    }
    ended_ = last_ == nullptr;
    if (ended_) return std::nullopt;
    return last_->entry();
  }

  std::vector<Cursor> cursors_;
  Cursor* last_ = nullptr;  // whose entry was taken
};

class CommonWalk final : public CursorWalk {
 public:
  CommonWalk(const CandidateSource& source, const IndexRange& first, const IndexRange& second,
             const std::optional<After>& after)
      : CursorWalk(source, after), first_(source, first), second_(source, second) {}
  size_t reads() const override { return first_.reads() + second_.reads(); }

 private:
  absl::Status Begin(const std::optional<After>& after) override {
    RETRACE_RETURN_IF_ERROR(after.has_value() ? first_.SkipPast(first_.value(), after->id)
                                              : first_.Begin());
    return after.has_value() ? second_.SkipPast(second_.value(), after->id) : second_.Begin();
  }
  absl::StatusOr<std::optional<IndexEntry>> Take(size_t stop) override {
    if (taken_) RETRACE_RETURN_IF_ERROR(first_.Advance());
    taken_ = false;
    while (first_.entry().has_value() && second_.entry().has_value()) {
      const std::string a = first_.entry()->id, b = second_.entry()->id;
      if (a == b) {
        taken_ = true;
        return first_.entry();
      }
      // Each side jumps to where the other one stands; what was passed on the way is in one of the
      // two only.
      const bool first_behind = first_.Before(a, b);
      passed_ = {first_.value(), first_behind ? a : b};
      Cursor& behind = first_behind ? first_ : second_;
      RETRACE_RETURN_IF_ERROR(behind.SkipTo(behind.value(), first_behind ? b : a));
      if (reads() >= stop) return std::nullopt;
    }
    ended_ = true;
    return std::nullopt;
  }

  Cursor first_;
  Cursor second_;
  bool taken_ = false;
};

}  // namespace

std::unique_ptr<Candidates> WalkRange(const CandidateSource& source, const IndexRange& range,
                                      const std::optional<After>& after) {
  return std::make_unique<RangeWalk>(source, range, after);
}

std::unique_ptr<Candidates> WalkMerged(const CandidateSource& source,
                                       std::vector<IndexRange> ranges,
                                       const std::optional<After>& after) {
  return std::make_unique<MergedWalk>(source, ranges, after);
}

std::unique_ptr<Candidates> WalkCommon(const CandidateSource& source, const IndexRange& first,
                                       const IndexRange& second,
                                       const std::optional<After>& after) {
  return std::make_unique<CommonWalk>(source, first, second, after);
}

absl::StatusOr<size_t> CountUpTo(const CandidateSource& source, const IndexRange& range,
                                 size_t limit) {
  std::unique_ptr<IndexScan> scan = OpenScan(source, range);
  size_t count = 0;
  while (count < limit) {
    RETRACE_ASSIGN(std::optional<IndexEntry> entry, scan->Next());
    if (!entry.has_value()) return count;
    if (source.marks.Has(entry->mark)) ++count;
    if (scan->keys_read() >= limit) return limit;
  }
  return limit;
}

}  // namespace retrace::server
