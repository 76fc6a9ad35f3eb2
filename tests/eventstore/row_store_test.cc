// The row store against a naive model, over random histories, on a file system in memory.
#include "eventstore/row_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/env.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "eventstore/row_keys.h"
#include "tests/eventstore/row_model.h"
#include "tests/support/temp_directory.h"

namespace retrace::eventstore {

// For messages of failed expectations.
void PrintTo(const IndexEntry& entry, std::ostream* out) {
  *out << ::testing::PrintToString(entry.value) << "/" << ::testing::PrintToString(entry.id) << "@"
       << entry.position << "=" << static_cast<int>(entry.mark);
}

namespace {

using retrace::testing::RandomHistory;
using retrace::testing::RowModel;

constexpr uint64_t kHistories = 60;
constexpr int kCommits = 120;

class RowStoreTest : public ::testing::Test {
 protected:
  std::unique_ptr<RowStore> Open(const std::string& stamp = "stamp") {
    auto store = RowStore::Open(
        {.directory = "/rows", .layout_stamp = stamp, .cache_bytes = 8u << 20, .env = env_.get()});
    EXPECT_TRUE(store.ok()) << store.status();
    return std::move(*store);
  }

  void StartAgain() {
    store_.reset();
    env_.reset(rocksdb::NewMemEnv(rocksdb::Env::Default()));
    store_ = Open();
  }

  void Reopen() {
    store_.reset();
    store_ = Open();
  }

