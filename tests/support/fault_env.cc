#include "tests/support/fault_env.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <map>
#include <mutex>
#include <random>
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
using Random = std::mt19937_64;

constexpr size_t kPage = 4096;

struct Node {
  bool directory = false;
  // What reads see: the page cache.
  std::string data;
  // What the disk is sure to hold.
  std::string synced;
  // Pages that the next sync writes. A failed sync clears them, too: that is how Linux loses them.
  std::set<size_t> dirty;

  void MarkDirty(size_t offset, size_t size) {
    for (size_t page = offset / kPage; page * kPage < offset + size; ++page) dirty.insert(page);
  }
  // Writes the dirty pages to `disk`.
  void WriteTo(std::string& disk) const {
    for (const size_t page : dirty) {
      const size_t begin = page * kPage;
      if (begin >= data.size()) continue;
      const size_t size = std::min(kPage, data.size() - begin);
      if (disk.size() < begin + size) disk.resize(begin + size);
      disk.replace(begin, size, data, begin, size);
    }
  }
  std::string Written() const {
    std::string disk = synced;
    WriteTo(disk);
    return disk;
  }
};

// A change of names that its directory was not yet synced after.
struct NameChange {
  enum class Kind { kAdd, kRemove, kRename } kind = Kind::kAdd;
  std::string path;
  std::string to;  // of a rename
  std::shared_ptr<Node> node;
};

using Names = std::map<std::string, std::shared_ptr<Node>>;

std::string Plain(const std::string& path) {
  std::string plain = "/";
  for (const char c : path) {
    if (c != '/' || plain.back() != '/') plain += c;
  }
  if (plain.size() > 1 && plain.back() == '/') plain.pop_back();
  return plain;
}

std::string ParentOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

bool IsBelow(const std::string& path, const std::string& directory) {
  return path.size() > directory.size() && path.compare(0, directory.size(), directory) == 0 &&
         path[directory.size()] == '/';
}

void Apply(const NameChange& change, Names& names) {
  if (change.kind == NameChange::Kind::kAdd) {
    names[change.path] = change.node;
  } else if (change.kind == NameChange::Kind::kRemove) {
    names.erase(change.path);
  } else {
    Names moved;
    for (auto at = names.begin(); at != names.end();) {
      if (IsBelow(at->first, change.path)) {
        moved[change.to + at->first.substr(change.path.size())] = at->second;
        at = names.erase(at);
      } else {
        ++at;
      }
    }
    names.erase(change.path);
    names[change.to] = change.node;
    names.insert(moved.begin(), moved.end());
  }
}

bool Touches(const NameChange& change, const std::string& directory) {
  return ParentOf(change.kind == NameChange::Kind::kRename ? change.to : change.path) == directory;
}

