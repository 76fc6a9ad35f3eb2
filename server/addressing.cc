#include "server/addressing.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "domain/commands.h"
#include "domain/delivery.h"
#include "domain/follower.h"
#include "domain/index_values.h"
#include "domain/notification.h"
#include "domain/policy.h"
#include "domain/recipient.h"
#include "domain/refusal.h"
#include "domain/resource.h"
#include "domain/status_macros.h"
#include "domain/text_excerpt.h"
#include "domain/webhook.h"
#include "fmt/format.h"
#include "retrace/store/v1/entities.pb.h"
#include "retrace/v1/history.pb.h"
#include "retrace/v1/members.pb.h"
#include "retrace/v1/tenants.pb.h"
#include "server/list_declarations.h"
#include "server/lists.h"
#include "server/numbers.h"
#include "server/submit.h"
#include "server/system_log.h"

namespace retrace::server {
namespace {

using domain::EntityRef;
using domain::KindNumber;
using domain::RowPtr;
using eventstore::Position;
using store::v1::Recipient;

constexpr int kPage = 1000;
// Deliveries that one commit makes.
constexpr int kMostTogether = 100;
// Keys of a delivery.
constexpr size_t kKeys = 4;
// Notifications of one change set that are looked for at once.
constexpr size_t kMostGathering = 100'000;
// Those that were not addressed, of all change sets.
constexpr size_t kMostUnaddressed = 1'000'000;

uint32_t NumberOf(KindNumber kind) { return static_cast<uint32_t>(kind); }

// Recipients, each once by each way.
class Recipients {
 public:
  Recipients(std::string tenant, bool mail) : tenant_(std::move(tenant)), mail_(mail) {}

  void AddMember(const std::string& name, const v1::Member& member) {
    if (mail_ && !member.email().empty()) {
      Add(name, v1::EMAIL, "");
    }
    if (!member.principal().empty()) {
      Add(name, v1::INBOX, member.principal());
      members_.insert(member.principal());
    }
  }

  // After the members: who is one of them is told as that.
  void AddPrincipal(const Principal& principal) {
    if (members_.contains(principal.id)) {
      return;
    }
    const std::string name = domain::PrincipalName(principal.id);
    Add(name, v1::INBOX, principal.id);
    if (mail_ && !principal.email.empty()) {
      Add(name, v1::EMAIL, "");
    }
  }

  void AddWebhook(const std::string& name) { Add(name, v1::WEBHOOK, ""); }

  std::vector<Recipient> Take() && { return std::move(recipients_); }

 private:
  void Add(const std::string& name, v1::Channel channel, const std::string& principal) {
    if (!seen_.emplace(name, channel).second) {
      return;
    }
    Recipient& recipient = recipients_.emplace_back();
    recipient.set_name(name);
    recipient.set_channel(channel);
    recipient.set_principal(principal);
  }

