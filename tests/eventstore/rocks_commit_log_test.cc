// What the log on RocksDB promises beyond the contract: the witness, epochs, locks, fail-stop.
#include "eventstore/rocks_commit_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "eventstore/witness.h"
#include "fmt/format.h"
#include "retrace/store/v1/commit.pb.h"
#include "rocksdb/db.h"
#include "tests/eventstore/log_fixture.h"
#include "tests/support/fault_env.h"
#include "tests/support/temp_directory.h"

namespace retrace::eventstore {
namespace {

using ::retrace::testing::FaultEnv;
using ::retrace::testing::TempDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class RocksCommitLogTest : public ::testing::Test {
 protected:
  std::unique_ptr<RocksCommitLog> MustOpen() {
    absl::StatusOr<std::unique_ptr<RocksCommitLog>> log =
        RocksCommitLog::Open(LogOptions(env_.env(), &failures_));
    EXPECT_TRUE(log.ok()) << log.status();
    return log.ok() ? *std::move(log) : nullptr;
  }
  absl::Status OpenError() { return RocksCommitLog::Open(LogOptions(env_.env())).status(); }
  // A log with `commits` groups of one commit each, closed.
  void MakeLog(int commits) {
    std::unique_ptr<RocksCommitLog> log = MustOpen();
    for (int i = 0; i < commits; ++i) Append(*log);
  }
  void Append(RocksCommitLog& log) {
    ASSERT_EQ(AppendOne(log, 1, fmt::format("commit {}", ++appended_)).outcome,
              AppendOutcome::kDurable);
  }
  std::string WitnessBytes() { return env_.Contents(witness_); }
  void SetWitness(std::string bytes) { env_.Overwrite(witness_, std::move(bytes)); }
  // The name of the one file in the log's directory that ends like this.
  std::string LogFile(const std::string& ending) {
    std::string found;
    for (const std::string& name : env_.Files(kLogDirectory)) {
      if (name.size() > ending.size() && name.substr(name.size() - ending.size()) == ending) {
        found = std::string(kLogDirectory) + "/" + name;
      }
    }
    EXPECT_NE(found, "") << "no file " << ending;
    return found;
  }

  FaultEnv env_;
  int failures_ = 0;
  int appended_ = 0;
  const std::string witness_ = WitnessPath(kWitnessDirectory);
};

// ---- Witness ----

TEST_F(RocksCommitLogTest, OpensWhenTheLogIsOneGroupAheadAndMendsTheWitness) {
  MakeLog(4);
  const std::string behind = WitnessBytes();
  {
    std::unique_ptr<RocksCommitLog> log = MustOpen();
    Append(*log);
  }
  SetWitness(behind);
  for (int round = 0; round < 2; ++round) {
    std::unique_ptr<RocksCommitLog> log = MustOpen();
    ASSERT_NE(log, nullptr);
    EXPECT_EQ(log->HeadOf(1)->position, 5u);
  }
  absl::StatusOr<WitnessContents> mended = ReadWitness(env_.env(), kWitnessDirectory);
  ASSERT_TRUE(mended.ok() && mended->last.has_value());
  EXPECT_EQ(mended->last->number(), 5u);
}

TEST_F(RocksCommitLogTest, RefusesWhenTheLogIsTwoGroupsAhead) {
  MakeLog(4);
  const std::string behind = WitnessBytes();
  {
    std::unique_ptr<RocksCommitLog> log = MustOpen();
    Append(*log);
    Append(*log);
  }
  SetWitness(behind);
  EXPECT_EQ(OpenError().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(RocksCommitLogTest, RefusesAnOlderCopyOfTheLogAndSaysWhatToDo) {
  MakeLog(4);
  std::unique_ptr<FaultEnv> old = env_.AfterPowerCut(FaultEnv::Unsynced::kKept, 0);
  {
    std::unique_ptr<RocksCommitLog> log = MustOpen();
    Append(*log);
  }
  old->Overwrite(witness_, WitnessBytes());
  const absl::Status status = RocksCommitLog::Open(LogOptions(old->env())).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  const std::string text(status.message());
  EXPECT_THAT(text, HasSubstr(kLogDirectory));
  EXPECT_THAT(text, HasSubstr("batch 4"));
  EXPECT_THAT(text, HasSubstr(kWitnessDirectory));
  EXPECT_THAT(text, HasSubstr("batch 5"));
  EXPECT_THAT(text, HasSubstr("tenant 1 up to 5"));
  EXPECT_THAT(text, HasSubstr("retraced accept-loss"));
}

TEST_F(RocksCommitLogTest, RefusesALogWithCommitsWithoutAWitness) {
  MakeLog(1);
  env_.Remove(witness_);
  const absl::Status status = OpenError();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("is missing"));
}

TEST_F(RocksCommitLogTest, OpensALogWithoutCommitsWithoutAWitness) {
  MakeLog(0);
  env_.Remove(witness_);
  EXPECT_NE(MustOpen(), nullptr) << "a crash while the log was made";
}

TEST_F(RocksCommitLogTest, RefusesAWitnessWithoutALog) {
  MakeLog(2);
  for (const std::string& name : env_.Files(kLogDirectory)) {
    env_.Remove(std::string(kLogDirectory) + "/" + name);
  }
  const absl::Status status = OpenError();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("there is no commit log in /disk/log"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("batch 2"));
}

TEST_F(RocksCommitLogTest, RefusesTheWitnessOfAnotherLog) {
  MakeLog(3);
  FaultEnv other;
  {
    absl::StatusOr<std::unique_ptr<RocksCommitLog>> log =
        RocksCommitLog::Open(LogOptions(other.env()));
    for (int i = 0; i < 3; ++i) AppendOne(**log, 1, fmt::format("commit {}", i + 1));
  }
  SetWitness(other.Contents(witness_));
  EXPECT_EQ(OpenError().code(), absl::StatusCode::kFailedPrecondition) << "same bytes, other epoch";
}

TEST_F(RocksCommitLogTest, RefusesAWitnessWithoutAReadableSlot) {
  MakeLog(3);
  SetWitness(std::string(WitnessBytes().size(), '\xff'));
  const absl::Status status = OpenError();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("neither of its slots"));
}

TEST_F(RocksCommitLogTest, OpensWithATornSlotWhenTheOtherIsOneGroupBehind) {
  {
    std::unique_ptr<RocksCommitLog> log = MustOpen();
    for (int i = 0; i < 5; ++i) Append(*log);
  }
  // Batch 5 lies in slot 1, batch 4 in slot 0.
  std::string bytes = WitnessBytes();
  bytes[kWitnessSlotSize + 20] ^= 1;
  SetWitness(bytes);
  std::unique_ptr<RocksCommitLog> log = MustOpen();
  ASSERT_NE(log, nullptr);
  EXPECT_THAT(AllCommits(*log, 1), SizeIs(5));
  Append(*log);
}

TEST_F(RocksCommitLogTest, ASlotCopiedOverTheOtherIsNotBelieved) {
  {
    std::unique_ptr<RocksCommitLog> log = MustOpen();
    for (int i = 0; i < 5; ++i) Append(*log);
  }
  std::string bytes = WitnessBytes();
  bytes.replace(0, kWitnessSlotSize, bytes.substr(kWitnessSlotSize));
  SetWitness(bytes);
  absl::StatusOr<WitnessContents> read = ReadWitness(env_.env(), kWitnessDirectory);
  ASSERT_TRUE(read.ok());
  EXPECT_EQ(read->damaged_slots, 1);
  EXPECT_EQ(read->last->number(), 5u);
}

TEST_F(RocksCommitLogTest, AGroupOfMoreTenantsThanFitIntoASlotIsWitnessed) {
  constexpr TenantNumber kTenants = 4000;
  {
    std::unique_ptr<RocksCommitLog> log = MustOpen();
    std::vector<PendingCommit> commits;
    for (TenantNumber tenant = 1; tenant <= kTenants; ++tenant) {
      commits.push_back({tenant, log->Acquire(tenant)->fence, 0, "x"});
    }
    EXPECT_THAT(log->Append(commits), SizeIs(kTenants));
  }
  std::unique_ptr<RocksCommitLog> log = MustOpen();
  ASSERT_NE(log, nullptr);
  EXPECT_THAT(*log->Tenants(), SizeIs(kTenants));
}

TEST_F(RocksCommitLogTest, NothingIsVisibleBeforeItIsWitnessed) {
  std::unique_ptr<RocksCommitLog> log = MustOpen();
  Append(*log);
  const TailCursor cursor = log->Tail({})->next;
  int witness_writes = 0;
  env_.BeforeEachChange([&](uint64_t, FaultEnv::Operation operation, const std::string& path) {
    if (path != witness_) return;
    ++witness_writes;
    // Synced in RocksDB by now, so a read that did not hold back would see it.
    EXPECT_EQ(log->HeadOf(1)->position, 1u) << static_cast<int>(operation);
    EXPECT_THAT(AllCommits(*log, 1), SizeIs(1));
    EXPECT_THAT(log->Tail(cursor)->moved, IsEmpty());
    EXPECT_THAT(AllCommits(*log, 2), IsEmpty());
    EXPECT_THAT(*log->Tenants(), ElementsAre(1));
  });
  const std::vector<PendingCommit> commits = {{1, log->Acquire(1)->fence, 1, "second"},
                                              {2, log->Acquire(2)->fence, 0, "first of another"}};
  log->Append(commits);
  env_.BeforeEachChange(nullptr);
  EXPECT_EQ(witness_writes, 2) << "a write and a sync";
  EXPECT_THAT(AllCommits(*log, 1), SizeIs(2));
  EXPECT_THAT(AllCommits(*log, 2), SizeIs(1));
}

// ---- Accepting loss, epochs ----

TEST_F(RocksCommitLogTest, AcceptLossGoesOnInANewEpoch) {
  MakeLog(4);
  std::unique_ptr<FaultEnv> old = env_.AfterPowerCut(FaultEnv::Unsynced::kKept, 0);
  Epoch epoch = 0;
  {
    std::unique_ptr<RocksCommitLog> log = MustOpen();
    Append(*log);
    Append(*log);
    epoch = log->epoch();
  }
  old->Overwrite(witness_, WitnessBytes());
  absl::StatusOr<WitnessDifference> accepted = RocksCommitLog::AcceptLoss(LogOptions(old->env()));
  ASSERT_TRUE(accepted.ok()) << accepted.status();
  EXPECT_EQ(accepted->log_batch, 4u);
  EXPECT_EQ(accepted->witness_batch, 6u);
  EXPECT_THAT(accepted->description, HasSubstr("batch 6"));
  for (int round = 0; round < 2; ++round) {
    absl::StatusOr<std::unique_ptr<RocksCommitLog>> log =
        RocksCommitLog::Open(LogOptions(old->env()));
    ASSERT_TRUE(log.ok()) << log.status();
    EXPECT_NE((*log)->epoch(), epoch);
    EXPECT_EQ((*log)->HeadOf(1)->position, 4u + round);
    EXPECT_EQ(AppendOne(**log, 1, "after the loss").outcome, AppendOutcome::kDurable);
  }
  EXPECT_EQ(RocksCommitLog::AcceptLoss(LogOptions(old->env())).status().code(),
            absl::StatusCode::kFailedPrecondition)
      << "there is nothing more to accept";
}

TEST_F(RocksCommitLogTest, AcceptLossSurvivesACrashAtAnyPoint) {
  MakeLog(4);
  std::unique_ptr<FaultEnv> old = env_.AfterPowerCut(FaultEnv::Unsynced::kKept, 0);
  {
    std::unique_ptr<RocksCommitLog> log = MustOpen();
    Append(*log);
  }
  old->Overwrite(witness_, WitnessBytes());
  std::vector<std::unique_ptr<FaultEnv>> disks;
  old->BeforeEachChange([&](uint64_t number, FaultEnv::Operation, const std::string&) {
    disks.push_back(old->AfterPowerCut(
        number % 2 == 0 ? FaultEnv::Unsynced::kTorn : FaultEnv::Unsynced::kDropped, number));
  });
  ASSERT_TRUE(RocksCommitLog::AcceptLoss(LogOptions(old->env())).ok());
  ASSERT_GT(disks.size(), 5u);
  for (size_t i = 0; i < disks.size(); ++i) {
    rocksdb::Env* disk = disks[i]->env();
    if (RocksCommitLog::Open(LogOptions(disk)).ok()) continue;  // it was done
    absl::StatusOr<WitnessDifference> again = RocksCommitLog::AcceptLoss(LogOptions(disk));
    ASSERT_TRUE(again.ok()) << "crash before change " << i + 1 << ": " << again.status();
    absl::StatusOr<std::unique_ptr<RocksCommitLog>> log = RocksCommitLog::Open(LogOptions(disk));
    ASSERT_TRUE(log.ok()) << log.status();
    EXPECT_THAT(AllCommits(**log, 1), SizeIs(4));
  }
}

TEST_F(RocksCommitLogTest, AcceptLossNeedsALog) {
  EXPECT_EQ(RocksCommitLog::AcceptLoss(LogOptions(env_.env())).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(MustOpen(), nullptr) << "nothing was made that stands in the way";
}

TEST_F(RocksCommitLogTest, BeginEpochKeepsTheCommits) {
  MakeLog(3);
  const Epoch before = MustOpen()->epoch();
  absl::StatusOr<Epoch> epoch = RocksCommitLog::BeginEpoch(LogOptions(env_.env()));
  ASSERT_TRUE(epoch.ok()) << epoch.status();
  EXPECT_NE(*epoch, before);
  std::unique_ptr<RocksCommitLog> log = MustOpen();
  EXPECT_EQ(log->epoch(), *epoch);
  EXPECT_THAT(AllCommits(*log, 1), SizeIs(3));
  Append(*log);
}

TEST_F(RocksCommitLogTest, EveryLogHasItsOwnEpoch) {
  FaultEnv other;
  absl::StatusOr<std::unique_ptr<RocksCommitLog>> log =
      RocksCommitLog::Open(LogOptions(other.env()));
  ASSERT_TRUE(log.ok());
  EXPECT_NE((*log)->epoch(), MustOpen()->epoch());
}

// ---- Refusals ----

TEST_F(RocksCommitLogTest, RefusesASecondOpen) {
  std::unique_ptr<RocksCommitLog> log = MustOpen();
  const absl::Status status = OpenError();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr(kLogDirectory));
  EXPECT_THAT(std::string(status.message()), HasSubstr("another process has it open"));
  log.reset();
  EXPECT_NE(MustOpen(), nullptr);
}

// Run by the next test in a process of its own.
TEST(AnotherProcess, DISABLED_IsRefused) {
  RocksCommitLogOptions options = LogOptions(nullptr);
  const char* directory = std::getenv("RETRACE_TEST_DIRECTORY");
  ASSERT_NE(directory, nullptr);
  options.directory = std::string(directory) + "/log";
  options.witness_directory = std::string(directory) + "/witness";
  const absl::Status status = RocksCommitLog::Open(options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr(options.directory));
  EXPECT_THAT(std::string(status.message()), HasSubstr("Stop that process"));
}

TEST(RocksCommitLogOnDiskTest, RefusesASecondProcess) {
  TempDirectory directory;
  RocksCommitLogOptions options = LogOptions(nullptr);
  options.directory = directory.Below("log");
  options.witness_directory = directory.Below("witness");
  absl::StatusOr<std::unique_ptr<RocksCommitLog>> log = RocksCommitLog::Open(options);
  ASSERT_TRUE(log.ok()) << log.status();
  char self[4096] = {};
  ASSERT_GT(readlink("/proc/self/exe", self, sizeof(self) - 1), 0);
  const std::string command =
      fmt::format("RETRACE_TEST_DIRECTORY='{}' '{}' --gtest_also_run_disabled_tests "
                  "--gtest_filter=AnotherProcess.DISABLED_IsRefused",
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
    const std::string file = ending == "CURRENT" ? std::string(kLogDirectory) + "/CURRENT"
                                                 : LogFile(ending);
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
  for (const absl::Status& status :
       {log->Read(1, 0, kEverything).status(), log->Verify()}) {
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