// What a power cut leaves of a file that was being written.
std::string Torn(const Node& node, bool garble, Random& random) {
  constexpr size_t kSector = 512;
  std::string result = node.Written();
  const std::string& synced = node.synced;
  for (size_t at = 0; at < std::min(result.size(), synced.size()); at += kSector) {
    if (random() % 2 == 0) {
      const size_t size = std::min(kSector, std::min(result.size(), synced.size()) - at);
      result.replace(at, size, synced, at, size);
    }
  }
  if (result.size() > synced.size()) {
    const size_t unsynced = result.size() - synced.size();
    result.resize(synced.size() + random() % (unsynced + 1));
    if (garble) {
      for (size_t i = random() % 64; i > 0; --i) result += static_cast<char>(random());
    }
  }
  return result;
}

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
  FaultFileSystem() {
    names_["/"] = std::make_shared<Node>();
    names_["/"]->directory = true;
    durable_ = names_;
  }

  const char* Name() const override { return "FaultFileSystem"; }

  // ---- Failing and counting ----

  struct Fault {
    Operation operation = Operation::kWrite;
    uint64_t countdown = 0;  // 0: not armed
    bool always = false;
    bool full = false;
    std::string part;
    std::string message;
  };

  void Arm(Fault fault) {
    std::lock_guard lock(mutex_);
    fault_ = std::move(fault);
    failed_ = false;
  }
  void Heal() {
    std::lock_guard lock(mutex_);
    fault_ = {};
  }
  bool Failed() const {
    std::lock_guard lock(mutex_);
    return failed_;
  }
  uint64_t Count(Operation operation) const {
    std::lock_guard lock(mutex_);
    return counts_[static_cast<size_t>(operation)];
  }
  void SetObserver(FaultEnv::Observer observer) {
    std::lock_guard lock(mutex_);
    observer_ = std::move(observer);
  }

  // Every operation begins here, without the lock.
  IOStatus Begin(Operation operation, const std::string& path) {
    FaultEnv::Observer observer;
    uint64_t change = 0;
    {
      std::lock_guard lock(mutex_);
      if (operation != Operation::kRead) {
        change = ++changes_;
        observer = observer_;
      }
    }
    if (observer) observer(change, operation, path);
    std::lock_guard lock(mutex_);
    ++counts_[static_cast<size_t>(operation)];
    if (fault_.operation != operation || (fault_.countdown == 0 && !fault_.always)) {
      return IOStatus::OK();
    }
    if (path.find(fault_.part) == std::string::npos) return IOStatus::OK();
    if (!fault_.always && --fault_.countdown > 0) return IOStatus::OK();
    failed_ = true;
    return fault_.full ? IOStatus::NoSpace("injected", path)
                       : IOStatus::IOError(fault_.message, path);
  }

  // ---- Power cut and rot ----

  std::shared_ptr<FaultFileSystem> AfterPowerCut(FaultEnv::Unsynced unsynced,
                                                 uint64_t seed) const {
    std::lock_guard lock(mutex_);
    Random random(seed);
    Names names = durable_;
    size_t kept = 0;
    if (unsynced == FaultEnv::Unsynced::kKept) kept = pending_.size();
    if (unsynced == FaultEnv::Unsynced::kTorn || unsynced == FaultEnv::Unsynced::kGarbled) {
      kept = random() % (pending_.size() + 1);
    }
    for (size_t i = 0; i < kept; ++i) Apply(pending_[i], names);
    auto disk = std::make_shared<FaultFileSystem>();
    std::map<const Node*, std::shared_ptr<Node>> copies;  // hard links stay links
    for (const auto& [path, node] : names) {
      // Sorted, so a directory comes before what is in it.
      if (path != "/" && disk->names_.count(ParentOf(path)) == 0) continue;
      std::shared_ptr<Node>& copy = copies[node.get()];
      if (copy == nullptr) {
        copy = std::make_shared<Node>();
        copy->directory = node->directory;
        copy->data = Remains(*node, path, unsynced, random);
        copy->synced = copy->data;
      }
      disk->names_[path] = copy;
    }
    disk->durable_ = disk->names_;
    return disk;
  }

  static std::string Remains(const Node& node, const std::string& path,
                             FaultEnv::Unsynced unsynced, Random& random) {
    if (unsynced == FaultEnv::Unsynced::kDropped) return node.synced;
    if (unsynced == FaultEnv::Unsynced::kKept) return node.Written();
    const bool is_log = path.size() > 4 && path.compare(path.size() - 4, 4, ".log") == 0;
    return Torn(node, unsynced == FaultEnv::Unsynced::kGarbled && is_log, random);
  }

  std::vector<std::string> List(const std::string& directory) const {
    std::lock_guard lock(mutex_);
    const std::string plain = Plain(directory);
    std::vector<std::string> names;
    for (const auto& [path, node] : names_) {
      if (path != "/" && ParentOf(path) == plain) {
        names.push_back(path.substr(path.rfind('/') + 1));
      }
    }
    return names;
  }
  std::string Contents(const std::string& path) const {
    std::lock_guard lock(mutex_);
    const std::shared_ptr<Node> node = Find(path);
    return node == nullptr ? "" : node->data;
  }
  void Overwrite(const std::string& path, std::string contents) {
    std::lock_guard lock(mutex_);
    std::shared_ptr<Node> node = Find(path);
    if (node == nullptr) node = std::make_shared<Node>();
    node->data = std::move(contents);
    node->synced = node->data;
    node->dirty.clear();
    names_[Plain(path)] = node;
    durable_[Plain(path)] = node;
  }
  void Remove(const std::string& path) {
    std::lock_guard lock(mutex_);
    names_.erase(Plain(path));
    durable_.erase(Plain(path));
  }

  // ---- What open files do ----

  IOStatus Append(const std::shared_ptr<Node>& node, const std::string& path, const Slice& bytes) {
    if (IOStatus status = Begin(Operation::kWrite, path); !status.ok()) return status;
    std::lock_guard lock(mutex_);
    node->MarkDirty(node->data.size(), bytes.size());
    node->data.append(bytes.data(), bytes.size());
    return IOStatus::OK();
  }
  IOStatus WriteAt(const std::shared_ptr<Node>& node, const std::string& path, uint64_t offset,
                   const Slice& bytes) {
    if (IOStatus status = Begin(Operation::kWrite, path); !status.ok()) return status;
    std::lock_guard lock(mutex_);
    if (node->data.size() < offset + bytes.size()) node->data.resize(offset + bytes.size());
    node->data.replace(offset, bytes.size(), bytes.data(), bytes.size());
    node->MarkDirty(offset, bytes.size());
    return IOStatus::OK();
  }
  IOStatus Sync(const std::shared_ptr<Node>& node, const std::string& path) {
    IOStatus status = Begin(Operation::kSync, path);
    std::lock_guard lock(mutex_);
    if (status.ok()) node->WriteTo(node->synced);
    node->dirty.clear();
    return status;
  }
  IOStatus Resize(const std::shared_ptr<Node>& node, uint64_t size) {
    std::lock_guard lock(mutex_);
    node->data.resize(size);
    if (node->synced.size() > size) node->synced.resize(size);
    return IOStatus::OK();
  }
  uint64_t Size(const std::shared_ptr<Node>& node) const {
    std::lock_guard lock(mutex_);
    return node->data.size();
  }
  IOStatus ReadAt(const std::shared_ptr<Node>& node, const std::string& path, uint64_t offset,
                  size_t n, Slice* result, char* scratch) {
    *result = Slice();
    if (IOStatus status = Begin(Operation::kRead, path); !status.ok()) return status;
    std::lock_guard lock(mutex_);
    if (offset >= node->data.size()) return IOStatus::OK();
    const size_t size = std::min<size_t>(n, node->data.size() - offset);
    std::memcpy(scratch, node->data.data() + offset, size);
    *result = Slice(scratch, size);
    return IOStatus::OK();
  }
  IOStatus SyncNames(const std::string& directory) {
    if (IOStatus status = Begin(Operation::kDirectorySync, directory); !status.ok()) return status;
    std::lock_guard lock(mutex_);
    std::vector<NameChange> later;
    for (NameChange& change : pending_) {
      if (Touches(change, directory)) {
        Apply(change, durable_);
      } else {
        later.push_back(std::move(change));
      }
    }
    pending_ = std::move(later);
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
    return Find(path) != nullptr ? IOStatus::OK() : IOStatus::NotFound(path);
  }
  IOStatus GetChildren(const std::string& directory, const IOOptions&,
                       std::vector<std::string>* result, IODebugContext*) override {
    if (IOStatus status = Begin(Operation::kRead, Plain(directory)); !status.ok()) return status;
    *result = List(directory);
    std::lock_guard lock(mutex_);
    return Find(directory) != nullptr ? IOStatus::OK() : IOStatus::NotFound(directory);
  }
  IOStatus DeleteFile(const std::string& path, const IOOptions&, IODebugContext*) override {
    if (IOStatus status = Begin(Operation::kDelete, path); !status.ok()) return status;
    std::lock_guard lock(mutex_);
    if (Find(path) == nullptr) return IOStatus::PathNotFound(path);
    Change({NameChange::Kind::kRemove, Plain(path), "", nullptr});
    return IOStatus::OK();
  }
  IOStatus CreateDir(const std::string& path, const IOOptions& options,
                     IODebugContext* debug) override {
    {
      std::lock_guard lock(mutex_);
      if (Find(path) != nullptr) return IOStatus::IOError("File exists", path);
    }
    return CreateDirIfMissing(path, options, debug);
  }
  IOStatus CreateDirIfMissing(const std::string& path, const IOOptions&,
                              IODebugContext*) override {
    {
      std::lock_guard lock(mutex_);
      if (Find(path) != nullptr) return IOStatus::OK();
    }
    if (IOStatus status = Begin(Operation::kMakeDirectory, path); !status.ok()) return status;
    std::lock_guard lock(mutex_);
    if (Find(ParentOf(Plain(path))) == nullptr) return IOStatus::PathNotFound(path);
    auto node = std::make_shared<Node>();
    node->directory = true;
    Change({NameChange::Kind::kAdd, Plain(path), "", node});
    return IOStatus::OK();
  }
  IOStatus DeleteDir(const std::string& path, const IOOptions& options,
                     IODebugContext* debug) override {
    return DeleteFile(path, options, debug);
  }
  IOStatus GetFileSize(const std::string& path, const IOOptions&, uint64_t* size,
                       IODebugContext*) override {
    std::lock_guard lock(mutex_);
    const std::shared_ptr<Node> node = Find(path);
    if (node == nullptr) return IOStatus::PathNotFound(path);
    *size = node->data.size();
    return IOStatus::OK();
  }
  IOStatus GetFileModificationTime(const std::string&, const IOOptions&, uint64_t* time,
                                   IODebugContext*) override {
    *time = 0;
    return IOStatus::OK();
  }
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions&,
                      IODebugContext*) override {
    if (IOStatus status = Begin(Operation::kRename, from); !status.ok()) return status;
    std::lock_guard lock(mutex_);
    const std::shared_ptr<Node> node = Find(from);
    if (node == nullptr) return IOStatus::PathNotFound(from);
    const std::string plain_from = Plain(from);
    const std::string plain_to = Plain(to);
    if (node->directory) {
      // What is still pending below it is to happen under the new name.
      for (NameChange& change : pending_) {
        if (IsBelow(change.path, plain_from)) {
          change.path = plain_to + change.path.substr(plain_from.size());
        }
        if (IsBelow(change.to, plain_from)) {
          change.to = plain_to + change.to.substr(plain_from.size());
        }
      }
    }
    Change({NameChange::Kind::kRename, plain_from, plain_to, node});
    return IOStatus::OK();
  }
  IOStatus LinkFile(const std::string& from, const std::string& to, const IOOptions&,
                    IODebugContext*) override {
    if (IOStatus status = Begin(Operation::kLink, from); !status.ok()) return status;
    std::lock_guard lock(mutex_);
    const std::shared_ptr<Node> node = Find(from);
    if (node == nullptr) return IOStatus::PathNotFound(from);
    Change({NameChange::Kind::kAdd, Plain(to), "", node});
    return IOStatus::OK();
  }
  IOStatus AreFilesSame(const std::string& first, const std::string& second, const IOOptions&,
                        bool* same, IODebugContext*) override {
    std::lock_guard lock(mutex_);
    *same = Find(first) != nullptr && Find(first) == Find(second);
    return IOStatus::OK();
  }
  IOStatus LockFile(const std::string& path, const IOOptions&, rocksdb::FileLock** lock,
                    IODebugContext*) override {
    std::lock_guard guard(mutex_);
    *lock = nullptr;
    if (Find(ParentOf(Plain(path))) == nullptr) return IOStatus::PathNotFound(path);
    if (!locks_.insert(Plain(path)).second) {
      return IOStatus::IOError("While lock file: " + path, "Resource temporarily unavailable");
    }
    if (Find(path) == nullptr) {
      Change({NameChange::Kind::kAdd, Plain(path), "", std::make_shared<Node>()});
    }
    *lock = new HeldLock(Plain(path));
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
    *absolute = Plain(path);
    return IOStatus::OK();
  }
  IOStatus IsDirectory(const std::string& path, const IOOptions&, bool* is,
                       IODebugContext*) override {
    std::lock_guard lock(mutex_);
    const std::shared_ptr<Node> node = Find(path);
    if (node == nullptr) return IOStatus::PathNotFound(path);
    *is = node->directory;
    return IOStatus::OK();
  }

 private:
  // With the lock held.
  std::shared_ptr<Node> Find(const std::string& path) const {
    const auto found = names_.find(Plain(path));
    return found == names_.end() ? nullptr : found->second;
  }
  void Change(NameChange change) {
    Apply(change, names_);
    pending_.push_back(std::move(change));
  }
  std::shared_ptr<Node> FindLocked(const std::string& path) const {
    std::lock_guard lock(mutex_);
    return Find(path);
  }

  mutable std::mutex mutex_;
  Names names_;
  Names durable_;
  std::vector<NameChange> pending_;
  std::set<std::string> locks_;
  Fault fault_;
  bool failed_ = false;
  std::array<uint64_t, FaultEnv::kOperations> counts_{};
  uint64_t changes_ = 0;
  FaultEnv::Observer observer_;
};

