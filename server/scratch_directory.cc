#include "server/scratch_directory.h"

#include <filesystem>
#include <system_error>

#include "absl/strings/escaping.h"
#include "eventstore/key_store.h"
#include "fmt/format.h"

namespace retrace::server {

namespace fs = std::filesystem;

ScratchDirectory::ScratchDirectory(const std::string& below, std::string_view purpose)
    : path_(fmt::format("{}/{}-{}", below, purpose,
                        absl::BytesToHexString(eventstore::RandomBytes(8)))) {}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

absl::Status ScratchDirectory::Make() const {
  std::error_code error;
  fs::create_directories(path_, error);
  if (!error) fs::permissions(path_, fs::perms::owner_all, error);
  return error
             ? absl::UnavailableError(fmt::format("{} cannot be made: {}", path_, error.message()))
             : absl::OkStatus();
}

}  // namespace retrace::server
