#include "eventstore/key_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rocksdb/db.h>
#include <sys/stat.h>

#include <atomic>
#include <fstream>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/fault_env.h"
#include "tests/support/temp_directory.h"

namespace retrace::eventstore {
namespace {

using retrace::testing::FaultEnv;
using retrace::testing::TempDirectory;
using ::testing::AllOf;
using ::testing::HasSubstr;
using Operation = FaultEnv::Operation;
using Unsynced = FaultEnv::Unsynced;

constexpr char kKeys[] = "/keys";

void WriteFile(const std::string& path, const std::string& text, mode_t mode) {
  std::ofstream(path) << text;
  ASSERT_EQ(chmod(path.c_str(), mode), 0);
}

class KeyStoreTest : public ::testing::Test {
 protected:
  KeyStoreTest() { EXPECT_TRUE(KeyStore::MakeMasterKey(master_).ok()); }

  absl::StatusOr<std::unique_ptr<KeyStore>> TryOpen(FaultEnv& disk) {
    return KeyStore::Open({.directory = kKeys,
                           .master_key_file = master_,
                           .on_failure = [this](const absl::Status&) { ++failures_; },
                           .env = disk.env()});
  }
  std::unique_ptr<KeyStore> Open(FaultEnv& disk) {
    auto store = TryOpen(disk);
    EXPECT_TRUE(store.ok()) << store.status();
    return std::move(*store);
  }

  // Everything in the closed store, as RocksDB has it.
  std::map<std::string, std::string> RawContents() {
    std::map<std::string, std::string> contents;
    WithRawDatabase([&](rocksdb::DB& db) {
      std::unique_ptr<rocksdb::Iterator> all(db.NewIterator({}));
      for (all->SeekToFirst(); all->Valid(); all->Next()) {
        contents[all->key().ToString()] = all->value().ToString();
      }
    });
    return contents;
  }
  void PutRaw(const std::string& key, const std::string& value) {
    WithRawDatabase([&](rocksdb::DB& db) { ASSERT_TRUE(db.Put({}, key, value).ok()); });
  }

  template <typename Use>
  void WithRawDatabase(Use use) {
    rocksdb::Options options;
    options.env = disk_.env();
    rocksdb::DB* opened = nullptr;
    const rocksdb::Status status = rocksdb::DB::Open(options, kKeys, &opened);
    ASSERT_TRUE(status.ok()) << status.ToString();
    const std::unique_ptr<rocksdb::DB> db(opened);
    use(*db);
  }

