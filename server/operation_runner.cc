#include "server/operation_runner.h"

#include <algorithm>
#include <deque>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "domain/operation.h"
#include "domain/plan.h"
#include "domain/refusal.h"
#include "domain/status_macros.h"
#include "eventstore/types.h"
#include "fmt/format.h"
#include "retrace/v1/operations.pb.h"
#include "server/ids.h"
#include "server/logging.h"
#include "server/operation_plan.h"
#include "server/operation_targets.h"
#include "server/row_view.h"
#include "server/submit.h"

namespace retrace::server {
namespace {

using domain::OperationTarget;
using domain::RowPtr;
using store::v1::OperationRow;
using Metadata = v1::OperationMetadata;

// How long the runner waits after a fault that may pass, e.g. a full queue or disk.
constexpr absl::Duration kPause = absl::Milliseconds(500);

int64_t DoneOf(const OperationRow& row) {
  return row.ok() + row.refused() + row.drifted() + row.skipped();
}

// A fault that may be over when the same is tried again.
bool MayPass(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsResourceExhausted(status);
}

// What a step came to.
enum class Progress { kGoOn, kPause, kEnded };

// One operation on its way.
class Job {
 public:
  Job(const OperationRunner::Parts& parts, Tenant& tenant, std::string id)
      : parts_(parts), tenant_(tenant), id_(std::move(id)) {}

  // Does one commit's worth of work, or a page of counting.
  Progress Step() {
    absl::StatusOr<RowPtr> row = Read();
    absl::Status status = row.status();
    if (status.ok()) {
      if (*row == nullptr || domain::IsEnded((*row)->As<OperationRow>().state())) {
        return Progress::kEnded;
      }
      status = Advance((*row)->As<OperationRow>());
    }
    if (status.ok()) {
      return Progress::kGoOn;
    }
    // What was fetched is not what the row says any more: both are read again.
    Forget();
    if (MayPass(status) || domain::ReasonOf(status) == v1::STATE_REFUSED) {
      return Progress::kPause;
    }
    return Fail(status);
  }

 private:
  absl::StatusOr<RowPtr> Read() const {
    const RowView view(parts_.ledger->rows(), tenant_.number, tenant_.visible);
    return view.Get({domain::KindNumber::kOperation, id_});
  }

  absl::Status Advance(const OperationRow& row) {
    RETRACE_RETURN_IF_ERROR(Prepare(row));
    if (row.state() == Metadata::COUNTING) {
      return Count(row);
    }
    return row.task().plan_only() ? PlanSome(row) : DoSome(row);
  }

  void Forget() {
    source_.reset();
    fetched_.clear();
    planner_.reset();
    counted_ = 0;
    at_ = 0;
  }

  // The caller's principal, and where targets come from.
  absl::Status Prepare(const OperationRow& row) {
    const Endpoint* endpoint = parts_.rpc->Find(row.task().method());
    principal_ = endpoint == nullptr ? nullptr
                                     : parts_.rpc->principals().FindById(
                                           row.actor(), tenant_.id, endpoint->method.permission);
    if (principal_ == nullptr) {
      return domain::Refusal(
                 v1::PERMISSION_MISSING,
                 fmt::format("{}, who started it, may not do this any more.", row.actor()))
          .Next("Start it again as somebody who may.");
    }
    if (source_ != nullptr) {
      return absl::OkStatus();
    }
    const TargetContext context{parts_.rpc, parts_.ledger, parts_.history,
                                &tenant_,   principal_,    id_};
    RETRACE_ASSIGN(source_, OpenTargets(context, row.task(), row.target_parts()));
    return absl::OkStatus();
  }

  absl::Status Count(const OperationRow& row) {
    if (!judged_) {
      RETRACE_ASSIGN(judged_, source_->JudgeNext());
      return absl::OkStatus();
    }
    RETRACE_ASSIGN(const std::vector<OperationTarget> page, source_->Next());
    counted_ += static_cast<int64_t>(page.size());
    if (counted_ > domain::kMostTargets) {
      return domain::Refusal(v1::LIMIT_REACHED,
                             fmt::format("It has more than {} targets.", domain::kMostTargets))
          .Next("Restrict the filter.");
    }
    if (!page.empty()) {
      return absl::OkStatus();
    }
    const int64_t count = counted_;
    Forget();
    return Submit(row, 8, [this, count](domain::Draft& draft, const domain::Context& context) {
      return domain::DecideCounted(id_, count, draft, context);
    });
  }

  // At least one target beyond those that were seen to, unless there are none left.
  absl::Status Fetch(int64_t done) {
    while (at_ < done || fetched_.empty()) {
      const auto drop = std::min<int64_t>(done - at_, static_cast<int64_t>(fetched_.size()));
      fetched_.erase(fetched_.begin(), fetched_.begin() + drop);
      at_ += drop;
      if (at_ == done && !fetched_.empty()) {
        break;
      }
      RETRACE_ASSIGN(std::vector<OperationTarget> page, source_->Next());
      if (page.empty()) {
        break;
      }
      for (OperationTarget& target : page) {
        fetched_.push_back(std::move(target));
      }
    }
    return absl::OkStatus();
  }

  std::vector<OperationTarget> NextTargets() const {
    const size_t count = std::min(chunk_, fetched_.size());
    return {fetched_.begin(), fetched_.begin() + static_cast<ptrdiff_t>(count)};
  }

