// The log against power cuts at every moment, failing operations, flipped bits and cut tails.
//
// Set RETRACE_SEED to repeat a failure, RETRACE_CRASH_ROUNDS for more than the few rounds of every
// commit's test run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "eventstore/rocks_commit_log.h"
#include "eventstore/witness.h"
#include "fmt/format.h"
#include "tests/eventstore/log_fixture.h"
#include "tests/support/fault_env.h"

namespace retrace::eventstore {
namespace {

using ::retrace::testing::FaultEnv;
using Operation = FaultEnv::Operation;
using Unsynced = FaultEnv::Unsynced;
using Random = std::mt19937_64;

int Rounds(int by_default) {
  const char* given = std::getenv("RETRACE_CRASH_ROUNDS");
  return given != nullptr ? std::atoi(given) : by_default;
}

// What clients know: all that was handed to Append, in order, and how much of it was acknowledged.
// It lies outside the disk that crashes.
struct Ledger {
  struct Tenant {
    std::vector<std::string> submitted;
    size_t acknowledged = 0;
  };
  std::map<TenantNumber, Tenant> tenants;
};

// Appends random groups until `groups` are done or the log fails.
class Workload {
 public:
  Workload(uint64_t seed, FaultEnv& env) : random_(seed), env_(env) {}

  absl::Status Open() {
    log_.reset();
    absl::StatusOr<std::unique_ptr<RocksCommitLog>> log =
        RocksCommitLog::Open(LogOptions(env_.env(), &failures_));
    if (!log.ok()) return log.status();
    log_ = *std::move(log);
    return absl::OkStatus();
  }

  // False when the log failed.
  bool AppendGroup() {
    struct Share {
      Lease lease;
      std::vector<std::string> bytes;
    };
    std::map<TenantNumber, Share> shares;
    for (size_t i = 1 + random_() % 4; i > 0; --i) {
      shares[random_() % 3].bytes.push_back(
          fmt::format("{:08}{}", next_++, std::string(random_() % 300, 'x')));
    }
    std::vector<PendingCommit> commits;
    for (auto& [tenant, share] : shares) {
      absl::StatusOr<Lease> lease = log_->Acquire(tenant);
      if (!lease.ok()) return false;
      share.lease = *lease;
    }
    {
      std::lock_guard lock(mutex_);
      for (auto& [tenant, share] : shares) {
        std::vector<std::string>& submitted = ledger_.tenants[tenant].submitted;
        // An earlier unknown group that turned out not to be there is forgotten.
        submitted.resize(share.lease.head.position);
        for (size_t i = 0; i < share.bytes.size(); ++i) {
          submitted.push_back(share.bytes[i]);
          commits.push_back(
              {tenant, share.lease.fence, share.lease.head.position + i, share.bytes[i]});
        }
      }
    }
    const std::vector<TenantAppend> results = log_->Append(commits);
    std::lock_guard lock(mutex_);
    for (const TenantAppend& result : results) {
      if (result.outcome != AppendOutcome::kDurable) return false;
      Ledger::Tenant& tenant = ledger_.tenants[result.tenant];
      EXPECT_EQ(result.head.position, tenant.submitted.size());
      tenant.acknowledged = tenant.submitted.size();
    }
    return true;
  }

  Ledger ledger() const {
    std::lock_guard lock(mutex_);
    return ledger_;
  }
  RocksCommitLog* log() { return log_.get(); }
  void Close() { log_.reset(); }
  int failures() const { return failures_; }

