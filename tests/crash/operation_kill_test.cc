// kill -9 in the middle of operations of each kind. After the restart an operation goes on by
// itself and comes to what the same operation comes to without a kill: the same rows, the same
// counts, the same items.
#include <grpcpp/grpcpp.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <ostream>
#include <random>
#include <string>
#include <vector>

#include "google/longrunning/operations.grpc.pb.h"
#include "gtest/gtest.h"
#include "retrace/v1/customers.grpc.pb.h"
#include "retrace/v1/history.grpc.pb.h"
#include "retrace/v1/operations.grpc.pb.h"
#include "retrace/v1/records.grpc.pb.h"
#include "retrace/v1/recycle_bin.pb.h"
#include "retrace/v1/tenants.grpc.pb.h"
#include "tests/support/daemon.h"
#include "tests/support/temp_directory.h"

namespace retrace {
namespace {

using google::longrunning::Operation;
using testing::Daemon;
using testing::TempDirectory;

constexpr char kParent[] = "tenants/acme";
// Thirty chunks and more: enough to be killed in between.
constexpr int kCustomers = 3000;
constexpr int kNotes = 2000;

// Targets seen to and entities changed: grows with every commit of an operation.
int64_t ProgressOf(const Operation& operation) {
  v1::OperationMetadata metadata;
  operation.metadata().UnpackTo(&metadata);
  return metadata.done_count() + metadata.changed_count();
}

// What came of an operation.
struct Ending {
  std::string state, digest, counts;
  std::vector<std::string> items;
  int64_t progress = 0;

  bool operator==(const Ending&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Ending& ending) {
  out << ending.state << ", " << ending.counts << ", rows " << ending.digest << ", "
      << ending.items.size() << " items";
  return out << (ending.items.empty() ? "" : ", first " + ending.items.front());
}

// A daemon in a directory, with what the test asks of it.
class Server {
 public:
  explicit Server(const std::string& directory, Daemon::Directory state)
      : daemon_(directory, state) {}

  // False when it does not come up; its log says why.
  bool Start() {
    if (!daemon_.Start()) return false;
    const auto channel = daemon_.Channel();
    customers_ = v1::Customers::NewStub(channel);
    records_ = v1::Records::NewStub(channel);
    history_ = v1::History::NewStub(channel);
    operations_ = v1::Operations::NewStub(channel);
    running_ = google::longrunning::Operations::NewStub(channel);
    return true;
  }
  void Kill() { daemon_.Kill(); }
  int Stop() { return daemon_.Stop(); }
  std::string log() const { return daemon_.log(); }

  // Calls, and fails the test unless the answer is OK.
  template <typename Stub, typename Request, typename Response>
  Response Call(Stub& stub,
                grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&, Response*),
                const Request& request) {
    grpc::ClientContext context;
    context.AddMetadata("authorization", "Bearer " + daemon_.token());
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(60));
    Response response;
    const grpc::Status status = (stub.*method)(&context, request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message() << '\n' << daemon_.log();
    return response;
  }

  // A tenant with customers, of which each tenth has level `lead` and a deal. One in the middle has
  // more notes than a commit holds.
  void Fill() {
    auto tenants = v1::Tenants::NewStub(daemon_.Channel());
    v1::CreateTenantRequest tenant;
    tenant.set_tenant_id("acme");
    Call(*tenants, &v1::Tenants::Stub::CreateTenant, tenant);
    v1::BatchCreateRecordsRequest deals;
    deals.set_parent(kParent);
    for (int begin = 0; begin < kCustomers; begin += 500) {
      v1::BatchCreateCustomersRequest request;
      request.set_parent(kParent);
      for (int i = begin; i < begin + 500; ++i) {
        auto& customer = *request.add_requests()->mutable_customer();
        customer.set_organization_name("Company " + std::to_string(i));
        customer.set_level(i % 10 == 0 ? "lead" : "gold");
      }
      const auto reply = Call(*customers_, &v1::Customers::Stub::BatchCreateCustomers, request);
      if (begin == kCustomers / 2) AddNotes(reply.customers(5).name());
      for (int i = 0; i < reply.customers_size(); i += 10) {
        auto& deal = *deals.add_requests()->mutable_record();
        deal.set_kind(v1::Record::DEAL);
        deal.set_title("Deal");
        deal.set_customer(reply.customers(i).name());
      }
    }
    Call(*records_, &v1::Records::Stub::BatchCreateRecords, deals);
  }

  void AddNotes(const std::string& customer) {
    for (int begin = 0; begin < kNotes; begin += 500) {
      v1::BatchCreateRecordsRequest notes;
      notes.set_parent(kParent);
      for (int i = begin; i < begin + 500; ++i) {
        auto& note = *notes.add_requests()->mutable_record();
        note.set_kind(v1::Record::NOTE);
        note.set_title("Note " + std::to_string(i));
        note.set_customer(customer);
      }
      Call(*records_, &v1::Records::Stub::BatchCreateRecords, notes);
    }
  }

