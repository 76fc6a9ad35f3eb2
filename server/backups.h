// Backups on the server's disk: of the log, and under the same name, but in a directory of their
// own, of the keys. Made on demand (Admin.Backup) or by the schedule (backup_schedule.h), whose
// names tell them from all others.
#pragma once

#include <unistd.h>

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventstore/disk_space.h"
#include "eventstore/types.h"
#include "retrace/store/v1/log.pb.h"
#include "server/ledger.h"

namespace retrace::server {

// Where backups lie: directories that hold one directory for each.
struct BackupPlaces {
  std::string log;
  std::string keys;
};

// What is asked of the system; tests answer themselves.
struct DiskCalls {
  eventstore::StatVfs stat_vfs = ::statvfs;
  std::function<int(const char* from, const char* to)> link = ::link;
};

// Makes both copies under the name `id` while serving goes on, and verifies them. ID_TAKEN when
// there is one of that name, or one is made; after any other error nothing of it is left. DISK_FULL
// when it would take the space that commands still need, by what cannot be a link to files of the
// log and has to be copied; CANCELLED when `stopping` (may be null),
// asked now and then, says so. Directories that it makes are their owner's only.
absl::StatusOr<store::v1::BackupManifest> MakeBackup(Ledger& ledger, const BackupPlaces& places,
                                                     const std::string& id, absl::Time time,
                                                     std::function<bool()> stopping = nullptr,
                                                     const DiskCalls& disk = {});

// Removes what a process that was killed left of copies of keys. What this process is making stays.
void RemoveHalfMadeKeys(const BackupPlaces& places);

int64_t BytesOf(const store::v1::BackupManifest& manifest);
// For the administrative act.
std::string DescribeBackup(const std::string& id, const store::v1::BackupManifest& manifest);

// The name of a backup that the schedule makes of the log in that epoch: scheduled-TIME-EPOCH. Of
// one epoch, later ones sort behind earlier ones.
std::string ScheduledId(absl::Time time, eventstore::Epoch epoch);
// True of such names, of that epoch.
bool IsScheduledId(std::string_view id, eventstore::Epoch epoch);
// True of what looks like one, of any epoch: nobody else may choose such names.
bool IsReservedId(std::string_view id);
// When it was made. InfinitePast for other names.
absl::Time TimeOfScheduled(std::string_view id);

// One line of a list.
struct FoundBackup {
  std::string id;
  // What it says of itself; FAILED_PRECONDITION when it was not finished, or only the keys' copy is
  // there.
  absl::StatusOr<store::v1::BackupManifest> manifest;
  bool has_log = false;
  bool has_keys = false;   // under its own name
  bool under_way = false;  // this process is making it
};
// All there are, whoever made them, newest first, unfinished ones last. What is no backup at all,
// or cannot be looked into, is left out.
absl::StatusOr<std::vector<FoundBackup>> FindBackups(const BackupPlaces& places);

// The names in `directory` that are the schedule's of that epoch, newest first; a missing directory
// has none.
std::vector<std::string> FindScheduled(const std::string& directory, eventstore::Epoch epoch);

}  // namespace retrace::server
