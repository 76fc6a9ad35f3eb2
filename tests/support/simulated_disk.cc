#include "tests/support/simulated_disk.h"

#include <algorithm>
#include <utility>

namespace retrace::testing {
namespace {

constexpr size_t kPage = 4096;
constexpr size_t kSector = 512;

std::string ParentOf(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == 0 ? "/" : path.substr(0, slash);
}

bool IsBelow(const std::string& path, const std::string& directory) {
  return path.size() > directory.size() && path.compare(0, directory.size(), directory) == 0 &&
         path[directory.size()] == '/';
}

bool EndsWith(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

}  // namespace

void DiskFile::Write(uint64_t offset, const char* bytes, size_t size) {
  if (data_.size() < offset + size) data_.resize(offset + size);
  data_.replace(offset, size, bytes, size);
  for (size_t page = offset / kPage; page * kPage < offset + size; ++page) dirty_.insert(page);
}

void DiskFile::Resize(uint64_t size) {
  data_.resize(size);
  if (synced_.size() > size) synced_.resize(size);
}

void DiskFile::WriteDirtyTo(std::string& disk) const {
  for (const size_t page : dirty_) {
    const size_t begin = page * kPage;
    if (begin >= data_.size()) continue;
    const size_t size = std::min(kPage, data_.size() - begin);
    if (disk.size() < begin + size) disk.resize(begin + size);
    disk.replace(begin, size, data_, begin, size);
  }
}

void DiskFile::Sync(bool fails) {
  if (!fails) WriteDirtyTo(synced_);
  dirty_.clear();
}

void DiskFile::SetDurable(std::string contents) {
  data_ = std::move(contents);
  synced_ = data_;
  dirty_.clear();
}

std::string DiskFile::Remains(Unsynced unsynced, bool garble, std::mt19937_64& random) const {
  if (unsynced == Unsynced::kDropped) return synced_;
  std::string result = synced_;
  WriteDirtyTo(result);
  if (unsynced == Unsynced::kKept) return result;
  // Sectors are written whole, but in any order.
  for (size_t at = 0; at < std::min(result.size(), synced_.size()); at += kSector) {
    if (random() % 2 == 0) {
      const size_t size = std::min(kSector, std::min(result.size(), synced_.size()) - at);
      result.replace(at, size, synced_, at, size);
    }
  }
  if (result.size() > synced_.size()) {
    const size_t added = result.size() - synced_.size();
    result.resize(synced_.size() + random() % (added + 1));
    if (garble) {
      for (size_t i = random() % 64; i > 0; --i) result += static_cast<char>(random());
    }
  }
  return result;
}

SimulatedDisk::SimulatedDisk() {
  names_["/"] = std::make_shared<DiskFile>(true);
  durable_ = names_;
}

std::string SimulatedDisk::Plain(const std::string& path) {
  std::string plain = "/";
  for (const char c : path) {
    if (c != '/' || plain.back() != '/') plain += c;
  }
  if (plain.size() > 1 && plain.back() == '/') plain.pop_back();
  return plain;
}

std::shared_ptr<DiskFile> SimulatedDisk::Find(const std::string& path) const {
  const auto found = names_.find(Plain(path));
  return found == names_.end() ? nullptr : found->second;
}

std::vector<std::string> SimulatedDisk::NamesIn(const std::string& directory) const {
  const std::string plain = Plain(directory);
  std::vector<std::string> result;
  for (const auto& [path, file] : names_) {
    if (path != "/" && ParentOf(path) == plain) result.push_back(path.substr(path.rfind('/') + 1));
  }
  return result;
}

void SimulatedDisk::Apply(const Change& change, Names& names) {
  if (change.kind == Change::Kind::kAdd) {
    names[change.path] = change.file;
  } else if (change.kind == Change::Kind::kRemove) {
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
    names[change.to] = change.file;
    names.insert(moved.begin(), moved.end());
  }
}

void SimulatedDisk::Do(Change change) {
  Apply(change, names_);
  pending_.push_back(std::move(change));
}

bool SimulatedDisk::Add(const std::string& path, std::shared_ptr<DiskFile> file) {
  const std::string plain = Plain(path);
  if (names_.count(ParentOf(plain)) == 0) return false;
  Do({Change::Kind::kAdd, plain, "", std::move(file)});
  return true;
}

bool SimulatedDisk::Remove(const std::string& path) {
  if (Find(path) == nullptr) return false;
  Do({Change::Kind::kRemove, Plain(path), "", nullptr});
  return true;
}

bool SimulatedDisk::Rename(const std::string& from, const std::string& to) {
  const std::shared_ptr<DiskFile> file = Find(from);
  if (file == nullptr) return false;
  const std::string old_path = Plain(from);
  const std::string new_path = Plain(to);
  if (file->directory()) {
    // What is still pending below it is to happen under the new name.
    for (Change& change : pending_) {
      for (std::string* path : {&change.path, &change.to}) {
        if (IsBelow(*path, old_path)) *path = new_path + path->substr(old_path.size());
      }
    }
  }
  Do({Change::Kind::kRename, old_path, new_path, file});
  return true;
}

void SimulatedDisk::SyncNames(const std::string& directory) {
  const std::string plain = Plain(directory);
  std::vector<Change> later;
  for (Change& change : pending_) {
    const bool renamed = change.kind == Change::Kind::kRename;
    if (ParentOf(renamed ? change.to : change.path) == plain) {
      Apply(change, durable_);
    } else {
      later.push_back(std::move(change));
    }
  }
  pending_ = std::move(later);
}

void SimulatedDisk::PutDurable(const std::string& path, std::string contents) {
  std::shared_ptr<DiskFile> file = Find(path);
  if (file == nullptr) file = std::make_shared<DiskFile>();
  file->SetDurable(std::move(contents));
  names_[Plain(path)] = file;
  durable_[Plain(path)] = file;
}

void SimulatedDisk::RemoveDurable(const std::string& path) {
  names_.erase(Plain(path));
  durable_.erase(Plain(path));
}

SimulatedDisk SimulatedDisk::AfterPowerCut(Unsynced unsynced, uint64_t seed) const {
  std::mt19937_64 random(seed);
  Names names = durable_;
  size_t kept = 0;
  if (unsynced == Unsynced::kKept) kept = pending_.size();
  if (unsynced == Unsynced::kTorn || unsynced == Unsynced::kGarbled) {
    kept = random() % (pending_.size() + 1);
  }
  for (size_t i = 0; i < kept; ++i) Apply(pending_[i], names);
  SimulatedDisk disk;
  std::map<const DiskFile*, std::shared_ptr<DiskFile>> copies;  // hard links stay links
  for (const auto& [path, file] : names) {
    // Sorted, so a directory comes before what is in it.
    if (path == "/" || disk.names_.count(ParentOf(path)) == 0) continue;
    std::shared_ptr<DiskFile>& copy = copies[file.get()];
    if (copy == nullptr) {
      copy = std::make_shared<DiskFile>(file->directory());
      copy->SetDurable(file->Remains(
          unsynced, unsynced == Unsynced::kGarbled && EndsWith(path, ".log"), random));
    }
    disk.names_[path] = copy;
  }
  disk.durable_ = disk.names_;
  return disk;
}

}  // namespace retrace::testing
