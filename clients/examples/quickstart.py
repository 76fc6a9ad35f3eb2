"""Creates a customer and reads it back as it was at that moment.

./dev protos protos
protoc -Iprotos --python_out=. --grpc_python_out=. \\
    --plugin=protoc-gen-grpc_python=/usr/bin/grpc_python_plugin $(cd protos && find . -name '*.proto')
python3 quickstart.py 127.0.0.1:7233 TOKEN TENANT

On Debian: python3-grpcio and protobuf-compiler-grpc; elsewhere `pip install grpcio-tools` and
`python3 -m grpc_tools.protoc`, without --plugin.
"""
import sys
import uuid

import grpc

from retrace.v1 import customers_pb2, customers_pb2_grpc


def main(endpoint, token, tenant):
    credentials = [("authorization", f"Bearer {token}")]
    with grpc.insecure_channel(endpoint) as channel:
        customers = customers_pb2_grpc.CustomersStub(channel)
        create = customers_pb2.CreateCustomerRequest(parent=f"tenants/{tenant}")
        create.customer.organization_name = "Acme Corporation"
        # Sent again under the same id after an UNAVAILABLE, the command still happens once.
        create.options.request_id = str(uuid.uuid4())
        create.options.reason = "quickstart"
        created = customers.CreateCustomer(create, metadata=credentials, timeout=10)
        get = customers_pb2.GetCustomerRequest(name=created.customer.name)
        get.as_of.position = created.outcome.position
        read = customers.GetCustomer(get, metadata=credentials, timeout=10)
        print(f"#{read.customer.number} {read.customer.display_name} "
              f"as of position {read.answered.position}")


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: quickstart.py ENDPOINT TOKEN TENANT")
    main(*sys.argv[1:])
