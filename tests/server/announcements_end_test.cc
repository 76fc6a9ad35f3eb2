// Announced plans over real gRPC: how they end, and what is kept of them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "retrace/v1/recycle_bin.grpc.pb.h"
#include "server/announcement_execution.h"
#include "tests/server/announcements_fixture.h"

namespace retrace::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

std::string IdOf(const std::string& name) { return name.substr(name.rfind('/') + 1); }

// As if the server had been killed between the command and what came of it, and its planner's token
// had been taken away before it started again.
TEST_F(AnnouncementsTest, WhatWasDoneIsRecordedWhoeverMayDoItNow) {
  const std::string ann = Create(1, "gold").front();
  const std::string name = Announce(Announcing(Deleting(ann))).name();
  backend_.announcements.reset();
  ASSERT_TRUE(Execute(name).ok());
  v1::DeleteCustomerRequest deletion = Deleting(ann);
  deletion.mutable_options()->set_request_id("announced-" + IdOf(name));
  v1::DeleteCustomerResponse deleted;
  ASSERT_TRUE(customers_->DeleteCustomer(As("administrator").get(), deletion, &deleted).ok());
  ChangeRole("administrator", "auditor");
  Close();
  Open();
  Reconnect();
  const Announcement shown = AwaitEnd(name);
  EXPECT_EQ(shown.state(), Announcement::EXECUTED) << shown.DebugString();
  EXPECT_EQ(shown.result().change_set(), deleted.outcome().change_set());
}

TEST_F(AnnouncementsTest, AnOperationThatWasStartedIsFound) {
  Create(2, "gold");
  v1::StartOperationRequest start = Planned(Deletion("level = \"gold\""));
  const std::string name = Announce(Announcing(start)).name();
  backend_.announcements.reset();
  ASSERT_TRUE(Execute(name).ok());
  start.mutable_options()->set_request_id("announced-" + IdOf(name));
  Operation operation;
  ASSERT_TRUE(Start(start, operation).ok());
  Await(operation.name());
  Close();
  Open();
  Reconnect();
  const Announcement shown = AwaitEnd(name);
  EXPECT_EQ(shown.state(), Announcement::EXECUTED) << shown.DebugString();
  EXPECT_EQ(IdOf(shown.result().operation()), IdOf(operation.name()));
  EXPECT_EQ(shown.result().ok_count(), 2);
}

TEST_F(AnnouncementsTest, AFaultIsNoEnd) {
  const std::string ann = Create(1, "gold").front();
  const int64_t deleted = Delete(ann, "administrator");
  const std::string name = Announce(Announcing(Undoing(deleted))).name();
  backend_.announcements.reset();
  ASSERT_TRUE(Execute(name).ok());
  ExecutionParts parts{rpc_.get(), ledger_.get(), sequencer_.get(), &*backend_.plans,
                       &*backend_.runner};
  parts.stopping = std::make_shared<std::atomic<bool>>(true);
  Tenant& acme = *ledger_->tenants().Find("acme");
  const absl::Status stopped = GoOnExecuting(parts, acme, IdOf(name));
  EXPECT_FALSE(stopped.ok()) << "it breaks off when the server ends";
  EXPECT_EQ(Get(name).state(), Announcement::EXECUTING);
  parts.stopping = nullptr;
  EXPECT_TRUE(GoOnExecuting(parts, acme, IdOf(name)).ok());
  EXPECT_EQ(Get(name).state(), Announcement::EXECUTED);
  EXPECT_FALSE(IsDeleted(ann));
}

TEST_F(AnnouncementsTest, AnOperationThatDidNothingHasNoChangeSet) {
  const std::vector<std::string> names = Create(2, "gold");
  const std::string name = Announce(Announcing(Planned(Deletion("level = \"gold\"")))).name();
  for (const std::string& customer : names) {
    v1::UpdateCustomerRequest update;
    update.mutable_customer()->set_name(customer);
    update.mutable_customer()->set_level("golden");
    update.mutable_update_mask()->add_paths("level");
    v1::UpdateCustomerResponse updated;
    ASSERT_TRUE(customers_->UpdateCustomer(As("agent").get(), update, &updated).ok());
  }
  const Announcement shown = Executed(name);
  EXPECT_EQ(shown.state(), Announcement::FAILED) << shown.DebugString();
  EXPECT_EQ(shown.result().reason(), "PLAN_DRIFTED");
  EXPECT_NE(shown.result().operation(), "");
  EXPECT_EQ(shown.result().change_set(), 0);
}

