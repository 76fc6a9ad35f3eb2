// What administrators see and decide of notifications: deliveries, followers, contact points.
#include <memory>
#include <string>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "clients/cli/app.h"
#include "clients/cli/field_values.h"
#include "clients/cli/listing.h"
#include "clients/cli/notifications.h"
#include "clients/cli/nouns.h"
#include "retrace/v1/notifications.pb.h"

namespace retrace::cli {
namespace {

// There is one follower with outside effects, so it need not be named.
constexpr char kFollower[] = "notifications";

struct DeliveryFlags {
  ListingFlags listing;
  std::string id;
  std::string choice;
};

absl::Status RunDeliveryList(Session& session, const DeliveryFlags& flags) {
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  v1::ListDeliveriesRequest request;
  request.set_parent(*tenant);
  request.set_filter(flags.listing.filter);
  return PrintListing(session, "Notifications.ListDeliveries", request, "deliveries",
                      {{"ID", "name"},
                       {"KIND", "kind"},
                       {"BY", "channel"},
                       {"TO", "recipient"},
                       {"STATE", "state"},
                       {"TRIES", "attempt_count"},
                       {"NEXT", "next_attempt_time"},
                       {"SENT", "send_time"},
                       {"RESULT", "last_result"}},
                      flags.listing.limit);
}

absl::Status RunRetry(Session& session, const DeliveryFlags& flags) {
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  Exchange exchange = NewExchange("Notifications.RetryDelivery");
  SetText(*exchange.request, "name", FullName(*tenant, "deliveries", flags.id));
  return SendAndPrint(session, exchange, "delivery");
}

absl::Status RunResolveHeld(Session& session, const DeliveryFlags& flags) {
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  Exchange exchange = NewExchange("Notifications.ResolveHeldDeliveries");
  auto& request = static_cast<v1::ResolveHeldDeliveriesRequest&>(*exchange.request);
  request.set_parent(*tenant);
  request.set_choice(flags.choice == "send" ? v1::ResolveHeldDeliveriesRequest::SEND
                                            : v1::ResolveHeldDeliveriesRequest::SKIP);
  return SendAndPrint(session, exchange, "follower");
}

struct FollowerFlags {
  std::string follower = kFollower;
  std::string entity;
};

absl::StatusOr<v1::ListFollowersResponse> Followers(Session& session) {
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  v1::ListFollowersRequest request;
  request.set_parent(*tenant);
  return session.Ask<v1::ListFollowersResponse>("Notifications.ListFollowers", request);
}

absl::Status RunFollowerList(Session& session, const FollowerFlags&) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  const auto reply = Followers(session);
  if (!reply.ok()) return reply.status();
  RowOutput rows(*style,
                 {{"ID", "name"},
                  {"POSITION", "position"},
                  {"PAUSED", "paused"},
                  {"HELD UP TO", "held_position"},
                  {"BEHIND", "lag_commits"},
                  {"RECORDED", "update_time"}},
                 *v1::Follower::descriptor(), session.out());
  for (const v1::Follower& follower : reply->followers()) {
    rows.Add(follower);
    if (follower.parked_size() > 0) {
      session.err() << follower.name() << " put " << follower.parked_size()
                    << (follower.parked_size() == 1 ? " event" : " events")
                    << " aside: retrace followers parked\n";
    }
    if (follower.held_position() > 0) {
      session.err() << "what was asked for up to position " << follower.held_position()
                    << " is held: retrace deliveries resolve-held send|skip\n";
    }
  }
  rows.Finish();
  return absl::OkStatus();
}

absl::Status RunParked(Session& session, const FollowerFlags&) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  const auto reply = Followers(session);
  if (!reply.ok()) return reply.status();
  RowOutput rows(*style,
                 {{"ENTITY", "entity"},
                  {"POSITION", "position"},
                  {"FAULT", "fault"},
                  {"TRIES", "attempt_count"},
                  {"LAST", "time"},
                  {"RETRY", "retry"}},
                 *v1::Follower::Parked::descriptor(), session.out());
  for (const v1::Follower& follower : reply->followers()) {
    for (v1::Follower::Parked parked : follower.parked()) {
      // As `retry` and `discard` take it.
      if (style->format == OutputFormat::kTable) {
        const std::string tenant = follower.name().substr(0, follower.name().find("/followers/"));
        parked.set_entity(std::string(absl::StripPrefix(parked.entity(), tenant + "/")));
      }
      rows.Add(parked);
    }
  }
  rows.Finish();
  return absl::OkStatus();
}