  const TempDirectory directory_;
  const std::string master_ = directory_.Below("master.key");
  FaultEnv disk_;
  std::atomic<int> failures_ = 0;
};

TEST_F(KeyStoreTest, KeysSurviveReopening) {
  std::map<std::pair<TenantNumber, std::string>, SecretKey> made;
  std::map<TenantNumber, SecretKey> macs;
  {
    const auto store = Open(disk_);
    for (int i = 0; i < 300; ++i) {
      const TenantNumber tenant = static_cast<TenantNumber>(i % 3);
      const auto key = store->NewKey(tenant);
      ASSERT_TRUE(key.ok()) << key.status();
      EXPECT_EQ(key->id.size(), 16u);
      EXPECT_TRUE(made.insert({{tenant, key->id}, key->secret}).second);
    }
    for (TenantNumber tenant = 0; tenant < 3; ++tenant) macs[tenant] = *store->MacKey(tenant);
  }
  const auto store = Open(disk_);
  std::set<SecretKey> different;
  for (const auto& [name, secret] : made) {
    EXPECT_EQ(*store->Find(name.first, name.second), secret);
    EXPECT_TRUE(*store->Contains(name.first, name.second));
    different.insert(secret);
  }
  for (const auto& [tenant, mac] : macs) {
    EXPECT_EQ(*store->MacKey(tenant), mac);
    different.insert(mac);
  }
  EXPECT_EQ(different.size(), made.size() + macs.size());
}

TEST_F(KeyStoreTest, KeysOfOneTenantAreNotFoundUnderAnother) {
  const auto store = Open(disk_);
  const SubjectKey key = *store->NewKey(1);
  ASSERT_TRUE(store->NewKey(2).ok());
  for (const TenantNumber other : {TenantNumber{2}, TenantNumber{3}}) {
    EXPECT_TRUE(absl::IsNotFound(store->Find(other, key.id).status()));
    EXPECT_FALSE(*store->Contains(other, key.id));
  }
  for (const std::string& id :
       {std::string(), std::string("x"), std::string(16, 'x'), key.id + "x"}) {
    EXPECT_TRUE(absl::IsNotFound(store->Find(1, id).status()));
    EXPECT_FALSE(*store->Contains(1, id));
  }
}

// A key that was given out must be there whatever a power cut leaves.
TEST_F(KeyStoreTest, AKeyIsOnDiskBeforeItIsGivenOut) {
  for (const Unsynced unsynced :
       {Unsynced::kDropped, Unsynced::kKept, Unsynced::kTorn, Unsynced::kGarbled}) {
    for (uint64_t seed = 1; seed <= 12; ++seed) {
      SCOPED_TRACE(::testing::Message()
                   << "unsynced " << static_cast<int>(unsynced) << " seed " << seed);
      FaultEnv disk;
      std::vector<std::pair<TenantNumber, SubjectKey>> made;
      const auto store = Open(disk);
      for (uint64_t i = 0; i < 1 + seed * 7; ++i) {
        const auto tenant = static_cast<TenantNumber>(i % 2);
        made.emplace_back(tenant, *store->NewKey(tenant));
      }
      const std::unique_ptr<FaultEnv> after = disk.AfterPowerCut(unsynced, seed);
      const auto again = Open(*after);
      for (const auto& [tenant, key] : made) {
        const auto found = again->Find(tenant, key.id);
        ASSERT_TRUE(found.ok()) << found.status();
        ASSERT_EQ(*found, key.secret);
      }
    }
  }
}

// The same when power fails in the middle of anything: making the store, a refill, a flush.
TEST_F(KeyStoreTest, APowerCutAtAnyMomentLosesNoKeyThatWasGivenOut) {
  struct Remains {
    std::unique_ptr<FaultEnv> disk;
    size_t given_out = 0;
  };
  constexpr Unsynced kAll[] = {Unsynced::kDropped, Unsynced::kKept, Unsynced::kTorn,
                               Unsynced::kGarbled};
  for (uint64_t seed = 1; seed <= 4; ++seed) {
    FaultEnv disk;
    std::mutex mutex;
    std::vector<SubjectKey> made;
    std::vector<Remains> all;
    disk.BeforeEachChange([&](uint64_t number, Operation, const std::string& path) {
      const std::lock_guard<std::mutex> lock(mutex);
      // Most often while a write-ahead log waits for its sync.
      const bool often = path.find(".log") != std::string::npos;
      if (!often && (number + seed) % 3 != 0) return;
      for (uint64_t times = often ? 4 : 1; times > 0; --times) {
        const Unsynced unsynced = kAll[(number + times) % 4];
        all.push_back(
            {disk.AfterPowerCut(unsynced, 1000 * seed + 10 * number + times), made.size()});
      }
    });
    {
      const auto store = Open(disk);
      for (int i = 0; i < 1500; ++i) {
        SubjectKey key = *store->NewKey(1);
        const std::lock_guard<std::mutex> lock(mutex);
        made.push_back(std::move(key));
      }
    }
    disk.BeforeEachChange(nullptr);
    for (const Remains& remains : all) {
      SCOPED_TRACE(::testing::Message() << "seed " << seed << " given out " << remains.given_out);
      const auto store = TryOpen(*remains.disk);
      ASSERT_TRUE(store.ok()) << store.status();
      for (size_t i = 0; i < remains.given_out; ++i) {
        ASSERT_EQ((*store)->Find(1, made[i].id).value_or(SecretKey{}), made[i].secret) << i;
      }
      ASSERT_TRUE((*store)->NewKey(1).ok());
    }
  }
}

TEST_F(KeyStoreTest, NothingIsAnsweredAfterAFailedSync) {
  // Syncs of the write-ahead log and of the witness.
  for (const auto& [part, nth] : std::vector<std::pair<std::string, uint64_t>>{
           {".log", 1}, {".log", 2}, {".log", 4}, {"head", 1}, {"head", 2}, {"head", 4}}) {
    SCOPED_TRACE(::testing::Message() << "sync " << nth << " of " << part);
    FaultEnv disk;
    failures_ = 0;
    const auto store = Open(disk);
    const SubjectKey before = *store->NewKey(1);
    disk.FailNth(Operation::kSync, nth, part);
    // Enough new keys for some refills, in the background or not.
    absl::Status status;
    for (int i = 0; i < 5000 && status.ok(); ++i) status = store->NewKey(1).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable) << status;
    EXPECT_EQ(failures_, 1);
    disk.Heal();
    EXPECT_TRUE(absl::IsUnavailable(store->NewKey(1).status()));
    EXPECT_TRUE(absl::IsUnavailable(store->NewKey(2).status()));
    EXPECT_TRUE(absl::IsUnavailable(store->Find(1, before.id).status()));
    EXPECT_TRUE(absl::IsUnavailable(store->Contains(1, before.id).status()));
    EXPECT_TRUE(absl::IsUnavailable(store->MacKey(1).status()));
    EXPECT_TRUE(absl::IsUnavailable(store->Checkpoint("/copy")));
    EXPECT_EQ(failures_, 1);
  }
}

TEST_F(KeyStoreTest, DamageOfAnyWrappedKeyIsDataLoss) {
  SubjectKey key;
  SubjectKey other;
  {
    const auto store = Open(disk_);
    key = *store->NewKey(1);
    other = *store->NewKey(1);
  }
  const std::map<std::string, std::string> contents = RawContents();
  ASSERT_EQ(contents.size(), 5u);  // check record, tenant key, two subject keys, number of batches
  const std::string subject_name = std::string("\x02\0\0\0\x01", 5) + key.id;
  const std::string tenant_name("\x01\0\0\0\x01", 5);
  ASSERT_TRUE(contents.contains(subject_name) && contents.contains(tenant_name));
  const auto expect_loss = [&](const std::string& name, const std::string& value) {
    PutRaw(name, value);
    EXPECT_TRUE(absl::IsDataLoss(Open(disk_)->Find(1, key.id).status()))
        << Open(disk_)->Find(1, key.id).status();
    PutRaw(name, contents.at(name));
  };
  for (const std::string& name : {subject_name, tenant_name}) {
    for (size_t at = 0; at < contents.at(name).size(); at += 5) {
      std::string value = contents.at(name);
      value[at] = static_cast<char>(value[at] ^ 4);
      expect_loss(name, value);
    }
    expect_loss(name, "");
    expect_loss(name, contents.at(name).substr(0, 30));
  }
  // A key in another's place.
  expect_loss(subject_name, contents.at(std::string("\x02\0\0\0\x01", 5) + other.id));
  expect_loss(subject_name, contents.at(tenant_name));
  EXPECT_EQ(*Open(disk_)->Find(1, key.id), key.secret);
}

TEST_F(KeyStoreTest, AMissingTenantKeyIsDataLossAndNotAnErasure) {
  SubjectKey key;
  {
    const auto store = Open(disk_);
    key = *store->NewKey(1);
  }
  WithRawDatabase(
      [](rocksdb::DB& db) { ASSERT_TRUE(db.Delete({}, std::string("\x01\0\0\0\x01", 5)).ok()); });
  EXPECT_TRUE(absl::IsDataLoss(Open(disk_)->Find(1, key.id).status()));
}

TEST_F(KeyStoreTest, FlippedBitsOnDiskLoseNoKeySilently) {
  std::vector<SubjectKey> made;
  std::unique_ptr<FaultEnv> closed;
  {
    const auto store = Open(disk_);
    for (int i = 0; i < 60; ++i) made.push_back(*store->NewKey(1));
    closed = disk_.AfterPowerCut(Unsynced::kDropped, 1);
  }
  int refused = 0;
  for (const std::string& name : closed->Files(kKeys)) {
    const std::string path = std::string(kKeys) + "/" + name;
    const std::string contents = closed->Contents(path);
    if (name.find(".log") == std::string::npos) continue;
    for (size_t at = 0; at < contents.size(); at += 71) {
      std::unique_ptr<FaultEnv> disk = closed->AfterPowerCut(Unsynced::kKept, 1);
      std::string flipped = contents;
      flipped[at] = static_cast<char>(flipped[at] ^ 1);
      disk->Overwrite(path, flipped);
      auto store = TryOpen(*disk);
      if (!store.ok()) {
        ++refused;
        EXPECT_TRUE(absl::IsDataLoss(store.status())) << store.status();
        // Refusing has changed nothing: with the bit as it was the keys are back.
        disk->Overwrite(path, contents);
        store = TryOpen(*disk);
        ASSERT_TRUE(store.ok()) << store.status();
      }
      for (const SubjectKey& key : made) {
        ASSERT_EQ((*store)->Find(1, key.id).value_or(SecretKey{}), key.secret) << at;
      }
    }
  }
  EXPECT_GT(refused, 5);
}

TEST_F(KeyStoreTest, AMissingCurrentFileIsNotAFreshStore) {
  {
    const auto store = Open(disk_);
    ASSERT_TRUE(store->NewKey(1).ok());
  }
  disk_.Remove(std::string(kKeys) + "/CURRENT");
  absl::Status status = TryOpen(disk_).status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("CURRENT"));
  // Not even when nothing but the witness is left.
  for (const std::string& name : disk_.Files(kKeys)) disk_.Remove(std::string(kKeys) + "/" + name);
  status = TryOpen(disk_).status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
}

