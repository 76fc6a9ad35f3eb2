#include "tests/support/fault_env.h"

#include <algorithm>
#include <cstring>
#include <mutex>
#include <set>
#include <string_view>
#include <utility>

#include "rocksdb/file_system.h"
#include "rocksdb/io_status.h"

namespace retrace::testing {
namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;
using Operation = FaultEnv::Operation;

// Swallows RocksDB's messages: they are no part of the disk that is tested.
class SilentLogger : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
  size_t GetLogFileSize() const override { return 0; }
};

struct HeldLock : public rocksdb::FileLock {
  explicit HeldLock(std::string locked) : path(std::move(locked)) {}
  std::string path;
};

}  // namespace

class FaultFileSystem : public rocksdb::FileSystem {
 public:
  explicit FaultFileSystem(SimulatedDisk disk = {}) : disk_(std::move(disk)) {}

  const char* Name() const override { return "FaultFileSystem"; }

  FaultSwitch& faults() { return faults_; }

  // ---- Power cut and rot ----

  SimulatedDisk AfterPowerCut(Unsynced unsynced, uint64_t seed) const {
    std::lock_guard lock(mutex_);
    return disk_.AfterPowerCut(unsynced, seed);
  }
  std::vector<std::string> List(const std::string& directory) const {
    std::lock_guard lock(mutex_);
    return disk_.NamesIn(directory);
  }
  std::string Contents(const std::string& path) const {
    std::lock_guard lock(mutex_);
    const std::shared_ptr<DiskFile> file = disk_.Find(path);
    return file == nullptr ? "" : file->data();
  }
  void Overwrite(const std::string& path, std::string contents) {
    std::lock_guard lock(mutex_);
    disk_.PutDurable(path, std::move(contents));
  }
  void Remove(const std::string& path) {
    std::lock_guard lock(mutex_);
    disk_.RemoveDurable(path);
  }

  // ---- What open files do ----

  IOStatus Append(DiskFile& file, const std::string& path, const Slice& bytes) {
    if (IOStatus status = faults_.Begin(Operation::kWrite, path); !status.ok()) return status;
    std::lock_guard lock(mutex_);
    file.Write(file.data().size(), bytes.data(), bytes.size());
    return IOStatus::OK();
  }
  IOStatus WriteAt(DiskFile& file, const std::string& path, uint64_t offset, const Slice& bytes) {
    if (IOStatus status = faults_.Begin(Operation::kWrite, path); !status.ok()) return status;
    std::lock_guard lock(mutex_);
    file.Write(offset, bytes.data(), bytes.size());
    return IOStatus::OK();
  }
  IOStatus Sync(DiskFile& file, const std::string& path) {
    IOStatus status = faults_.Begin(Operation::kSync, path);
    std::lock_guard lock(mutex_);
    file.Sync(/*fails=*/!status.ok());
    return status;
  }
  IOStatus Resize(DiskFile& file, uint64_t size) {
    std::lock_guard lock(mutex_);
    file.Resize(size);
    return IOStatus::OK();
  }
  uint64_t Size(const DiskFile& file) const {
    std::lock_guard lock(mutex_);
    return file.data().size();
  }
  IOStatus ReadAt(const DiskFile& file, const std::string& path, uint64_t offset, size_t n,
                  Slice* result, char* scratch) {
    *result = Slice();
    if (IOStatus status = faults_.Begin(Operation::kRead, path); !status.ok()) return status;
    std::lock_guard lock(mutex_);
    if (offset >= file.data().size()) return IOStatus::OK();
    const size_t size = std::min<size_t>(n, file.data().size() - offset);
    std::memcpy(scratch, file.data().data() + offset, size);
    *result = Slice(scratch, size);
    return IOStatus::OK();
  }
  IOStatus SyncNames(const std::string& directory) {
    if (IOStatus status = faults_.Begin(Operation::kDirectorySync, directory); !status.ok())
      return status;
    std::lock_guard lock(mutex_);
    disk_.SyncNames(directory);
    return IOStatus::OK();
  }

