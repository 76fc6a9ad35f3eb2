// What the log on RocksDB promises beyond the contract: locks, refusals, damage found, fail-stop.
#include "eventstore/rocks_commit_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "fmt/format.h"
#include "retrace/store/v1/commit.pb.h"
#include "rocksdb/db.h"
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

TEST_F(RocksCommitLogTest, RefusesASecondOpen) {
  std::unique_ptr<RocksCommitLog> log = MustOpen();
  const absl::Status status = OpenError();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr(kLogDirectory));
  EXPECT_THAT(std::string(status.message()), HasSubstr("another process has it open"));
  log.reset();
  EXPECT_NE(MustOpen(), nullptr);
}

// Starts itself once more, to be refused.
TEST(RocksCommitLogOnDiskTest, RefusesASecondProcess) {
  const auto options_in = [](const std::string& directory) {
    RocksCommitLogOptions options = LogOptions(nullptr);
    options.directory = directory + "/log";
    options.witness_directory = directory + "/witness";
    return options;
  };
  if (const char* directory = std::getenv("RETRACE_SECOND_PROCESS"); directory != nullptr) {
    const absl::Status status = RocksCommitLog::Open(options_in(directory)).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_THAT(std::string(status.message()), HasSubstr(std::string(directory) + "/log"));
    EXPECT_THAT(std::string(status.message()), HasSubstr("Stop that process"));
    return;
  }
  TempDirectory directory;
  absl::StatusOr<std::unique_ptr<RocksCommitLog>> log =
      RocksCommitLog::Open(options_in(directory.path()));
  ASSERT_TRUE(log.ok()) << log.status();
  char self[4096] = {};
  ASSERT_GT(readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
  const std::string command =
      fmt::format("RETRACE_SECOND_PROCESS='{}' '{}' --gtest_filter='*.RefusesASecondProcess'",
                  directory.path(), self);
  const int result = std::system(command.c_str());
  EXPECT_TRUE(WIFEXITED(result) && WEXITSTATUS(result) == 0) << command;
}

TEST_F(RocksCommitLogTest, RefusesOneDirectoryForBoth) {
  RocksCommitLogOptions options = LogOptions(env_.env());
  options.witness_directory = "/disk//log/";
  EXPECT_EQ(RocksCommitLog::Open(options).status().code(), absl::StatusCode::kInvalidArgument);
  options = LogOptions(env_.env());
  options.on_failure = nullptr;
  EXPECT_EQ(RocksCommitLog::Open(options).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(RocksCommitLogTest, SaysWhichFileIsMissing) {
  MakeLog(3);
  MustOpen().reset();  // moves the commits into a table file
  for (const std::string ending : {".sst", "CURRENT", ".log"}) {
    std::unique_ptr<FaultEnv> disk = env_.AfterPowerCut(FaultEnv::Unsynced::kKept, 0);
    const std::string file =
        ending == "CURRENT" ? std::string(kLogDirectory) + "/CURRENT" : LogFile(ending);
    disk->Remove(file);
    const absl::Status status = RocksCommitLog::Open(LogOptions(disk->env())).status();
    if (ending == ".log" && status.ok()) continue;  // an empty write-ahead log is no loss
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(kLogDirectory));
    // RocksDB names a table by either of its endings.
    const std::string name = file.substr(file.rfind('/') + 1);
    EXPECT_THAT(std::string(status.message()), HasSubstr(name.substr(0, name.find('.'))));
    EXPECT_THAT(std::string(status.message()), HasSubstr("recover"));
  }
  for (const std::string& name : env_.Files(kLogDirectory)) {
    if (name.find("MANIFEST") == std::string::npos) continue;
    env_.Remove(std::string(kLogDirectory) + "/" + name);
    const absl::Status status = OpenError();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(name));
  }
}

TEST_F(RocksCommitLogTest, SaysWhatItMayNotRead) {
  MakeLog(3);
  env_.FailNth(FaultEnv::Operation::kRead, 1, "MANIFEST", "Permission denied");
  const absl::Status status = OpenError();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("MANIFEST"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("Check the owner and mode"));
  env_.FailNth(FaultEnv::Operation::kRead, 1, "witness", "Permission denied");
  EXPECT_THAT(std::string(OpenError().message()), HasSubstr("reading the head witness"));
}

TEST_F(RocksCommitLogTest, RefusesACommitThatNeedsANewerReader) {
  store::v1::Commit commit;
  commit.set_format(1);
  commit.set_minimum_reader(1);
  commit.set_tenant("acme");
  {
    std::unique_ptr<RocksCommitLog> log = MustOpen();
    ASSERT_EQ(AppendOne(*log, 7, commit.SerializeAsString()).outcome, AppendOutcome::kDurable);
  }
  commit.set_minimum_reader(9);
  {
    std::unique_ptr<RocksCommitLog> log = MustOpen();
    ASSERT_NE(log, nullptr);
    ASSERT_EQ(AppendOne(*log, 7, commit.SerializeAsString()).outcome, AppendOutcome::kDurable);
  }
  const absl::Status status = OpenError();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("tenant 7's commit 2 needs a reader of "
                                                       "format 9, this build has 1"));
}