  std::unique_ptr<rocksdb::Env> env_{rocksdb::NewMemEnv(rocksdb::Env::Default())};
  std::unique_ptr<RowStore> store_ = Open();
};

std::vector<IndexEntry> Drain(IndexScan& scan) {
  std::vector<IndexEntry> entries;
  while (true) {
    auto entry = scan.Next();
    EXPECT_TRUE(entry.ok()) << entry.status();
    if (!entry.ok() || !entry->has_value()) return entries;
    entries.push_back(**entry);
  }
}

// Applies a random history, in batches of random size, with flushes and reopenings between.
void Grow(RandomHistory& history, RowModel& model, RowStore& store, int commits) {
  std::vector<RowChanges> batch;
  for (int i = 0; i < commits; ++i) {
    batch.push_back(history.NextCommit());
    model.Apply(batch.back());
    if (history.OneIn(3) || i + 1 == commits) {
      ASSERT_TRUE(store.Apply(batch).ok());
      batch.clear();
    }
    if (history.OneIn(20)) {
      ASSERT_TRUE(store.Flush().ok());
    }
    if (history.OneIn(30)) {
      ASSERT_TRUE(store.Sweep().ok());
    }
  }
}

TEST_F(RowStoreTest, GetAndVersionsEqualTheModel) {
  for (uint64_t seed = 1; seed <= kHistories; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    StartAgain();
    RandomHistory history(seed);
    RowModel model;
    Grow(history, model, *store_, kCommits);
    if (history.OneIn(2)) Reopen();
    for (int i = 0; i < 200; ++i) {
      const TenantNumber tenant = history.Tenant();
      const KindNumber kind = history.Kind();
      const std::string id = history.Id();
      const Position as_of = history.AsOf(tenant);
      const size_t limit = history.Below(12);
      const auto versions = store_->Versions(tenant, kind, id, as_of, limit);
      ASSERT_TRUE(versions.ok()) << versions.status();
      ASSERT_EQ(*versions, model.Versions(tenant, kind, id, as_of, limit));
      const auto row = store_->Get(tenant, kind, id, as_of);
      ASSERT_TRUE(row.ok()) << row.status();
      const auto expected = model.Versions(tenant, kind, id, as_of, 1);
      ASSERT_EQ(row->has_value(), !expected.empty());
      if (!expected.empty()) {
        ASSERT_EQ(**row, expected.front());
      }
    }
  }
}

TEST_F(RowStoreTest, ScansEqualTheModel) {
  for (uint64_t seed = 1; seed <= kHistories; ++seed) {
    StartAgain();
    RandomHistory history(seed);
    RowModel model;
    for (int stage = 0; stage < 3; ++stage) {
      Grow(history, model, *store_, kCommits / 3 * (stage + 1));
      if (history.OneIn(3)) Reopen();
      for (int i = 0; i < 150; ++i) {
        const IndexRange range = history.Range();
        const Position as_of = history.AsOf(range.tenant);
        const bool backwards = history.OneIn(2);
        SCOPED_TRACE(::testing::Message()
                     << "seed " << seed << " range " << range.tenant << "/" << range.kind << "/"
                     << int{range.index} << " " << ::testing::PrintToString(range.lower) << " to "
                     << ::testing::PrintToString(range.upper) << " as of " << as_of
                     << (backwards ? " backwards" : ""));
        const auto scan = store_->ScanIndex(range, as_of, backwards);
        ASSERT_EQ(Drain(*scan), model.Scan(range, as_of, backwards));
      }
    }
  }
}

// The entries at or after (value, id) in the scan's direction.
std::vector<IndexEntry> From(std::vector<IndexEntry> entries, const std::string& value,
                             const std::string& id, bool backwards) {
  const auto before = [&](const IndexEntry& entry) {
    const auto here = std::tie(entry.value, entry.id);
    const auto there = std::tie(value, id);
    return backwards ? here > there : here < there;
  };
  entries.erase(entries.begin(), std::find_if_not(entries.begin(), entries.end(), before));
  return entries;
}

TEST_F(RowStoreTest, SeeksOfScansEqualTheModel) {
  for (uint64_t seed = 1; seed <= kHistories; ++seed) {
    StartAgain();
    RandomHistory history(seed);
    RowModel model;
    Grow(history, model, *store_, kCommits * 2);
    for (int i = 0; i < 60; ++i) {
      const IndexRange range = history.Range();
      const Position as_of = history.AsOf(range.tenant);
      const bool backwards = history.OneIn(2);
      const auto scan = store_->ScanIndex(range, as_of, backwards);
      const std::vector<IndexEntry> all = model.Scan(range, as_of, backwards);
      // Several seeks of one scan, also to where it has been, after reading a part.
      for (int seek = 0; seek < 4; ++seek) {
        const std::string value = history.Value();
        const std::string id = history.Id();
        SCOPED_TRACE(::testing::Message()
                     << "seed " << seed << " seek " << ::testing::PrintToString(value) << "/"
                     << ::testing::PrintToString(id) << " in "
                     << ::testing::PrintToString(range.lower) << " to "
                     << ::testing::PrintToString(range.upper) << " as of " << as_of
                     << (backwards ? " backwards" : ""));
        scan->Seek(value, id);
        const std::vector<IndexEntry> expected = From(all, value, id, backwards);
        for (size_t n = 0; n < std::min<size_t>(expected.size(), history.Below(4)); ++n) {
          const auto entry = scan->Next();
          ASSERT_TRUE(entry.ok()) << entry.status();
          ASSERT_TRUE(entry->has_value());
          ASSERT_EQ(**entry, expected[n]);
        }
      }
      scan->Seek(backwards ? "\xff\xff\xff\xff" : "", backwards ? "\xff" : "");
      ASSERT_EQ(Drain(*scan), all) << "seed " << seed;
    }
  }
}

TEST_F(RowStoreTest, RowScansEqualTheModel) {
  for (uint64_t seed = 1; seed <= kHistories; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    StartAgain();
    RandomHistory history(seed);
    RowModel model;
    Grow(history, model, *store_, kCommits);
    for (int i = 0; i < 40; ++i) {
      const TenantNumber tenant = history.Tenant();
      const KindNumber first = history.Kind();
      const KindNumber last = history.Kind();
      const Position as_of = history.AsOf(tenant);
      const auto scan = store_->ScanRows(tenant, first, last, as_of);
      std::vector<RowAt> rows;
      while (true) {
        auto row = scan->Next();
        ASSERT_TRUE(row.ok()) << row.status();
        if (!row->has_value()) break;
        rows.push_back(**row);
      }
      ASSERT_EQ(rows, model.Rows(tenant, first, last, as_of));
    }
  }
}

TEST_F(RowStoreTest, CheckpointsAndTenantsFollowTheCommits) {
  EXPECT_EQ(*store_->CheckpointOf(3), RowsCheckpoint{});
  EXPECT_TRUE(store_->Tenants()->empty());
  RandomHistory history(1);
  RowModel model;
  std::map<TenantNumber, RowsCheckpoint> expected;
  for (int i = 0; i < 100; ++i) {
    const RowChanges commit = history.NextCommit();
    expected[commit.tenant] = {commit.epoch, commit.position, commit.commit_hash};
    ASSERT_TRUE(store_->Apply({&commit, 1}).ok());
    if (i == 50) Reopen();
    std::vector<TenantNumber> tenants;
    for (const auto& [tenant, checkpoint] : expected) {
      tenants.push_back(tenant);
      ASSERT_EQ(*store_->CheckpointOf(tenant), checkpoint);
    }
    ASSERT_EQ(*store_->Tenants(), tenants);
  }
}

RowChanges CommitAt(TenantNumber tenant, Position position, std::string bytes) {
  return {.tenant = tenant, .position = position, .rows = {{1, "a", std::move(bytes)}}};
}

TEST_F(RowStoreTest, RefusesGapsAndAppliesNothingOfTheBatch) {
  const std::vector<RowChanges> with_gap = {CommitAt(1, 1, "x"), CommitAt(2, 1, "y"),
                                            CommitAt(1, 3, "z")};
  EXPECT_EQ(store_->Apply(with_gap).code(), absl::StatusCode::kInternal);
  EXPECT_FALSE(store_->Get(1, 1, "a", kLatest)->has_value());
  EXPECT_FALSE(store_->Get(2, 1, "a", kLatest)->has_value());
  EXPECT_TRUE(store_->Tenants()->empty());

  const std::vector<RowChanges> good = {CommitAt(1, 1, "x"), CommitAt(2, 1, "y"),
                                        CommitAt(1, 2, "z")};
  ASSERT_TRUE(store_->Apply(good).ok());
  for (Position wrong : {Position{0}, Position{1}, Position{2}, Position{4}, kLatest}) {
    const RowChanges commit = CommitAt(1, wrong, "no");
    EXPECT_EQ(store_->Apply({&commit, 1}).code(), absl::StatusCode::kInternal) << wrong;
  }
  const RowChanges next = CommitAt(1, 3, "w");
  EXPECT_TRUE(store_->Apply({&next, 1}).ok());
  EXPECT_EQ((*store_->Get(1, 1, "a", kLatest))->bytes, "w");
}

TEST_F(RowStoreTest, AScanDoesNotSeeWhatIsAppliedLater) {
  RowChanges first{.tenant = 1, .position = 1, .entries = {{1, 1, "v", "a", Mark::kLive}}};
  ASSERT_TRUE(store_->Apply({&first, 1}).ok());
  const auto scan = store_->ScanIndex(IndexRange::Prefix(1, 1, 1, ""), kLatest, false);
  RowChanges second{.tenant = 1, .position = 2, .entries = {{1, 1, "w", "b", Mark::kLive}}};
  ASSERT_TRUE(store_->Apply({&second, 1}).ok());
  ASSERT_TRUE(store_->Flush().ok());
  EXPECT_EQ(Drain(*scan).size(), 1u);
}

TEST_F(RowStoreTest, ManyDeadVersionsAreJumpedOver) {
  constexpr Position kChanges = 3000;
  std::vector<RowChanges> commits;
  for (Position position = 1; position <= kChanges; ++position) {
    RowChanges commit{.tenant = 1, .position = position};
    commit.entries.push_back({1, 1, "busy", "b", Mark::kLive});
    if (position == 2) {
      commit.entries.push_back({1, 1, "a", "a", Mark::kLive});
      commit.entries.push_back({1, 1, "z", "z", Mark::kLive});
    }
    commits.push_back(std::move(commit));
  }
  ASSERT_TRUE(store_->Apply(commits).ok());
  for (const bool backwards : {false, true}) {
    for (const Position as_of : {Position{2}, kChanges / 2, kChanges}) {
      const auto scan = store_->ScanIndex({1, 1, 1, "", ""}, as_of, backwards);
      EXPECT_EQ(Drain(*scan).size(), 3u);
      EXPECT_LT(scan->keys_read(), 40u) << as_of << (backwards ? " backwards" : "");
    }
  }
}

TEST_F(RowStoreTest, AnotherLayoutStampIsRefusedAndTheSameOneIsNot) {
  const RowChanges commit = CommitAt(1, 1, "x");
  ASSERT_TRUE(store_->Apply({&commit, 1}).ok());
  store_.reset();
  const auto other =
      RowStore::Open({.directory = "/rows", .layout_stamp = "other", .env = env_.get()});
  EXPECT_EQ(other.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(other.status().message()), ::testing::StartsWith("layout stamp"));
  store_ = Open();
  EXPECT_EQ((*store_->Get(1, 1, "a", kLatest))->bytes, "x");
}

TEST(RowStoreFilesTest, ASecondOpenerIsRefused) {
  const retrace::testing::TempDirectory directory;
  const RowStoreOptions options{.directory = directory.Below("rows"), .layout_stamp = "stamp"};
  const auto first = RowStore::Open(options);
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = RowStore::Open(options);
  EXPECT_EQ(second.status().code(), absl::StatusCode::kFailedPrecondition) << second.status();
  EXPECT_THAT(std::string(second.status().message()), ::testing::HasSubstr("another process"));
}

TEST_F(RowStoreTest, DamagedFilesAreDataLoss) {
  RandomHistory history(5);
  RowModel model;
  Grow(history, model, *store_, 300);
  ASSERT_TRUE(store_->Flush().ok());
  store_.reset();
  std::vector<std::string> names;
  ASSERT_TRUE(env_->GetChildren("/rows", &names).ok());
  for (const std::string& name : names) {
    if (name.find(".sst") == std::string::npos) continue;
    const std::string path = "/rows/" + name;
    std::string bytes;
    ASSERT_TRUE(rocksdb::ReadFileToString(env_.get(), path, &bytes).ok());
    for (size_t at = 0; at < bytes.size() / 2; at += 7) bytes[at] = static_cast<char>(~bytes[at]);
    ASSERT_TRUE(rocksdb::WriteStringToFile(env_.get(), bytes, path).ok());
  }
  auto opened = RowStore::Open({.directory = "/rows", .layout_stamp = "stamp", .env = env_.get()});
  absl::Status status = opened.status();
  if (opened.ok()) status = (*opened)->FullDigest(1).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_THAT(std::string(status.message()), ::testing::HasSubstr("/rows"));
}

TEST_F(RowStoreTest, FullDigestIsThatOfTheCommitsAndNotOfTheirBatches) {
  constexpr uint64_t kSeed = 11;
  const auto digest = [&](uint64_t seed, bool one_by_one, Epoch epoch, int spoil) {
    StartAgain();
    RandomHistory history(seed);
    std::vector<RowChanges> commits;
    for (int i = 0; i < 80; ++i) commits.push_back(history.NextCommit());
    for (RowChanges& commit : commits) commit.epoch = epoch;
    RowChanges& last = commits[static_cast<size_t>(std::max(spoil, 0))];
    if (spoil >= 0) last.rows.push_back({7, "spoilt", "spoilt"});
    if (one_by_one) {
      for (const RowChanges& commit : commits) EXPECT_TRUE(store_->Apply({&commit, 1}).ok());
      EXPECT_TRUE(store_->Flush().ok());
    } else {
      EXPECT_TRUE(store_->Apply(commits).ok());
    }
    std::vector<Sha256Digest> digests;
    const std::vector<TenantNumber> tenants = *store_->Tenants();
    for (TenantNumber tenant : tenants) digests.push_back(*store_->FullDigest(tenant));
    return digests;
  };
  const auto expected = digest(kSeed, true, 7, -1);
  EXPECT_EQ(digest(kSeed, false, 7, -1), expected);
  EXPECT_EQ(digest(kSeed, false, 8, -1), expected);
  EXPECT_NE(digest(kSeed + 1, false, 7, -1), expected);
  for (int spoil = 0; spoil < 80; spoil += 13) EXPECT_NE(digest(kSeed, false, 7, spoil), expected);
}

TEST_F(RowStoreTest, MemoryIsReported) { EXPECT_GT(store_->MemoryBytes(), 0u); }

TEST(IndexRangeTest, PrefixesOfOnlyFfBytesHaveNoUpperBound) {
  EXPECT_EQ(IndexRange::Prefix(1, 1, 1, "a\xff").upper, "b");
  EXPECT_EQ(IndexRange::Prefix(1, 1, 1, "\xff\xff").upper, "");
  EXPECT_EQ(IndexRange::Prefix(1, 1, 1, "").upper, "");
  EXPECT_EQ(IndexRange::Prefix(1, 1, 1, "\x7f").upper, "\x80");
}

TEST(RowKeysTest, StringsKeepOrderAndComeBack) {
  RandomHistory history(9);
  for (int i = 0; i < 20000; ++i) {
    const std::string a = history.Value();
    const std::string b = history.Value();
    std::string key_a;
    std::string key_b;
    AppendString(a, key_a);
    AppendString(b, key_b);
    ASSERT_EQ(key_a < key_b, a < b);
    ASSERT_EQ(key_a == key_b, a == b);
    std::string_view rest = key_a;
    std::string back;
    ASSERT_TRUE(TakeString(rest, back));
    ASSERT_EQ(back, a);
    ASSERT_TRUE(rest.empty());
  }
}

TEST(RowKeysTest, MalformedKeysAreNotParsed) {
  KindNumber kind = 0;
  std::string value;
  std::string id;
  const std::string row = RowStem(1, 2, "id");
  const std::string entry = EntryStem(1, 2, 3, "value", "id");
  EXPECT_TRUE(ParseRowStem(row, kind, id));
  EXPECT_TRUE(ParseEntryStem(entry, value, id));
  EXPECT_FALSE(ParseRowStem(entry, kind, id));
  EXPECT_FALSE(ParseEntryStem(row, value, id));
  for (size_t size = 0; size < row.size(); ++size) {
    EXPECT_FALSE(ParseRowStem(std::string_view(row).substr(0, size), kind, id)) << size;
  }
  for (size_t size = 0; size < entry.size(); ++size) {
    EXPECT_FALSE(ParseEntryStem(std::string_view(entry).substr(0, size), value, id)) << size;
  }
  EXPECT_FALSE(ParseRowStem(row + "x", kind, id));
  std::string_view bad_escape("\x01\x03\0", 3);
  EXPECT_FALSE(TakeString(bad_escape, id));
}

}  // namespace
}  // namespace retrace::eventstore