 private:
  Random random_;
  FaultEnv& env_;
  std::unique_ptr<RocksCommitLog> log_;
  int failures_ = 0;
  int next_ = 0;
  mutable std::mutex mutex_;
  Ledger ledger_;
};

// Everything acknowledged is there; what is there was submitted, in order, without holes.
void ExpectHolds(const CommitLog& log, const Ledger& ledger) {
  for (const auto& [tenant, expected] : ledger.tenants) {
    const std::vector<std::string> found = AllCommits(log, tenant);
    ASSERT_GE(found.size(), expected.acknowledged) << "lost acknowledged commits of " << tenant;
    ASSERT_LE(found.size(), expected.submitted.size());
    for (size_t i = 0; i < found.size(); ++i) {
      ASSERT_EQ(found[i], expected.submitted[i]) << "tenant " << tenant << " position " << i + 1;
    }
  }
}

// A disk after a power cut, and what clients knew then.
struct Cut {
  uint64_t change = 0;
  Unsynced unsynced = Unsynced::kDropped;
  std::unique_ptr<FaultEnv> disk;
  Ledger ledger;
};

void ExpectSurvives(Cut& cut) {
  SCOPED_TRACE(fmt::format("power cut before change {}, unsynced data policy {}", cut.change,
                           static_cast<int>(cut.unsynced)));
  // Twice: recovery must not undo itself. And the log must go on.
  for (int round = 0; round < 2; ++round) {
    absl::StatusOr<std::unique_ptr<RocksCommitLog>> log =
        RocksCommitLog::Open(LogOptions(cut.disk->env()));
    ASSERT_TRUE(log.ok()) << log.status();
    ASSERT_NO_FATAL_FAILURE(ExpectHolds(**log, cut.ledger));
    if (round == 0) continue;
    EXPECT_EQ((*log)->Verify(), absl::OkStatus());
    EXPECT_EQ(AppendOne(**log, 1, "goes on").outcome, AppendOutcome::kDurable);
  }
}

// P-CUT and P-SIM of reference tests: the disk is looked at before each change of a run that
// includes making the log, restarts, flushes and a checkpoint.
TEST(LogPowerCutTest, LosesNothingAcknowledged) {
  const uint64_t first_seed = TestSeed();
  for (int round = 0; round < Rounds(3); ++round) {
    const uint64_t seed = first_seed + round;
    SCOPED_TRACE(fmt::format("RETRACE_SEED={}", seed));
    FaultEnv env;
    Workload workload(seed, env);
    std::vector<Cut> cuts;
    std::mutex cuts_mutex;  // flushes change the disk from RocksDB's threads
    env.BeforeEachChange([&](uint64_t change, Operation, const std::string&) {
      const Unsynced unsynced = static_cast<Unsynced>((seed + change) % 4);
      // RocksDB's threads come here, too, while appends go on: what was acknowledged before is on
      // the disk, what was submitted after it may be.
      const Ledger before = workload.ledger();
      Cut cut{change, unsynced, env.AfterPowerCut(unsynced, seed ^ change), workload.ledger()};
      for (auto& [tenant, known] : cut.ledger.tenants) {
        const auto earlier = before.tenants.find(tenant);
        known.acknowledged = earlier == before.tenants.end() ? 0 : earlier->second.acknowledged;
      }
      std::lock_guard lock(cuts_mutex);
      cuts.push_back(std::move(cut));
    });
    for (int restart = 0; restart < 3; ++restart) {
      ASSERT_EQ(workload.Open(), absl::OkStatus());
      for (int group = 0; group < 8; ++group) ASSERT_TRUE(workload.AppendGroup());
      if (restart == 1) {
        ASSERT_EQ(workload.log()->Checkpoint("/disk/copy"), absl::OkStatus());
      }
    }
    env.BeforeEachChange(nullptr);
    workload.Close();
    ASSERT_GT(cuts.size(), 150u);
    for (Cut& cut : cuts) {
      ASSERT_NO_FATAL_FAILURE(ExpectSurvives(cut));
      cut.disk.reset();
    }
  }
}

// A second crash while recovering from the first.
TEST(LogPowerCutTest, SurvivesACutDuringRecovery) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(fmt::format("RETRACE_SEED={}", seed));
  FaultEnv env;
  Workload workload(seed, env);
  ASSERT_EQ(workload.Open(), absl::OkStatus());
  for (int group = 0; group < 10; ++group) ASSERT_TRUE(workload.AppendGroup());
  std::unique_ptr<FaultEnv> disk = env.AfterPowerCut(Unsynced::kTorn, seed);
  std::vector<Cut> cuts;
  disk->BeforeEachChange([&](uint64_t change, Operation, const std::string&) {
    const Unsynced unsynced = static_cast<Unsynced>(change % 4);
    cuts.push_back(
        {change, unsynced, disk->AfterPowerCut(unsynced, seed ^ change), workload.ledger()});
  });
  ASSERT_TRUE(RocksCommitLog::Open(LogOptions(disk->env())).ok());
  disk->BeforeEachChange(nullptr);
  ASSERT_GT(cuts.size(), 20u);
  for (Cut& cut : cuts) ASSERT_NO_FATAL_FAILURE(ExpectSurvives(cut));
}

// P-EIO: the nth operation of a kind fails, for n = 1, 2, ... until a run meets no failure. After a
// failure nothing is acknowledged; what was acknowledged survives a restart of the process (the
// page cache lives) and a power cut (what the failed sync lost is gone).
class LogFaultTest : public ::testing::TestWithParam<Operation> {};

TEST_P(LogFaultTest, AcknowledgesNothingAfterAFailure) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(fmt::format("RETRACE_SEED={}", seed));
  int met = 0;
  for (uint64_t n = 1; n < 400; ++n) {
    SCOPED_TRACE(fmt::format("failure {}", n));
    FaultEnv env;
    Workload workload(seed, env);
    env.FailNth(GetParam(), n);
    if (workload.Open().ok()) {
      bool sound = true;
      for (int group = 0; group < 6; ++group) {
        const bool appended = workload.AppendGroup();
        ASSERT_TRUE(sound || !appended) << "acknowledged after a failure";
        sound = appended;
        if (group == 3 && sound) workload.log()->Checkpoint("/disk/copy").IgnoreError();
      }
      EXPECT_EQ(workload.failures(), sound ? 0 : 1);
    }
    const bool failed = env.Failed();
    env.Heal();
    std::unique_ptr<FaultEnv> disk = env.AfterPowerCut(Unsynced::kDropped, seed);
    workload.Close();
    // A log that failed while it was made can be made again.
    ASSERT_EQ(workload.Open(), absl::OkStatus());
    ASSERT_NO_FATAL_FAILURE(ExpectHolds(*workload.log(), workload.ledger()));
    ASSERT_TRUE(workload.AppendGroup());
    ASSERT_TRUE(workload.AppendGroup());
    const Ledger ledger = workload.ledger();
    std::unique_ptr<FaultEnv> later = env.AfterPowerCut(Unsynced::kDropped, seed);
    absl::StatusOr<std::unique_ptr<RocksCommitLog>> log =
        RocksCommitLog::Open(LogOptions(later->env()));
    ASSERT_TRUE(log.ok()) << log.status();
    ASSERT_NO_FATAL_FAILURE(ExpectHolds(**log, ledger));
    log = RocksCommitLog::Open(LogOptions(disk->env()));
    ASSERT_TRUE(log.ok()) << log.status();
    if (!failed) {
      EXPECT_GT(met, 0) << "no operation of this kind was ever met";
      return;
    }
    ++met;
  }
  FAIL() << "the failures never ended";
}

