// The contract of CommitLog, once for every implementation.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "eventstore/commit_log.h"
#include "eventstore/rocks_commit_log.h"
#include "fmt/format.h"
#include "tests/eventstore/log_fixture.h"
#include "tests/support/fault_env.h"
#include "tests/support/temp_directory.h"
#include "tests/support/test_commit_log.h"

namespace retrace::eventstore {
namespace {

using ::retrace::testing::FaultEnv;
using ::retrace::testing::TempDirectory;
using ::retrace::testing::TestCommitLog;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

// An implementation with what the suite needs besides the interface.
class LogUnderTest {
 public:
  virtual ~LogUnderTest() = default;
  virtual CommitLog& log() = 0;
  // As if the process had ended and started again.
  virtual void Restart() = 0;
  // The next Append's storage fails; only of those in FailingCommitLogContract.
  virtual void FailNextAppend() = 0;
};

class RocksInMemory : public LogUnderTest {
 public:
  RocksInMemory() { Restart(); }
  CommitLog& log() override { return *log_; }
  void Restart() override {
    log_.reset();
    env_.Heal();
    absl::StatusOr<std::unique_ptr<RocksCommitLog>> log =
        RocksCommitLog::Open(LogOptions(env_.env()));
    ASSERT_TRUE(log.ok()) << log.status();
    log_ = *std::move(log);
  }
  // A compaction of what restarts flushed may sync its own files at any moment; not those.
  void FailNextAppend() override { env_.FailNth(FaultEnv::Operation::kSync, 1, ".log"); }

 private:
  FaultEnv env_;
  std::unique_ptr<RocksCommitLog> log_;
};

class RocksOnDisk : public LogUnderTest {
 public:
  RocksOnDisk() { Restart(); }
  CommitLog& log() override { return *log_; }
  void Restart() override {
    log_.reset();
    RocksCommitLogOptions options = LogOptions(nullptr);
    options.directory = directory_.Below("a/log");
    options.witness_directory = directory_.Below("b/witness");
    absl::StatusOr<std::unique_ptr<RocksCommitLog>> log = RocksCommitLog::Open(options);
    ASSERT_TRUE(log.ok()) << log.status();
    log_ = *std::move(log);
  }
  void FailNextAppend() override { FAIL() << "a real disk does not fail when asked to"; }

 private:
  TempDirectory directory_;
  std::unique_ptr<RocksCommitLog> log_;
};

class InTestLog : public LogUnderTest {
 public:
  CommitLog& log() override { return log_; }
  void Restart() override { log_.Heal(); }
  void FailNextAppend() override {
    written_ = !written_;
    log_.FailNextAppend(written_ ? TestCommitLog::Fault::kUnknownWritten
                                 : TestCommitLog::Fault::kUnknownLost);
  }

 private:
  TestCommitLog log_;
  bool written_ = false;
};

struct Implementation {
  std::string name;
  std::function<std::unique_ptr<LogUnderTest>()> make;
};

void PrintTo(const Implementation& implementation, std::ostream* out) {
  *out << implementation.name;
}

class CommitLogContract : public ::testing::TestWithParam<Implementation> {
 protected:
  CommitLogContract() : subject_(GetParam().make()) {}
  CommitLog& log() { return subject_->log(); }
  Lease MustAcquire(TenantNumber tenant) {
    absl::StatusOr<Lease> lease = log().Acquire(tenant);
    EXPECT_TRUE(lease.ok()) << lease.status();
    return lease.ok() ? *lease : Lease{};
  }
  Head HeadOf(TenantNumber tenant) {
    absl::StatusOr<Head> head = log().HeadOf(tenant);
    EXPECT_TRUE(head.ok()) << head.status();
    return head.ok() ? *head : Head{};
  }