  Operation StartOperation(const v1::StartOperationRequest& request) {
    return Call(*operations_, &v1::Operations::Stub::StartOperation, request);
  }

  Operation Get(const std::string& name) {
    google::longrunning::GetOperationRequest request;
    request.set_name(name);
    return Call(*running_, &google::longrunning::Operations::Stub::GetOperation, request);
  }

  Operation Await(const std::string& name) {
    google::longrunning::WaitOperationRequest request;
    request.set_name(name);
    request.mutable_timeout()->set_seconds(10);
    Operation operation;
    for (int i = 0; i < 30 && !operation.done() && !::testing::Test::HasFailure(); ++i) {
      operation = Call(*running_, &google::longrunning::Operations::Stub::WaitOperation, request);
    }
    EXPECT_TRUE(operation.done()) << operation.DebugString() << daemon_.log();
    return operation;
  }

  Ending EndingOf(const Operation& operation) {
    v1::OperationMetadata metadata;
    operation.metadata().UnpackTo(&metadata);
    v1::GetDigestRequest digest;
    digest.set_parent(kParent);
    Ending ending{
        .state = v1::OperationMetadata::State_Name(metadata.state()) + operation.error().message(),
        .digest = Call(*history_, &v1::History::Stub::GetDigest, digest).content_digest(),
        .counts = std::to_string(metadata.target_count()) + " targets, " +
                  std::to_string(metadata.ok_count()) + " ok, " +
                  std::to_string(metadata.refused_count()) + " refused, " +
                  std::to_string(metadata.drifted_count()) + " drifted, " +
                  std::to_string(metadata.skipped_count()) + " skipped",
        .items = {},
        .progress = ProgressOf(operation)};
    v1::ListOperationItemsRequest request;
    request.set_parent(operation.name());
    request.set_page_size(1000);
    do {
      const auto page = Call(*operations_, &v1::Operations::Stub::ListOperationItems, request);
      for (const auto& item : page.items()) ending.items.push_back(item.ShortDebugString());
      request.set_page_token(page.next_page_token());
    } while (!request.page_token().empty());
    return ending;
  }

 private:
  Daemon daemon_;
  std::unique_ptr<v1::Customers::Stub> customers_;
  std::unique_ptr<v1::Records::Stub> records_;
  std::unique_ptr<v1::History::Stub> history_;
  std::unique_ptr<v1::Operations::Stub> operations_;
  std::unique_ptr<google::longrunning::Operations::Stub> running_;
};

v1::StartOperationRequest ToAll(const google::protobuf::Message& command,
                                const std::string& filter = "*") {
  v1::StartOperationRequest request;
  request.set_parent(kParent);
  request.mutable_command()->PackFrom(command);
  request.set_filter(filter);
  request.mutable_options()->set_reason("all of them");
  request.mutable_options()->set_acknowledged_count(kCustomers);
  return request;
}

v1::StartOperationRequest Deletion(v1::RelatedRecords::Choice related) {
  v1::DeleteCustomerRequest command;
  command.mutable_related()->set_all(related);
  return ToAll(command);
}

// Those with a deal are refused.
v1::StartOperationRequest DeletionOfSome(int64_t /*change_set*/) {
  return Deletion(v1::RelatedRecords::REFUSE);
}

v1::StartOperationRequest DeletionOfAll(int64_t /*change_set*/) {
  return Deletion(v1::RelatedRecords::DELETE);
}

// Those that are leads already are skipped.
v1::StartOperationRequest Update(int64_t /*change_set*/) {
  v1::UpdateCustomerRequest command;
  command.mutable_customer()->set_level("lead");
  command.mutable_update_mask()->add_paths("level");
  return ToAll(command);
}

v1::StartOperationRequest Undeletion(int64_t /*change_set*/) {
  return ToAll(v1::UndeleteCustomerRequest(), "state = DELETED");
}

// What is purged is in no list any more, which must not confuse an operation that goes on. The one
// with the notes is refused.
v1::StartOperationRequest Purge(int64_t /*change_set*/) {
  v1::StartOperationRequest request = ToAll(v1::PurgeEntitiesRequest());
  request.set_collection("customers");
  request.mutable_options()->add_acknowledged_warnings("PURGE_IS_FINAL");
  return request;
}

v1::StartOperationRequest Undo(int64_t change_set) {
  v1::UndoRequest command;
  command.set_parent(kParent);
  command.add_names(std::string(kParent) + "/changeSets/" + std::to_string(change_set));
  v1::StartOperationRequest request = ToAll(command, "");
  request.mutable_options()->set_acknowledged_count(kCustomers + kCustomers / 10 + kNotes);
  return request;
}

struct Scenario {
  const char* name;
  // What is operated on has been deleted first, by this change set.
  bool after_deletion;
  v1::StartOperationRequest (*request)(int64_t change_set);
};

void PrintTo(const Scenario& scenario, std::ostream* out) { *out << scenario.name; }

class OperationKillTest : public ::testing::TestWithParam<Scenario> {
 protected:
  // Two directories to begin from: with live customers, and after an operation deleted them.
  static void SetUpTestSuite() {
    begin_ = new TempDirectory();
    Server server(Live(), Daemon::kNew);
    ASSERT_TRUE(server.Start()) << server.log();
    server.Fill();
    ASSERT_EQ(server.Stop(), 0) << server.log();
    Copy(Live(), Deleted());
    Server deleting(Deleted(), Daemon::kPresent);
    ASSERT_TRUE(deleting.Start()) << deleting.log();
    const Operation deleted = deleting.Await(deleting.StartOperation(DeletionOfAll(0)).name());
    v1::OperationMetadata metadata;
    deleted.metadata().UnpackTo(&metadata);
    ASSERT_EQ(metadata.ok_count(), kCustomers) << deleted.DebugString();
    change_set_ = metadata.change_set();
    ASSERT_EQ(deleting.Stop(), 0) << deleting.log();
  }