std::string NameOf(const ::testing::TestParamInfo<Operation>& operation) {
  constexpr const char* kNames[] = {"Write", "Sync", "DirectorySync", "Create", "Rename"};
  return kNames[static_cast<int>(operation.param)];
}

INSTANTIATE_TEST_SUITE_P(Every, LogFaultTest,
                         ::testing::Values(Operation::kWrite, Operation::kSync,
                                           Operation::kDirectorySync, Operation::kCreate,
                                           Operation::kRename),
                         NameOf);

// ---- Damage to the write-ahead log (the matrix of reliability reference 2.3) ----

class LogDamageTest : public ::testing::Test {
 protected:
  LogDamageTest() : workload_(seed_, env_) {
    EXPECT_EQ(workload_.Open(), absl::OkStatus());
    for (int group = 0; group < 40; ++group) EXPECT_TRUE(workload_.AppendGroup());
    disk_ = env_.AfterPowerCut(Unsynced::kDropped, seed_);
    for (const std::string& name : disk_->Files(kLogDirectory)) {
      const std::string path = std::string(kLogDirectory) + "/" + name;
      if (name.size() > 4 && name.substr(name.size() - 4) == ".log" &&
          disk_->Contents(path).size() > wal_bytes_.size()) {
        wal_ = path;
        wal_bytes_ = disk_->Contents(path);
      }
    }
    EXPECT_GT(wal_bytes_.size(), 5000u);
  }
  // A fresh copy of the disk with this write-ahead log.
  std::unique_ptr<FaultEnv> With(const std::string& wal) {
    std::unique_ptr<FaultEnv> disk = disk_->AfterPowerCut(Unsynced::kKept, 0);
    disk->Overwrite(wal_, wal);
    return disk;
  }
  // The log either refuses to open or holds all that was acknowledged; true if it opened.
  bool OpensWhole(FaultEnv& disk) {
    absl::StatusOr<std::unique_ptr<RocksCommitLog>> log =
        RocksCommitLog::Open(LogOptions(disk.env()));
    if (log.ok()) {
      ExpectHolds(**log, workload_.ledger());
    } else {
      EXPECT_TRUE(absl::IsDataLoss(log.status()) || absl::IsFailedPrecondition(log.status()))
          << log.status();
      EXPECT_THAT(std::string(log.status().message()), ::testing::HasSubstr(kLogDirectory));
      EXPECT_THAT(std::string(log.status().message()), ::testing::HasSubstr("retraced"));
    }
    return log.ok();
  }