namespace {

// The open files: a node and the file system that does the work, which outlives them.
class OpenSequential : public rocksdb::FSSequentialFile {
 public:
  OpenSequential(FaultFileSystem* files, std::string path, std::shared_ptr<Node> node)
      : files_(files), path_(std::move(path)), node_(std::move(node)) {}
  IOStatus Read(size_t n, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) override {
    IOStatus status = files_->ReadAt(node_, path_, offset_, n, result, scratch);
    offset_ += result->size();
    return status;
  }
  IOStatus Skip(uint64_t n) override {
    offset_ += n;
    return IOStatus::OK();
  }

 private:
  FaultFileSystem* const files_;
  const std::string path_;
  const std::shared_ptr<Node> node_;
  uint64_t offset_ = 0;
};

class OpenRandomAccess : public rocksdb::FSRandomAccessFile {
 public:
  OpenRandomAccess(FaultFileSystem* files, std::string path, std::shared_ptr<Node> node)
      : files_(files), path_(std::move(path)), node_(std::move(node)) {}
  IOStatus Read(uint64_t offset, size_t n, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) const override {
    return files_->ReadAt(node_, path_, offset, n, result, scratch);
  }

 private:
  FaultFileSystem* const files_;
  const std::string path_;
  const std::shared_ptr<Node> node_;
};

class OpenWritable : public rocksdb::FSWritableFile {
 public:
  using rocksdb::FSWritableFile::Append;
  OpenWritable(FaultFileSystem* files, std::string path, std::shared_ptr<Node> node)
      : files_(files), path_(std::move(path)), node_(std::move(node)) {}
  IOStatus Append(const Slice& bytes, const IOOptions&, IODebugContext*) override {
    return files_->Append(node_, path_, bytes);
  }
  IOStatus Append(const Slice& bytes, const IOOptions&, const rocksdb::DataVerificationInfo&,
                  IODebugContext*) override {
    return files_->Append(node_, path_, bytes);
  }
  IOStatus Truncate(uint64_t size, const IOOptions&, IODebugContext*) override {
    return files_->Resize(node_, size);
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, IODebugContext*) override { return files_->Sync(node_, path_); }
  bool IsSyncThreadSafe() const override { return true; }
  uint64_t GetFileSize(const IOOptions&, IODebugContext*) override { return files_->Size(node_); }

