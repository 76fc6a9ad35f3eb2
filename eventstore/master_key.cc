#include "eventstore/master_key.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "eventstore/files.h"
#include "fmt/format.h"

namespace retrace::eventstore {
namespace {

constexpr size_t kHexDigits = 2 * sizeof(SecretKey);
// A key, and whatever an editor puts behind it.
constexpr size_t kMostBytes = kHexDigits + 2;

// Closes a file at the end of a scope.
class OpenFile {
 public:
  explicit OpenFile(int descriptor) : descriptor_(descriptor) {}
  ~OpenFile() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  int get() const { return descriptor_; }

 private:
  const int descriptor_;
};

absl::Status Refuse(const std::string& file, std::string_view what) {
  return absl::FailedPreconditionError(fmt::format("master key file {}: {}", file, what));
}

absl::Status RefuseErrno(const std::string& file, std::string_view what) {
  return Refuse(file, fmt::format("{}: {}", what, std::strerror(errno)));
}

int HexDigit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

bool ParseHex(std::string_view digits, SecretKey& key) {
  if (digits.size() != kHexDigits) return false;
  for (size_t i = 0; i < key.size(); ++i) {
    const int high = HexDigit(digits[2 * i]);
    const int low = HexDigit(digits[2 * i + 1]);
    if (high < 0 || low < 0) return false;
    key[i] = static_cast<uint8_t>(16 * high + low);
  }
  return true;
}

absl::Status CheckFile(const std::string& file, int descriptor) {
  struct stat status {};
  if (fstat(descriptor, &status) != 0) return RefuseErrno(file, "cannot be examined");
  if (!S_ISREG(status.st_mode)) return Refuse(file, "is not a regular file");
  if ((status.st_mode & 077) != 0) {
    return Refuse(file, fmt::format("is open to others (mode {:04o}); run `chmod 600 {}`, and "
                                    "consider whether the key has been read",
                                    status.st_mode & 07777, file));
  }
  return absl::OkStatus();
}

bool WriteAll(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = write(descriptor, bytes.data(), bytes.size());
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return false;
    bytes.remove_prefix(static_cast<size_t>(written));
  }
  return true;
}

}  // namespace

absl::StatusOr<SecretKey> ReadMasterKey(const std::string& file) {
  // O_NONBLOCK: a pipe by this name must not make the program wait.
  const OpenFile open_file(open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (open_file.get() < 0) {
    if (errno == ENOENT) {
      return Refuse(file,
                    "is missing; put the master key that belongs to this key store back there, or, "
                    "for a new data directory, make a new one");
    }
    return RefuseErrno(file, "cannot be opened; check its owner and mode");
  }
  const absl::Status fit = CheckFile(file, open_file.get());
  if (!fit.ok()) return fit;
  std::array<char, kMostBytes + 1> bytes{};
  size_t size = 0;
  while (size < bytes.size()) {
    const ssize_t got = read(open_file.get(), bytes.data() + size, bytes.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return RefuseErrno(file, "cannot be read");
    if (got == 0) break;
    size += static_cast<size_t>(got);
  }
  std::string_view digits(bytes.data(), size);
  while (!digits.empty() && absl::ascii_isspace(static_cast<unsigned char>(digits.back()))) {
    digits.remove_suffix(1);
  }
  SecretKey key{};
  const bool parsed = size <= kMostBytes && ParseHex(digits, key);
  OPENSSL_cleanse(bytes.data(), bytes.size());
  if (!parsed) {
    return Refuse(file, fmt::format("must hold exactly {} hexadecimal digits; put the right file "
                                    "there",
                                    kHexDigits));
  }
  return key;
}

absl::Status KeyStore::MakeMasterKey(const std::string& file) {
  const OpenFile open_file(open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (open_file.get() < 0) {
    if (errno == EEXIST) {
      return absl::AlreadyExistsError(
          fmt::format("master key file {} is there already and is kept", file));
    }
    return RefuseErrno(file, "cannot be made; check that its directory exists and is writable");
  }
  std::string secret = RandomBytes(sizeof(SecretKey));
  std::string text = absl::BytesToHexString(secret) + "\n";
  const bool written = WriteAll(open_file.get(), text) && fsync(open_file.get()) == 0;
  OPENSSL_cleanse(secret.data(), secret.size());
  OPENSSL_cleanse(text.data(), text.size());
  if (!written) {
    const absl::Status status = RefuseErrno(file, "cannot be written");
    unlink(file.c_str());
    return status;
  }
  const rocksdb::Status synced = SyncDirectory(EnvOrDefault(nullptr), ParentDirectory(file));
  if (!synced.ok()) return Refuse(file, "its directory cannot be synced: " + synced.ToString());
  return absl::OkStatus();
}

}  // namespace retrace::eventstore