// ---- Damage inside RocksDB ----

// The RocksDB of a closed log, for doing to it what only a broken disk or a bug would.
class OpenedRocks {
 public:
  explicit OpenedRocks(rocksdb::Env* env) {
    rocksdb::Options options;
    options.env = env;
    const std::vector<rocksdb::ColumnFamilyDescriptor> families = {{"default", options},
                                                                   {"batches", options}};
    rocksdb::DB* db = nullptr;
    const rocksdb::Status status =
        rocksdb::DB::Open(options, kLogDirectory, families, &handles_, &db);
    EXPECT_TRUE(status.ok()) << status.ToString();
    db_.reset(db);
  }
  ~OpenedRocks() {
    for (rocksdb::ColumnFamilyHandle* handle : handles_) delete handle;
  }
  std::string Get(int family, const std::string& key) {
    std::string value;
    EXPECT_TRUE(db_->Get({}, handles_[family], key, &value).ok()) << key;
    return value;
  }
  void Put(int family, const std::string& key, const std::string& value) {
    EXPECT_TRUE(db_->Put({}, handles_[family], key, value).ok());
  }
  void Delete(int family, const std::string& key) {
    EXPECT_TRUE(db_->Delete({}, handles_[family], key).ok());
  }

 private:
  std::unique_ptr<rocksdb::DB> db_;
  std::vector<rocksdb::ColumnFamilyHandle*> handles_;
};

// As README.md describes it, written down here once more.
std::string CommitKeyOf(TenantNumber tenant, Position position) {
  std::string key;
  for (int shift = 24; shift >= 0; shift -= 8) key += static_cast<char>(tenant >> shift);
  for (int shift = 56; shift >= 0; shift -= 8) key += static_cast<char>(position >> shift);
  return key;
}

TEST_F(RocksCommitLogTest, FindsARecordThatLiesAtAnothersPlace) {
  MakeLog(5);
  {
    OpenedRocks rocks(env_.env());
    rocks.Put(0, CommitKeyOf(1, 2), rocks.Get(0, CommitKeyOf(1, 4)));
  }
  std::unique_ptr<RocksCommitLog> log = MustOpen();
  ASSERT_NE(log, nullptr);
  for (const absl::Status& status : {log->Read(1, 0, kEverything).status(), log->Verify()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(status.message()),
                HasSubstr("tenant 1's commit 2 does not match its check sum"));
  }
  EXPECT_TRUE(log->Read(1, 2, kEverything).ok()) << "what lies behind it is sound";
}

TEST_F(RocksCommitLogTest, FindsAMissingCommit) {
  MakeLog(5);
  OpenedRocks(env_.env()).Delete(0, CommitKeyOf(1, 3));
  std::unique_ptr<RocksCommitLog> log = MustOpen();
  ASSERT_NE(log, nullptr);
  const absl::Status status = log->Read(1, 0, kEverything).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(status.message()), HasSubstr("tenant 1's commit 3 is missing"));
  EXPECT_EQ(log->Verify().code(), absl::StatusCode::kDataLoss);
}

TEST_F(RocksCommitLogTest, RefusesALastCommitThatIsNotTheWitnessedOne) {
  MakeLog(5);
  OpenedRocks(env_.env()).Delete(0, CommitKeyOf(1, 5));
  EXPECT_EQ(OpenError().code(), absl::StatusCode::kDataLoss) << "the batch record names it";
}

TEST_F(RocksCommitLogTest, RefusesDamagedRecordsOfItsOwn) {
  for (const std::string key : {"header", "batch0", "batch1"}) {
    FaultEnv env;
    {
      absl::StatusOr<std::unique_ptr<RocksCommitLog>> log =
          RocksCommitLog::Open(LogOptions(env.env()));
      for (int i = 0; i < 4; ++i) AppendOne(**log, 1, "x");
    }
    {
      OpenedRocks rocks(env.env());
      std::string value = rocks.Get(1, key);
      value.back() ^= 4;
      rocks.Put(1, key, value);
    }
    EXPECT_EQ(RocksCommitLog::Open(LogOptions(env.env())).status().code(),
              absl::StatusCode::kDataLoss)
        << key;
  }
}

