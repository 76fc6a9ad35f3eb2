#include "server/history_replay.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "domain/fields.h"
#include "domain/filter.h"
#include "domain/resource.h"
#include "domain/status_macros.h"
#include "google/protobuf/util/time_util.h"
#include "server/commit_filter.h"
#include "server/commit_show.h"
#include "server/log_walk.h"
#include "server/moment.h"
#include "server/row_view.h"

namespace retrace::server {
namespace {

using domain::EntityRef;
using eventstore::Position;
using eventstore::StoredCommit;

// Messages stay well below what gRPC clients receive by default, whatever the last entity adds.
constexpr size_t kMessageBytes = 1u << 20;
// So many commits that nobody wants are left out before the stream is looked after again.
constexpr size_t kCommitsBetweenLooks = 1000;

class ReplayStream {
 public:
  ReplayStream(Ledger& ledger, const QueryCall& call, StreamWriter& writer)
      : ledger_(ledger), tenant_(*call.tenant), writer_(writer) {}

  absl::Status Run(const v1::ReplayRequest& request) {
    RETRACE_ASSIGN(filter_,
                   domain::Filter::Parse(request.filter(), *store::v1::CommitFields::descriptor(),
                                         CommitFilterFields()));
    if (!request.entity().empty()) {
      RETRACE_ASSIGN(only_, ParseAnyEntity(tenant_, request.entity(), "entity"));
    }
    RETRACE_ASSIGN(Moment until, ResolveEnd(ledger_, tenant_, request.until(), "until"));
    RETRACE_ASSIGN(const Position first, FirstOf(request, until));
    RETRACE_ASSIGN(PositionRange range, RangeOf(ledger_, tenant_, filter_, until.position));
    RETRACE_RETURN_IF_ERROR(Walk(std::max(range.first, first), range.last));
    v1::ReplayResponse end;
    *end.mutable_answered() = std::move(until.answered);
    return writer_.Write(end);
  }

 private:
  absl::StatusOr<Position> FirstOf(const v1::ReplayRequest& request, const Moment& until) {
    if (request.from().moment_case() == v1::AsOf::MOMENT_NOT_SET) return Position{1};
    RETRACE_ASSIGN(const Moment from, ResolveEnd(ledger_, tenant_, request.from(), "from"));
    RETRACE_RETURN_IF_ERROR(CheckOrder(from, until));
    if (request.from().has_position()) return std::max<Position>(from.position, 1);
    return FirstPositionFrom(
        ledger_.log(), tenant_.number, until.position,
        google::protobuf::util::TimeUtil::TimestampToMicroseconds(request.from().time()));
  }

  absl::Status Walk(Position first, Position last) {
    LogWalk walk(ledger_.log(), tenant_.number, first, last, /*backwards=*/false);
    Envelope envelope;
    for (size_t looked_at = 0;; ++looked_at) {
      if (looked_at % kCommitsBetweenLooks == 0) RETRACE_RETURN_IF_ERROR(writer_.Alive());
      RETRACE_ASSIGN(const StoredCommit* stored, walk.Next());
      if (stored == nullptr) return absl::OkStatus();
      RETRACE_RETURN_IF_ERROR(ReadEnvelope(stored->bytes, /*with_events=*/true, envelope));
      RETRACE_ASSIGN(const bool wanted, Wanted(envelope));
      if (wanted) RETRACE_RETURN_IF_ERROR(Send(envelope, stored->bytes));
    }
  }

  bool IsAbout(const Envelope::Event& event) const {
    return !only_.has_value() ||
           (event.kind == static_cast<uint32_t>(only_->kind) && event.id == only_->id);
  }

  absl::StatusOr<bool> Wanted(const Envelope& envelope) const {
    if (only_.has_value() && std::none_of(envelope.events.begin(), envelope.events.end(),
                                          [this](const auto& event) { return IsAbout(event); })) {
      return false;
    }
    if (filter_.empty()) return true;
    RETRACE_ASSIGN(const store::v1::CommitFields fields, CommitFieldsOf(tenant_, envelope));
    return filter_.Matches(fields);
  }

  // The entities that a commit touched, in order, each once.
  absl::StatusOr<std::vector<EntityRef>> TouchedBy(const Envelope& envelope) const {
    std::vector<EntityRef> entities;
    absl::flat_hash_set<std::pair<uint32_t, std::string_view>> seen;
    for (const Envelope::Event& event : envelope.events) {
      if (!IsAbout(event) || !seen.insert({event.kind, event.id}).second) continue;
      RETRACE_ASSIGN(EntityRef entity, EntityOf(event));
      entities.push_back(std::move(entity));
    }
    return entities;
  }

  absl::Status Send(const Envelope& envelope, std::string_view stored) {
    v1::ReplayResponse message;
    RETRACE_ASSIGN(*message.mutable_commit(), ShowCommit(ledger_, tenant_, stored, v1::NAMES));
    size_t bytes = message.ByteSizeLong();
    RETRACE_ASSIGN(const std::vector<EntityRef> entities, TouchedBy(envelope));
    for (const EntityRef& entity : entities) {
      if (bytes >= kMessageBytes) {
        RETRACE_RETURN_IF_ERROR(writer_.Write(message));
        message.Clear();
        bytes = 0;
      }
      v1::ReplayResponse::Entity& shown = *message.add_entities();
      RETRACE_RETURN_IF_ERROR(ShowEntity(envelope, entity, shown));
      bytes += shown.ByteSizeLong();
    }
    return writer_.Write(message);
  }

  absl::Status ShowEntity(const Envelope& envelope, const EntityRef& entity,
                          v1::ReplayResponse::Entity& shown) {
    shown.set_name(domain::NameOf(tenant_.id, entity));
    for (const Envelope::Event& event : envelope.events) {
      if (event.kind != static_cast<uint32_t>(entity.kind) || event.id != entity.id) continue;
      shown.add_types(std::string(event.type));
      shown.set_revision(static_cast<int64_t>(event.revision));
    }
    const RowView view(ledger_.rows(), tenant_.number, envelope.position);
    RETRACE_ASSIGN(const domain::RowPtr old_row, view.GetAt(entity, envelope.position - 1));
    RETRACE_ASSIGN(const domain::RowPtr new_row, view.Get(entity));
    const std::unique_ptr<google::protobuf::Message> before = Shown(tenant_, entity, old_row.get());
    const std::unique_ptr<google::protobuf::Message> after = Shown(tenant_, entity, new_row.get());
    if (before != nullptr) shown.mutable_before()->PackFrom(*before);
    if (after != nullptr) shown.mutable_after()->PackFrom(*after);
    for (v1::FieldChange& change : domain::Differences(before.get(), after.get())) {
      *shown.add_changes() = std::move(change);
    }
    return absl::OkStatus();
  }

  Ledger& ledger_;
  Tenant& tenant_;
  StreamWriter& writer_;
  domain::Filter filter_;
  std::optional<EntityRef> only_;
};

}  // namespace

absl::Status StreamReplay(Ledger& ledger, const QueryCall& call, const v1::ReplayRequest& request,
                          StreamWriter& writer) {
  return ReplayStream(ledger, call, writer).Run(request);
}

}  // namespace retrace::server
