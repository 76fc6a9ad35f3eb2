// Creates a customer and reads it back as it was at that moment.
//   quickstart ENDPOINT TOKEN TENANT
#include <iostream>

#include "clients/cpp/client.h"
#include "retrace/v1/customers.grpc.pb.h"

namespace v1 = retrace::v1;

int main(int argc, char** argv) {
  if (argc != 4) {
    std::cerr << "usage: quickstart ENDPOINT TOKEN TENANT\n";
    return 2;
  }
  auto client = retrace::client::Client::Connect({.endpoint = argv[1], .token = argv[2]});
  if (!client.ok()) {
    std::cerr << client.status() << '\n';
    return 1;
  }
  v1::CreateCustomerRequest create;
  create.set_parent(std::string("tenants/") + argv[3]);
  create.mutable_customer()->set_organization_name("Acme Corporation");
  create.mutable_options()->set_reason("quickstart");
  // The client makes a request id and retries with it: the command happens once.
  auto created = (*client)->Call(&v1::Customers::Stub::CreateCustomer, create);
  if (!created.ok()) {
    std::cerr << created.status() << '\n';
    return 1;
  }
  v1::GetCustomerRequest get;
  get.set_name(created->customer().name());
  get.mutable_as_of()->set_position(created->outcome().position());
  auto read = (*client)->Call(&v1::Customers::Stub::GetCustomer, get);
  if (!read.ok()) {
    std::cerr << read.status() << '\n';
    return 1;
  }
  std::cout << "#" << read->customer().number() << " " << read->customer().display_name()
            << " as of position " << read->answered().position() << '\n';
}
