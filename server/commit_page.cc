#include "server/commit_page.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/time/clock.h"
#include "domain/kind.h"
#include "domain/refusal.h"
#include "domain/server_log.h"
#include "domain/status_macros.h"
#include "retrace/store/v1/commit_filter.pb.h"
#include "retrace/store/v1/page_token.pb.h"
#include "server/commit_filter.h"
#include "server/lists.h"
#include "server/log_walk.h"
#include "server/numbers.h"
#include "server/page_token.h"
#include "server/row_view.h"

namespace retrace::server {
namespace {

using domain::Filter;
using domain::KindNumber;
using domain::Refusal;
using domain::RowPtr;
using eventstore::Position;
using eventstore::StoredCommit;
using store::v1::CommitFields;
using store::v1::PageToken;

}  // namespace

const std::vector<std::string>& ChangeSetFilterFields() {
  static const auto* const kFields = new std::vector<std::string>{
      "actor", "on_behalf_of", "method", "reason", "time", "request_id", "entity", "kind", "title"};
  return *kFields;
}

bool BeginsChangeSet(const Envelope& envelope) {
  return std::any_of(envelope.events.begin(), envelope.events.end(),
                     [](const Envelope::Event& event) {
                       return event.kind == static_cast<uint32_t>(KindNumber::kChangeSet) &&
                              event.type == "ChangeSetBegun";
                     });
}

bool IsFirstOfChangeSet(const Envelope& envelope) {
  const bool only_ends = envelope.events.size() == 1 &&
                         envelope.events[0].kind == static_cast<uint32_t>(KindNumber::kChangeSet) &&
                         envelope.events[0].type == "ChangeSetEnded";
  return envelope.begins_change_set() && !only_ends;
}

bool IsDeliveryNote(const Envelope& envelope) {
  return envelope.actor == domain::kServerActor &&
         std::all_of(envelope.events.begin(), envelope.events.end(),
                     [](const Envelope::Event& event) {
                       const auto kind = static_cast<KindNumber>(event.kind);
                       return kind == KindNumber::kNotification || kind == KindNumber::kDelivery ||
                              kind == KindNumber::kFollower;
                     });
}

absl::StatusOr<bool> CommitPage::Fits(const Filter& parsed, const Envelope& envelope) const {
  if (first_only && !IsFirstOfChangeSet(envelope)) return false;
  if (!show_delivery_notes && IsDeliveryNote(envelope)) return false;
  if (parsed.empty()) return true;
  RETRACE_ASSIGN(CommitFields fields, CommitFieldsOf(*call.tenant, envelope));
  if (first_only && BeginsChangeSet(envelope) && parsed.Mentions("title")) {
    const RowView view(ledger.rows(), call.tenant->number, envelope.position);
    RETRACE_ASSIGN(RowPtr row,
                   view.Get({KindNumber::kChangeSet, std::to_string(envelope.position)}));
    if (row != nullptr) fields.set_title(row->As<v1::ChangeSet>().title());
  }
  return parsed.Matches(fields);
}

// Returns the last position that was looked at when there is more, 0 when the walk came to its end.
absl::StatusOr<Position> CommitPage::Walk(const Filter& parsed, const Moment& moment,
                                          PositionRange range, size_t wanted) const {
  LogWalk walk(ledger.log(), call.tenant->number, range.first, range.last, !oldest_first);
  const absl::Time half_way = call.half_way();
  Envelope envelope;
  Position looked_at = 0;
  size_t taken = 0, bytes = 0;
  for (size_t reads = 0;; ++reads) {
    if (call.gone()) return Refusal(v1::CALLER_CANCELLED, "The caller went away.");
    RETRACE_ASSIGN(const StoredCommit* stored, walk.Next());
    if (stored == nullptr) return 0;
    const bool spent = taken >= wanted || bytes >= kMaxPageBytes || reads >= options.max_reads ||
                       (reads > 0 && absl::Now() >= half_way);
    if (spent) return looked_at;
    RETRACE_RETURN_IF_ERROR(ReadEnvelope(stored->bytes, /*with_events=*/true, envelope));
    looked_at = stored->position;
    RETRACE_ASSIGN(bool fits, Fits(parsed, envelope));
    if (!fits) continue;
    RETRACE_ASSIGN(size_t size, take(moment, envelope, stored->bytes));
    bytes += size;
    ++taken;
  }
}

absl::Status CommitPage::Fill(std::string& next_page_token, v1::Answered& answered) const {
  RETRACE_ASSIGN(size_t wanted, PageSizeOf(page_size, options.default_size, options.max_size));
  RETRACE_ASSIGN(Filter parsed, Filter::Parse(filter, *CommitFields::descriptor(), filter_fields));
  Moment moment;
  Position resume = 0;
  if (page_token.empty()) {
    RETRACE_ASSIGN(moment, ResolveAsOf(ledger, *call.tenant, as_of));
  } else {
    RETRACE_ASSIGN(PageToken token, OpenPageToken(ledger, call, request, page_token));
    RETRACE_ASSIGN(moment, MomentAt(ledger, *call.tenant, token.position()));
    resume = ReadNumber<Position>(token.id()).value_or(0);
  }
  RETRACE_ASSIGN(PositionRange range, RangeOf(ledger, *call.tenant, parsed, moment.position));
  if (resume > 0 && oldest_first) range.first = std::max(range.first, resume + 1);
  if (resume > 0 && !oldest_first) range.last = std::min(range.last, resume - 1);
  RETRACE_ASSIGN(Position looked_at, Walk(parsed, moment, range, wanted));
  if (looked_at > 0) {
    PageToken next;
    next.set_position(moment.position);
    next.set_id(std::to_string(looked_at));
    RETRACE_ASSIGN(next_page_token, SealPageToken(ledger, call, request, std::move(next)));
  }
  answered = std::move(moment.answered);
  return absl::OkStatus();
}

}  // namespace retrace::server
