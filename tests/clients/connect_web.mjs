// What a page in a browser does: @connectrpc/connect-web against a real daemon, with messages made
// from the descriptor set at run time.
//
// connect_web.mjs ADDRESS DESCRIPTORS, with the token in TOKEN. Ends with 0 when all holds.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";

import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-web";

const [address, descriptors] = process.argv.slice(2);
const registry = createFileRegistry(
  fromBinary(FileDescriptorSetSchema, readFileSync(descriptors)));
const ErrorInfo = registry.getMessage("google.rpc.ErrorInfo");

const withToken = (token) => (next) => (request) => {
  request.header.set("Authorization", `Bearer ${token}`);
  return next(request);
};

function client(service, useBinaryFormat, token = process.env.TOKEN) {
  const transport = createConnectTransport({
    baseUrl: address, useBinaryFormat, interceptors: token ? [withToken(token)] : [],
    jsonOptions: { registry },  // Any names types
  });
  return createClient(registry.getService(service), transport);
}

async function fails(promise, code, reason) {
  await assert.rejects(promise, (error) => {
    assert.ok(error instanceof ConnectError, String(error));
    assert.equal(error.code, code, error.message);
    assert.equal(error.findDetails(ErrorInfo)[0]?.reason, reason);
    return true;
  });
}

async function collect(stream) {
  const messages = [];
  for await (const message of stream) messages.push(message);
  return messages;
}

async function unary(tenant, binary) {
  const tenants = client("retrace.v1.Tenants", binary);
  assert.equal((await tenants.createTenant({ tenantId: tenant })).tenant.name, `tenants/${tenant}`);
  const customers = client("retrace.v1.Customers", binary);
  const parent = `tenants/${tenant}`;
  const created = await customers.createCustomer({ parent, customer: { displayName: "北京烤鸭" } });
  assert.equal(created.outcome.position, 1n);
  const { customer } = await customers.getCustomer({ name: created.customer.name });
  assert.equal(customer.displayName, "北京烤鸭");
  assert.equal((await customers.listCustomers({ parent })).customers.length, 1);
  await fails(customers.getCustomer({ name: `${parent}/customers/01jzzzzzzzzzzzzzzzzzzzzzzz` }),
    Code.NotFound, "ENTITY_NOT_FOUND");
  await fails(customers.updateCustomer({
    customer: { name: customer.name, displayName: "x" }, updateMask: { paths: ["display_name"] },
    options: { etag: '"9-0000000000000"' },
  }), Code.Aborted, "ETAG_MISMATCH");
  await fails(customers.getCustomer({ name: "nonsense" }), Code.InvalidArgument, "INVALID_FIELD");
  await fails(client("retrace.v1.Customers", binary, null).getCustomer({ name: customer.name }),
    Code.Unauthenticated, "TOKEN_UNKNOWN");
  await fails(customers.listCustomers({ parent: "tenants/nobody" }), Code.NotFound,
    "TENANT_NOT_FOUND");
  const operations = client("google.longrunning.Operations", binary);
  assert.deepEqual((await operations.listOperations({ name: parent })).operations, []);
  assert.equal((await client("grpc.health.v1.Health", binary, null).check({})).status, 1);
}

async function streams(tenant, binary) {
  const history = client("retrace.v1.History", binary);
  const parent = `tenants/${tenant}`;
  const replayed = await collect(history.replay({ parent }));
  assert.ok(replayed.length > 0);
  await fails(collect(history.replay({ parent: "tenants/nobody" })), Code.NotFound,
    "TENANT_NOT_FOUND");
  await fails(collect(client("retrace.v1.History", binary, null).replay({ parent })),
    Code.Unauthenticated, "TOKEN_UNKNOWN");
  // A watch tells what happens while it is open, and ends when the page leaves it.
  const leave = new AbortController();
  const watch = history.watchCommits({ parent }, { signal: leave.signal })[Symbol.asyncIterator]();
  const first = watch.next();
  const customers = client("retrace.v1.Customers", binary);
  const acted = (async () => {
    for (let i = 0; i < 200; ++i) {
      await customers.createCustomer({ parent, customer: { displayName: `number ${i}` } });
      if (await Promise.race([first.then(() => true), new Promise((done) => setTimeout(done, 20))])) {
        return;
      }
    }
  })();
  const { value } = await first;
  await acted;
  assert.ok(value !== undefined);
  leave.abort();
  await assert.rejects(async () => {
    for (;;) if ((await watch.next()).done) throw new Error("ended");
  });
}

for (const binary of [false, true]) {
  const tenant = binary ? "web-proto" : "web-json";
  await unary(tenant, binary);
  await streams(tenant, binary);
}
console.log("ok");
