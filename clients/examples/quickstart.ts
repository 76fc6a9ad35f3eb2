// Creates a customer and reads it back as it was at that moment.
//   ./dev protos protos
//   npm install @grpc/grpc-js @grpc/proto-loader
//   npx tsx quickstart.ts 127.0.0.1:7233 TOKEN TENANT
import { randomUUID } from "node:crypto";
import * as grpc from "@grpc/grpc-js";
import * as loader from "@grpc/proto-loader";

const [endpoint, token, tenant] = process.argv.slice(2);
if (!tenant) {
  console.error("usage: quickstart.ts ENDPOINT TOKEN TENANT");
  process.exit(2);
}

const definition = loader.loadSync("retrace/v1/customers.proto", {
  includeDirs: ["protos"],
  keepCase: true,
  longs: String,
});
const api = grpc.loadPackageDefinition(definition) as any;
const customers = new api.retrace.v1.Customers(endpoint, grpc.credentials.createInsecure());
const metadata = new grpc.Metadata();
metadata.set("authorization", `Bearer ${token}`);

function call(method: string, request: object): Promise<any> {
  return new Promise((resolve, reject) => {
    const options = { deadline: Date.now() + 10_000 };
    customers[method](request, metadata, options, (error: grpc.ServiceError | null, reply: any) =>
      error ? reject(error) : resolve(reply),
    );
  });
}

async function main() {
  const created = await call("CreateCustomer", {
    parent: `tenants/${tenant}`,
    customer: { organization_name: "Acme Corporation" },
    // Sent again under the same id after an UNAVAILABLE, the command still happens once.
    options: { request_id: randomUUID(), reason: "quickstart" },
  });
  const read = await call("GetCustomer", {
    name: created.customer.name,
    as_of: { position: created.outcome.position },
  });
  console.log(
    `#${read.customer.number} ${read.customer.display_name} as of position ${read.answered.position}`,
  );
}

main().then(
  () => customers.close(),
  (error) => {
    console.error(error.message);
    process.exit(1);
  },
);
