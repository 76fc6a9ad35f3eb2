#include "retrace/v1/tenants.pb.h"
#include "server/services.h"

namespace retrace::server {

void AddTenantsService(Rpc& rpc, Backend& backend) {
  RpcService& service = rpc.AddService("retrace.v1.Tenants");
  service.Command<v1::CreateTenantRequest, v1::CreateTenantResponse>("CreateTenant");
  service.Command<v1::UpdatePolicyRequest, v1::UpdatePolicyResponse>("UpdatePolicy");
  const auto answer = [&backend](const QueryCall& call, const auto& request) {
    return backend.queries->Answer(call, request);
  };
  // The template let the caller into the tenant that the request names; its entity lies in
  // `system`.
  const auto answer_from_system = [&backend](const QueryCall& call, const auto& request) {
    QueryCall in_system = call;
    in_system.tenant = backend.ledger->tenants().system();
    return backend.queries->Answer(in_system, request);
  };
  service.Query<v1::GetTenantRequest, v1::GetTenantResponse>("GetTenant", answer_from_system);
  service.Query<v1::ListTenantsRequest, v1::ListTenantsResponse>("ListTenants", answer);
  service.Query<v1::GetPolicyRequest, v1::GetPolicyResponse>("GetPolicy", answer);
}

}  // namespace retrace::server
