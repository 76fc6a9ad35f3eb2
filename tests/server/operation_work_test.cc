// Operations that take several commits for one target, or must be done as a whole, over real gRPC.
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "retrace/v1/recycle_bin.grpc.pb.h"
#include "tests/server/operations_fixture.h"

namespace retrace::server {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

class OperationWorkTest : public OperationsTest {
 protected:
  static v1::StartOperationRequest Undeletion(const std::string& filter) {
    v1::StartOperationRequest request = Deletion(filter);
    request.mutable_command()->PackFrom(v1::UndeleteCustomerRequest());
    return request;
  }

  v1::Customer Get(const std::string& name) {
    v1::GetCustomerRequest request;
    request.set_name(name);
    v1::GetCustomerResponse response;
    const grpc::Status status = customers_->GetCustomer(As("auditor").get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.customer();
  }

  WireError UnaryDeletion(const std::string& name) {
    v1::DeleteCustomerRequest request;
    request.set_name(name);
    request.mutable_related()->set_all(v1::RelatedRecords::DELETE);
    request.mutable_options()->set_reason("large");
    request.mutable_options()->set_acknowledged_count(2);
    v1::DeleteCustomerResponse response;
    return ErrorOf(customers_->DeleteCustomer(As("administrator").get(), request, &response));
  }

  std::vector<v1::BinnedEntity> Bin() {
    auto bin = v1::RecycleBin::NewStub(Channel());
    v1::ListBinnedEntitiesRequest request;
    request.set_parent(kParent);
    request.set_collection("customers");
    v1::ListBinnedEntitiesResponse response;
    const grpc::Status status = bin->ListBinnedEntities(As("auditor").get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return {response.entities().begin(), response.entities().end()};
  }
};

TEST_F(OperationWorkTest, ACustomerThatOneCommitDoesNotHoldGoesAndComesBackWhole) {
  const auto large = Create(1, "large");
  const auto gold = Create(3, "gold");
  CreateDeals(large[0], 1300);
  CreateDeals(gold[1], 2);
  const std::string before = Digest();
  EXPECT_EQ(UnaryDeletion(large[0]).reason, "USE_OPERATION");

  v1::StartOperationRequest request = Deletion("*");
  request.mutable_options()->set_plan_only(true);
  const v1::Plan plan = ResultOf(Run(request)).plan();
  EXPECT_EQ(plan.entity_count(), 1306);
  request.mutable_options()->set_plan_only(false);
  request.mutable_options()->set_plan_token(plan.plan_token());
  request.mutable_options()->set_acknowledged_count(1306);
  const Operation deleted = Run(request);
  EXPECT_EQ(ResultOf(deleted).ok_count(), 4) << deleted.DebugString();
  EXPECT_EQ(MetadataOf(deleted).changed_count(), 1306);
  EXPECT_EQ(Get(large[0]).operation(), "");
  int64_t taken = 0;
  for (const v1::BinnedEntity& binned : Bin()) {
    if (binned.name() == large[0]) taken = binned.taken(0).deleted_count();
  }
  EXPECT_EQ(taken, 1300);
  const std::string gone = Digest();

  // By the bin: with exactly what went along.
  const Operation restored = Run(Undeletion("state = DELETED"));
  EXPECT_EQ(ResultOf(restored).ok_count(), 4) << restored.DebugString();
  EXPECT_EQ(Digest(), before);
  // By undoing each of the two, in several commits again.
  request = Undo(ResultOf(restored).change_set());
  request.mutable_options()->set_acknowledged_count(1306);
  EXPECT_EQ(MetadataOf(Run(request)).state(), Metadata::SUCCEEDED);
  EXPECT_EQ(Digest(), gone);
  request = Undo(ResultOf(deleted).change_set());
  request.mutable_options()->set_acknowledged_count(1306);
  const Operation undone = Run(request);
  EXPECT_EQ(MetadataOf(undone).state(), Metadata::SUCCEEDED) << undone.DebugString();
  EXPECT_EQ(Digest(), before);
}

TEST_F(OperationWorkTest, ALargeCustomerTakesAlongWhatWasPlannedAndNoMore) {
  const std::vector<std::string> gold = Create(1, "gold");
  CreateDeals(gold[0], 1200);
  v1::StartOperationRequest request = Deletion("level = \"gold\"");
  request.mutable_options()->set_plan_only(true);
  request.mutable_options()->set_plan_token(ResultOf(Run(request)).plan().plan_token());
  request.mutable_options()->set_plan_only(false);
  request.mutable_options()->set_acknowledged_count(1201);
  CreateDeal(gold[0]);  // after the plan
  const Operation stopped = Run(request);
  EXPECT_EQ(MetadataOf(stopped).state(), Metadata::STOPPED) << stopped.DebugString();
  EXPECT_EQ(ReasonOf(stopped), "PLAN_DRIFTED");
}

TEST_F(OperationWorkTest, ALargeCustomerIsMergedAndUnmerged) {
  const auto two = Create(2, "gold");
  CreateDeals(two[1], 1200);
  const std::string before = Digest();
  v1::MergeCustomersRequest merge;
  merge.add_losers(two[1]);
  v1::AddTargetsRequest add;
  add.set_parent(kParent);
  add.add_names(two[0]);
  v1::AddTargetsResponse added;
  ASSERT_TRUE(operations_->AddTargets(As("administrator").get(), add, &added).ok());
  v1::StartOperationRequest request = Deletion("");
  request.mutable_command()->PackFrom(merge);
  request.set_operation(added.operation());
  const Operation merged = Run(request);
  ASSERT_EQ(ResultOf(merged).ok_count(), 1) << merged.DebugString();
  EXPECT_EQ(MetadataOf(merged).changed_count(), 1202);
  EXPECT_EQ(Get(two[1]).merged_into(), two[0]);
  request = Undo(ResultOf(merged).change_set());
  request.mutable_options()->set_acknowledged_count(1202);
  const Operation unmerged = Run(request);
  EXPECT_EQ(MetadataOf(unmerged).state(), Metadata::SUCCEEDED) << unmerged.DebugString();
  EXPECT_EQ(Digest(), before);
}

// Cancelled in the middle: what it had taken along is there again, and nobody else was let in.
TEST_F(OperationWorkTest, WhatIsCancelledHalfWayIsTakenBack) {
  const auto large = Create(1, "large");
  CreateDeals(large[0], 3000);
  const std::string before = Digest();
  bool caught = false;
  for (int i = 0; i < 20 && !caught; ++i) {
    Operation operation;
    ASSERT_TRUE(Start(Deletion("level = \"large\""), operation).ok());
    google::longrunning::GetOperationRequest get;
    get.set_name(operation.name());
    while (!operation.done() && MetadataOf(operation).changed_count() == 0) {
      ASSERT_TRUE(running_->GetOperation(As("auditor").get(), get, &operation).ok());
    }
    const std::string at_work = UnaryDeletion(large[0]).reason;
    google::longrunning::CancelOperationRequest cancel;
    cancel.set_name(operation.name());
    google::protobuf::Empty empty;
    caught = running_->CancelOperation(As("administrator").get(), cancel, &empty).ok();
    operation = Await(operation.name());
    if (caught) {
      EXPECT_THAT(at_work, ::testing::AnyOf("USE_OPERATION", "BUSY"));
      EXPECT_EQ(MetadataOf(operation).state(), Metadata::CANCELLED);
      EXPECT_THAT(operation.error().message(), HasSubstr("was taken back."));
      EXPECT_EQ(Get(large[0]).operation(), "");
    } else {
      v1::StartOperationRequest undo = Undo(MetadataOf(operation).change_set());
      undo.mutable_options()->set_acknowledged_count(3001);
      ASSERT_EQ(MetadataOf(Run(undo)).state(), Metadata::SUCCEEDED);
    }
    EXPECT_EQ(Digest(), before);
  }
  EXPECT_TRUE(caught) << "it was always quicker";
}

TEST_F(OperationWorkTest, WhatWasUndoneBeforeIsSaidOnce) {
  Create(120, "gold");
  v1::StartOperationRequest request = Deletion("level = \"gold\"");
  request.mutable_options()->set_acknowledged_count(120);
  const Operation deleted = Run(request);
  request = Undo(ResultOf(deleted).change_set());
  request.mutable_options()->set_acknowledged_count(120);
  EXPECT_EQ(MetadataOf(Run(request)).state(), Metadata::SUCCEEDED);
  const Operation again = Run(request);
  EXPECT_EQ(MetadataOf(again).state(), Metadata::FAILED);
  EXPECT_EQ(ReasonOf(again), "ALREADY_UNDONE");
}

TEST_F(OperationWorkTest, AnOperationsChangeSetIsItsOwn) {
  Create(2, "gold");
  const int64_t change_set = ResultOf(Run(Deletion("*"))).change_set();
  v1::EndChangeSetRequest end;
  end.set_name(kParent + ("/changeSets/" + std::to_string(change_set)));
  v1::EndChangeSetResponse ended;
  EXPECT_EQ(ErrorOf(history_->EndChangeSet(As("administrator").get(), end, &ended)).reason,
            "CHANGE_SET_CLOSED");
}

// What would clash with an earlier target is not planned as if it went well.
TEST_F(OperationWorkTest, APlanKnowsWhatItsEarlierTargetsTook) {
  Create(250, "gold");
  v1::UpdateCustomerRequest update;
  update.mutable_customer()->set_external_id("one");
  update.mutable_update_mask()->add_paths("external_id");
  v1::StartOperationRequest request = Deletion("*");
  request.mutable_command()->PackFrom(update);
  request.mutable_options()->set_plan_only(true);
  const v1::Plan plan = ResultOf(Run(request)).plan();
  EXPECT_EQ(plan.entity_count(), 1);
  ASSERT_THAT(plan.notes(), SizeIs(1));
  EXPECT_THAT(plan.notes(0), HasSubstr("249 would be refused"));
}

}  // namespace
}  // namespace retrace::server
