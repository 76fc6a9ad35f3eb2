// Files and directories through rocksdb::Env, so that tests can put a failing file system below.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "rocksdb/env.h"
#include "rocksdb/status.h"

namespace retrace::eventstore {

// `env`, or the default one for null.
rocksdb::Env* EnvOrDefault(rocksdb::Env* env);

// The part before the last '/': "." when there is none, "/" for a file in the root. Ignores a
// trailing '/'.
std::string ParentDirectory(std::string_view path);

// True when `a` and `b` are spelled as the same path, repeated and trailing '/' aside.
bool SamePath(std::string_view a, std::string_view b);

// Makes the directory and its missing parents, each synced into its parent.
rocksdb::Status MakeDirectories(rocksdb::Env* env, const std::string& directory);

// Makes the entries of the directory durable.
rocksdb::Status SyncDirectory(rocksdb::Env* env, const std::string& directory);

// Makes the contents of an existing file durable.
rocksdb::Status SyncFile(rocksdb::Env* env, const std::string& path);

// Names in the directory without "." and "..", sorted. A missing directory has none.
rocksdb::Status ListDirectory(rocksdb::Env* env, const std::string& directory,
                              std::vector<std::string>* names);

// Hands the file's contents to `take` in pieces.
rocksdb::Status ReadInPieces(rocksdb::Env* env, const std::string& path,
                             const std::function<void(std::string_view)>& take);

// The whole file.
rocksdb::Status ReadWholeFile(rocksdb::Env* env, const std::string& path, std::string* contents);

// Replaces the file: writes it beside under another name, syncs, renames, syncs the directory.
// After a crash there is the old file or the new one.
rocksdb::Status ReplaceFile(rocksdb::Env* env, const std::string& path, std::string_view contents);

// Copies a file and syncs the copy; the directory is left to the caller.
rocksdb::Status CopyFile(rocksdb::Env* env, const std::string& from, const std::string& to);

// Holds a lock file; another process, or another holder in this one, is refused.
class DirectoryLock {
 public:
  DirectoryLock() = default;
  ~DirectoryLock();
  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;
  // Locks `directory`, which must exist. Call once.
  rocksdb::Status Lock(rocksdb::Env* env, const std::string& directory);

 private:
  rocksdb::Env* env_ = nullptr;
  rocksdb::FileLock* lock_ = nullptr;
};

// Name of the file that DirectoryLock makes. It stays behind, empty.
inline constexpr char kLockFileName[] = "retrace.lock";

}  // namespace retrace::eventstore