 private:
  FaultFileSystem* const files_;
  const std::string path_;
  const std::shared_ptr<Node> node_;
};

class OpenReadWrite : public rocksdb::FSRandomRWFile {
 public:
  OpenReadWrite(FaultFileSystem* files, std::string path, std::shared_ptr<Node> node)
      : files_(files), path_(std::move(path)), node_(std::move(node)) {}
  IOStatus Write(uint64_t offset, const Slice& bytes, const IOOptions&, IODebugContext*) override {
    return files_->WriteAt(node_, path_, offset, bytes);
  }
  IOStatus Read(uint64_t offset, size_t n, const IOOptions&, Slice* result, char* scratch,
                IODebugContext*) const override {
    return files_->ReadAt(node_, path_, offset, n, result, scratch);
  }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, IODebugContext*) override { return files_->Sync(node_, path_); }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }

 private:
  FaultFileSystem* const files_;
  const std::string path_;
  const std::shared_ptr<Node> node_;
};

class OpenDirectory : public rocksdb::FSDirectory {
 public:
  OpenDirectory(FaultFileSystem* files, std::string path)
      : files_(files), path_(std::move(path)) {}
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
  if (IOStatus status = Begin(Operation::kRead, path); !status.ok()) return status;
  std::shared_ptr<Node> node = FindLocked(path);
  if (node == nullptr) return IOStatus::PathNotFound(path, "No such file or directory");
  *result = std::make_unique<OpenSequential>(this, path, std::move(node));
  return IOStatus::OK();
}