  // ---- rocksdb::FileSystem ----

  IOStatus NewSequentialFile(const std::string& path, const FileOptions&,
                             std::unique_ptr<rocksdb::FSSequentialFile>* result,
                             IODebugContext*) override;
  IOStatus NewRandomAccessFile(const std::string& path, const FileOptions&,
                               std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                               IODebugContext*) override;
  IOStatus NewWritableFile(const std::string& path, const FileOptions&,
                           std::unique_ptr<rocksdb::FSWritableFile>* result,
                           IODebugContext*) override;
  IOStatus ReopenWritableFile(const std::string& path, const FileOptions&,
                              std::unique_ptr<rocksdb::FSWritableFile>* result,
                              IODebugContext*) override;
  IOStatus NewRandomRWFile(const std::string& path, const FileOptions&,
                           std::unique_ptr<rocksdb::FSRandomRWFile>* result,
                           IODebugContext*) override;
  IOStatus NewDirectory(const std::string& path, const IOOptions&,
                        std::unique_ptr<rocksdb::FSDirectory>* result, IODebugContext*) override;

  IOStatus FileExists(const std::string& path, const IOOptions&, IODebugContext*) override {
    std::lock_guard lock(mutex_);
    return disk_.Find(path) != nullptr ? IOStatus::OK() : IOStatus::NotFound(path);
  }
  IOStatus GetChildren(const std::string& directory, const IOOptions&,
                       std::vector<std::string>* result, IODebugContext*) override {
    if (IOStatus status = faults_.Begin(Operation::kRead, directory); !status.ok()) return status;
    *result = List(directory);
    std::lock_guard lock(mutex_);
    return disk_.Find(directory) != nullptr ? IOStatus::OK() : IOStatus::NotFound(directory);
  }
  IOStatus DeleteFile(const std::string& path, const IOOptions&, IODebugContext*) override {
    if (IOStatus status = faults_.Begin(Operation::kDelete, path); !status.ok()) return status;
    std::lock_guard lock(mutex_);
    return disk_.Remove(path) ? IOStatus::OK() : IOStatus::PathNotFound(path);
  }
  IOStatus CreateDir(const std::string& path, const IOOptions& options,
                     IODebugContext* debug) override {
    {
      std::lock_guard lock(mutex_);
      if (disk_.Find(path) != nullptr) return IOStatus::IOError("File exists", path);
    }
    return CreateDirIfMissing(path, options, debug);
  }
  IOStatus CreateDirIfMissing(const std::string& path, const IOOptions&, IODebugContext*) override {
    {
      std::lock_guard lock(mutex_);
      if (disk_.Find(path) != nullptr) return IOStatus::OK();
    }
    if (IOStatus status = faults_.Begin(Operation::kMakeDirectory, path); !status.ok())
      return status;
    std::lock_guard lock(mutex_);
    return disk_.Add(path, std::make_shared<DiskFile>(true)) ? IOStatus::OK()
                                                             : IOStatus::PathNotFound(path);
  }
  IOStatus DeleteDir(const std::string& path, const IOOptions& options,
                     IODebugContext* debug) override {
    return DeleteFile(path, options, debug);
  }
  IOStatus GetFileSize(const std::string& path, const IOOptions&, uint64_t* size,
                       IODebugContext*) override {
    std::lock_guard lock(mutex_);
    const std::shared_ptr<DiskFile> file = disk_.Find(path);
    if (file == nullptr) return IOStatus::PathNotFound(path);
    *size = file->data().size();
    return IOStatus::OK();
  }
  IOStatus GetFileModificationTime(const std::string&, const IOOptions&, uint64_t* time,
                                   IODebugContext*) override {
    *time = 0;
    return IOStatus::OK();
  }
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions&,
                      IODebugContext*) override {
    if (IOStatus status = faults_.Begin(Operation::kRename, from); !status.ok()) return status;
    std::lock_guard lock(mutex_);
    return disk_.Rename(from, to) ? IOStatus::OK() : IOStatus::PathNotFound(from);
  }
  IOStatus LinkFile(const std::string& from, const std::string& to, const IOOptions&,
                    IODebugContext*) override {
    if (IOStatus status = faults_.Begin(Operation::kLink, from); !status.ok()) return status;
    std::lock_guard lock(mutex_);
    const std::shared_ptr<DiskFile> file = disk_.Find(from);
    return file != nullptr && disk_.Add(to, file) ? IOStatus::OK() : IOStatus::PathNotFound(from);
  }
  IOStatus AreFilesSame(const std::string& first, const std::string& second, const IOOptions&,
                        bool* same, IODebugContext*) override {
    std::lock_guard lock(mutex_);
    *same = disk_.Find(first) != nullptr && disk_.Find(first) == disk_.Find(second);
    return IOStatus::OK();
  }
  IOStatus LockFile(const std::string& path, const IOOptions&, rocksdb::FileLock** lock,
                    IODebugContext*) override {
    std::lock_guard guard(mutex_);
    *lock = nullptr;
    const std::string plain = SimulatedDisk::Plain(path);
    if (locks_.count(plain) != 0) {
      return IOStatus::IOError("While lock file: " + path, "Resource temporarily unavailable");
    }
    if (disk_.Find(path) == nullptr && !disk_.Add(path, std::make_shared<DiskFile>())) {
      return IOStatus::PathNotFound(path);
    }
    locks_.insert(plain);
    *lock = new HeldLock(plain);
    return IOStatus::OK();
  }
  IOStatus UnlockFile(rocksdb::FileLock* lock, const IOOptions&, IODebugContext*) override {
    std::lock_guard guard(mutex_);
    const std::unique_ptr<HeldLock> held(static_cast<HeldLock*>(lock));
    locks_.erase(held->path);
    return IOStatus::OK();
  }
  IOStatus GetTestDirectory(const IOOptions&, std::string* path, IODebugContext*) override {
    *path = "/test";
    return IOStatus::OK();
  }
  IOStatus NewLogger(const std::string&, const IOOptions&, std::shared_ptr<rocksdb::Logger>* result,
                     IODebugContext*) override {
    *result = std::make_shared<SilentLogger>();
    return IOStatus::OK();
  }
  IOStatus GetAbsolutePath(const std::string& path, const IOOptions&, std::string* absolute,
                           IODebugContext*) override {
    *absolute = SimulatedDisk::Plain(path);
    return IOStatus::OK();
  }
  IOStatus IsDirectory(const std::string& path, const IOOptions&, bool* is,
                       IODebugContext*) override {
    std::lock_guard lock(mutex_);
    const std::shared_ptr<DiskFile> file = disk_.Find(path);
    if (file == nullptr) return IOStatus::PathNotFound(path);
    *is = file->directory();
    return IOStatus::OK();
  }

 private:
  std::shared_ptr<DiskFile> Find(const std::string& path) const {
    std::lock_guard lock(mutex_);
    return disk_.Find(path);
  }

  mutable std::mutex mutex_;
  SimulatedDisk disk_;
  std::set<std::string> locks_;
  FaultSwitch faults_;
};

