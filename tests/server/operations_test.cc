// Operations over real gRPC: started, planned, waited for, cancelled, gone on with after a restart.
#include "tests/server/operations_fixture.h"

#include <thread>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "domain/commands.h"
#include "domain/resource.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/time_util.h"
#include "server/operation_start.h"
#include "server/submit.h"

namespace retrace::server {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST_F(OperationsTest, DeletesByFilterAndIsUndoneWhole) {
  const auto gold = Create(350, "gold");
  Create(20, "silver");
  CreateDeal(gold[0]);
  CreateDeal(gold[0]);
  const std::string before = Digest();
  v1::StartOperationRequest request = Deletion("level = \"gold\"");
  request.mutable_options()->set_acknowledged_count(350);
  const Operation deleted = Run(request);
  const v1::OperationResult result = ResultOf(deleted);
  EXPECT_EQ(result.ok_count(), 350);
  EXPECT_EQ(MetadataOf(deleted).target_count(), 350);
  EXPECT_NE(Digest(), before);

  request = Undo(result.change_set());
  request.mutable_options()->set_acknowledged_count(352);
  const Operation undone = Run(request);
  EXPECT_EQ(MetadataOf(undone).state(), Metadata::SUCCEEDED) << undone.DebugString();
  EXPECT_EQ(Digest(), before);

