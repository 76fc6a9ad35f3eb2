// domain::View over the row store: as of any position, and the index scans that queries need beside
// it.
#pragma once

#include "domain/view.h"
#include "eventstore/row_store.h"

namespace retrace::server {

// Rows of one tenant as of a position. Thread-compatible; cheap to make; the store must outlive it.
class RowView : public domain::View {
 public:
  RowView(const eventstore::RowStore& rows, eventstore::TenantNumber tenant,
          eventstore::Position position)
      : rows_(rows), tenant_(tenant), position_(position) {}
  absl::StatusOr<domain::RowPtr> Get(const domain::EntityRef& entity) const override;
  absl::StatusOr<domain::RowPtr> GetAt(const domain::EntityRef& entity,
                                       domain::Position position) const override;
  absl::StatusOr<std::vector<domain::IndexHit>> Find(const domain::IndexRange& range,
                                                     size_t limit) const override;

  const eventstore::RowStore& rows() const { return rows_; }
  eventstore::TenantNumber tenant() const { return tenant_; }
  eventstore::Position position() const { return position_; }

 private:
  const eventstore::RowStore& rows_;
  const eventstore::TenantNumber tenant_;
  const eventstore::Position position_;
};

}  // namespace retrace::server
