#include "retrace/v1/customers.pb.h"
#include "server/services.h"

namespace retrace::server {

void AddCustomersService(Rpc& rpc, Backend& backend) {
  RpcService& service = rpc.AddService("retrace.v1.Customers");
  service.Command<v1::CreateCustomerRequest, v1::CreateCustomerResponse>("CreateCustomer");
  service.Command<v1::UpdateCustomerRequest, v1::UpdateCustomerResponse>("UpdateCustomer");
  service.Command<v1::DeactivateCustomerRequest, v1::DeactivateCustomerResponse>(
      "DeactivateCustomer");
  service.Command<v1::ActivateCustomerRequest, v1::ActivateCustomerResponse>("ActivateCustomer");
  service.Command<v1::DeleteCustomerRequest, v1::DeleteCustomerResponse>("DeleteCustomer");
  service.Command<v1::UndeleteCustomerRequest, v1::UndeleteCustomerResponse>("UndeleteCustomer");
  service.Command<v1::BatchCreateCustomersRequest, v1::BatchCreateCustomersResponse>(
      "BatchCreateCustomers");
  service.Command<v1::BatchDeleteCustomersRequest, v1::BatchDeleteCustomersResponse>(
      "BatchDeleteCustomers");
  service.Command<v1::MergeCustomersRequest, v1::MergeCustomersResponse>("MergeCustomers");
  const auto answer = [&backend](const QueryCall& call, const auto& request) {
    return backend.queries->Answer(call, request);
  };
  service.Query<v1::GetCustomerRequest, v1::GetCustomerResponse>("GetCustomer", answer);
  service.Query<v1::ListCustomersRequest, v1::ListCustomersResponse>("ListCustomers", answer);
  service.Query<v1::SummarizeRequest, v1::SummarizeResponse>("Summarize", answer);
}

}  // namespace retrace::server
