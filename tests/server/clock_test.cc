#include "server/clock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/time/clock.h"
#include "tests/support/temp_directory.h"

namespace retrace::server {
namespace {

using ::testing::HasSubstr;

constexpr int64_t kDayUs = 24LL * 3600 * 1'000'000;

class ClockTest : public ::testing::Test {
 protected:
  // As serving does.
  void MakeLog() { std::filesystem::create_directory(directory_.Below("log")); }
  absl::StatusOr<std::unique_ptr<Clock>> Open(bool test) {
    return Clock::Open(directory_.path(), test);
  }
  testing::TempDirectory directory_;
};

TEST_F(ClockTest, ATestClockIsMovedAndStaysWhereItIs) {
  auto clock = Open(true);
  ASSERT_TRUE(clock.ok()) << clock.status();
  MakeLog();
  const int64_t wall = (*clock)->WallMicros(), monotonic = (*clock)->MonotonicMicros();
  const int64_t uptime = (*clock)->UptimeMicros();
  ASSERT_TRUE((*clock)->Advance(30 * kDayUs).ok());
  EXPECT_GE((*clock)->WallMicros(), wall + 30 * kDayUs);
  EXPECT_GE((*clock)->MonotonicMicros(), monotonic + 30 * kDayUs);
  EXPECT_GE((*clock)->UptimeMicros(), uptime + 30 * kDayUs);
  ASSERT_TRUE((*clock)->Save().ok());
  clock = Open(true);
  ASSERT_TRUE(clock.ok()) << clock.status();
  EXPECT_GE((*clock)->WallMicros(), wall + 30 * kDayUs);
  EXPECT_GE((*clock)->UptimeMicros(), uptime + 30 * kDayUs);
  EXPECT_LT((*clock)->UptimeMicros(), uptime + 31 * kDayUs);
}

TEST_F(ClockTest, KnowsUpToWhenWhatWasDoneMayBeUnrecorded) {
  auto clock = Open(true);
  ASSERT_TRUE(clock.ok()) << clock.status();
  MakeLog();
  const int64_t first = (*clock)->UnrecordedUntilMicros();
  ASSERT_TRUE((*clock)->Advance(kDayUs).ok());
  ASSERT_TRUE((*clock)->End().ok());
  clock = Open(true);
  EXPECT_EQ((*clock)->UnrecordedUntilMicros(), first) << "it ended in order";
  const int64_t served = (*clock)->WallMicros();
  clock = Open(true);
  EXPECT_GE((*clock)->UnrecordedUntilMicros(), served) << "it was killed";
  const int64_t killed = (*clock)->UnrecordedUntilMicros();
  EXPECT_LE(killed, (*clock)->WallMicros());
  ASSERT_TRUE((*clock)->End().ok());
  clock = Open(true);
  EXPECT_EQ((*clock)->UnrecordedUntilMicros(), killed) << "what the one before it did is still so";
}

TEST_F(ClockTest, TheSystemsClockIsNotMoved) {
  auto clock = Open(false);
  ASSERT_TRUE(clock.ok()) << clock.status();
  const int64_t before = absl::ToUnixMicros(absl::Now());
  EXPECT_FALSE((*clock)->Advance(kDayUs).ok());
  EXPECT_GE((*clock)->WallMicros(), before);
  EXPECT_LT((*clock)->WallMicros(), before + kDayUs / 24);
}

TEST_F(ClockTest, ADirectoryKeepsToOneClock) {
  ASSERT_TRUE(Open(false).ok());
  ASSERT_TRUE(Open(true).ok());  // nothing was written by the other yet
  MakeLog();
  EXPECT_THAT(std::string(Open(false).status().message()), HasSubstr("--test-clock"));
  EXPECT_TRUE(Open(true).ok());
}

TEST_F(ClockTest, ALogWithoutTheFileIsTheSystems) {
  MakeLog();
  EXPECT_TRUE(absl::IsFailedPrecondition(Open(true).status()));
  ASSERT_TRUE(Open(false).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(Open(true).status()));
}

TEST_F(ClockTest, ADamagedFileIsSaid) {
  MakeLog();
  std::ofstream(directory_.Below("clock")) << "test: perhaps";
  EXPECT_THAT(std::string(Open(false).status().message()), HasSubstr("is damaged"));
}

}  // namespace
}  // namespace retrace::server
