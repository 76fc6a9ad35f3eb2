#include "server/compare.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "domain/fields.h"
#include "domain/filter.h"
#include "domain/kind.h"
#include "domain/refusal.h"
#include "domain/resource.h"
#include "domain/status_macros.h"
#include "fmt/format.h"
#include "server/commit_show.h"
#include "server/list_declarations.h"
#include "server/moment.h"
#include "server/row_view.h"

namespace retrace::server {
namespace {

using domain::EntityRef;
using domain::KindNumber;
using domain::Refusal;
using domain::RowPtr;
using eventstore::RowAt;
using eventstore::RowScan;
using v1::EntityDifference;

constexpr size_t kMessageBytes = 256u << 10;
constexpr size_t kRowsBetweenLooks = 1000;

// One side of the comparison.
class Side {
 public:
  explicit Side(std::unique_ptr<RowScan> scan) : scan_(std::move(scan)) {}
  absl::Status Advance() {
    RETRACE_ASSIGN(at_, scan_->Next());
    return absl::OkStatus();
  }
  const std::optional<RowAt>& at() const { return at_; }

 private:
  const std::unique_ptr<RowScan> scan_;
  std::optional<RowAt> at_;
};

bool IsThere(const domain::Row* row) { return row != nullptr && row->kept(); }

// What became of an entity of which something differs.
EntityDifference::Change ChangeOf(const domain::Row* before, const domain::Row& after) {
  if (before == nullptr) return EntityDifference::CREATED;
  if (before->live() && after.binned()) return EntityDifference::DELETED;
  if (before->binned() && after.live()) return EntityDifference::UNDELETED;
  return EntityDifference::CHANGED;
}

class ComparisonStream {
 public:
  ComparisonStream(Ledger& ledger, const QueryCall& call, StreamWriter& writer)
      : ledger_(ledger), tenant_(*call.tenant), writer_(writer) {}

  absl::Status Run(const v1::CompareRequest& request) {
    RETRACE_RETURN_IF_ERROR(Understand(request));
    RETRACE_ASSIGN(from_, ResolveEnd(ledger_, tenant_, request.from(), "from"));
    RETRACE_ASSIGN(until_, ResolveEnd(ledger_, tenant_, request.until(), "until"));
    RETRACE_RETURN_IF_ERROR(CheckOrder(from_, until_));
    v1::CompareResponse head;
    *head.mutable_from() = from_.answered;
    *head.mutable_until() = until_.answered;
    RETRACE_RETURN_IF_ERROR(writer_.Write(head));
    if (only_.has_value()) {
      RETRACE_RETURN_IF_ERROR(CompareOne(request.entity()));
    } else {
      for (const KindNumber kind : kinds_) RETRACE_RETURN_IF_ERROR(CompareKind(kind));
    }
    RETRACE_RETURN_IF_ERROR(Flush());
    v1::CompareResponse end;
    *end.mutable_counts() = counts_;
    return writer_.Write(end);
  }

 private:
  absl::Status Understand(const v1::CompareRequest& request) {
    if (request.from().moment_case() == v1::AsOf::MOMENT_NOT_SET) {
      return Refusal(v1::INVALID_FIELD, "`from` names no moment.")
          .Field("from", "must hold a position or a time");
    }
    if (!request.entity().empty()) {
      if (!request.kind().empty() || !request.filter().empty()) {
        return Refusal(v1::INVALID_FIELD, "One entity is compared, or a kind; not both.")
            .Field("entity", "must be empty with `kind` or `filter`");
      }
      RETRACE_ASSIGN(only_, ParseAnyEntity(tenant_, request.entity(), "entity"));
      return absl::OkStatus();
    }
    return request.kind().empty() ? TakeEveryKind(request) : TakeKind(request);
  }

  absl::Status TakeEveryKind(const v1::CompareRequest& request) {
    if (!request.filter().empty()) {
      return Refusal(v1::INVALID_FIELD, "A filter is about the fields of one kind.")
          .Field("kind", "must be given with `filter`, e.g. customers");
    }
    for (const domain::Kind& kind : domain::Kinds()) {
      if (kind.content) kinds_.push_back(kind.number);
    }
    std::sort(kinds_.begin(), kinds_.end());
    return absl::OkStatus();
  }

  absl::Status TakeKind(const v1::CompareRequest& request) {
    const domain::Kind* kind = domain::FindKind(request.kind());
    const ListDeclaration* list = kind == nullptr ? nullptr : ListOf(kind->number);
    if (list == nullptr) {
      return Refusal(v1::INVALID_FIELD, fmt::format("There is no list of `{}`.", request.kind()))
          .Field("kind", "must be a collection such as customers, records, members");
    }
    kinds_.push_back(kind->number);
    RETRACE_ASSIGN(filter_,
                   domain::Filter::Parse(request.filter(), *kind->resource->GetDescriptor(),
                                         list->filter_fields));
    return absl::OkStatus();
  }

