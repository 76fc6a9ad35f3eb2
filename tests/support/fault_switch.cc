#include "tests/support/fault_switch.h"

#include <utility>

namespace retrace::testing {

void FaultSwitch::Arm(Fault fault) {
  std::lock_guard lock(mutex_);
  fault_ = std::move(fault);
  failed_ = false;
}

bool FaultSwitch::Failed() const {
  std::lock_guard lock(mutex_);
  return failed_;
}

uint64_t FaultSwitch::Count(DiskOperation operation) const {
  std::lock_guard lock(mutex_);
  return counts_[static_cast<size_t>(operation)];
}

void FaultSwitch::SetObserver(Observer observer) {
  std::lock_guard lock(mutex_);
  observer_ = std::move(observer);
}

rocksdb::IOStatus FaultSwitch::Begin(DiskOperation operation, const std::string& path) {
  Observer observer;
  uint64_t change = 0;
  {
    std::lock_guard lock(mutex_);
    if (operation != DiskOperation::kRead) {
      change = ++changes_;
      observer = observer_;
    }
  }
  if (observer) observer(change, operation, path);
  std::lock_guard lock(mutex_);
  ++counts_[static_cast<size_t>(operation)];
  if (fault_.operation != operation || (fault_.countdown == 0 && !fault_.always) ||
      path.find(fault_.part) == std::string::npos) {
    return rocksdb::IOStatus::OK();
  }
  if (!fault_.always && --fault_.countdown > 0) return rocksdb::IOStatus::OK();
  failed_ = true;
  return fault_.full ? rocksdb::IOStatus::NoSpace("injected", path)
                     : rocksdb::IOStatus::IOError(fault_.message, path);
}

}  // namespace retrace::testing
