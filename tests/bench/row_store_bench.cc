// What rows, keys and sealing cost, each beside its yardstick. Not a test: figures, no verdict.
//
//   row_store_bench [Google Benchmark's options]
//
// RETRACE_BENCH_ROWS says how many entities the store holds (default 100,000);
// RETRACE_BENCH_CACHE_MIB how large the block cache is (default 256). The directory is made under
// $TMPDIR and removed.
#include <benchmark/benchmark.h>
#include <fmt/format.h>
#include <rocksdb/db.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/table.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "eventstore/key_store.h"
#include "eventstore/row_store.h"
#include "eventstore/sealing.h"
#include "retrace/store/v1/commit.pb.h"
#include "retrace/store/v1/entities.pb.h"
#include "tests/support/temp_directory.h"

namespace retrace::eventstore {
namespace {

constexpr KindNumber kKind = 1;
constexpr TenantNumber kFresh = 1;    // every entity written once
constexpr TenantNumber kBinned = 2;   // 90 % of them deleted since
constexpr TenantNumber kChanged = 3;  // the indexed name of each changed 20 times
constexpr int kChanges = 20;
constexpr size_t kRowBytes = 300;
constexpr size_t kCommitsPerApply = 64;

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

void Must(const absl::Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.ToString().c_str());
  std::abort();
}

std::string IdOf(uint64_t number) { return fmt::format("{:016x}", number * 0x9e3779b97f4a7c15u); }

// A word out of a small language, so that many entities share one.
std::string WordOf(uint64_t number) {
  static const char* const kSyllables[] = {"ka", "lo", "mi", "ne", "ru", "sa", "to", "vi"};
  uint64_t bits = number * 0x9e3779b97f4a7c15u;
  bits ^= bits >> 29;
  bits *= 0xbf58476d1ce4e5b9u;
  std::string word;
  for (int i = 0; i < 5; ++i) word += kSyllables[(bits >> (40 + 3 * i)) % 8];
  return word;
}

std::string NameOf(uint64_t number, int change) {
  return WordOf(number * 2 + 1) + " " + WordOf(number * 31 + static_cast<uint64_t>(change) * 7919);
}

// Of all threads: what writing costs in the background counts.
double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double ResidentMib() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmRSS:")) return std::strtod(line.c_str() + 6, nullptr) / 1024;
  }
  return 0;
}

// Rows and index entries as a kind with eleven index entries an entity has them.
class Filled {
 public:
  static Filled& Instance() {
    static Filled filled;
    return filled;
  }

  RowStore& store() { return *store_; }
  rocksdb::DB& plain() { return *plain_; }
  uint64_t rows() const { return rows_; }
  // Every entity is created before it, the yardstick of "then" against "now".
  Position head(TenantNumber tenant) const { return positions_[tenant]; }

 private:
  Filled() {
    absl::StatusOr<std::unique_ptr<RowStore>> store =
        RowStore::Open({.directory = directory_.Below("rows"),
                        .layout_stamp = "bench",
                        .cache_bytes = FromEnvironment("RETRACE_BENCH_CACHE_MIB", 256) << 20});
    Must(store.status());
    store_ = *std::move(store);
    const double begin = CpuSeconds();
    for (const TenantNumber tenant : {kFresh, kBinned, kChanged}) {
      for (uint64_t i = 0; i < size(tenant); ++i) Create(tenant, i);
    }
    for (uint64_t i = 0; i < size(kBinned); ++i) {
      if (i % 10 != 0) Remark(kBinned, i, Mark::kBinned);
    }
    for (int change = 1; change <= kChanges; ++change) {
      for (uint64_t i = 0; i < size(kChanged); ++i) Rename(i, change);
    }
    Apply();
    Must(store_->Flush());
    const double took = CpuSeconds() - begin;
    std::printf(
        "%llu entities, %llu keys written with %.1f s of CPU: %.2f us a key; %.0f MiB "
        "resident, %.0f MiB of them the store's\n",
        static_cast<unsigned long long>(rows_), static_cast<unsigned long long>(keys_), took,
        took * 1e6 / static_cast<double>(keys_), ResidentMib(),
        static_cast<double>(store_->MemoryBytes()) / (1 << 20));
    FillPlain();
  }

  // The changed ones are few, since each has 41 times the keys.
  uint64_t size(TenantNumber tenant) const { return tenant == kFresh ? rows_ : rows_ / 10; }

  RowChanges& Next(TenantNumber tenant) {
    if (batch_.size() == kCommitsPerApply) Apply();
    return batch_.emplace_back(
        RowChanges{.tenant = tenant, .position = ++positions_[tenant], .epoch = 1});
  }
  void Apply() {
    Must(store_->Apply(batch_));
    for (const RowChanges& commit : batch_) keys_ += commit.rows.size() + commit.entries.size();
    batch_.clear();
  }

