// One operation on its way: what its row says it has to do next, a commit's worth at a time.
// Everything that must survive a restart is in the row; what is here can be lost at any moment.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "domain/operation.h"
#include "domain/operation_work.h"
#include "server/history.h"
#include "server/ledger.h"
#include "server/operation_plan.h"
#include "server/operation_targets.h"
#include "server/plans.h"
#include "server/rpc.h"
#include "server/sequencer.h"

namespace retrace::server {

// What operations are run with. All must outlive what is made of this.
struct OperationParts {
  Rpc* rpc = nullptr;
  Ledger* ledger = nullptr;
  Sequencer* sequencer = nullptr;
  const History* history = nullptr;
  const Plans* plans = nullptr;
};

// Thread-compatible.
class OperationJob {
 public:
  OperationJob(const OperationParts& parts, Tenant& tenant, std::string id);

  // What a step came to. Paused: try again after a while.
  enum class Progress { kGoOn, kPause, kEnded };
  // Does one commit's worth of work, or a page of counting. Blocks until it is answered.
  Progress Step();

 private:
  absl::StatusOr<domain::RowPtr> Read() const;
  absl::Status Advance(const store::v1::OperationRow& row);
  // Drops what was read and counted: it is not what the row says any more.
  void Forget();
  // The actor's principal, and where targets come from.
  absl::Status Prepare(const store::v1::OperationRow& row);
  absl::Status Count(const store::v1::OperationRow& row);
  absl::Status KeepNames(const store::v1::OperationRow& row,
                         const std::vector<domain::OperationTarget>& page);
  // Reads on until there is a target beyond those that were seen to; there may be none.
  absl::Status Fetch(int64_t done);
  std::vector<domain::OperationTarget> NextTargets() const;
  absl::Status PlanSome(const store::v1::OperationRow& row);
  absl::Status DoSome(const store::v1::OperationRow& row);
  absl::Status DoChunk(const store::v1::OperationRow& row,
                       std::vector<domain::OperationTarget> targets);
  // Work in several commits, see domain/operation_work.h: begins with the next target; does a step;
  // takes back.
  absl::Status Engage(const store::v1::OperationRow& row);
  absl::Status DoStep(const store::v1::OperationRow& row);
  absl::Status TakeBack(const store::v1::OperationRow& row);
  absl::StatusOr<domain::Work> PlanNext(const store::v1::OperationRow& row) const;
  Progress Fail(const absl::Status& why);
  absl::Status Submit(const store::v1::OperationRow& row, size_t cost,
                      std::function<absl::Status(domain::Draft&, const domain::Context&)> decide);

  const OperationParts parts_;
  Tenant& tenant_;
  const std::string id_;
  PrincipalPtr principal_;
  std::unique_ptr<TargetSource> source_;
  std::deque<domain::OperationTarget> fetched_;
  int64_t at_ = 0;  // how many targets come before the first of `fetched_`
  domain::Counted counted_;
  bool judged_ = false;
  size_t chunk_ = domain::kChunkTargets;
  bool taking_back_ = false;
  int misses_ = 0;  // steps in a row that somebody else's write prevented
  std::optional<domain::Work> work_;
  std::unique_ptr<OperationPlanner> planner_;
};

}  // namespace retrace::server