TEST_F(RocksCommitLogTest, VerifyFindsAFlippedByteInATableFile) {
  MakeLog(200);
  MustOpen().reset();
  const std::string table = LogFile(".sst");
  const std::string sound = env_.Contents(table);
  ASSERT_GT(sound.size(), 1000u);
  for (size_t at = 3; at < sound.size(); at += sound.size() / 40) {
    std::string bytes = sound;
    bytes[at] ^= 0x10;
    env_.Overwrite(table, bytes);
    absl::StatusOr<std::unique_ptr<RocksCommitLog>> log =
        RocksCommitLog::Open(LogOptions(env_.env()));
    const absl::Status status = log.ok() ? (*log)->Verify() : log.status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << "byte " << at << ": " << status;
    log = absl::UnknownError("closed");
    env_.Overwrite(table, sound);
  }
  EXPECT_TRUE(MustOpen()->Verify().ok());
}

// ---- Fail-stop ----

TEST_F(RocksCommitLogTest, AFailedSyncStopsTheLogForGood) {
  for (const std::string part : {".log", "witness"}) {
    failures_ = 0;
    std::unique_ptr<RocksCommitLog> log = MustOpen();
    Append(*log);
    const Lease lease = *log->Acquire(1);
    env_.FailNth(FaultEnv::Operation::kSync, 1, part);
    const PendingCommit commit{1, lease.fence, lease.head.position, "unsure"};
    EXPECT_EQ(log->Append({&commit, 1})[0].outcome, AppendOutcome::kUnknown);
    EXPECT_TRUE(env_.Failed());
    EXPECT_EQ(failures_, 1);
    const uint64_t syncs = env_.Count(FaultEnv::Operation::kSync);
    const uint64_t writes = env_.Count(FaultEnv::Operation::kWrite);
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(log->Append({&commit, 1})[0].outcome, AppendOutcome::kUnknown);
    }
    EXPECT_EQ(log->Acquire(1).status().code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(failures_, 1) << "called once";
    EXPECT_EQ(env_.Count(FaultEnv::Operation::kSync), syncs) << "a second sync may lie";
    EXPECT_EQ(env_.Count(FaultEnv::Operation::kWrite), writes);
    EXPECT_EQ(log->HeadOf(1)->position, lease.head.position) << "not shown";
    log.reset();
    appended_ = static_cast<int>(AllCommits(*MustOpen(), 1).size());
  }
}

TEST_F(RocksCommitLogTest, AFailedFlushStopsTheLog) {
  std::unique_ptr<RocksCommitLog> log = MustOpen();
  Append(*log);
  env_.FailNth(FaultEnv::Operation::kSync, 1, ".sst");
  EXPECT_FALSE(log->Checkpoint("/disk/copy").ok());
  ASSERT_TRUE(env_.Failed());
  EXPECT_EQ(AppendOne(*log, 1, "x").outcome, AppendOutcome::kUnknown);
  EXPECT_EQ(failures_, 1);
  log.reset();
  EXPECT_THAT(AllCommits(*MustOpen(), 1), SizeIs(1));
}

TEST_F(RocksCommitLogTest, AFullDiskStopsTheLog) {
  std::unique_ptr<RocksCommitLog> log = MustOpen();
  Append(*log);
  env_.FillDiskAtNth(FaultEnv::Operation::kWrite, 1, ".log");
  EXPECT_EQ(AppendOne(*log, 1, "x").outcome, AppendOutcome::kUnknown);
  EXPECT_EQ(AppendOne(*log, 1, "x").outcome, AppendOutcome::kUnknown) << "no recovery by itself";
  EXPECT_EQ(failures_, 1);
}

// ---- Copies ----

TEST_F(RocksCommitLogTest, CheckpointIsWholeAndOpens) {
  std::unique_ptr<RocksCommitLog> log = MustOpen();
  for (int i = 0; i < 10; ++i) Append(*log);
  ASSERT_TRUE(log->Checkpoint("/backup/copy").ok());
  EXPECT_EQ(log->Checkpoint("/backup/copy").code(), absl::StatusCode::kAlreadyExists);
  Append(*log);
  RocksCommitLogOptions options = LogOptions(env_.env());
  options.directory = "/backup/copy";
  options.witness_directory = "/backup/witness";
  EXPECT_EQ(RocksCommitLog::Open(options).status().code(), absl::StatusCode::kFailedPrecondition)
      << "a copy is no log until it has an epoch and a witness of its own";
  ASSERT_TRUE(RocksCommitLog::BeginEpoch(options).ok());
  absl::StatusOr<std::unique_ptr<RocksCommitLog>> copy = RocksCommitLog::Open(options);
  ASSERT_TRUE(copy.ok()) << copy.status();
  EXPECT_THAT(AllCommits(**copy, 1), SizeIs(10));
  EXPECT_TRUE((*copy)->Verify().ok());
}

}  // namespace
}  // namespace retrace::eventstore
