#include "eventstore/rocks_status.h"

#include <string>

#include "absl/strings/match.h"
#include "fmt/format.h"

namespace retrace::eventstore {

absl::Status FromRocks(const rocksdb::Status& status, std::string_view doing,
                       std::string_view if_damaged) {
  if (status.ok()) return absl::OkStatus();
  const std::string text = status.ToString();
  if (status.IsCorruption()) {
    return absl::DataLossError(
        fmt::format("{}: stored bytes are damaged ({}). {}", doing, text, if_damaged));
  }
  if (status.IsNoSpace()) {
    return absl::ResourceExhaustedError(
        fmt::format("{}: the disk is full ({}). Free space on it, then start again.", doing, text));
  }
  if (status.IsPathNotFound() || status.IsNotFound() || status.IsInvalidArgument() ||
      absl::StrContains(text, "No such file or directory")) {
    return absl::DataLossError(fmt::format(
        "{}: a file is missing or not what it should be ({}). {}", doing, text, if_damaged));
  }
  // RocksDB tells these two apart from other I/O errors by its text only.
  if (absl::StrContains(text, "Permission denied") ||
      absl::StrContains(text, "Operation not permitted") ||
      absl::StrContains(text, "Read-only file system")) {
    return absl::FailedPreconditionError(
        fmt::format("{}: no permission ({}). Check the owner and mode of the directory and of "
                    "every file in it, and that its file system is mounted writable.",
                    doing, text));
  }
  if (absl::StrContains(text, "lock hold by current process") ||
      absl::StrContains(text, "While lock file")) {
    return absl::FailedPreconditionError(
        fmt::format("{}: another process has it open ({}). Stop that process, or use another "
                    "directory.",
                    doing, text));
  }
  return absl::UnavailableError(fmt::format(
      "{}: the storage failed ({}). Check the disk and the kernel's log (dmesg), then start "
      "again.",
      doing, text));
}

std::shared_ptr<rocksdb::Logger> SilentLogger() {
  class Silent : public rocksdb::Logger {
   public:
    using rocksdb::Logger::Logv;
    void Logv(const char*, va_list) override {}
  };
  return std::make_shared<Silent>();
}

}  // namespace retrace::eventstore
