// The head witness: when a log opens, when it is refused, and how loss is accepted.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "eventstore/rocks_commit_log.h"
#include "eventstore/witness.h"
#include "fmt/format.h"
#include "tests/eventstore/rocks_log_test.h"

namespace retrace::eventstore {
namespace {

using ::retrace::testing::FaultEnv;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

using HeadWitnessTest = RocksCommitLogTest;

TEST_F(HeadWitnessTest, OpensWhenTheLogIsOneGroupAheadAndMendsTheWitness) {
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

TEST_F(HeadWitnessTest, RefusesWhenTheLogIsTwoGroupsAhead) {
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

TEST_F(HeadWitnessTest, RefusesAnOlderCopyOfTheLogAndSaysWhatToDo) {
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

TEST_F(HeadWitnessTest, RefusesALogWithCommitsWithoutAWitness) {
  MakeLog(1);
  env_.Remove(witness_);
  const absl::Status status = OpenError();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("is missing"));
}

TEST_F(HeadWitnessTest, OpensALogWithoutCommitsWithoutAWitness) {
  MakeLog(0);
  env_.Remove(witness_);
  EXPECT_NE(MustOpen(), nullptr) << "a crash while the log was made";
}

TEST_F(HeadWitnessTest, RefusesAWitnessWithoutALog) {
  MakeLog(2);
  for (const std::string& name : env_.Files(kLogDirectory)) {
    env_.Remove(std::string(kLogDirectory) + "/" + name);
  }
  const absl::Status status = OpenError();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("there is no commit log in /disk/log"));
  EXPECT_THAT(std::string(status.message()), HasSubstr("batch 2"));
}

TEST_F(HeadWitnessTest, RefusesTheWitnessOfAnotherLog) {
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

TEST_F(HeadWitnessTest, RefusesAWitnessWithoutAReadableSlot) {
  MakeLog(3);
  SetWitness(std::string(WitnessBytes().size(), '\xff'));
  const absl::Status status = OpenError();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("neither of its slots"));
}

TEST_F(HeadWitnessTest, OpensWithATornSlotWhenTheOtherIsOneGroupBehind) {
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

TEST_F(HeadWitnessTest, ASlotCopiedOverTheOtherIsNotBelieved) {
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

TEST_F(HeadWitnessTest, AGroupOfMoreTenantsThanFitIntoASlotIsWitnessed) {
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

TEST_F(HeadWitnessTest, NothingIsVisibleBeforeItIsWitnessed) {
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

TEST_F(HeadWitnessTest, AcceptLossGoesOnInANewEpoch) {
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
  absl::StatusOr<std::optional<WitnessDifference>> accepted =
      RocksCommitLog::AcceptLoss(LogOptions(old->env()));
  ASSERT_TRUE(accepted.ok()) << accepted.status();
  ASSERT_TRUE(accepted->has_value());
  EXPECT_EQ((*accepted)->log_batch, 4u);
  EXPECT_EQ((*accepted)->witness_batch, 6u);
  EXPECT_THAT((*accepted)->description, HasSubstr("batch 6"));
  for (int round = 0; round < 2; ++round) {
    absl::StatusOr<std::unique_ptr<RocksCommitLog>> log =
        RocksCommitLog::Open(LogOptions(old->env()));
    ASSERT_TRUE(log.ok()) << log.status();
    EXPECT_NE((*log)->epoch(), epoch);
    EXPECT_EQ((*log)->HeadOf(1)->position, 4u + round);
    EXPECT_EQ(AppendOne(**log, 1, "after the loss").outcome, AppendOutcome::kDurable);
  }
  accepted = RocksCommitLog::AcceptLoss(LogOptions(old->env()));
  ASSERT_TRUE(accepted.ok()) << accepted.status();
  EXPECT_FALSE(accepted->has_value()) << "there is nothing more to accept";
}

TEST_F(HeadWitnessTest, AcceptLossSurvivesACrashAtAnyPoint) {
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
    absl::StatusOr<std::optional<WitnessDifference>> again =
        RocksCommitLog::AcceptLoss(LogOptions(disk));
    ASSERT_TRUE(again.ok() && again->has_value())
        << "crash before change " << i + 1 << ": " << again.status();
    absl::StatusOr<std::unique_ptr<RocksCommitLog>> log = RocksCommitLog::Open(LogOptions(disk));
    ASSERT_TRUE(log.ok()) << log.status();
    EXPECT_THAT(AllCommits(**log, 1), SizeIs(4));
  }
}

TEST_F(HeadWitnessTest, AcceptLossNeedsALog) {
  EXPECT_EQ(RocksCommitLog::AcceptLoss(LogOptions(env_.env())).status().code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(env_.env()->FileExists(kLogDirectory).IsNotFound());
  EXPECT_NE(MustOpen(), nullptr) << "nothing was made that stands in the way";
}

TEST_F(HeadWitnessTest, BeginEpochKeepsTheCommits) {
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

TEST_F(HeadWitnessTest, EveryLogHasItsOwnEpoch) {
  FaultEnv other;
  absl::StatusOr<std::unique_ptr<RocksCommitLog>> log =
      RocksCommitLog::Open(LogOptions(other.env()));
  ASSERT_TRUE(log.ok());
  EXPECT_NE((*log)->epoch(), MustOpen()->epoch());
}

}  // namespace
}  // namespace retrace::eventstore
