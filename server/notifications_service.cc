#include "domain/follower.h"
#include "domain/refusal.h"
#include "domain/resource.h"
#include "domain/status_macros.h"
#include "retrace/v1/notifications.pb.h"
#include "server/inbox.h"
#include "server/moment.h"
#include "server/row_view.h"
#include "server/services.h"

namespace retrace::server {
namespace {

absl::StatusOr<v1::ListFollowersResponse> ListFollowers(Backend& backend, const QueryCall& call,
                                                        const v1::ListFollowersRequest& request) {
  if (!request.page_token().empty()) {
    return domain::Refusal(v1::INVALID_PAGE_TOKEN, "There is one page of followers.")
        .Field("page_token", "Leave it out.");
  }
  const Ledger& ledger = *backend.ledger;
  RETRACE_ASSIGN(Moment moment, MomentAt(ledger, *call.tenant, call.tenant->visible));
  const RowView view(ledger.rows(), call.tenant->number, moment.position);
  v1::ListFollowersResponse response;
  *response.mutable_answered() = std::move(moment.answered);
  const domain::EntityRef entity = domain::FollowerRef(domain::kNotificationFollower);
  RETRACE_ASSIGN(const domain::RowPtr row, view.Get(entity));
  v1::Follower& follower = *response.add_followers();
  if (row != nullptr) {
    domain::ShowResource(call.tenant->id, entity, *row, follower);
  }
  follower.set_name(domain::NameOf(call.tenant->id, entity));
  if (backend.follower != nullptr) {
    const FollowerLag lag = backend.follower->LagOf(*call.tenant);
    follower.set_lag_commits(static_cast<int64_t>(lag.commits));
    follower.set_lag_seconds(lag.seconds);
  }
  return response;
}

// What administrators ask and decide.
void AddAdministration(RpcService& service, Backend& backend) {
  const auto answer = [&backend](const QueryCall& call, const auto& request) {
    return backend.queries->Answer(call, request);
  };
  service.Query<v1::GetNotificationRequest, v1::GetNotificationResponse>("GetNotification", answer);
  service.Query<v1::ListNotificationsRequest, v1::ListNotificationsResponse>("ListNotifications",
                                                                             answer);
  service.Query<v1::ListDeliveriesRequest, v1::ListDeliveriesResponse>("ListDeliveries", answer);
  service.Query<v1::ListContactPointsRequest, v1::ListContactPointsResponse>("ListContactPoints",
                                                                             answer);
  service.Query<v1::ListFollowersRequest, v1::ListFollowersResponse>(
      "ListFollowers", [&backend](const QueryCall& call, const v1::ListFollowersRequest& request) {
        return ListFollowers(backend, call, request);
      });
  service.Command<v1::RetryDeliveryRequest, v1::RetryDeliveryResponse>("RetryDelivery");
  service.Command<v1::ResolveHeldDeliveriesRequest, v1::ResolveHeldDeliveriesResponse>(
      "ResolveHeldDeliveries");
  service.Command<v1::PauseFollowerRequest, v1::PauseFollowerResponse>("PauseFollower");
  service.Command<v1::ResolveParkedEventRequest, v1::ResolveParkedEventResponse>(
      "ResolveParkedEvent");
  service.Command<v1::SuppressContactPointRequest, v1::SuppressContactPointResponse>(
      "SuppressContactPoint");
}

}  // namespace

void AddNotificationsService(Rpc& rpc, Backend& backend) {
  RpcService& service = rpc.AddService("retrace.v1.Notifications");
  const auto inbox = [&backend, &rpc] { return Inbox(*backend.ledger, rpc.principals()); };
  const auto answer = [inbox](const QueryCall& call, const auto& request) {
    return inbox().Answer(call, request);
  };
  service.Query<v1::ListMyNotificationsRequest, v1::ListMyNotificationsResponse>(
      "ListMyNotifications", answer);
  service.Query<v1::GetMyPreferencesRequest, v1::GetMyPreferencesResponse>("GetMyPreferences",
                                                                           answer);
  service.Stream<v1::WatchMyNotificationsRequest, v1::WatchMyNotificationsResponse>(
      "WatchMyNotifications",
      [inbox](const QueryCall& call, const v1::WatchMyNotificationsRequest& request,
              StreamWriter& writer) { return inbox().Watch(call, request, writer); });
  service.Command<v1::MarkMyNotificationsRequest, v1::MarkMyNotificationsResponse>(
      "MarkMyNotifications");
  service.ResolvedCommand<v1::UpdateMyPreferencesRequest, v1::UpdateMyPreferencesResponse,
                          store::v1::ResolvedPreferences>(
      "UpdateMyPreferences",
      [inbox](const QueryCall& call, const v1::UpdateMyPreferencesRequest& request) {
        return inbox().Resolve(call, request);
      },
      nullptr);
  AddAdministration(service, backend);
}

}  // namespace retrace::server