absl::Status Pause(Session& session, const FollowerFlags& flags, bool resume) {
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  Exchange exchange = NewExchange("Notifications.PauseFollower");
  SetText(*exchange.request, "name", FullName(*tenant, "followers", flags.follower));
  SetBool(*exchange.request, "resume", resume);
  return SendAndPrint(session, exchange, "follower");
}

absl::Status RunPause(Session& session, const FollowerFlags& flags) {
  return Pause(session, flags, /*resume=*/false);
}

absl::Status RunResume(Session& session, const FollowerFlags& flags) {
  return Pause(session, flags, /*resume=*/true);
}

absl::Status ResolveParked(Session& session, const FollowerFlags& flags,
                           v1::ResolveParkedEventRequest::Choice choice) {
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  Exchange exchange = NewExchange("Notifications.ResolveParkedEvent");
  auto& request = static_cast<v1::ResolveParkedEventRequest&>(*exchange.request);
  request.set_name(FullName(*tenant, "followers", flags.follower));
  request.set_entity(BelowTenant(*tenant, flags.entity));
  request.set_choice(choice);
  return SendAndPrint(session, exchange, "follower");
}

absl::Status RunRetryParked(Session& session, const FollowerFlags& flags) {
  return ResolveParked(session, flags, v1::ResolveParkedEventRequest::RETRY);
}

absl::Status RunDiscardParked(Session& session, const FollowerFlags& flags) {
  return ResolveParked(session, flags, v1::ResolveParkedEventRequest::DISCARD);
}

struct ContactFlags {
  ListingFlags listing;
  std::string recipient;
  std::string channel;
};

absl::Status RunContactList(Session& session, const ContactFlags& flags) {
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  v1::ListContactPointsRequest request;
  request.set_parent(*tenant);
  request.set_filter(flags.listing.filter);
  return PrintListing(session, "Notifications.ListContactPoints", request, "contact_points",
                      {{"ID", "name"},
                       {"WHOSE", "recipient"},
                       {"BY", "channel"},
                       {"SUPPRESSED", "suppressed"},
                       {"SINCE", "suppression.time"},
                       {"SOURCE", "suppression.source"},
                       {"WHY", "suppression.reason"},
                       {"CHANGED", "update_time"}},
                      flags.listing.limit);
}

absl::Status Suppress(Session& session, const ContactFlags& flags, bool lift) {
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  absl::StatusOr<v1::Channel> channel = ParseChannel(flags.channel);
  if (!channel.ok()) return channel.status();
  Exchange exchange = NewExchange("Notifications.SuppressContactPoint");
  auto& request = static_cast<v1::SuppressContactPointRequest&>(*exchange.request);
  request.set_parent(*tenant);
  request.set_recipient(BelowTenant(*tenant, flags.recipient));
  request.set_channel(*channel);
  request.set_lift(lift);
  return SendAndPrint(session, exchange, "contact_point");
}

absl::Status RunSuppress(Session& session, const ContactFlags& flags) {
  return Suppress(session, flags, /*lift=*/false);
}

absl::Status RunLift(Session& session, const ContactFlags& flags) {
  return Suppress(session, flags, /*lift=*/true);
}

CLI::App* AddFollowerVerb(CLI::App& noun, Session& session, const char* name, const char* about,
                          const std::string& words, std::shared_ptr<FollowerFlags>& flags,
                          absl::Status (*run)(Session&, const FollowerFlags&)) {
  CLI::App* verb = AddVerb(noun, name, about, absl::StrCat("retrace followers ", name, words));
  flags = BeginVerb(verb, session, run);
  return verb;
}

