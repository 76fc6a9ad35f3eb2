#include "server/announcement_runner.h"

#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "domain/announcement.h"
#include "domain/operation_row.h"
#include "server/logging.h"
#include "server/row_view.h"

namespace retrace::server {
namespace {

// How often it looks, when anything was committed since; and again after a fault.
constexpr absl::Duration kLook = absl::Milliseconds(250);
constexpr size_t kMostFound = 1000;

}  // namespace

class AnnouncementRunner::Loop {
 public:
  explicit Loop(const ExecutionParts& parts) : parts_(parts) {
    thread_ = std::thread([this] { Run(); });
  }

  ~Loop() {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
    }
    thread_.join();
  }

 private:
  void Run() {
    bool again = true;
    uint64_t seen = 0;
    while (true) {
      // Read before looking: what is committed meanwhile is looked at next time.
      const uint64_t now = parts_.ledger->tenants().changes();
      if (again || now != seen) {
        seen = now;
        again = LookAtAll();
      }
      absl::MutexLock lock(&mutex_);
      if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), kLook)) {
        return;
      }
    }
  }

  bool Stopping() {
    absl::MutexLock lock(&mutex_);
    return stopping_;
  }

  // True when something has to be tried again.
  bool LookAtAll() {
    bool again = false;
    for (Tenant* tenant : parts_.ledger->tenants().All()) {
      for (const std::string& id : FindExecuting(*tenant)) {
        if (Stopping()) {
          return false;
        }
        const absl::Status status = GoOnExecuting(parts_, *tenant, id);
        if (!status.ok()) {
          again = true;
          Tell(*tenant, id, domain::WithoutValues(status));
        }
      }
    }
    return again;
  }

  // Once for each fault, however often it is met again.
  void Tell(const Tenant& tenant, const std::string& id, const std::string& fault) {
    if (std::exchange(told_[id], fault) != fault) {
      Log(LogLevel::kWarn, "an announced plan waits",
          {{"tenant", tenant.id}, {"announcement", id}, {"fault", fault}});
    }
  }

  std::vector<std::string> FindExecuting(const Tenant& tenant) const {
    const RowView view(parts_.ledger->rows(), tenant.number, tenant.visible);
    const auto hits = view.Find(
        {domain::KindNumber::kAnnouncement, domain::kExecutingIndex, domain::kExecuting, ""},
        kMostFound);
    std::vector<std::string> ids;
    if (!hits.ok()) {
      Log(LogLevel::kError, "looking for announced plans failed",
          {{"tenant", tenant.id}, {"fault", std::string(hits.status().message())}});
      return ids;
    }
    for (const domain::IndexHit& hit : *hits) {
      ids.push_back(hit.id);
    }
    return ids;
  }

  const ExecutionParts parts_;
  std::map<std::string, std::string> told_;  // the thread's
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

AnnouncementRunner::AnnouncementRunner(const ExecutionParts& parts)
    : loop_(std::make_unique<Loop>(parts)) {}
AnnouncementRunner::~AnnouncementRunner() = default;

}  // namespace retrace::server
