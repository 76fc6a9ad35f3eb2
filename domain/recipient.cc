#include "domain/recipient.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

#include "domain/commands.h"
#include "domain/decider.h"
#include "domain/member.h"
#include "domain/notification.h"
#include "domain/notification_kinds.h"
#include "domain/resource.h"
#include "domain/stable_id.h"
#include "fmt/format.h"
#include "google/protobuf/util/time_util.h"
#include "retrace/store/v1/notifications.pb.h"
#include "retrace/v1/members.pb.h"

namespace retrace::domain {
namespace {

using google::protobuf::Message;
using google::protobuf::util::TimeUtil;
using v1::ContactPoint;

constexpr std::string_view kPrincipals = "principals/";
// Members that sign in as one principal, of whom the first in use is told.
constexpr size_t kMostMembers = 100;
constexpr uint8_t kRecipientIndex = 1;
constexpr uint8_t kChannelIndex = 2;

void ApplyContactPoint(const Message& event, const CommitHeader& /*header*/, Row& row) {
  const auto& chosen = static_cast<const store::v1::ContactPointChosen&>(event);
  auto point = row.resource == nullptr ? std::make_shared<ContactPoint>()
                                       : std::make_shared<ContactPoint>(row.As<ContactPoint>());
  if (!chosen.recipient().empty()) {
    point->set_recipient(chosen.recipient());
    point->set_channel(chosen.channel());
  }
  for (const ContactPoint::Choice& choice : chosen.choices()) {
    auto* choices = point->mutable_choices();
    const auto known = std::find_if(choices->begin(), choices->end(), [&choice](const auto& one) {
      return one.kind() == choice.kind();
    });
    (known == choices->end() ? *point->add_choices() : *known) = choice;
  }
  if (chosen.has_suppressed()) {
    point->set_suppressed(chosen.suppressed());
    *point->mutable_suppression() = chosen.suppression();
    point->set_refused_position(static_cast<int64_t>(chosen.refused_position()));
  }
  row.resource = std::move(point);
}

std::string SubjectOfContactPoint(const EntityRef& entity, const Row& /*row*/) {
  return fmt::format("contactPoints/{}", entity.id);
}

v1::ChoiceEvidence EvidenceOf(std::string_view source, const Context& context) {
  v1::ChoiceEvidence evidence;
  evidence.set_source(std::string(source));
  *evidence.mutable_time() = TimeUtil::MicrosecondsToTimestamp(context.header.time_us);
  evidence.set_actor(context.header.actor);
  evidence.set_reason(context.header.reason);
  return evidence;
}

bool IsOff(const Row* row, std::string_view kind) {
  if (row == nullptr) {
    return false;
  }
  const auto& choices = row->As<ContactPoint>().choices();
  return std::any_of(choices.begin(), choices.end(), [kind](const ContactPoint::Choice& choice) {
    return choice.kind() == kind && choice.off();
  });
}

// Whether anything was chosen there for the kind.
bool IsSaid(const Row& row, std::string_view kind) {
  const auto& choices = row.As<ContactPoint>().choices();
  return std::any_of(choices.begin(), choices.end(),
                     [kind](const ContactPoint::Choice& choice) { return choice.kind() == kind; });
}

// The row of the member that a recipient's name names, in use or not; null when it names none, or
// one that nobody created.
absl::StatusOr<RowPtr> MemberRowOf(std::string_view recipient, const View& view,
                                   std::string_view tenant) {
  const std::string prefix = fmt::format("tenants/{}/members/", tenant);
  if (recipient.substr(0, prefix.size()) != prefix) {
    return RowPtr();
  }
  return view.Get({KindNumber::kMember, std::string(recipient.substr(prefix.size()))});
}

// The members that sign in as the principal, in use or not.
absl::StatusOr<std::vector<std::string>> MembersOf(const std::string& principal, const View& view,
                                                   std::string_view tenant) {
  RETRACE_ASSIGN(const auto hits, view.Find({KindNumber::kMember, kMemberPrincipalIndex, principal,
                                             principal + '\0'},
                                            kMostMembers));
  std::vector<std::string> names;
  for (const IndexHit& hit : hits) {
    names.push_back(NameOf(tenant, {KindNumber::kMember, hit.id}));
  }
  return names;
}

// True while the suppression is in force: one by a mail server is about the address that the member
// had then.
absl::StatusOr<bool> IsInForce(const ContactPoint& point, const View& view,
                               std::string_view tenant) {
  if (!point.suppressed() || point.refused_position() == 0) {
    return point.suppressed();
  }
  RETRACE_ASSIGN(const RowPtr member, MemberOf(point.recipient(), view, tenant));
  if (member == nullptr) {
    return true;
  }
  const EntityRef entity{KindNumber::kMember, IdOfName(point.recipient())};
  RETRACE_ASSIGN(const RowPtr then,
                 view.GetAt(entity, static_cast<Position>(point.refused_position())));
  return then == nullptr || then->As<v1::Member>().email() == member->As<v1::Member>().email();
}

// Checks that a kind can be switched off.
absl::Status CheckOptional(std::string_view name, std::string_view field) {
  const NotificationKind* kind = FindNotificationKind(name);
  if (kind == nullptr) {
    return Refusal(v1::INVALID_FIELD, fmt::format("There is no kind of notification `{}`.", name))
        .Field(field, "Give a kind that GetMyPreferences lists.");
  }
  if (kind->transactional) {
    return Refusal(v1::INVALID_FIELD, fmt::format("`{}` is sent in any case.", name))
        .Field(field, "Only optional kinds can be switched off.");
  }
  return absl::OkStatus();
}

// Emits the choice unless it is what holds already. That something is off is written down also
// where it is off because of another contact point: people cease to be one another.
absl::Status Choose(std::string_view recipient, v1::Channel channel, std::string_view kind,
                    bool off, v1::ChoiceEvidence evidence, Draft& draft) {
  const std::string& tenant = draft.header().tenant;
  RETRACE_ASSIGN(const bool known, IsKnown(recipient, draft, tenant));
  if (!known) {
    return absl::OkStatus();  // nobody is told anything there
  }
  const EntityRef entity = ContactPointRef(channel, recipient);
  RETRACE_ASSIGN(const RowPtr row, draft.Get(entity));
  draft.Target(entity);
  RETRACE_ASSIGN(const bool off_now, IsSwitchedOff(recipient, channel, kind, draft, tenant));
  const bool said = row != nullptr && IsSaid(*row, kind);
  if (off_now == off && (said || !off)) {
    return absl::OkStatus();
  }
  auto event = std::make_shared<store::v1::ContactPointChosen>();
  event->set_recipient(std::string(recipient));
  event->set_channel(channel);
  auto& choice = *event->add_choices();
  choice.set_kind(std::string(kind));
  choice.set_off(off);
  *choice.mutable_evidence() = std::move(evidence);
  return draft.Emit(entity, std::move(event));
}

}  // namespace

std::string PrincipalName(std::string_view principal) {
  return fmt::format("{}{}", kPrincipals, principal);
}

std::string_view PrincipalOf(std::string_view recipient) {
  return recipient.substr(0, kPrincipals.size()) == kPrincipals
             ? recipient.substr(kPrincipals.size())
             : std::string_view();
}

absl::StatusOr<RowPtr> MemberOf(std::string_view recipient, const View& view,
                                std::string_view tenant) {
  RETRACE_ASSIGN(RowPtr row, MemberRowOf(recipient, view, tenant));
  return row != nullptr && row->live() && row->As<v1::Member>().state() == v1::Member::ACTIVE
             ? row
             : RowPtr();
}

absl::StatusOr<std::vector<std::string>> RecipientsOf(std::string_view principal, const View& view,
                                                      std::string_view tenant) {
  RETRACE_ASSIGN(const auto members, MembersOf(std::string(principal), view, tenant));
  std::vector<std::string> told;
  for (const std::string& name : members) {
    RETRACE_ASSIGN(const RowPtr member, MemberOf(name, view, tenant));
    if (member != nullptr) {
      told.push_back(name);
    }
  }
  if (told.empty()) {
    told.push_back(PrincipalName(principal));
  }
  return told;
}

absl::StatusOr<std::vector<std::string>> NamesOfPerson(std::string_view recipient, const View& view,
                                                       std::string_view tenant) {
  std::vector<std::string> names = {std::string(recipient)};
  std::string principal(PrincipalOf(recipient));
  if (principal.empty()) {
    RETRACE_ASSIGN(const RowPtr member, MemberRowOf(recipient, view, tenant));
    if (member == nullptr || member->purged() || member->As<v1::Member>().principal().empty()) {
      return names;
    }
    principal = member->As<v1::Member>().principal();
    names.push_back(PrincipalName(principal));
  }
  RETRACE_ASSIGN(const auto members, MembersOf(principal, view, tenant));
  std::copy_if(members.begin(), members.end(), std::back_inserter(names),
               [recipient](const std::string& name) { return name != recipient; });
  return names;
}

absl::StatusOr<bool> IsKnown(std::string_view recipient, const View& view,
                             std::string_view tenant) {
  if (!PrincipalOf(recipient).empty()) {
    return true;
  }
  RETRACE_ASSIGN(const RowPtr member, MemberRowOf(recipient, view, tenant));
  return member != nullptr && !member->purged();
}

absl::StatusOr<bool> IsSuppressed(std::string_view recipient, v1::Channel channel, const View& view,
                                  std::string_view tenant) {
  RETRACE_ASSIGN(const RowPtr row, view.Get(ContactPointRef(channel, recipient)));
  return row != nullptr && !row->purged() ? IsInForce(row->As<ContactPoint>(), view, tenant)
                                          : absl::StatusOr<bool>(false);
}

absl::StatusOr<bool> MayReach(std::string_view recipient, v1::Channel channel,
                              std::string_view kind, const View& view, const std::string& tenant) {
  RETRACE_ASSIGN(const bool suppressed, IsSuppressed(recipient, channel, view, tenant));
  if (suppressed) {
    return false;
  }
  const NotificationKind* known = FindNotificationKind(kind);
  if (known == nullptr || known->transactional) {
    return true;
  }
  RETRACE_ASSIGN(const bool off, IsSwitchedOff(recipient, channel, kind, view, tenant));
  return !off;
}

absl::StatusOr<bool> IsSwitchedOff(std::string_view recipient, v1::Channel channel,
                                   std::string_view kind, const View& view,
                                   std::string_view tenant) {
  RETRACE_ASSIGN(const RowPtr row, view.Get(ContactPointRef(channel, recipient)));
  if (row != nullptr && !row->purged() && IsSaid(*row, kind)) {
    return IsOff(row.get(), kind);
  }
  // What somebody chose before they became a member.
  RETRACE_ASSIGN(const RowPtr member, MemberOf(recipient, view, tenant));
  if (member == nullptr || member->As<v1::Member>().principal().empty()) {
    return false;
  }
  const std::string principal = PrincipalName(member->As<v1::Member>().principal());
  RETRACE_ASSIGN(const RowPtr before, view.Get(ContactPointRef(channel, principal)));
  return IsOff(before.get(), kind);
}

Kind ContactPointKind() {
  Kind kind;
  kind.number = KindNumber::kContactPoint;
  kind.singular = "contact point";
  kind.collection = "contactPoints";
  kind.resource = &ContactPoint::default_instance();
  kind.events = {&store::v1::ContactPointChosen::default_instance()};
  kind.indexes = {{.number = kRecipientIndex,
                   .name = "recipient",
                   .fields = {"recipient"},
                   .normaliser = Normaliser::kExact},
                  {.number = kChannelIndex,
                   .name = "channel",
                   .fields = {"channel"},
                   .normaliser = Normaliser::kExact}};
  kind.bookkeeping = true;
  kind.purged_with = {"recipient", KindNumber::kMember, kRecipientIndex};
  kind.apply = ApplyContactPoint;
  kind.subject = SubjectOfContactPoint;
  return kind;
}

EntityRef ContactPointRef(v1::Channel channel, std::string_view recipient) {
  return {KindNumber::kContactPoint,
          StableId(fmt::format("{}\n{}", static_cast<int>(channel), recipient))};
}

absl::Status Decide(const store::v1::ChooseForContactPoint& command, Draft& draft,
                    const Context& context) {
  RETRACE_RETURN_IF_ERROR(CheckOptional(command.kind(), "kind"));
  v1::ChoiceEvidence evidence = EvidenceOf(command.source(), context);
  evidence.set_client_address(command.client_address());
  RETRACE_ASSIGN(const std::vector<std::string> names,
                 NamesOfPerson(command.recipient(), draft, context.header.tenant));
  for (const std::string& name : names) {
    RETRACE_RETURN_IF_ERROR(
        Choose(name, command.channel(), command.kind(), command.off(), evidence, draft));
  }
  return absl::OkStatus();
}

absl::Status Decide(const store::v1::ResolvedPreferences& command, Draft& draft,
                    const Context& context) {
  for (int i = 0; i < command.preferences_size(); ++i) {
    const v1::Preference& preference = command.preferences(i);
    const std::string field = fmt::format("preferences[{}]", i);
    RETRACE_RETURN_IF_ERROR(CheckOptional(preference.kind(), field + ".kind"));
    if (preference.channel() != v1::EMAIL && preference.channel() != v1::INBOX) {
      return Refusal(v1::INVALID_FIELD, "A preference is about EMAIL or INBOX.")
          .Field(field + ".channel", "Give EMAIL or INBOX.");
    }
    for (const std::string& recipient : command.recipients()) {
      RETRACE_RETURN_IF_ERROR(Choose(recipient, preference.channel(), preference.kind(),
                                     preference.off(), EvidenceOf("PREFERENCES", context), draft));
    }
  }
  return absl::OkStatus();
}

absl::Status Decide(const v1::SuppressContactPointRequest& request, Draft& draft,
                    const Context& context) {
  RETRACE_RETURN_IF_ERROR(CheckParent(request.parent(), context));
  if (request.options().reason().empty()) {
    return Refusal(v1::INVALID_FIELD, "A suppression is set and lifted with a reason.")
        .Field("options.reason", "Say why.");
  }
  if (request.channel() != v1::EMAIL && request.channel() != v1::INBOX) {
    return Refusal(v1::INVALID_FIELD, "A contact point is EMAIL or INBOX of somebody.")
        .Field("channel", "Give EMAIL or INBOX.");
  }
  if (PrincipalOf(request.recipient()).empty()) {
    RETRACE_RETURN_IF_ERROR(
        FindLive(KindNumber::kMember, request.recipient(), {}, draft, context, "recipient")
            .status());
  } else if (PrincipalOf(request.recipient()).size() > kMostPrincipalBytes) {
    return Refusal(v1::INVALID_FIELD,
                   fmt::format("The id of a principal has at most {} bytes.", kMostPrincipalBytes))
        .Field("recipient", "Give `principals/` with the id of a principal.");
  }
  const EntityRef entity = ContactPointRef(request.channel(), request.recipient());
  RETRACE_ASSIGN(const RowPtr row, draft.Get(entity));
  draft.Target(entity);
  bool in_force = false;
  bool by_bounce = false;  // which is over when the address changes
  if (row != nullptr) {
    RETRACE_ASSIGN(in_force, IsInForce(row->As<ContactPoint>(), draft, context.header.tenant));
    by_bounce = row->As<ContactPoint>().refused_position() != 0;
  }
  if (row != nullptr && in_force != request.lift() && (request.lift() || !by_bounce)) {
    return absl::OkStatus();
  }
  if (row == nullptr && request.lift()) {
    return Refusal(v1::ENTITY_NOT_FOUND, "Nothing is suppressed there.")
        .Next("There is nothing to lift.");
  }
  auto event = std::make_shared<store::v1::ContactPointChosen>();
  event->set_recipient(request.recipient());
  event->set_channel(request.channel());
  event->set_suppressed(!request.lift());
  *event->mutable_suppression() = EvidenceOf("ADMINISTRATOR", context);
  return draft.Emit(entity, std::move(event));
}

}  // namespace retrace::domain
