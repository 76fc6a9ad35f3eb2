// Single backups of a whole ledger.
#include "server/backups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <vector>

#include "eventstore/backup.h"
#include "tests/support/small_ledger.h"

namespace retrace::server {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::SmallLedger;

std::vector<std::string> NamesIn(const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& each : fs::directory_iterator(directory)) {
    names.push_back(each.path().filename().string());
  }
  return names;
}

class BackupsTest : public ::testing::Test {
 protected:
  SmallLedger small_;
  testing::TempDirectory directory_;
  const BackupPlaces places_ = {directory_.Below("backups"), directory_.Below("key-backups")};
};

TEST_F(BackupsTest, WhatIsMadeIsItsOwnersOnly) {
  const auto mode = [](const std::string& path) {
    return fs::status(path).permissions() & (fs::perms::group_all | fs::perms::others_all);
  };
  ASSERT_TRUE(MakeBackup(small_.ledger(), places_, "mine", absl::Now()).ok());
  for (const std::string& place : {places_.log, places_.keys}) {
    EXPECT_EQ(mode(place), fs::perms::none) << place;
    EXPECT_EQ(mode(place + "/mine"), fs::perms::none) << place;
  }
  // Whoever opened a place to others meant it; what is in it is not theirs.
  fs::permissions(places_.log, fs::perms::owner_all | fs::perms::group_all);
  ASSERT_TRUE(MakeBackup(small_.ledger(), places_, "too", absl::Now()).ok());
  EXPECT_EQ(mode(places_.log), fs::perms::group_all);
  EXPECT_EQ(mode(places_.log + "/too"), fs::perms::none);
}

// A disk of 2 TiB, the reserve of which is 1 GiB, with so many bytes free.
eventstore::StatVfs WithFree(uint64_t bytes) {
  return [bytes](const char*, struct statvfs* result) {
    *result = {};
    result->f_frsize = 1;
    result->f_blocks = uint64_t{2} << 40;
    result->f_bavail = bytes;
    return 0;
  };
}
constexpr uint64_t kReserve = uint64_t{1} << 30;

TEST_F(BackupsTest, NoneTakesTheRoomThatCommandsNeed) {
  const absl::Status refused = MakeBackup(small_.ledger(), places_, "one", absl::Now(), nullptr,
                                          {.stat_vfs = WithFree(kReserve - 1)})
                                   .status();
  EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("less than its reserve"));
  EXPECT_THAT(NamesIn(places_.log), IsEmpty());
}

// On the disk of the log its files are linked; elsewhere, or through another mount, they are
// copied.
TEST_F(BackupsTest, ACopyNeedsMoreRoomThanLinks) {
  const auto make = [this](const std::string& id, uint64_t free, bool links) {
    DiskCalls disk{.stat_vfs = WithFree(free)};
    if (!links) {
      disk.link = [](const char*, const char*) {
        errno = EXDEV;
        return -1;
      };
    }
    return MakeBackup(small_.ledger(), places_, id, absl::Now(), nullptr, disk).status();
  };
  EXPECT_TRUE(make("links", kReserve + 1, true).ok());
  EXPECT_THAT(NamesIn(places_.log), ElementsAre("links"));
  EXPECT_THAT(NamesIn(places_.keys), ElementsAre("links"));
  const absl::Status refused = make("copy", kReserve + 1, false);
  EXPECT_TRUE(absl::IsResourceExhausted(refused)) << refused;
  EXPECT_THAT(NamesIn(places_.log), ElementsAre("links"));
  EXPECT_TRUE(make("copy", 2 * kReserve, false).ok());
}

TEST_F(BackupsTest, WhatIsUnderWayIsNotTakenForALeftover) {
  bool listed = false;
  const auto look = [&] {
    fs::create_directories(places_.keys + "/now.tmp");
    RemoveHalfMadeKeys(places_);
    EXPECT_TRUE(fs::exists(places_.keys + "/now.tmp"));
    const auto found = FindBackups(places_);
    EXPECT_TRUE(found.ok()) << found.status();
    for (const FoundBackup& one : *found) listed = listed || (one.id == "now" && one.under_way);
    EXPECT_TRUE(
        absl::IsAlreadyExists(MakeBackup(small_.ledger(), places_, "now", absl::Now()).status()));
    return false;
  };
  ASSERT_TRUE(MakeBackup(small_.ledger(), places_, "now", absl::Now(), look).ok());
  EXPECT_TRUE(listed);
  EXPECT_FALSE(FindBackups(places_)->front().under_way);
}

TEST_F(BackupsTest, AStopLeavesNothingHalfMade) {
  int asked = 0;
  const auto made =
      MakeBackup(small_.ledger(), places_, "half", absl::Now(), [&asked] { return ++asked > 1; });
  EXPECT_TRUE(absl::IsCancelled(made.status())) << made.status();
  EXPECT_THAT(NamesIn(places_.log), IsEmpty());
  EXPECT_THAT(NamesIn(places_.keys), IsEmpty());
  ASSERT_TRUE(MakeBackup(small_.ledger(), places_, "half", absl::Now()).ok());
  const auto stopped =
      eventstore::VerifyBackup(places_.log + "/half", nullptr, [] { return true; });
  EXPECT_TRUE(absl::IsCancelled(stopped.status())) << stopped.status();
}

}  // namespace
}  // namespace retrace::server
