#include "server/history.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "domain/change_set.h"
#include "domain/kind.h"
#include "domain/refusal.h"
#include "domain/resource.h"
#include "domain/status_macros.h"
#include "fmt/format.h"
#include "google/protobuf/util/time_util.h"
#include "retrace/store/v1/page_token.pb.h"
#include "retrace/store/v1/row.pb.h"
#include "server/commit_page.h"
#include "server/commit_show.h"
#include "server/digest.h"
#include "server/lists.h"
#include "server/moment.h"
#include "server/numbers.h"
#include "server/page_token.h"
#include "server/row_view.h"

namespace retrace::server {
namespace {

using domain::EntityRef;
using domain::KindNumber;
using domain::Refusal;
using domain::RowPtr;
using eventstore::Position;
using google::protobuf::util::TimeUtil;
using store::v1::PageToken;

absl::StatusOr<Position> ParsePosition(std::string_view name, std::string_view collection) {
  RETRACE_ASSIGN(domain::ResourceName parsed, domain::ParseName(name, "name"));
  const std::optional<Position> position = ReadNumber<Position>(parsed.id);
  if (parsed.collection != collection || !position.has_value()) {
    return Refusal(v1::INVALID_FIELD, fmt::format("`{}` is no name in {}.", name, collection))
        .Field("name", fmt::format("must look like tenants/TENANT/{}/POSITION", collection));
  }
  return *position;
}

absl::Status NoSuchCommit(const Tenant& tenant, std::string_view collection, Position position,
                          Position head) {
  const std::string_view what = collection == "commits" ? "commit" : "change set";
  return Refusal(v1::ENTITY_NOT_FOUND,
                 fmt::format("There is no {} {} in tenant `{}`, or you may not see it.", what,
                             position, tenant.id))
      .About(what, fmt::format("tenants/{}/{}/{}", tenant.id, collection, position))
      .With("head", std::to_string(head))
      .Next(fmt::format("The tenant's commits have the positions 1 to {}.", head));
}

// A change set of one command.
v1::ChangeSet ShowSingle(const Tenant& tenant, const Envelope& envelope) {
  v1::ChangeSet change_set;
  change_set.set_name(fmt::format("tenants/{}/changeSets/{}", tenant.id, envelope.position));
  change_set.set_number(static_cast<int64_t>(envelope.position));
  change_set.set_state(v1::ChangeSet::CLOSED);
  change_set.set_actor(std::string(envelope.actor));
  change_set.set_on_behalf_of(std::string(envelope.on_behalf_of));
  change_set.set_reason(std::string(envelope.reason));
  change_set.add_methods(std::string(envelope.method));
  *change_set.mutable_begin_time() = TimeUtil::MicrosecondsToTimestamp(envelope.commit_time_us);
  *change_set.mutable_last_time() = change_set.begin_time();
  change_set.set_last_position(static_cast<int64_t>(envelope.position));
  change_set.set_commit_count(1);
  change_set.set_event_count(static_cast<int64_t>(envelope.events.size()));
  return change_set;
}

// What its entity and its tally know of a change set that was begun, over what its first commit
// says.
absl::Status ShowBegun(Ledger& ledger, const Tenant& tenant, Position as_of, int64_t now_us,
                       v1::ChangeSet& change_set) {
  const RowView view(ledger.rows(), tenant.number, as_of);
  const std::string id = std::to_string(change_set.number());
  RETRACE_ASSIGN(RowPtr row, view.Get({KindNumber::kChangeSet, id}));
  if (row != nullptr) {
    const auto& begun = row->As<v1::ChangeSet>();
    change_set.set_title(begun.title());
    change_set.set_state(domain::IsOpenAt(*row, now_us) ? v1::ChangeSet::OPEN
                                                        : v1::ChangeSet::CLOSED);
    change_set.set_operation(begun.operation());
    if (begun.has_end_time()) *change_set.mutable_end_time() = begun.end_time();
    if (begun.has_expire_time()) *change_set.mutable_expire_time() = begun.expire_time();
  }
  RETRACE_ASSIGN(RowPtr tally_row, view.Get({KindNumber::kChangeSetTally, id}));
  if (tally_row == nullptr) return absl::OkStatus();
  const auto& tally = tally_row->As<store::v1::ChangeSetTally>();
  *change_set.mutable_last_time() = TimeUtil::MicrosecondsToTimestamp(tally.last_time_us());
  change_set.set_last_position(static_cast<int64_t>(tally.last_position()));
  change_set.set_commit_count(tally.commit_count());
  change_set.set_event_count(tally.event_count());
  *change_set.mutable_methods() = tally.methods();
  change_set.set_reason(tally.reason());
  return absl::OkStatus();
}

// When change sets are judged to be open: now, or, of a past moment, its time.
int64_t OpenAt(const HistoryOptions& options, const Tenant& tenant, const Moment& moment) {
  if (moment.position < tenant.visible) return moment.time_us;
  return options.wall_us ? options.wall_us() : absl::ToUnixMicros(absl::Now());
}

v1::ListChangesResponse::Entry ShowEntry(const EntityRef& entity, const Envelope& envelope) {
  v1::ListChangesResponse::Entry entry;
  entry.set_position(static_cast<int64_t>(envelope.position));
  *entry.mutable_commit_time() = TimeUtil::MicrosecondsToTimestamp(envelope.commit_time_us);
  entry.set_actor(std::string(envelope.actor));
  entry.set_on_behalf_of(std::string(envelope.on_behalf_of));
  entry.set_method(std::string(envelope.method));
  entry.set_reason(std::string(envelope.reason));
  entry.set_change_set(static_cast<int64_t>(envelope.change_set));
  for (const Envelope::Event& event : envelope.events) {
    if (event.kind != static_cast<uint32_t>(entity.kind) || event.id != entity.id) continue;
    entry.add_types(std::string(event.type));
    entry.set_revision(static_cast<int64_t>(event.revision));
  }
  return entry;
}

// All that history tells of a purged entity.
absl::StatusOr<v1::ListChangesResponse::Entry> ShowPurge(Ledger& ledger, const Tenant& tenant,
                                                         const EntityRef& entity,
                                                         const domain::Row& tombstone) {
  RETRACE_ASSIGN(std::string stored, ledger.ReadStored(tenant, tombstone.head.purge().position()));
  Envelope envelope;
  RETRACE_RETURN_IF_ERROR(ReadEnvelope(stored, /*with_events=*/true, envelope));
  v1::ListChangesResponse::Entry entry = ShowEntry(entity, envelope);
  entry.set_purged(true);
  return entry;
}

absl::Status DeadlinePassed() {
  return Refusal(v1::DEADLINE_PASSED, "The deadline passed before the digest was complete.")
      .Next("Give the call a longer deadline.");
}

}  // namespace

absl::StatusOr<v1::ListCommitsResponse> History::Answer(
    const QueryCall& call, const v1::ListCommitsRequest& request) const {
  v1::ListCommitsResponse response;
  CommitPage page{.ledger = ledger_,
                  .options = options_,
                  .call = call,
                  .request = request,
                  .page_token = request.page_token(),
                  .as_of = request.as_of(),
                  .filter = request.filter(),
                  .filter_fields = CommitFilterFields(),
                  .page_size = request.page_size(),
                  .oldest_first = request.oldest_first()};
  page.take = [&](const Moment&, const Envelope&,
                  std::string_view stored) -> absl::StatusOr<size_t> {
    RETRACE_ASSIGN(*response.add_commits(),
                   ShowCommit(ledger_, *call.tenant, stored, request.view()));
    return response.commits().rbegin()->ByteSizeLong();
  };
  RETRACE_RETURN_IF_ERROR(
      page.Fill(*response.mutable_next_page_token(), *response.mutable_answered()));
  return response;
}

absl::StatusOr<v1::ListChangeSetsResponse> History::Answer(
    const QueryCall& call, const v1::ListChangeSetsRequest& request) const {
  v1::ListChangeSetsResponse response;
  CommitPage page{.ledger = ledger_,
                  .options = options_,
                  .call = call,
                  .request = request,
                  .page_token = request.page_token(),
                  .as_of = request.as_of(),
                  .filter = request.filter(),
                  .filter_fields = ChangeSetFilterFields(),
                  .page_size = request.page_size(),
                  .oldest_first = request.oldest_first(),
                  .first_only = true,
                  .show_delivery_notes = request.show_delivery_notes()};
  page.take = [&](const Moment& moment, const Envelope& envelope,
                  std::string_view) -> absl::StatusOr<size_t> {
    v1::ChangeSet& change_set = *response.add_change_sets();
    change_set = ShowSingle(*call.tenant, envelope);
    if (BeginsChangeSet(envelope)) {
      RETRACE_RETURN_IF_ERROR(ShowBegun(ledger_, *call.tenant, moment.position,
                                        OpenAt(options_, *call.tenant, moment), change_set));
    }
    return change_set.ByteSizeLong();
  };
  RETRACE_RETURN_IF_ERROR(
      page.Fill(*response.mutable_next_page_token(), *response.mutable_answered()));
  return response;
}

absl::StatusOr<v1::ChangeSet> History::ShowChangeSet(const Tenant& tenant, Position number,
                                                     Position as_of) const {
  const Position head = std::min<Position>(as_of, tenant.visible);
  if (number == 0 || number > head) return NoSuchCommit(tenant, "changeSets", number, head);
  RETRACE_ASSIGN(std::string stored, ledger_.ReadStored(tenant, number));
  Envelope envelope;
  RETRACE_RETURN_IF_ERROR(ReadEnvelope(stored, /*with_events=*/true, envelope));
  if (!IsFirstOfChangeSet(envelope)) return NoSuchCommit(tenant, "changeSets", number, head);
  v1::ChangeSet change_set = ShowSingle(tenant, envelope);
  if (BeginsChangeSet(envelope)) {
    RETRACE_ASSIGN(Moment moment, MomentAt(ledger_, tenant, head));
    RETRACE_RETURN_IF_ERROR(
        ShowBegun(ledger_, tenant, head, OpenAt(options_, tenant, moment), change_set));
  }
  return change_set;
}

absl::StatusOr<v1::GetCommitResponse> History::Answer(const QueryCall& call,
                                                      const v1::GetCommitRequest& request) const {
  RETRACE_ASSIGN(Position position, ParsePosition(request.name(), "commits"));
  const Tenant& tenant = *call.tenant;
  const Position head = tenant.visible;
  if (position == 0 || position > head) return NoSuchCommit(tenant, "commits", position, head);
  RETRACE_ASSIGN(std::string stored, ledger_.ReadStored(tenant, position));
  const v1::CommitView view =
      request.view() == v1::COMMIT_VIEW_UNSPECIFIED ? v1::CHANGES : request.view();
  v1::GetCommitResponse response;
  RETRACE_ASSIGN(*response.mutable_commit(), ShowCommit(ledger_, tenant, stored, view));
  RETRACE_ASSIGN(Moment moment, MomentAt(ledger_, tenant, head));
  *response.mutable_answered() = std::move(moment.answered);
  return response;
}

absl::StatusOr<v1::ListChangesResponse> History::Answer(
    const QueryCall& call, const v1::ListChangesRequest& request) const {
  RETRACE_ASSIGN(EntityRef entity, ParseReadableEntity(call, request.name(), "name"));
  RETRACE_ASSIGN(size_t wanted,
                 PageSizeOf(request.page_size(), options_.default_size, options_.max_size));
  PageToken token;
  Moment moment;
  Position from = 0;
  if (request.page_token().empty()) {
    RETRACE_ASSIGN(moment, ResolveAsOf(ledger_, *call.tenant, request.as_of()));
    from = moment.position;
  } else {
    RETRACE_ASSIGN(token, OpenPageToken(ledger_, call, request, request.page_token()));
    RETRACE_ASSIGN(moment, MomentAt(ledger_, *call.tenant, token.position()));
    from = ReadNumber<Position>(token.id()).value_or(1) - 1;
  }
  RETRACE_ASSIGN(
      std::vector<eventstore::RowVersion> versions,
      ledger_.rows().Versions(call.tenant->number, static_cast<eventstore::KindNumber>(entity.kind),
                              entity.id, from, wanted + 1));
  if (versions.empty() && request.page_token().empty()) {
    return Refusal(v1::ENTITY_NOT_FOUND,
                   fmt::format("There is no `{}`, or you may not see it.", request.name()))
        .About(domain::KindOf(entity.kind).singular, request.name())
        .Next("Check the name; with as_of it may have been created later.");
  }
  v1::ListChangesResponse response;
  if (!versions.empty()) {
    RETRACE_ASSIGN(RowPtr newest, domain::ParseRow(entity.kind, versions.front().bytes));
    if (newest->purged()) {
      RETRACE_ASSIGN(*response.add_entries(), ShowPurge(ledger_, *call.tenant, entity, *newest));
      *response.mutable_answered() = std::move(moment.answered);
      return response;
    }
  }
  RETRACE_RETURN_IF_ERROR(ShowVersions(call, entity, versions, wanted, response));
  if (!response.entries().empty() && response.entries_size() < static_cast<int>(versions.size())) {
    token.set_position(moment.position);
    token.set_id(std::to_string(response.entries().rbegin()->position()));
    RETRACE_ASSIGN(*response.mutable_next_page_token(),
                   SealPageToken(ledger_, call, request, token));
  }
  *response.mutable_answered() = std::move(moment.answered);
  return response;
}

absl::Status History::ShowVersions(const QueryCall& call, const EntityRef& entity,
                                   const std::vector<eventstore::RowVersion>& versions,
                                   size_t wanted, v1::ListChangesResponse& response) const {
  const absl::Time half_way = call.half_way();
  size_t bytes = 0;
  RowPtr after;
  for (size_t i = 0; i < versions.size() && i < wanted; ++i) {
    if (call.gone()) return Refusal(v1::CALLER_CANCELLED, "The caller went away.");
    if (i > 0 && (absl::Now() >= half_way || bytes >= kMaxPageBytes)) break;
    if (i == 0) {
      RETRACE_ASSIGN(after, domain::ParseRow(entity.kind, versions[0].bytes));
    }
    RowPtr before;
    if (i + 1 < versions.size()) {
      RETRACE_ASSIGN(before, domain::ParseRow(entity.kind, versions[i + 1].bytes));
    }
    RETRACE_ASSIGN(std::string stored, ledger_.ReadStored(*call.tenant, versions[i].position));
    Envelope envelope;
    RETRACE_RETURN_IF_ERROR(ReadEnvelope(stored, /*with_events=*/true, envelope));
    v1::ListChangesResponse::Entry& entry = *response.add_entries();
    entry = ShowEntry(entity, envelope);
    for (v1::FieldChange& change : ChangesOf(*call.tenant, entity, before.get(), after.get())) {
      *entry.add_changes() = std::move(change);
    }
    bytes += entry.ByteSizeLong();
    after = std::move(before);
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::GetDigestResponse> History::Answer(const QueryCall& call,
                                                      const v1::GetDigestRequest& request) const {
  RETRACE_ASSIGN(Moment moment, ResolveAsOf(ledger_, *call.tenant, request.as_of()));
  auto go_on = [&call]() -> absl::Status {
    if (call.gone()) return Refusal(v1::CALLER_CANCELLED, "The caller went away.");
    return absl::Now() < call.deadline ? absl::OkStatus() : DeadlinePassed();
  };
  v1::GetDigestResponse response;
  if (request.full()) {
    if (request.has_as_of() && moment.position != call.tenant->visible) {
      return Refusal(v1::INVALID_FIELD,
                     "The full digest covers all versions up to now; it has no past.")
          .Field("full", "not possible with a past as_of");
    }
    RETRACE_ASSIGN(std::string full, FullDigest(call, go_on, moment));
    response.set_full_digest(std::move(full));
  }
  RETRACE_ASSIGN(ContentDigest content,
                 DigestContent(ledger_.rows(), call.tenant->number, moment.position, go_on));
  response.set_content_digest(ShowDigest(content.digest));
  response.set_entity_count(content.entities);
  *response.mutable_answered() = std::move(moment.answered);
  return response;
}

absl::StatusOr<std::string> History::FullDigest(const QueryCall& call,
                                                const std::function<absl::Status()>& go_on,
                                                Moment& moment) const {
  while (true) {
    RETRACE_RETURN_IF_ERROR(go_on());
    RETRACE_ASSIGN(eventstore::RowsCheckpoint before,
                   ledger_.rows().CheckpointOf(call.tenant->number));
    RETRACE_ASSIGN(eventstore::Sha256Digest digest, ledger_.rows().FullDigest(call.tenant->number));
    RETRACE_ASSIGN(eventstore::RowsCheckpoint after,
                   ledger_.rows().CheckpointOf(call.tenant->number));
    // Rows come before they are visible: what was digested must be what can be asked about.
    if (before == after && before.position <= call.tenant->visible) {
      RETRACE_ASSIGN(moment, MomentAt(ledger_, *call.tenant, before.position));
      return ShowDigest(digest);
    }
  }
}

}  // namespace retrace::server
