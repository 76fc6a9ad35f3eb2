// How much room the disk below a directory has, so that commands are refused while there is still
// room for what is under way, before RocksDB ever sees a full disk.
#pragma once

#include <sys/statvfs.h>

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"

namespace retrace::eventstore {

// Asks the system about a path; tests answer themselves. Returns 0, or -1 with errno set.
using StatVfs = std::function<int(const char* path, struct statvfs* result)>;

struct DiskSpace {
  uint64_t total_bytes = 0;
  // What this process may still use.
  uint64_t free_bytes = 0;
  // Bytes that should stay free: 1 GiB or 5 % of the disk, whichever is less, so that neither a
  // small disk nor a large one gives up much.
  uint64_t reserve_bytes = 0;

  bool BelowReserve() const { return free_bytes < reserve_bytes; }
};

// The room below `directory`, which must exist. One system call: cheap enough for every batch.
// UNAVAILABLE when the system does not tell. Thread-safe.
absl::StatusOr<DiskSpace> FreeSpace(const std::string& directory,
                                    const StatVfs& stat_vfs = ::statvfs);

}  // namespace retrace::eventstore
