// A server that keeps customers, records and members in memory: enough of the API's behaviour for
// the clients' own tests, and faults on demand. Everything that arrives is remembered.
#pragma once

#include <grpcpp/server.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "retrace/v1/customers.grpc.pb.h"
#include "retrace/v1/history.grpc.pb.h"
#include "retrace/v1/members.grpc.pb.h"
#include "retrace/v1/notifications.grpc.pb.h"
#include "retrace/v1/records.grpc.pb.h"
#include "retrace/v1/tenants.grpc.pb.h"

namespace retrace::testing {

// A refusal as the server words it.
grpc::Status Refusal(grpc::StatusCode code, const std::string& reason, const std::string& message);

class FakeRetrace {
 public:
  // Serves in this process; with `socket`, also on that unix socket.
  explicit FakeRetrace(const std::string& socket = "");
  ~FakeRetrace();
  FakeRetrace(const FakeRetrace&) = delete;
  FakeRetrace& operator=(const FakeRetrace&) = delete;

  std::shared_ptr<grpc::Channel> Channel();
  void Shutdown();

  // Asked before each call, by the method's name, e.g. `BatchCreateCustomers`; a status that is not
  // OK is the answer. Threads of the server call it, one at a time.
  std::function<grpc::Status(const std::string& method)> fault;

  // What arrived.
  std::vector<std::string> methods;
  std::vector<std::string> request_ids;
  std::vector<std::string> authorizations;
  std::vector<int64_t> change_sets;
  std::vector<std::string> filters;
  std::vector<int64_t> watched_from;  // after which positions

  // What there is, by name. Names and revisions are made here.
  std::map<std::string, v1::Customer> customers;
  std::map<std::string, v1::Record> records;
  std::map<std::string, v1::Member> members;
  v1::Policy policy;
  std::vector<v1::ChangeSet> opened;
  // Watches of the inbox that are cut, each once it was quiet for so long; the next tells of one.
  int cuts = 0;
  absl::Duration quiet;
  int64_t position = 1;

  std::mutex mutex;

 private:
  class CustomerService;
  class RecordService;
  class MemberService;
  class HistoryService;
  class TenantService;
  class NotificationService;

  // Notes the call; a status that is not OK ends it.
  template <typename Request>
  grpc::Status Arrive(grpc::ServerContext* context, const std::string& method,
                      const Request& request);
  void Commit(v1::Outcome& outcome, int64_t change_set);

  std::vector<std::unique_ptr<grpc::Service>> services_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace retrace::testing
