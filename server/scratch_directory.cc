#include "server/scratch_directory.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "absl/strings/escaping.h"
#include "eventstore/key_store.h"
#include "fmt/format.h"

namespace retrace::server {

namespace fs = std::filesystem;

namespace {

absl::Status NothingRemoves(const std::string& path) {
  return absl::UnavailableError(
      fmt::format("nothing would remove {} if this was killed: {}", path, std::strerror(errno)));
}

// In a session of its own: what interrupts the other process does not reach it. The pipe ends when
// nobody holds its other end any more.
[[noreturn]] void AwaitEndAndRemove(const int (&ends)[2], const std::string& path) {
  ::setsid();
  ::close(ends[1]);
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::close(standard);
  char byte = 0;
  while (::read(ends[0], &byte, 1) < 0 && errno == EINTR) {
  }
  std::error_code ignored;
  fs::remove_all(path, ignored);
  std::_Exit(0);
}

}  // namespace

ScratchDirectory::ScratchDirectory(const std::string& below, std::string_view purpose)
    : path_(fmt::format("{}/{}-{}", below, purpose,
                        absl::BytesToHexString(eventstore::RandomBytes(8)))) {}

ScratchDirectory::~ScratchDirectory() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
  if (alive_ >= 0) ::close(alive_);
}

absl::Status ScratchDirectory::Make() const {
  std::error_code error;
  fs::create_directories(path_, error);
  if (!error) fs::permissions(path_, fs::perms::owner_all, error);
  return error
             ? absl::UnavailableError(fmt::format("{} cannot be made: {}", path_, error.message()))
             : absl::OkStatus();
}

absl::Status ScratchDirectory::RemoveWhenKilled() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return NothingRemoves(path_);
  alive_ = ends[1];
  const pid_t child = ::fork();
  if (child == 0) AwaitEndAndRemove(ends, path_);
  const absl::Status forked = child > 0 ? absl::OkStatus() : NothingRemoves(path_);
  ::close(ends[0]);
  return forked;
}

}  // namespace retrace::server
