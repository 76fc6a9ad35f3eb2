#include "eventstore/version_walk.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "eventstore/row_errors.h"
#include "eventstore/row_keys.h"

namespace retrace::eventstore {
namespace {

// So many dead versions of a stem are stepped over before a seek, which costs about as much.
constexpr int kStepsBeforeJump = 8;

std::string_view View(const rocksdb::Slice& slice) { return {slice.data(), slice.size()}; }

rocksdb::ReadOptions OptionsOf(const WalkRange& range, const rocksdb::Slice& lower,
                               const rocksdb::Slice& upper) {
  rocksdb::ReadOptions options;
  options.iterate_lower_bound = &lower;
  options.iterate_upper_bound = &upper;
  options.total_order_seek = !range.one_prefix;
  options.prefix_same_as_start = range.one_prefix;
  options.background_purge_on_iterator_cleanup = true;
  if (range.once) {
    options.fill_cache = false;
    options.readahead_size = 2u << 20;
  }
  return options;
}

}  // namespace

VersionWalk::VersionWalk(rocksdb::DB& db, std::string directory, WalkRange range)
    : directory_(std::move(directory)),
      range_(std::move(range)),
      lower_(range_.lower),
      upper_(range_.upper) {
  if (range_.lower >= range_.upper) return;
  iterator_.reset(db.NewIterator(OptionsOf(range_, lower_, upper_)));
}

VersionWalk::~VersionWalk() = default;

absl::StatusOr<bool> VersionWalk::Next() {
  if (iterator_ == nullptr) return false;
  if (!positioned_) {
    positioned_ = true;
    if (range_.backwards) {
      JumpToOrBefore(range_.upper);
    } else {
      JumpTo(range_.lower);
    }
  }
  return range_.backwards ? NextBackwards() : NextForwards();
}

void VersionWalk::Seek(std::string_view stem) {
  if (iterator_ == nullptr) return;
  positioned_ = true;
  in_found_ = false;
  // Kept within the range: a target outside it would have another prefix than the range.
  if (range_.backwards) {
    target_.assign(stem);
    AppendPosition(kNoPosition, target_);
    JumpToOrBefore(std::min<std::string_view>(target_, range_.upper));
  } else {
    JumpTo(std::max<std::string_view>(stem, range_.lower));
  }
}

std::string_view VersionWalk::value() const {
  return range_.backwards ? std::string_view(held_) : View(iterator_->value());
}

absl::StatusOr<bool> VersionWalk::NextForwards() {
  if (in_found_) LeaveStem();
  in_found_ = false;
  while (iterator_->Valid()) {
    if (!EnterStem()) break;
    if (FindInStem()) {
      position_ = Here();
      in_found_ = true;
      return true;
    }
  }
  return AtEnd();
}

absl::StatusOr<bool> VersionWalk::NextBackwards() {
  while (iterator_->Valid()) {
    if (!EnterStem()) break;
    const bool found = FindInStemBackwards();
    LeaveStemBackwards();
    if (found) return true;
  }
  return AtEnd();
}

bool VersionWalk::FindInStem() {
  for (int steps = 0; InStem(); ++steps) {
    if (Here() <= range_.as_of) return true;
    if (steps == kStepsBeforeJump) {
      target_.assign(stem_);
      AppendPosition(range_.as_of, target_);
      JumpTo(target_);
      return InStem();
    }
    StepTo(/*next=*/true);
  }
  return false;
}

bool VersionWalk::FindInStemBackwards() {
  // Versions come oldest first: the last one that is not too new is the one.
  bool found = false;
  for (int steps = 0; InStem() && Here() <= range_.as_of; ++steps) {
    if (steps == kStepsBeforeJump) {
      target_.assign(stem_);
      AppendPosition(range_.as_of, target_);
      JumpTo(target_);
      if (InStem()) HoldThis();  // it does: an older version was seen, and a newer one may be right
      return true;
    }
    HoldThis();
    found = true;
    StepTo(/*next=*/false);
  }
  return found;
}

void VersionWalk::LeaveStem() {
  for (int steps = 0; InStem(); ++steps) {
    if (steps == kStepsBeforeJump) {
      target_.assign(stem_);
      AppendPosition(kNoPosition, target_);  // the oldest possible, which nothing has
      JumpTo(target_);
      return;
    }
    StepTo(/*next=*/true);
  }
}

void VersionWalk::LeaveStemBackwards() {
  for (int steps = 0; InStem(); ++steps) {
    if (steps == kStepsBeforeJump) {
      JumpToOrBefore(stem_);  // sorts before all its versions
      return;
    }
    StepTo(/*next=*/false);
  }
}

bool VersionWalk::InStem() const {
  if (!iterator_->Valid()) return false;
  const rocksdb::Slice key = iterator_->key();
  return key.size() == stem_.size() + kPositionSize &&
         std::memcmp(key.data(), stem_.data(), stem_.size()) == 0;
}

Position VersionWalk::Here() const { return PositionOf(View(iterator_->key())); }

bool VersionWalk::EnterStem() {
  const std::string_view key = View(iterator_->key());
  malformed_ = key.size() <= kPositionSize;
  if (!malformed_) stem_.assign(StemOf(key));
  return !malformed_;
}

void VersionWalk::HoldThis() {
  position_ = Here();
  held_.assign(View(iterator_->value()));
}

void VersionWalk::StepTo(bool next) {
  ++keys_read_;
  if (next) {
    iterator_->Next();
  } else {
    iterator_->Prev();
  }
}

void VersionWalk::JumpTo(std::string_view key) {
  ++keys_read_;
  iterator_->Seek(rocksdb::Slice(key.data(), key.size()));
}

void VersionWalk::JumpToOrBefore(std::string_view key) {
  ++keys_read_;
  iterator_->SeekForPrev(rocksdb::Slice(key.data(), key.size()));
}

absl::StatusOr<bool> VersionWalk::AtEnd() const {
  if (malformed_) {
    return DamagedRow(directory_, "a key without a position", View(iterator_->key()));
  }
  const absl::Status status = RowsStatus(iterator_->status(), directory_);
  if (!status.ok()) return status;
  return false;
}

}  // namespace retrace::eventstore
