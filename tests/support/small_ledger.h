// A whole ledger in a directory of its own, written to by one thread: decide, check, seal, append,
// project, apply, one commit after the other. For tests of what reads.
//
//   SmallLedger small;
//   const auto create =
//       FromText<v1::CreateCustomerRequest>(R"pb(customer { display_name: "Ann" })pb");
//   std::string id = small.Do(create).id();
//   Queries(small.ledger()).Answer(small.Call("retrace.v1.Customers.GetCustomer"), request);
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "domain/commands.h"
#include "domain/context.h"
#include "domain/draft.h"
#include "google/protobuf/message.h"
#include "retrace/v1/common.pb.h"
#include "retrace/v1/customers.pb.h"
#include "retrace/v1/history.pb.h"
#include "retrace/v1/holds.pb.h"
#include "retrace/v1/members.pb.h"
#include "retrace/v1/records.pb.h"
#include "retrace/v1/recycle_bin.pb.h"
#include "retrace/v1/tenants.pb.h"
#include "server/ids.h"
#include "server/ledger.h"
#include "server/query_call.h"
#include "tests/support/temp_directory.h"

namespace retrace::testing {

// Everything of one tenant as of one position, as the API shows it: what answers are compared with.
using Shown = std::map<domain::EntityRef, std::shared_ptr<const google::protobuf::Message>>;

// What came of a command.
struct Done {
  absl::Status status;
  domain::Position position = 0;  // 0: nothing was written
  std::vector<domain::EntityRef> targets;
  const std::string& id() const { return targets.at(0).id; }
};

// Thread-compatible, but what reads may run beside it. Has the tenants `acme` and `other`. Aborts
// on faults that no test is about.
class SmallLedger {
 public:
  SmallLedger();

  server::Ledger& ledger() { return *ledger_; }
  server::Tenant& tenant(std::string_view id = "acme") { return *ledger_->tenants().Find(id); }

  // Runs a command in the current tenant as the current actor. `parent` of the request is filled in
  // when it has one and it is empty.
  template <typename Request>
  Done Do(Request request) {
    if constexpr (requires { request.set_parent(""); }) {
      if (request.parent().empty()) request.set_parent("tenants/" + tenant_);
    }
    return Run(request.GetDescriptor()->name(), request.options(),
               [&request](domain::Draft& draft, const domain::Context& context) {
                 return domain::Decide(request, draft, context);
               });
  }

  // Runs what `decide` does as one command.
  Done DoWith(const std::function<absl::Status(domain::Draft&, const domain::Context&)>& decide) {
    return Run("TestRequest", {}, decide);
  }

  // Takes back what the commit at the position of the current tenant did.
  Done Undo(domain::Position position);

  void ActAs(std::string actor) { actor_ = std::move(actor); }
  void In(std::string tenant) { tenant_ = std::move(tenant); }
  // The next commit's time; the clock goes on by a second with every commit and begins a day ago.
  void SetTime(int64_t time_us) { time_us_ = time_us; }
  int64_t time_us() const { return time_us_; }

  // From now on commits become durable, but not visible, until Release.
  void Hold() { held_ = true; }
  void Release();
  // Closes and opens the ledger, in a new epoch when told so. Rows, tenants and calls from before
  // are gone.
  void Reopen(bool new_epoch);

  // What the current tenant holds as of a position, taken from what was decided, not from the row
  // store.
  const Shown& ShownAt(domain::Position position) const { return shown_.at(tenant_).at(position); }
  domain::Position head() const { return shown_.at(tenant_).size() - 1; }

  // A call of the current tenant by a principal who may do everything.
  server::QueryCall Call(std::string method, std::string principal = "ann") const;

 private:
  using Decider = std::function<absl::Status(domain::Draft&, const domain::Context&)>;
  Done Run(const std::string& request, const v1::CommandOptions& options, const Decider& decide);
  void Open();
  void Commit(domain::Draft& draft, server::Tenant& tenant);
  void Remember(const domain::Draft& draft);
  void MakeVisible(server::Tenant& tenant, const eventstore::RowChanges& changes, int64_t time_us);

  TempDirectory directory_;
  std::string tenant_ = "acme";
  std::string actor_ = "ann";
  int64_t time_us_;
  bool held_ = false;
  server::IdSource ids_;
  std::unique_ptr<server::Ledger> ledger_;
  std::map<std::string, std::vector<Shown>> shown_;  // per tenant and position
  struct HeldCommit {
    server::Tenant* tenant;
    eventstore::RowChanges changes;
    int64_t time_us;
  };
  std::deque<HeldCommit> waiting_;
};

// Ends the test program when the text is wrong.
void ParseText(std::string_view text, google::protobuf::Message& message);
// A message from text format.
template <typename Message>
Message FromText(std::string_view text) {
  Message message;
  ParseText(text, message);
  return message;
}

}  // namespace retrace::testing
