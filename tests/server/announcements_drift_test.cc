// Announced plans over real gRPC: never more than was planned, each difference told.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "retrace/v1/recycle_bin.grpc.pb.h"
#include "tests/server/announcements_fixture.h"

namespace retrace::server {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;
using StartRequest = v1::StartOperationRequest;

class AnnouncedDriftTest : public AnnouncementsTest {
 protected:
  // The change set.
  int64_t SetLevel(const std::string& name, const std::string& level) {
    v1::UpdateCustomerRequest request;
    request.mutable_customer()->set_name(name);
    request.mutable_customer()->set_level(level);
    request.mutable_update_mask()->add_paths("level");
    v1::UpdateCustomerResponse reply;
    const grpc::Status status =
        customers_->UpdateCustomer(As("administrator").get(), request, &reply);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return reply.outcome().change_set();
  }
  std::string LevelOf(const std::string& name) {
    v1::GetCustomerRequest request;
    request.set_name(name);
    v1::GetCustomerResponse reply;
    EXPECT_TRUE(customers_->GetCustomer(As("agent").get(), request, &reply).ok());
    return reply.customer().level();
  }
  void Take(int64_t change_set, v1::UndoMode mode = v1::STRICT) {
    v1::UndoResponse reply;
    const grpc::Status status =
        history_->Undo(As("administrator").get(), Undoing(change_set, mode), &reply);
    EXPECT_TRUE(status.ok()) << status.error_message();
  }
  // Deletes them by an operation; the change set.
  int64_t DeleteAll(const std::string& level) {
    return ResultOf(Run(Deletion("level = \"" + level + "\""))).change_set();
  }
  Announcement AnnouncedUndo(int64_t change_set, v1::UndoMode mode,
                             StartRequest::OnDrift on_drift = StartRequest::STOP) {
    StartRequest request = Undo(change_set, mode);
    request.set_on_drift(on_drift);
    return Announce(Announcing(Planned(request)));
  }
  void Purge(const std::string& name) {
    v1::PurgeEntitiesRequest purge;
    purge.set_parent(kParent);
    purge.add_names(name);
    purge.mutable_options()->set_reason("they asked for it");
    purge.mutable_options()->add_acknowledged_warnings("PURGE_IS_FINAL");
    v1::PurgeEntitiesResponse purged;
    const auto bin = v1::RecycleBin::NewStub(Channel());
    const grpc::Status status = bin->PurgeEntities(As("administrator").get(), purge, &purged);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }
};

TEST_F(AnnouncedDriftTest, AForcedUndoOverwritesNothingThatCameLater) {
  const std::string ann = Create(1, "gold").front();
  const int64_t changed = SetLevel(ann, "silver");
  const std::string stops = AnnouncedUndo(changed, v1::FORCE).name();
  const std::string skips = AnnouncedUndo(changed, v1::FORCE, StartRequest::SKIP).name();
  SetLevel(ann, "iron");
  const Announcement stopped = Executed(stops);
  EXPECT_EQ(stopped.state(), Announcement::FAILED) << stopped.DebugString();
  EXPECT_EQ(stopped.result().reason(), "PLAN_DRIFTED");
  const Announcement skipped = Executed(skips);
  EXPECT_EQ(skipped.state(), Announcement::EXECUTED) << skipped.DebugString();
  EXPECT_EQ(skipped.result().drifted_count(), 1);
  EXPECT_EQ(skipped.result().ok_count(), 0);
  EXPECT_EQ(LevelOf(ann), "iron");
}

TEST_F(AnnouncedDriftTest, APartialUndoTakesBackNoMoreThanItWouldHave) {
  const std::string ann = Create(1, "gold").front();
  const int64_t changed = SetLevel(ann, "silver");
  const int64_t later = SetLevel(ann, "iron");
  const std::string name = AnnouncedUndo(changed, v1::PARTIAL).name();
  EXPECT_EQ(Get(name).plan().entity_count(), 0);
  // What stood in its way is gone: more could be taken back now.
  Take(later);
  const Announcement shown = Executed(name);
  EXPECT_EQ(shown.state(), Announcement::FAILED) << shown.DebugString();
  EXPECT_EQ(shown.result().reason(), "PLAN_DRIFTED");
  EXPECT_EQ(LevelOf(ann), "silver");
}

// One commit of an operation holds a hundred of them.
TEST_F(AnnouncedDriftTest, WhatOthersWroteKeepsNothingElseFromBeingUndone) {
  const std::vector<std::string> names = Create(5, "gold");
  const int64_t deleted = DeleteAll("gold");
  const std::string name = AnnouncedUndo(deleted, v1::PARTIAL, StartRequest::SKIP).name();
  v1::UndeleteCustomerRequest undelete;
  undelete.set_name(names[2]);
  undelete.mutable_options()->set_reason("they came back");
  v1::UndeleteCustomerResponse undeleted;
  ASSERT_TRUE(customers_->UndeleteCustomer(As("administrator").get(), undelete, &undeleted).ok());
  const Announcement shown = Executed(name);
  EXPECT_EQ(shown.state(), Announcement::EXECUTED) << shown.DebugString();
  EXPECT_EQ(shown.result().drifted_count(), 1);
  EXPECT_EQ(shown.result().ok_count(), 1) << "the commit without it";
  const auto items = Items(shown.result().operation());
  ASSERT_THAT(items.items(), SizeIs(1));
  EXPECT_EQ(items.items(0).name(), names[2]);
  for (const std::string& one : names) EXPECT_FALSE(IsDeleted(one));
}

TEST_F(AnnouncedDriftTest, OneThatIsTakenOutKeepsNothingElseFromBeingUndone) {
  const std::vector<std::string> names = Create(5, "gold");
  const int64_t deleted = DeleteAll("gold");
  const std::string name = AnnouncedUndo(deleted, v1::PARTIAL).name();
  ASSERT_TRUE(TakeOut(name, {names[3]}).ok());
  const Announcement shown = Executed(name);
  EXPECT_EQ(shown.state(), Announcement::EXECUTED) << shown.DebugString();
  EXPECT_EQ(shown.result().skipped_count(), 1);
  EXPECT_EQ(shown.result().refused_count(), 0);
  const auto items = Items(shown.result().operation());
  ASSERT_THAT(items.items(), SizeIs(1));
  EXPECT_EQ(items.items(0).name(), names[3]);
  for (const std::string& one : names) EXPECT_EQ(IsDeleted(one), one == names[3]);
}

TEST_F(AnnouncedDriftTest, WhatWasPurgedSinceIsTold) {
  const std::vector<std::string> names = Create(3, "gold");
  StartRequest skips = Deletion("level = \"gold\"");
  skips.set_on_drift(StartRequest::SKIP);
  const std::string skipping = Announce(Announcing(Planned(skips))).name();
  const std::string stopping = Announce(Announcing(Planned(Deletion("level = \"gold\"")))).name();
  Delete(names[1], "administrator");
  Purge(names[1]);
  const Announcement done = Executed(skipping);
  EXPECT_EQ(done.state(), Announcement::EXECUTED) << done.DebugString();
  EXPECT_EQ(done.result().ok_count(), 2);
  EXPECT_EQ(done.result().drifted_count(), 1);
  const auto items = Items(done.result().operation());
  ASSERT_THAT(items.items(), SizeIs(1));
  EXPECT_EQ(items.items(0).name(), names[1]);
  EXPECT_THAT(items.items(0).message(), HasSubstr("purged it"));
  const Announcement stopped = Executed(stopping);
  EXPECT_EQ(stopped.state(), Announcement::FAILED) << stopped.DebugString();
  EXPECT_EQ(stopped.result().reason(), "PLAN_DRIFTED");
}

TEST_F(AnnouncedDriftTest, ARepeatMayComeWithAnotherPlan) {
  Create(2, "gold");
  const std::string ann = Create(1, "silver").front();
  const auto planned = [&] {
    v1::DeleteCustomerRequest deletion = Deleting(ann);
    deletion.mutable_options()->set_plan_only(true);
    v1::DeleteCustomerResponse reply;
    EXPECT_TRUE(customers_->DeleteCustomer(As("administrator").get(), deletion, &reply).ok());
    deletion.mutable_options()->set_plan_only(false);
    deletion.mutable_options()->set_plan_token(reply.plan().plan_token());
    return deletion;
  };
  const auto announcing = [](const google::protobuf::Message& command, const char* request_id) {
    v1::AnnounceRequest request = Announcing(command);
    request.mutable_options()->set_request_id(request_id);
    return request;
  };
  const auto operation = [&] { return Planned(Deletion("level = \"gold\"")); };
  EXPECT_EQ(Announce(announcing(planned(), "one")).name(),
            Announce(announcing(planned(), "one")).name());
  EXPECT_EQ(Announce(announcing(operation(), "many")).name(),
            Announce(announcing(operation(), "many")).name());
  // Another command is another command.
  v1::DeleteCustomerRequest other = planned();
  other.mutable_options()->set_reason("another");
  other.mutable_options()->clear_plan_token();
  EXPECT_EQ(RefusalOf(announcing(other, "one")), "REQUEST_ID_REUSED");
}

}  // namespace
}  // namespace retrace::server