  std::unique_ptr<LogUnderTest> subject_;
};

class FailingCommitLogContract : public CommitLogContract {};

TEST_P(CommitLogContract, AFreshLogIsEmpty) {
  EXPECT_NE(log().epoch(), 0u);
  EXPECT_EQ(HeadOf(3), Head{});
  EXPECT_THAT(AllCommits(log(), 3), IsEmpty());
  EXPECT_THAT(*log().Tenants(), IsEmpty());
  EXPECT_THAT(log().Tail({})->moved, IsEmpty());
  EXPECT_EQ(MustAcquire(3).head, Head{});
  EXPECT_THAT(*log().Tenants(), IsEmpty()) << "a lease alone is no commit";
}

TEST_P(CommitLogContract, StoresBytesAsTheyAre) {
  const std::vector<std::string> commits = {"", std::string("\0\xff\n", 3),
                                            std::string(1 << 20, 'x'), "plain"};
  const Lease lease = MustAcquire(0);
  for (size_t i = 0; i < commits.size(); ++i) {
    const PendingCommit commit{0, lease.fence, i, commits[i]};
    const std::vector<TenantAppend> results = log().Append({&commit, 1});
    ASSERT_EQ(results.size(), 1u);
    EXPECT_EQ(results[0].outcome, AppendOutcome::kDurable);
    EXPECT_EQ(results[0].head, (Head{i + 1, Sha256(commits[i])}));
    EXPECT_EQ(HeadOf(0), results[0].head);
  }
  EXPECT_EQ(AllCommits(log(), 0), commits);
  const Epoch epoch = log().epoch();
  subject_->Restart();
  EXPECT_EQ(log().epoch(), epoch);
  EXPECT_EQ(AllCommits(log(), 0), commits);
  EXPECT_EQ(MustAcquire(0).head, (Head{4, Sha256("plain")}));
}

TEST_P(CommitLogContract, AppendsManyTenantsAtOnce) {
  const Lease nine = MustAcquire(9);
  const Lease two = MustAcquire(2);
  const std::vector<PendingCommit> commits = {{9, nine.fence, 0, "9.1"},
                                              {2, two.fence, 0, "2.1"},
                                              {9, nine.fence, 1, "9.2"},
                                              {2, two.fence, 1, "2.2"},
                                              {9, nine.fence, 2, "9.3"}};
  const std::vector<TenantAppend> results = log().Append(commits);
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[0].tenant, 9u) << "in order of first appearance";
  EXPECT_EQ(results[0].outcome, AppendOutcome::kDurable);
  EXPECT_EQ(results[0].head, (Head{3, Sha256("9.3")}));
  EXPECT_EQ(results[1].tenant, 2u);
  EXPECT_EQ(results[1].outcome, AppendOutcome::kDurable);
  EXPECT_EQ(results[1].head, (Head{2, Sha256("2.2")}));
  EXPECT_THAT(AllCommits(log(), 9), ElementsAre("9.1", "9.2", "9.3"));
  EXPECT_THAT(AllCommits(log(), 2), ElementsAre("2.1", "2.2"));
  EXPECT_THAT(*log().Tenants(), ElementsAre(2, 9));
}

TEST_P(CommitLogContract, NothingIsAppendedToNothing) { EXPECT_THAT(log().Append({}), IsEmpty()); }

TEST_P(CommitLogContract, AConflictWritesNothingOfItsTenant) {
  ASSERT_EQ(AppendOne(log(), 1, "first").outcome, AppendOutcome::kDurable);
  const Lease one = MustAcquire(1);
  const Lease two = MustAcquire(2);
  const std::vector<PendingCommit> commits = {
      {1, one.fence, 0, "too late"}, {2, two.fence, 0, "fine"}, {1, one.fence, 1, "behind it"}};
  const std::vector<TenantAppend> results = log().Append(commits);
  ASSERT_EQ(results.size(), 2u);
  EXPECT_EQ(results[0].outcome, AppendOutcome::kConflict);
  EXPECT_EQ(results[0].head, (Head{1, Sha256("first")})) << "the actual head";
  EXPECT_EQ(results[1].outcome, AppendOutcome::kDurable);
  EXPECT_THAT(AllCommits(log(), 1), ElementsAre("first"));
  EXPECT_THAT(AllCommits(log(), 2), ElementsAre("fine"));
}

TEST_P(CommitLogContract, CommitsOfATenantMustFollowOneAnother) {
  const Lease lease = MustAcquire(1);
  for (const Position second : {Position{0}, Position{2}, Position{7}}) {
    const std::vector<PendingCommit> commits = {{1, lease.fence, 0, "a"},
                                                {1, lease.fence, second, "b"}};
    const std::vector<TenantAppend> results = log().Append(commits);
    ASSERT_EQ(results.size(), 1u);
    EXPECT_EQ(results[0].outcome, AppendOutcome::kConflict) << second;
    EXPECT_EQ(results[0].head, Head{});
    EXPECT_THAT(AllCommits(log(), 1), IsEmpty());
  }
}

TEST_P(CommitLogContract, AcquiringFencesTheEarlierHolder) {
  const Lease first = MustAcquire(1);
  const PendingCommit before{1, first.fence, 0, "by the first"};
  ASSERT_EQ(log().Append({&before, 1})[0].outcome, AppendOutcome::kDurable);
  const Lease second = MustAcquire(1);
  EXPECT_NE(second.fence, first.fence);
  EXPECT_EQ(second.head.position, 1u);
  const PendingCommit late{1, first.fence, 1, "late"};
  EXPECT_EQ(log().Append({&late, 1})[0].outcome, AppendOutcome::kFenced);
  const std::vector<PendingCommit> mixed = {{1, second.fence, 1, "good"},
                                            {1, first.fence, 2, "late"}};
  EXPECT_EQ(log().Append(mixed)[0].outcome, AppendOutcome::kFenced) << "all of the tenant or none";
  EXPECT_THAT(AllCommits(log(), 1), ElementsAre("by the first"));
  const PendingCommit good{1, second.fence, 1, "by the second"};
  EXPECT_EQ(log().Append({&good, 1})[0].outcome, AppendOutcome::kDurable);
  EXPECT_THAT(AllCommits(log(), 1), ElementsAre("by the first", "by the second"));
}

TEST_P(CommitLogContract, WhoNeverAcquiredIsFenced) {
  for (const uint64_t fence : {uint64_t{0}, uint64_t{12345}}) {
    const PendingCommit commit{5, fence, 0, "x"};
    EXPECT_EQ(log().Append({&commit, 1})[0].outcome, AppendOutcome::kFenced);
  }
  EXPECT_THAT(*log().Tenants(), IsEmpty());
}

TEST_P(CommitLogContract, ReadStopsAtMaxBytesButNotBeforeTheFirst) {
  for (const char* bytes : {"aaaa", "bbbb", "cccc", "dddd"}) AppendOne(log(), 1, bytes);
  const auto read = [&](Position after, size_t max_bytes) {
    std::vector<std::string> result;
    absl::StatusOr<std::vector<StoredCommit>> commits = log().Read(1, after, max_bytes);
    EXPECT_TRUE(commits.ok()) << commits.status();
    if (!commits.ok()) return result;
    for (const StoredCommit& commit : *commits) {
      EXPECT_EQ(commit.position, after + result.size() + 1);
      result.push_back(commit.bytes);
    }
    return result;
  };
  EXPECT_THAT(read(0, 0), ElementsAre("aaaa"));
  EXPECT_THAT(read(0, 7), ElementsAre("aaaa"));
  EXPECT_THAT(read(0, 8), ElementsAre("aaaa", "bbbb"));
  EXPECT_THAT(read(1, 11), ElementsAre("bbbb", "cccc"));
  EXPECT_THAT(read(2, 100), ElementsAre("cccc", "dddd"));
  EXPECT_THAT(read(4, 100), IsEmpty());
  EXPECT_THAT(read(99, 100), IsEmpty());
  EXPECT_THAT(read(kLatest, 100), IsEmpty());
}

TEST_P(CommitLogContract, TenantsDoNotSeeOneAnother) {
  // Neighbouring numbers have neighbouring keys.
  for (const TenantNumber tenant : {TenantNumber{0}, TenantNumber{1}, TenantNumber{255},
                                    TenantNumber{256}, TenantNumber{UINT32_MAX}}) {
    AppendOne(log(), tenant, fmt::format("one of {}", tenant));
    AppendOne(log(), tenant, fmt::format("two of {}", tenant));
  }
  const std::vector<TenantNumber> tenants = *log().Tenants();
  for (const TenantNumber tenant : tenants) {
    EXPECT_THAT(AllCommits(log(), tenant),
                ElementsAre(fmt::format("one of {}", tenant), fmt::format("two of {}", tenant)));
  }
  EXPECT_THAT(tenants, ElementsAre(0, 1, 255, 256, UINT32_MAX));
  subject_->Restart();
  EXPECT_THAT(*log().Tenants(), ElementsAre(0, 1, 255, 256, UINT32_MAX));
}

TEST_P(CommitLogContract, TailTellsWhoMoved) {
  AppendOne(log(), 1, "x");
  AppendOne(log(), 2, "x");
  absl::StatusOr<TailResult> tail = log().Tail({});
  EXPECT_THAT(tail->moved, UnorderedElementsAre(1, 2));
  EXPECT_THAT(log().Tail(tail->next)->moved, IsEmpty());
  AppendOne(log(), 2, "y");
  AppendOne(log(), 3, "y");
  AppendOne(log(), 2, "z");
  EXPECT_THAT(log().Tail({})->moved, UnorderedElementsAre(1, 2, 3));
  tail = log().Tail(tail->next);
  EXPECT_THAT(tail->moved, UnorderedElementsAre(2, 3));
  EXPECT_THAT(log().Tail(tail->next)->moved, IsEmpty());
  subject_->Restart();
  EXPECT_THAT(log().Tail(tail->next)->moved, IsEmpty()) << "a cursor survives a restart";
  EXPECT_THAT(log().Tail({})->moved, UnorderedElementsAre(1, 2, 3));
}

TEST_P(FailingCommitLogContract, AfterAnUnknownOutcomeNothingIsAppendedUntilARestart) {
  AppendOne(log(), 1, "sure");
  for (int round = 0; round < 4; ++round) {
    const size_t before = AllCommits(log(), 1).size();
    const Lease lease = MustAcquire(1);
    const Lease other = MustAcquire(2);
    subject_->FailNextAppend();
    const std::vector<PendingCommit> unsure = {{1, lease.fence, before, "unsure"},
                                               {1, lease.fence, before + 1, "unsure too"}};
    ASSERT_EQ(log().Append(unsure)[0].outcome, AppendOutcome::kUnknown);
    const PendingCommit next{2, other.fence, 0, "of another tenant"};
    EXPECT_EQ(log().Append({&next, 1})[0].outcome, AppendOutcome::kUnknown);
    EXPECT_EQ(log().Acquire(2).status().code(), absl::StatusCode::kUnavailable);
    subject_->Restart();
    const std::vector<std::string> after = AllCommits(log(), 1);
    EXPECT_TRUE(after.size() == before || after.size() == before + 2) << "all or nothing";
    EXPECT_EQ(HeadOf(1).position, after.size());
    EXPECT_EQ(HeadOf(2).position, static_cast<Position>(round)) << "never tried";
    EXPECT_EQ(AppendOne(log(), 2, "works again").outcome, AppendOutcome::kDurable);
  }
}

TEST_P(CommitLogContract, ReadersSeeAGaplessPrefixWhileOthersAppend) {
  constexpr Position kCommits = 300;
  std::atomic<bool> done = false;
  std::atomic<Position> acknowledged = 0;
  std::thread reader([&] {
    Position seen = 0;
    while (!done || seen < kCommits) {
      const Position floor = acknowledged;
      absl::StatusOr<std::vector<StoredCommit>> commits = log().Read(1, seen, 1000);
      ASSERT_TRUE(commits.ok()) << commits.status();
      for (const StoredCommit& commit : *commits) {
        ASSERT_EQ(commit.position, ++seen);
        ASSERT_EQ(commit.bytes, fmt::format("commit {}", seen));
      }
      ASSERT_GE(HeadOf(1).position, std::max(floor, seen)) << "acknowledged means visible";
    }
  });
  const Lease lease = MustAcquire(1);
  for (Position position = 0; position < kCommits; ++position) {
    const std::string bytes = fmt::format("commit {}", position + 1);
    const PendingCommit commit{1, lease.fence, position, bytes};
    ASSERT_EQ(log().Append({&commit, 1})[0].outcome, AppendOutcome::kDurable);
    acknowledged = position + 1;
  }
  done = true;
  reader.join();
}

// Random leases, appends and restarts against a model that is nothing but vectors.
TEST_P(CommitLogContract, AgreesWithAModelOverRandomHistories) {
  const uint64_t seed = TestSeed();
  SCOPED_TRACE(fmt::format("RETRACE_SEED={}", seed));
  std::mt19937_64 random(seed);
  std::map<TenantNumber, std::vector<std::string>> model;
  std::map<TenantNumber, uint64_t> fences;
  for (int step = 0; step < 400; ++step) {
    const uint64_t dice = random() % 100;
    if (dice == 0) {
      subject_->Restart();
      fences.clear();
    } else if (dice < 20) {
      const TenantNumber tenant = random() % 5;
      const Lease lease = MustAcquire(tenant);
      ASSERT_EQ(lease.head.position, model[tenant].size());
      fences[tenant] = lease.fence;
    } else {
      std::vector<std::string> bytes(1 + random() % 6);
      for (std::string& commit : bytes) commit.assign(random() % 200, 'a' + random() % 26);
      std::vector<PendingCommit> commits;
      std::map<TenantNumber, std::vector<std::string>> added;
      std::map<TenantNumber, AppendOutcome> expected;
      for (const std::string& commit : bytes) {
        const TenantNumber tenant = random() % 5;
        const bool wrong_head = random() % 20 == 0;
        const bool wrong_fence = fences.count(tenant) == 0 || random() % 20 == 0;
        const Position head = model[tenant].size() + added[tenant].size();
        commits.push_back({tenant, wrong_fence ? random() | 1 : fences[tenant],
                           wrong_head ? head + 1 + random() % 3 : head, commit});
        added[tenant].push_back(commit);
        AppendOutcome& outcome =
            expected.try_emplace(tenant, AppendOutcome::kDurable).first->second;
        if (wrong_fence) {
          outcome = AppendOutcome::kFenced;
        } else if (wrong_head && outcome == AppendOutcome::kDurable) {
          outcome = AppendOutcome::kConflict;
        }
      }
      for (const TenantAppend& result : log().Append(commits)) {
        ASSERT_EQ(result.outcome, expected[result.tenant]) << "step " << step;
        std::vector<std::string>& stored = model[result.tenant];
        if (result.outcome == AppendOutcome::kDurable) {
          for (std::string& commit : added[result.tenant]) stored.push_back(std::move(commit));
        }
        if (result.outcome != AppendOutcome::kFenced) {
          ASSERT_EQ(result.head.position, stored.size());
        }
        expected.erase(result.tenant);
      }
      ASSERT_THAT(expected, IsEmpty());
    }
  }
  for (const auto& [tenant, commits] : model) ASSERT_EQ(AllCommits(log(), tenant), commits);
}

const Implementation kRocksInMemory = {"RocksInMemory",
                                       [] { return std::make_unique<RocksInMemory>(); }};
const Implementation kRocksOnDisk = {"RocksOnDisk", [] { return std::make_unique<RocksOnDisk>(); }};
const Implementation kTestLog = {"TestLog", [] { return std::make_unique<InTestLog>(); }};

std::string NameOf(const ::testing::TestParamInfo<Implementation>& implementation) {
  return implementation.param.name;
}

INSTANTIATE_TEST_SUITE_P(Every, CommitLogContract,
                         ::testing::Values(kRocksInMemory, kRocksOnDisk, kTestLog), NameOf);
INSTANTIATE_TEST_SUITE_P(Every, FailingCommitLogContract,
                         ::testing::Values(kRocksInMemory, kTestLog), NameOf);

}  // namespace
}  // namespace retrace::eventstore
