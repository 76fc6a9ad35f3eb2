// A page of commits: one walk over the log's envelopes for commits and change sets alike.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "domain/filter.h"
#include "google/protobuf/message.h"
#include "retrace/v1/common.pb.h"
#include "server/commit_filter.h"
#include "server/envelope.h"
#include "server/history.h"
#include "server/ledger.h"
#include "server/moment.h"
#include "server/query_call.h"

namespace retrace::server {

// Pages stay below what gRPC clients receive by default.
inline constexpr size_t kMaxPageBytes = 3u << 20;

// True when the commit began a change set that further commands may join.
bool BeginsChangeSet(const Envelope& envelope);
// True when a change set is known by this commit: the commit began it, or stands alone. The end of
// a change set is none of its own.
bool IsFirstOfChangeSet(const Envelope& envelope);

// True when the server noted by itself how it tells people what was done: whom it addressed, what
// became of a delivery, how far a follower came.
bool IsDeliveryNote(const Envelope& envelope);

// What filters over change sets may name.
const std::vector<std::string>& ChangeSetFilterFields();

// A page over commits, whatever it makes of them. Thread-compatible; lives for one call, and so
// must all it refers to.
struct CommitPage {
  Ledger& ledger;
  const HistoryOptions& options;
  const QueryCall& call;
  const google::protobuf::Message& request;
  std::string_view page_token;
  const v1::AsOf& as_of;
  std::string_view filter;
  const std::vector<std::string>& filter_fields;
  int page_size = 0;
  bool oldest_first = false;
  bool first_only = false;          // commits that begin a change set, or stand alone
  bool show_delivery_notes = true;  // also those of IsDeliveryNote

  // Told every commit that fits, with its bytes; adds it to the reply and says how many bytes the
  // reply grew by.
  std::function<absl::StatusOr<size_t>(const Moment&, const Envelope&, std::string_view)> take;

  // Fills next_page_token and answered.
  absl::Status Fill(std::string& next_page_token, v1::Answered& answered) const;

 private:
  absl::StatusOr<bool> Fits(const domain::Filter& parsed, const Envelope& envelope) const;
  absl::StatusOr<eventstore::Position> Walk(const domain::Filter& parsed, const Moment& moment,
                                            PositionRange range, size_t wanted) const;
};

}  // namespace retrace::server
