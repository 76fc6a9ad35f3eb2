#include "server/backups.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <system_error>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "domain/kind.h"
#include "domain/refusal.h"
#include "domain/resource.h"
#include "domain/status_macros.h"
#include "eventstore/backup.h"
#include "fmt/format.h"

namespace retrace::server {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "scheduled-";
// What RocksDB calls a copy while it makes it.
constexpr char kTemporary[] = ".tmp";
constexpr std::string_view kTimeFormat = "%E4Y%m%dt%H%M%Sz";
constexpr size_t kTimeSize = 16;
constexpr size_t kEpochSize = 16;

absl::Status NameTaken(const std::string& directory) {
  return domain::Refusal(v1::ID_TAKEN, absl::StrCat("There is a backup at ", directory, "."))
      .Next("Choose another name, or none.");
}

// The copies that this process is making, by their directories: whoever lists or clears a place
// must tell them from what a killed one left.
class UnderWay {
 public:
  static UnderWay& All() {
    static auto* const all = new UnderWay;
    return *all;
  }
  // False when it is being made.
  bool Begin(const std::string& directory) {
    absl::MutexLock lock(&mutex_);
    return directories_.insert(directory).second;
  }
  void End(const std::string& directory) {
    absl::MutexLock lock(&mutex_);
    directories_.erase(directory);
  }
  bool Has(const std::string& directory) {
    absl::MutexLock lock(&mutex_);
    return directories_.contains(directory);
  }
  // None of that name begins meanwhile.
  void RemoveUnlessMade(const std::string& directory, const fs::path& leftover) {
    absl::MutexLock lock(&mutex_);
    std::error_code ignored;
    if (!directories_.contains(directory)) {
      fs::remove_all(leftover, ignored);
    }
  }

 private:
  absl::Mutex mutex_;
  std::set<std::string> directories_ ABSL_GUARDED_BY(mutex_);
};

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
      fs::remove_all(key_copy_ + kTemporary, ignored);
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

// A place that was there already is open to whom its owner opened it.
absl::Status MakePlaces(const BackupPlaces& places) {
  for (const std::string& place : {places.log, places.keys}) {
    std::error_code error;
    const bool made = fs::create_directories(place, error);
    if (made && !error) {
      fs::permissions(place, fs::perms::owner_all, error);
    }
    if (error) {
      return absl::UnavailableError(
          fmt::format("the directory for backups {} cannot be made: {}", place, error.message()));
    }
  }
  return absl::OkStatus();
}

// Of the files in it; they may come and go meanwhile.
uint64_t BytesIn(const std::string& directory) {
  uint64_t bytes = 0;
  std::error_code error;
  for (fs::directory_iterator each(directory, error), end; !error && each != end;
       each.increment(error)) {
    std::error_code gone;
    const uint64_t size = each->is_regular_file(gone) ? each->file_size(gone) : 0;
    bytes += gone ? 0 : size;
  }
  return bytes;
}

// Tells disks from each other.
dev_t DiskOf(const std::string& place) {
  struct stat found = {};
  return ::stat(place.c_str(), &found) == 0 ? found.st_dev : 0;
}

// Whether files of a database can stand in `place`, too, without being copied.
bool CanLink(const std::string& database, const std::string& place, const std::string& id,
             const DiskCalls& disk) {
  const std::string file = database + "/CURRENT";
  const std::string link = absl::StrCat(place, "/", id, ".link");
  ::unlink(link.c_str());
  const bool linked = disk.link(file.c_str(), link.c_str()) == 0;
  ::unlink(link.c_str());
  return linked;
}

// A copy must not take the space that commands still need.
absl::Status CheckRoom(const Ledger& ledger, const BackupPlaces& places, const std::string& id,
                       const DiskCalls& disk) {
  const std::string& data = ledger.options().data_directory;
  std::map<dev_t, uint64_t> copied;  // bytes, by the disk
  for (const auto& [database, place] :
       {std::pair(data + "/log", places.log), std::pair(data + "/keys", places.keys)}) {
    copied[DiskOf(place)] += CanLink(database, place, id, disk) ? 0 : BytesIn(database);
  }
  for (const std::string& place : {places.log, places.keys}) {
    RETRACE_ASSIGN(const eventstore::DiskSpace space, eventstore::FreeSpace(place, disk.stat_vfs));
    const uint64_t bytes = copied[DiskOf(place)];
    if (space.free_bytes < space.reserve_bytes + bytes) {
      return domain::Refusal(
                 v1::DISK_FULL,
                 fmt::format("The disk below {} has {} bytes free, less than its reserve of {} and "
                             "the {} that are to be copied there.",
                             place, space.free_bytes, space.reserve_bytes, bytes))
          .Next("Make room on it.");
    }
  }
  return absl::OkStatus();
}

absl::Status CheckFree(const std::string& directory) {
  std::error_code error;
  if (fs::exists(directory, error)) {
    return NameTaken(directory);
  }
  return error ? absl::UnavailableError(
                     fmt::format("{} cannot be looked at: {}", directory, error.message()))
               : absl::OkStatus();
}

// The log first: every key that its commits need is there when the keys are copied afterwards.
absl::StatusOr<store::v1::BackupManifest> MakeBoth(Ledger& ledger,
                                                   eventstore::BackupOptions options,
                                                   const std::string& key_directory) {
  RETRACE_RETURN_IF_ERROR(CheckFree(options.directory));
  RETRACE_RETURN_IF_ERROR(CheckFree(key_directory));
  Unfinished unfinished(options.directory, key_directory);
  RETRACE_ASSIGN(store::v1::BackupManifest manifest,
                 eventstore::Backup(ledger.rocks_log(), options));
  RETRACE_RETURN_IF_ERROR(ledger.keys().Sweep());
  RETRACE_RETURN_IF_ERROR(ledger.keys().Checkpoint(key_directory));
  unfinished.Finish();
  return manifest;
}

// The directories in `place`; what cannot be looked at is none. An error: nor can the place.
absl::StatusOr<std::vector<fs::path>> DirectoriesIn(const std::string& place) {
  std::vector<fs::path> found;
  std::error_code error;
  for (fs::directory_iterator each(place, error), end; !error && each != end;
       each.increment(error)) {
    if (std::error_code unseen; each->is_directory(unseen)) {
      found.push_back(each->path());
    }
  }
  if (error && error != std::errc::no_such_file_or_directory) {
    return absl::UnavailableError(
        fmt::format("the directory for backups {} cannot be read: {}", place, error.message()));
  }
  return found;
}

bool IsThere(const fs::path& path) {
  std::error_code unseen;
  return fs::exists(path, unseen);
}

}  // namespace

