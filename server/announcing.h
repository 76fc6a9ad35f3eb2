// Announce and Approve before they are decided, and announcements as the API shows them.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "domain/view.h"
#include "retrace/store/v1/announcements.pb.h"
#include "retrace/v1/announcements.pb.h"
#include "server/ledger.h"
#include "server/plans.h"
#include "server/principal.h"
#include "server/query_call.h"
#include "server/rpc.h"

namespace retrace::server {

// What announced commands are read and planned with. All must outlive what is made of this.
struct Announcing {
  const Rpc* rpc = nullptr;
  Ledger* ledger = nullptr;
  const Plans* plans = nullptr;
};

// What is announced, checked: a destructive command of the tenant that is complete, with the plan
// of it when the caller may give it, now and when it executes itself, and with everything
// acknowledged that the plan asks for; else as a request that names all that is needed for it, by
// somebody of the tenant who has that; and somebody who is told. Reads and plans, so it belongs
// into a query pool. INVALID_FIELD, NOBODY_TO_TELL, PLAN_REQUIRED for an operation without a token,
// PLAN_TOKEN_INVALID, PLAN_DRIFTED when the token's plan is not what would be done now,
// REASON_REQUIRED, ACKNOWLEDGEMENT_REQUIRED, and refusals of the command. A repeat of a request id
// is not resolved: it gets the first answer.
absl::StatusOr<store::v1::ResolvedAnnounce> ResolveAnnounce(const Announcing& parts,
                                                            const QueryCall& call,
                                                            const v1::AnnounceRequest& request);
// The same for who approves a request; of what has a plan nothing is resolved.
absl::StatusOr<store::v1::ResolvedApprove> ResolveApprove(const Announcing& parts,
                                                          const QueryCall& call,
                                                          const v1::ApproveRequest& request);

// The row as lists and replies show it.
v1::Announcement ShowAnnouncement(const std::string& tenant, const std::string& id,
                                  const domain::Row& row);
// Adds what only this caller may read: the command, and what the plan and its drift tell of
// entities, and which were taken out. Titles are read from the view. Errors are those of reading.
absl::Status AddDetails(const Principal& caller, const domain::Row& row, const domain::View& view,
                        v1::Announcement& shown);

}  // namespace retrace::server