// A cleanly cut tail is valid for RocksDB; only the witness knows.
TEST_F(KeyStoreTest, AnEarlierStateOfTheKeysIsRefused) {
  const auto store = Open(disk_);
  ASSERT_TRUE(store->NewKey(1).ok());
  const std::unique_ptr<FaultEnv> earlier = disk_.AfterPowerCut(Unsynced::kDropped, 1);
  ASSERT_TRUE(store->NewKey(2).ok());
  const std::unique_ptr<FaultEnv> later = disk_.AfterPowerCut(Unsynced::kDropped, 1);
  const std::string witness = std::string(kKeys) + "/witness/head";
  earlier->Overwrite(witness, later->Contents(witness));
  const absl::Status status = TryOpen(*earlier).status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("keys were lost"));
  earlier->Overwrite(witness, std::string(100, 'x'));
  EXPECT_TRUE(absl::IsDataLoss(TryOpen(*earlier).status())) << TryOpen(*earlier).status();
  // Somebody who restores the keys from a copy has no witness.
  earlier->Remove(witness);
  EXPECT_TRUE(TryOpen(*earlier).ok());
  EXPECT_TRUE(TryOpen(*later).ok());
}

TEST_F(KeyStoreTest, KeysMadeAheadAndNotUsedAreRemovedOnClosing) {
  {
    const auto store = Open(disk_);
    for (int i = 0; i < 100; ++i) ASSERT_TRUE(store->NewKey(1).ok());
  }
  EXPECT_EQ(RawContents().size(), 100u + 3);
}

