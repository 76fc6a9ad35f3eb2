// Queries over rows: get, list, search and summary of every kind, now or as of any past moment.
//
// What a list shows. ACTIVE entities; with show_inactive INACTIVE ones, too; with show_deleted
// those in the recycle bin, too. A filter that mentions `state` decides alone. Live and binned are
// told apart by the index entry, without reading the row.
//
// In what order.
// clang-format off
//   no query, no order_by   the kind's default: customers by number, records by create_time,
//                           members by display_name
//   order_by                as asked; entities without a value come last, equal values by id
//   query, no order_by      exact finds first (number, id, external id, e-mail, phone), then by the
//                           word found, then by id; an entity is told once, where it is found first
//   query and order_by      as asked. For an order without an index (create_time, update_time; see
//                           the proto) the search may find at most 10,000 entities; more is refused
//                           with INVALID_FIELD
// clang-format on
// Records by create_time are in the order of their ids, which the server makes in order of time.
//
// How a page is made. If the filter holds restrictions that an index answers, the smallest set of
// entries among them is taken (two of them intersected when both are equalities and the smaller is
// large). When that set is small beside the whole list it is read, sorted and cut; else the index
// of the order is walked. Everything is checked on the row again. Both ways give one order, so a
// list may go from one to the other between pages. A page reads at most 10,000 entries and rows and
// takes at most half of the caller's deadline; then it is returned short, perhaps empty, with a
// token. A token pins epoch and position: at a pinned position no page sequence skips or repeats.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "retrace/v1/customers.pb.h"
#include "retrace/v1/holds.pb.h"
#include "retrace/v1/members.pb.h"
#include "retrace/v1/notifications.pb.h"
#include "retrace/v1/records.pb.h"
#include "retrace/v1/templates.pb.h"
#include "retrace/v1/tenants.pb.h"
#include "retrace/v1/webhooks.pb.h"
#include "server/ledger.h"
#include "server/query_call.h"

namespace retrace::server {

// Bounds of one page. Tests make them small.
struct PageLimits {
  int default_size = 50;
  int max_size = 1000;
  // Entries and rows read for one page.
  size_t max_reads = 10000;
};

// Answers queries. Thread-safe; every Answer blocks on reading only and belongs into the query
// pool. The request must have passed domain::Validate and its name must lie in call.tenant. Errors:
// INVALID_FIELD, INVALID_FILTER, INVALID_PAGE_TOKEN, EPOCH_CHANGED, FUTURE_AS_OF, ENTITY_NOT_FOUND,
// CALLER_CANCELLED; DATA_LOSS when stored bytes are damaged.
class Queries {
 public:
  explicit Queries(Ledger& ledger, PageLimits limits = {}) : ledger_(ledger), limits_(limits) {}

  absl::StatusOr<v1::GetCustomerResponse> Answer(const QueryCall& call,
                                                 const v1::GetCustomerRequest& request) const;
  absl::StatusOr<v1::ListCustomersResponse> Answer(const QueryCall& call,
                                                   const v1::ListCustomersRequest& request) const;
  absl::StatusOr<v1::SummarizeResponse> Answer(const QueryCall& call,
                                               const v1::SummarizeRequest& request) const;
  absl::StatusOr<v1::GetRecordResponse> Answer(const QueryCall& call,
                                               const v1::GetRecordRequest& request) const;
  absl::StatusOr<v1::ListRecordsResponse> Answer(const QueryCall& call,
                                                 const v1::ListRecordsRequest& request) const;
  absl::StatusOr<v1::GetMemberResponse> Answer(const QueryCall& call,
                                               const v1::GetMemberRequest& request) const;
  absl::StatusOr<v1::ListMembersResponse> Answer(const QueryCall& call,
                                                 const v1::ListMembersRequest& request) const;
  absl::StatusOr<v1::GetHoldResponse> Answer(const QueryCall& call,
                                             const v1::GetHoldRequest& request) const;
  absl::StatusOr<v1::ListHoldsResponse> Answer(const QueryCall& call,
                                               const v1::ListHoldsRequest& request) const;
  absl::StatusOr<v1::GetNotificationResponse> Answer(
      const QueryCall& call, const v1::GetNotificationRequest& request) const;
  absl::StatusOr<v1::ListNotificationsResponse> Answer(
      const QueryCall& call, const v1::ListNotificationsRequest& request) const;
  absl::StatusOr<v1::ListDeliveriesResponse> Answer(const QueryCall& call,
                                                    const v1::ListDeliveriesRequest& request) const;
  absl::StatusOr<v1::ListContactPointsResponse> Answer(
      const QueryCall& call, const v1::ListContactPointsRequest& request) const;
  absl::StatusOr<v1::GetTemplateResponse> Answer(const QueryCall& call,
                                                 const v1::GetTemplateRequest& request) const;
  absl::StatusOr<v1::ListTemplatesResponse> Answer(const QueryCall& call,
                                                   const v1::ListTemplatesRequest& request) const;
  absl::StatusOr<v1::GetWebhookResponse> Answer(const QueryCall& call,
                                                const v1::GetWebhookRequest& request) const;
  absl::StatusOr<v1::ListWebhooksResponse> Answer(const QueryCall& call,
                                                  const v1::ListWebhooksRequest& request) const;
  absl::StatusOr<v1::ListWebhookDeliveriesResponse> Answer(
      const QueryCall& call, const v1::ListWebhookDeliveriesRequest& request) const;
  // Tenants are entities of the tenant `system`. One that the caller may not enter is
  // TENANT_NOT_FOUND, like one that does not exist.
  absl::StatusOr<v1::GetTenantResponse> Answer(const QueryCall& call,
                                               const v1::GetTenantRequest& request) const;
  // Those that the caller may enter, by id; `system` is none of them.
  absl::StatusOr<v1::ListTenantsResponse> Answer(const QueryCall& call,
                                                 const v1::ListTenantsRequest& request) const;
  absl::StatusOr<v1::GetPolicyResponse> Answer(const QueryCall& call,
                                               const v1::GetPolicyRequest& request) const;

 private:
  Ledger& ledger_;
  const PageLimits limits_;
};

}  // namespace retrace::server
