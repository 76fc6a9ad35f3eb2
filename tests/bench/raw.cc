// Yardsticks of the storage below: what the device and a bare RocksDB do in the same run. Prints
// one line of JSON.
//
//   raw sync --dir D                              one small write and fdatasync after the other
//   raw rebuild --log L --rows R --scratch S      scan of every commit, and writing of every key of
//   the rows, by bare RocksDB
//   raw keys --count N --scratch S [--remove]     N keys of the size of rows, each group synced
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "fmt/format.h"
#include "rocksdb/db.h"
#include "rocksdb/write_batch.h"

namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

int Sync(const std::string& directory, int count) {
  const std::string file = directory + "/sync-bench";
  const int fd = open(file.c_str(), O_CREAT | O_WRONLY | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0) return 1;
  const std::string block(512, 'x');
  std::vector<double> micros;
  for (int i = 0; i < count; ++i) {
    const auto begin = Clock::now();
    if (write(fd, block.data(), block.size()) < 0 || fdatasync(fd) != 0) return 1;
    micros.push_back(SecondsSince(begin) * 1e6);
  }
  close(fd);
  unlink(file.c_str());
  std::sort(micros.begin(), micros.end());
  fmt::print("{{\"p50_us\": {:.1f}, \"p99_us\": {:.1f}}}\n", micros[micros.size() / 2],
             micros[micros.size() * 99 / 100]);
  return 0;
}

std::unique_ptr<rocksdb::DB> OpenForReading(const std::string& directory) {
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status = rocksdb::DB::OpenForReadOnly(rocksdb::Options(), directory, &db);
  if (!status.ok()) {
    fmt::print(stderr, "raw: {}: {}\n", directory, status.ToString());
    std::exit(1);
  }
  return std::unique_ptr<rocksdb::DB>(db);
}

// Writes `count` keys of the size that rows and their entries have, in groups as large as those of
// commits, each synced; or, if asked to, measures removing them all in such groups afterwards.
int Keys(int64_t count, const std::string& scratch, bool remove) {
  constexpr int64_t kGroup = 1000;
  rocksdb::Options options;
  options.create_if_missing = true;
  rocksdb::DB* opened = nullptr;
  if (!rocksdb::DB::Open(options, scratch, &opened).ok()) return 1;
  const std::unique_ptr<rocksdb::DB> db(opened);
  const std::string value(100, 'v');
  // Spread over the space, as ids and values of an index are.
  const auto key = [](int64_t i) {
    return fmt::format("{:016x}{:044}", static_cast<uint64_t>(i) * 0x9E3779B97F4A7C15u, i);
  };
  rocksdb::WriteOptions synced;
  synced.sync = true;
  auto begin = Clock::now();
  for (int pass = 0; pass < (remove ? 2 : 1); ++pass) {
    begin = Clock::now();
    for (int64_t i = 0; i < count;) {
      rocksdb::WriteBatch batch;
      for (const int64_t end = std::min(count, i + kGroup); i < end; ++i) {
        const rocksdb::Status added = pass == 0 ? batch.Put(key(i), value) : batch.Delete(key(i));
        if (!added.ok()) return 1;
      }
      if (!db->Write(synced, &batch).ok()) return 1;
    }
  }
  fmt::print("{{\"keys\": {}, \"seconds\": {:.3f}}}\n", count, SecondsSince(begin));
  return 0;
}

int Rebuild(const std::string& log, const std::string& rows, const std::string& scratch) {
  const auto begin = Clock::now();
  int64_t commits = 0, keys = 0, bytes = 0;
  {
    auto db = OpenForReading(log);
    std::unique_ptr<rocksdb::Iterator> it(db->NewIterator(rocksdb::ReadOptions()));
    for (it->SeekToFirst(); it->Valid(); it->Next(), ++commits)
      bytes += static_cast<int64_t>(it->value().size());
  }
  rocksdb::Options options;
  options.create_if_missing = true;
  options.write_buffer_size = 16u << 20;
  rocksdb::DB* out = nullptr;
  if (!rocksdb::DB::Open(options, scratch, &out).ok()) return 1;
  std::unique_ptr<rocksdb::DB> target(out);
  rocksdb::WriteOptions unlogged;
  unlogged.disableWAL = true;
  auto source = OpenForReading(rows);
  std::unique_ptr<rocksdb::Iterator> it(source->NewIterator(rocksdb::ReadOptions()));
  rocksdb::WriteBatch batch;
  for (it->SeekToFirst(); it->Valid(); it->Next(), ++keys) {
    batch.Put(it->key(), it->value());
    if (batch.GetDataSize() < (1u << 20)) continue;
    if (!target->Write(unlogged, &batch).ok()) return 1;
    batch.Clear();
  }
  if (!target->Write(unlogged, &batch).ok() || !target->Flush(rocksdb::FlushOptions()).ok())
    return 1;
  fmt::print("{{\"log_keys\": {}, \"log_bytes\": {}, \"row_keys\": {}, \"seconds\": {:.3f}}}\n",
             commits, bytes, keys, SecondsSince(begin));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Yardsticks of the storage below.");
  app.require_subcommand(1);
  std::string directory, log, rows, scratch;
  int count = 2000;
  auto* sync = app.add_subcommand("sync", "write and fdatasync");
  sync->add_option("--dir", directory, "where to write")->required();
  sync->add_option("--count", count, "how often");
  auto* rebuild = app.add_subcommand("rebuild", "scan a log and write rows");
  rebuild->add_option("--log", log, "directory of the log's RocksDB")->required();
  rebuild->add_option("--rows", rows, "directory of the rows' RocksDB")->required();
  rebuild->add_option("--scratch", scratch, "directory to write to")->required();
  auto* keys = app.add_subcommand("keys", "write keys of the size of rows, each group synced");
  int64_t key_count = 0;
  bool remove = false;
  keys->add_option("--count", key_count, "how many")->required();
  keys->add_option("--scratch", scratch, "directory to write to")->required();
  keys->add_flag("--remove", remove, "measure removing them afterwards");
  CLI11_PARSE(app, argc, argv);
  if (*keys) return Keys(key_count, scratch, remove);
  return *sync ? Sync(directory, count) : Rebuild(log, rows, scratch);
}
