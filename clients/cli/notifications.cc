#include "clients/cli/notifications.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "clients/cli/app.h"
#include "clients/cli/field_values.h"
#include "clients/cli/listing.h"
#include "clients/cli/nouns.h"
#include "clients/cpp/error_details.h"
#include "retrace/v1/notifications.grpc.pb.h"

namespace retrace::cli {
namespace {

constexpr size_t kMostMarked = 200;

const std::vector<Column>& ItemColumns() {
  static const auto* const kColumns = new std::vector<Column>{
      {"ID", "name"},         {"WHEN", "notification.create_time"}, {"KIND", "notification.kind"},
      {"SUBJECT", "subject"}, {"BY", "notification.actor"},         {"READ", "read_time"}};
  return *kColumns;
}

struct InboxFlags {
  bool unread = false;
  bool all = false;
  std::vector<std::string> ids;
  int64_t limit = 50;
};

absl::StatusOr<v1::ListMyNotificationsRequest> InboxOf(Session& session, bool unread) {
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  v1::ListMyNotificationsRequest request;
  request.set_parent(*tenant);
  request.set_unread_only(unread);
  return request;
}

absl::Status RunInbox(Session& session, const InboxFlags& flags) {
  const auto request = InboxOf(session, flags.unread);
  if (!request.ok()) return request.status();
  return PrintListing(session, "Notifications.ListMyNotifications", *request, "items",
                      ItemColumns(), flags.limit);
}

// Reads the caller's inbox until `visit` returns false.
absl::Status ForEachItem(Session& session, bool unread,
                         absl::FunctionRef<bool(const v1::InboxItem&)> visit) {
  auto request = InboxOf(session, unread);
  if (!request.ok()) return request.status();
  do {
    const auto reply =
        session.Ask<v1::ListMyNotificationsResponse>("Notifications.ListMyNotifications", *request);
    if (!reply.ok()) return reply.status();
    for (const v1::InboxItem& item : reply->items()) {
      if (!visit(item)) return absl::OkStatus();
    }
    request->set_page_token(reply->next_page_token());
  } while (!request->page_token().empty());
  return absl::OkStatus();
}

absl::Status RunShow(Session& session, const InboxFlags& flags) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  const std::string name = FullName(*tenant, "deliveries", flags.ids.at(0));
  v1::InboxItem found;
  const absl::Status status =
      ForEachItem(session, /*unread=*/false, [&](const v1::InboxItem& item) {
        if (item.name() == name) found = item;
        return item.name() != name;
      });
  if (!status.ok()) return status;
  if (found.name().empty()) {
    return absl::NotFoundError(absl::StrCat("there is no ", flags.ids.at(0), " in your inbox"));
  }
  if (style->format != OutputFormat::kTable) {
    PrintMessage(found, *style, session.out());
    return absl::OkStatus();
  }
  session.out() << found.subject() << "\n\n" << found.text();
  if (!absl::EndsWith(found.text(), "\n")) session.out() << '\n';
  return absl::OkStatus();
}

// Marks in as many commands as it takes.
absl::Status Mark(Session& session, std::vector<std::string> names, bool unread) {
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  size_t marked = 0;
  while (marked < names.size()) {
    v1::MarkMyNotificationsRequest request;
    request.set_parent(*tenant);
    request.set_unread(unread);
    const size_t end = std::min(names.size(), marked + kMostMarked);
    for (; marked < end; ++marked) request.add_names(std::move(names[marked]));
    const auto reply =
        session.Ask<v1::MarkMyNotificationsResponse>("Notifications.MarkMyNotifications", request);
    if (!reply.ok()) return reply.status();
    session.NoteOutcome(reply->outcome());
  }
  session.out() << "marked " << marked << (unread ? " as unread\n" : " as read\n");
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> NamesOf(Session& session,
                                                 const std::vector<std::string>& ids) {
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  std::vector<std::string> names;
  for (const std::string& id : ids) names.push_back(FullName(*tenant, "deliveries", id));
  return names;
}

absl::Status RunMarkRead(Session& session, const InboxFlags& flags) {
  if (flags.all == !flags.ids.empty()) {
    return absl::InvalidArgumentError("which? Say ids, or --all");
  }
  absl::StatusOr<std::vector<std::string>> names = NamesOf(session, flags.ids);
  if (!names.ok()) return names.status();
  if (flags.all) {
    const absl::Status status =
        ForEachItem(session, /*unread=*/true, [&](const v1::InboxItem& item) {
          names->push_back(item.name());
          return true;
        });
    if (!status.ok()) return status;
  }
  return Mark(session, *std::move(names), /*unread=*/false);
}

absl::Status RunMarkUnread(Session& session, const InboxFlags& flags) {
  absl::StatusOr<std::vector<std::string>> names = NamesOf(session, flags.ids);
  if (!names.ok()) return names.status();
  return Mark(session, *std::move(names), /*unread=*/true);
}

struct InboxWatch {
  int64_t limit = 0;
};

// Prints what comes; false once enough was printed, or nobody reads any more.
bool PrintStep(Session& session, const v1::WatchMyNotificationsResponse& step,
               const OutputStyle& style, int64_t limit, int64_t& printed) {
  for (const v1::InboxItem& item : step.items()) {
    if (style.format == OutputFormat::kTable) {
      for (const Column& column : ItemColumns()) {
        const std::string text = ValueText(item, column.path, ValueForm::kShort);
        if (!text.empty() && column.path != "read_time") session.out() << text << "  ";
      }
      session.out() << (item.has_read_time() ? "(read)\n" : "\n");
    } else {
      session.out() << ToJson(item) << '\n';
    }
    ++printed;
  }
  session.err() << step.unread_count() << " unread\n";
  session.out().flush();
  return session.out().good() && (limit == 0 || printed < limit);
}

absl::Status RunWatchInbox(Session& session, const InboxWatch& flags) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  if (style->format == OutputFormat::kCsv) {
    return absl::InvalidArgumentError("watch writes text or JSON lines, no csv");
  }
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  absl::StatusOr<client::Client*> client = session.Client();
  if (!client.ok()) return client.status();
  const client::ClientOptions& options = (*client)->options();
  v1::WatchMyNotificationsRequest request;
  request.set_parent(*tenant);
  client::Backoff backoff(options.first_backoff, options.max_backoff);
  absl::Time away_since = absl::Now();
  int64_t printed = 0;
  while (true) {
    grpc::ClientContext context;
    (*client)->Authorize(context);
    auto reader =
        (*client)->StubOf<v1::Notifications::Stub>().WatchMyNotifications(&context, request);
    v1::WatchMyNotificationsResponse step;
    bool reached = false;
    while (reader->Read(&step)) {
      reached = true;
      request.set_after_position(step.position());
      request.set_epoch(step.epoch());
      if (!PrintStep(session, step, *style, flags.limit, printed)) {
        context.TryCancel();
        reader->Finish();
        return absl::OkStatus();
      }
    }
    const grpc::Status status = reader->Finish();
    if (reached) {
      // Away from now on, not since it last had something to tell.
      away_since = absl::Now();
      backoff = client::Backoff(options.first_backoff, options.max_backoff);
    }
    if (!status.ok() && !client::MayRetry(status)) return client::ToAbslStatus(status);
    if (absl::Now() - away_since >= options.timeout) {
      return status.ok() ? absl::UnavailableError("the server ended the stream")
                         : client::ToAbslStatus(status);
    }
    absl::SleepFor(backoff.Next());
  }
}

struct PreferenceFlags {
  std::vector<std::string> words;
};

absl::Status ShowPreferences(Session& session) {
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  v1::GetMyPreferencesRequest request;
  request.set_parent(*tenant);
  const auto reply =
      session.Ask<v1::GetMyPreferencesResponse>("Notifications.GetMyPreferences", request);
  if (!reply.ok()) return reply.status();
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  RowOutput rows(*style,
                 {{"KIND", "kind"},
                  {"BY", "channel"},
                  {"OFF", "off"},
                  {"ALWAYS SENT", "transactional"},
                  {"WHAT IT TELLS", "description"}},
                 *v1::Preference::descriptor(), session.out());
  for (const v1::Preference& preference : reply->preferences()) rows.Add(preference);
  rows.Finish();
  return absl::OkStatus();
}

absl::Status RunPreferences(Session& session, const PreferenceFlags& flags) {
  const std::vector<std::string>& words = flags.words;
  if (words.empty()) return ShowPreferences(session);
  if (words.size() != 4 || words[0] != "set" || (words[3] != "on" && words[3] != "off")) {
    return absl::InvalidArgumentError("say nothing more, or: set KIND email|inbox on|off");
  }
  absl::StatusOr<v1::Channel> channel = ParseChannel(words[2]);
  if (!channel.ok()) return channel.status();
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  v1::UpdateMyPreferencesRequest request;
  request.set_parent(*tenant);
  v1::Preference& preference = *request.add_preferences();
  preference.set_kind(words[1]);
  preference.set_channel(*channel);
  preference.set_off(words[3] == "off");
  const auto reply =
      session.Ask<v1::UpdateMyPreferencesResponse>("Notifications.UpdateMyPreferences", request);
  if (!reply.ok()) return reply.status();
  session.NoteOutcome(reply->outcome());
  return ShowPreferences(session);
}

absl::Status RunAll(Session& session, const ListingFlags& flags) {
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  v1::ListNotificationsRequest request;
  request.set_parent(*tenant);
  request.set_filter(flags.filter);
  return PrintListing(session, "Notifications.ListNotifications", request, "notifications",
                      {{"ID", "name"},
                       {"WHEN", "create_time"},
                       {"KIND", "kind"},
                       {"STATE", "state"},
                       {"CHANGE SET", "change_set"},
                       {"COUNT", "count"},
                       {"TAKEN BACK", "taken_back_count"},
                       {"BY", "actor"},
                       {"REASON", "reason"},
                       {"DELIVERIES", "delivery_count"},
                       {"CORRECTS", "corrects"}},
                      flags.limit);
}

void AddIds(CLI::App& verb, InboxFlags& flags, bool required) {
  verb.add_option("ids", flags.ids, "as `list` names them")
      ->option_text("ID...")
      ->required(required);
}

}  // namespace

