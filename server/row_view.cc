#include "server/row_view.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "domain/resource.h"
#include "domain/status_macros.h"

namespace retrace::server {

absl::StatusOr<domain::RowPtr> RowView::Get(const domain::EntityRef& entity) const {
  return GetAt(entity, position_);
}

absl::StatusOr<domain::RowPtr> RowView::GetAt(const domain::EntityRef& entity,
                                              domain::Position position) const {
  RETRACE_ASSIGN(std::optional<eventstore::RowVersion> version,
                 rows_.Get(tenant_, static_cast<eventstore::KindNumber>(entity.kind), entity.id,
                           std::min(position, position_)));
  if (!version.has_value()) return nullptr;
  return domain::ParseRow(entity.kind, version->bytes);
}

absl::StatusOr<std::vector<domain::IndexHit>> RowView::Find(const domain::IndexRange& range,
                                                            size_t limit) const {
  const eventstore::IndexRange stored{.tenant = tenant_,
                                      .kind = static_cast<eventstore::KindNumber>(range.kind),
                                      .index = range.index,
                                      .lower = range.lower,
                                      .upper = range.upper};
  auto scan = rows_.ScanIndex(stored, position_, /*backwards=*/false);
  std::vector<domain::IndexHit> hits;
  while (hits.size() < limit) {
    RETRACE_ASSIGN(std::optional<eventstore::IndexEntry> entry, scan->Next());
    if (!entry.has_value()) break;
    hits.push_back(
        {std::move(entry->value), std::move(entry->id), static_cast<domain::Mark>(entry->mark)});
  }
  return hits;
}

}  // namespace retrace::server