  static void TearDownTestSuite() { delete begin_; }

  static std::string Live() { return begin_->Below("live"); }
  static std::string Deleted() { return begin_->Below("deleted"); }

  static void Copy(const std::string& from, const std::string& to) {
    std::filesystem::create_directories(to);
    std::filesystem::copy(from + "/data", to + "/data", std::filesystem::copy_options::recursive);
  }

  std::string CopyOfBegin() {
    const std::string to = work_.Below(std::to_string(++copies_));
    Copy(GetParam().after_deletion ? Deleted() : Live(), to);
    return to;
  }

  Ending WithoutKill() {
    Server server(CopyOfBegin(), Daemon::kPresent);
    EXPECT_TRUE(server.Start()) << server.log();
    const Operation started = server.StartOperation(GetParam().request(change_set_));
    return server.EndingOf(server.Await(started.name()));
  }

  // Kills the daemon when the operation has come to each of the points; counts the kills that met
  // it at work.
  Ending WithKills(const std::vector<int64_t>& points, int& met) {
    Server server(CopyOfBegin(), Daemon::kPresent);
    EXPECT_TRUE(server.Start()) << server.log();
    const std::string name = server.StartOperation(GetParam().request(change_set_)).name();
    for (const int64_t point : points) {
      Operation operation = server.Get(name);
      while (!operation.done() && ProgressOf(operation) < point && !HasFailure()) {
        operation = server.Get(name);
      }
      if (operation.done() || HasFailure()) break;
      server.Kill();
      EXPECT_TRUE(server.Start()) << server.log();
      if (HasFailure()) break;
      ++met;
      EXPECT_GE(ProgressOf(server.Get(name)), ProgressOf(operation)) << "what was done was lost";
    }
    return server.EndingOf(server.Await(name));
  }

  static TempDirectory* begin_;
  static int64_t change_set_;
  TempDirectory work_;
  int copies_ = 0;
};

TempDirectory* OperationKillTest::begin_ = nullptr;
int64_t OperationKillTest::change_set_ = 0;

TEST_P(OperationKillTest, GoesOnToTheSameEnd) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  const char* asked = std::getenv("RETRACE_KILL_ROUNDS");
  const int rounds = asked != nullptr ? std::atoi(asked) : 2;
  const Ending expected = WithoutKill();
  ASSERT_EQ(expected.state, "SUCCEEDED") << expected;
  int met = 0;
  for (int round = 0; (round < rounds || met == 0) && round < rounds + 20; ++round) {
    // The first round kills while targets are counted, too.
    std::vector<int64_t> points(1 + random() % 2);
    for (int64_t& point : points)
      point = static_cast<int64_t>(random() % static_cast<uint64_t>(expected.progress));
    if (round == 0) points.push_back(0);
    std::sort(points.begin(), points.end());
    const Ending ending = WithKills(points, met);
    ASSERT_FALSE(HasFailure());
    std::string at;
    for (const int64_t point : points) at += " " + std::to_string(point);
    ASSERT_EQ(ending, expected) << "killed at" << at << " of " << expected.progress;
  }
  EXPECT_GT(met, 0) << "no kill met the operation at work";
  std::printf("%s: %d kills in %d rounds; %s\n", GetParam().name, met, rounds,
              expected.counts.c_str());
}

INSTANTIATE_TEST_SUITE_P(EachKind, OperationKillTest,
                         ::testing::Values(Scenario{"DeleteSome", false, DeletionOfSome},
                                           Scenario{"DeleteAll", false, DeletionOfAll},
                                           Scenario{"Update", false, Update},
                                           Scenario{"Undelete", true, Undeletion},
                                           Scenario{"Purge", true, Purge},
                                           Scenario{"Undo", true, Undo}),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace retrace
