// Followers: at least once, in order for each entity, whatever fails and whenever they stop.
#include "server/log_follower.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>

#include "fmt/format.h"
#include "tests/server/notifying_fixture.h"

namespace retrace::server {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Follows customers, fails on those that it is told to.
class LogFollowerTest : public NotifyingTest {
 protected:
  LogFollowerTest() {
    follower_.reset();
    Start();
  }
  ~LogFollowerTest() override { mine_.reset(); }

  void Start(absl::Duration turn = absl::Seconds(1),
             std::function<void(const std::string& id)> before = nullptr) {
    FollowerOptions options;
    options.turn = turn;
    options.name = domain::kNotificationFollower;
    options.wants = [](const Envelope::Event& event) {
      return event.kind == static_cast<uint32_t>(domain::KindNumber::kCustomer);
    };
    options.handle = [this, before](Tenant& tenant, const Envelope& commit,
                                    const Envelope::Event& event) -> absl::StatusOr<bool> {
      const std::string id(event.id);
      if (before) before(id);
      absl::MutexLock lock(&mutex_);
      if (poison_.contains(id)) return absl::InternalError("cannot handle caf\xe9");
      if (unavailable_.contains(tenant.id)) return absl::UnavailableError("not now");
      handled_[id].push_back(commit.position);
      order_.push_back(id);
      return true;
    };
    options.checkpoint_every = absl::ZeroDuration();
    mine_ = std::make_unique<LogFollower>(small_.ledger(), *sequencer_, std::move(options));
  }
  std::string NewCustomerOfOther() {
    v1::CreateCustomerRequest request;
    request.set_parent("tenants/other");
    request.mutable_customer()->set_display_name("Else");
    Command command;
    command.tenant = &small_.tenant("other");
    command.principal = ServerItself();
    command.method = "retrace.v1.Customers.CreateCustomer";
    command.decide = [&request](domain::Draft& draft, const domain::Context& context) {
      return domain::Decide(request, draft, context);
    };
    const CommandResult result = SubmitAndAwait(*sequencer_, std::move(command));
    EXPECT_TRUE(result.status.ok()) << result.status;
    return "tenants/other/customers/" + result.targets.at(0).first.id;
  }
  void CatchUp() { ASSERT_TRUE(mine_->CatchUp().ok()); }
  std::string Id(const std::string& name) { return name.substr(name.rfind('/') + 1); }
  std::vector<eventstore::Position> Handled(const std::string& name) {
    absl::MutexLock lock(&mutex_);
    return handled_[Id(name)];
  }
  void Poison(const std::string& name, bool on) {
    absl::MutexLock lock(&mutex_);
    if (on) {
      poison_.insert(Id(name));
    } else {
      poison_.erase(Id(name));
    }
  }
  void Rename(const std::string& name, const std::string& title) {
    v1::UpdateCustomerRequest update;
    update.mutable_customer()->set_name(name);
    update.mutable_customer()->set_display_name(title);
    update.mutable_update_mask()->add_paths("display_name");
    Do(update);
  }
  v1::Follower Row() {
    const RowView view(small_.ledger().rows(), small_.tenant().number, small_.tenant().visible);
    const auto row = view.Get(domain::FollowerRef(domain::kNotificationFollower));
    EXPECT_TRUE(row.ok());
    return *row == nullptr ? v1::Follower() : (*row)->As<v1::Follower>();
  }
  absl::Status Resolve(const std::string& entity, v1::ResolveParkedEventRequest::Choice choice) {
    v1::ResolveParkedEventRequest request;
    request.set_name("tenants/acme/followers/notifications");
    request.set_entity(entity);
    request.set_choice(choice);
    request.mutable_options()->set_reason("looked at");
    return TryAs("boss", request).status;
  }