  absl::Status DoSome(const OperationRow& row) {
    RETRACE_RETURN_IF_ERROR(Fetch(DoneOf(row)));
    if (fetched_.empty()) {
      return absl::DataLossError(
          fmt::format("It had {} targets and has only {} now.", row.target_count(), DoneOf(row)));
    }
    domain::OperationChunk chunk{id_, DoneOf(row), NextTargets()};
    const size_t size = chunk.targets.size();
    const absl::Status status =
        Submit(row, 8 * size,
               [chunk = std::move(chunk)](domain::Draft& draft, const domain::Context& context) {
                 return domain::DecideChunk(chunk, draft, context);
               });
    // What one commit cannot hold is done in more of them.
    if (domain::ReasonOf(status) == v1::USE_OPERATION && size > 1) {
      chunk_ = size / 2;
      return absl::OkStatus();
    }
    return status;
  }

  absl::Status PlanSome(const OperationRow& row) {
    if (planner_ == nullptr) {
      planner_ = std::make_unique<OperationPlanner>(*parts_.ledger, *parts_.plans, tenant_,
                                                    principal_, row);
    }
    RETRACE_RETURN_IF_ERROR(Fetch(planner_->planned()));
    if (!fetched_.empty()) {
      return planner_->Add(NextTargets());
    }
    RETRACE_ASSIGN(v1::Plan plan, planner_->Finish());
    return Submit(
        row, 8,
        [this, plan = std::move(plan)](domain::Draft& draft, const domain::Context& context) {
          return domain::DecidePlanned(id_, plan, draft, context);
        });
  }

  Progress Fail(const absl::Status& why) {
    Log(LogLevel::kWarn, "operation failed",
        {{"tenant", tenant_.id}, {"operation", id_}, {"fault", std::string(why.message())}});
    const absl::StatusOr<RowPtr> row = Read();
    if (!row.ok() || *row == nullptr) {
      return Progress::kPause;
    }
    // The actor may be gone, but it is still theirs.
    auto actor = std::make_shared<Principal>();
    actor->id = (*row)->As<OperationRow>().actor();
    principal_ = std::move(actor);
    const absl::Status status =
        Submit((*row)->As<OperationRow>(), 8,
               [this, why](domain::Draft& draft, const domain::Context& context) {
                 return domain::DecideFailed(id_, why, draft, context);
               });
    return status.ok() ? Progress::kEnded : Progress::kPause;
  }

  absl::Status Submit(const OperationRow& row, size_t cost,
                      std::function<absl::Status(domain::Draft&, const domain::Context&)> decide) {
    Command command;
    command.tenant = &tenant_;
    command.principal = principal_;
    command.method = row.task().method();
    command.options.set_reason(row.reason());
    command.options.set_on_behalf_of(row.on_behalf_of());
    command.options.set_change_set(static_cast<int64_t>(row.change_set()));
    command.cost = cost;
    command.decide = std::move(decide);
    return SubmitAndAwait(*parts_.sequencer, std::move(command)).status;
  }

  const OperationRunner::Parts parts_;
  Tenant& tenant_;
  const std::string id_;
  PrincipalPtr principal_;
  std::unique_ptr<TargetSource> source_;
  std::deque<OperationTarget> fetched_;
  int64_t at_ = 0;  // how many targets come before the first of `fetched_`
  int64_t counted_ = 0;
  bool judged_ = false;
  size_t chunk_ = domain::kChunkTargets;
  std::unique_ptr<OperationPlanner> planner_;
};

}  // namespace

class OperationRunner::Loop {
 public:
  explicit Loop(const Parts& parts) : parts_(parts) {
    for (Tenant* tenant : parts.ledger->tenants().All()) {
      woken_.insert(tenant);
    }
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
    while (true) {
      std::set<Tenant*> woken;
      {
        absl::MutexLock lock(&mutex_);
        const absl::Duration most = pause           ? kPause
                                    : jobs_.empty() ? absl::InfiniteDuration()
                                                    : absl::ZeroDuration();
        mutex_.AwaitWithTimeout(absl::Condition(this, &Loop::HasWork), most);
        if (stopping_) {
          return;
        }
        woken.swap(woken_);
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
        jobs_.emplace(key, std::make_unique<Job>(parts_, tenant, hit.id));
      }
    }
  }

  // A step of each; true when all that is left must wait.
  bool StepAll() {
    bool pause = true;
    for (auto job = jobs_.begin(); job != jobs_.end();) {
      const Progress progress = job->second->Step();
      pause = pause && progress == Progress::kPause;
      job = progress == Progress::kEnded ? jobs_.erase(job) : std::next(job);
    }
    return pause && !jobs_.empty();
  }

  const Parts parts_;
  std::map<std::pair<Tenant*, std::string>, std::unique_ptr<Job>> jobs_;  // the thread's
  absl::Mutex mutex_;
  std::set<Tenant*> woken_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

OperationRunner::OperationRunner(const Parts& parts) : loop_(std::make_unique<Loop>(parts)) {}
OperationRunner::~OperationRunner() = default;
void OperationRunner::Wake(Tenant& tenant) { loop_->Wake(tenant); }

}  // namespace retrace::server