  const std::string tenant_;
  const bool mail_;
  std::set<std::pair<std::string, v1::Channel>> seen_;
  std::set<std::string> members_;  // principals of members that are told
  std::vector<Recipient> recipients_;
};

// Adds the members that match a filter.
absl::Status AddMembers(Ledger& ledger, Tenant& tenant, std::string_view filter, Position as_of,
                        Recipients& recipients) {
  QueryCall call;
  call.principal = ServerItself();
  call.tenant = &tenant;
  const v1::AsOf now;
  v1::ListMembersRequest request;
  request.set_parent(fmt::format("tenants/{}", tenant.id));
  const ListQuestion question{
      .request = request, .page_size = kPage, .filter = filter, .as_of = now};
  const RowView view(ledger.rows(), tenant.number, as_of);
  std::optional<store::v1::PageToken> resume;
  do {
    v1::ListMembersResponse page;
    RETRACE_ASSIGN(resume,
                   ReadListPage(call, {.max_size = kPage}, *ListOf(KindNumber::kMember), question,
                                view, std::move(resume), [&page] { return page.add_members(); }));
    for (const v1::Member& member : page.members()) {
      recipients.AddMember(member.name(), member);
    }
  } while (resume.has_value());
  return absl::OkStatus();
}

absl::Status AddMember(const std::string& name, const domain::View& view, const std::string& tenant,
                       Recipients& recipients) {
  RETRACE_ASSIGN(const RowPtr row, domain::MemberOf(name, view, tenant));
  if (row != nullptr) {
    recipients.AddMember(name, row->As<v1::Member>());
  }
  return absl::OkStatus();
}

// Members and webhooks that are named one by one.
absl::Status AddNamed(const Tenant& tenant, const v1::Audience& audience, const std::string& kind,
                      const domain::View& view, Recipients& recipients) {
  for (const std::string& name : audience.recipients()) {
    RETRACE_RETURN_IF_ERROR(AddMember(name, view, tenant.id, recipients));
    const EntityRef webhook{KindNumber::kWebhook, domain::IdOfName(name)};
    if (domain::NameOf(tenant.id, webhook) == name) {
      RETRACE_ASSIGN(const RowPtr row, view.Get(webhook));
      if (row != nullptr && domain::Takes(*row, kind)) recipients.AddWebhook(name);
    }
  }
  return absl::OkStatus();
}

// Somebody who was told, or may have been, whatever became of it when it was sent once more.
bool WasTold(const v1::Delivery& delivery) {
  return delivery.channel() == v1::INBOX ? delivery.has_read_time()
                                         : delivery.has_send_time() || delivery.may_have_arrived();
}

}  // namespace

bool Addressing::Wants(const Envelope::Event& event) {
  if (event.kind == NumberOf(KindNumber::kNotification)) {
    return event.type == store::v1::NotificationRequested::descriptor()->name() ||
           event.type == store::v1::NotificationDue::descriptor()->name();
  }
  if (event.kind == NumberOf(KindNumber::kChangeSet)) {
    return event.type == store::v1::ChangeSetEnded::descriptor()->name();
  }
  return event.kind == NumberOf(KindNumber::kFollower) &&
         event.type == store::v1::HeldDeliveriesResolved::descriptor()->name();
}

absl::StatusOr<bool> Addressing::Handle(Tenant& tenant, const Envelope& commit,
                                        const Envelope::Event& event) const {
  if (event.kind == NumberOf(KindNumber::kChangeSet)) {
    const std::optional<uint64_t> number = ReadNumber<uint64_t>(event.id);
    return number.has_value() ? AddressClosed(tenant, *number) : absl::StatusOr<bool>(false);
  }
  if (event.kind == NumberOf(KindNumber::kFollower)) {
    return AddressResolved(tenant);
  }
  const auto together = std::count_if(commit.events.begin(), commit.events.end(),
                                      [&event](const Envelope::Event& one) {
                                        return one.kind == event.kind && one.type == event.type;
                                      });
  return Address(tenant, std::string(event.id), static_cast<size_t>(together));
}

absl::StatusOr<bool> Addressing::AddressClosed(Tenant& tenant, Position change_set) const {
  const RowView view(parts_.ledger->rows(), tenant.number, tenant.visible);
  const auto number = static_cast<int64_t>(change_set);
  RETRACE_ASSIGN(const auto hits,
                 view.Find({KindNumber::kNotification, domain::kGatheringIndex,
                            domain::EncodeNumber(number), domain::EncodeNumber(number + 1)},
                           kMostGathering));
  // What is left to be addressed later is held as the whole is.
  RETRACE_ASSIGN(const v1::Policy policy, domain::PolicyOf(view));
  const auto above = static_cast<size_t>(policy.hold_notifications_above());
  const size_t least_left = hits.size() > above ? above + 1 : 1;
  size_t made = 0;
  RETRACE_RETURN_IF_ERROR(AddressEach(tenant, hits, hits.size(), least_left, made));
  return made > 0;
}

// What was held and may leave now.
absl::StatusOr<bool> Addressing::AddressResolved(Tenant& tenant) const {
  size_t made = 0;
  for (const std::string state : {"GATHERING", "READY"}) {
    const RowView view(parts_.ledger->rows(), tenant.number, tenant.visible);
    RETRACE_ASSIGN(
        const auto hits,
        view.Find({KindNumber::kNotification, domain::kNotificationStateIndex, state, state + '\0'},
                  kMostUnaddressed));
    RETRACE_RETURN_IF_ERROR(AddressEach(tenant, hits, /*together=*/1, /*least_left=*/1, made));
  }
  return made > 0;
}

absl::Status Addressing::AddressEach(Tenant& tenant, const std::vector<domain::IndexHit>& hits,
                                     size_t together, size_t least_left, size_t& made) const {
  for (size_t i = 0; i < hits.size(); ++i) {
    if (made >= parts_.most_at_once && hits.size() - i >= least_left) {
      return absl::UnavailableError(
          fmt::format("{} notifications were addressed; there are more", made));
    }
    RETRACE_ASSIGN(const bool one, Address(tenant, hits[i].id, together));
    made += one ? 1 : 0;
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> Addressing::Address(Tenant& tenant, const std::string& id,
                                         size_t together) const {
  const RowView view(parts_.ledger->rows(), tenant.number, tenant.visible);
  RETRACE_ASSIGN(const RowPtr row, view.Get({KindNumber::kNotification, id}));
  if (row == nullptr) {
    return absl::DataLossError(fmt::format("Notification {} is missing.", id));
  }
  const auto& notification = row->As<v1::Notification>();
  // One that was addressed is not addressed again when it is met a second time: who can be reached
  // by now could not be then.
  const bool rests = notification.state() == v1::Notification::WAITING ||
                     notification.state() == v1::Notification::TAKEN_BACK ||
                     notification.state() == v1::Notification::ADDRESSED;
  RETRACE_ASSIGN(const RowPtr follower,
                 view.Get(domain::FollowerRef(domain::kNotificationFollower)));
  const auto bound = follower == nullptr
                         ? 0
                         : std::max(follower->As<v1::Follower>().held_position(),
                                    follower->As<v1::Follower>().skipped_position());
  if (rests || !domain::Stands(notification) || notification.position() <= bound) {
    return false;
  }
  if (notification.state() == v1::Notification::GATHERING) {
    RETRACE_ASSIGN(const RowPtr open,
                   view.Get({KindNumber::kChangeSet, fmt::format("{}", notification.gathers())}));
    if (open != nullptr && open->As<v1::ChangeSet>().state() == v1::ChangeSet::OPEN) {
      return false;
    }
  }
  RETRACE_ASSIGN(const std::vector<Recipient> missing, Missing(tenant, id, notification, view));
  RETRACE_ASSIGN(const v1::Policy policy, domain::PolicyOf(view));
  std::set<std::string> people;
  for (const Recipient& recipient : missing) {
    people.insert(recipient.name());
  }
  const bool hold =
      static_cast<int64_t>(std::max(together, people.size())) > policy.hold_notifications_above();
  // Also when there is nobody: then it is done with, and nobody who comes later is told of it.
  size_t i = 0;
  do {
    store::v1::AddressNotification command;
    command.set_notification(id);
    const size_t end = std::min(missing.size(), i + kMostTogether);
    for (size_t j = i; j < end; ++j) {
      *command.add_recipients() = missing[j];
    }
    command.set_more(end < missing.size());
    command.set_hold(hold);
    RETRACE_RETURN_IF_ERROR(Send(tenant, command));
    i = end;
  } while (i < missing.size());
  return true;
}

absl::StatusOr<std::vector<Recipient>> Addressing::Missing(Tenant& tenant, const std::string& id,
                                                           const v1::Notification& notification,
                                                           const RowView& view) const {
  RETRACE_ASSIGN(const std::vector<Recipient> all,
                 Resolve(tenant, notification.audience(), notification.kind(),
                         static_cast<Position>(notification.position())));
  const std::string corrected = domain::IdOfName(notification.corrects());
  std::map<std::string, bool> told;
  std::vector<Recipient> missing;
  for (const Recipient& recipient : all) {
    RETRACE_ASSIGN(const RowPtr known,
                   view.Get(domain::DeliveryRef(id, recipient.channel(), recipient.name())));
    RETRACE_ASSIGN(const bool wanted, domain::MayReach(recipient.name(), recipient.channel(),
                                                       notification.kind(), view, tenant.id));
    if (!corrected.empty()) {
      RETRACE_ASSIGN(const RowPtr before, view.Get(domain::DeliveryRef(
                                              corrected, recipient.channel(), recipient.name())));
      told[recipient.name()] |= before != nullptr && WasTold(before->As<v1::Delivery>());
    }
    if (known == nullptr && wanted) {
      missing.push_back(recipient);
    }
  }
  if (!corrected.empty()) {
    std::erase_if(missing, [&told](const Recipient& one) { return !told[one.name()]; });
  }
  return missing;
}

absl::StatusOr<std::vector<Recipient>> Addressing::Resolve(Tenant& tenant,
                                                           const v1::Audience& audience,
                                                           const std::string& kind,
                                                           Position as_of) const {
  const RowView view(parts_.ledger->rows(), tenant.number, tenant.visible);
  const std::vector<PrincipalPtr> principals = parts_.principals->Entering(tenant.id);
  Recipients recipients(tenant.id, parts_.mail);
  if (!audience.member_filter().empty()) {
    RETRACE_RETURN_IF_ERROR(
        AddMembers(*parts_.ledger, tenant, audience.member_filter(), as_of, recipients));
  }
  for (const std::string& team : audience.teams()) {
    const std::string filter = fmt::format("team = {}", domain::Quoted(team));
    RETRACE_RETURN_IF_ERROR(AddMembers(*parts_.ledger, tenant, filter, as_of, recipients));
  }
  RETRACE_RETURN_IF_ERROR(AddNamed(tenant, audience, kind, view, recipients));
  std::set<std::string> named;
  for (const std::string& name : audience.recipients()) {
    named.emplace(domain::PrincipalOf(name));
  }
  for (const PrincipalPtr& principal : principals) {
    const bool by_role = std::any_of(
        audience.roles().begin(), audience.roles().end(),
        [&principal](const std::string& role) { return principal->roles.contains(role); });
    const bool by_permission =
        !audience.permission().empty() && principal->Has(audience.permission());
    if (!by_role && !by_permission && !named.contains(principal->id)) {
      continue;
    }
    RETRACE_ASSIGN(const auto as, domain::RecipientsOf(principal->id, view, tenant.id));
    RETRACE_RETURN_IF_ERROR(AddMember(as.front(), view, tenant.id, recipients));
    recipients.AddPrincipal(*principal);
  }
  if (audience.webhooks()) {
    RETRACE_ASSIGN(const auto hits, view.Find({KindNumber::kWebhook, domain::kWebhookStateIndex,
                                               "ACTIVE", std::string("ACTIVE\0", 7)},
                                              kPage));
    for (const domain::IndexHit& hit : hits) {
      const EntityRef entity{KindNumber::kWebhook, hit.id};
      RETRACE_ASSIGN(const RowPtr row, view.Get(entity));
      if (row != nullptr && domain::Takes(*row, kind)) {
        recipients.AddWebhook(domain::NameOf(tenant.id, entity));
      }
    }
  }
  return std::move(recipients).Take();
}

absl::Status Addressing::Send(Tenant& tenant, const store::v1::AddressNotification& request) const {
  Command command;
  command.tenant = &tenant;
  command.principal = ServerItself();
  command.method = "retraced.AddressNotification";
  command.cost = kKeys * static_cast<size_t>(request.recipients_size() + 1);
  command.decide = [&request](domain::Draft& draft, const domain::Context& context) {
    return domain::Decide(request, draft, context);
  };
  return SubmitAndAwait(*parts_.sequencer, std::move(command)).status;
}

}  // namespace retrace::server