namespace {

// An open file: the file system, which does the work and outlives it, and what it works on.
struct Opened {
  FaultFileSystem* files = nullptr;
  std::string path;
  std::shared_ptr<DiskFile> file;
};

class OpenSequential : public rocksdb::FSSequentialFile {
 public:
  explicit OpenSequential(Opened opened) : opened_(std::move(opened)) {}
  IOStatus Read(size_t n, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) override {
    IOStatus status =
        opened_.files->ReadAt(*opened_.file, opened_.path, offset_, n, result, scratch);
    offset_ += result->size();
    return status;
  }
  IOStatus Skip(uint64_t n) override {
    offset_ += n;
    return IOStatus::OK();
  }

 private:
  const Opened opened_;
  uint64_t offset_ = 0;
};

class OpenRandomAccess : public rocksdb::FSRandomAccessFile {
 public:
  explicit OpenRandomAccess(Opened opened) : opened_(std::move(opened)) {}
  IOStatus Read(uint64_t offset, size_t n, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) const override {
    return opened_.files->ReadAt(*opened_.file, opened_.path, offset, n, result, scratch);
  }

 private:
  const Opened opened_;
};

class OpenWritable : public rocksdb::FSWritableFile {
 public:
  using rocksdb::FSWritableFile::Append;
  explicit OpenWritable(Opened opened) : opened_(std::move(opened)) {}
  IOStatus Append(const Slice& bytes, const IOOptions&, IODebugContext*) override {
    return opened_.files->Append(*opened_.file, opened_.path, bytes);
  }
  IOStatus Append(const Slice& bytes, const IOOptions&, const rocksdb::DataVerificationInfo&,
                  IODebugContext*) override {
    return opened_.files->Append(*opened_.file, opened_.path, bytes);
  }
  IOStatus Truncate(uint64_t size, const IOOptions&, IODebugContext*) override {
    return opened_.files->Resize(*opened_.file, size);
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, IODebugContext*) override {
    return opened_.files->Sync(*opened_.file, opened_.path);
  }
  bool IsSyncThreadSafe() const override { return true; }
  uint64_t GetFileSize(const IOOptions&, IODebugContext*) override {
    return opened_.files->Size(*opened_.file);
  }

