// An RPC as its descriptor tells it: everything that is looked up once, at start-up, and not per
// call.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/message.h"
#include "retrace/v1/common.pb.h"

namespace retrace::server {

// The permission of methods that every authenticated principal may call.
inline constexpr std::string_view kNoPermission = "none";

// Immutable once made.
struct Method {
  const google::protobuf::MethodDescriptor* descriptor = nullptr;
  std::string name;        // e.g. "retrace.v1.Customers.CreateCustomer"
  std::string path;        // e.g. "/retrace.v1.Customers/CreateCustomer"
  std::string permission;  // the method's option (retrace.v1.permission)
  // Fields that lead to the name of the tenant or of something below it: the path variable of the
  // method's HTTP rule, e.g. `customer`, `name`. Empty: the method belongs to tenant `system`.
  std::vector<const google::protobuf::FieldDescriptor*> tenant_path;
  std::string tenant_field;  // the same in words, e.g. "customer.name"
  // Of a method on one entity: what its path variable's pattern says, e.g. "customers"; else empty.
  std::string collection;
  // The request's CommandOptions; null for queries.
  const google::protobuf::FieldDescriptor* options = nullptr;
  // The method's option (retrace.v1.destructive): it can be planned.
  bool destructive = false;
  // It starts an operation (AIP-151), whose response is the plan if one is asked for.
  bool starts_operation = false;
  // Of a destructive command's reply: its Plan; else null.
  const google::protobuf::FieldDescriptor* plan = nullptr;
  // Of a command's reply: its Outcome, and the resource or the resources; null for queries.
  const google::protobuf::FieldDescriptor* outcome = nullptr;
  const google::protobuf::FieldDescriptor* resource = nullptr;
  // Default instances of the generated types.
  const google::protobuf::Message* request = nullptr;
  const google::protobuf::Message* reply = nullptr;

  // The name that tells the tenant; empty when `tenant_path` is.
  std::string_view TenantName(const google::protobuf::Message& message) const;
  // The message's CommandOptions, the default ones when unset. `options` must not be null.
  const v1::CommandOptions& OptionsOf(const google::protobuf::Message& message) const;
};

// FAILED_PRECONDITION when the method has no permission, no HTTP rule, a path variable that its
// request does not have, or no generated types, or is destructive and cannot be planned: the server
// must not start then.
absl::StatusOr<Method> DescribeMethod(const google::protobuf::MethodDescriptor& descriptor);

}  // namespace retrace::server
