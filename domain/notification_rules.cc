#include "domain/notification_rules.h"

#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "domain/announcement.h"
#include "domain/counters.h"
#include "domain/delivery.h"
#include "domain/field_traits.h"
#include "domain/notification.h"
#include "domain/notification_kinds.h"
#include "domain/operation.h"
#include "domain/recipient.h"
#include "domain/resource.h"
#include "domain/server_log.h"
#include "fmt/format.h"
#include "retrace/store/v1/notifications.pb.h"
#include "retrace/store/v1/row.pb.h"
#include "retrace/v1/members.pb.h"

namespace retrace::domain {
namespace {

using store::v1::RowHead;

constexpr std::string_view kWebhooks = "webhooks";
constexpr std::string_view kOperationEnded = "operations.ended";
constexpr std::string_view kPurged = "customers.purged";
constexpr int64_t kPurgeWindowUs = 3600LL * 1'000'000;

// A change of lifecycle that is told.
struct Rule {
  KindNumber kind;
  RowHead::Lifecycle from;
  RowHead::Lifecycle to;
  std::string_view tells;  // a kind of notification
};
constexpr std::array kRules = {
    Rule{KindNumber::kCustomer, RowHead::LIVE, RowHead::BINNED, "customers.deleted"},
    Rule{KindNumber::kCustomer, RowHead::BINNED, RowHead::LIVE, "customers.restored"},
    Rule{KindNumber::kCustomer, RowHead::LIVE, RowHead::MERGED, "customers.merged"},
    Rule{KindNumber::kCustomer, RowHead::MERGED, RowHead::LIVE, "customers.unmerged"},
    Rule{KindNumber::kCustomer, RowHead::BINNED, RowHead::PURGED, "customers.purged"},
    Rule{KindNumber::kCustomer, RowHead::MERGED, RowHead::PURGED, "customers.purged"},
};

const Rule* RuleFor(const EntityRef& entity, const Draft::Touched& touched) {
  if (touched.before == nullptr ||
      touched.before->head.lifecycle() == touched.after->head.lifecycle()) {
    return nullptr;
  }
  for (const Rule& rule : kRules) {
    if (rule.kind == entity.kind && rule.from == touched.before->head.lifecycle() &&
        rule.to == touched.after->head.lifecycle()) {
      return &rule;
    }
  }
  return nullptr;
}

// The member that a row names as its owner; empty: none.
std::string OwnerOf(const Row* row) {
  if (row == nullptr || row->resource == nullptr) {
    return {};
  }
  const auto* field = row->resource->GetDescriptor()->FindFieldByName("owner");
  return field == nullptr ? std::string()
                          : row->resource->GetReflection()->GetString(*row->resource, field);
}

// What one recipient hears of one change of state.
struct Told {
  std::vector<v1::NotifiedEntity> entities;
  int64_t count = 0;
  std::string about, message;  // see Notice
};
// What it is that happens to whom.
struct Telling {
  std::string kind;  // of notification
  std::string recipient;
  // The change set whose effect is reversed; 0: none.
  Position reverses = 0;
  auto operator<=>(const Telling&) const = default;
};
using AllTold = std::map<Telling, Told>;

// The change set that a change of state reverses: what a restore takes out of the bin names it, as
// does an undo.
Position ReversedBy(const Rule& rule, const Draft::Touched& touched, const Draft& draft) {
  if (rule.from == RowHead::BINNED && rule.to == RowHead::LIVE) {
    return touched.before->head.deletion().change_set();
  }
  return rule.from == RowHead::MERGED && rule.to == RowHead::LIVE
             ? touched.before->head.change_set()
             : draft.undoes();
}

absl::StatusOr<bool> HasWebhooks(const View& view) {
  RETRACE_ASSIGN(const RowPtr row, view.Get({KindNumber::kCounters, ""}));
  if (row == nullptr) {
    return false;
  }
  const auto& counters = row->As<store::v1::Counters>().counters();
  return std::any_of(counters.begin(), counters.end(), [](const store::v1::Counter& counter) {
    return counter.kind() == static_cast<uint32_t>(KindNumber::kWebhook) &&
           counter.state() == "ACTIVE" && counter.count() > 0;
  });
}

absl::StatusOr<AllTold> ChangesToTell(const Draft& draft) {
  AllTold all;
  std::optional<bool> webhooks;
  for (const auto& [entity, touched] : draft.touched()) {
    const Rule* rule = RuleFor(entity, touched);
    if (rule == nullptr) {
      continue;
    }
    if (!webhooks.has_value()) {
      RETRACE_ASSIGN(webhooks, HasWebhooks(draft.base()));
    }
    std::set<std::string> recipients = {OwnerOf(touched.before.get())};
    const Position reverses = ReversedBy(*rule, touched, draft);
    if (reverses != 0) {
      // Those who were told then.
      RETRACE_ASSIGN(const RowPtr then, draft.base().GetAt(entity, reverses));
      recipients.insert(OwnerOf(then.get()));
    }
    recipients.erase("");
    if (*webhooks) {
      recipients.emplace(kWebhooks);
    }
    v1::NotifiedEntity shown;
    shown.set_name(NameOf(draft.header().tenant, entity));
    shown.set_revision(static_cast<int64_t>(touched.after->head.revision()));
    for (const std::string& recipient : recipients) {
      Told& told = all[{std::string(rule->tells), recipient, reverses}];
      ++told.count;
      told.entities.push_back(shown);
    }
  }
  return all;
}

// How a recipient can be reached in the app, and whether anything else may reach them.
struct Reach {
  std::string principal;  // whose inbox; empty: none
  bool others = false;    // by e-mail, or as a webhook
  bool any() const { return others || !principal.empty(); }
};

absl::StatusOr<Reach> ReachOf(const std::string& recipient, std::string_view kind,
                              const Draft& draft) {
  const CommitHeader& header = draft.header();
  Reach reach;
  if (recipient == kWebhooks) {
    reach.others = true;
    return reach;
  }
  const std::string_view principal = PrincipalOf(recipient);
  const bool own = kind == kOperationEnded;
  if (!principal.empty()) {
    reach.principal = std::string(principal);
    reach.others = true;  // the token file may know an address
  } else {
    RETRACE_ASSIGN(const RowPtr row, MemberOf(recipient, draft, header.tenant));
    if (row == nullptr) {
      return reach;
    }
    const auto& member = row->As<v1::Member>();
    // Nobody is told what they did themselves.
    if (!own && !member.principal().empty() &&
        (member.principal() == header.actor || member.principal() == header.on_behalf_of)) {
      return reach;
    }
    reach.principal = member.principal();
    reach.others = !member.email().empty();
  }
  if (!reach.principal.empty()) {
    RETRACE_ASSIGN(const bool inbox, MayReach(recipient, v1::INBOX, kind, draft, header.tenant));
    if (!inbox) reach.principal.clear();
  }
  if (reach.others) {
    RETRACE_ASSIGN(reach.others, MayReach(recipient, v1::EMAIL, kind, draft, header.tenant));
  }
  return reach;
}

// Asks for the notification and puts it into the recipient's inbox at once.
absl::Status Ask(std::string_view kind, const std::string& recipient, const Told& told,
                 const std::string& corrects, Draft& draft, const Context& context) {
  RETRACE_ASSIGN(const Reach reach, ReachOf(recipient, kind, draft));
  if (!reach.any()) {
    return absl::OkStatus();
  }
  Notice notice;
  notice.kind = std::string(kind);
  notice.key = recipient;
  notice.about = told.about;
  notice.message = told.message;
  notice.entities = told.entities;
  notice.count = told.count;
  notice.corrects = corrects;
  if (recipient == kWebhooks) {
    notice.audience.set_webhooks(true);
  } else {
    notice.audience.add_recipients(recipient);
  }
  // What expires goes in many commits of the server's own: who is told of that is told at once.
  if (kind == kPurged && context.header.actor == kServerActor) {
    notice.window_us = kPurgeWindowUs;
  }
  notice.addressed = !reach.others;
  RETRACE_RETURN_IF_ERROR(Notify(notice, draft, context));
  if (reach.principal.empty()) {
    return absl::OkStatus();
  }
  store::v1::Recipient inbox;
  inbox.set_name(recipient);
  inbox.set_channel(v1::INBOX);
  inbox.set_principal(reach.principal);
  return EmitDelivery(RefOf(notice, draft), kind, inbox, 0, draft).status();
}

// What the recipient heard of the reverse in the change set; null when nothing, or when all of it
// was taken back before.
absl::StatusOr<std::optional<Found>> Heard(Position change_set, std::string_view kind,
                                           const std::string& recipient, const Draft& draft) {
  const NotificationKind* known = FindNotificationKind(kind);
  if (known == nullptr || known->opposite.empty() || change_set == 0) {
    return std::nullopt;
  }
  Found found{NotificationRef(change_set, known->opposite, recipient), nullptr};
  RETRACE_ASSIGN(found.row, draft.Get(found.entity));
  if (found.row == nullptr || !Stands(found.row->As<v1::Notification>())) {
    return std::nullopt;
  }
  return found;
}

// Somebody who heard that it happened and may have read it.
absl::StatusOr<bool> HasLeft(const Found& heard, const std::string& recipient, const Draft& draft) {
  if (heard.row->As<v1::Notification>().left()) {
    return true;
  }
  RETRACE_ASSIGN(const RowPtr inbox, draft.Get(DeliveryRef(heard.entity.id, v1::INBOX, recipient)));
  return inbox != nullptr && inbox->As<v1::Delivery>().has_read_time();
}

absl::Status TakeBack(const Found& heard, const Told& told, Draft& draft) {
  auto event = std::make_shared<store::v1::NotificationExtended>();
  const auto& notification = heard.row->As<v1::Notification>();
  event->set_taken_back_count(
      std::min(told.count, notification.count() - notification.taken_back_count()));
  std::set<std::string> shown;
  for (const v1::NotifiedEntity& entity : notification.entities()) {
    shown.insert(entity.name());
  }
  for (const v1::NotifiedEntity& entity : told.entities) {
    if (shown.contains(entity.name())) event->add_taken_back(entity.name());
  }
  return draft.Emit(heard.entity, std::move(event));
}

// The reverse of something that the recipient heard, or was about to hear.
absl::Status TellReverse(const Found& heard, std::string_view kind, const std::string& recipient,
                         const Told& told, Draft& draft, const Context& context) {
  RETRACE_ASSIGN(const bool left, HasLeft(heard, recipient, draft));
  RETRACE_RETURN_IF_ERROR(TakeBack(heard, told, draft));
  if (!left) {
    return absl::OkStatus();
  }
  return Ask(kind, recipient, told, NameOf(draft.header().tenant, heard.entity), draft, context);
}

bool HasEnded(const store::v1::OperationRow& row) {
  using v1::OperationMetadata;
  switch (row.state()) {
    case OperationMetadata::SUCCEEDED:
    case OperationMetadata::STOPPED:
    case OperationMetadata::CANCELLED:
    case OperationMetadata::FAILED:
      return true;
    default:
      return false;
  }
}

// What it was and how it ended, in the API's words, which are the same in every language.
std::string EndOf(const store::v1::OperationRow& row) {
  std::string method = row.task().method();
  if (const size_t package = method.find("v1."); package != std::string::npos) {
    method.erase(0, package + 3);
  }
  return fmt::format("{}: {} ({} OK, {} REFUSED, {} DRIFTED, {} SKIPPED)", method,
                     v1::OperationMetadata::State_Name(row.state()), row.ok(), row.refused(),
                     row.drifted(), row.skipped());
}

// The operations that the commit ends, told to whoever started them.
absl::Status TellEndedOperations(Draft& draft, const Context& context) {
  std::vector<std::pair<Told, std::string>> ended;
  for (const auto& [entity, touched] : draft.touched()) {
    if (entity.kind != KindNumber::kOperation || touched.before == nullptr) {
      continue;
    }
    const auto& after = touched.after->As<store::v1::OperationRow>();
    if (!HasEnded(touched.before->As<store::v1::OperationRow>()) && HasEnded(after) &&
        !after.task().plan_only() && !after.actor().empty()) {
      Told told;
      told.about = NameOf(draft.header().tenant, entity);
      told.message = EndOf(after);
      ended.emplace_back(std::move(told), after.actor());
    }
  }
  for (const auto& [told, actor] : ended) {
    RETRACE_ASSIGN(const auto asker, RecipientsOf(actor, draft, draft.header().tenant));
    RETRACE_RETURN_IF_ERROR(
        Ask(kOperationEnded, asker.front(), told, /*corrects=*/"", draft, context));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status AddNotifications(Draft& draft, const Context& context) {
  RETRACE_RETURN_IF_ERROR(NoteUndone(draft, context));
  RETRACE_ASSIGN(const AllTold all, ChangesToTell(draft));
  for (const auto& [what, told] : all) {
    const auto& [kind, recipient, reverses] = what;
    std::optional<Found> heard;
    for (const Position change_set : {reverses, draft.header().change_set}) {
      if (!heard.has_value()) {
        RETRACE_ASSIGN(heard, Heard(change_set, kind, recipient, draft));
      }
    }
    RETRACE_RETURN_IF_ERROR(heard.has_value()
                                ? TellReverse(*heard, kind, recipient, told, draft, context)
                                : Ask(kind, recipient, told, /*corrects=*/"", draft, context));
  }
  return TellEndedOperations(draft, context);
}

absl::Status ForeseeCorrections(Draft& draft, const Context& /*context*/) {
  RETRACE_ASSIGN(const AllTold all, ChangesToTell(draft));
  for (const auto& [what, told] : all) {
    const auto& [kind, recipient, reverses] = what;
    RETRACE_ASSIGN(const std::optional<Found> heard, Heard(reverses, kind, recipient, draft));
    if (!heard.has_value()) {
      continue;
    }
    RETRACE_ASSIGN(const bool left, HasLeft(*heard, recipient, draft));
    if (left) {
      draft.Lose(heard->entity,
                 fmt::format("{} was told already; a correction follows.",
                             recipient == kWebhooks ? "Who listens to webhooks"
                                                    : fmt::format("`{}`", recipient)));
    }
  }
  return absl::OkStatus();
}

}  // namespace retrace::domain
