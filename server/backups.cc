#include "server/backups.h"

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "domain/kind.h"
#include "domain/refusal.h"
#include "domain/status_macros.h"
#include "eventstore/backup.h"
#include "fmt/format.h"

namespace retrace::server {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "scheduled-";
constexpr std::string_view kTimeFormat = "%E4Y%m%dt%H%M%Sz";
constexpr size_t kTimeSize = 16;
constexpr size_t kEpochSize = 16;

absl::Status NameTaken(const std::string& directory) {
  return domain::Refusal(v1::ID_TAKEN, absl::StrCat("There is a backup at ", directory, "."))
      .Next("Choose another name, or none.");
}

// Removes what was made of a backup that failed.
class Unfinished {
 public:
  Unfinished(std::string log_copy, std::string key_copy)
      : log_copy_(std::move(log_copy)), key_copy_(std::move(key_copy)) {}
  ~Unfinished() {
    std::error_code ignored;
    if (!finished_) {
      fs::remove_all(log_copy_, ignored);
      fs::remove_all(key_copy_, ignored);
      fs::remove_all(key_copy_ + ".tmp", ignored);
    }
  }
  Unfinished(const Unfinished&) = delete;
  Unfinished& operator=(const Unfinished&) = delete;
  void Finish() { finished_ = true; }

 private:
  const std::string log_copy_;
  const std::string key_copy_;
  bool finished_ = false;
};

absl::Status MakePlaces(const BackupPlaces& places) {
  std::error_code error;
  for (const std::string& place : {places.log, places.keys}) {
    fs::create_directories(place, error);
    if (error) {
      return absl::UnavailableError(
          fmt::format("the directory for backups {} cannot be made: {}", place, error.message()));
    }
  }
  fs::permissions(places.keys, fs::perms::owner_all, error);
  return absl::OkStatus();
}

}  // namespace

// The log first: every key that its commits need is there when the keys are copied afterwards.
absl::StatusOr<store::v1::BackupManifest> MakeBackup(Ledger& ledger, const BackupPlaces& places,
                                                     const std::string& id, absl::Time time,
                                                     std::function<bool()> stopping) {
  RETRACE_RETURN_IF_ERROR(MakePlaces(places));
  const std::string directory = absl::StrCat(places.log, "/", id);
  const std::string key_directory = absl::StrCat(places.keys, "/", id);
  if (fs::exists(directory) || fs::exists(key_directory)) {
    return NameTaken(directory);
  }
  Unfinished unfinished(directory, key_directory);
  RETRACE_ASSIGN(store::v1::BackupManifest manifest,
                 eventstore::Backup(ledger.rocks_log(), {.directory = directory,
                                                         .layout_stamp = domain::LayoutStamp(),
                                                         .time = time,
                                                         .stopping = std::move(stopping)}));
  RETRACE_RETURN_IF_ERROR(ledger.keys().Sweep());
  RETRACE_RETURN_IF_ERROR(ledger.keys().Checkpoint(key_directory));
  unfinished.Finish();
  return manifest;
}

int64_t BytesOf(const store::v1::BackupManifest& manifest) {
  int64_t bytes = 0;
  for (const store::v1::BackupFile& file : manifest.files()) {
    bytes += static_cast<int64_t>(file.size());
  }
  return bytes;
}

std::string DescribeBackup(const std::string& id, const store::v1::BackupManifest& manifest) {
  return fmt::format("{}: {} tenants, {} bytes, chain hash {}", id, manifest.heads_size(),
                     BytesOf(manifest), manifest.chain_hash());
}

std::string ScheduledId(absl::Time time, eventstore::Epoch epoch) {
  return fmt::format(
      "{}{}-{:016x}", kPrefix,
      absl::FormatTime({kTimeFormat.data(), kTimeFormat.size()}, time, absl::UTCTimeZone()), epoch);
}

absl::Time TimeOfScheduled(std::string_view id) {
  absl::Time time = absl::InfinitePast();
  if (id.size() == kPrefix.size() + kTimeSize + 1 + kEpochSize && id.starts_with(kPrefix)) {
    absl::ParseTime({kTimeFormat.data(), kTimeFormat.size()},
                    std::string(id.substr(kPrefix.size(), kTimeSize)), absl::UTCTimeZone(), &time,
                    nullptr);
  }
  return time;
}

bool IsScheduledId(std::string_view id, eventstore::Epoch epoch) {
  const absl::Time time = TimeOfScheduled(id);
  return time != absl::InfinitePast() && id == ScheduledId(time, epoch);
}

bool IsReservedId(std::string_view id) { return id.starts_with(kPrefix); }

absl::StatusOr<std::vector<FoundBackup>> FindBackups(const BackupPlaces& places) {
  std::vector<FoundBackup> found;
  std::error_code error;
  if (!fs::exists(places.log, error)) {
    return found;
  }
  for (fs::directory_iterator each(places.log, error), end; !error && each != end;
       each.increment(error)) {
    const std::string id = each->path().filename().string();
    if (!fs::is_directory(each->path() / "log")) {
      continue;
    }
    found.push_back({.id = id,
                     .manifest = eventstore::ReadManifest(each->path().string()),
                     .has_keys = fs::exists(fs::path(places.keys) / id)});
  }
  if (error) {
    return absl::UnavailableError(fmt::format("the directory for backups {} cannot be read: {}",
                                              places.log, error.message()));
  }
  const auto time = [](const FoundBackup& one) {
    return one.manifest.ok() ? one.manifest->time_us() : INT64_MIN;
  };
  std::sort(found.begin(), found.end(), [&](const FoundBackup& a, const FoundBackup& b) {
    return std::pair(time(a), a.id) > std::pair(time(b), b.id);
  });
  return found;
}

std::vector<std::string> FindScheduled(const std::string& directory, eventstore::Epoch epoch) {
  std::vector<std::string> ids;
  std::error_code ignored;
  for (fs::directory_iterator each(directory, ignored), end; !ignored && each != end;
       each.increment(ignored)) {
    std::string id = each->path().filename().string();
    if (IsScheduledId(id, epoch) && fs::is_directory(each->symlink_status())) {
      ids.push_back(std::move(id));
    }
  }
  std::sort(ids.rbegin(), ids.rend());
  return ids;
}

}  // namespace retrace::server
