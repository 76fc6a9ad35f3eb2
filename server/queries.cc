#include "server/queries.h"

#include <algorithm>
#include <memory>
#include <tuple>
#include <utility>

#include "absl/strings/ascii.h"
#include "domain/decider.h"
#include "domain/kind.h"
#include "domain/policy.h"
#include "domain/refusal.h"
#include "domain/resource.h"
#include "domain/status_macros.h"
#include "fmt/format.h"
#include "retrace/store/v1/row.pb.h"
#include "server/list_declarations.h"
#include "server/lists.h"
#include "server/moment.h"
#include "server/page_token.h"
#include "server/row_view.h"

namespace retrace::server {
namespace {

using domain::EntityRef;
using domain::KindNumber;
using domain::Refusal;
using domain::RowPtr;

template <typename Request>
ListQuestion QuestionOf(const Request& request) {
  return {.request = request,
          .page_size = request.page_size(),
          .page_token = request.page_token(),
          .filter = request.filter(),
          .order_by = request.order_by(),
          .query = request.query(),
          .show_inactive = request.show_inactive(),
          .show_deleted = request.show_deleted(),
          .as_of = request.as_of()};
}

// Of a list that is only filtered.
template <typename Request>
ListQuestion PlainQuestionOf(const Request& request) {
  return {.request = request,
          .page_size = request.page_size(),
          .page_token = request.page_token(),
          .filter = request.filter(),
          .as_of = request.as_of()};
}

template <typename Response>
absl::StatusOr<Response> Finish(absl::StatusOr<ListAnswer> answer, Response response) {
  if (!answer.ok()) return std::move(answer).status();
  response.set_next_page_token(std::move(answer->next_page_token));
  if constexpr (requires { response.set_purged_count(0); })
    response.set_purged_count(answer->purged);
  *response.mutable_answered() = std::move(answer->answered);
  return response;
}

absl::Status NotFound(KindNumber kind, std::string_view name, bool past) {
  const std::string_view singular = domain::KindOf(kind).singular;
  return Refusal(v1::ENTITY_NOT_FOUND,
                 fmt::format("There is no {} `{}`, or you may not see it.", singular, name))
      .About(singular, name)
      .Next(past ? "Check the name; it may have been created after the moment of as_of."
                 : "Check the name, or search for it in the list.");
}

// The name's parts; INVALID_FIELD when it does not name an entity of the kind.
absl::StatusOr<EntityRef> ParseEntity(KindNumber kind, std::string_view name,
                                      std::string_view field = "name") {
  RETRACE_ASSIGN(domain::ResourceName parsed, domain::ParseName(name, field));
  const std::string_view collection = domain::KindOf(kind).collection;
  if (parsed.collection != collection) {
    return Refusal(v1::INVALID_FIELD,
                   fmt::format("`{}` does not name a {}.", name, domain::KindOf(kind).singular))
        .Field(field, fmt::format("must look like tenants/TENANT/{}/ID", collection));
  }
  return EntityRef{kind, std::move(parsed.id)};
}

// The entity as of the request's moment.
template <typename Request>
absl::StatusOr<Moment> ShowEntity(Ledger& ledger, const QueryCall& call, KindNumber kind,
                                  const Request& request, google::protobuf::Message& resource) {
  RETRACE_ASSIGN(EntityRef entity, ParseEntity(kind, request.name()));
  RETRACE_ASSIGN(Moment moment, ResolveAsOf(ledger, *call.tenant, request.as_of()));
  const RowView view(ledger.rows(), call.tenant->number, moment.position);
  RETRACE_ASSIGN(RowPtr row, view.Get(entity));
  if (row == nullptr) return NotFound(kind, request.name(), request.has_as_of());
  if (row->purged()) return domain::WasPurged(entity, *row, call.tenant->id);
  domain::ShowResource(call.tenant->id, entity, *row, resource);
  return moment;
}

// What a group of counters is called.
std::string GroupName(const store::v1::Counter& counter) {
  if (!counter.subkind().empty()) return counter.subkind();
  const domain::Kind* kind = domain::FindKindByNumber(counter.kind());
  return kind == nullptr ? std::string() : absl::AsciiStrToUpper(std::string(kind->singular));
}

void ShowCounters(const store::v1::Counters& counters, v1::SummarizeResponse& response) {
  for (const store::v1::Counter& counter : counters.counters()) {
    if (counter.count() == 0) continue;
    v1::SummarizeResponse::Group& group = *response.add_groups();
    group.set_kind(GroupName(counter));
    group.set_state(counter.state());
    group.set_stage(counter.stage());
    group.set_currency(counter.currency());
    group.set_count(counter.count());
    group.set_sum_minor_units(counter.sum_minor_units());
  }
  auto key = [](const v1::SummarizeResponse::Group& group) {
    return std::tie(group.kind(), group.state(), group.stage(), group.currency());
  };
  std::sort(response.mutable_groups()->begin(), response.mutable_groups()->end(),
            [&key](const auto& a, const auto& b) { return key(a) < key(b); });
}

absl::Status NoSuchTenant(std::string_view name) {
  return Refusal(v1::TENANT_NOT_FOUND,
                 fmt::format("There is no tenant `{}`, or you may not enter it.", name))
      .About("tenant", name)
      .Next("Check the name; ask an operator to grant you the tenant.");
}

}  // namespace

absl::StatusOr<v1::GetCustomerResponse> Queries::Answer(
    const QueryCall& call, const v1::GetCustomerRequest& request) const {
  v1::GetCustomerResponse response;
  RETRACE_ASSIGN(Moment moment, ShowEntity(ledger_, call, KindNumber::kCustomer, request,
                                           *response.mutable_customer()));
  if (response.customer().state() == v1::Customer::MERGED) {
    RETRACE_ASSIGN(const EntityRef merged, ParseEntity(KindNumber::kCustomer, request.name()));
    const RowView view(ledger_.rows(), call.tenant->number, moment.position);
    RETRACE_ASSIGN(const EntityRef survivor, domain::SurvivorOf(merged, view));
    response.set_survivor(domain::NameOf(call.tenant->id, survivor));
  }
  *response.mutable_answered() = std::move(moment.answered);
  return response;
}

absl::StatusOr<v1::GetRecordResponse> Queries::Answer(const QueryCall& call,
                                                      const v1::GetRecordRequest& request) const {
  v1::GetRecordResponse response;
  RETRACE_ASSIGN(Moment moment, ShowEntity(ledger_, call, KindNumber::kRecord, request,
                                           *response.mutable_record()));
  *response.mutable_answered() = std::move(moment.answered);
  return response;
}

absl::StatusOr<v1::GetMemberResponse> Queries::Answer(const QueryCall& call,
                                                      const v1::GetMemberRequest& request) const {
  v1::GetMemberResponse response;
  RETRACE_ASSIGN(Moment moment, ShowEntity(ledger_, call, KindNumber::kMember, request,
                                           *response.mutable_member()));
  *response.mutable_answered() = std::move(moment.answered);
  return response;
}

absl::StatusOr<v1::ListCustomersResponse> Queries::Answer(
    const QueryCall& call, const v1::ListCustomersRequest& request) const {
  v1::ListCustomersResponse response;
  auto answer = AnswerList(ledger_, limits_, *ListOf(KindNumber::kCustomer), call,
                           QuestionOf(request), [&response] { return response.add_customers(); });
  return Finish(std::move(answer), std::move(response));
}

absl::StatusOr<v1::ListRecordsResponse> Queries::Answer(
    const QueryCall& call, const v1::ListRecordsRequest& request) const {
  v1::ListRecordsResponse response;
  auto answer = AnswerList(ledger_, limits_, *ListOf(KindNumber::kRecord), call,
                           QuestionOf(request), [&response] { return response.add_records(); });
  return Finish(std::move(answer), std::move(response));
}

absl::StatusOr<v1::ListMembersResponse> Queries::Answer(
    const QueryCall& call, const v1::ListMembersRequest& request) const {
  v1::ListMembersResponse response;
  auto answer = AnswerList(ledger_, limits_, *ListOf(KindNumber::kMember), call,
                           QuestionOf(request), [&response] { return response.add_members(); });
  return Finish(std::move(answer), std::move(response));
}

absl::StatusOr<v1::GetHoldResponse> Queries::Answer(const QueryCall& call,
                                                    const v1::GetHoldRequest& request) const {
  v1::GetHoldResponse response;
  RETRACE_ASSIGN(Moment moment,
                 ShowEntity(ledger_, call, KindNumber::kHold, request, *response.mutable_hold()));
  *response.mutable_answered() = std::move(moment.answered);
  return response;
}

absl::StatusOr<v1::ListHoldsResponse> Queries::Answer(const QueryCall& call,
                                                      const v1::ListHoldsRequest& request) const {
  v1::ListHoldsResponse response;
  std::string filter = request.filter();
  if (!request.show_released() && filter.find("state") == std::string::npos) {
    filter = filter.empty() ? "state = ACTIVE" : fmt::format("({}) AND state = ACTIVE", filter);
  }
  const ListQuestion question{.request = request,
                              .page_size = request.page_size(),
                              .page_token = request.page_token(),
                              .filter = filter,
                              .as_of = request.as_of()};
  auto answer = AnswerList(ledger_, limits_, *ListOf(KindNumber::kHold), call, question,
                           [&response] { return response.add_holds(); });
  return Finish(std::move(answer), std::move(response));
}

absl::StatusOr<v1::GetNotificationResponse> Queries::Answer(
    const QueryCall& call, const v1::GetNotificationRequest& request) const {
  v1::GetNotificationResponse response;
  RETRACE_ASSIGN(Moment moment, ShowEntity(ledger_, call, KindNumber::kNotification, request,
                                           *response.mutable_notification()));
  *response.mutable_answered() = std::move(moment.answered);
  return response;
}

absl::StatusOr<v1::ListNotificationsResponse> Queries::Answer(
    const QueryCall& call, const v1::ListNotificationsRequest& request) const {
  v1::ListNotificationsResponse response;
  auto answer = AnswerList(ledger_, limits_, *ListOf(KindNumber::kNotification), call,
                           PlainQuestionOf(request), [&] { return response.add_notifications(); });
  return Finish(std::move(answer), std::move(response));
}

absl::StatusOr<v1::ListDeliveriesResponse> Queries::Answer(
    const QueryCall& call, const v1::ListDeliveriesRequest& request) const {
  v1::ListDeliveriesResponse response;
  auto answer = AnswerList(ledger_, limits_, *ListOf(KindNumber::kDelivery), call,
                           PlainQuestionOf(request), [&] { return response.add_deliveries(); });
  return Finish(std::move(answer), std::move(response));
}

absl::StatusOr<v1::ListContactPointsResponse> Queries::Answer(
    const QueryCall& call, const v1::ListContactPointsRequest& request) const {
  v1::ListContactPointsResponse response;
  auto answer = AnswerList(ledger_, limits_, *ListOf(KindNumber::kContactPoint), call,
                           PlainQuestionOf(request), [&] { return response.add_contact_points(); });
  return Finish(std::move(answer), std::move(response));
}

absl::StatusOr<v1::GetTemplateResponse> Queries::Answer(
    const QueryCall& call, const v1::GetTemplateRequest& request) const {
  v1::GetTemplateResponse response;
  RETRACE_ASSIGN(Moment moment, ShowEntity(ledger_, call, KindNumber::kTemplate, request,
                                           *response.mutable_template_()));
  *response.mutable_answered() = std::move(moment.answered);
  return response;
}

absl::StatusOr<v1::GetWebhookResponse> Queries::Answer(const QueryCall& call,
                                                       const v1::GetWebhookRequest& request) const {
  v1::GetWebhookResponse response;
  RETRACE_ASSIGN(Moment moment, ShowEntity(ledger_, call, KindNumber::kWebhook, request,
                                           *response.mutable_webhook()));
  *response.mutable_answered() = std::move(moment.answered);
  return response;
}

absl::StatusOr<v1::ListTemplatesResponse> Queries::Answer(
    const QueryCall& call, const v1::ListTemplatesRequest& request) const {
  v1::ListTemplatesResponse response;
  const ListQuestion question{.request = request,
                              .page_size = request.page_size(),
                              .page_token = request.page_token(),
                              .filter = request.filter(),
                              .show_deleted = request.show_deleted(),
                              .as_of = request.as_of()};
  auto answer = AnswerList(ledger_, limits_, *ListOf(KindNumber::kTemplate), call, question,
                           [&response] { return response.add_templates(); });
  return Finish(std::move(answer), std::move(response));
}

absl::StatusOr<v1::ListWebhooksResponse> Queries::Answer(
    const QueryCall& call, const v1::ListWebhooksRequest& request) const {
  v1::ListWebhooksResponse response;
  ListQuestion question = PlainQuestionOf(request);
  question.show_deleted = request.show_deleted();
  auto answer = AnswerList(ledger_, limits_, *ListOf(KindNumber::kWebhook), call, question,
                           [&response] { return response.add_webhooks(); });
  return Finish(std::move(answer), std::move(response));
}

absl::StatusOr<v1::ListWebhookDeliveriesResponse> Queries::Answer(
    const QueryCall& call, const v1::ListWebhookDeliveriesRequest& request) const {
  RETRACE_ASSIGN(const EntityRef webhook,
                 ParseEntity(KindNumber::kWebhook, request.parent(), "parent"));
  v1::ListWebhookDeliveriesResponse response;
  const std::string own =
      fmt::format("recipient = \"{}\"", domain::NameOf(call.tenant->id, webhook));
  const std::string filter =
      request.filter().empty() ? own : fmt::format("({}) AND {}", request.filter(), own);
  ListQuestion question = PlainQuestionOf(request);
  question.filter = filter;
  auto answer = AnswerList(ledger_, limits_, *ListOf(KindNumber::kDelivery), call, question,
                           [&response] { return response.add_deliveries(); });
  return Finish(std::move(answer), std::move(response));
}

absl::StatusOr<v1::SummarizeResponse> Queries::Answer(const QueryCall& call,
                                                      const v1::SummarizeRequest& request) const {
  RETRACE_ASSIGN(domain::ResourceName name, domain::ParseName(request.name(), "name"));
  const bool whole = name.collection.empty();
  if (!whole && name.collection != domain::KindOf(KindNumber::kCustomer).collection) {
    return Refusal(v1::INVALID_FIELD,
                   fmt::format("`{}` names neither a tenant nor a customer.", request.name()))
        .Field("name", "must look like tenants/TENANT or tenants/TENANT/customers/ID");
  }
  RETRACE_ASSIGN(Moment moment, ResolveAsOf(ledger_, *call.tenant, request.as_of()));
  const RowView view(ledger_.rows(), call.tenant->number, moment.position);
  if (!whole) {
    RETRACE_ASSIGN(RowPtr customer, view.Get({KindNumber::kCustomer, name.id}));
    if (customer == nullptr)
      return NotFound(KindNumber::kCustomer, request.name(), request.has_as_of());
    if (customer->purged())
      return domain::WasPurged({KindNumber::kCustomer, name.id}, *customer, call.tenant->id);
  }
  const std::string owner = whole ? std::string() : fmt::format("{}/{}", name.collection, name.id);
  RETRACE_ASSIGN(RowPtr row, view.Get({KindNumber::kCounters, owner}));
  v1::SummarizeResponse response;
  if (row != nullptr) ShowCounters(row->As<store::v1::Counters>(), response);
  *response.mutable_answered() = std::move(moment.answered);
  return response;
}

absl::StatusOr<v1::GetPolicyResponse> Queries::Answer(const QueryCall& call,
                                                      const v1::GetPolicyRequest& request) const {
  RETRACE_ASSIGN(Moment moment, ResolveAsOf(ledger_, *call.tenant, request.as_of()));
  const RowView view(ledger_.rows(), call.tenant->number, moment.position);
  v1::GetPolicyResponse response;
  RETRACE_ASSIGN(RowPtr row, view.Get(domain::PolicyRef()));
  if (row != nullptr) {
    domain::ShowResource(call.tenant->id, domain::PolicyRef(), *row, *response.mutable_policy());
  }
  response.mutable_policy()->set_name(domain::NameOf(call.tenant->id, domain::PolicyRef()));
  domain::FillPolicyDefaults(*response.mutable_policy());
  *response.mutable_answered() = std::move(moment.answered);
  return response;
}

absl::StatusOr<v1::GetTenantResponse> Queries::Answer(const QueryCall& call,
                                                      const v1::GetTenantRequest& request) const {
  RETRACE_ASSIGN(domain::ResourceName name, domain::ParseName(request.name(), "name"));
  if (!name.collection.empty()) {
    return Refusal(v1::INVALID_FIELD, fmt::format("`{}` does not name a tenant.", request.name()))
        .Field("name", "must look like tenants/TENANT");
  }
  if (!call.principal->MayEnter(name.tenant)) return NoSuchTenant(request.name());
  Tenant& system = *ledger_.tenants().system();
  RETRACE_ASSIGN(Moment moment, MomentAt(ledger_, system, system.visible));
  const RowView view(ledger_.rows(), system.number, moment.position);
  const EntityRef entity{KindNumber::kTenant, name.tenant};
  RETRACE_ASSIGN(RowPtr row, view.Get(entity));
  if (row == nullptr) return NoSuchTenant(request.name());
  v1::GetTenantResponse response;
  domain::ShowResource(system.id, entity, *row, *response.mutable_tenant());
  *response.mutable_answered() = std::move(moment.answered);
  return response;
}

absl::StatusOr<v1::ListTenantsResponse> Queries::Answer(
    const QueryCall& call, const v1::ListTenantsRequest& request) const {
  QueryCall in_system = call;
  in_system.tenant = ledger_.tenants().system();
  RETRACE_ASSIGN(size_t page_size,
                 PageSizeOf(request.page_size(), limits_.default_size, limits_.max_size));
  store::v1::PageToken token;
  token.set_position(in_system.tenant->visible);
  if (!request.page_token().empty()) {
    RETRACE_ASSIGN(token, OpenPageToken(ledger_, in_system, request, request.page_token()));
  }
  RETRACE_ASSIGN(Moment moment, MomentAt(ledger_, *in_system.tenant, token.position()));
  const RowView view(ledger_.rows(), in_system.tenant->number, moment.position);
  v1::ListTenantsResponse response;
  *response.mutable_answered() = std::move(moment.answered);
  for (const Tenant* tenant : ledger_.tenants().All()) {
    if (tenant->id <= token.id() || !call.principal->MayEnter(tenant->id)) continue;
    const EntityRef entity{KindNumber::kTenant, tenant->id};
    RETRACE_ASSIGN(RowPtr row, view.Get(entity));
    if (row == nullptr) continue;  // created since the first page
    if (static_cast<size_t>(response.tenants_size()) == page_size) {
      RETRACE_ASSIGN(*response.mutable_next_page_token(),
                     SealPageToken(ledger_, in_system, request, token));
      break;
    }
    domain::ShowResource(in_system.tenant->id, entity, *row, *response.add_tenants());
    token.set_id(tenant->id);
  }
  return response;
}

}  // namespace retrace::server