 private:
  const Opened opened_;
};

class OpenReadWrite : public rocksdb::FSRandomRWFile {
 public:
  explicit OpenReadWrite(Opened opened) : opened_(std::move(opened)) {}
  IOStatus Write(uint64_t offset, const Slice& bytes, const IOOptions&, IODebugContext*) override {
    return opened_.files->WriteAt(*opened_.file, opened_.path, offset, bytes);
  }
  IOStatus Read(uint64_t offset, size_t n, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) const override {
    return opened_.files->ReadAt(*opened_.file, opened_.path, offset, n, result, scratch);
  }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, IODebugContext*) override {
    return opened_.files->Sync(*opened_.file, opened_.path);
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }

 private:
  const Opened opened_;
};

class OpenDirectory : public rocksdb::FSDirectory {
 public:
  OpenDirectory(FaultFileSystem* files, std::string path) : files_(files), path_(std::move(path)) {}
  IOStatus Fsync(const IOOptions&, IODebugContext*) override { return files_->SyncNames(path_); }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }

 private:
  FaultFileSystem* const files_;
  const std::string path_;
};

}  // namespace

IOStatus FaultFileSystem::NewSequentialFile(const std::string& path, const FileOptions&,
                                            std::unique_ptr<rocksdb::FSSequentialFile>* result,
                                            IODebugContext*) {
  if (IOStatus status = faults_.Begin(Operation::kRead, path); !status.ok()) return status;
  std::shared_ptr<DiskFile> file = Find(path);
  if (file == nullptr) return IOStatus::PathNotFound(path, "No such file or directory");
  *result = std::make_unique<OpenSequential>(Opened{this, path, std::move(file)});
  return IOStatus::OK();
}

IOStatus FaultFileSystem::NewRandomAccessFile(const std::string& path, const FileOptions&,
                                              std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                                              IODebugContext*) {
  if (IOStatus status = faults_.Begin(Operation::kRead, path); !status.ok()) return status;
  std::shared_ptr<DiskFile> file = Find(path);
  if (file == nullptr) return IOStatus::PathNotFound(path, "No such file or directory");
  *result = std::make_unique<OpenRandomAccess>(Opened{this, path, std::move(file)});
  return IOStatus::OK();
}

