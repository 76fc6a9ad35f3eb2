#include "server/log_walk.h"

#include <algorithm>
#include <utility>

#include "domain/status_macros.h"
#include "fmt/format.h"
#include "server/envelope.h"

namespace retrace::server {

using eventstore::Position;
using eventstore::StoredCommit;

namespace {

constexpr size_t kForwardBytes = 256u << 10;
// More than the largest commit, so that a chunk of one always fits.
constexpr size_t kBackwardBytes = 4u << 20;
constexpr size_t kMaxChunk = 1024;

absl::Status Missing(eventstore::TenantNumber tenant, Position position) {
  return absl::DataLossError(
      fmt::format("The log lacks the commit at position {} of tenant number {}. Restore it from a "
                  "backup with `retraced recover`.",
                  position, tenant));
}

}  // namespace

LogWalk::LogWalk(const eventstore::CommitLog& log, eventstore::TenantNumber tenant, Position first,
                 Position last, bool backwards)
    : log_(log),
      tenant_(tenant),
      first_(std::max<Position>(first, 1)),
      last_(last),
      backwards_(backwards) {}

absl::StatusOr<const StoredCommit*> LogWalk::Next() {
  if (taken_ == read_.size()) {
    if (first_ > last_) return nullptr;
    read_.clear();
    taken_ = 0;
    RETRACE_RETURN_IF_ERROR(backwards_ ? ReadBackwards() : ReadForwards());
  }
  return &read_[taken_++];
}

absl::Status LogWalk::ReadForwards() {
  RETRACE_ASSIGN(read_, log_.Read(tenant_, first_ - 1, kForwardBytes));
  while (!read_.empty() && read_.back().position > last_) read_.pop_back();
  if (read_.empty()) return Missing(tenant_, first_);
  first_ = read_.back().position + 1;
  return absl::OkStatus();
}

absl::Status LogWalk::ReadBackwards() {
  while (true) {
    const Position from = last_ - std::min<Position>(chunk_ - 1, last_ - first_);
    RETRACE_ASSIGN(read_, log_.Read(tenant_, from - 1, kBackwardBytes));
    if (read_.empty()) return Missing(tenant_, from);
    if (read_.back().position >= last_) {
      // Whole. Small commits are read more at once.
      while (read_.back().position > last_) read_.pop_back();
      std::reverse(read_.begin(), read_.end());
      last_ = from - 1;
      chunk_ = std::min(chunk_ * 2, kMaxChunk);
      return absl::OkStatus();
    }
    if (chunk_ == 1) return Missing(tenant_, last_);
    chunk_ = std::max<size_t>(chunk_ / 8, 1);
  }
}

absl::StatusOr<Position> FirstPositionFrom(const eventstore::CommitLog& log,
                                           eventstore::TenantNumber tenant, Position last,
                                           int64_t time_us) {
  Position low = 1, high = last + 1;
  while (low < high) {
    const Position middle = low + (high - low) / 2;
    RETRACE_ASSIGN(std::vector<StoredCommit> commits, log.Read(tenant, middle - 1, 1));
    if (commits.empty()) return Missing(tenant, middle);
    Envelope envelope;
    RETRACE_RETURN_IF_ERROR(ReadEnvelope(commits.front().bytes, /*with_events=*/false, envelope));
    if (envelope.commit_time_us >= time_us) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

}  // namespace retrace::server
