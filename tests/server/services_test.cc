// The services on a real ledger: replies, their positions, and what an operator asks.
#include <filesystem>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/synchronization/notification.h"
#include "eventstore/backup.h"
#include "fmt/format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "retrace/v1/admin.grpc.pb.h"
#include "retrace/v1/customers.grpc.pb.h"
#include "retrace/v1/history.grpc.pb.h"
#include "retrace/v1/holds.grpc.pb.h"
#include "retrace/v1/members.grpc.pb.h"
#include "retrace/v1/records.grpc.pb.h"
#include "retrace/v1/tenants.grpc.pb.h"
#include "server/scrub.h"
#include "tests/server/rpc_fixture.h"
#include "tests/server/service_fixture.h"

namespace retrace::server {
namespace {

using ::testing::HasSubstr;

class ServicesTest : public ServiceFixture {
 protected:
  // Calls and expects OK.
  template <typename Reply, typename Stub, typename Call, typename Request>
  Reply Ask(Stub& stub, Call call, const Request& request, const std::string& principal = "root") {
    Reply reply;
    const grpc::Status status = (stub.*call)(As(principal).get(), request, &reply);
    EXPECT_TRUE(status.ok()) << Request::descriptor()->full_name() << ": "
                             << status.error_message();
    return reply;
  }

  v1::Customer Create(const std::string& name, const std::string& principal = "root") {
    v1::CreateCustomerRequest request;
    request.set_parent("tenants/acme");
    request.mutable_customer()->set_display_name(name);
    const auto reply = Ask<v1::CreateCustomerResponse>(
        *customers_, &v1::Customers::Stub::CreateCustomer, request, principal);
    last_ = reply.outcome();
    return reply.customer();
  }

  v1::Customer Get(const std::string& name) {
    v1::GetCustomerRequest request;
    request.set_name(name);
    return Ask<v1::GetCustomerResponse>(*customers_, &v1::Customers::Stub::GetCustomer, request)
        .customer();
  }

