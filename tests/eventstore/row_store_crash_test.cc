// What a power cut may leave of rows: some earlier state, whole, never a mixture.
#include <gtest/gtest.h>
#include <rocksdb/env.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include "eventstore/row_store.h"
#include "tests/eventstore/row_model.h"
#include "tests/support/fault_env.h"

namespace retrace::eventstore {
namespace {

using retrace::testing::FaultEnv;
using retrace::testing::RandomHistory;
using Operation = FaultEnv::Operation;
using Unsynced = FaultEnv::Unsynced;

constexpr size_t kBatches = 60;

// Everything that can be seen of a store, per tenant.
using State = std::map<TenantNumber, std::tuple<Epoch, Position, Sha256Digest, Sha256Digest>>;

absl::StatusOr<std::unique_ptr<RowStore>> Open(rocksdb::Env* env) {
  return RowStore::Open(
      {.directory = "/rows", .layout_stamp = "stamp", .cache_bytes = 4u << 20, .env = env});
}

State StateOf(const RowStore& store) {
  State state;
  const auto tenants = store.Tenants();
  EXPECT_TRUE(tenants.ok()) << tenants.status();
  for (const TenantNumber tenant : tenants.value_or(std::vector<TenantNumber>())) {
    const auto checkpoint = store.CheckpointOf(tenant);
    const auto digest = store.FullDigest(tenant);
    EXPECT_TRUE(checkpoint.ok() && digest.ok()) << checkpoint.status() << digest.status();
    if (!checkpoint.ok() || !digest.ok()) return {};
    state[tenant] = {checkpoint->epoch, checkpoint->position, checkpoint->commit_hash, *digest};
  }
  return state;
}

// A history in batches, and what a store that never crashed shows after each of them.
struct Reference {
  explicit Reference(uint64_t seed) : history(seed) {
    const std::unique_ptr<rocksdb::Env> env(rocksdb::NewMemEnv(rocksdb::Env::Default()));
    const auto store = Open(env.get());
    EXPECT_TRUE(store.ok()) << store.status();
    states.push_back({});
    while (batches.size() < kBatches) {
      batches.emplace_back();
      for (uint64_t size = 1 + history.Below(6); size > 0; --size) {
        batches.back().push_back(history.NextCommit());
      }
      EXPECT_TRUE((*store)->Apply(batches.back()).ok());
      states.push_back(StateOf(**store));
    }
  }
  RandomHistory history;
  std::vector<std::vector<RowChanges>> batches;
  std::vector<State> states;  // after so many batches
};

// A disk as a power cut left it.
struct Remains {
  std::unique_ptr<FaultEnv> disk;
  size_t flushed = 0;  // batches that were surely on disk
  size_t applied = 0;  // batches that were begun
};

// Runs the history on a disk, with flushes between, and cuts the power before some of its writes.
std::vector<Remains> RunAndCut(Reference& reference, uint64_t seed) {
  std::vector<Remains> all;
  FaultEnv disk;
  std::mt19937_64 bits(seed);
  std::atomic<size_t> flushed = 0;
  std::atomic<size_t> applied = 0;
  std::mutex mutex;  // RocksDB writes with several threads
  disk.BeforeEachChange([&](uint64_t number, FaultEnv::Operation, const std::string&) {
    const std::lock_guard<std::mutex> lock(mutex);
    if (bits() % 12 != 0) return;
    constexpr Unsynced kAll[] = {Unsynced::kDropped, Unsynced::kKept, Unsynced::kTorn,
                                 Unsynced::kGarbled};
    const size_t surely = flushed;
    all.push_back({disk.AfterPowerCut(kAll[bits() % 4], seed + number), surely, applied});
  });
  {
    const auto store = Open(disk.env());
    EXPECT_TRUE(store.ok()) << store.status();
    for (const std::vector<RowChanges>& batch : reference.batches) {
      ++applied;
      EXPECT_TRUE((*store)->Apply(batch).ok());
      if (!reference.history.OneIn(4)) continue;
      EXPECT_TRUE((reference.history.OneIn(3) ? (*store)->Sweep() : (*store)->Flush()).ok());
      // Sweeping flushes only when something waits for it.
      EXPECT_TRUE((*store)->Flush().ok());
      flushed = applied.load();
    }
  }
  disk.BeforeEachChange(nullptr);
  // Closing flushes.
  all.push_back({disk.AfterPowerCut(Unsynced::kDropped, seed), kBatches, kBatches});
  return all;
}

TEST(RowStoreCrashTest, APowerCutLeavesAnEarlierStateWholeAndItCanGoOn) {
  size_t earlier = 0;
  size_t checked = 0;
  for (uint64_t seed = 1; seed <= 8; ++seed) {
    Reference reference(seed);
    for (Remains& remains : RunAndCut(reference, seed)) {
      SCOPED_TRACE(::testing::Message() << "seed " << seed << " check " << checked << " flushed "
                                        << remains.flushed << " applied " << remains.applied);
      ++checked;
      const auto store = Open(remains.disk->env());
      ASSERT_TRUE(store.ok()) << store.status();
      const State state = StateOf(**store);
      const auto begin = reference.states.begin() + static_cast<std::ptrdiff_t>(remains.flushed);
      const auto end = reference.states.begin() + static_cast<std::ptrdiff_t>(remains.applied) + 1;
      const auto found = std::find(begin, end, state);
      ASSERT_NE(found, end);
      const auto batches = static_cast<size_t>(found - reference.states.begin());
      earlier += batches < remains.applied ? 1 : 0;
      for (size_t i = batches; i < kBatches; ++i) {
        ASSERT_TRUE((*store)->Apply(reference.batches[i]).ok());
      }
      ASSERT_EQ(StateOf(**store), reference.states.back());
    }
  }
  // The cuts did lose something, or this proved nothing.
  EXPECT_GT(earlier, 20u);
  EXPECT_GT(checked, 100u);
}

TEST(RowStoreCrashTest, AFailedFlushIsFinal) {
  for (uint64_t nth = 1; nth <= 3; ++nth) {
    FaultEnv disk;
    const auto store = Open(disk.env());
    ASSERT_TRUE(store.ok()) << store.status();
    RandomHistory history(nth);
    RowChanges commit = history.NextCommit();
    ASSERT_TRUE((*store)->Apply({&commit, 1}).ok());
    disk.FailNth(Operation::kWrite, nth);
    absl::Status status;
    for (int i = 0; i < 5 && status.ok(); ++i) {
      commit = history.NextCommit();
      ASSERT_TRUE((*store)->Apply({&commit, 1}).ok());
      status = (*store)->Flush();
    }
    ASSERT_FALSE(status.ok());
    disk.Heal();
    commit = history.NextCommit();
    EXPECT_FALSE((*store)->Apply({&commit, 1}).ok());
  }
}

}  // namespace
}  // namespace retrace::eventstore
