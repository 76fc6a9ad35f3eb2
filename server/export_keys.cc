#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "absl/strings/escaping.h"
#include "domain/status_macros.h"
#include "eventstore/key_cache.h"
#include "fmt/format.h"
#include "openssl/crypto.h"
#include "server/export_file.h"

namespace retrace::server {
namespace {

using eventstore::SubjectKey;

constexpr std::string_view kTitle = "# Keys of the persons in an export of Retrace";
constexpr std::string_view kDestroyed = "destroyed";

std::string Hex(std::string_view bytes) {
  return absl::BytesToHexString(absl::string_view(bytes.data(), bytes.size()));
}

// False when `text` is not the hexadecimal form of that many bytes.
bool FromHex(std::string_view text, size_t size, std::string& bytes) {
  const bool digits = std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
  });
  if (!digits || text.size() != 2 * size) return false;
  bytes = absl::HexStringToBytes(absl::string_view(text.data(), text.size()));
  return true;
}

// One line: a key id, a blank, and its key or that it was destroyed.
bool ReadLine(std::string_view line, ExportedKeys& keys) {
  const size_t blank = line.find(' ');
  std::string id;
  if (blank == std::string_view::npos ||
      !FromHex(line.substr(0, blank), eventstore::kKeyIdSize, id)) {
    return false;
  }
  const std::string_view value = line.substr(blank + 1);
  if (value == kDestroyed) {
    keys.destroyed.push_back(std::move(id));
    return true;
  }
  std::string secret;
  SubjectKey key;
  if (!FromHex(value, key.secret.size(), secret)) return false;
  key.id = std::move(id);
  std::copy(secret.begin(), secret.end(), key.secret.begin());
  OPENSSL_cleanse(secret.data(), secret.size());
  keys.keys.push_back(std::move(key));
  return true;
}

absl::Status NoKeyFile(const std::string& path, std::string_view what) {
  return absl::DataLossError(fmt::format("{} is no file of keys: {}.", path, what));
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

ExportedKeys::~ExportedKeys() {
  for (SubjectKey& key : keys) OPENSSL_cleanse(key.secret.data(), key.secret.size());
}

absl::Status AddKeys(const v1::ExportKeysResponse& message, ExportedKeys& keys) {
  for (const v1::ExportKeysResponse::Key& given : message.keys()) {
    SubjectKey key{given.key_id(), {}};
    if (given.secret().empty()) {
      keys.destroyed.push_back(given.key_id());
      continue;
    }
    if (given.secret().size() != key.secret.size()) {
      return absl::DataLossError("The server's export holds a key that is none.");
    }
    std::copy(given.secret().begin(), given.secret().end(), key.secret.begin());
    keys.keys.push_back(std::move(key));
  }
  return absl::OkStatus();
}

absl::Status WriteKeyFile(const std::string& path, std::string_view tenant,
                          const ExportedKeys& keys) {
  std::string text = fmt::format(
      "{}, tenant {}.\n# Whoever holds this file and the export reads these persons' data, even "
      "after they are erased.\n",
      kTitle, tenant);
  for (const SubjectKey& key : keys.keys) {
    text += fmt::format("{} {}\n", Hex(key.id),
                        Hex({reinterpret_cast<const char*>(key.secret.data()), key.secret.size()}));
  }
  for (const std::string& id : keys.destroyed) text += fmt::format("{} {}\n", Hex(id), kDestroyed);
  // Made new, so that it never has another mode.
  unlink(path.c_str());
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  const bool written = file >= 0 && WriteAll(file, text);
  const int error = errno;
  OPENSSL_cleanse(text.data(), text.size());
  if (file >= 0) close(file);
  if (written) return absl::OkStatus();
  return absl::UnavailableError(fmt::format("{} cannot be written: {}", path, strerror(error)));
}

absl::StatusOr<std::unique_ptr<ExportedKeys>> ReadKeyFile(const std::string& path) {
  struct stat found {};
  if (stat(path.c_str(), &found) != 0) {
    return absl::NotFoundError(fmt::format("{} cannot be read: {}", path, strerror(errno)));
  }
  if ((found.st_mode & 077) != 0) {
    return absl::FailedPreconditionError(
        fmt::format("{} is open to others (mode {:04o}); run `chmod 600 {}`, and consider whether "
                    "the keys have been read",
                    path, found.st_mode & 07777, path));
  }
  std::ifstream in(path);
  std::string line;
  if (!std::getline(in, line) || line.rfind(kTitle, 0) != 0) {
    return NoKeyFile(path, "`retrace history export --keys` makes one");
  }
  auto keys = std::make_unique<ExportedKeys>();
  for (int number = 2; std::getline(in, line); ++number) {
    if (line.empty() || line.front() == '#') continue;
    const bool understood = ReadLine(line, *keys);
    OPENSSL_cleanse(line.data(), line.size());
    if (!understood) return NoKeyFile(path, fmt::format("line {} is no key", number));
  }
  return keys;
}

}  // namespace retrace::server