IOStatus FaultFileSystem::NewWritableFile(const std::string& path, const FileOptions&,
                                          std::unique_ptr<rocksdb::FSWritableFile>* result,
                                          IODebugContext*) {
  if (IOStatus status = faults_.Begin(Operation::kCreate, path); !status.ok()) return status;
  auto file = std::make_shared<DiskFile>();
  {
    std::lock_guard lock(mutex_);
    if (!disk_.Add(path, file)) return IOStatus::PathNotFound(path);
  }
  *result = std::make_unique<OpenWritable>(Opened{this, path, std::move(file)});
  return IOStatus::OK();
}

IOStatus FaultFileSystem::ReopenWritableFile(const std::string& path, const FileOptions& options,
                                             std::unique_ptr<rocksdb::FSWritableFile>* result,
                                             IODebugContext* debug) {
  std::shared_ptr<DiskFile> file = Find(path);
  if (file == nullptr) return NewWritableFile(path, options, result, debug);
  if (IOStatus status = faults_.Begin(Operation::kCreate, path); !status.ok()) return status;
  *result = std::make_unique<OpenWritable>(Opened{this, path, std::move(file)});
  return IOStatus::OK();
}

IOStatus FaultFileSystem::NewRandomRWFile(const std::string& path, const FileOptions&,
                                          std::unique_ptr<rocksdb::FSRandomRWFile>* result,
                                          IODebugContext*) {
  if (IOStatus status = faults_.Begin(Operation::kCreate, path); !status.ok()) return status;
  std::shared_ptr<DiskFile> file = Find(path);
  if (file == nullptr) return IOStatus::PathNotFound(path, "No such file or directory");
  *result = std::make_unique<OpenReadWrite>(Opened{this, path, std::move(file)});
  return IOStatus::OK();
}

IOStatus FaultFileSystem::NewDirectory(const std::string& path, const IOOptions&,
                                       std::unique_ptr<rocksdb::FSDirectory>* result,
                                       IODebugContext*) {
  if (Find(path) == nullptr) return IOStatus::PathNotFound(path);
  *result = std::make_unique<OpenDirectory>(this, SimulatedDisk::Plain(path));
  return IOStatus::OK();
}

FaultEnv::FaultEnv() : FaultEnv(std::make_shared<FaultFileSystem>()) {}

FaultEnv::FaultEnv(std::shared_ptr<FaultFileSystem> files)
    : files_(std::move(files)), env_(rocksdb::NewCompositeEnv(files_)) {}

FaultEnv::~FaultEnv() = default;

void FaultEnv::FailNth(Operation operation, uint64_t n, std::string part, std::string message) {
  files_->faults().Arm({operation, n, false, false, std::move(part), std::move(message)});
}

void FaultEnv::FailAll(Operation operation, std::string part) {
  files_->faults().Arm({operation, 0, true, false, std::move(part), "Input/output error"});
}

void FaultEnv::FillDiskAtNth(Operation operation, uint64_t n, std::string part) {
  files_->faults().Arm({operation, n, false, true, std::move(part), ""});
}

bool FaultEnv::Failed() const { return files_->faults().Failed(); }

void FaultEnv::Heal() { files_->faults().Heal(); }

uint64_t FaultEnv::Count(Operation operation) const { return files_->faults().Count(operation); }

void FaultEnv::BeforeEachChange(Observer observer) {
  files_->faults().SetObserver(std::move(observer));
}

std::unique_ptr<FaultEnv> FaultEnv::AfterPowerCut(Unsynced unsynced, uint64_t seed) const {
  return std::unique_ptr<FaultEnv>(
      new FaultEnv(std::make_shared<FaultFileSystem>(files_->AfterPowerCut(unsynced, seed))));
}

std::vector<std::string> FaultEnv::Files(const std::string& directory) const {
  return files_->List(directory);
}

std::string FaultEnv::Contents(const std::string& path) const { return files_->Contents(path); }

void FaultEnv::Overwrite(const std::string& path, std::string contents) {
  files_->Overwrite(path, std::move(contents));
}

void FaultEnv::Remove(const std::string& path) { files_->Remove(path); }

}  // namespace retrace::testing
