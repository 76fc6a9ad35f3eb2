// The in-app inbox of a principal, and what reaches them by which way.
#pragma once

#include "absl/status/statusor.h"
#include "retrace/store/v1/notifications.pb.h"
#include "retrace/v1/notifications.pb.h"
#include "server/endpoint.h"
#include "server/ledger.h"
#include "server/principals.h"
#include "server/query_call.h"

namespace retrace::server {

// Answers what principals ask about themselves. Thread-safe; the errors are those of Queries.
class Inbox {
 public:
  // Both must outlive it.
  Inbox(Ledger& ledger, const Principals& principals) : ledger_(ledger), principals_(principals) {}

  absl::StatusOr<v1::ListMyNotificationsResponse> Answer(
      const QueryCall& call, const v1::ListMyNotificationsRequest& request) const;
  absl::StatusOr<v1::GetMyPreferencesResponse> Answer(
      const QueryCall& call, const v1::GetMyPreferencesRequest& request) const;
  // Until the caller goes away. Also the errors of WatchedFrom.
  absl::Status Watch(const QueryCall& call, const v1::WatchMyNotificationsRequest& request,
                     StreamWriter& writer) const;
  // What UpdateMyPreferences is decided on.
  absl::StatusOr<store::v1::ResolvedPreferences> Resolve(
      const QueryCall& call, const v1::UpdateMyPreferencesRequest& request) const;

 private:
  // What a watch tells at `visible` that was told up to a position; 0: nothing yet.
  absl::StatusOr<v1::WatchMyNotificationsResponse> ChangesSince(const QueryCall& call,
                                                                eventstore::Position told,
                                                                eventstore::Position visible) const;

  Ledger& ledger_;
  const Principals& principals_;
};

}  // namespace retrace::server
