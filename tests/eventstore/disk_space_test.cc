#include "eventstore/disk_space.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

#include "eventstore/crc32c.h"
#include "eventstore/types.h"

namespace retrace::eventstore {
namespace {

// A disk of so many bytes with so many free.
StatVfs Disk(uint64_t total, uint64_t free) {
  return [=](const char*, struct statvfs* result) {
    result->f_frsize = 4096;
    result->f_blocks = total / 4096;
    result->f_bfree = free / 4096 + 1000;  // what only root may use is not counted
    result->f_bavail = free / 4096;
    return 0;
  };
}

constexpr uint64_t kGiB = uint64_t{1} << 30;

TEST(DiskSpaceTest, ReservesOneGibibyteOfALargeDiskAndFivePercentOfASmallOne) {
  EXPECT_EQ(FreeSpace("/", Disk(1000 * kGiB, 500 * kGiB))->reserve_bytes, kGiB);
  EXPECT_EQ(FreeSpace("/", Disk(2 * kGiB, kGiB))->reserve_bytes, 2 * kGiB / 20);
}

TEST(DiskSpaceTest, TellsWhenTheReserveIsTouched) {
  EXPECT_FALSE(FreeSpace("/", Disk(1000 * kGiB, kGiB))->BelowReserve());
  EXPECT_TRUE(FreeSpace("/", Disk(1000 * kGiB, kGiB - 4096))->BelowReserve());
  EXPECT_TRUE(FreeSpace("/", Disk(20 * 4096, 0))->BelowReserve());
}

TEST(DiskSpaceTest, AsksAgainWhenInterruptedAndSaysWhatFailed) {
  int calls = 0;
  const StatVfs interrupted = [&](const char*, struct statvfs* result) {
    errno = EINTR;
    result->f_frsize = 1;
    return ++calls == 1 ? -1 : 0;
  };
  EXPECT_TRUE(FreeSpace("/", interrupted).ok());
  EXPECT_EQ(calls, 2);
  const absl::Status status = FreeSpace("/not/there").status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("/not/there: No such file"));
}

TEST(DiskSpaceTest, AsksTheRealDisk) {
  const absl::StatusOr<DiskSpace> space = FreeSpace("/");
  ASSERT_TRUE(space.ok()) << space.status();
  EXPECT_GT(space->total_bytes, space->free_bytes);
}

TEST(CheckSumTest, AgreesWithPublishedVectors) {
  EXPECT_EQ(Crc32c("123456789"), 0xe3069283u);
  EXPECT_EQ(Crc32c(std::string(32, '\0')), 0x8a9136aau);
  EXPECT_EQ(Crc32c(std::string(32, '\xff')), 0x62a8ab43u);
  EXPECT_EQ(ExtendCrc32c(Crc32c("12345"), "6789"), 0xe3069283u);
  EXPECT_EQ(Crc32c(""), 0u);
}

TEST(CheckSumTest, Sha256AgreesWithPublishedVectors) {
  const Sha256Digest abc = Sha256("abc");
  EXPECT_EQ(abc[0], 0xba);
  EXPECT_EQ(abc[1], 0x78);
  EXPECT_EQ(abc[31], 0xad);
  Sha256Hasher hasher;
  hasher.Update("a");
  Sha256Hasher other;  // two at once do not disturb one another
  other.Update("x");
  hasher.Update("bc");
  EXPECT_EQ(hasher.Finish(), abc);
  EXPECT_EQ(other.Finish(), Sha256("x"));
}

}  // namespace
}  // namespace retrace::eventstore