IOStatus FaultFileSystem::NewRandomAccessFile(const std::string& path, const FileOptions&,
                                              std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                                              IODebugContext*) {
  if (IOStatus status = Begin(Operation::kRead, path); !status.ok()) return status;
  std::shared_ptr<Node> node = FindLocked(path);
  if (node == nullptr) return IOStatus::PathNotFound(path, "No such file or directory");
  *result = std::make_unique<OpenRandomAccess>(this, path, std::move(node));
  return IOStatus::OK();
}

IOStatus FaultFileSystem::NewWritableFile(const std::string& path, const FileOptions&,
                                          std::unique_ptr<rocksdb::FSWritableFile>* result,
                                          IODebugContext*) {
  if (IOStatus status = Begin(Operation::kCreate, path); !status.ok()) return status;
  auto node = std::make_shared<Node>();
  {
    std::lock_guard lock(mutex_);
    if (Find(ParentOf(Plain(path))) == nullptr) return IOStatus::PathNotFound(path);
    Change({NameChange::Kind::kAdd, Plain(path), "", node});
  }
  *result = std::make_unique<OpenWritable>(this, path, std::move(node));
  return IOStatus::OK();
}

IOStatus FaultFileSystem::ReopenWritableFile(const std::string& path, const FileOptions& options,
                                             std::unique_ptr<rocksdb::FSWritableFile>* result,
                                             IODebugContext* debug) {
  std::shared_ptr<Node> node = FindLocked(path);
  if (node == nullptr) return NewWritableFile(path, options, result, debug);
  if (IOStatus status = Begin(Operation::kCreate, path); !status.ok()) return status;
  *result = std::make_unique<OpenWritable>(this, path, std::move(node));
  return IOStatus::OK();
}

