// Backups of the commit log: made while serving, verified before they are called good, recovered
// into empty directories as a new epoch. Keys have their own backup (KeyStore::Checkpoint), kept
// apart and not for long, so that an erased person does not live on in old backups.
//
// A backup is a directory: `log/`, an openable copy of the log; `manifest.json`, a
// store.v1.BackupManifest; and, written last, `SHA256SUMS`, which `sha256sum -c` understands.
// Without that last file it is not a backup but the remains of one that was not finished.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "eventstore/rocks_commit_log.h"
#include "eventstore/types.h"
#include "retrace/store/v1/log.pb.h"

namespace retrace::eventstore {

struct BackupOptions {
  // Where to; must not exist; made its owner's only. Best on another disk.
  std::string directory;
  // Of the rows being served; recorded only.
  std::string layout_stamp;
  // Now.
  absl::Time time;
  // Asked now and then; true ends the call with CANCELLED. Null: nobody stops it.
  std::function<bool()> stopping;
  // The log's file system; null: the default one.
  rocksdb::Env* env = nullptr;
};

// Makes a backup of everything that was durable when the call began; serving goes on. What it
// returns was synced, opened, and read from the first commit to the last. ALREADY_EXISTS when the
// directory exists; after any error what was made so far is no backup and can be removed.
absl::StatusOr<store::v1::BackupManifest> Backup(const RocksCommitLog& log,
                                                 const BackupOptions& options);

// Reads a whole backup: every file's hash, every commit's check sum, and that epoch, chain hash and
// heads are those of the manifest. Changes nothing. DATA_LOSS names what is wrong;
// FAILED_PRECONDITION: not a finished backup, or a newer build made it.
absl::StatusOr<store::v1::BackupManifest> VerifyBackup(
    const std::string& directory, rocksdb::Env* env = nullptr,
    const std::function<bool()>& stopping = nullptr);

// The half of it that finds what rots: every file is there and has its hash, so the backup is still
// what was verified when it was made. The errors are the same.
absl::StatusOr<store::v1::BackupManifest> VerifyFiles(
    const std::string& directory, rocksdb::Env* env = nullptr,
    const std::function<bool()>& stopping = nullptr);

// What a finished backup says of itself; whether its log is still what was copied, only
// VerifyBackup tells. The errors are the same.
absl::StatusOr<store::v1::BackupManifest> ReadManifest(const std::string& directory,
                                                       rocksdb::Env* env = nullptr);

struct RecoverOptions {
  // Directory of the backup.
  std::string from;
  // Directories of the new log and witness; each missing or empty.
  std::string log_directory;
  std::string witness_directory;
  // null: the default one.
  rocksdb::Env* env = nullptr;
};

// What a recovered log is. The caller records it in tenant `system` (EpochBegan).
struct Recovered {
  Epoch previous_epoch = 0;
  Epoch epoch = 0;
  // Where every tenant's log ends: there the new epoch branched.
  std::map<TenantNumber, Head> heads;
  store::v1::BackupManifest manifest;
};

// Verifies the backup, copies it, begins a new epoch and makes a new witness. FAILED_PRECONDITION:
// a directory is not empty. After an error, empty both directories and try again.
absl::StatusOr<Recovered> Recover(const RecoverOptions& options);

}  // namespace retrace::eventstore