  request = Undo(ResultOf(undone).change_set());
  request.mutable_options()->set_acknowledged_count(352);
  const Operation redone = Run(request);
  EXPECT_EQ(MetadataOf(redone).state(), Metadata::SUCCEEDED) << redone.DebugString();
  v1::ListCustomersRequest list;
  list.set_parent(kParent);
  v1::ListCustomersResponse left;
  ASSERT_TRUE(customers_->ListCustomers(As("auditor").get(), list, &left).ok());
  EXPECT_THAT(left.customers(), SizeIs(20));
}

TEST_F(OperationsTest, ManyTargetsMustBeAcknowledged) {
  Create(150, "gold");
  const std::string before = Digest();
  const Operation failed = Run(Deletion("level = \"gold\""));
  EXPECT_EQ(MetadataOf(failed).state(), Metadata::FAILED);
  EXPECT_EQ(ReasonOf(failed), "ACKNOWLEDGEMENT_REQUIRED");
  EXPECT_THAT(failed.error().message(), HasSubstr("150"));
  EXPECT_EQ(Digest(), before);
}

TEST_F(OperationsTest, IsPlannedThenDoesExactlyThat) {
  const auto gold = Create(230, "gold");
  CreateDeal(gold[7]);
  const std::string before = Digest();
  v1::StartOperationRequest request = Deletion("level = \"gold\"");
  request.mutable_options()->set_plan_only(true);
  request.mutable_options()->clear_reason();
  EXPECT_TRUE(ResultOf(Run(request)).plan().reason_required());
  request.mutable_options()->set_reason("clean up");
  const Operation planned = Run(request);
  const v1::Plan plan = ResultOf(planned).plan();
  EXPECT_FALSE(plan.reason_required());
  EXPECT_EQ(plan.entity_count(), 231);  // the deal goes along
  ASSERT_EQ(plan.counts_size(), 2) << plan.DebugString();
  EXPECT_EQ(plan.counts(0).count() + plan.counts(1).count(), 231);
  EXPECT_TRUE(plan.count_required());
  EXPECT_EQ(Digest(), before);

  Create(3, "gold");  // later ones are not among the targets
  request.mutable_options()->set_plan_only(false);
  request.mutable_options()->set_plan_token(plan.plan_token());
  // A plan does not acknowledge itself.
  Operation again;
  EXPECT_EQ(ErrorOf(Start(request, again)).reason, "ACKNOWLEDGEMENT_REQUIRED");
  request.mutable_options()->set_acknowledged_count(230);
  EXPECT_EQ(ErrorOf(Start(request, again)).reason, "ACKNOWLEDGEMENT_REQUIRED");
  request.mutable_options()->set_acknowledged_count(231);
  const Operation executed = Run(request);
  EXPECT_EQ(ResultOf(executed).ok_count(), 230) << executed.DebugString();
  EXPECT_EQ(MetadataOf(executed).changed_count(), 231);

  EXPECT_EQ(ErrorOf(Start(request, again)).reason, "PLAN_TOKEN_USED");
  request.set_filter("level = \"silver\"");
  EXPECT_EQ(ErrorOf(Start(request, again)).reason, "PLAN_TOKEN_INVALID");
}

TEST_F(OperationsTest, StopsAtWhatSomebodyWroteSinceOrLeavesItOut) {
  const auto gold = Create(30, "gold");
  v1::StartOperationRequest request = Deletion("level = \"gold\"");
  request.mutable_options()->set_plan_only(true);
  const std::string token = ResultOf(Run(request)).plan().plan_token();
  request.mutable_options()->set_plan_only(false);
  request.mutable_options()->set_plan_token(token);
  Update(gold[10], "gold+");
  const std::string before = Digest();

  const Operation stopped = Run(request);
  EXPECT_EQ(MetadataOf(stopped).state(), Metadata::STOPPED);
  EXPECT_EQ(ReasonOf(stopped), "PLAN_DRIFTED");
  EXPECT_THAT(stopped.error().message(), HasSubstr(gold[10]));
  EXPECT_EQ(MetadataOf(stopped).ok_count(), 10);
  EXPECT_EQ(MetadataOf(Run(Undo(MetadataOf(stopped).change_set()))).state(), Metadata::SUCCEEDED);
  EXPECT_EQ(Digest(), before);

  request = Deletion("level : \"gold*\"");
  request.set_on_drift(v1::StartOperationRequest::SKIP);
  request.mutable_options()->set_plan_only(true);
  request.mutable_options()->set_plan_token(ResultOf(Run(request)).plan().plan_token());
  request.mutable_options()->set_plan_only(false);
  Update(gold[20], "gold-");
  const Operation skipped = Run(request);
  EXPECT_EQ(ResultOf(skipped).ok_count(), 29);
  EXPECT_EQ(ResultOf(skipped).drifted_count(), 1);
  const auto items = Items(skipped.name());
  ASSERT_THAT(items.items(), SizeIs(1));
  EXPECT_EQ(items.items(0).name(), gold[20]);
  EXPECT_EQ(items.items(0).result(), v1::OperationItem::DRIFTED);
}

// As of a caller that went away before the answer: nobody tells the runner.
TEST_F(OperationsTest, ItTakesAlongWhatWasPlannedAndNoMore) {
  const std::vector<std::string> gold = Create(3, "gold");
  CreateDeal(gold[0]);
  v1::StartOperationRequest request = Deletion("level = \"gold\"");
  request.set_on_drift(v1::StartOperationRequest::SKIP);
  request.mutable_options()->set_plan_only(true);
  request.mutable_options()->set_plan_token(ResultOf(Run(request)).plan().plan_token());
  request.mutable_options()->set_plan_only(false);
  CreateDeal(gold[1]);  // after the plan

  const Operation done = Run(request);
  EXPECT_EQ(ResultOf(done).ok_count(), 2);
  EXPECT_EQ(ResultOf(done).drifted_count(), 1);
  const auto items = Items(done.name());
  ASSERT_EQ(items.items_size(), 1);
  EXPECT_EQ(items.items(0).name(), gold[1]);
  EXPECT_EQ(items.items(0).result(), v1::OperationItem::DRIFTED);
  EXPECT_NE(items.items(0).message().find("/records/"), std::string::npos)
      << items.items(0).message();
}

TEST_F(OperationsTest, WhatWasCommittedIsFoundWithoutAWord) {
  Create(20, "gold");
  QueryCall call;
  call.principal = principals_->FindByToken(tokens_.at("administrator"));
  call.tenant = ledger_->tenants().Find("acme");
  call.method = kStartOperation;
  call.deadline = absl::InfiniteFuture();
  const v1::StartOperationRequest request = Deletion("level = \"gold\"");
  const auto resolved = ResolveOperation(*rpc_, *ledger_, call, request);
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  Command command;
  command.tenant = call.tenant;
  command.principal = call.principal;
  command.method = call.method;
  command.options = request.options();
  command.starts_operation = true;
  command.decide = [&resolved](domain::Draft& draft, const domain::Context& context) {
    return domain::Decide(*resolved, draft, context);
  };
  const CommandResult started = SubmitAndAwait(*sequencer_, std::move(command));
  ASSERT_TRUE(started.status.ok()) << started.status;
  const auto& [entity, row] = started.targets.front();
  EXPECT_EQ(ResultOf(Await(domain::NameOf("acme", entity))).ok_count(), 20);
}

TEST_F(OperationsTest, TellsDuplicatesAndStrangersOfNamedTargets) {
  const auto gold = Create(5, "gold");
  v1::AddTargetsRequest add;
  add.set_parent(kParent);
  for (const std::string& name : gold) add.add_names(name);
  v1::AddTargetsResponse added;
  ASSERT_TRUE(operations_->AddTargets(As("administrator").get(), add, &added).ok());
  add.set_operation(added.operation());
  add.clear_names();
  add.add_names(gold[3]);
  add.add_names("tenants/acme/customers/nobody");
  ASSERT_TRUE(operations_->AddTargets(As("administrator").get(), add, &added).ok());
  EXPECT_EQ(added.target_count(), 7);
  add.set_names(0, "tenants/globex/customers/x");
  EXPECT_EQ(ErrorOf(operations_->AddTargets(As("administrator").get(), add, &added)).fields,
            std::vector<std::string>{"names[0]"});

  v1::StartOperationRequest request = Deletion("");
  request.clear_filter();
  request.set_operation(added.operation());
  const Operation done = Run(request);
  EXPECT_EQ(done.name(), added.operation());
  EXPECT_EQ(ResultOf(done).ok_count(), 5);
  EXPECT_EQ(ResultOf(done).refused_count(), 2);
  const auto items = Items(done.name());
  ASSERT_THAT(items.items(), SizeIs(2));
  EXPECT_EQ(items.items(0).name(), gold[3]);
  EXPECT_EQ(items.items(0).reason(), "ALREADY_DELETED");
  EXPECT_EQ(items.items(1).reason(), "ENTITY_NOT_FOUND");
  Operation again;
  EXPECT_EQ(ErrorOf(Start(request, again)).reason, "STATE_REFUSED");
}

TEST_F(OperationsTest, NamedTargetsArePlannedThenDone) {
  const auto gold = Create(700, "gold");  // more than one part holds
  v1::AddTargetsRequest add;
  add.set_parent(kParent);
  for (const std::string& name : gold) add.add_names(name);
  v1::AddTargetsResponse added;
  ASSERT_TRUE(operations_->AddTargets(As("administrator").get(), add, &added).ok());
  v1::StartOperationRequest request = Deletion("");
  request.clear_filter();
  request.set_operation(added.operation());
  request.mutable_options()->set_plan_only(true);
  const Operation planned = Run(request);
  EXPECT_EQ(planned.name(), added.operation());
  const v1::Plan plan = ResultOf(planned).plan();
  EXPECT_EQ(plan.entity_count(), 700);

  // The names are there for the token, and only for whom they were planned by.
  Operation refused;
  EXPECT_EQ(ErrorOf(Start(request, refused, "agent")).reason, "ENTITY_NOT_FOUND");
  request.mutable_options()->set_plan_only(false);
  request.mutable_options()->set_plan_token(plan.plan_token());
  request.mutable_options()->set_acknowledged_count(700);
  const Operation done = Run(request);
  EXPECT_NE(done.name(), planned.name());
  EXPECT_EQ(ResultOf(done).ok_count(), 700) << done.DebugString();
  EXPECT_EQ(ErrorOf(Start(request, refused)).reason, "PLAN_TOKEN_USED");
  request.set_operation(done.name());
  request.mutable_options()->clear_plan_token();
  EXPECT_EQ(ErrorOf(Start(request, refused)).reason, "STATE_REFUSED");
}

TEST_F(OperationsTest, IsCancelledOnce) {
  v1::AddTargetsRequest add;
  add.set_parent(kParent);
  add.add_names(Create(1, "gold")[0]);
  v1::AddTargetsResponse added;
  ASSERT_TRUE(operations_->AddTargets(As("administrator").get(), add, &added).ok());
  google::longrunning::CancelOperationRequest cancel;
  cancel.set_name(added.operation());
  google::protobuf::Empty empty;
  EXPECT_EQ(ErrorOf(running_->CancelOperation(As("agent").get(), cancel, &empty)).reason,
            "PERMISSION_MISSING");
  EXPECT_TRUE(running_->CancelOperation(As("administrator").get(), cancel, &empty).ok());
  EXPECT_EQ(ErrorOf(running_->CancelOperation(As("administrator").get(), cancel, &empty)).reason,
            "OPERATION_ENDED");
  EXPECT_EQ(MetadataOf(Await(added.operation())).state(), Metadata::CANCELLED);
  cancel.set_name("tenants/acme/operations/nobody");
  EXPECT_EQ(ErrorOf(running_->CancelOperation(As("administrator").get(), cancel, &empty)).reason,
            "ENTITY_NOT_FOUND");
}

TEST_F(OperationsTest, RefusesWhatCannotBeSentToMany) {
  Operation operation;
  const auto reason_of = [&](const v1::StartOperationRequest& request,
                             const std::string& principal = "administrator") {
    return ErrorOf(Start(request, operation, principal));
  };
  v1::StartOperationRequest request = Deletion("level = ");
  EXPECT_EQ(reason_of(request).reason, "INVALID_FILTER");
  request = Deletion("*");
  request.set_operation("tenants/acme/operations/x");
  EXPECT_EQ(reason_of(request).fields, std::vector<std::string>{"filter"});
  request = Deletion("*");
  request.mutable_command()->set_type_url("type.googleapis.com/retrace.v1.Nothing");
  EXPECT_EQ(reason_of(request).fields, std::vector<std::string>{"command"});
  v1::CreateCustomerRequest create;
  request.mutable_command()->PackFrom(create);
  EXPECT_EQ(reason_of(request).fields, std::vector<std::string>{"command"});
  request = Deletion("*");
  request.mutable_options()->clear_reason();
  EXPECT_EQ(reason_of(request).reason, "REASON_REQUIRED");
  EXPECT_EQ(reason_of(Deletion("*"), "auditor").reason, "PERMISSION_MISSING");
  request = Undo(1, v1::STRICT);
  request.set_filter("*");
  EXPECT_EQ(reason_of(request).fields, std::vector<std::string>{"command"});
  v1::DeleteCustomerRequest named;
  named.set_name("tenants/acme/customers/x");
  request = Deletion("*");
  request.mutable_command()->PackFrom(named);
  EXPECT_EQ(reason_of(request).fields, std::vector<std::string>{"command"});
}

TEST_F(OperationsTest, AStrictUndoIsRefusedBeforeAnythingIsDone) {
  const auto gold = Create(120, "gold");
  v1::StartOperationRequest request;
  request.set_parent(kParent);
  v1::UpdateCustomerRequest update;
  update.mutable_customer()->set_level("lead");
  update.mutable_update_mask()->add_paths("level");
  request.mutable_command()->PackFrom(update);
  request.set_filter("level = \"gold\"");
  const v1::OperationResult updated = ResultOf(Run(request));
  EXPECT_EQ(updated.ok_count(), 120);
  Update(gold[50], "silver");
  const std::string before = Digest();
  const Operation refused = Run(Undo(updated.change_set()));
  EXPECT_EQ(MetadataOf(refused).state(), Metadata::FAILED);
  EXPECT_EQ(ReasonOf(refused), "UNDO_CONFLICT");
  EXPECT_EQ(Digest(), before);
  request = Undo(updated.change_set(), v1::PARTIAL);
  request.mutable_options()->set_acknowledged_count(120);
  const Operation partial = Run(request);
  EXPECT_EQ(MetadataOf(partial).state(), Metadata::SUCCEEDED);
  v1::ListCustomersRequest list;
  list.set_parent(kParent);
  list.set_filter("level = \"gold\"");
  list.set_page_size(1000);
  v1::ListCustomersResponse back;
  ASSERT_TRUE(customers_->ListCustomers(As("auditor").get(), list, &back).ok());
  EXPECT_THAT(back.customers(), SizeIs(119));
}

TEST_F(OperationsTest, WhatWasMadeLastIsUndoneFirst) {
  const std::string before = Digest();
  v1::BeginChangeSetRequest begin;
  begin.set_parent(kParent);
  v1::BeginChangeSetResponse begun;
  ASSERT_TRUE(history_->BeginChangeSet(As("administrator").get(), begin, &begun).ok());
  const int64_t change_set = begun.change_set().number();
  const auto gold = Create(3, "gold", change_set);
  CreateDeal(gold[1], change_set);
  // A customer with a deal cannot go: the deal must have gone before.
  EXPECT_EQ(ResultOf(Run(Undo(change_set))).ok_count(), 2);
  EXPECT_EQ(Digest(), before);
}

TEST_F(OperationsTest, PurgesAndRestoresFromTheBinWhenWarningsWereRead) {
  Create(130, "gold");
  Create(3, "silver");
  const std::string before = Digest();
  v1::StartOperationRequest request = Deletion("*");
  request.mutable_options()->set_acknowledged_count(133);
  EXPECT_EQ(ResultOf(Run(request)).ok_count(), 133);

  const auto of_bin = [](const google::protobuf::Message& command, const std::string& filter) {
    v1::StartOperationRequest in_bin;
    in_bin.set_parent(kParent);
    in_bin.mutable_command()->PackFrom(command);
    in_bin.set_collection("customers");
    in_bin.set_filter(filter);
    in_bin.mutable_options()->set_reason("again");
    return in_bin;
  };
  request = of_bin(v1::RestoreEntitiesRequest(), "*");
  request.mutable_options()->set_acknowledged_count(133);
  EXPECT_EQ(ResultOf(Run(request)).ok_count(), 133);
  EXPECT_EQ(Digest(), before);

  EXPECT_EQ(ResultOf(Run(Deletion("level = \"silver\""))).ok_count(), 3);
  request = of_bin(v1::PurgeEntitiesRequest(), "level = \"silver\"");
  const Operation unread = Run(request);
  EXPECT_EQ(MetadataOf(unread).state(), Metadata::FAILED);
  EXPECT_EQ(ReasonOf(unread), "ACKNOWLEDGEMENT_REQUIRED");
  EXPECT_THAT(unread.error().message(), HasSubstr("PURGE_IS_FINAL"));
  request.mutable_options()->add_acknowledged_warnings("PURGE_IS_FINAL");
  EXPECT_EQ(ResultOf(Run(request)).ok_count(), 3);
  v1::ListCustomersRequest list;
  list.set_parent(kParent);
  list.set_show_deleted(true);
  list.set_page_size(1000);
  v1::ListCustomersResponse left;
  ASSERT_TRUE(customers_->ListCustomers(As("auditor").get(), list, &left).ok());
  EXPECT_THAT(left.customers(), SizeIs(130));
}

TEST_F(OperationsTest, PagesAreOfTheirRequest) {
  Create(3, "gold");
  std::vector<std::string> started;
  for (int i = 0; i < 3; ++i) {
    started.push_back(Run(Deletion(fmt::format("number = {}", i + 1))).name());
  }
  google::longrunning::ListOperationsRequest list;
  list.set_name(kParent);
  list.set_page_size(1);
  std::vector<std::string> listed;
  do {
    google::longrunning::ListOperationsResponse page;
    const grpc::Status status = running_->ListOperations(As("auditor").get(), list, &page);
    ASSERT_TRUE(status.ok()) << status.error_message();
    for (const Operation& operation : page.operations()) listed.push_back(operation.name());
    if (!page.next_page_token().empty()) {
      list.set_page_token(page.next_page_token());
      EXPECT_EQ(ErrorOf(running_->ListOperations(As("agent").get(), list, &page)).reason,
                "INVALID_PAGE_TOKEN");
    }
    list.set_page_token(page.next_page_token());
  } while (!list.page_token().empty() && listed.size() < 10);
  EXPECT_EQ(listed, std::vector<std::string>(started.rbegin(), started.rend()));
  google::longrunning::ListOperationsResponse page;
  list.set_page_token("3");
  EXPECT_EQ(ErrorOf(running_->ListOperations(As("auditor").get(), list, &page)).reason,
            "INVALID_PAGE_TOKEN");
  v1::ListOperationItemsRequest items;
  items.set_parent(started.front());
  items.set_page_token("0");
  v1::ListOperationItemsResponse none;
  EXPECT_EQ(ErrorOf(operations_->ListOperationItems(As("auditor").get(), items, &none)).reason,
            "INVALID_PAGE_TOKEN");
}

TEST_F(OperationsTest, ManyWaitsKeepNobodyElseWaiting) {
  v1::AddTargetsRequest add;
  add.set_parent(kParent);
  add.add_names(Create(1, "gold").front());
  v1::AddTargetsResponse added;
  ASSERT_TRUE(operations_->AddTargets(As("administrator").get(), add, &added).ok());
  google::longrunning::WaitOperationRequest request;
  request.set_name(added.operation());  // which nobody starts
  const auto wait = [&](grpc::ClientContext& context, absl::Duration deadline,
                        google::longrunning::WaitOperationRequest asked) {
    context.set_deadline(absl::ToChronoTime(absl::Now() + deadline));
    Operation operation;
    return running_->WaitOperation(&context, asked, &operation);
  };
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::thread> others;
  for (int i = 0; i < 30; ++i) {
    contexts.push_back(As("administrator"));
    others.emplace_back([&wait, &context = *contexts.back(), request] {
      wait(context, absl::Minutes(1), request);
    });
  }
  for (int i = 0; i < 1000 && rpc_->pool(Lane::kWait).waiting() == 0; ++i) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  request.mutable_timeout()->set_nanos(1);
  const grpc::Status status = wait(*As("auditor"), absl::Seconds(20), request);
  EXPECT_TRUE(status.ok()) << status.error_message();
  for (const auto& context : contexts) context->TryCancel();
  for (std::thread& other : others) other.join();
}

TEST_F(OperationsTest, GoesOnAfterARestart) {
  Create(900, "gold");
  v1::StartOperationRequest request = Deletion("level = \"gold\"");
  request.mutable_options()->set_acknowledged_count(900);
  Operation operation;
  ASSERT_TRUE(Start(request, operation).ok());
  Close();
  Open();
  Connect();
  EXPECT_EQ(ResultOf(Await(operation.name())).ok_count(), 900);
  google::longrunning::ListOperationsRequest list;
  list.set_name(kParent);
  google::longrunning::ListOperationsResponse listed;
  ASSERT_TRUE(running_->ListOperations(As("auditor").get(), list, &listed).ok());
  ASSERT_THAT(listed.operations(), SizeIs(1));
  EXPECT_EQ(listed.operations(0).name(), operation.name());
}

}  // namespace
}  // namespace retrace::server