  absl::Status CompareOne(const std::string& name) {
    const RowView view(ledger_.rows(), tenant_.number, until_.position);
    RETRACE_ASSIGN(const RowPtr before, view.GetAt(*only_, from_.position));
    RETRACE_ASSIGN(const RowPtr after, view.Get(*only_));
    if (!IsThere(before.get()) && !IsThere(after.get())) {
      return Refusal(v1::ENTITY_NOT_FOUND,
                     fmt::format("There is no `{}`, or you may not see it.", name))
          .About(domain::KindOf(only_->kind).singular, name)
          .Next("Check the name; it may have been created after the later moment.");
    }
    return Compare(*only_, before.get(), after.get());
  }

  std::unique_ptr<RowScan> Scan(KindNumber kind, eventstore::Position position) const {
    const auto number = static_cast<eventstore::KindNumber>(kind);
    return ledger_.rows().ScanRows(tenant_.number, number, number, position);
  }

  // Merges two walks over the rows of a kind. What stands at the earlier moment stands at the later
  // one, too: rows go only by being removed at every position.
  absl::Status CompareKind(KindNumber kind) {
    Side before(Scan(kind, from_.position));
    Side after(Scan(kind, until_.position));
    RETRACE_RETURN_IF_ERROR(before.Advance());
    RETRACE_RETURN_IF_ERROR(after.Advance());
    for (size_t looked_at = 0; after.at().has_value(); ++looked_at) {
      if (looked_at % kRowsBetweenLooks == 0) RETRACE_RETURN_IF_ERROR(writer_.Alive());
      while (before.at().has_value() && before.at()->id < after.at()->id) {
        RETRACE_RETURN_IF_ERROR(before.Advance());
      }
      const bool both = before.at().has_value() && before.at()->id == after.at()->id;
      if (!both || before.at()->position != after.at()->position) {
        RETRACE_RETURN_IF_ERROR(CompareRows(kind, both ? &*before.at() : nullptr, *after.at()));
      }
      RETRACE_RETURN_IF_ERROR(after.Advance());
    }
    return absl::OkStatus();
  }

  absl::Status CompareRows(KindNumber kind, const RowAt* before, const RowAt& after) {
    RowPtr old_row;
    if (before != nullptr) {
      RETRACE_ASSIGN(old_row, domain::ParseRow(kind, before->bytes));
    }
    RETRACE_ASSIGN(const RowPtr new_row, domain::ParseRow(kind, after.bytes));
    return Compare({kind, after.id}, old_row.get(), new_row.get());
  }

  absl::Status Compare(const EntityRef& entity, const domain::Row* before,
                       const domain::Row* after) {
    if (!IsThere(before)) before = nullptr;
    if (!IsThere(after)) return absl::OkStatus();
    const std::unique_ptr<google::protobuf::Message> old_shown = Shown(tenant_, entity, before);
    const std::unique_ptr<google::protobuf::Message> new_shown = Shown(tenant_, entity, after);
    if (!filter_.empty() && !(old_shown != nullptr && filter_.Matches(*old_shown)) &&
        !filter_.Matches(*new_shown)) {
      return absl::OkStatus();
    }
    std::vector<v1::FieldChange> changes = domain::Differences(old_shown.get(), new_shown.get());
    if (changes.empty()) return absl::OkStatus();
    EntityDifference& difference = *message_.add_differences();
    difference.set_name(domain::NameOf(tenant_.id, entity));
    difference.set_change(ChangeOf(before, *after));
    difference.set_position(static_cast<int64_t>(after->head.update_position()));
    for (v1::FieldChange& change : changes) *difference.add_changes() = std::move(change);
    Count(difference.change());
    bytes_ += difference.ByteSizeLong();
    return bytes_ < kMessageBytes ? absl::OkStatus() : Flush();
  }

  void Count(EntityDifference::Change change) {
    switch (change) {
      case EntityDifference::CREATED:
        return counts_.set_created(counts_.created() + 1);
      case EntityDifference::DELETED:
        return counts_.set_deleted(counts_.deleted() + 1);
      case EntityDifference::UNDELETED:
        return counts_.set_undeleted(counts_.undeleted() + 1);
      default:
        return counts_.set_changed(counts_.changed() + 1);
    }
  }

  absl::Status Flush() {
    if (message_.differences().empty()) return absl::OkStatus();
    RETRACE_RETURN_IF_ERROR(writer_.Write(message_));
    message_.Clear();
    bytes_ = 0;
    return absl::OkStatus();
  }

  Ledger& ledger_;
  Tenant& tenant_;
  StreamWriter& writer_;
  std::optional<EntityRef> only_;
  std::vector<KindNumber> kinds_;
  domain::Filter filter_;
  Moment from_;
  Moment until_;
  v1::CompareResponse message_;
  size_t bytes_ = 0;
  v1::CompareResponse::Counts counts_;
};

}  // namespace

absl::Status StreamComparison(Ledger& ledger, const QueryCall& call,
                              const v1::CompareRequest& request, StreamWriter& writer) {
  return ComparisonStream(ledger, call, writer).Run(request);
}

}  // namespace retrace::server
