// Timers on a whole ledger, by a test clock: nothing sleeps.
#include "server/timers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>

#include "domain/commands.h"
#include "domain/refusal.h"
#include "server/history.h"
#include "server/logging.h"
#include "server/queries.h"
#include "server/recycle_bin.h"
#include "server/submit.h"
#include "tests/support/small_ledger.h"

namespace retrace::server {
namespace {

using testing::SmallLedger;

constexpr int64_t kHourUs = 3600LL * 1'000'000;
constexpr int64_t kDayUs = 24 * kHourUs;

class TimersTest : public ::testing::Test {
 protected:
  TimersTest() {
    Start();
    // As serving does: from now on the clock's file counts.
    std::filesystem::create_directory(directory_.Below("log"));
  }
  ~TimersTest() override { Stop(); }

  void Start() {
    clock_ = *Clock::Open(directory_.path(), true);
    SequencerOptions options;
    options.wall_us = [this] { return clock_->WallMicros() - lag_us_; };
    options.monotonic_us = [this] { return clock_->MonotonicMicros(); };
    Ledger& ledger = small_.ledger();
    sequencer_ = std::make_unique<Sequencer>(ledger.log(), ledger.keys(), ledger.rows(),
                                             ledger.tenants(), options);
    timers_ = std::make_unique<Timers>(ledger, *sequencer_, *clock_,
                                       [](const absl::Status& status) { ADD_FAILURE() << status; });
  }
  void Stop() {
    timers_.reset();
    sequencer_.reset();
    ASSERT_TRUE(clock_->Save().ok());
  }

  template <typename Request>
  CommandResult Do(Request request, const std::string& tenant = "acme") {
    auto principal = std::make_shared<Principal>();
    principal->id = "ann";
    Command command;
    command.tenant = small_.ledger().tenants().Find(tenant);
    command.principal = std::move(principal);
    command.method = request.GetDescriptor()->full_name();
    command.options = request.options();
    command.decide = [&request](domain::Draft& draft, const domain::Context& context) {
      return domain::Decide(request, draft, context);
    };
    CommandResult result = SubmitAndAwait(*sequencer_, std::move(command));
    EXPECT_TRUE(result.status.ok()) << result.status;
    return result;
  }
  std::string NewDeleted(const std::string& tenant = "acme") {
    v1::CreateCustomerRequest create;
    create.set_parent("tenants/" + tenant);
    create.mutable_customer()->set_display_name("Ann");
    const std::string id = Do(create, tenant).targets.at(0).first.id;
    v1::DeleteCustomerRequest request;
    request.set_name("tenants/" + tenant + "/customers/" + id);
    request.mutable_related()->set_all(v1::RelatedRecords::DELETE);
    Do(request, tenant);
    return request.name();
  }
  // How many commits acme got by that.
  int64_t Advance(int64_t microseconds) {
    const auto before = small_.tenant().visible.load();
    EXPECT_TRUE(clock_->Advance(microseconds).ok());
    const absl::Status done = timers_->CatchUp();
    EXPECT_TRUE(done.ok()) << done;
    return static_cast<int64_t>(small_.tenant().visible.load() - before);
  }
  absl::Status Get(const std::string& name, const std::string& tenant = "acme") {
    v1::GetCustomerRequest request;
    request.set_name(name);
    small_.In(tenant);
    return Queries(small_.ledger()).Answer(small_.Call("Get"), request).status();
  }
  bool Gone(const std::string& name, const std::string& tenant = "acme") {
    return domain::ReasonOf(Get(name, tenant)) == v1::ENTITY_PURGED;
  }
  v1::BinnedEntity InBin(const std::string& name) {
    v1::GetBinnedEntityRequest request;
    request.set_name(name);
    return RecycleBin(small_.ledger()).Answer(small_.Call("Get"), request)->entity();
  }

