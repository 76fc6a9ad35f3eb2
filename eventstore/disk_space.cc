#include "eventstore/disk_space.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "fmt/format.h"

namespace retrace::eventstore {

absl::StatusOr<DiskSpace> FreeSpace(const std::string& directory, const StatVfs& stat_vfs) {
  constexpr uint64_t kLargestReserve = uint64_t{1} << 30;
  constexpr uint64_t kReserveParts = 20;  // 5 %
  struct statvfs answer = {};
  int result = 0;
  do {
    result = stat_vfs(directory.c_str(), &answer);
  } while (result != 0 && errno == EINTR);
  if (result != 0) {
    return absl::UnavailableError(fmt::format(
        "cannot tell how much space is left below {}: {}. Check that it exists and that its disk "
        "is mounted.",
        directory, std::strerror(errno)));
  }
  DiskSpace space;
  const uint64_t block = answer.f_frsize;
  space.total_bytes = block * answer.f_blocks;
  space.free_bytes = block * answer.f_bavail;
  space.reserve_bytes = std::min(kLargestReserve, space.total_bytes / kReserveParts);
  return space;
}

}  // namespace retrace::eventstore