IOStatus FaultFileSystem::NewRandomRWFile(const std::string& path, const FileOptions&,
                                          std::unique_ptr<rocksdb::FSRandomRWFile>* result,
                                          IODebugContext*) {
  if (IOStatus status = Begin(Operation::kCreate, path); !status.ok()) return status;
  std::shared_ptr<Node> node = FindLocked(path);
  if (node == nullptr) return IOStatus::PathNotFound(path, "No such file or directory");
  *result = std::make_unique<OpenReadWrite>(this, path, std::move(node));
  return IOStatus::OK();
}

IOStatus FaultFileSystem::NewDirectory(const std::string& path, const IOOptions&,
                                       std::unique_ptr<rocksdb::FSDirectory>* result,
                                       IODebugContext*) {
  if (FindLocked(path) == nullptr) return IOStatus::PathNotFound(path);
  *result = std::make_unique<OpenDirectory>(this, Plain(path));
  return IOStatus::OK();
}

FaultEnv::FaultEnv() : FaultEnv(std::make_shared<FaultFileSystem>()) {}

FaultEnv::FaultEnv(std::shared_ptr<FaultFileSystem> files)
    : files_(std::move(files)), env_(rocksdb::NewCompositeEnv(files_)) {}

FaultEnv::~FaultEnv() = default;

void FaultEnv::FailNth(Operation operation, uint64_t n, std::string part, std::string message) {
  files_->Arm({operation, n, false, false, std::move(part), std::move(message)});
}

void FaultEnv::FailAll(Operation operation, std::string part) {
  files_->Arm({operation, 0, true, false, std::move(part), "Input/output error"});
}

void FaultEnv::FillDiskAtNth(Operation operation, uint64_t n, std::string part) {
  files_->Arm({operation, n, false, true, std::move(part), ""});
}

bool FaultEnv::Failed() const { return files_->Failed(); }

void FaultEnv::Heal() { files_->Heal(); }

uint64_t FaultEnv::Count(Operation operation) const { return files_->Count(operation); }

void FaultEnv::BeforeEachChange(Observer observer) {
  files_->SetObserver(std::move(observer));
}

std::unique_ptr<FaultEnv> FaultEnv::AfterPowerCut(Unsynced unsynced, uint64_t seed) const {
  return std::unique_ptr<FaultEnv>(new FaultEnv(files_->AfterPowerCut(unsynced, seed)));
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