  const uint64_t seed_ = TestSeed();
  Random random_{seed_};
  ::testing::ScopedTrace trace_{__FILE__, __LINE__, fmt::format("RETRACE_SEED={}", seed_)};
  FaultEnv env_;
  Workload workload_;
  std::unique_ptr<FaultEnv> disk_;
  std::string wal_;
  std::string wal_bytes_;
};

TEST_F(LogDamageTest, AnUndamagedLogOpens) { EXPECT_TRUE(OpensWhole(*With(wal_bytes_))); }

TEST_F(LogDamageTest, AFlippedBitIsRefused) {
  int opened = 0;
  const int rounds = Rounds(120);
  for (int round = 0; round < rounds; ++round) {
    std::string bytes = wal_bytes_;
    const size_t at = random_() % bytes.size();
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << random_() % 8));
    SCOPED_TRACE(fmt::format("byte {} of {}", at, bytes.size()));
    opened += OpensWhole(*With(bytes)) ? 1 : 0;
    ASSERT_FALSE(HasFailure());
  }
  // Padding at the end of a block is the only place that carries nothing.
  EXPECT_LE(opened, rounds / 20);
}

TEST_F(LogDamageTest, AFlippedBitInTheLastRecordIsRefused) {
  for (int round = 0; round < 20; ++round) {
    std::string bytes = wal_bytes_;
    bytes[bytes.size() - 1 - random_() % 40] ^= 0x20;
    EXPECT_FALSE(OpensWhole(*With(bytes)));
  }
}

TEST_F(LogDamageTest, ACutTailIsRefused) {
  for (int round = 0; round < Rounds(60); ++round) {
    // A cut within the last record leaves a torn group that was acknowledged: seen by the witness,
    // too.
    const size_t size = random_() % wal_bytes_.size();
    SCOPED_TRACE(fmt::format("cut to {} of {}", size, wal_bytes_.size()));
    EXPECT_FALSE(OpensWhole(*With(wal_bytes_.substr(0, size))));
    ASSERT_FALSE(HasFailure());
  }
}

TEST_F(LogDamageTest, AMissingWriteAheadLogIsRefused) {
  std::unique_ptr<FaultEnv> disk = With(wal_bytes_);
  disk->Remove(wal_);
  EXPECT_FALSE(OpensWhole(*disk));
}

// Two write-ahead logs are alive while a flush is under way; each may have a torn end for RocksDB,
// so only the manifest can say how long the older one must be.
TEST(OlderLogTest, AShortenedOlderWriteAheadLogIsRefused) {
  FaultEnv env;
  std::mutex mutex;
  std::unique_lock held(mutex);
  env.BeforeEachChange([&](uint64_t, Operation operation, const std::string& path) {
    if (operation != Operation::kCreate || path.find(".sst") == std::string::npos) return;
    std::lock_guard wait(mutex);
  });
  absl::StatusOr<std::unique_ptr<RocksCommitLog>> log = RocksCommitLog::Open(LogOptions(env.env()));
  ASSERT_TRUE(log.ok()) << log.status();
  for (int i = 0; i < 36; ++i) {
    ASSERT_EQ(AppendOne(**log, 1, std::string(1 << 20, 'x')).outcome, AppendOutcome::kDurable);
  }
  const std::unique_ptr<FaultEnv> disk = env.AfterPowerCut(Unsynced::kDropped, 0);
  held.unlock();
  log = absl::UnknownError("closed");
  std::vector<std::string> logs;
  for (const std::string& name : disk->Files(kLogDirectory)) {
    ASSERT_EQ(name.find(".sst"), std::string::npos) << "flushed too early";
    if (name.find(".log") != std::string::npos) {
      logs.push_back(std::string(kLogDirectory) + "/" + name);
    }
  }
  ASSERT_EQ(logs.size(), 2u);
  const std::string older = disk->Contents(logs[0]);
  ASSERT_GT(older.size(), disk->Contents(logs[1]).size());
  const std::unique_ptr<FaultEnv> cut = disk->AfterPowerCut(Unsynced::kKept, 0);
  cut->Overwrite(logs[0], older.substr(0, older.size() / 2));
  const absl::Status status = RocksCommitLog::Open(LogOptions(cut->env())).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  absl::StatusOr<std::unique_ptr<RocksCommitLog>> whole =
      RocksCommitLog::Open(LogOptions(disk->env()));
  ASSERT_TRUE(whole.ok()) << whole.status();
  EXPECT_EQ(AllCommits(**whole, 1).size(), 36u);
}

