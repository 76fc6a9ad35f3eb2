// What a disk holds and what of it is durable: bytes once their file was synced, names once their
// directory was. No file system of RocksDB's yet: see fault_env.h.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

namespace retrace::testing {

// What a power cut leaves of what was not synced.
enum class Unsynced {
  kDropped,  // nothing
  kKept,     // all of it
  kTorn,     // of each file a random part, of the names a random prefix
  kGarbled,  // as kTorn, with random bytes at the end of torn write-ahead logs
};

// A file or directory.
class DiskFile {
 public:
  explicit DiskFile(bool directory = false) : directory_(directory) {}

  bool directory() const { return directory_; }
  // What reads see: the page cache.
  const std::string& data() const { return data_; }
  // Makes the file longer when need be.
  void Write(uint64_t offset, const char* bytes, size_t size);
  void Resize(uint64_t size);
  // Makes durable what was written since the last sync; or, when the sync fails, marks it clean
  // without that, for good, as Linux does.
  void Sync(bool fails);
  // Contents that were there for ever.
  void SetDurable(std::string contents);
  // What a power cut leaves.
  std::string Remains(Unsynced unsynced, bool garble, std::mt19937_64& random) const;

 private:
  void WriteDirtyTo(std::string& disk) const;

  const bool directory_;
  std::string data_;
  std::string synced_;
  std::set<size_t> dirty_;  // numbers of pages
};

// Names and files. Paths are absolute; repeated and trailing '/' do not matter. Not thread-safe.
class SimulatedDisk {
 public:
  // Holds an empty root directory.
  SimulatedDisk();

  // null when missing.
  std::shared_ptr<DiskFile> Find(const std::string& path) const;
  // Of what is directly in the directory, sorted.
  std::vector<std::string> NamesIn(const std::string& directory) const;
  // False when the directory that it would be in is missing. Replaces.
  bool Add(const std::string& path, std::shared_ptr<DiskFile> file);
  // False when it is missing.
  bool Remove(const std::string& path);
  // A directory moves with what is in it. False when `from` is missing.
  bool Rename(const std::string& from, const std::string& to);
  // Makes the names in the directory durable.
  void SyncNames(const std::string& directory);

  // As if it had always been so.
  void PutDurable(const std::string& path, std::string contents);
  void RemoveDurable(const std::string& path);

  // The disk as a power cut leaves it. Same seed, same disk.
  SimulatedDisk AfterPowerCut(Unsynced unsynced, uint64_t seed) const;

  // The path without needless '/'.
  static std::string Plain(const std::string& path);

 private:
  using Names = std::map<std::string, std::shared_ptr<DiskFile>>;
  // A change of names that its directory was not yet synced after.
  struct Change {
    enum class Kind { kAdd, kRemove, kRename } kind = Kind::kAdd;
    std::string path;
    std::string to;  // of a rename
    std::shared_ptr<DiskFile> file;
  };

  static void Apply(const Change& change, Names& names);
  void Do(Change change);

  Names names_;
  Names durable_;
  std::vector<Change> pending_;
};

}  // namespace retrace::testing
