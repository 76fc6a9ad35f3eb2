#include <algorithm>
#include <string>
#include <utility>

#include "domain/announcement.h"
#include "domain/commands.h"
#include "domain/decider.h"
#include "domain/index_values.h"
#include "domain/resource.h"
#include "domain/status_macros.h"
#include "fmt/format.h"
#include "retrace/store/v1/page_token.pb.h"
#include "retrace/v1/announcements.pb.h"
#include "server/announcing.h"
#include "server/lists.h"
#include "server/moment.h"
#include "server/numbers.h"
#include "server/page_token.h"
#include "server/row_view.h"
#include "server/services.h"

namespace retrace::server {
namespace {

using domain::KindNumber;
using domain::RowPtr;

constexpr int kDefaultPage = 50;
constexpr int kLargestPage = 1000;

absl::StatusOr<v1::GetAnnouncementResponse> Get(Backend& backend, const QueryCall& call,
                                                const v1::GetAnnouncementRequest& request) {
  RETRACE_ASSIGN(Moment moment, ResolveAsOf(*backend.ledger, *call.tenant, request.as_of()));
  const RowView view(backend.ledger->rows(), call.tenant->number, moment.position);
  domain::Context context;
  context.header.tenant = call.tenant->id;
  RETRACE_ASSIGN(const domain::Found found,
                 domain::FindLive(KindNumber::kAnnouncement, request.name(), {}, view, context));
  v1::GetAnnouncementResponse response;
  v1::Announcement& shown = *response.mutable_announcement();
  shown = ShowAnnouncement(call.tenant->id, found.entity.id, *found.row);
  RETRACE_RETURN_IF_ERROR(AddDetails(*call.principal, *found.row, view, shown));
  *response.mutable_answered() = std::move(moment.answered);
  return response;
}

// The newest first. The token is where the last page ended: the number of an announcement's first
// commit, which no other has.
absl::StatusOr<v1::ListAnnouncementsResponse> List(Backend& backend, const QueryCall& call,
                                                   const v1::ListAnnouncementsRequest& request) {
  RETRACE_ASSIGN(const size_t size, PageSizeOf(request.page_size(), kDefaultPage, kLargestPage));
  domain::IndexRange range{
      KindNumber::kAnnouncement,
      request.show_closed() ? domain::kNewestAnnouncementIndex : domain::kOpenAnnouncementIndex, "",
      ""};
  store::v1::PageToken token;
  Moment moment;
  if (request.page_token().empty()) {
    RETRACE_ASSIGN(moment, ResolveAsOf(*backend.ledger, *call.tenant, request.as_of()));
    token.set_position(moment.position);
  } else {
    RETRACE_ASSIGN(token, OpenPageToken(*backend.ledger, call, request, request.page_token()));
    RETRACE_ASSIGN(moment, MomentAt(*backend.ledger, *call.tenant, token.position()));
    range.lower = domain::EncodeNumber(1 - ReadNumber<int64_t>(token.id()).value_or(1));
  }
  const RowView view(backend.ledger->rows(), call.tenant->number, token.position());
  RETRACE_ASSIGN(const auto hits, view.Find(range, size + 1));
  v1::ListAnnouncementsResponse response;
  for (size_t i = 0; i < std::min(size, hits.size()); ++i) {
    RETRACE_ASSIGN(const RowPtr row, view.Get({KindNumber::kAnnouncement, hits[i].id}));
    *response.add_announcements() = ShowAnnouncement(call.tenant->id, hits[i].id, *row);
    if (i + 1 == size && hits.size() > size) {
      token.set_id(fmt::format("{}", row->head.create_position()));
      RETRACE_ASSIGN(*response.mutable_next_page_token(),
                     SealPageToken(*backend.ledger, call, request, token));
    }
  }
  *response.mutable_answered() = std::move(moment.answered);
  return response;
}

template <typename Reply>
absl::Status Show(const Tenant& tenant, const CommandResult& result, Message& message) {
  const auto& [entity, row] = result.targets.front();
  *static_cast<Reply&>(message).mutable_announcement() =
      ShowAnnouncement(tenant.id, entity.id, *row);
  return absl::OkStatus();
}

Announcing AnnouncingOf(const Rpc& rpc, Backend& backend) {
  return {&rpc, backend.ledger, &*backend.plans};
}

}  // namespace

void AddPlansService(Rpc& rpc, Backend& backend) {
  RpcService& service = rpc.AddService("retrace.v1.Plans");
  service.ResolvedCommand<v1::AnnounceRequest, v1::AnnounceResponse, store::v1::ResolvedAnnounce>(
      "Announce",
      [&rpc, &backend](const QueryCall& call, const v1::AnnounceRequest& request) {
        return ResolveAnnounce(AnnouncingOf(rpc, backend), call, request);
      },
      Show<v1::AnnounceResponse>, Lane::kSlow);
  service.ResolvedCommand<v1::ApproveRequest, v1::ApproveResponse, store::v1::ResolvedApprove>(
      "Approve",
      [&rpc, &backend](const QueryCall& call, const v1::ApproveRequest& request) {
        return ResolveApprove(AnnouncingOf(rpc, backend), call, request);
      },
      Show<v1::ApproveResponse>, Lane::kSlow);
  service.Command<v1::AcknowledgeRequest, v1::AcknowledgeResponse>("Acknowledge",
                                                                   Show<v1::AcknowledgeResponse>);
  service.Command<v1::ObjectRequest, v1::ObjectResponse>("Object", Show<v1::ObjectResponse>);
  service.Command<v1::TakeOutRequest, v1::TakeOutResponse>("TakeOut", Show<v1::TakeOutResponse>);
  service.Command<v1::AcknowledgeObjectionsRequest, v1::AcknowledgeObjectionsResponse>(
      "AcknowledgeObjections", Show<v1::AcknowledgeObjectionsResponse>);
  service.Command<v1::WithdrawRequest, v1::WithdrawResponse>("Withdraw",
                                                             Show<v1::WithdrawResponse>);
  service.Command<v1::ExecuteRequest, v1::ExecuteResponse>("Execute", Show<v1::ExecuteResponse>);
  service.Query<v1::GetAnnouncementRequest, v1::GetAnnouncementResponse>(
      "GetAnnouncement", [&backend](const QueryCall& call, const auto& request) {
        return Get(backend, call, request);
      });
  service.Query<v1::ListAnnouncementsRequest, v1::ListAnnouncementsResponse>(
      "ListAnnouncements", [&backend](const QueryCall& call, const auto& request) {
        return List(backend, call, request);
      });
}

}  // namespace retrace::server