void AddFollowerOption(CLI::App& verb, FollowerFlags& flags) {
  verb.add_option("--follower", flags.follower, "which (notifications)")->option_text("ID");
}

void AddContactArguments(CLI::App& verb, ContactFlags& flags) {
  verb.add_option("recipient", flags.recipient, "members/ID or principals/ID")
      ->required()
      ->option_text("RECIPIENT");
  verb.add_option("channel", flags.channel, "email or inbox")->required()->option_text("CHANNEL");
}

}  // namespace

void AddDeliveryVerbs(CLI::App& noun, Session& session) {
  CLI::App* list =
      AddVerb(noun, "list", "notifications on their way: to whom, how often tried, what came of it",
              "retrace deliveries list --filter 'state = FAILED AND channel = EMAIL'");
  AddListingFlags(*list, BeginVerb(list, session, RunDeliveryList)->listing);
  CLI::App* retry = AddVerb(noun, "retry", "try one again that was given up, skipped or suppressed",
                            "retrace deliveries retry 01jd8e6x2k --reason \"mailbox is back\"");
  retry->add_option("id", BeginVerb(retry, session, RunRetry)->id, "id or full name")
      ->required()
      ->option_text("ID");
  CLI::App* held = AddVerb(
      noun, "resolve-held",
      "after a recovery: what becomes of everything that may have been sent already",
      "retrace deliveries resolve-held skip --reason \"recovered from last night's backup\"");
  held->add_option("choice", BeginVerb(held, session, RunResolveHeld)->choice,
                   "send: some may arrive twice; skip: some may never arrive")
      ->required()
      ->option_text("send|skip")
      ->check(CLI::IsMember({"send", "skip"}));
}

void AddFollowerVerbs(CLI::App& noun, Session& session) {
  std::shared_ptr<FollowerFlags> flags;
  AddFollowerVerb(noun, session, "list", "how far each has come", "", flags, RunFollowerList);
  AddFollowerVerb(noun, session, "parked", "events that could not be handled, and why", "", flags,
                  RunParked);
  for (const auto& [name, about, why, run] :
       {std::tuple("pause", "stop it where it is", "mail server moves", &RunPause),
        {"resume", "let it go on from where it stopped", "mail server is back", &RunResume}}) {
    CLI::App* verb = AddFollowerVerb(noun, session, name, about,
                                     absl::StrCat(" --reason \"", why, "\""), flags, run);
    AddFollowerOption(*verb, *flags);
  }
  for (const auto& [name, about, run] :
       {std::tuple("retry", "try an event again that was put aside", &RunRetryParked),
        {"discard", "pass over an event that was put aside", &RunDiscardParked}}) {
    CLI::App* verb = AddFollowerVerb(noun, session, name, about,
                                     " customers/01jd8e6x2k --reason \"repaired\"", flags, run);
    verb->add_option("entity", flags->entity, "whose events wait, as `parked` names it")
        ->required()
        ->option_text("ENTITY");
    AddFollowerOption(*verb, *flags);
  }
}

void AddContactPointVerbs(CLI::App& noun, Session& session) {
  CLI::App* list = AddVerb(noun, "list", "who opted out of what, and which address takes nothing",
                           "retrace contact-points list --filter 'suppressed = true'");
  AddListingFlags(*list, BeginVerb(list, session, RunContactList)->listing);
  CLI::App* suppress =
      AddVerb(noun, "suppress", "send nothing more there, whatever it is",
              "retrace contact-points suppress members/anna-snelling email --reason \"left us\"");
  AddContactArguments(*suppress, *BeginVerb(suppress, session, RunSuppress));
  CLI::App* lift =
      AddVerb(noun, "lift", "send there again",
              "retrace contact-points lift members/anna-snelling email --reason \"is back\"");
  AddContactArguments(*lift, *BeginVerb(lift, session, RunLift));
}

}  // namespace retrace::cli