  std::unique_ptr<v1::Customers::Stub> customers_ = v1::Customers::NewStub(Channel());
  std::unique_ptr<v1::History::Stub> history_ = v1::History::NewStub(Channel());
  std::unique_ptr<v1::Admin::Stub> admin_ = v1::Admin::NewStub(Channel());
  std::unique_ptr<v1::Tenants::Stub> tenants_ = v1::Tenants::NewStub(Channel());
  v1::Outcome last_;
};

TEST_F(ServicesTest, ACommandRepliesWithResourceAndOutcome) {
  const v1::Customer created = Create("Acme Bakery");
  EXPECT_THAT(created.name(), HasSubstr("tenants/acme/customers/"));
  EXPECT_EQ(created.display_name(), "Acme Bakery");
  EXPECT_EQ(created.number(), 1);
  EXPECT_EQ(created.state(), v1::Customer::ACTIVE);
  EXPECT_FALSE(created.etag().empty());
  EXPECT_EQ(last_.position(), 1);
  EXPECT_EQ(last_.change_set(), 1);
  EXPECT_EQ(last_.epoch().size(), 16u);
  EXPECT_EQ(last_.commit_id().size(), 32u);
  EXPECT_GT(last_.commit_time().seconds(), 0);
  EXPECT_EQ(Get(created.name()).SerializeAsString(), created.SerializeAsString());
}

TEST_F(ServicesTest, ABatchRepliesWithResourcesInOrder) {
  v1::BatchCreateCustomersRequest request;
  request.set_parent("tenants/acme");
  for (const char* name : {"c", "a", "b"}) {
    request.add_requests()->mutable_customer()->set_display_name(name);
  }
  const auto reply = Ask<v1::BatchCreateCustomersResponse>(
      *customers_, &v1::Customers::Stub::BatchCreateCustomers, request);
  ASSERT_EQ(reply.customers_size(), 3);
  EXPECT_EQ(reply.customers(0).display_name(), "c");
  EXPECT_EQ(reply.customers(2).display_name(), "b");
  EXPECT_EQ(reply.outcome().position(), 1);
}

// Large enough to be prepared on another thread first: what comes of it is the same.
TEST_F(ServicesTest, ALargeBatchIsReadInEachCustomersRegion) {
  v1::BatchCreateCustomersRequest request;
  request.set_parent("tenants/acme");
  for (int i = 0; i < 100; ++i) {
    v1::Customer& customer = *request.add_requests()->mutable_customer();
    customer.set_display_name("Customer");
    if (i % 2 == 1) customer.add_addresses()->set_region_code("Switzerland");
    customer.add_phones()->set_raw(fmt::format("0{} 668 18 {:02}", i % 2 == 1 ? "44" : "", i));
  }
  request.mutable_requests(0)->mutable_customer()->mutable_phones(0)->set_raw("415 555 2671");
  const auto reply = Ask<v1::BatchCreateCustomersResponse>(
      *customers_, &v1::Customers::Stub::BatchCreateCustomers, request);
  ASSERT_EQ(reply.customers_size(), 100);
  EXPECT_EQ(reply.customers(0).phones(0).e164(), "+14155552671");
  EXPECT_EQ(reply.customers(1).phones(0).e164(), "+41446681801");
  EXPECT_EQ(reply.customers(99).phones(0).e164(), "+41446681899");
}

TEST_F(ServicesTest, ARepeatedRequestIdGetsTheFirstReply) {
  v1::CreateCustomerRequest request;
  request.set_parent("tenants/acme");
  request.mutable_customer()->set_display_name("Once");
  request.mutable_options()->set_request_id("4f1c0a52-6a0e-4a3f-9a58-5f0d6b1b9a11");
  const auto first =
      Ask<v1::CreateCustomerResponse>(*customers_, &v1::Customers::Stub::CreateCustomer, request);
  Create("Between");
  auto second =
      Ask<v1::CreateCustomerResponse>(*customers_, &v1::Customers::Stub::CreateCustomer, request);
  EXPECT_TRUE(second.outcome().repeated());
  second.mutable_outcome()->clear_repeated();
  EXPECT_EQ(second.SerializeAsString(), first.SerializeAsString());
  request.mutable_customer()->set_display_name("Twice");
  v1::CreateCustomerResponse reply;
  const grpc::Status reused = customers_->CreateCustomer(As("root").get(), request, &reply);
  EXPECT_EQ(ErrorOf(reused).reason, "REQUEST_ID_REUSED");
}

TEST_F(ServicesTest, AnAgentUndeletesTheirOwnDeletionsOnly) {
  const std::string name = Create("Shop").name();
  v1::DeleteCustomerRequest remove;
  remove.set_name(name);
  remove.mutable_related()->set_all(v1::RelatedRecords::REFUSE);
  remove.mutable_options()->set_reason("closed");
  v1::UndeleteCustomerRequest undelete;
  undelete.set_name(name);
  undelete.mutable_options()->set_reason("open again");
  Ask<v1::DeleteCustomerResponse>(*customers_, &v1::Customers::Stub::DeleteCustomer, remove,
                                  "administrator");
  EXPECT_EQ(Get(name).state(), v1::Customer::DELETED);
  v1::UndeleteCustomerResponse reply;
  const grpc::Status refused = customers_->UndeleteCustomer(As("agent").get(), undelete, &reply);
  EXPECT_EQ(ErrorOf(refused).reason, "NOT_YOUR_DELETION");
  Ask<v1::UndeleteCustomerResponse>(*customers_, &v1::Customers::Stub::UndeleteCustomer, undelete,
                                    "administrator");
  Ask<v1::DeleteCustomerResponse>(*customers_, &v1::Customers::Stub::DeleteCustomer, remove,
                                  "agent");
  Ask<v1::UndeleteCustomerResponse>(*customers_, &v1::Customers::Stub::UndeleteCustomer, undelete,
                                    "agent");
  EXPECT_EQ(Get(name).state(), v1::Customer::ACTIVE);
}

TEST_F(ServicesTest, HistoryOfAKindIsForThoseWhoMayReadTheKind) {
  v1::PlaceHoldRequest place;
  place.set_parent("tenants/acme");
  place.mutable_hold()->set_entity(Create("Shop").name());
  place.mutable_hold()->set_case_number("17/26");
  place.mutable_options()->set_reason("law suit");
  const auto holds = v1::Holds::NewStub(Channel());
  const std::string hold =
      Ask<v1::PlaceHoldResponse>(*holds, &v1::Holds::Stub::PlaceHold, place).hold().name();
  for (const std::string& name : {place.hold().entity(), hold}) {
    v1::ListChangesRequest changes;
    changes.set_name(name);
    v1::ExplainRequest explain;
    explain.set_name(name);
    for (const std::string principal : {"agent", "auditor"}) {
      v1::ListChangesResponse listed;
      v1::ExplainResponse explained;
      const bool may = name != hold || principal != "agent";
      const std::string reason = may ? "" : "PERMISSION_MISSING";
      EXPECT_EQ(ErrorOf(history_->ListChanges(As(principal).get(), changes, &listed)).reason,
                reason);
      EXPECT_EQ(ErrorOf(history_->Explain(As(principal).get(), explain, &explained)).reason,
                reason);
      EXPECT_EQ(listed.entries_size() > 0, may);
      EXPECT_EQ(explained.causes_size() > 0, may);
    }
  }
}

// The filter is not even looked at: what it means may be found at the end of the log only.
TEST_F(ServicesTest, AnUndoByFilterIsForAdministrators) {
  Create("Shop");
  v1::UndoRequest undo;
  undo.set_parent("tenants/acme");
  undo.mutable_options()->set_reason("wrong");
  v1::GetUndoConflictsRequest conflicts;
  conflicts.set_parent("tenants/acme");
  const auto reasons = [&](const std::string& principal, const std::string& filter) {
    undo.set_filter(filter);
    conflicts.set_filter(filter);
    v1::UndoResponse undone;
    v1::GetUndoConflictsResponse found;
    return ErrorOf(history_->Undo(As(principal).get(), undo, &undone)).reason + " " +
           ErrorOf(history_->GetUndoConflicts(As(principal).get(), conflicts, &found)).reason;
  };
  EXPECT_EQ(reasons("agent", "actor = \"root\""), "PERMISSION_MISSING PERMISSION_MISSING");
  EXPECT_EQ(reasons("agent", "no filter ("), "PERMISSION_MISSING PERMISSION_MISSING");
  EXPECT_EQ(reasons("administrator", "no filter ("), "INVALID_FILTER INVALID_FILTER");
}

TEST_F(ServicesTest, AChangeSetIsShownWhole) {
  v1::BeginChangeSetRequest begin;
  begin.set_parent("tenants/acme");
  begin.set_title("Spring cleaning");
  const auto begun =
      Ask<v1::BeginChangeSetResponse>(*history_, &v1::History::Stub::BeginChangeSet, begin);
  EXPECT_EQ(begun.change_set().title(), "Spring cleaning");
  EXPECT_EQ(begun.change_set().state(), v1::ChangeSet::OPEN);
  EXPECT_EQ(begun.change_set().number(), begun.outcome().position());
  EXPECT_EQ(begun.change_set().actor(), "root");
  v1::CreateCustomerRequest create;
  create.set_parent("tenants/acme");
  create.mutable_customer()->set_display_name("Inside");
  create.mutable_options()->set_change_set(begun.change_set().number());
  Ask<v1::CreateCustomerResponse>(*customers_, &v1::Customers::Stub::CreateCustomer, create);
  v1::EndChangeSetRequest end;
  end.set_name(begun.change_set().name());
  const auto ended =
      Ask<v1::EndChangeSetResponse>(*history_, &v1::History::Stub::EndChangeSet, end);
  EXPECT_EQ(ended.change_set().state(), v1::ChangeSet::CLOSED);
  EXPECT_EQ(ended.change_set().commit_count(), 2);  // its beginning and the customer
}

TEST_F(ServicesTest, TenantsAreListedToWhomTheyConcern) {
  const auto root = Ask<v1::ListTenantsResponse>(*tenants_, &v1::Tenants::Stub::ListTenants,
                                                 v1::ListTenantsRequest());
  ASSERT_EQ(root.tenants_size(), 2);
  EXPECT_EQ(root.tenants(0).name(), "tenants/acme");
  const auto agent = Ask<v1::ListTenantsResponse>(*tenants_, &v1::Tenants::Stub::ListTenants,
                                                  v1::ListTenantsRequest(), "agent");
  ASSERT_EQ(agent.tenants_size(), 1);
  EXPECT_EQ(agent.tenants(0).name(), "tenants/acme");
  v1::GetTenantRequest request;
  request.set_name("tenants/acme");
  EXPECT_EQ(Ask<v1::GetTenantResponse>(*tenants_, &v1::Tenants::Stub::GetTenant, request, "agent")
                .tenant()
                .name(),
            "tenants/acme");
}

TEST_F(ServicesTest, WatchFollowsCommits) {
  Create("Before");
  v1::WatchCommitsRequest request;
  request.set_parent("tenants/acme");
  const auto context = As("root");
  const auto reader = history_->WatchCommits(context.get(), request);
  v1::WatchCommitsResponse message;
  ASSERT_TRUE(reader->Read(&message));
  EXPECT_EQ(message.commit().position(), 1);
  ASSERT_TRUE(reader->Read(&message));
  EXPECT_TRUE(message.has_caught_up());
  Create("After");
  ASSERT_TRUE(reader->Read(&message));
  EXPECT_EQ(message.commit().position(), 2);
  EXPECT_EQ(message.commit().method(), "retrace.v1.Customers.CreateCustomer");
  context->TryCancel();
  reader->Finish();
}

TEST_F(ServicesTest, StatusCountsWhatThereIs) {
  Create("One");
  const auto status =
      Ask<v1::GetStatusResponse>(*admin_, &v1::Admin::Stub::GetStatus, v1::GetStatusRequest());
  EXPECT_EQ(status.tenants(), 2);
  EXPECT_EQ(status.commits(), 4);  // the epoch, two tenants, one customer
  EXPECT_EQ(status.epoch().size(), 16u);
  EXPECT_GT(status.free_bytes(), 0);
  EXPECT_GT(status.resident_bytes(), 1 << 20);
  EXPECT_FALSE(status.release().empty());
  EXPECT_THAT(status.rows_origin(), HasSubstr("rebuilt 0 commits"));
}

TEST_F(ServicesTest, ABackupHoldsWhatItSays) {
  Create("One");
  v1::BackupRequest request;
  request.set_backup_id("nightly-1");
  const auto backup = Ask<v1::BackupResponse>(*admin_, &v1::Admin::Stub::Backup, request);
  const auto manifest = eventstore::VerifyBackup(backup.directory());
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  // The keys beside it open every commit of the log.
  const auto keys =
      eventstore::KeyStore::Open({.directory = backup.key_directory(),
                                  .master_key_file = ledger_->options().master_key_file,
                                  .on_failure = [](const absl::Status&) {}});
  ASSERT_TRUE(keys.ok()) << keys.status();
  const Tenant& tenant = *ledger_->tenants().Find("acme");
  uint64_t checked = 0;
  EXPECT_EQ(CheckCommits(ledger_->log(), **keys, tenant, 0, tenant.visible, &checked),
            absl::OkStatus());
  EXPECT_EQ(checked, 1u);
  EXPECT_GT(backup.bytes(), 0);
  bool acme = false;
  for (const v1::TenantHead& head : backup.heads()) {
    acme = acme || (head.tenant() == "tenants/acme" && head.position() == 1);
  }
  EXPECT_TRUE(acme);
  v1::BackupResponse reply;
  EXPECT_EQ(ErrorOf(admin_->Backup(As("root").get(), request, &reply)).reason, "ID_TAKEN");
  request.set_backup_id("../escape");
  EXPECT_EQ(ErrorOf(admin_->Backup(As("root").get(), request, &reply)).reason, "INVALID_FIELD");
  // It is on record, with who did it.
  v1::ListCommitsRequest commits;
  commits.set_parent("tenants/system");
  commits.set_view(v1::EVENTS);
  const auto recorded =
      Ask<v1::ListCommitsResponse>(*history_, &v1::History::Stub::ListCommits, commits);
  ASSERT_GT(recorded.commits_size(), 0);
  EXPECT_EQ(recorded.commits(0).actor(), "root");
  EXPECT_EQ(recorded.commits(0).method(), "retrace.v1.Admin.Backup");
  EXPECT_EQ(recorded.commits(0).events(0).type(), "AdministrativeActDone");
}

// On a full disk its act cannot be recorded: a good backup is not lost for that.
TEST_F(ServicesTest, ABackupThatIsNotRecordedIsOneAllTheSame) {
  disk_full_ = true;
  v1::BackupRequest request;
  request.set_backup_id("nightly-1");
  const auto backup = Ask<v1::BackupResponse>(*admin_, &v1::Admin::Stub::Backup, request);
  EXPECT_TRUE(eventstore::VerifyBackup(backup.directory()).ok());
}

// The last message of a verification.
v1::VerifyResponse::Result VerifyNow(v1::Admin::Stub& admin, grpc::ClientContext& context) {
  const auto reader = admin.Verify(&context, v1::VerifyRequest());
  v1::VerifyResponse message;
  v1::VerifyResponse::Result result;
  while (reader->Read(&message)) {
    result = message.result();
  }
  EXPECT_TRUE(reader->Finish().ok());
  return result;
}

TEST_F(ServicesTest, VerifyFindsNothingWhileCommandsGoOn) {
  for (int i = 0; i < 50; ++i) {
    Create("Customer " + std::to_string(i));
  }
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    const auto stub = v1::Customers::NewStub(Channel());
    while (!stop) {
      v1::CreateCustomerRequest request;
      request.set_parent("tenants/acme");
      request.mutable_customer()->set_display_name("Meanwhile");
      v1::CreateCustomerResponse reply;
      EXPECT_TRUE(stub->CreateCustomer(As("root").get(), request, &reply).ok());
    }
  });
  const auto result = VerifyNow(*admin_, *As("root"));
  stop = true;
  writer.join();
  EXPECT_TRUE(result.ok()) << result.ShortDebugString();
  EXPECT_GE(result.commits(), 53);
}

