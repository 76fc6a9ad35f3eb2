// The plan of an operation: its command tried on every target as of its position, chunk by chunk,
// and what came of it put together.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "domain/operation.h"
#include "eventstore/types.h"
#include "retrace/v1/plans.pb.h"
#include "server/ledger.h"
#include "server/plans.h"
#include "server/principal.h"

namespace retrace::server {

// Thread-compatible. Blocks on reading.
class OperationPlanner {
 public:
  // Ledger, plans and tenant must outlive it.
  OperationPlanner(Ledger& ledger, const Plans& plans, Tenant& tenant, PrincipalPtr principal,
                   const store::v1::OperationRow& row);

  // Tries the next targets, as many as one commit would hold.
  absl::Status Add(const std::vector<domain::OperationTarget>& targets);
  // How many were tried.
  int64_t planned() const { return planned_; }
  // All of it, with the token: `entity_count` is the number of targets, what is to be acknowledged.
  absl::StatusOr<v1::Plan> Finish();

 private:
  void Merge(const v1::Plan& part);

  Ledger& ledger_;
  const Plans& plans_;
  Tenant& tenant_;
  const PrincipalPtr principal_;
  const store::v1::OperationRow row_;
  v1::Plan plan_;
  int64_t planned_ = 0;
  int64_t refused_ = 0;
  std::string first_refusal_;
  eventstore::Sha256Hasher digest_;
};

}  // namespace retrace::server