  void Create(TenantNumber tenant, uint64_t number) {
    RowChanges& commit = Next(tenant);
    commit.rows.push_back({kKind, IdOf(number), std::string(kRowBytes, 'r')});
    Enter(commit, number, 0, Mark::kLive);
    const std::string id = IdOf(number);
    for (IndexNumber index = 2; index < 10; ++index) {
      commit.entries.push_back(
          {kKind, index, fmt::format("{}-{:010}", index, number), id, Mark::kLive});
    }
    commit.entries.push_back({kKind, 10, fmt::format("{:08}", number), id, Mark::kLive});
  }
  void Enter(RowChanges& commit, uint64_t number, int change, Mark mark) {
    commit.entries.push_back({kKind, 1, NameOf(number, change), IdOf(number), mark});
  }
  void Remark(TenantNumber tenant, uint64_t number, Mark mark) {
    RowChanges& commit = Next(tenant);
    commit.rows.push_back({kKind, IdOf(number), std::string(kRowBytes, 'b')});
    Enter(commit, number, 0, mark);
    for (IndexNumber index = 2; index < 10; ++index) {
      commit.entries.push_back(
          {kKind, index, fmt::format("{}-{:010}", index, number), IdOf(number), mark});
    }
  }
  void Rename(uint64_t number, int change) {
    RowChanges& commit = Next(kChanged);
    commit.rows.push_back({kKind, IdOf(number), std::string(kRowBytes, 'c')});
    Enter(commit, number, change - 1, Mark::kGone);
    Enter(commit, number, change, Mark::kLive);
  }

  // The same rows, each under its id, in a RocksDB with nothing special but a bloom filter.
  void FillPlain() {
    rocksdb::Options options;
    options.create_if_missing = true;
    rocksdb::BlockBasedTableOptions table;
    table.block_cache = rocksdb::NewLRUCache(FromEnvironment("RETRACE_BENCH_CACHE_MIB", 256) << 20);
    table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
    options.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
    rocksdb::DB* db = nullptr;
    const rocksdb::Status opened = rocksdb::DB::Open(options, directory_.Below("plain"), &db);
    if (!opened.ok()) std::abort();
    plain_.reset(db);
    rocksdb::WriteOptions unlogged;
    unlogged.disableWAL = true;
    for (uint64_t i = 0; i < rows_; ++i) {
      if (!db->Put(unlogged, IdOf(i), std::string(kRowBytes, 'r')).ok()) std::abort();
    }
    if (!db->Flush({}).ok()) std::abort();
  }

  const uint64_t rows_ = FromEnvironment("RETRACE_BENCH_ROWS", 100000);
  const retrace::testing::TempDirectory directory_;
  std::unique_ptr<RowStore> store_;
  std::unique_ptr<rocksdb::DB> plain_;
  std::vector<RowChanges> batch_;
  Position positions_[4] = {};
  uint64_t keys_ = 0;
};

void PlainGet(benchmark::State& state) {
  Filled& filled = Filled::Instance();
  std::mt19937_64 bits(1);
  std::string bytes;
  for (auto _ : state) {
    if (!filled.plain().Get({}, IdOf(bits() % filled.rows()), &bytes).ok()) std::abort();
  }
}
BENCHMARK(PlainGet);

void Get(benchmark::State& state, bool old) {
  Filled& filled = Filled::Instance();
  std::mt19937_64 bits(1);
  for (auto _ : state) {
    const uint64_t number = bits() % filled.rows();
    const auto row = filled.store().Get(kFresh, kKind, IdOf(number), old ? number + 1 : kLatest);
    if (!row.ok() || !row->has_value()) std::abort();
  }
}
BENCHMARK_CAPTURE(Get, Now, false);
BENCHMARK_CAPTURE(Get, AsOfItsCreation, true);

void GetMissing(benchmark::State& state) {
  Filled& filled = Filled::Instance();
  uint64_t number = filled.rows();
  for (auto _ : state) {
    const auto row = filled.store().Get(kFresh, kKind, IdOf(++number), kLatest);
    if (!row.ok() || row->has_value()) std::abort();
  }
}
BENCHMARK(GetMissing);

// Fifty live entities by name from a random place on, with their rows.
void Page(benchmark::State& state, TenantNumber tenant, bool old, bool backwards) {
  Filled& filled = Filled::Instance();
  std::mt19937_64 bits(1);
  const Position as_of = old ? filled.head(tenant) / 2 : kLatest;
  size_t keys = 0;
  size_t found = 0;
  for (auto _ : state) {
    const auto scan = filled.store().ScanIndex({tenant, kKind, 1, "", ""}, as_of, backwards);
    scan->Seek(WordOf(bits()), "");
    for (int live = 0; live < 50;) {
      const auto entry = scan->Next();
      Must(entry.status());
      if (!entry->has_value()) break;
      if ((*entry)->mark != Mark::kLive) continue;
      ++live;
      ++found;
      const auto row = filled.store().Get(tenant, kKind, (*entry)->id, as_of);
      if (!row.ok() || !row->has_value()) std::abort();
    }
    keys += scan->keys_read();
  }
  const auto pages = static_cast<double>(state.iterations());
  state.counters["keys"] = static_cast<double>(keys) / pages;
  state.counters["rows"] = static_cast<double>(found) / pages;
}
BENCHMARK_CAPTURE(Page, Fresh, kFresh, false, false)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(Page, FreshAsOfHalf, kFresh, true, false)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(Page, FreshBackwards, kFresh, false, true)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(Page, NineTenthsBinned, kBinned, false, false)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(Page, TwentyChanges, kChanged, false, false)->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(Page, TwentyChangesAsOfHalf, kChanged, true, false)
    ->Unit(benchmark::kMicrosecond);
