#include "server/announcement_runner.h"

#include <algorithm>
#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "domain/announcement.h"
#include "domain/operation_row.h"
#include "server/logging.h"
#include "server/row_view.h"

namespace retrace::server {
namespace {

// How often it looks, when anything was committed since; and again after a fault, then ever later.
constexpr absl::Duration kLook = absl::Milliseconds(250);
constexpr absl::Duration kLongestPause = absl::Minutes(1);
constexpr size_t kMostFound = 1000;

}  // namespace

class AnnouncementRunner::Loop {
 public:
  explicit Loop(const ExecutionParts& parts) : parts_(parts) {
    parts_.stopping = gone_;
    thread_ = std::thread([this] { Run(); });
  }

  ~Loop() {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
    }
    gone_->store(true);
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

  // What waits after a fault. One that waits keeps no other from going on.
  struct Waiting {
    std::string fault;
    absl::Duration pause = absl::ZeroDuration();
    absl::Time next = absl::InfinitePast();
  };

  // True when something has to be tried again.
  bool LookAtAll() {
    bool again = false;
    for (Tenant* tenant : parts_.ledger->tenants().All()) {
      for (const std::string& id : FindExecuting(*tenant)) {
        if (gone_->load()) {
          return false;
        }
        const auto waiting = waiting_.find(id);
        if (waiting != waiting_.end() && absl::Now() < waiting->second.next) {
          again = true;
          continue;
        }
        const absl::Status status = GoOnExecuting(parts_, *tenant, id);
        if (status.ok()) {
          waiting_.erase(id);
        } else {
          again = true;
          Wait(*tenant, id, domain::WithoutValues(status));
        }
      }
    }
    return again;
  }

  // Tells each fault once, however often it is met again.
  void Wait(const Tenant& tenant, const std::string& id, const std::string& fault) {
    Waiting& waiting = waiting_[id];
    waiting.pause = std::min(std::max(kLook, waiting.pause * 2), kLongestPause);
    waiting.next = absl::Now() + waiting.pause;
    if (std::exchange(waiting.fault, fault) != fault) {
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

  ExecutionParts parts_;
  const std::shared_ptr<std::atomic<bool>> gone_ = std::make_shared<std::atomic<bool>>(false);
  std::map<std::string, Waiting> waiting_;  // the thread's
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

AnnouncementRunner::AnnouncementRunner(const ExecutionParts& parts)
    : loop_(std::make_unique<Loop>(parts)) {}
AnnouncementRunner::~AnnouncementRunner() = default;

}  // namespace retrace::server
