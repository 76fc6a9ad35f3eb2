// The plan of an operation: its command tried on every target as of its position, chunk by chunk,
// and what came of it put together.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "domain/draft.h"
#include "domain/operation.h"
#include "eventstore/types.h"
#include "retrace/v1/plans.pb.h"
#include "server/ids.h"
#include "server/ledger.h"
#include "server/plans.h"
#include "server/principal.h"
#include "server/row_view.h"

namespace retrace::server {

// What a command of an operation is decided in outside the sequencer: on the rows as of a position,
// as the next commit.
class OperationContext {
 public:
  // Ledger must outlive it.
  OperationContext(Ledger& ledger, const Tenant& tenant, PrincipalPtr principal,
                   const store::v1::OperationRow& row, eventstore::Position position);
  OperationContext(const OperationContext&) = delete;
  OperationContext& operator=(const OperationContext&) = delete;
  const domain::Context& context() const { return context_; }
  // Permissions that were asked for in it, and that the principal has.
  const std::set<std::string>& taken() const { return taken_; }

 private:
  const PrincipalPtr principal_;
  std::set<std::string> taken_;
  mutable IdSource ids_;
  domain::Context context_;
};

// Thread-compatible. Blocks on reading.
class OperationPlanner {
 public:
  // Ledger, plans and tenant must outlive it.
  OperationPlanner(Ledger& ledger, const Plans& plans, Tenant& tenant, PrincipalPtr principal,
                   std::string operation, const store::v1::OperationRow& row);

  // Tries the next targets, on what those before them came to.
  absl::Status Add(const std::vector<domain::OperationTarget>& targets);
  // How many were tried.
  int64_t planned() const { return planned_; }
  // All of it, with the token.
  absl::StatusOr<v1::Plan> Finish();
  // Permissions that it takes beside those of the methods.
  const std::set<std::string>& permissions() const { return decided_in_.taken(); }

 private:
  // Puts what the draft came to into the plan, and begins a new one.
  absl::Status TakeDraft();
  void Merge(const v1::Plan& part);

  Ledger& ledger_;
  const Plans& plans_;
  Tenant& tenant_;
  const std::string operation_;  // id
  const store::v1::OperationRow row_;
  const RowView view_;
  const OperationContext decided_in_;
  std::optional<domain::Draft> draft_;
  v1::Plan plan_;
  int64_t planned_ = 0;
  int64_t entities_ = 0;
  int64_t refused_ = 0;
  std::string first_refusal_;
  eventstore::Sha256Hasher digest_;
};

}  // namespace retrace::server
