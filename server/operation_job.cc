#include "server/operation_job.h"

#include <algorithm>
#include <utility>

#include "domain/operation_row.h"
#include "domain/refusal.h"
#include "domain/status_macros.h"
#include "fmt/format.h"
#include "retrace/v1/operations.pb.h"
#include "server/logging.h"
#include "server/row_view.h"
#include "server/submit.h"

namespace retrace::server {
namespace {

using domain::DoneOf;
using domain::OperationTarget;
using domain::RowPtr;
using store::v1::OperationRow;
using Metadata = v1::OperationMetadata;

constexpr size_t kMostNamesPerCommit = 4000;
// So often somebody else may be quicker before work in several commits is given up.
constexpr int kMostMisses = 20;

// A fault that may be over when the same is tried again.
bool MayPass(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsResourceExhausted(status);
}

// A refusal of what was decided, and nothing that has to do with how it was run.
bool IsRefused(const absl::Status& status) {
  return !status.ok() && !MayPass(status) &&
         domain::ReasonOf(status) != v1::ERROR_REASON_UNSPECIFIED &&
         domain::ReasonOf(status) != v1::STATE_REFUSED;
}

// The one who started it, who may be gone by now.
PrincipalPtr ActorOf(const OperationRow& row) {
  auto actor = std::make_shared<Principal>();
  actor->id = row.actor();
  return actor;
}

void MoveSome(std::deque<domain::WorkPiece>& from, std::vector<domain::WorkPiece>& to) {
  while (!from.empty() && to.size() < domain::kChunkTargets) {
    to.push_back(std::move(from.front()));
    from.pop_front();
  }
}

}  // namespace

OperationJob::OperationJob(const OperationParts& parts, Tenant& tenant, std::string id)
    : parts_(parts), tenant_(tenant), id_(std::move(id)) {}

OperationJob::Progress OperationJob::Step() {
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
  Forget();
  if (MayPass(status) || domain::ReasonOf(status) == v1::STATE_REFUSED) {
    return Progress::kPause;
  }
  return Fail(status);
}

absl::StatusOr<RowPtr> OperationJob::Read() const {
  const RowView view(parts_.ledger->rows(), tenant_.number, tenant_.visible);
  return view.Get({domain::KindNumber::kOperation, id_});
}

absl::Status OperationJob::Advance(const OperationRow& row) {
  if (row.state() == Metadata::REVERTING) {
    return TakeBack(row);
  }
  RETRACE_RETURN_IF_ERROR(Prepare(row));
  if (row.state() == Metadata::COUNTING) {
    return Count(row);
  }
  if (row.task().plan_only()) {
    return PlanSome(row);
  }
  return row.has_work() ? DoStep(row) : DoSome(row);
}

void OperationJob::Forget() {
  source_.reset();
  fetched_.clear();
  planner_.reset();
  work_.reset();
  taking_back_ = false;
  counted_ = {};
  at_ = 0;
}

absl::Status OperationJob::Prepare(const OperationRow& row) {
  const Endpoint* endpoint = parts_.rpc->Find(row.task().method());
  principal_ = endpoint == nullptr ? nullptr
                                   : parts_.rpc->principals().FindById(row.actor(), tenant_.id,
                                                                       endpoint->method.permission);
  if (principal_ == nullptr) {
    return domain::Refusal(
               v1::PERMISSION_MISSING,
               fmt::format("{}, who started it, may not do this any more.", row.actor()))
        .Next("Start it again as somebody who may.");
  }
  if (source_ != nullptr) {
    return absl::OkStatus();
  }
  const TargetContext context{parts_.rpc, parts_.ledger, parts_.history, &tenant_, principal_, id_};
  RETRACE_ASSIGN(source_, OpenTargets(context, row));
  return absl::OkStatus();
}

absl::Status OperationJob::Count(const OperationRow& row) {
  if (!judged_) {
    RETRACE_ASSIGN(judged_, source_->JudgeNext());
    return absl::OkStatus();
  }
  RETRACE_ASSIGN(const std::vector<OperationTarget> page, source_->Next());
  counted_.targets += static_cast<int64_t>(page.size());
  for (const OperationTarget& target : page) {
    counted_.entities += static_cast<int64_t>(target.entities.size());
  }
  if (counted_.targets > domain::kMostTargets) {
    return domain::Refusal(v1::LIMIT_REACHED,
                           fmt::format("It has more than {} targets.", domain::kMostTargets))
        .Next("Restrict the filter.");
  }
  if (!page.empty()) {
    return source_->FindsAgain() ? absl::OkStatus() : KeepNames(row, page);
  }
  const domain::Counted counted = std::move(counted_);
  Forget();
  return Submit(row, 8 + counted.names.size() / 100,
                [this, &counted](domain::Draft& draft, const domain::Context& context) {
                  return domain::DecideCounted(id_, counted, draft, context);
                });
}

absl::Status OperationJob::KeepNames(const OperationRow& row,
                                     const std::vector<OperationTarget>& page) {
  for (const OperationTarget& target : page) {
    counted_.names.push_back(target.name);
  }
  // Few are kept with their count.
  if (counted_.names.size() < kMostNamesPerCommit) {
    return absl::OkStatus();
  }
  RETRACE_RETURN_IF_ERROR(
      Submit(row, 8, [this](domain::Draft& draft, const domain::Context& context) {
        return domain::DecideFound(id_, counted_.parts, counted_.names, draft, context);
      }));
  counted_.parts += static_cast<uint32_t>((counted_.names.size() + domain::kNamesPerPart - 1) /
                                          domain::kNamesPerPart);
  counted_.names.clear();
  return absl::OkStatus();
}

absl::Status OperationJob::Fetch(int64_t done) {
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

std::vector<OperationTarget> OperationJob::NextTargets() const {
  const size_t count = std::min(chunk_, fetched_.size());
  return {fetched_.begin(), fetched_.begin() + static_cast<ptrdiff_t>(count)};
}

absl::Status OperationJob::PlanSome(const OperationRow& row) {
  if (planner_ == nullptr) {
    planner_ = std::make_unique<OperationPlanner>(*parts_.ledger, *parts_.plans, tenant_,
                                                  principal_, id_, row);
  }
  RETRACE_RETURN_IF_ERROR(Fetch(planner_->planned()));
  if (!fetched_.empty()) {
    return planner_->Add(NextTargets());
  }
  RETRACE_ASSIGN(const v1::Plan plan, planner_->Finish());
  return Submit(row, 8, [this, &plan](domain::Draft& draft, const domain::Context& context) {
    return domain::DecidePlanned(id_, plan, planner_->permissions(), draft, context);
  });
}

absl::Status OperationJob::DoSome(const OperationRow& row) {
  RETRACE_RETURN_IF_ERROR(Fetch(DoneOf(row)));
  if (fetched_.empty()) {
    return absl::DataLossError(
        fmt::format("It had {} targets and has only {} now.", row.target_count(), DoneOf(row)));
  }
  std::vector<OperationTarget> targets = NextTargets();
  const size_t size = targets.size();
  const absl::Status status = DoChunk(row, std::move(targets));
  if (domain::ReasonOf(status) != v1::USE_OPERATION) {
    chunk_ = std::min(chunk_ * 2, domain::kChunkTargets);
    return status;
  }
  // What one commit cannot hold is done in more of them.
  if (size > 1) {
    chunk_ = size / 2;
    return absl::OkStatus();
  }
  return Engage(row);
}

absl::Status OperationJob::DoChunk(const OperationRow& row, std::vector<OperationTarget> targets) {
  const size_t cost = 8 * targets.size();
  domain::OperationChunk chunk{id_, DoneOf(row), std::move(targets)};
  return Submit(row, cost,
                [chunk = std::move(chunk)](domain::Draft& draft, const domain::Context& context) {
                  return domain::DecideChunk(chunk, draft, context);
                });
}

absl::StatusOr<domain::Work> OperationJob::PlanNext(const OperationRow& row) const {
  const RowView view(parts_.ledger->rows(), tenant_.number, tenant_.visible);
  const OperationContext decided_in(*parts_.ledger, tenant_, principal_, row, view.position());
  return domain::PlanWork(fetched_.front(), row, view, decided_in.context());
}

absl::Status OperationJob::Engage(const OperationRow& row) {
  const absl::StatusOr<domain::Work> work = PlanNext(row);
  OperationTarget target = fetched_.front();
  if (IsRefused(work.status()) || domain::ReasonOf(work.status()) == v1::STATE_REFUSED) {
    target.decide = [refused = work.status()](domain::Draft&, const domain::Context&) {
      return refused;
    };
    return DoChunk(row, {std::move(target)});
  }
  RETRACE_RETURN_IF_ERROR(work.status());
  return Submit(row, 8 * work->roots.size(),
                [this, first = DoneOf(row), target = std::move(target), roots = work->roots](
                    domain::Draft& draft, const domain::Context& context) {
                  return domain::DecideEngaged(id_, first, target, roots, draft, context);
                });
}

absl::Status OperationJob::DoStep(const OperationRow& row) {
  RETRACE_RETURN_IF_ERROR(Fetch(DoneOf(row)));
  absl::Status status;
  domain::WorkStep step{id_, DoneOf(row), false, false, {}};
  if (!work_.has_value()) {
    absl::StatusOr<domain::Work> work = PlanNext(row);
    status = work.status();
    if (status.ok()) {
      work_ = *std::move(work);
    }
  }
  if (status.ok()) {
    step.leads = !work_->leads.empty();
    // Roots come and go in one commit; the operation's own entities are in it, too.
    std::move(work_->leads.begin(), work_->leads.end(), std::back_inserter(step.pieces));
    work_->leads.clear();
    MoveSome(work_->rest, step.pieces);
    step.ends = work_->rest.empty();
    if (step.ends) {
      std::move(work_->last.begin(), work_->last.end(), std::back_inserter(step.pieces));
    }
    status = Submit(row, 8 * step.pieces.size(),
                    [step](domain::Draft& draft, const domain::Context& context) {
                      return domain::DecideStep(step, draft, context);
                    });
    misses_ = status.ok() ? 0 : misses_ + 1;
  } else if (domain::ReasonOf(status) == v1::STATE_REFUSED) {
    misses_ = kMostMisses;
  }
  if (step.ends || !status.ok()) {
    work_.reset();
  }
  const bool given_up = domain::ReasonOf(status) == v1::STATE_REFUSED && misses_ >= kMostMisses;
  if (!IsRefused(status) && !given_up) {
    return status;
  }
  misses_ = 0;
  return Submit(row, 8,
                [this, item = domain::RefusedItem(fetched_.front().name, status)](
                    domain::Draft& draft, const domain::Context& context) {
                  return domain::DecideBackingOut(id_, item, draft, context);
                });
}

absl::Status OperationJob::TakeBack(const OperationRow& row) {
  if (!taking_back_) {
    Forget();
    principal_ = ActorOf(row);
    const TargetContext context{parts_.rpc, parts_.ledger, parts_.history,
                                &tenant_,   principal_,    id_};
    RETRACE_ASSIGN(source_, OpenTakingBack(context, row));
    taking_back_ = true;
  }
  if (fetched_.empty()) {
    RETRACE_ASSIGN(std::vector<OperationTarget> page, source_->Next());
    fetched_.assign(std::make_move_iterator(page.begin()), std::make_move_iterator(page.end()));
  }
  if (fetched_.empty()) {
    Forget();
    return Submit(row, 8, [this](domain::Draft& draft, const domain::Context& context) {
      return domain::DecideBackedOut(id_, draft, context);
    });
  }
  const std::vector<OperationTarget> targets = NextTargets();
  RETRACE_RETURN_IF_ERROR(
      Submit(row, 8 * targets.size(), [&](domain::Draft& draft, const domain::Context& context) {
        return domain::DecideTakenBack(id_, targets, draft, context);
      }));
  fetched_.erase(fetched_.begin(), fetched_.begin() + static_cast<ptrdiff_t>(targets.size()));
  return absl::OkStatus();
}

OperationJob::Progress OperationJob::Fail(const absl::Status& why) {
  Log(LogLevel::kWarn, "operation failed",
      {{"tenant", tenant_.id}, {"operation", id_}, {"fault", domain::WithoutValues(why)}});
  const absl::StatusOr<RowPtr> row = Read();
  if (!row.ok() || *row == nullptr) {
    return Progress::kPause;
  }
  // The actor may be gone, but it is still theirs.
  principal_ = ActorOf((*row)->As<OperationRow>());
  const absl::Status status =
      Submit((*row)->As<OperationRow>(), 8,
             [this, why](domain::Draft& draft, const domain::Context& context) {
               return domain::DecideFailed(id_, why, draft, context);
             });
  return status.ok() ? Progress::kGoOn : Progress::kPause;
}

absl::Status OperationJob::Submit(
    const OperationRow& row, size_t cost,
    std::function<absl::Status(domain::Draft&, const domain::Context&)> decide) {
  Command command;
  command.tenant = &tenant_;
  command.principal = principal_;
  command.method = row.task().method();
  command.operation = id_;
  command.options.set_reason(row.reason());
  command.options.set_on_behalf_of(row.on_behalf_of());
  command.options.set_change_set(static_cast<int64_t>(row.change_set()));
  command.cost = cost;
  command.decide = std::move(decide);
  return SubmitAndAwait(*parts_.sequencer, std::move(command)).status;
}

}  // namespace retrace::server