absl::StatusOr<v1::Channel> ParseChannel(absl::string_view text) {
  const std::string lower = absl::AsciiStrToLower(text);
  if (lower == "email" || lower == "e-mail") return v1::EMAIL;
  if (lower == "inbox") return v1::INBOX;
  return absl::InvalidArgumentError(absl::StrCat("`", text, "` is no channel: email or inbox"));
}

std::string BelowTenant(absl::string_view tenant, absl::string_view name) {
  const bool whole = absl::StartsWith(name, "tenants/") || absl::StartsWith(name, "principals/");
  return whole ? std::string(name) : absl::StrCat(tenant, "/", name);
}

void AddNotificationVerbs(CLI::App& noun, Session& session) {
  CLI::App* list = AddVerb(noun, "list", "what you were told, newest first",
                           "retrace notifications list --unread");
  auto flags = BeginVerb(list, session, RunInbox);
  list->add_flag("--unread", flags->unread, "only what is not marked as read");
  list->add_option("--limit", flags->limit, "how many at most (50)")
      ->option_text("N")
      ->check(AtLeastOne());
  CLI::App* show =
      AddVerb(noun, "show", "one of it, in full", "retrace notifications show 01jd8e6x2k");
  AddIds(*show, *BeginVerb(show, session, RunShow), true);
  CLI::App* read = AddVerb(noun, "mark-read", "mark as read",
                           "retrace notifications mark-read 01jd8e6x2k\n  "
                           "retrace notifications mark-read --all");
  flags = BeginVerb(read, session, RunMarkRead);
  AddIds(*read, *flags, false);
  read->add_flag("--all", flags->all, "everything that is unread");
  CLI::App* unread = AddVerb(noun, "mark-unread", "mark as unread",
                             "retrace notifications mark-unread 01jd8e6x2k");
  AddIds(*unread, *BeginVerb(unread, session, RunMarkUnread), true);
  CLI::App* watch = AddVerb(noun, "watch", "what you are told, as it comes",
                            "retrace notifications watch -o jsonl");
  watch->add_option("--limit", BeginVerb(watch, session, RunWatchInbox)->limit, "end after so many")
      ->option_text("N")
      ->check(AtLeastOne());
  CLI::App* preferences = AddVerb(
      noun, "preferences", "which kinds reach you by which way, and switching them off and on",
      "retrace notifications preferences\n  "
      "retrace notifications preferences set customers.deleted email off");
  preferences
      ->add_option("words", BeginVerb(preferences, session, RunPreferences)->words,
                   "set KIND email|inbox on|off")
      ->option_text("[set KIND CHANNEL on|off]");
  CLI::App* all = AddVerb(noun, "all", "what anybody in the tenant was told, oldest first",
                          "retrace notifications all --filter 'kind = \"customers.deleted\"'");
  AddListingFlags(*all, *BeginVerb(all, session, RunAll));
}

}  // namespace retrace::cli
