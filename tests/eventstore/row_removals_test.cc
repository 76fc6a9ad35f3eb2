// Removals reach the disk: no file keeps the bytes once they were swept, whatever happened between.
#include <gtest/gtest.h>
#include <rocksdb/env.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "eventstore/files.h"
#include "eventstore/row_keys.h"
#include "eventstore/row_store.h"
#include "fmt/format.h"
#include "tests/support/fault_env.h"

namespace retrace::eventstore {
namespace {

using retrace::testing::FaultEnv;
using Unsynced = FaultEnv::Unsynced;

constexpr char kRows[] = "/rows";
constexpr KindNumber kKind = 4;

std::unique_ptr<RowStore> Open(FaultEnv& disk) {
  auto store = RowStore::Open(
      {.directory = kRows, .layout_stamp = "stamp", .cache_bytes = 4u << 20, .env = disk.env()});
  EXPECT_TRUE(store.ok()) << store.status();
  return std::move(*store);
}

// What of entity `i` must not stay: incompressible, so that compression does not hide it.
std::string Secret(int i) {
  const Sha256Digest digest = Sha256(fmt::format("secret {}", i));
  std::string text;
  for (const uint8_t byte : digest) text += fmt::format("{:02x}", byte);
  return text;
}

RowChanges Creation(Position position, int i) {
  RowChanges commit{.tenant = 1, .position = position, .epoch = 7};
  commit.rows.push_back({kKind, fmt::format("id{}", i), Secret(i)});
  for (IndexNumber index = 1; index <= 3; ++index) {
    commit.entries.push_back({kKind, index, Secret(i), fmt::format("id{}", i), Mark::kLive});
  }
  return commit;
}

RowChanges Removal(Position position, int i) {
  RowChanges commit{.tenant = 1, .position = position, .epoch = 7};
  const Position created = static_cast<Position>(i) + 1;
  commit.removed_rows.push_back({kKind, fmt::format("id{}", i), created});
  for (IndexNumber index = 1; index <= 3; ++index) {
    commit.removed_entries.push_back({kKind, index, Secret(i), fmt::format("id{}", i), created});
  }
  commit.rows.push_back({kKind, fmt::format("id{}", i), "tombstone", created});
  return commit;
}

// Files of the store that hold the bytes.
std::vector<std::string> FilesWith(FaultEnv& disk, const std::string& bytes) {
  std::vector<std::string> files;
  for (const std::string& name : disk.Files(kRows)) {
    const std::string path = std::string(kRows) + "/" + name;
    if (disk.Contents(path).find(bytes) != std::string::npos) files.push_back(name);
  }
  return files;
}

constexpr int kEntities = 400;

// Entities 0 to kEntities - 1, spread over files of all levels.
std::unique_ptr<RowStore> Filled(FaultEnv& disk) {
  auto store = Open(disk);
  for (int i = 0; i < kEntities; ++i) {
    const RowChanges commit = Creation(static_cast<Position>(i) + 1, i);
    EXPECT_TRUE(store->Apply({&commit, 1}).ok());
    if (i % 90 == 17) {
      EXPECT_TRUE(store->Flush().ok());
    }
  }
  EXPECT_TRUE(store->Flush().ok());
  return store;
}

TEST(RowRemovalsTest, NoFileHoldsWhatWasSwept) {
  FaultEnv disk;
  auto store = Filled(disk);
  const std::vector<int> removed = {0, 1, 90, 200, 201, 202, kEntities - 1};
  for (const int i : removed) ASSERT_FALSE(FilesWith(disk, Secret(i)).empty()) << i;
  EXPECT_FALSE(store->OldestRemoval().has_value());
  Position position = kEntities;
  for (const int i : removed) {
    const RowChanges commit = Removal(++position, i);
    ASSERT_TRUE(store->Apply({&commit, 1}).ok());
    const auto row = store->Get(1, kKind, fmt::format("id{}", i), kLatest);
    ASSERT_TRUE(row.ok() && row->has_value());
    EXPECT_EQ((*row)->bytes, "tombstone");
    const auto scan = store->ScanIndex(IndexRange::Exactly(1, kKind, 2, Secret(i)), kLatest, false);
    EXPECT_FALSE((*scan->Next()).has_value());
  }
  // Out of sight, but there.
  for (const int i : removed) EXPECT_FALSE(FilesWith(disk, Secret(i)).empty()) << i;
  ASSERT_TRUE(store->OldestRemoval().has_value());
  EXPECT_LE(*store->OldestRemoval(), absl::Now());
  ASSERT_TRUE(store->Sweep().ok());
  EXPECT_FALSE(store->OldestRemoval().has_value());
  for (const int i : removed)
    EXPECT_EQ(FilesWith(disk, Secret(i)), std::vector<std::string>()) << i;
  EXPECT_FALSE(FilesWith(disk, Secret(2)).empty());
}

TEST(RowRemovalsTest, WhatWaitsIsKnownAfterARestart) {
  FaultEnv disk;
  Position position = kEntities;
  absl::Time since;
  {
    auto store = Filled(disk);
    const RowChanges commit = Removal(++position, 7);
    ASSERT_TRUE(store->Apply({&commit, 1}).ok());
    since = *store->OldestRemoval();
  }
  auto store = Open(disk);
  ASSERT_TRUE(store->OldestRemoval().has_value());
  EXPECT_EQ(absl::ToUnixMicros(*store->OldestRemoval()), absl::ToUnixMicros(since));
  ASSERT_FALSE(FilesWith(disk, Secret(7)).empty());
  ASSERT_TRUE(store->Sweep().ok());
  EXPECT_TRUE(FilesWith(disk, Secret(7)).empty());
  store.reset();
  EXPECT_FALSE(Open(disk)->OldestRemoval().has_value());
}

// Power fails at every change of the disk while removals are applied and swept. Whoever opens what
// is left applies again what is missing, sweeps when that is asked for, and no file has it.
TEST(RowRemovalsTest, APowerCutWhileSweepingLeavesNothingBehindForEver) {
  const std::vector<int> removed = {3, 4, 250};
  FaultEnv disk;
  std::vector<std::unique_ptr<FaultEnv>> remains;
  {
    auto store = Filled(disk);
    uint64_t seed = 0;
    disk.BeforeEachChange([&](uint64_t, FaultEnv::Operation, const std::string&) {
      constexpr Unsynced kAll[] = {Unsynced::kDropped, Unsynced::kKept, Unsynced::kTorn,
                                   Unsynced::kGarbled};
      ++seed;
      remains.push_back(disk.AfterPowerCut(kAll[seed % 4], seed));
    });
    Position position = kEntities;
    for (const int i : removed) {
      const RowChanges commit = Removal(++position, i);
      ASSERT_TRUE(store->Apply({&commit, 1}).ok());
      ASSERT_TRUE(store->Flush().ok());
    }
    ASSERT_TRUE(store->Sweep().ok());
    disk.BeforeEachChange(nullptr);
  }
  ASSERT_GT(remains.size(), 20u);
  for (size_t cut = 0; cut < remains.size(); ++cut) {
    SCOPED_TRACE(cut);
    FaultEnv& left = *remains[cut];
    auto store = Open(left);
    const auto checkpoint = store->CheckpointOf(1);
    ASSERT_TRUE(checkpoint.ok()) << checkpoint.status();
    for (Position next = checkpoint->position + 1; next <= kEntities + removed.size(); ++next) {
      const RowChanges commit = Removal(next, removed[next - kEntities - 1]);
      ASSERT_TRUE(store->Apply({&commit, 1}).ok());
    }
    ASSERT_TRUE(store->Sweep().ok());
    for (const int i : removed) {
      ASSERT_EQ(FilesWith(left, Secret(i)), std::vector<std::string>()) << i;
    }
  }
}

}  // namespace
}  // namespace retrace::eventstore