  SmallLedger small_;
  testing::TempDirectory directory_;
  std::unique_ptr<Clock> clock_;
  // How far commits are behind the clock, by which timers are due.
  std::atomic<int64_t> lag_us_{0};
  std::unique_ptr<Sequencer> sequencer_;
  std::unique_ptr<Timers> timers_;
};

TEST_F(TimersTest, TheBinExpiresByTheClock) {
  const std::string ann = NewDeleted(), other = NewDeleted("other");
  Advance(58 * kDayUs);
  EXPECT_FALSE(InBin(ann).has_purge_time());
  const auto head = small_.tenant().visible.load();
  Advance(kDayUs);
  EXPECT_TRUE(InBin(ann).has_purge_time());
  Advance(23 * kHourUs);
  EXPECT_FALSE(Gone(ann));
  Advance(kHourUs);
  EXPECT_TRUE(Gone(ann));
  EXPECT_TRUE(Gone(other, "other"));
  small_.In("acme");
  v1::ListCommitsRequest request;
  request.set_parent("tenants/acme");
  request.set_view(v1::NAMES);
  const auto commits = History(small_.ledger()).Answer(small_.Call("List"), request);
  ASSERT_TRUE(commits.ok()) << commits.status();
  // Announced, told to administrators, done.
  EXPECT_EQ(commits->commits(0).position(), static_cast<int64_t>(head) + 3);
  EXPECT_EQ(commits->commits(0).actor(), "retraced");
  EXPECT_EQ(commits->commits(0).method(), "retraced.Fire");
}

TEST_F(TimersTest, ADayOfUptimeIsCountedOverRestarts) {
  const std::string ann = NewDeleted();
  Advance(60 * kDayUs);
  Advance(20 * kHourUs);
  Stop();
  Start();
  Advance(3 * kHourUs);
  EXPECT_FALSE(Gone(ann));
  Advance(kHourUs);
  EXPECT_TRUE(Gone(ann));
}

// As of a full disk: serving goes on.
TEST_F(TimersTest, AClockThatCannotBeKeptEndsNothing) {
  const std::string gone = directory_.Below("gone");
  std::filesystem::create_directory(gone);
  const auto clock = *Clock::Open(gone, true);
  std::filesystem::remove_all(gone);
  ASSERT_FALSE(clock->Save().ok());
  Timers timers(small_.ledger(), *sequencer_, *clock,
                [](const absl::Status& status) { ADD_FAILURE() << status; });
  timers.Stop();  // not before the first look is over, which keeps the clock
}

TEST_F(TimersTest, AHoldKeepsWhatWasAnnounced) {
  const std::string ann = NewDeleted();
  Advance(59 * kDayUs);
  v1::PlaceHoldRequest request;
  request.set_parent("tenants/acme");
  request.mutable_hold()->set_entity(ann);
  request.mutable_hold()->set_case_number("17/26");
  request.mutable_options()->set_reason("law suit");
  const std::string hold = Do(request).targets.at(0).first.id;
  Advance(100 * kDayUs);
  EXPECT_FALSE(Gone(ann));
  EXPECT_EQ(InBin(ann).case_number(), "17/26");
  v1::ReleaseHoldRequest release;
  release.set_name("tenants/acme/holds/" + hold);
  release.mutable_options()->set_reason("settled");
  Do(release);
  Advance(2 * kHourUs);  // announced
  EXPECT_FALSE(Gone(ann));
  Advance(kDayUs);
  EXPECT_TRUE(Gone(ann));
}

TEST_F(TimersTest, WhatIsRefusedIsTriedLessAndLessAndSaidOnce) {
  const std::string file = directory_.Below("daemon.log");
  ASSERT_TRUE(StartLogging({.file = file}).ok());
  const std::string ann = NewDeleted();
  Advance(59 * kDayUs);
  lag_us_ = 10 * kDayUs;
  Advance(kDayUs);  // due, but not by the sequencer's clock
  const uint64_t refusals = sequencer_->counts().refusals;
  EXPECT_GE(refusals, 1u);
  for (int minute = 0; minute < 100; ++minute) EXPECT_EQ(Advance(kHourUs / 60), 0);
  const uint64_t tries = sequencer_->counts().refusals - refusals;
  EXPECT_GE(tries, 5u);
  EXPECT_LE(tries, 20u);
  lag_us_ = 0;
  Advance(kHourUs);
  EXPECT_TRUE(Gone(ann));
  Stop();
  StopLogging();
  std::ifstream in(file);
  int said = 0;
  for (std::string line; std::getline(in, line);) {
    said += line.find("a timer was refused") != std::string::npos ? 1 : 0;
  }
  EXPECT_GE(said, 1);
  EXPECT_LE(said, 2);  // again after an hour
}

TEST_F(TimersTest, AThousandGoInSeveralCommits) {
  v1::BatchCreateCustomersRequest create;
  create.set_parent("tenants/acme");
  v1::BatchDeleteCustomersRequest request;
  request.set_parent("tenants/acme");
  request.mutable_related()->set_all(v1::RelatedRecords::DELETE);
  for (int i = 0; i < 400; ++i) {
    create.add_requests()->mutable_customer()->set_display_name("Ann");
  }
  for (const auto& [entity, row] : Do(create).targets) {
    request.add_names("tenants/acme/customers/" + entity.id);
  }
  Do(request);
  EXPECT_EQ(Advance(60 * kDayUs), 4);  // announcements of a hundred
  EXPECT_EQ(Advance(kDayUs), 8);       // purges of fifty
  for (const std::string& name : request.names()) EXPECT_TRUE(Gone(name));
}

}  // namespace
}  // namespace retrace::server