absl::StatusOr<store::v1::BackupManifest> MakeBackup(Ledger& ledger, const BackupPlaces& places,
                                                     const std::string& id, absl::Time time,
                                                     std::function<bool()> stopping,
                                                     const DiskCalls& disk) {
  RETRACE_RETURN_IF_ERROR(MakePlaces(places));
  const std::string directory = absl::StrCat(places.log, "/", id);
  if (!UnderWay::All().Begin(directory)) {
    return NameTaken(directory);
  }
  const absl::Cleanup end = [&directory] { UnderWay::All().End(directory); };
  RETRACE_RETURN_IF_ERROR(CheckRoom(ledger, places, id, disk));
  return MakeBoth(ledger,
                  {.directory = directory,
                   .layout_stamp = domain::LayoutStamp(),
                   .time = time,
                   .stopping = std::move(stopping)},
                  absl::StrCat(places.keys, "/", id));
}

void RemoveHalfMadeKeys(const BackupPlaces& places) {
  const absl::StatusOr<std::vector<fs::path>> found = DirectoriesIn(places.keys);
  for (const fs::path& path : found.ok() ? *found : std::vector<fs::path>()) {
    const std::string id = path.stem().string();
    if (path.extension() == kTemporary && domain::IsId(id)) {
      UnderWay::All().RemoveUnlessMade(absl::StrCat(places.log, "/", id), path);
    }
  }
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
  RETRACE_ASSIGN(const std::vector<fs::path> logs, DirectoriesIn(places.log));
  for (const fs::path& path : logs) {
    const std::string id = path.filename().string();
    const bool under_way = UnderWay::All().Has(absl::StrCat(places.log, "/", id));
    if (under_way || IsThere(path / "log")) {
      found.push_back({.id = id,
                       .manifest = eventstore::ReadManifest(path.string()),
                       .has_log = true,
                       .has_keys = IsThere(fs::path(places.keys) / id),
                       .under_way = under_way});
    }
  }
  RETRACE_ASSIGN(const std::vector<fs::path> keys, DirectoriesIn(places.keys));
  for (const fs::path& path : keys) {
    const std::string id = path.filename().string();
    if (domain::IsId(id) && !IsThere(fs::path(places.log) / id)) {
      found.push_back(
          {.id = id,
           .manifest = absl::FailedPreconditionError(
               "Only the copy of the keys is there; remove it, unless a log is elsewhere "
               "that needs it."),
           .has_keys = true});
    }
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
  const absl::StatusOr<std::vector<fs::path>> found = DirectoriesIn(directory);
  for (const fs::path& path : found.ok() ? *found : std::vector<fs::path>()) {
    std::string id = path.filename().string();
    std::error_code unseen;
    if (IsScheduledId(id, epoch) && !fs::is_symlink(path, unseen)) {
      ids.push_back(std::move(id));
    }
  }
  std::sort(ids.rbegin(), ids.rend());
  return ids;
}

}  // namespace retrace::server
