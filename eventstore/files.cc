#include "eventstore/files.h"

#include <algorithm>
#include <memory>

namespace retrace::eventstore {
namespace {

constexpr size_t kPieceSize = 1 << 20;

std::string_view WithoutTrailingSlashes(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  return path;
}

rocksdb::Status WriteAndSync(rocksdb::WritableFile* file, std::string_view contents) {
  rocksdb::Status status = file->Append(rocksdb::Slice(contents.data(), contents.size()));
  if (status.ok()) status = file->Sync();
  if (status.ok()) status = file->Close();
  return status;
}

}  // namespace

rocksdb::Env* EnvOrDefault(rocksdb::Env* env) {
  return env != nullptr ? env : rocksdb::Env::Default();
}

std::string ParentDirectory(std::string_view path) {
  path = WithoutTrailingSlashes(path);
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  if (slash == 0) return "/";
  return std::string(WithoutTrailingSlashes(path.substr(0, slash)));
}

bool SamePath(std::string_view a, std::string_view b) {
  const auto plain = [](std::string_view path) {
    std::string result;
    for (const char c : WithoutTrailingSlashes(path)) {
      if (c != '/' || result.empty() || result.back() != '/') result += c;
    }
    return result;
  };
  return plain(a) == plain(b);
}

rocksdb::Status MakeDirectories(rocksdb::Env* env, const std::string& directory) {
  const std::string parent = ParentDirectory(directory);
  if (env->FileExists(directory).ok()) {
    // An earlier attempt may have made it and failed to sync it. Who may not open the parent did
    // not make anything in it.
    rocksdb::Status status = SyncDirectory(env, parent);
    return status.ToString().find("Permission denied") != std::string::npos ? rocksdb::Status::OK()
                                                                            : status;
  }
  if (parent != directory && parent != "." && parent != "/") {
    rocksdb::Status status = MakeDirectories(env, parent);
    if (!status.ok()) return status;
  }
  rocksdb::Status status = env->CreateDirIfMissing(directory);
  if (!status.ok()) return status;
  return SyncDirectory(env, parent);
}

rocksdb::Status SyncDirectory(rocksdb::Env* env, const std::string& directory) {
  std::unique_ptr<rocksdb::Directory> opened;
  rocksdb::Status status = env->NewDirectory(directory, &opened);
  if (status.ok()) status = opened->Fsync();
  return status;
}

rocksdb::Status SyncFile(rocksdb::Env* env, const std::string& path) {
  std::unique_ptr<rocksdb::RandomRWFile> file;
  rocksdb::Status status = env->NewRandomRWFile(path, &file, rocksdb::EnvOptions());
  if (status.ok()) status = file->Fsync();
  if (status.ok()) status = file->Close();
  return status;
}

rocksdb::Status ListDirectory(rocksdb::Env* env, const std::string& directory,
                              std::vector<std::string>* names) {
  names->clear();
  rocksdb::Status exists = env->FileExists(directory);
  if (exists.IsNotFound()) return rocksdb::Status::OK();
  if (!exists.ok()) return exists;
  rocksdb::Status status = env->GetChildren(directory, names);
  if (!status.ok()) return status;
  std::erase_if(*names, [](const std::string& name) { return name == "." || name == ".."; });
  std::sort(names->begin(), names->end());
  return status;
}

rocksdb::Status ReadInPieces(rocksdb::Env* env, const std::string& path,
                             const std::function<void(std::string_view)>& take) {
  std::unique_ptr<rocksdb::SequentialFile> file;
  rocksdb::Status status = env->NewSequentialFile(path, &file, rocksdb::EnvOptions());
  if (!status.ok()) return status;
  const auto buffer = std::make_unique<char[]>(kPieceSize);
  while (true) {
    rocksdb::Slice piece;
    status = file->Read(kPieceSize, &piece, buffer.get());
    if (!status.ok() || piece.empty()) return status;
    take(std::string_view(piece.data(), piece.size()));
  }
}

rocksdb::Status ReadWholeFile(rocksdb::Env* env, const std::string& path, std::string* contents) {
  contents->clear();
  return ReadInPieces(env, path, [contents](std::string_view piece) { contents->append(piece); });
}

rocksdb::Status ReplaceFile(rocksdb::Env* env, const std::string& path, std::string_view contents) {
  const std::string beside = path + ".new";
  std::unique_ptr<rocksdb::WritableFile> file;
  rocksdb::Status status = env->NewWritableFile(beside, &file, rocksdb::EnvOptions());
  if (status.ok()) status = WriteAndSync(file.get(), contents);
  if (status.ok()) status = env->RenameFile(beside, path);
  if (status.ok()) status = SyncDirectory(env, ParentDirectory(path));
  return status;
}

rocksdb::Status CopyFile(rocksdb::Env* env, const std::string& from, const std::string& to) {
  std::unique_ptr<rocksdb::WritableFile> file;
  rocksdb::Status status = env->NewWritableFile(to, &file, rocksdb::EnvOptions());
  if (!status.ok()) return status;
  rocksdb::Status write_status;
  status = ReadInPieces(env, from, [&](std::string_view piece) {
    if (write_status.ok()) write_status = file->Append(rocksdb::Slice(piece.data(), piece.size()));
  });
  if (status.ok()) status = write_status;
  if (status.ok()) status = file->Sync();
  if (status.ok()) status = file->Close();
  return status;
}

DirectoryLock::~DirectoryLock() {
  if (lock_ != nullptr) env_->UnlockFile(lock_).PermitUncheckedError();
}

rocksdb::Status DirectoryLock::Lock(rocksdb::Env* env, const std::string& directory) {
  env_ = env;
  return env->LockFile(directory + "/" + kLockFileName, &lock_);
}

}  // namespace retrace::eventstore
