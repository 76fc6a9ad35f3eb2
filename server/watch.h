// Watching commits: everything after a position, in order, and then each commit as it becomes
// visible.
//
// clang-format off
//   RETRACE_ASSIGN(auto watch, CommitWatch::Start(ledger, call, request, {}));
//   while (running) {
//     RETRACE_ASSIGN(std::optional<v1::WatchCommitsResponse> message, watch->Next(absl::Seconds(1)));
//     if (message.has_value()) Send(*message);  // nothing: the time is over, look whether to go on
//   }
// clang-format on
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "retrace/v1/history.pb.h"
#include "server/ledger.h"
#include "server/query_call.h"

namespace retrace::server {

// Behind which position a stream begins that is asked for with `after_position` and `epoch`: 0
// gives 0, -1 what is visible. EPOCH_CHANGED with `branch-position` for a position above 0 whose
// epoch is missing or not the log's; INVALID_FIELD for one below -1 or above what is visible, or a
// malformed epoch.
absl::StatusOr<eventstore::Position> WatchedFrom(Ledger& ledger, const Tenant& tenant,
                                                 int64_t after_position, std::string_view epoch);

struct WatchOptions {
  // Silence after which a heartbeat is sent.
  absl::Duration heartbeat = absl::Seconds(15);
  // So many commits that nobody wants are left out before the stream is looked after again.
  size_t most_left_out = 10000;
  // For tests; null: absl::Now.
  std::function<absl::Time()> now;
};

// One stream. Pull-style: whoever runs it decides when to stop. Thread-compatible: one thread at a
// time; it may be destroyed at any time between two calls. The ledger must outlive it.
class CommitWatch {
 public:
  // The errors of WatchedFrom; INVALID_FIELD for an unknown kind.
  static absl::StatusOr<std::unique_ptr<CommitWatch>> Start(Ledger& ledger, const QueryCall& call,
                                                            const v1::WatchCommitsRequest& request,
                                                            WatchOptions options);

  // The next message; nothing when `timeout` passed without one (or a good deal of filtered commits
  // was walked: call again). Commits come in order of position, never one that queries do not show
  // yet; then CAUGHT_UP, once; then commits as they become visible; a heartbeat after silence.
  // `position` of every message is where to resume: it moves on over commits that the request
  // leaves out, too. An error ends the stream.
  absl::StatusOr<std::optional<v1::WatchCommitsResponse>> Next(absl::Duration timeout);

  // Everything up to here was sent or left out.
  eventstore::Position position() const { return position_; }

 private:
  CommitWatch(Ledger& ledger, Tenant& tenant, const v1::WatchCommitsRequest& request,
              WatchOptions options);
  // Takes the next wanted commit out of what is visible; nothing when there is none (yet).
  absl::StatusOr<std::optional<v1::Commit>> NextCommit();
  absl::Status ReadMore(eventstore::Position visible);
  v1::WatchCommitsResponse Message() const;

  Ledger& ledger_;
  Tenant& tenant_;
  const WatchOptions options_;
  v1::CommitView view_;
  absl::flat_hash_set<uint32_t> kinds_;
  std::set<std::string, std::less<>> methods_;
  eventstore::Position position_ = 0;
  bool caught_up_ = false;
  absl::Time last_message_;
  std::deque<eventstore::StoredCommit> read_;  // after position_, in order
};

}  // namespace retrace::server
