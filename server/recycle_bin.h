// The recycle bin as queries see it: binned entities of all kinds, with what is known of their
// deletions. Commands are decided in domain (purge.h, restore.h).
#pragma once

#include "absl/status/statusor.h"
#include "retrace/v1/recycle_bin.pb.h"
#include "server/ledger.h"
#include "server/queries.h"
#include "server/query_call.h"

namespace retrace::server {

// Answers queries about the bin. Thread-safe; blocks on reading only. Errors as of Queries.
class RecycleBin {
 public:
  explicit RecycleBin(Ledger& ledger, PageLimits limits = {}) : ledger_(ledger), limits_(limits) {}

  // All pages are of one moment. Without a collection the kinds come one after the other; a page
  // ends with its kind.
  absl::StatusOr<v1::ListBinnedEntitiesResponse> Answer(
      const QueryCall& call, const v1::ListBinnedEntitiesRequest& request) const;
  absl::StatusOr<v1::GetBinnedEntityResponse> Answer(
      const QueryCall& call, const v1::GetBinnedEntityRequest& request) const;
  absl::StatusOr<v1::GetRestoreClashesResponse> Answer(
      const QueryCall& call, const v1::GetRestoreClashesRequest& request) const;

 private:
  Ledger& ledger_;
  const PageLimits limits_;
};

}  // namespace retrace::server
