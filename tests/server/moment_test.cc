// Moments: a time that was asked about keeps its answer.
#include "server/moment.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>

#include "google/protobuf/util/time_util.h"
#include "server/commit_clock.h"
#include "tests/support/small_ledger.h"

namespace retrace {
namespace {

using testing::SmallLedger;

class MomentTest : public ::testing::Test {
 protected:
  void Create() {
    ASSERT_TRUE(small_
                    .Do(testing::FromText<v1::CreateCustomerRequest>(R"pb(customer {
                                                                            display_name: "Ann"
                                                                          })pb"))
                    .status.ok());
  }
  eventstore::Position At(int64_t time_us) {
    v1::AsOf as_of;
    *as_of.mutable_time() = google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(time_us);
    const auto moment = server::ResolveAsOf(small_.ledger(), small_.tenant(), as_of);
    EXPECT_TRUE(moment.ok()) << moment.status();
    return moment.ok() ? moment->position : 0;
  }
  int64_t Floor() {
    absl::MutexLock lock(&small_.tenant().clock_mutex);
    return small_.tenant().clock.floor_us;
  }

  SmallLedger small_;
};

TEST_F(MomentTest, ResolvingATimeRaisesTheFloorAndNeverLowersIt) {
  Create();
  const int64_t asked = small_.time_us() + 5'000'000;
  EXPECT_EQ(At(asked), 1u);
  EXPECT_EQ(Floor(), asked);
  EXPECT_EQ(At(asked - 1'000'000), 1u);
  EXPECT_EQ(Floor(), asked);
}

TEST_F(MomentTest, NoCommitIsStampedAtOrBelowTheFloor) {
  Create();
  const int64_t wall = small_.time_us();
  server::CommitClock clock([wall] { return wall; }, [] { return int64_t{1}; });
  server::Tenant& tenant = small_.tenant();
  EXPECT_EQ(*clock.Stamp(tenant), wall);
  At(wall);
  // What was stamped before and is confirmed only now would change the answer.
  EXPECT_FALSE(server::CommitClock::Confirm(tenant, wall, 2));
  EXPECT_EQ(*clock.Stamp(tenant), wall + 1);
  EXPECT_TRUE(server::CommitClock::Confirm(tenant, wall + 1, 2));
  EXPECT_EQ(*clock.Stamp(tenant), wall + 2);
}

// A commit below the time is decided, but not yet visible: it belongs to the answer.
TEST_F(MomentTest, WaitsForWhatWasStampedBefore) {
  Create();
  small_.Hold();
  Create();
  const int64_t asked = small_.time_us();
  {
    absl::MutexLock lock(&small_.tenant().clock_mutex);
    small_.tenant().clock.decided = 2;
  }
  eventstore::Position answer = 0;
  std::atomic<bool> answered = false;
  std::thread asking([&] {
    answer = At(asked);
    answered = true;
  });
  while (Floor() < asked && !answered) std::this_thread::yield();
  small_.Release();
  asking.join();
  EXPECT_EQ(answer, 2u);
}

// An answer without it would be another one a moment later.
TEST_F(MomentTest, AnswersNothingWithoutWhatWasStampedBefore) {
  Create();
  small_.Hold();
  Create();
  const int64_t asked = small_.time_us();
  {
    absl::MutexLock lock(&small_.tenant().clock_mutex);
    small_.tenant().clock.decided = 2;
  }
  const auto early = small_.ledger().PositionAt(small_.tenant(), asked, absl::ZeroDuration());
  EXPECT_TRUE(absl::IsUnavailable(early.status())) << early.status();
  small_.Release();
  EXPECT_EQ(At(asked), 2u);
}

}  // namespace
}  // namespace retrace