  absl::Mutex mutex_;
  std::map<std::string, std::vector<eventstore::Position>> handled_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> order_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> poison_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> unavailable_ ABSL_GUARDED_BY(mutex_);  // tenants
  std::unique_ptr<LogFollower> mine_;
};

TEST_F(LogFollowerTest, APoisonEventParksItsEntityOnly) {
  const std::string bad = NewCustomer("Bad", "");
  const std::string good = NewCustomer("Good", "");
  CatchUp();
  Poison(bad, true);
  Rename(bad, "Bad 2");
  Rename(bad, "Bad 3");
  Rename(good, "Good 2");
  CatchUp();
  EXPECT_THAT(Handled(bad), SizeIs(1));
  EXPECT_THAT(Handled(good), SizeIs(2));
  ASSERT_THAT(Row().parked(), SizeIs(1));
  EXPECT_EQ(Row().parked(0).entity(), bad);
  EXPECT_EQ(Row().parked(0).fault(), "cannot handle caf?");
  // Administrators are told.
  EXPECT_THAT(Notifications("kind = \"followers.parked\""), SizeIs(1));

  // It fails again, then it is mended: what waited is handled in order.
  ASSERT_TRUE(Resolve(bad, v1::ResolveParkedEventRequest::RETRY).ok());
  CatchUp();
  EXPECT_EQ(Row().parked(0).attempt_count(), 2);
  Poison(bad, false);
  ASSERT_TRUE(Resolve(bad, v1::ResolveParkedEventRequest::RETRY).ok());
  CatchUp();
  EXPECT_THAT(Row().parked(), IsEmpty());
  ASSERT_THAT(Handled(bad), SizeIs(3));
  EXPECT_LT(Handled(bad)[1], Handled(bad)[2]);
}

TEST_F(LogFollowerTest, ADiscardedEventIsPassedOverAndLaterOnesAreNot) {
  const std::string bad = NewCustomer("Bad", "");
  CatchUp();
  Poison(bad, true);
  Rename(bad, "Bad 2");
  CatchUp();
  Rename(bad, "Bad 3");
  CatchUp();
  Poison(bad, false);
  ASSERT_TRUE(Resolve(bad, v1::ResolveParkedEventRequest::DISCARD).ok());
  CatchUp();
  EXPECT_THAT(Handled(bad), SizeIs(2));
  EXPECT_THAT(Row().parked(), IsEmpty());
  EXPECT_EQ(domain::ReasonOf(Resolve(bad, v1::ResolveParkedEventRequest::RETRY)),
            v1::ENTITY_NOT_FOUND);
}

TEST_F(LogFollowerTest, WhatComesBesideARetryIsNotLost) {
  const std::string bad = NewCustomer("Bad", "");
  CatchUp();
  Poison(bad, true);
  Rename(bad, "Bad 2");
  CatchUp();
  Poison(bad, false);
  // Both are new to the follower's next round.
  v1::PauseFollowerRequest pause;
  pause.set_name("tenants/acme/followers/notifications");
  Do(pause);
  ASSERT_TRUE(Resolve(bad, v1::ResolveParkedEventRequest::RETRY).ok());
  Rename(bad, "Bad 3");
  pause.set_resume(true);
  Do(pause);
  CatchUp();
  EXPECT_THAT(Row().parked(), IsEmpty());
  EXPECT_THAT(Handled(bad), SizeIs(3));
}

TEST_F(LogFollowerTest, WhatPassesByItselfParksNothing) {
  {
    absl::MutexLock lock(&mutex_);
    unavailable_.insert("acme");
  }
  const std::string name = NewCustomer("Acme", "");
  EXPECT_FALSE(mine_->CatchUp().ok());
  EXPECT_GT(mine_->LagOf(small_.tenant()).commits, 0U);
  {
    absl::MutexLock lock(&mutex_);
    unavailable_.clear();
  }
  CatchUp();
  EXPECT_THAT(Handled(name), SizeIs(1));
  EXPECT_THAT(Row().parked(), IsEmpty());
}

TEST_F(LogFollowerTest, OneTenantThatWaitsKeepsNoOtherWaiting) {
  std::vector<std::string> others;
  mine_.reset();
  for (int i = 0; i < 20; ++i) others.push_back(NewCustomerOfOther());
  {
    absl::MutexLock lock(&mutex_);
    unavailable_.insert("acme");
  }
  NewCustomer("Acme", "");
  Start(/*turn=*/absl::ZeroDuration());
  EXPECT_FALSE(mine_->CatchUp().ok());
  for (const std::string& name : others) EXPECT_THAT(Handled(name), SizeIs(1)) << name;
}

TEST_F(LogFollowerTest, ABacklogKeepsNoOtherTenantWaiting) {
  mine_.reset();
  std::vector<std::string> backlog;
  for (int i = 0; i < 20; ++i) backlog.push_back(NewCustomer("Acme", ""));
  std::string other;
  Start(/*turn=*/absl::ZeroDuration(), [&](const std::string& id) {
    if (id == Id(backlog[5])) other = NewCustomerOfOther();
  });
  CatchUp();
  absl::MutexLock lock(&mutex_);
  const auto at = [this](const std::string& name) {
    return std::find(order_.begin(), order_.end(), Id(name));
  };
  ASSERT_NE(at(other), order_.end());
  EXPECT_LT(at(other), at(backlog[10]));
}

TEST_F(LogFollowerTest, GoesOnFromItsCheckpoint) {
  const std::string first = NewCustomer("First", "");
  CatchUp();
  CatchUp();  // and its checkpoint is written
  EXPECT_GT(Row().position(), 0);
  mine_.reset();
  {
    absl::MutexLock lock(&mutex_);
    handled_.clear();
  }
  const std::string second = NewCustomer("Second", "");
  Start();
  CatchUp();
  EXPECT_THAT(Handled(first), IsEmpty());
  EXPECT_THAT(Handled(second), SizeIs(1));
}

TEST_F(LogFollowerTest, ItsOwnCheckpointIsNoReasonForAnother) {
  NewCustomer("Acme", "");
  CatchUp();
  CatchUp();
  const auto head = small_.tenant().visible.load();
  for (int i = 0; i < 5; ++i) CatchUp();
  EXPECT_EQ(small_.tenant().visible.load(), head);
}

TEST_F(LogFollowerTest, PausedItStandsStill) {
  v1::PauseFollowerRequest pause;
  pause.set_name("tenants/acme/followers/notifications");
  Do(pause);
  const std::string name = NewCustomer("Acme", "");
  CatchUp();
  EXPECT_THAT(Handled(name), IsEmpty());
  pause.set_resume(true);
  Do(pause);
  CatchUp();
  EXPECT_THAT(Handled(name), SizeIs(1));
}

}  // namespace
}  // namespace retrace::server
