// The schedule of backups on a whole ledger, by a test clock: nothing sleeps.
#include "server/backup_schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

#include "eventstore/backup.h"
#include "eventstore/key_store.h"
#include "retrace/store/v1/entities.pb.h"
#include "retrace/v1/notifications.pb.h"
#include "server/queries.h"
#include "server/system_log.h"
#include "server/tell.h"
#include "tests/support/small_ledger.h"

namespace retrace::server {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using testing::SmallLedger;

constexpr int64_t kMinuteUs = 60LL * 1'000'000;
constexpr int64_t kHourUs = 60 * kMinuteUs;
constexpr int64_t kNoonUs = 12 * kHourUs;  // of some day

std::vector<std::string> NamesIn(const std::string& directory) {
  std::vector<std::string> names;
  for (const auto& each : fs::directory_iterator(directory)) {
    names.push_back(each.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

// Not in place: its files are links to the log's own.
void FlipAByte(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  std::string bytes(std::istreambuf_iterator<char>(in), {});
  ASSERT_FALSE(bytes.empty());
  bytes[bytes.size() / 2] ^= 1;
  fs::remove(file);
  std::ofstream(file, std::ios::binary) << bytes;
}

class BackupScheduleTest : public ::testing::Test {
 protected:
  BackupScheduleTest() {
    options_.places = {directory_.Below("backups"), directory_.Below("key-backups")};
    // The log began a day ago.
    options_.every = absl::Hours(48);
    options_.on_fault = [this](BackupFault fault, const std::string& last_good) {
      if (deaf_) return absl::ResourceExhaustedError("no room");
      told_.push_back(fault);
      return TellOfBackups(small_.ledger(), *sequencer_, kNoonUs, fault, last_good);
    };
    clock_ = *Clock::Open(directory_.path(), true);
    SequencerOptions options;
    options.disk_full = [this] { return full_.load(); };
    options.wall_us = [this] { return clock_->WallMicros(); };
    options.monotonic_us = [this] { return clock_->MonotonicMicros(); };
    Ledger& ledger = small_.ledger();
    sequencer_ = std::make_unique<Sequencer>(ledger.log(), ledger.keys(), ledger.rows(),
                                             ledger.tenants(), options);
  }
  ~BackupScheduleTest() override {
    schedule_.reset();
    sequencer_.reset();
  }

  void Start() {
    schedule_.reset();
    schedule_ = std::make_unique<BackupSchedule>(small_.ledger(), *sequencer_, *clock_, options_);
    schedule_->CatchUp();
  }
  void Advance(int64_t microseconds) {
    ASSERT_TRUE(clock_->Advance(microseconds).ok());
    schedule_->CatchUp();
  }
  // As many as told, each as soon as it is due.
  void MakeSome(int count) {
    for (int made = 0; made < count; ++made) Advance(48 * kHourUs);
  }
  std::vector<std::string> Logs() const { return NamesIn(options_.places.log); }
  std::vector<std::string> Keys() const { return NamesIn(options_.places.keys); }
  std::string Log(const std::string& id) const { return options_.places.log + "/" + id; }
  void Damage(const std::string& id) const {
    for (const std::string& file : NamesIn(Log(id) + "/log")) {
      if (file.ends_with(".sst")) return FlipAByte(Log(id) + "/log/" + file);
    }
    ADD_FAILURE() << id << " has no table";
  }
  // Acts of the system's log, as "ACT description".
  std::vector<std::string> Acts() {
    const Tenant& system = *small_.ledger().tenants().system();
    std::vector<std::string> acts;
    for (eventstore::Position at = 1; at <= system.visible; ++at) {
      const auto commit = small_.ledger().ReadCommit(system, at);
      EXPECT_TRUE(commit.ok()) << commit.status();
      for (const domain::DraftEvent& event : commit->events) {
        const auto* done = dynamic_cast<const store::v1::AdministrativeActDone*>(event.event.get());
        if (done != nullptr) acts.push_back(done->act() + " " + done->description());
      }
    }
    return acts;
  }

  // How many the tenant's administrators got.
  size_t Notifications() {
    v1::ListNotificationsRequest request;
    request.set_parent("tenants/acme");
    const auto reply = Queries(small_.ledger()).Answer(small_.Call("ListNotifications"), request);
    EXPECT_TRUE(reply.ok()) << reply.status();
    return static_cast<size_t>(reply->notifications_size());
  }

  SmallLedger small_;
  testing::TempDirectory directory_;
  BackupScheduleOptions options_;
  std::vector<BackupFault> told_;
  std::atomic<bool> deaf_{false};  // nobody can be told
  std::atomic<bool> full_{false};  // commands are refused
  std::unique_ptr<Clock> clock_;
  std::unique_ptr<Sequencer> sequencer_;
  std::unique_ptr<BackupSchedule> schedule_;
};

TEST_F(BackupScheduleTest, OneIsMadeWheneverTheLastIsOldEnough) {
  Start();
  EXPECT_FALSE(fs::exists(options_.places.log));
  EXPECT_EQ(schedule_->state().last_id, "");
  Advance(23 * kHourUs);
  EXPECT_FALSE(fs::exists(options_.places.log));
  Advance(kHourUs);
  ASSERT_THAT(Logs(), SizeIs(1));
  EXPECT_EQ(Keys(), Logs());
  const std::string id = Logs().front();
  const auto manifest = eventstore::VerifyBackup(Log(id));
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(eventstore::KeyStore::VerifyCopy(options_.places.keys + "/" + id,
                                             small_.ledger().options().master_key_file),
            absl::OkStatus());
  const BackupState state = schedule_->state();
  EXPECT_EQ(state.last_id, id);
  EXPECT_EQ(state.bytes, BytesOf(*manifest));
  EXPECT_EQ(state.next, state.since + absl::Hours(48));
  EXPECT_LE(schedule_->AgeOf(state), absl::Minutes(1));
  EXPECT_THAT(Acts(), ElementsAre(HasSubstr("BACKUP " + id)));
  Advance(47 * kHourUs);
  EXPECT_THAT(Logs(), SizeIs(1));
  Advance(kHourUs);
  EXPECT_THAT(Logs(), SizeIs(2));
  EXPECT_THAT(told_, IsEmpty());
  // However long nobody looked, one is enough.
  Advance(1000 * kHourUs);
  EXPECT_THAT(Logs(), SizeIs(3));
}

TEST_F(BackupScheduleTest, TheNewestAreKept) {
  options_.keep = 3;
  options_.key_keep = 2;
  Start();
  MakeSome(3);
  const std::vector<std::string> first = Logs();
  ASSERT_THAT(first, SizeIs(3));
  MakeSome(2);
  const std::vector<std::string> last = Logs();
  ASSERT_THAT(last, SizeIs(3));
  EXPECT_EQ(last[0], first[2]);
  EXPECT_THAT(Keys(), ElementsAre(last[1], last[2]));
  for (const std::string& id : last) {
    EXPECT_TRUE(eventstore::VerifyBackup(Log(id)).ok()) << id;
  }
  EXPECT_EQ(schedule_->state().kept, std::vector<std::string>(last.rbegin(), last.rend()));
}

TEST_F(BackupScheduleTest, WhatFailsIsTriedAgainAndToldOnce) {
  std::ofstream(options_.places.log) << "in the way";
  Start();
  Advance(24 * kHourUs);
  EXPECT_THAT(schedule_->state().fault, HasSubstr("cannot be made"));
  EXPECT_THAT(told_, ElementsAre(BackupFault::kFailed));
  EXPECT_THAT(Acts(), ElementsAre(HasSubstr("BACKUP_FAILED")));
  Metrics metrics;
  schedule_->SetMetrics(metrics);
  EXPECT_THAT(metrics.Text(), HasSubstr("retrace_backup_failed 1"));
  // Less and less often: every try tells when the next is.
  absl::Time next = schedule_->state().next;
  int tries = 0;
  for (int minute = 0; minute < 120; ++minute) {
    Advance(kMinuteUs);
    tries += schedule_->state().next != next ? 1 : 0;
    next = schedule_->state().next;
  }
  EXPECT_GE(tries, 5);
  EXPECT_LE(tries, 8);
  EXPECT_THAT(told_, SizeIs(1));
  fs::remove(options_.places.log);
  Advance(kHourUs);
  EXPECT_THAT(Logs(), SizeIs(1));
  EXPECT_EQ(schedule_->state().fault, "");
  EXPECT_THAT(Acts(), ElementsAre(HasSubstr("BACKUP_FAILED"), HasSubstr("BACKUP scheduled-")));
  schedule_->SetMetrics(metrics);
  EXPECT_THAT(metrics.Text(), HasSubstr("retrace_backup_failed 0"));
}

TEST_F(BackupScheduleTest, AFaultThatStaysIsToldEachDay) {
  std::ofstream(options_.places.log) << "in the way";
  Start();
  for (int hour = 0; hour < 24 + 49; ++hour) Advance(kHourUs);
  EXPECT_THAT(told_, SizeIs(3));
}

// Each try finds the same fault in other words.
TEST_F(BackupScheduleTest, OneFaultIsToldOnceWhateverItSays) {
  options_.every = absl::Hours(2);
  std::ofstream(options_.places.log) << "in the way";
  Start();
  EXPECT_THAT(schedule_->state().fault, Not(HasSubstr("key-backups")));
  fs::remove(options_.places.log);
  std::ofstream(options_.places.keys) << "in the way";
  Advance(kHourUs);
  EXPECT_THAT(schedule_->state().fault, HasSubstr("key-backups"));
  EXPECT_THAT(told_, SizeIs(1));
  EXPECT_THAT(Acts(), SizeIs(1));
  // A good one, then the same again: that is news.
  fs::remove(options_.places.keys);
  Advance(kHourUs);
  ASSERT_THAT(Logs(), SizeIs(1));
  fs::rename(options_.places.keys, options_.places.keys + "-aside");
  std::ofstream(options_.places.keys) << "in the way";
  Advance(2 * kHourUs);
  EXPECT_THAT(told_, SizeIs(2));
  EXPECT_THAT(Acts(), SizeIs(3));
  EXPECT_EQ(Notifications(), 2) << "though it is the same day";
}

// On a full disk nothing is recorded, and nobody told, until there is room.
TEST_F(BackupScheduleTest, WhatCouldNotBeToldIsToldLater) {
  std::ofstream(options_.places.log) << "in the way";
  full_ = deaf_ = true;
  Start();
  Advance(24 * kHourUs);
  EXPECT_NE(schedule_->state().fault, "");
  Advance(10 * kMinuteUs);
  EXPECT_THAT(told_, IsEmpty());
  EXPECT_THAT(Acts(), IsEmpty());
  full_ = deaf_ = false;
  Advance(kMinuteUs);
  EXPECT_THAT(told_, ElementsAre(BackupFault::kFailed));
  EXPECT_THAT(Acts(), ElementsAre(HasSubstr("BACKUP_FAILED")));
  Advance(10 * kMinuteUs);
  EXPECT_THAT(told_, SizeIs(1));
  EXPECT_THAT(Acts(), SizeIs(1));
}

TEST_F(BackupScheduleTest, AfterARestartTheDirectoryTellsWhatThereIs) {
  Start();
  MakeSome(1);
  const std::vector<std::string> made = Logs();
  ASSERT_THAT(made, SizeIs(1));
  Advance(40 * kHourUs);
  Start();
  EXPECT_EQ(schedule_->state().last_id, made.front());
  Advance(7 * kHourUs);
  EXPECT_EQ(Logs(), made);
  Advance(kHourUs);
  EXPECT_THAT(Logs(), SizeIs(2));
}

TEST_F(BackupScheduleTest, ADamagedOneDoesNotCount) {
  options_.keep = 2;
  Start();
  MakeSome(2);
  const std::vector<std::string> made = Logs();
  ASSERT_THAT(made, SizeIs(2));
  Damage(made[1]);
  MakeSome(1);
  ASSERT_THAT(Logs(), SizeIs(3));
  EXPECT_EQ(Logs()[0], made[0]);
  EXPECT_TRUE(eventstore::VerifyBackup(Log(made[0])).ok());
  EXPECT_THAT(told_, ElementsAre(BackupFault::kDamaged));
  EXPECT_THAT(Acts(), ::testing::Contains(HasSubstr("BACKUP_FAILED A backup is not good any more: "
                                                    "the backup in " +
                                                    Log(made[1]))));
  EXPECT_THAT(schedule_->state().damaged, ElementsAre(Log(made[1])));
  // It goes with those that are older than what counts.
  MakeSome(1);
  EXPECT_THAT(Logs(), SizeIs(2));
  EXPECT_THAT(schedule_->state().damaged, IsEmpty());
}

TEST_F(BackupScheduleTest, AfterARestartADamagedOneIsNotTheLastGoodOne) {
  Start();
  MakeSome(2);
  const std::vector<std::string> made = Logs();
  ASSERT_THAT(made, SizeIs(2));
  Damage(made[1]);
  Start();
  EXPECT_THAT(told_, ElementsAre(BackupFault::kDamaged));
  EXPECT_THAT(Logs(), SizeIs(3));
}

TEST_F(BackupScheduleTest, TheLastGoodOneStaysWhenAllNewerOnesAreDamaged) {
  options_.keep = 1;
  Start();
  MakeSome(1);
  ASSERT_THAT(Logs(), SizeIs(1));
  const std::string good = Logs().front();
  // As of a disk that fills: nothing newer can be made.
  fs::remove_all(options_.places.keys);
  std::ofstream(options_.places.keys) << "in the way";
  MakeSome(3);
  EXPECT_THAT(Logs(), ElementsAre(good));
  EXPECT_TRUE(eventstore::VerifyBackup(Log(good)).ok());
}

TEST_F(BackupScheduleTest, ALogWithoutKeysIsNoGoodBackup) {
  Start();
  MakeSome(2);
  ASSERT_THAT(Logs(), SizeIs(2));
  fs::remove_all(options_.places.keys + "/" + Logs()[1]);
  Start();
  ASSERT_THAT(Logs(), SizeIs(3));
  EXPECT_EQ(schedule_->state().last_id, Logs()[2]);
}

TEST_F(BackupScheduleTest, WhatOthersMadeStays) {
  options_.keep = 1;
  options_.key_keep = 1;
  const auto epoch = small_.ledger().log().epoch();
  const std::string manual = "nightly-1";
  ASSERT_TRUE(MakeBackup(small_.ledger(), options_.places, manual, absl::Now()).ok());
  const std::string old = ScheduledId(absl::FromUnixSeconds(1'000'000'000), epoch ^ 1);
  for (const std::string& place : {options_.places.log, options_.places.keys}) {
    fs::create_directories(place + "/" + old);
    fs::create_directories(place + "/scheduled-notes");
    fs::create_directories(place + "/" + ScheduledId(absl::Now(), epoch) + "-copy");
    std::ofstream(place + "/" + ScheduledId(absl::FromUnixSeconds(1), epoch)) << "a file";
  }
  const std::vector<std::string> before = Logs();
  Start();
  MakeSome(3);
  for (const std::vector<std::string>& after : {Logs(), Keys()}) {
    EXPECT_THAT(after, SizeIs(before.size() + 1));
    EXPECT_TRUE(std::includes(after.begin(), after.end(), before.begin(), before.end()));
  }
  EXPECT_TRUE(eventstore::VerifyBackup(Log(manual)).ok());
}

TEST_F(BackupScheduleTest, WhatACrashLeftHalfMadeGoesAtTheNextStart) {
  const auto epoch = small_.ledger().log().epoch();
  const std::string half = ScheduledId(absl::Now(), epoch);
  fs::create_directories(Log(half) + "/log");
  std::ofstream(Log(half) + "/log/000004.sst") << "half";
  fs::create_directories(options_.places.keys + "/" + half + ".tmp");
  fs::create_directories(Log("by-hand") + "/log");
  Start();
  EXPECT_THAT(Logs(), ElementsAre("by-hand"));
  EXPECT_THAT(Keys(), IsEmpty());
}

TEST_F(BackupScheduleTest, AClockThatWasSetBackDelaysNothing) {
  const auto epoch = small_.ledger().log().epoch();
  const std::string future = ScheduledId(absl::Now() + absl::Hours(10'000), epoch);
  ASSERT_TRUE(MakeBackup(small_.ledger(), options_.places, future, absl::Now()).ok());
  options_.keep = 1;
  Start();
  Advance(47 * kHourUs);
  EXPECT_THAT(Logs(), ElementsAre(future));
  Advance(kHourUs);
  ASSERT_THAT(Logs(), SizeIs(1));
  EXPECT_GT(Logs().front(), future);
}

// Its age is not known then: once it was ahead, then it was set right, and the server restarted.
TEST_F(BackupScheduleTest, AfterARestartOneFromTheFutureDoesNotCount) {
  const auto epoch = small_.ledger().log().epoch();
  const absl::Time ahead = absl::Now() + absl::Hours(10'000);
  ASSERT_TRUE(MakeBackup(small_.ledger(), options_.places, ScheduledId(ahead, epoch), ahead).ok());
  Start();
  ASSERT_THAT(Logs(), SizeIs(2));
  // The new one sorts behind it, and is as old as it is.
  Advance(30 * kHourUs);
  for (int restart = 0; restart < 2; ++restart) {
    EXPECT_GE(schedule_->AgeOf(schedule_->state()), absl::Hours(30));
    EXPECT_THAT(Logs(), SizeIs(2));
    Start();
  }
  Advance(18 * kHourUs);
  EXPECT_THAT(Logs(), SizeIs(3));
}

TEST_F(BackupScheduleTest, NoneAreMadeWhenNobodyWantsThem) {
  options_.every = absl::ZeroDuration();
  Start();
  Advance(1000 * kHourUs);
  EXPECT_FALSE(fs::exists(options_.places.log));
  EXPECT_FALSE(schedule_->state().scheduled);
}

// They may be the newest that there are, and open every log.
TEST_F(BackupScheduleTest, KeysStayWhenTheirLogIsHalfMade) {
  options_.key_keep = 1;
  Start();
  MakeSome(1);
  ASSERT_THAT(Keys(), SizeIs(1));
  const std::vector<std::string> keys = Keys();
  fs::remove(Log(keys[0]) + "/SHA256SUMS");
  options_.every = absl::Hours(1000);
  Start();
  EXPECT_THAT(Logs(), IsEmpty());
  EXPECT_EQ(Keys(), keys);
}

// A directory that cannot be looked into (of another owner, on a server that is away) stops
// neither backups nor the server. A link to itself is such a thing for anybody.
TEST_F(BackupScheduleTest, WhatCannotBeLookedAtIsLeftAlone) {
  Start();
  MakeSome(1);
  const std::vector<std::string> made = Logs();
  ASSERT_THAT(made, SizeIs(1));
  for (const std::string& place : {options_.places.log, options_.places.keys}) {
    fs::create_directory_symlink("loop", place + "/loop");
    fs::create_directory(place + "/lost+found");
    fs::create_directory_symlink("log", place + "/lost+found/log");
  }
  fs::remove(Log(made[0]) + "/SHA256SUMS");
  fs::create_symlink("SHA256SUMS", Log(made[0]) + "/SHA256SUMS");
  Start();
  EXPECT_THAT(Logs(), ::testing::Contains(made[0])) << "nobody knows that it is none";
  MakeSome(1);
  const auto found = FindBackups(options_.places);
  ASSERT_TRUE(found.ok()) << found.status();
  EXPECT_GE(found->size(), 2u);
  const absl::Status taken =
      MakeBackup(small_.ledger(), options_.places, "loop", absl::Now()).status();
  EXPECT_TRUE(absl::IsUnavailable(taken)) << taken;
  fs::remove_all(options_.places.log);
  fs::create_directory_symlink("backups", options_.places.log);
  MakeSome(1);
  EXPECT_NE(schedule_->state().fault, "");
  EXPECT_TRUE(absl::IsUnavailable(FindBackups(options_.places).status()));
}

// Names of directories need not be UTF-8, and what is written must be readable.
TEST_F(BackupScheduleTest, AnActIsRecordedInWholeCharacters) {
  Start();
  ASSERT_TRUE(RecordAct(*sequencer_, small_.ledger().tenants(), ServerItself(), "test",
                        "BACKUP_FAILED", "/srv/caf\xe9 is full")
                  .ok());
  EXPECT_THAT(Acts(), ElementsAre("BACKUP_FAILED /srv/caf? is full"));
}

TEST_F(BackupScheduleTest, CopiesOfKeysThatAreLeftOverAreSeenAndGo) {
  const std::string& keys = options_.places.keys;
  for (const char* name : {"by-hand.tmp", "Not Mine.tmp", "alone", "scheduled-notes.tmp"}) {
    fs::create_directories(keys + "/" + name);
  }
  Start();
  EXPECT_THAT(Keys(), ElementsAre("Not Mine.tmp", "alone"));
  const auto found = FindBackups(options_.places);
  ASSERT_TRUE(found.ok()) << found.status();
  ASSERT_THAT(*found, SizeIs(1));
  EXPECT_EQ(found->front().id, "alone");
  EXPECT_FALSE(found->front().has_log);
  EXPECT_THAT(std::string(found->front().manifest.status().message()),
              HasSubstr("Only the copy of the keys"));
}

}  // namespace
}  // namespace retrace::server