TEST_F(KeyStoreTest, ThreadsGetDifferentKeys) {
  constexpr int kThreads = 4;
  constexpr int kEach = 2000;
  std::vector<std::vector<SubjectKey>> made(kThreads);
  {
    const auto store = Open(disk_);
    std::vector<std::thread> threads;
    for (size_t t = 0; t < kThreads; ++t) {
      threads.emplace_back([&, t] {
        for (int i = 0; i < kEach; ++i) {
          made[t].push_back(*store->NewKey(static_cast<TenantNumber>(t % 2)));
          if (i % 10 == 0) {
            EXPECT_EQ(*store->Find(static_cast<TenantNumber>(t % 2), made[t][0].id),
                      made[t][0].secret);
          }
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
  const auto store = Open(disk_);
  std::set<std::string> ids;
  for (size_t t = 0; t < kThreads; ++t) {
    for (const SubjectKey& key : made[t]) {
      ids.insert(key.id);
      ASSERT_EQ(*store->Find(static_cast<TenantNumber>(t % 2), key.id), key.secret);
    }
  }
  EXPECT_EQ(ids.size(), size_t{kThreads} * kEach);
}

TEST_F(KeyStoreTest, ACopyHoldsEveryKeyAndIsDurable) {
  const auto store = Open(disk_);
  std::vector<SubjectKey> made;
  for (int i = 0; i < 200; ++i) made.push_back(*store->NewKey(1));
  ASSERT_TRUE(store->Checkpoint("/copy").ok()) << store->Checkpoint("/copy");
  EXPECT_TRUE(absl::IsFailedPrecondition(store->Checkpoint("/copy")));
  ASSERT_TRUE(store->NewKey(1).ok());
  const std::unique_ptr<FaultEnv> after = disk_.AfterPowerCut(Unsynced::kDropped, 1);
  const auto copy = KeyStore::Open({.directory = "/copy",
                                    .master_key_file = master_,
                                    .on_failure = [](const absl::Status&) {},
                                    .env = after->env()});
  ASSERT_TRUE(copy.ok()) << copy.status();
  for (const SubjectKey& key : made) EXPECT_EQ(*(*copy)->Find(1, key.id), key.secret);
}

TEST_F(KeyStoreTest, AnotherMasterKeyIsRefused) {
  ASSERT_TRUE(Open(disk_)->NewKey(1).ok());
  std::filesystem::remove(master_);
  ASSERT_TRUE(KeyStore::MakeMasterKey(master_).ok());
  const absl::Status status = TryOpen(disk_).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr(master_), HasSubstr(kKeys), HasSubstr("not the one")));
}

TEST_F(KeyStoreTest, UnfitMasterKeyFilesAreRefusedAndNothingIsMade) {
  const std::string good(64, 'a');
  const struct {
    std::string name;
    std::string text;
    mode_t mode;
    std::string words;
  } kCases[] = {
      {"group", good, 0640, "chmod 600"},
      {"others", good, 0604, "chmod 600"},
      {"short", good.substr(1), 0600, "64"},
      {"long", good + "a", 0600, "64"},
      {"empty", "", 0600, "64"},
      {"spaced", " " + good.substr(1), 0600, "64"},
      {"letters", std::string(64, 'g'), 0600, "64"},
      {"huge", std::string(100000, 'a'), 0600, "64"},
  };
  for (const auto& unfit : kCases) {
    SCOPED_TRACE(unfit.name);
    const std::string file = directory_.Below(unfit.name);
    WriteFile(file, unfit.text, unfit.mode);
    const absl::Status status = KeyStore::Open({.directory = kKeys,
                                                .master_key_file = file,
                                                .on_failure = [](const absl::Status&) {},
                                                .env = disk_.env()})
                                    .status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr(file), HasSubstr(unfit.words)));
    EXPECT_THAT(std::string(status.message()), ::testing::Not(HasSubstr("aaaa")));
  }
  for (const std::string& file : {directory_.Below("missing"), directory_.path()}) {
    const absl::Status status = KeyStore::Open({.directory = kKeys,
                                                .master_key_file = file,
                                                .on_failure = [](const absl::Status&) {},
                                                .env = disk_.env()})
                                    .status();
    EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr(file));
  }
  EXPECT_TRUE(disk_.Files(kKeys).empty());
}

