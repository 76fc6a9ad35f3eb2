// A file system in memory for RocksDB that fails when told to, and that knows what a power cut
// would leave of it.
//
// It models a disk strictly: bytes are durable once their file was synced, names once their
// directory was synced, and after a failed sync the bytes that it should have written are lost
// although the next sync says OK. (RocksDB's own NewMemEnv has no notion of durable.)
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "rocksdb/env.h"
#include "tests/support/fault_switch.h"
#include "tests/support/simulated_disk.h"

namespace retrace::testing {

class FaultFileSystem;

// Thread-safe.
class FaultEnv {
 public:
  using Operation = DiskOperation;
  using Unsynced = testing::Unsynced;

  FaultEnv();
  ~FaultEnv();
  FaultEnv(const FaultEnv&) = delete;
  FaultEnv& operator=(const FaultEnv&) = delete;

  rocksdb::Env* env() const { return env_.get(); }

  // The nth operation of that kind from now on, 1 being the next, on a path that contains `part`
  // fails once with `message` as its I/O error. A write then has written nothing.
  void FailNth(Operation operation, uint64_t n, std::string part = "",
               std::string message = "Input/output error");
  // All from now on fail until Heal.
  void FailAll(Operation operation, std::string part = "");
  // As FailNth, but the disk is full.
  void FillDiskAtNth(Operation operation, uint64_t n, std::string part = "");
  // Whether a failure was answered since FailNth or FailAll.
  bool Failed() const;
  void Heal();

  // How many operations of the kind there were.
  uint64_t Count(Operation operation) const;

  // Called before each operation that changes the disk, with its running number from 1; must not
  // use env() or change the observer, may call AfterPowerCut. null: no longer.
  using Observer = FaultSwitch::Observer;
  void BeforeEachChange(Observer observer);

  // The disk as it would be if power failed now. Same seed, same disk.
  std::unique_ptr<FaultEnv> AfterPowerCut(Unsynced unsynced, uint64_t seed) const;

  // For rot and misplaced bytes: files as they are, below the file system.
  std::vector<std::string> Files(const std::string& directory) const;  // names, sorted
  std::string Contents(const std::string& path) const;                 // "" when missing
  void Overwrite(const std::string& path, std::string contents);       // made when missing, durable
  void Remove(const std::string& path);

 private:
  explicit FaultEnv(std::shared_ptr<FaultFileSystem> files);

  std::shared_ptr<FaultFileSystem> files_;
  std::unique_ptr<rocksdb::Env> env_;
};

}  // namespace retrace::testing
