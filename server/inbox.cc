#include "server/inbox.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "domain/delivery.h"
#include "domain/notification.h"
#include "domain/notification_kinds.h"
#include "domain/recipient.h"
#include "domain/refusal.h"
#include "domain/resource.h"
#include "domain/status_macros.h"
#include "fmt/format.h"
#include "retrace/v1/members.pb.h"
#include "server/envelope.h"
#include "server/lists.h"
#include "server/log_walk.h"
#include "server/message.h"
#include "server/message_values.h"
#include "server/moment.h"
#include "server/page_token.h"
#include "server/row_view.h"
#include "server/watch.h"

namespace retrace::server {
namespace {

using domain::KindNumber;
using domain::RowPtr;

constexpr int kDefaultSize = 50;
constexpr int kMaxSize = 200;
// Entries that a page reads, and up to which what is unread is counted.
constexpr size_t kMostRead = 1000;
// Of what changed at once a watch tells so many.
constexpr size_t kMostWatched = 200;
constexpr absl::Duration kLook = absl::Seconds(1);
// Between two looks of a watch, however much is committed.
constexpr absl::Duration kRest = absl::Milliseconds(200);

// Entries of the principal's inbox after `value`, the newest first.
absl::StatusOr<std::vector<domain::IndexHit>> Entries(const RowView& view,
                                                      const std::string& principal,
                                                      std::string value, size_t limit) {
  const std::string prefix = domain::InboxPrefix(principal);
  std::string end = prefix;
  ++end.back();
  return view.Find({KindNumber::kDelivery, domain::kInboxIndex, std::max(prefix, std::move(value)),
                    std::move(end)},
                   limit);
}

// A delivery with its notification; no rows when it is not to be shown.
struct Entry {
  domain::EntityRef entity;
  RowPtr delivery;
  RowPtr notification;
  bool unread() const { return !delivery->As<v1::Delivery>().has_read_time(); }
};

absl::StatusOr<std::optional<Entry>> ReadEntry(const RowView& view, const std::string& id) {
  Entry entry{{KindNumber::kDelivery, id}, nullptr, nullptr};
  RETRACE_ASSIGN(entry.delivery, view.Get(entry.entity));
  if (entry.delivery == nullptr || !entry.delivery->live()) {
    return std::nullopt;
  }
  const std::string& name = entry.delivery->As<v1::Delivery>().notification();
  RETRACE_ASSIGN(entry.notification, view.Get({KindNumber::kNotification, domain::IdOfName(name)}));
  if (entry.notification == nullptr) {
    return absl::DataLossError(fmt::format("{} is missing.", name));
  }
  // What was taken back before it was read was never told.
  if (entry.unread() && !domain::Stands(entry.notification->As<v1::Notification>())) {
    return std::nullopt;
  }
  return entry;
}

absl::StatusOr<int32_t> CountUnread(const RowView& view, const std::string& principal) {
  RETRACE_ASSIGN(const auto hits, Entries(view, principal, "", kMostRead));
  int32_t unread = 0;
  for (const domain::IndexHit& hit : hits) {
    RETRACE_ASSIGN(const std::optional<Entry> entry, ReadEntry(view, hit.id));
    unread += entry.has_value() && entry->unread() ? 1 : 0;
  }
  return unread;
}

absl::Status Show(const Ledger& ledger, const Principals& principals, const Tenant& tenant,
                  const RowView& view, const Entry& entry, v1::InboxItem& item) {
  const auto& delivery = entry.delivery->As<v1::Delivery>();
  const auto& notification = entry.notification->As<v1::Notification>();
  item.set_name(domain::NameOf(tenant.id, entry.entity));
  domain::ShowResource(tenant.id,
                       {KindNumber::kNotification, domain::IdOfName(delivery.notification())},
                       *entry.notification, *item.mutable_notification());
  item.mutable_notification()->clear_audience();  // who else was told is the others' business
  RETRACE_ASSIGN(const std::vector<std::string> languages,
                 LanguagesOf(ledger, principals, tenant, delivery.recipient()));
  RETRACE_ASSIGN(const MessageValues values,
                 ValuesOf(ledger, principals, tenant, delivery.notification(), notification,
                          delivery.recipient()));
  WrittenMessage message = Compose(view, languages, values);
  item.set_subject(std::move(message.subject));
  item.set_text(std::move(message.text));
  if (delivery.has_read_time()) {
    *item.mutable_read_time() = delivery.read_time();
  }
  return absl::OkStatus();
}

// What the recipient sees of an item; how far the rest of its notification came is not theirs.
std::string SeenOf(v1::InboxItem item) {
  item.mutable_notification()->clear_state();
  item.mutable_notification()->clear_delivery_count();
  item.mutable_notification()->clear_update_time();
  return item.SerializeAsString();
}

// Whether these commits are about any notification or delivery: to look at them costs less than to
// read an inbox again.
absl::StatusOr<bool> TouchInboxes(Ledger& ledger, const Tenant& tenant, eventstore::Position first,
                                  eventstore::Position last) {
  LogWalk walk(ledger.log(), tenant.number, first, last, /*backwards=*/false);
  Envelope commit;
  while (true) {
    RETRACE_ASSIGN(const eventstore::StoredCommit* stored, walk.Next());
    if (stored == nullptr) {
      return false;
    }
    RETRACE_RETURN_IF_ERROR(ReadEnvelope(stored->bytes, /*with_events=*/true, commit));
    for (const Envelope::Event& event : commit.events) {
      if (event.kind == static_cast<uint32_t>(KindNumber::kDelivery) ||
          event.kind == static_cast<uint32_t>(KindNumber::kNotification)) {
        return true;
      }
    }
  }
}

}  // namespace

absl::StatusOr<v1::ListMyNotificationsResponse> Inbox::Answer(
    const QueryCall& call, const v1::ListMyNotificationsRequest& request) const {
  RETRACE_ASSIGN(const size_t page_size, PageSizeOf(request.page_size(), kDefaultSize, kMaxSize));
  store::v1::PageToken token;
  token.set_position(call.tenant->visible);
  if (!request.page_token().empty()) {
    RETRACE_ASSIGN(token, OpenPageToken(ledger_, call, request, request.page_token()));
  }
  RETRACE_ASSIGN(Moment moment, MomentAt(ledger_, *call.tenant, token.position()));
  const RowView view(ledger_.rows(), call.tenant->number, moment.position);
  v1::ListMyNotificationsResponse response;
  *response.mutable_answered() = std::move(moment.answered);
  RETRACE_ASSIGN(const int32_t unread, CountUnread(view, call.principal->id));
  response.set_unread_count(unread);
  RETRACE_ASSIGN(const auto hits, Entries(view, call.principal->id, token.value(), kMostRead));
  bool more = hits.size() == kMostRead;
  for (const domain::IndexHit& hit : hits) {
    if (std::tie(hit.value, hit.id) <= std::tie(token.value(), token.id())) {
      continue;
    }
    if (static_cast<size_t>(response.items_size()) == page_size) {
      more = true;
      break;
    }
    token.set_value(hit.value);
    token.set_id(hit.id);
    RETRACE_ASSIGN(const std::optional<Entry> entry, ReadEntry(view, hit.id));
    if (entry.has_value() && (entry->unread() || !request.unread_only())) {
      RETRACE_RETURN_IF_ERROR(
          Show(ledger_, principals_, *call.tenant, view, *entry, *response.add_items()));
    }
  }
  if (more) {
    RETRACE_ASSIGN(*response.mutable_next_page_token(),
                   SealPageToken(ledger_, call, request, token));
  }
  return response;
}

absl::StatusOr<v1::GetMyPreferencesResponse> Inbox::Answer(
    const QueryCall& call, const v1::GetMyPreferencesRequest& /*request*/) const {
  RETRACE_ASSIGN(Moment moment, MomentAt(ledger_, *call.tenant, call.tenant->visible));
  const RowView view(ledger_.rows(), call.tenant->number, moment.position);
  RETRACE_ASSIGN(const std::vector<std::string> recipients,
                 domain::RecipientsOf(call.principal->id, view, call.tenant->id));
  v1::GetMyPreferencesResponse response;
  *response.mutable_answered() = std::move(moment.answered);
  for (const domain::NotificationKind& kind : domain::NotificationKinds()) {
    for (const v1::Channel channel : {v1::EMAIL, v1::INBOX}) {
      v1::Preference& preference = *response.add_preferences();
      preference.set_kind(std::string(kind.name));
      preference.set_channel(channel);
      preference.set_transactional(kind.transactional);
      preference.set_description(std::string(kind.description));
      bool reached = false;
      for (const std::string& recipient : recipients) {
        RETRACE_ASSIGN(const bool may,
                       domain::MayReach(recipient, channel, kind.name, view, call.tenant->id));
        reached = reached || may;
      }
      preference.set_off(!reached);
    }
  }
  return response;
}

absl::StatusOr<store::v1::ResolvedPreferences> Inbox::Resolve(
    const QueryCall& call, const v1::UpdateMyPreferencesRequest& request) const {
  for (const std::string& path : request.update_mask().paths()) {
    if (path != "preferences") {
      return domain::Refusal(v1::INVALID_FIELD, fmt::format("There is no `{}` to change.", path))
          .Field("update_mask", "Must be absent or `preferences`.");
    }
  }
  store::v1::ResolvedPreferences resolved;
  const RowView view(ledger_.rows(), call.tenant->number, call.tenant->visible);
  RETRACE_ASSIGN(
      const std::vector<std::string> recipients,
      domain::NamesOfPerson(domain::PrincipalName(call.principal->id), view, call.tenant->id));
  resolved.mutable_recipients()->Add(recipients.begin(), recipients.end());
  *resolved.mutable_preferences() = request.preferences();
  return resolved;
}

absl::StatusOr<v1::WatchMyNotificationsResponse> Inbox::ChangesSince(
    const QueryCall& call, eventstore::Position told, eventstore::Position visible) const {
  const RowView view(ledger_.rows(), call.tenant->number, visible);
  v1::WatchMyNotificationsResponse message;
  RETRACE_ASSIGN(const int32_t unread, CountUnread(view, call.principal->id));
  message.set_position(static_cast<int64_t>(visible));
  message.set_unread_count(unread);
  message.set_epoch(ShowEpoch(ledger_.log().epoch()));
  if (told == 0) {
    return message;
  }
  const RowView before(ledger_.rows(), call.tenant->number, told);
  const auto show = [&](const RowView& as_of, const Entry& entry, v1::InboxItem& item) {
    return Show(ledger_, principals_, *call.tenant, as_of, entry, item);
  };
  RETRACE_ASSIGN(const auto hits, Entries(view, call.principal->id, "", kMostWatched));
  for (auto hit = hits.rbegin(); hit != hits.rend(); ++hit) {
    RETRACE_ASSIGN(const std::optional<Entry> entry, ReadEntry(view, hit->id));
    if (!entry.has_value() || (entry->delivery->head.update_position() <= told &&
                               entry->notification->head.update_position() <= told)) {
      continue;
    }
    v1::InboxItem item, was;
    RETRACE_RETURN_IF_ERROR(show(view, *entry, item));
    RETRACE_ASSIGN(const std::optional<Entry> then, ReadEntry(before, hit->id));
    if (then.has_value()) {
      RETRACE_RETURN_IF_ERROR(show(before, *then, was));
    }
    if (!then.has_value() || SeenOf(item) != SeenOf(was)) {
      *message.add_items() = std::move(item);
    }
  }
  return message;
}

absl::Status Inbox::Watch(const QueryCall& call, const v1::WatchMyNotificationsRequest& request,
                          StreamWriter& writer) const {
  const Tenant& tenant = *call.tenant;
  RETRACE_ASSIGN(eventstore::Position told,
                 WatchedFrom(ledger_, tenant, request.after_position(), request.epoch()));
  std::optional<int32_t> told_unread;
  while (true) {
    RETRACE_RETURN_IF_ERROR(writer.Alive());
    const uint64_t changes = ledger_.tenants().changes();
    const eventstore::Position visible = tenant.visible;
    bool touched = !told_unread.has_value();
    if (!touched && visible > told) {
      RETRACE_ASSIGN(touched, TouchInboxes(ledger_, tenant, told + 1, visible));
    }
    if (touched) {
      RETRACE_ASSIGN(const v1::WatchMyNotificationsResponse message,
                     ChangesSince(call, told, visible));
      if (message.items_size() > 0 || message.unread_count() != told_unread) {
        RETRACE_RETURN_IF_ERROR(writer.Write(message));
        told_unread = message.unread_count();
      }
    }
    if (visible > told) {
      told = visible;
      absl::SleepFor(kRest);
    }
    ledger_.tenants().WaitForChange(changes, kLook);
  }
}

}  // namespace retrace::server
