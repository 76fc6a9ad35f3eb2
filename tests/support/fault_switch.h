// Decides which operation of a simulated disk fails, counts them, and lets a test look on.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string>

#include "rocksdb/io_status.h"

namespace retrace::testing {

// What can fail. Reads happen on open and on a miss; the others change the disk.
enum class DiskOperation {
  kWrite,
  kSync,
  kDirectorySync,
  kCreate,  // open for writing
  kRename,
  kLink,
  kDelete,
  kMakeDirectory,
  kRead,
};

// Thread-safe.
class FaultSwitch {
 public:
  struct Fault {
    DiskOperation operation = DiskOperation::kWrite;
    uint64_t countdown = 0;  // the nth from now on fails; 0: none
    bool always = false;     // every one fails
    bool full = false;       // for want of space
    std::string part;        // only on paths that contain this
    std::string message;
  };
  using Observer =
      std::function<void(uint64_t number, DiskOperation operation, const std::string& path)>;

  void Arm(Fault fault);
  void Heal() { Arm({}); }
  // Whether a failure was answered since Arm.
  bool Failed() const;
  uint64_t Count(DiskOperation operation) const;
  // Called before each operation but reads, with its running number from 1. null: none.
  void SetObserver(Observer observer);

  // Every operation begins here and goes on if this is OK.
  rocksdb::IOStatus Begin(DiskOperation operation, const std::string& path);

 private:
  static constexpr size_t kOperations = static_cast<size_t>(DiskOperation::kRead) + 1;

  mutable std::mutex mutex_;
  Fault fault_;
  bool failed_ = false;
  std::array<uint64_t, kOperations> counts_{};
  uint64_t changes_ = 0;
  Observer observer_;
};

}  // namespace retrace::testing
