// History: what happened, read from the log itself and from the versions of rows.
//
// Commits are found by walking the log's envelopes from one end of the asked range to the other;
// restrictions on position and time narrow the range first. A page reads at most 10,000 commits and
// takes at most half of the caller's deadline; then it is returned short, perhaps empty, with a
// token. Pages are pinned to a position, so that new commits shift nothing.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "domain/entity.h"
#include "retrace/v1/history.pb.h"
#include "server/ledger.h"
#include "server/moment.h"
#include "server/query_call.h"

namespace retrace::server {

// Bounds of one page, and the clock. Tests change them.
struct HistoryOptions {
  int default_size = 50;
  int max_size = 1000;
  // Commits read for one page.
  size_t max_reads = 10000;
  // Tells whether a change set has run out of its time. Null: the system's clock, microseconds.
  std::function<int64_t()> wall_us;
};

// Answers queries about history. Thread-safe; blocks on reading only and belongs into the query
// pool. The request must have passed domain::Validate and its name must lie in call.tenant. Errors
// as of Queries; a commit above the visible position is ENTITY_NOT_FOUND.
class History {
 public:
  explicit History(Ledger& ledger, HistoryOptions options = {})
      : ledger_(ledger), options_(std::move(options)) {}

  // Commands that stand alone, and change sets that were begun; what joined one is not listed by
  // itself.
  absl::StatusOr<v1::ListChangeSetsResponse> Answer(const QueryCall& call,
                                                    const v1::ListChangeSetsRequest& request) const;
  absl::StatusOr<v1::ListCommitsResponse> Answer(const QueryCall& call,
                                                 const v1::ListCommitsRequest& request) const;
  absl::StatusOr<v1::GetCommitResponse> Answer(const QueryCall& call,
                                               const v1::GetCommitRequest& request) const;
  absl::StatusOr<v1::ListChangesResponse> Answer(const QueryCall& call,
                                                 const v1::ListChangesRequest& request) const;
  // Walks all rows of the tenant: takes seconds at a million. DEADLINE_PASSED when that does not
  // fit the deadline.
  absl::StatusOr<v1::GetDigestResponse> Answer(const QueryCall& call,
                                               const v1::GetDigestRequest& request) const;

  // The change set with that number as of a position, for the replies of BeginChangeSet and
  // EndChangeSet, too. ENTITY_NOT_FOUND when no change set begins there.
  absl::StatusOr<v1::ChangeSet> ShowChangeSet(const Tenant& tenant, eventstore::Position number,
                                              eventstore::Position as_of) const;

 private:
  // Adds entries for the versions (newest first), up to `wanted` and the page's bounds.
  absl::Status ShowVersions(const QueryCall& call, const domain::EntityRef& entity,
                            const std::vector<eventstore::RowVersion>& versions, size_t wanted,
                            v1::ListChangesResponse& response) const;
  // Again and again until nothing was written meanwhile; then `moment` is where that was.
  absl::StatusOr<std::string> FullDigest(const QueryCall& call,
                                         const std::function<absl::Status()>& go_on,
                                         Moment& moment) const;

  Ledger& ledger_;
  const HistoryOptions options_;
};

}  // namespace retrace::server