TEST_F(ServicesTest, VerifyFindsRowsThatTheLogDoesNotSay) {
  const v1::Customer customer = Create("Honest");
  ASSERT_TRUE(VerifyNow(*admin_, *As("root")).ok());
  // A row of another customer is laid over this one's, at the position it has.
  const v1::Customer other = Create("Other");
  const auto id = [](const std::string& name) { return name.substr(name.rfind('/') + 1); };
  const auto kind = static_cast<eventstore::KindNumber>(domain::KindNumber::kCustomer);
  const auto stolen = *ledger_->rows().Get(1, kind, id(other.name()), eventstore::kLatest);
  const auto checkpoint = *ledger_->rows().CheckpointOf(1);
  eventstore::RowChanges changes;
  changes.tenant = 1;
  changes.position = checkpoint.position + 1;
  changes.epoch = checkpoint.epoch;
  changes.commit_hash = checkpoint.commit_hash;
  changes.rows.push_back({kind, id(customer.name()), stolen->bytes});
  ASSERT_TRUE(ledger_->rows().Apply({&changes, 1}).ok());
  ledger_->tenants().Find("acme")->visible = checkpoint.position + 1;
  const auto result = VerifyNow(*admin_, *As("root"));
  EXPECT_FALSE(result.ok());
  ASSERT_EQ(result.differences_size(), 1);
  EXPECT_THAT(result.differences(0), HasSubstr("acme"));
}

TEST_F(ServicesTest, ServesAgainWhatItServedBefore) {
  const v1::Customer created = Create("Lasting");
  Close();
  Open();
  customers_ = v1::Customers::NewStub(Channel());
  EXPECT_EQ(Get(created.name()).SerializeAsString(), created.SerializeAsString());
  EXPECT_EQ(Create("Next").number(), 2);
  Close();
  std::filesystem::remove_all(directory_.Below("rows"));
  Open();
  customers_ = v1::Customers::NewStub(Channel());
  EXPECT_THAT(ledger_->rows_origin(), HasSubstr("rebuilt"));
  EXPECT_EQ(Get(created.name()).SerializeAsString(), created.SerializeAsString());
}

}  // namespace
}  // namespace retrace::server
