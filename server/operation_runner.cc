#include "server/operation_runner.h"

#include <map>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "domain/operation.h"
#include "server/logging.h"
#include "server/operation_job.h"
#include "server/row_view.h"

namespace retrace::server {
namespace {

// How long the runner waits after a fault that may pass, e.g. a full queue or disk.
constexpr absl::Duration kPause = absl::Milliseconds(500);
// How often it looks for operations itself: nobody wakes it for one whose caller went away before
// the answer.
constexpr absl::Duration kLook = absl::Seconds(3);

}  // namespace

class OperationRunner::Loop {
 public:
  explicit Loop(const Parts& parts) : parts_(parts) {
    thread_ = std::thread([this] { Run(); });
  }

  ~Loop() {
    {
      absl::MutexLock lock(&mutex_);
      stopping_ = true;
    }
    thread_.join();
  }

  void Wake(Tenant& tenant) {
    absl::MutexLock lock(&mutex_);
    woken_.insert(&tenant);
  }

 private:
  bool HasWork() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return stopping_ || !woken_.empty(); }

  void Run() {
    bool pause = false;
    absl::Time next_look = absl::Now();
    while (true) {
      std::set<Tenant*> woken;
      {
        absl::MutexLock lock(&mutex_);
        const absl::Duration most = pause           ? kPause
                                    : jobs_.empty() ? next_look - absl::Now()
                                                    : absl::ZeroDuration();
        mutex_.AwaitWithTimeout(absl::Condition(this, &Loop::HasWork), most);
        if (stopping_) {
          return;
        }
        woken.swap(woken_);
      }
      if (absl::Now() >= next_look) {
        next_look = absl::Now() + kLook;
        for (Tenant* tenant : parts_.ledger->tenants().All()) {
          woken.insert(tenant);
        }
      }
      for (Tenant* tenant : woken) {
        FindJobs(*tenant);
      }
      pause = StepAll();
    }
  }

  void FindJobs(Tenant& tenant) {
    const RowView view(parts_.ledger->rows(), tenant.number, tenant.visible);
    const domain::IndexRange range{domain::KindNumber::kOperation, domain::kUnfinishedIndex,
                                   domain::kUnfinished, ""};
    constexpr size_t kMost = 10'000;
    const auto hits = view.Find(range, kMost);
    if (!hits.ok()) {
      Log(LogLevel::kError, "looking for operations failed",
          {{"tenant", tenant.id}, {"fault", std::string(hits.status().message())}});
      return;
    }
    for (const domain::IndexHit& hit : *hits) {
      const std::pair<Tenant*, std::string> key{&tenant, hit.id};
      if (!jobs_.contains(key)) {
        jobs_.emplace(key, std::make_unique<OperationJob>(parts_, tenant, hit.id));
      }
    }
  }

  // A step of each; true when all that is left must wait.
  bool StepAll() {
    bool pause = true;
    for (auto job = jobs_.begin(); job != jobs_.end();) {
      const OperationJob::Progress progress = job->second->Step();
      pause = pause && progress == OperationJob::Progress::kPause;
      job = progress == OperationJob::Progress::kEnded ? jobs_.erase(job) : std::next(job);
    }
    return pause && !jobs_.empty();
  }

  const Parts parts_;
  std::map<std::pair<Tenant*, std::string>, std::unique_ptr<OperationJob>> jobs_;  // the thread's
  absl::Mutex mutex_;
  std::set<Tenant*> woken_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

OperationRunner::OperationRunner(const Parts& parts) : loop_(std::make_unique<Loop>(parts)) {}
OperationRunner::~OperationRunner() = default;
void OperationRunner::Wake(Tenant& tenant) { loop_->Wake(tenant); }

}  // namespace retrace::server
