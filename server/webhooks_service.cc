#include <algorithm>
#include <string>

#include "domain/normalise.h"
#include "domain/refusal.h"
#include "domain/resource.h"
#include "domain/status_macros.h"
#include "retrace/v1/webhooks.pb.h"
#include "server/services.h"
#include "server/webhooks.h"

namespace retrace::server {
namespace {

absl::Status CheckUrl(const Backend& backend, std::string url) {
  domain::Trim(url);
  const absl::Status status = CheckWebhookUrl(url, backend.webhook_guard, backend.resolve_host);
  if (status.ok()) {
    return status;
  }
  return domain::Refusal(v1::ADDRESS_REFUSED, "Webhooks do not go to this address.")
      .Field("webhook.url", std::string(status.message()))
      .Next(
          "Give an https address that the Internet can reach, or ask the operator to allow "
          "this one (setting `webhook_allow`).");
}

bool WritesUrl(const v1::UpdateWebhookRequest& request) {
  const auto& paths = request.update_mask().paths();
  const bool named = paths.empty() || std::any_of(paths.begin(), paths.end(), [](const auto& path) {
                       return path == "url" || path == "*";
                     });
  return named && !request.webhook().url().empty();
}

// The webhook with the secret that is in force, which nothing else shows.
template <typename Reply>
absl::Status ShowWithSecret(Backend& backend, const Tenant& tenant, const CommandResult& result,
                            Message& message) {
  auto& reply = static_cast<Reply&>(message);
  const auto& [entity, row] = result.targets.front();
  domain::ShowResource(tenant.id, entity, *row, *reply.mutable_webhook());
  RETRACE_ASSIGN(const std::vector<std::string> secrets,
                 SecretsOf(backend.ledger->keys(), tenant.number, entity.id, row->As<v1::Webhook>(),
                           /*time_us=*/0));
  reply.set_secret(secrets.front());
  return absl::OkStatus();
}

// What makes or changes an address, which is looked up first.
void AddAddressed(RpcService& service, Backend& backend) {
  service.ResolvedCommand<v1::CreateWebhookRequest, v1::CreateWebhookResponse,
                          v1::CreateWebhookRequest>(
      "CreateWebhook",
      [&backend](const QueryCall&, const v1::CreateWebhookRequest& request)
          -> absl::StatusOr<v1::CreateWebhookRequest> {
        RETRACE_RETURN_IF_ERROR(CheckUrl(backend, request.webhook().url()));
        return request;
      },
      [&backend](const Tenant& tenant, const CommandResult& result, Message& reply) {
        return ShowWithSecret<v1::CreateWebhookResponse>(backend, tenant, result, reply);
      },
      Lane::kWait);
  service.ResolvedCommand<v1::UpdateWebhookRequest, v1::UpdateWebhookResponse,
                          v1::UpdateWebhookRequest>(
      "UpdateWebhook",
      [&backend](const QueryCall&, const v1::UpdateWebhookRequest& request)
          -> absl::StatusOr<v1::UpdateWebhookRequest> {
        if (WritesUrl(request)) {
          RETRACE_RETURN_IF_ERROR(CheckUrl(backend, request.webhook().url()));
        }
        return request;
      },
      nullptr, Lane::kWait);
}

}  // namespace

void AddWebhooksService(Rpc& rpc, Backend& backend) {
  RpcService& service = rpc.AddService("retrace.v1.Webhooks");
  AddAddressed(service, backend);
  service.Command<v1::RotateSecretRequest, v1::RotateSecretResponse>(
      "RotateSecret",
      [&backend](const Tenant& tenant, const CommandResult& result, Message& reply) {
        return ShowWithSecret<v1::RotateSecretResponse>(backend, tenant, result, reply);
      });
  service.Command<v1::PauseWebhookRequest, v1::PauseWebhookResponse>("PauseWebhook");
  service.Command<v1::ResumeWebhookRequest, v1::ResumeWebhookResponse>("ResumeWebhook");
  service.Command<v1::TestWebhookRequest, v1::TestWebhookResponse>("TestWebhook");
  service.Command<v1::DeleteWebhookRequest, v1::DeleteWebhookResponse>("DeleteWebhook");
  service.Command<v1::UndeleteWebhookRequest, v1::UndeleteWebhookResponse>("UndeleteWebhook");
  service.Command<v1::RedeliverWebhookRequest, v1::RedeliverWebhookResponse>("RedeliverWebhook");
  const auto answer = [&backend](const QueryCall& call, const auto& request) {
    return backend.queries->Answer(call, request);
  };
  service.Query<v1::GetWebhookRequest, v1::GetWebhookResponse>("GetWebhook", answer);
  service.Query<v1::ListWebhooksRequest, v1::ListWebhooksResponse>("ListWebhooks", answer);
  service.Query<v1::ListWebhookDeliveriesRequest, v1::ListWebhookDeliveriesResponse>(
      "ListWebhookDeliveries", answer);
}

}  // namespace retrace::server