TEST_F(LogDamageTest, ATornOrRandomEndThatNobodyWasToldOfOpens) {
  for (int round = 0; round < 30; ++round) {
    std::string bytes = wal_bytes_;
    // The beginning of another record, random bytes, zeros.
    if (round % 3 == 0) {
      bytes += wal_bytes_.substr(0, 1 + random_() % 60);
    } else {
      for (size_t i = 1 + random_() % 200; i > 0; --i) {
        bytes += round % 3 == 1 ? static_cast<char>(random_()) : '\0';
      }
    }
    EXPECT_TRUE(OpensWhole(*With(bytes)));
    ASSERT_FALSE(HasFailure());
  }
}

TEST_F(LogDamageTest, AWholeGroupThatNobodyWasToldOfMayBeRotten) {
  const std::string witness = WitnessPath(kWitnessDirectory);
  ASSERT_TRUE(workload_.AppendGroup());
  const std::string longer = env_.Contents(wal_);
  ASSERT_GT(longer.size(), wal_bytes_.size());
  for (size_t at = wal_bytes_.size(); at < longer.size(); at += 7) {
    std::string bytes = longer;
    bytes[at] ^= 8;
    std::unique_ptr<FaultEnv> told = With(bytes);
    told->Overwrite(witness, env_.Contents(witness));
    EXPECT_FALSE(OpensWhole(*told)) << "acknowledged, byte " << at;
    std::unique_ptr<FaultEnv> untold = With(bytes);
    absl::StatusOr<std::unique_ptr<RocksCommitLog>> log =
        RocksCommitLog::Open(LogOptions(untold->env()));
    EXPECT_TRUE(log.ok()) << "not acknowledged, byte " << at << ": " << log.status();
  }
}

TEST_F(LogDamageTest, AFlippedBitInAnyFileIsRefusedOrHarmless) {
  // Files beside the write-ahead log: manifest, CURRENT, options, witness.
  std::vector<std::string> paths = {WitnessPath(kWitnessDirectory)};
  for (const std::string& name : disk_->Files(kLogDirectory)) {
    paths.push_back(std::string(kLogDirectory) + "/" + name);
  }
  for (const std::string& path : paths) {
    const std::string sound = disk_->Contents(path);
    for (int round = 0; round < 15 && !sound.empty(); ++round) {
      std::unique_ptr<FaultEnv> disk = disk_->AfterPowerCut(Unsynced::kKept, 0);
      std::string bytes = sound;
      const size_t at = random_() % bytes.size();
      bytes[at] = static_cast<char>(bytes[at] ^ (1 << random_() % 8));
      disk->Overwrite(path, bytes);
      SCOPED_TRACE(fmt::format("{} byte {}", path, at));
      absl::StatusOr<std::unique_ptr<RocksCommitLog>> log =
          RocksCommitLog::Open(LogOptions(disk->env()));
      if (log.ok()) ExpectHolds(**log, workload_.ledger());
      ASSERT_FALSE(HasFailure());
    }
  }
}

// An operator without a backup can go on with what lies before the damage.
TEST_F(LogDamageTest, AcceptLossSalvagesWhatLiesBeforeTheDamage) {
  std::string bytes = wal_bytes_;
  bytes[bytes.size() / 2] ^= 1;
  std::unique_ptr<FaultEnv> disk = With(bytes);
  ASSERT_FALSE(OpensWhole(*disk));
  absl::StatusOr<std::optional<WitnessDifference>> accepted =
      RocksCommitLog::AcceptLoss(LogOptions(disk->env()));
  ASSERT_TRUE(accepted.ok()) << accepted.status();
  ASSERT_TRUE(accepted->has_value());
  EXPECT_EQ((*accepted)->witness_batch, 40u);
  EXPECT_GT((*accepted)->log_batch, 5u);
  EXPECT_LT((*accepted)->log_batch, 35u);
  EXPECT_THAT((*accepted)->description, ::testing::HasSubstr("damaged"));
  absl::StatusOr<std::unique_ptr<RocksCommitLog>> log =
      RocksCommitLog::Open(LogOptions(disk->env()));
  ASSERT_TRUE(log.ok()) << log.status();
  EXPECT_EQ((*log)->Verify(), absl::OkStatus());
  for (const auto& [tenant, submitted] : workload_.ledger().tenants) {
    const std::vector<std::string> found = AllCommits(**log, tenant);
    EXPECT_GT(found.size(), 0u);
    EXPECT_LT(found.size(), submitted.submitted.size());
    for (size_t i = 0; i < found.size(); ++i) EXPECT_EQ(found[i], submitted.submitted[i]);
  }
}

}  // namespace
}  // namespace retrace::eventstore