BENCHMARK_CAPTURE(Page, TwentyChangesBackwards, kChanged, false, true)
    ->Unit(benchmark::kMicrosecond);

// Is there an entity with this unique value?
void FindUnique(benchmark::State& state, bool there) {
  Filled& filled = Filled::Instance();
  std::mt19937_64 bits(1);
  for (auto _ : state) {
    const std::string value = fmt::format("2-{:010}{}", bits() % filled.rows(), there ? "" : "x");
    const auto scan =
        filled.store().ScanIndex(IndexRange::Exactly(kFresh, kKind, 2, value), kLatest, false);
    const auto entry = scan->Next();
    if (!entry.ok() || entry->has_value() != there) std::abort();
  }
}
BENCHMARK_CAPTURE(FindUnique, There, true);
BENCHMARK_CAPTURE(FindUnique, NotThere, false);

struct Keys {
  Keys() {
    const std::string master = directory.Below("master.key");
    Must(KeyStore::MakeMasterKey(master));
    auto opened = KeyStore::Open(
        {.directory = directory.Below("keys"), .master_key_file = master, .on_failure = Must});
    Must(opened.status());
    store = *std::move(opened);
  }
  const retrace::testing::TempDirectory directory;
  std::unique_ptr<KeyStore> store;
};

void NewKey(benchmark::State& state) {
  Keys keys;
  for (auto _ : state) Must(keys.store->NewKey(1).status());
}
BENCHMARK(NewKey)->UseRealTime();

// The pool is refilled in pauses, as it is when other work is done between.
void NewKeyFromPool(benchmark::State& state) {
  Keys keys;
  for (int i = 0; i < 5000; ++i) Must(keys.store->NewKey(1).status());
  for (auto _ : state) {
    state.PauseTiming();
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    state.ResumeTiming();
    for (int i = 0; i < 400; ++i) Must(keys.store->NewKey(1).status());
  }
  state.SetItemsProcessed(400 * state.iterations());
}
BENCHMARK(NewKeyFromPool)->UseRealTime()->Iterations(50);

void FindKey(benchmark::State& state, uint64_t different) {
  Keys keys;
  std::vector<std::string> ids;
  while (ids.size() < different) ids.push_back(keys.store->NewKey(1)->id);
  std::mt19937_64 bits(1);
  for (auto _ : state) Must(keys.store->Find(1, ids[bits() % ids.size()]).status());
}
BENCHMARK_CAPTURE(FindKey, Cached, 10000);
BENCHMARK_CAPTURE(FindKey, MostlyNotCached, 600000);

store::v1::CustomerCreated ExampleEvent() {
  store::v1::CustomerCreated event;
  auto& customer = *event.mutable_customer();
  customer.set_name("tenants/acme/customers/01hxyzabcdefghijkm");
  customer.set_number(4711);
  customer.set_display_name("Ada Lovelace");
  customer.set_given_name("Ada");
  customer.set_family_name("Lovelace");
  customer.set_level("gold");
  auto& phone = *customer.add_phones();
  phone.set_raw("(415) 555-2671");
  phone.set_e164("+14155552671");
  customer.add_emails("ada@example.org");
  auto& address = *customer.add_addresses();
  address.set_region_code("GB");
  address.set_locality("London");
  address.add_address_lines("12 St James's Square");
  customer.add_tags("vip");
  customer.set_external_id("A-4711");
  return event;
}

void SealEvent(benchmark::State& state) {
  Keys keys;
  const SubjectKey key = *keys.store->NewKey(1);
  const store::v1::CustomerCreated event = ExampleEvent();
  for (auto _ : state) {
    store::v1::StoredEvent stored;
    stored.set_type("CustomerCreated");
    Must(Seal(event, {"acme", 1, "01hxyzabcdefghijkm"}, "customers/01hxyzabcdefghijkm", &key,
              stored));
  }
}
BENCHMARK(SealEvent);

void OpenEvent(benchmark::State& state) {
  Keys keys;
  const SubjectKey key = *keys.store->NewKey(1);
  const SealingPlace place{"acme", 1, "01hxyzabcdefghijkm"};
  store::v1::StoredEvent stored;
  stored.set_type("CustomerCreated");
  Must(Seal(ExampleEvent(), place, "customers/01hxyzabcdefghijkm", &key, stored));
  for (auto _ : state) {
    store::v1::CustomerCreated event;
    Must(Open(stored, place, 1, *keys.store, event, nullptr));
  }
}
BENCHMARK(OpenEvent);

void SerializeEvent(benchmark::State& state) {
  const store::v1::CustomerCreated event = ExampleEvent();
  for (auto _ : state) benchmark::DoNotOptimize(event.SerializeAsString());
}
BENCHMARK(SerializeEvent);

}  // namespace
}  // namespace retrace::eventstore

BENCHMARK_MAIN();
