// Backup and recovery of the commit log.
#include "eventstore/backup.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "eventstore/log_keys.h"
#include "fmt/format.h"
#include "tests/eventstore/log_fixture.h"
#include "tests/eventstore/rocks_log_test.h"
#include "tests/support/fault_env.h"
#include "tests/support/temp_directory.h"

namespace retrace::eventstore {
namespace {

using ::retrace::testing::FaultEnv;
using ::retrace::testing::TempDirectory;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr char kBackup[] = "/backup/today";

class BackupTest : public RocksCommitLogTest {
 protected:
  BackupOptions ToBackup(const std::string& directory = kBackup) {
    BackupOptions options;
    options.directory = directory;
    options.layout_stamp = "stamp";
    options.time = absl::FromUnixMicros(1'700'000'000'123'456);
    options.env = env_.env();
    return options;
  }
  RecoverOptions FromBackup() {
    RecoverOptions options;
    options.from = kBackup;
    options.log_directory = "/new/log";
    options.witness_directory = "/new/witness";
    options.env = env_.env();
    return options;
  }
  RocksCommitLogOptions RecoveredLog() {
    RocksCommitLogOptions options = LogOptions(env_.env());
    options.directory = "/new/log";
    options.witness_directory = "/new/witness";
    return options;
  }
  // A backup of a log with `commits` commits; the log is closed.
  store::v1::BackupManifest MustBackup(int commits) {
    std::unique_ptr<RocksCommitLog> log = MustOpen();
    for (int i = 0; i < commits; ++i) Append(*log);
    absl::StatusOr<store::v1::BackupManifest> manifest = Backup(*log, ToBackup());
    EXPECT_TRUE(manifest.ok()) << manifest.status();
    return manifest.ok() ? *manifest : store::v1::BackupManifest();
  }
};

TEST_F(BackupTest, RecoversWhatWasBackedUpAsANewEpoch) {
  Epoch epoch = 0;
  store::v1::BackupManifest manifest;
  {
    std::unique_ptr<RocksCommitLog> log = MustOpen();
    epoch = log->epoch();
    for (int i = 0; i < 20; ++i) Append(*log);
    AppendOne(*log, 7, "of seven");
    absl::StatusOr<store::v1::BackupManifest> made = Backup(*log, ToBackup());
    ASSERT_TRUE(made.ok()) << made.status();
    manifest = *made;
    Append(*log);
  }
  EXPECT_EQ(manifest.epoch(), epoch);
  EXPECT_EQ(manifest.batch(), 21u);
  EXPECT_EQ(manifest.layout_stamp(), "stamp");
  EXPECT_EQ(manifest.time_us(), 1'700'000'000'123'456);
  EXPECT_THAT(manifest.time(), HasSubstr("2023-11-14T22:13:20.123456"));
  ASSERT_THAT(manifest.heads(), SizeIs(2));
  EXPECT_EQ(manifest.heads(0).position(), 20u);
  EXPECT_EQ(manifest.heads(1).commit_hash(), Hex(Sha256("of seven")));

  absl::StatusOr<store::v1::BackupManifest> verified = VerifyBackup(kBackup, env_.env());
  ASSERT_TRUE(verified.ok()) << verified.status();
  EXPECT_EQ(verified->SerializeAsString(), manifest.SerializeAsString());

  absl::StatusOr<Recovered> recovered = Recover(FromBackup());
  ASSERT_TRUE(recovered.ok()) << recovered.status();
  EXPECT_EQ(recovered->previous_epoch, epoch);
  EXPECT_NE(recovered->epoch, epoch);
  EXPECT_EQ(recovered->heads.at(1).position, 20u);
  EXPECT_EQ(recovered->heads.at(7), (Head{1, Sha256("of seven")}));
  absl::StatusOr<std::unique_ptr<RocksCommitLog>> log = RocksCommitLog::Open(RecoveredLog());
  ASSERT_TRUE(log.ok()) << log.status();
  EXPECT_EQ((*log)->epoch(), recovered->epoch);
  EXPECT_THAT(AllCommits(**log, 1), SizeIs(20));
  EXPECT_EQ(*(*log)->HeadOf(7), recovered->heads.at(7));
  EXPECT_EQ((*log)->Verify(), absl::OkStatus());
  EXPECT_EQ(AppendOne(**log, 1, "goes on").outcome, AppendOutcome::kDurable);
  EXPECT_TRUE(VerifyBackup(kBackup, env_.env()).ok()) << "recovery leaves the backup as it was";
}

TEST_F(BackupTest, AnEmptyLogCanBeBackedUp) {
  MustBackup(0);
  absl::StatusOr<Recovered> recovered = Recover(FromBackup());
  ASSERT_TRUE(recovered.ok()) << recovered.status();
  EXPECT_TRUE(recovered->heads.empty());
  EXPECT_TRUE(RocksCommitLog::Open(RecoveredLog()).ok());
}

TEST_F(BackupTest, RefusesDirectoriesThatAreNotEmpty) {
  MustBackup(2);
  std::unique_ptr<RocksCommitLog> log = MustOpen();
  EXPECT_EQ(Backup(*log, ToBackup()).status().code(), absl::StatusCode::kAlreadyExists);
  for (const std::string directory : {kLogDirectory, kWitnessDirectory}) {
    RecoverOptions options = FromBackup();
    (directory == kLogDirectory ? options.log_directory : options.witness_directory) = directory;
    const absl::Status status = Recover(options).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(directory + " is not empty"));
  }
}

TEST_F(BackupTest, AnUnfinishedBackupIsNone) {
  MustBackup(3);
  env_.Remove(std::string(kBackup) + "/SHA256SUMS");
  const absl::Status status = Recover(FromBackup()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("not a finished backup"));
  EXPECT_EQ(VerifyBackup("/nowhere", env_.env()).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(BackupTest, EveryFlippedBitIsFound) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(fmt::format("RETRACE_SEED={}", seed));
  std::mt19937_64 random(seed);
  MustBackup(30);
  std::vector<std::string> paths = {std::string(kBackup) + "/manifest.json",
                                    std::string(kBackup) + "/SHA256SUMS"};
  for (const std::string& name : env_.Files(std::string(kBackup) + "/log")) {
    paths.push_back(std::string(kBackup) + "/log/" + name);
  }
  ASSERT_GE(paths.size(), 6u);
  for (const std::string& path : paths) {
    const std::string sound = env_.Contents(path);
    for (int round = 0; round < 12 && !sound.empty(); ++round) {
      std::string bytes = sound;
      const size_t at = random() % bytes.size();
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << random() % 8));
      env_.Overwrite(path, bytes);
      EXPECT_FALSE(VerifyBackup(kBackup, env_.env()).ok()) << path << " byte " << at;
      EXPECT_FALSE(VerifyFiles(kBackup, env_.env()).ok()) << path << " byte " << at;
      env_.Overwrite(path, sound);
    }
  }
  EXPECT_TRUE(VerifyBackup(kBackup, env_.env()).ok());
}

// The log may have hundreds of gigabytes: none of them is read before anybody is asked.
TEST_F(BackupTest, AStopIsHeardBeforeTheLogIsRead) {
  const std::unique_ptr<RocksCommitLog> log = MustOpen();
  std::mt19937_64 random(1);
  for (int i = 0; i < 300; ++i) {
    std::string bytes(1000, ' ');
    for (char& byte : bytes) byte = static_cast<char>(random());
    AppendOne(*log, 1, bytes);
  }
  ASSERT_TRUE(Backup(*log, ToBackup()).ok());
  // Now its middle can be read no more.
  for (const std::string& name : env_.Files(kLogDirectory)) {
    const std::string path = std::string(kLogDirectory) + "/" + name;
    std::string bytes = env_.Contents(path);
    if (!name.ends_with(".sst") || bytes.size() < 200'000) continue;
    bytes[bytes.size() / 2] ^= 1;
    env_.Overwrite(path, bytes);
  }
  EXPECT_EQ(Backup(*log, ToBackup("/backup/damaged")).status().code(), absl::StatusCode::kDataLoss);
  BackupOptions stopped = ToBackup("/backup/stopped");
  stopped.stopping = [] { return true; };
  EXPECT_EQ(Backup(*log, stopped).status().code(), absl::StatusCode::kCancelled);
}

TEST_F(BackupTest, AMissingOrForeignFileIsFound) {
  MustBackup(5);
  const std::string log = std::string(kBackup) + "/log";
  for (const std::string& name : env_.Files(log)) {
    const std::string bytes = env_.Contents(log + "/" + name);
    env_.Remove(log + "/" + name);
    const absl::Status status = VerifyBackup(kBackup, env_.env()).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(status.message()), HasSubstr("log/" + name + " is missing"));
    env_.Overwrite(log + "/" + name, bytes);
  }
  env_.Overwrite(log + "/000099.log", "foreign");
  EXPECT_THAT(std::string(VerifyBackup(kBackup, env_.env()).status().message()),
              HasSubstr("log/000099.log is there but not in the manifest"));
}

// A power cut while the backup is made leaves a good backup or one that is recognised as
// unfinished; a power cut while it is recovered leaves a good log or one that does not open.
TEST_F(BackupTest, SurvivesPowerCuts) {
  std::unique_ptr<RocksCommitLog> log = MustOpen();
  for (int i = 0; i < 10; ++i) Append(*log);
  std::vector<std::unique_ptr<FaultEnv>> disks;
  const auto observe = [&](uint64_t change, FaultEnv::Operation, const std::string&) {
    disks.push_back(env_.AfterPowerCut(
        change % 2 == 0 ? FaultEnv::Unsynced::kTorn : FaultEnv::Unsynced::kDropped, change));
  };
  env_.BeforeEachChange(observe);
  ASSERT_TRUE(Backup(*log, ToBackup()).ok());
  env_.BeforeEachChange(nullptr);
  disks.push_back(env_.AfterPowerCut(FaultEnv::Unsynced::kDropped, 0));
  int unfinished = 0;
  for (const std::unique_ptr<FaultEnv>& disk : disks) {
    const absl::Status status = VerifyBackup(kBackup, disk->env()).status();
    if (absl::IsFailedPrecondition(status)) {
      ++unfinished;
    } else {
      EXPECT_EQ(status, absl::OkStatus());
    }
  }
  EXPECT_TRUE(VerifyBackup(kBackup, disks.back()->env()).ok()) << "it was durable when it was done";
  EXPECT_GT(unfinished, 5);

  disks.clear();
  env_.BeforeEachChange(observe);
  ASSERT_TRUE(Recover(FromBackup()).ok());
  env_.BeforeEachChange(nullptr);
  disks.push_back(env_.AfterPowerCut(FaultEnv::Unsynced::kDropped, 0));
  int whole = 0;
  for (const std::unique_ptr<FaultEnv>& disk : disks) {
    if (!disk->env()->FileExists("/new/log/CURRENT").ok()) continue;  // nothing there yet
    RocksCommitLogOptions options = RecoveredLog();
    options.env = disk->env();
    absl::StatusOr<std::unique_ptr<RocksCommitLog>> opened = RocksCommitLog::Open(options);
    if (!opened.ok()) continue;
    ++whole;
    EXPECT_THAT(AllCommits(**opened, 1), SizeIs(10));
  }
  EXPECT_GT(whole, 0);
}

TEST_F(BackupTest, AFailingDiskMakesNoGoodBackup) {
  for (uint64_t n = 1;; ++n) {
    ASSERT_LT(n, 200u) << "the failures never ended";
    FaultEnv env;
    absl::StatusOr<std::unique_ptr<RocksCommitLog>> log =
        RocksCommitLog::Open(LogOptions(env.env()));
    ASSERT_TRUE(log.ok());
    for (int i = 0; i < 5; ++i) AppendOne(**log, 1, "x");
    BackupOptions options = ToBackup();
    options.env = env.env();
    env.FailNth(FaultEnv::Operation::kSync, n);
    const bool made = Backup(**log, options).ok();
    const bool failed = env.Failed();
    env.Heal();
    EXPECT_EQ(made, !failed) << n;
    EXPECT_EQ(VerifyBackup(kBackup, env.env()).ok(), made) << n;
    if (!failed) break;
  }
}

// On a real disk, under load: the backup holds all that was acknowledged when it began, and no
// hole.
TEST(BackupUnderLoadTest, HoldsWhatWasAcknowledgedWhenItBegan) {
  TempDirectory directory;
  RocksCommitLogOptions options = LogOptions(nullptr);
  options.directory = directory.Below("log");
  options.witness_directory = directory.Below("witness");
  absl::StatusOr<std::unique_ptr<RocksCommitLog>> log = RocksCommitLog::Open(options);
  ASSERT_TRUE(log.ok()) << log.status();
  std::atomic<bool> stop = false;
  std::atomic<Position> acknowledged = 0;
  std::thread load([&] {
    const Lease lease = *(*log)->Acquire(1);
    for (Position position = 0; !stop; ++position) {
      const std::string bytes = fmt::format("commit {}", position + 1);
      const PendingCommit commit{1, lease.fence, position, bytes};
      ASSERT_EQ((*log)->Append({&commit, 1})[0].outcome, AppendOutcome::kDurable);
      acknowledged = position + 1;
    }
  });
  for (int round = 0; round < 3; ++round) {
    while (acknowledged < Position(50 * (round + 1))) std::this_thread::yield();
    const Position floor = acknowledged;
    BackupOptions to;
    to.directory = directory.Below(fmt::format("backup{}", round));
    to.time = absl::Now();
    absl::StatusOr<store::v1::BackupManifest> manifest = Backup(**log, to);
    EXPECT_TRUE(manifest.ok()) << manifest.status();
    RecoverOptions from;
    from.from = to.directory;
    from.log_directory = directory.Below(fmt::format("new{}/log", round));
    from.witness_directory = directory.Below(fmt::format("new{}/witness", round));
    absl::StatusOr<Recovered> recovered = Recover(from);
    EXPECT_TRUE(recovered.ok()) << recovered.status();
    if (!recovered.ok()) break;
    RocksCommitLogOptions copy = LogOptions(nullptr);
    copy.directory = from.log_directory;
    copy.witness_directory = from.witness_directory;
    absl::StatusOr<std::unique_ptr<RocksCommitLog>> opened = RocksCommitLog::Open(copy);
    EXPECT_TRUE(opened.ok()) << opened.status();
    if (!opened.ok()) break;
    const std::vector<std::string> commits = AllCommits(**opened, 1);
    EXPECT_GE(commits.size(), floor);
    for (size_t i = 0; i < commits.size(); ++i) {
      EXPECT_EQ(commits[i], fmt::format("commit {}", i + 1));
    }
  }
  stop = true;
  load.join();
}

}  // namespace
}  // namespace retrace::eventstore
