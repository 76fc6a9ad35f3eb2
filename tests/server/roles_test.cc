// Who may call what. Generated from the descriptors: every RPC × every role × every way to come.
#include "server/roles.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/impl/client_unary_call.h>

#include <algorithm>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "google/protobuf/descriptor.h"
#include "gtest/gtest.h"
#include "server/method.h"
#include "tests/server/rpc_fixture.h"
#include "tests/server/service_fixture.h"

namespace retrace::server {
namespace {

std::vector<Method> EveryMethod() {
  std::vector<Method> methods;
  for (const char* service : {"Customers", "Records", "Members", "History", "Tenants", "Admin"}) {
    const auto* descriptor = google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(
        std::string("retrace.v1.") + service);
    for (int i = 0; i < descriptor->method_count(); ++i) {
      methods.push_back(*DescribeMethod(*descriptor->method(i)));
    }
  }
  return methods;
}

// A request that names the tenant and nothing else.
std::string RequestFor(const Method& method, const std::string& tenant) {
  const std::unique_ptr<google::protobuf::Message> request(method.request->New());
  google::protobuf::Message* at = request.get();
  for (size_t i = 0; i + 1 < method.tenant_path.size(); ++i) {
    at = at->GetReflection()->MutableMessage(at, method.tenant_path[i]);
  }
  if (!method.tenant_path.empty()) {
    at->GetReflection()->SetString(at, method.tenant_path.back(), "tenants/" + tenant);
  }
  return request->SerializeAsString();
}

bool Grants(std::string_view role, std::string_view permission) {
  const Role* found = FindRole(role);
  return found != nullptr && std::find(found->permissions.begin(), found->permissions.end(),
                                       permission) != found->permissions.end();
}

class RolesTest : public ServiceFixture {
 protected:
  // Reason of the first answer; empty when the call was let in and went well.
  std::string Reason(const Method& method, const std::string& bytes, grpc::ClientContext& context) {
    const std::shared_ptr<grpc::Channel> channel = Channel();
    grpc::ByteBuffer reply;
    if (!method.descriptor->server_streaming()) {
      const grpc::internal::RpcMethod unary(method.path.c_str(),
                                            grpc::internal::RpcMethod::NORMAL_RPC, channel);
      const grpc::Status status =
          grpc::internal::BlockingUnaryCall(channel.get(), unary, &context, BytesOf(bytes), &reply);
      return status.ok() ? "" : ErrorOf(status).reason;
    }
    const grpc::internal::RpcMethod stream(method.path.c_str(),
                                           grpc::internal::RpcMethod::SERVER_STREAMING, channel);
    const std::unique_ptr<grpc::ClientReader<grpc::ByteBuffer>> reader(
        grpc::internal::ClientReaderFactory<grpc::ByteBuffer>::Create(channel.get(), stream,
                                                                      &context, BytesOf(bytes)));
    if (reader->Read(&reply)) {
      context.TryCancel();
      reader->Finish();
      return "";
    }
    const grpc::Status status = reader->Finish();
    return status.ok() ? "" : ErrorOf(status).reason;
  }

  std::string Reason(const Method& method, const std::string& tenant,
                     const std::string& principal) {
    const auto context = As(principal);
    return Reason(method, RequestFor(method, tenant), *context);
  }
};

const std::set<std::string> kGate = {"TOKEN_UNKNOWN",  "PERMISSION_MISSING", "TENANT_NOT_FOUND",
                                     "INTERNAL_ERROR", "METHOD_UNKNOWN",     "NOT_SERVING"};

TEST_F(RolesTest, EveryRpcWithEveryRole) {
  int let_in = 0;
  int refused = 0;
  for (const Method& method : EveryMethod()) {
    for (const Role& role : Roles()) {
      const std::string principal(role.name);
      const bool granted = Grants(role.name, method.permission);
      const std::string own = Reason(method, "acme", principal);
      if (granted) {
        EXPECT_EQ(kGate.count(own), 0u) << method.name << " as " << principal << ": " << own;
      } else {
        EXPECT_EQ(own, "PERMISSION_MISSING") << method.name << " as " << principal;
      }
      (granted ? let_in : refused) += 1;
      for (const char* tenant : {"globex", "nobody"}) {
        const std::string other = Reason(method, tenant, principal);
        if (!granted) {
          EXPECT_EQ(other, "PERMISSION_MISSING") << method.name << " as " << principal;
        } else if (!method.tenant_path.empty()) {
          EXPECT_EQ(other, "TENANT_NOT_FOUND") << method.name << " as " << principal;
        }
      }
    }
  }
  EXPECT_GT(let_in, 50);
  EXPECT_GT(refused, 50);
}

TEST_F(RolesTest, EveryRpcWithoutAKnownToken) {
  for (const Method& method : EveryMethod()) {
    grpc::ClientContext without;
    EXPECT_EQ(Reason(method, RequestFor(method, "acme"), without), "TOKEN_UNKNOWN") << method.name;
    grpc::ClientContext with_bad;
    with_bad.AddMetadata("authorization", "Bearer rt_0000000000000000000000000000000000000000000");
    EXPECT_EQ(Reason(method, RequestFor(method, "acme"), with_bad), "TOKEN_UNKNOWN") << method.name;
    // Nor does anybody learn whether bytes parse.
    grpc::ClientContext malformed;
    EXPECT_EQ(Reason(method, std::string("\xff\xff", 2), malformed), "TOKEN_UNKNOWN")
        << method.name;
  }
}

// What the roles are for, said apart from their table.
TEST(RoleTableTest, HoldsTheRules) {
  for (const Method& method : EveryMethod()) {
    const bool writes = method.options != nullptr;
    const std::string& permission = method.permission;
    const bool of_server = permission.rfind("admin.", 0) == 0 || permission == "tenants.create";
    const bool of_tenants = permission.rfind("tenants.", 0) == 0;
    EXPECT_EQ(Grants("administrator", permission), !of_server) << method.name;
    EXPECT_EQ(Grants("operator", permission), of_server || of_tenants) << method.name;
    EXPECT_EQ(Grants("auditor", permission), !writes && !of_server) << method.name;
    const bool daily =
        (permission.rfind("customers.", 0) == 0 && permission != "customers.merge") ||
        permission.rfind("records.", 0) == 0 || permission == "members.read" ||
        permission == "history.begin" || permission == "history.changes" ||
        permission == "history.undo" || permission == "policy.read" || (of_tenants && !writes);
    EXPECT_EQ(Grants("agent", permission), daily) << method.name;
  }
  for (const char* kind : {"customers", "records", "members"}) {
    const std::string any = std::string(kind) + ".undelete-any";
    EXPECT_TRUE(Grants("administrator", any));
    EXPECT_FALSE(Grants("agent", any));
  }
}

TEST(RoleTableTest, EveryPermissionOfAnRpcIsGrantedToSomebody) {
  const auto all = AllPermissions();
  for (const Method& method : EveryMethod()) {
    EXPECT_TRUE(method.permission == kNoPermission || all.count(method.permission) == 1)
        << method.name;
  }
}

}  // namespace
}  // namespace retrace::server
