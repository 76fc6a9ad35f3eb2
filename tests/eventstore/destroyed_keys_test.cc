// Destroyed keys: gone, remembered, and swept out of the files.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/db.h>

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "eventstore/key_store.h"
#include "tests/support/fault_env.h"
#include "tests/support/temp_directory.h"

namespace retrace::eventstore {
namespace {

using retrace::testing::FaultEnv;
using retrace::testing::TempDirectory;
using Operation = FaultEnv::Operation;
using Unsynced = FaultEnv::Unsynced;

constexpr char kKeys[] = "/keys";

class DestroyedKeysTest : public ::testing::Test {
 protected:
  DestroyedKeysTest() { EXPECT_TRUE(KeyStore::MakeMasterKey(master_).ok()); }

  absl::StatusOr<std::unique_ptr<KeyStore>> TryOpen(FaultEnv& disk) {
    return KeyStore::Open({.directory = kKeys,
                           .master_key_file = master_,
                           .on_failure = [](const absl::Status&) {},
                           .env = disk.env()});
  }
  std::unique_ptr<KeyStore> Open(FaultEnv& disk) {
    auto store = TryOpen(disk);
    EXPECT_TRUE(store.ok()) << store.status();
    return std::move(*store);
  }

  const TempDirectory directory_;
  const std::string master_ = directory_.Below("master.key");
  FaultEnv disk_;
};

// Files of the key store that hold the bytes.
std::vector<std::string> FilesWith(const FaultEnv& disk, const std::string& bytes) {
  std::vector<std::string> files;
  for (const std::string& name : disk.Files(kKeys)) {
    if (disk.Contents(std::string(kKeys) + "/" + name).find(bytes) != std::string::npos) {
      files.push_back(name);
    }
  }
  return files;
}

TEST_F(DestroyedKeysTest, DestroyedKeysAreGoneAndRememberedAsDestroyed) {
  std::vector<SubjectKey> made;
  {
    const auto store = Open(disk_);
    for (int i = 0; i < 10; ++i) made.push_back(*store->NewKey(1));
    ASSERT_TRUE(store->Find(1, made[2].id).ok());  // opened before
    ASSERT_TRUE(store->Destroy(1, {made[1].id, made[2].id, std::string(16, 'x')}).ok());
    EXPECT_TRUE(absl::IsNotFound(store->Find(1, made[2].id).status()));
    EXPECT_FALSE(*store->Contains(1, made[1].id));
  }
  const auto store = Open(disk_);
  for (int again = 0; again < 2; ++again) {
    for (const std::string& id : {made[1].id, made[2].id, std::string(16, 'x')}) {
      EXPECT_TRUE(*store->WasDestroyed(1, id));
      EXPECT_FALSE(*store->Contains(1, id));
      EXPECT_TRUE(absl::IsNotFound(store->Find(1, id).status())) << store->Find(1, id).status();
      EXPECT_FALSE(*store->WasDestroyed(2, id));
    }
    EXPECT_EQ(*store->Find(1, made[0].id), made[0].secret);
    EXPECT_FALSE(*store->WasDestroyed(1, made[0].id));
    EXPECT_FALSE(*store->WasDestroyed(1, std::string(16, 'y')));  // lost, for all one knows
    ASSERT_TRUE(store->Destroy(1, {made[1].id}).ok());
  }
  EXPECT_FALSE(store->Destroy(1, {"short"}).ok());
}

// The bytes of the wrapped keys leave write-ahead log, table files and copies.
TEST_F(DestroyedKeysTest, NoFileHoldsADestroyedKeyOnceItWasSwept) {
  const auto store = Open(disk_);
  std::vector<SubjectKey> made;
  for (int i = 0; i < 300; ++i) made.push_back(*store->NewKey(1));
  std::map<std::string, std::string> wrapped;
  {
    const std::unique_ptr<FaultEnv> copy = disk_.AfterPowerCut(Unsynced::kKept, 1);
    rocksdb::Options options;
    options.env = copy->env();
    rocksdb::DB* opened = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open(options, kKeys, &opened).ok());
    const std::unique_ptr<rocksdb::DB> db(opened);
    std::unique_ptr<rocksdb::Iterator> all(db->NewIterator({}));
    for (all->SeekToFirst(); all->Valid(); all->Next()) {
      const std::string key = all->key().ToString();
      if (key.size() > 16) wrapped[key.substr(key.size() - 16)] = all->value().ToString();
    }
  }
  const std::string gone = wrapped.at(made[7].id), kept = wrapped.at(made[8].id);
  ASSERT_FALSE(FilesWith(disk_, gone).empty());
  ASSERT_TRUE(store->Destroy(1, {made[7].id}).ok());
  ASSERT_FALSE(FilesWith(disk_, gone).empty());
  ASSERT_TRUE(store->Sweep().ok());
  EXPECT_EQ(FilesWith(disk_, gone), std::vector<std::string>());
  EXPECT_FALSE(FilesWith(disk_, kept).empty());
  ASSERT_TRUE(store->Sweep().ok());
  EXPECT_TRUE(*store->WasDestroyed(1, made[7].id));
}

// Destroyed is destroyed when Destroy returned, and what a power cut leaves of a sweep is swept
// again.
TEST_F(DestroyedKeysTest, APowerCutBringsNoDestroyedKeyBack) {
  const auto store = Open(disk_);
  std::vector<SubjectKey> made;
  for (int i = 0; i < 40; ++i) made.push_back(*store->NewKey(1));
  std::vector<std::pair<std::unique_ptr<FaultEnv>, size_t>> remains;
  std::atomic<size_t> destroyed = 0;
  std::mutex mutex;
  disk_.BeforeEachChange([&](uint64_t number, Operation, const std::string&) {
    constexpr Unsynced kAll[] = {Unsynced::kDropped, Unsynced::kKept, Unsynced::kTorn,
                                 Unsynced::kGarbled};
    const std::lock_guard<std::mutex> lock(mutex);
    const size_t surely = destroyed;
    remains.emplace_back(disk_.AfterPowerCut(kAll[number % 4], number), surely);
  });
  for (size_t i = 0; i < 12; ++i) {
    ASSERT_TRUE(store->Destroy(1, {made[i].id}).ok());
    destroyed = i + 1;
    if (i % 4 == 3) {
      ASSERT_TRUE(store->Sweep().ok());
    }
  }
  disk_.BeforeEachChange(nullptr);
  ASSERT_GT(remains.size(), 40u);
  for (auto& [left, surely] : remains) {
    const auto again = TryOpen(*left);
    ASSERT_TRUE(again.ok()) << again.status();
    for (size_t i = 0; i < made.size(); ++i) {
      if (i < surely) {
        EXPECT_TRUE(*(*again)->WasDestroyed(1, made[i].id));
      } else if (i >= 12) {
        EXPECT_EQ(*(*again)->Find(1, made[i].id), made[i].secret);
      }
    }
    ASSERT_TRUE((*again)->Sweep().ok());
  }
}

}  // namespace
}  // namespace retrace::eventstore