TEST_F(KeyStoreTest, MasterKeyFilesAreMadeOnceAndPrivate) {
  struct stat status {};
  ASSERT_EQ(stat(master_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0600u);
  EXPECT_EQ(status.st_size, 65);
  EXPECT_TRUE(absl::IsAlreadyExists(KeyStore::MakeMasterKey(master_)));
  EXPECT_FALSE(KeyStore::MakeMasterKey(directory_.Below("no/such")).ok());
}

TEST_F(KeyStoreTest, OnDiskTheDirectoryIsPrivateAndASecondOpenerIsRefused) {
  const KeyStoreOptions options{.directory = directory_.Below("store/keys"),
                                .master_key_file = master_,
                                .on_failure = [](const absl::Status&) {}};
  const auto store = KeyStore::Open(options);
  ASSERT_TRUE(store.ok()) << store.status();
  ASSERT_TRUE((*store)->NewKey(1).ok());
  struct stat status {};
  ASSERT_EQ(stat(options.directory.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0700u);
  ASSERT_TRUE((*store)->Checkpoint(directory_.Below("copy")).ok());
  ASSERT_EQ(stat(directory_.Below("copy").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777, 0700u);
  const absl::Status second = KeyStore::Open(options).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(second)) << second;
  EXPECT_THAT(std::string(second.message()), HasSubstr("another process"));
}

}  // namespace
}  // namespace retrace::eventstore