TEST_F(AnnouncementsTest, ValuesAreNotKept) {
  v1::CreateCustomerRequest create;
  create.set_parent(kParent);
  create.mutable_customer()->set_organization_name("Acme");
  create.mutable_customer()->set_external_id("SECRET-7");
  create.mutable_customer()->add_tags("SECRET-8");
  v1::CreateCustomerResponse created;
  ASSERT_TRUE(customers_->CreateCustomer(As("administrator").get(), create, &created).ok());
  const std::string ann = created.customer().name();
  const std::string drifts = Announce(Announcing(Deleting(ann))).name();
  v1::UpdateCustomerRequest update;
  update.mutable_customer()->set_name(ann);
  update.mutable_update_mask()->add_paths("tags");
  v1::UpdateCustomerResponse updated;
  ASSERT_TRUE(customers_->UpdateCustomer(As("administrator").get(), update, &updated).ok());
  Announcement shown = Executed(drifts);
  EXPECT_THAT(shown.result().differences(), ElementsAre(ann + ": changed since: tags"));
  const std::string undo = Announce(Announcing(Undoing(Delete(ann, "administrator")))).name();
  ASSERT_TRUE(customers_->CreateCustomer(As("administrator").get(), create, &created).ok());
  EXPECT_TRUE(Get(undo).has_command());
  shown = Executed(undo);
  EXPECT_EQ(shown.state(), Announcement::FAILED);
  EXPECT_THAT(shown.result().differences(), ElementsAre(HasSubstr("KEY_TAKEN")));
  EXPECT_THAT(shown.DebugString(), Not(HasSubstr("SECRET")));
  EXPECT_FALSE(shown.has_command());
  // Nor is it there when the one whose value it was is.
  v1::PurgeEntitiesRequest purge;
  purge.set_parent(kParent);
  purge.add_names(ann);
  purge.mutable_options()->set_reason("they asked for it");
  purge.mutable_options()->add_acknowledged_warnings("PURGE_IS_FINAL");
  v1::PurgeEntitiesResponse purged;
  const auto bin = v1::RecycleBin::NewStub(Channel());
  const grpc::Status status = bin->PurgeEntities(As("administrator").get(), purge, &purged);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_THAT(Get(undo).DebugString(), Not(HasSubstr("SECRET")));
  EXPECT_THAT(Get(drifts).DebugString(), Not(HasSubstr("SECRET")));
}

TEST_F(AnnouncementsTest, ListsTellCountsAsOfThen) {
  const std::vector<std::string> names = Create(3, "gold");
  const std::string name = Announce(Announcing(Planned(Deletion("level = \"gold\"")))).name();
  v1::ListAnnouncementsRequest list;
  list.set_parent(kParent);
  v1::ListAnnouncementsResponse before;
  ASSERT_TRUE(plans_->ListAnnouncements(As("agent").get(), list, &before).ok());
  ASSERT_TRUE(TakeOut(name, {names[1]}).ok());
  EXPECT_THAT(Get(name, "agent").taken_out(), ElementsAre(names[1]));
  v1::ListAnnouncementsResponse page;
  ASSERT_TRUE(plans_->ListAnnouncements(As("agent").get(), list, &page).ok());
  ASSERT_THAT(page.announcements(), SizeIs(1));
  EXPECT_THAT(page.announcements(0).taken_out(), IsEmpty());
  EXPECT_EQ(page.announcements(0).taken_out_count(), 1);
  ASSERT_TRUE(Withdraw(name).ok());
  list.mutable_as_of()->set_position(before.answered().position());
  ASSERT_TRUE(plans_->ListAnnouncements(As("agent").get(), list, &page).ok());
  ASSERT_THAT(page.announcements(), SizeIs(1));
  EXPECT_EQ(page.announcements(0).taken_out_count(), 0);
  EXPECT_EQ(page.answered().position(), before.answered().position());
}

}  // namespace
}  // namespace retrace::server
