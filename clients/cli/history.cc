#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "clients/cli/app.h"
#include "clients/cli/commit_text.h"
#include "clients/cli/entity_verbs.h"
#include "clients/cli/history_streams.h"
#include "clients/cli/nouns.h"
#include "clients/cli/time_text.h"
#include "retrace/v1/history.pb.h"

namespace retrace::cli {
namespace {

constexpr int64_t kLargestPage = 1000;

// What change sets and commits are asked for with.
struct HistoryFlags {
  std::string actor, method, entity, kind, since, until, filter;
  int64_t limit = 50;
  bool oldest_first = false, delivery_notes = false;
  std::string view = "names";
};

void AddHistoryFlags(CLI::App& verb, HistoryFlags& flags) {
  verb.add_option("--actor", flags.actor, "who did it")->option_text("WHO");
  verb.add_option("--method", flags.method, "by which RPC")->option_text("METHOD");
  verb.add_option("--entity", flags.entity, "full name of what it touched")->option_text("NAME");
  verb.add_option("--kind", flags.kind, "kind of what it touched, e.g. customers")
      ->option_text("KIND");
  verb.add_option("--since", flags.since, "not before this time")->option_text("TIME");
  verb.add_option("--until", flags.until, "not after this time")->option_text("TIME");
  verb.add_option("--filter", flags.filter, "AIP-160 filter, besides")->option_text("FILTER");
  verb.add_option("--limit", flags.limit, "how many at most (50)")
      ->option_text("N")
      ->check(AtLeastOne());
  verb.add_flag("--oldest-first", flags.oldest_first, "oldest first");
}

absl::Status AddTimeTerm(Session& session, const std::string& text, const char* comparison,
                         std::vector<std::string>& terms) {
  if (text.empty()) return absl::OkStatus();
  absl::StatusOr<ReadTime> read = ParseTimeText(text, absl::UTCTimeZone());
  if (read.ok() && read->zone_used) {
    absl::StatusOr<absl::TimeZone> zone = session.TenantZone();
    if (!zone.ok()) return zone.status();
    read = ParseTimeText(text, *zone);
  }
  if (!read.ok()) return read.status();
  terms.push_back(
      absl::StrCat("time ", comparison, " ", FilterText(ExactTime(ToTimestamp(read->time)))));
  return absl::OkStatus();
}

absl::StatusOr<std::string> FilterOf(Session& session, const HistoryFlags& flags) {
  std::vector<std::string> terms;
  const auto equals = [&terms](const char* field, const std::string& value) {
    if (!value.empty()) terms.push_back(absl::StrCat(field, " = ", FilterText(value)));
  };
  equals("actor", flags.actor);
  // A question acts for nobody, so the flag of commands names whom the commits acted for.
  equals("on_behalf_of", session.flags.on_behalf_of);
  equals("method", flags.method);
  equals("entity", flags.entity);
  equals("kind", flags.kind);
  if (absl::Status s = AddTimeTerm(session, flags.since, ">=", terms); !s.ok()) return s;
  if (absl::Status s = AddTimeTerm(session, flags.until, "<=", terms); !s.ok()) return s;
  if (!flags.filter.empty()) terms.push_back(absl::StrCat("(", flags.filter, ")"));
  return absl::StrJoin(terms, " AND ");
}

// Pages through a list of history; an empty page may still have a token.
template <typename Request, typename Response, typename Visit>
absl::Status ForEachPage(Session& session, const char* method, Request request, int64_t limit,
                         Visit visit) {
  while (limit > 0) {
    request.set_page_size(static_cast<int32_t>(std::min(limit, kLargestPage)));
    const auto reply = session.Ask<Response>(method, request);
    if (!reply.ok()) return reply.status();
    limit -= visit(*reply);
    if (reply->next_page_token().empty()) break;
    request.set_page_token(reply->next_page_token());
  }
  return absl::OkStatus();
}

absl::Status RunChangeSets(Session& session, const HistoryFlags& flags) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  absl::StatusOr<std::string> filter = FilterOf(session, flags);
  if (!filter.ok()) return filter.status();
  v1::ListChangeSetsRequest request;
  request.set_parent(*tenant);
  request.set_filter(*filter);
  request.set_oldest_first(flags.oldest_first);
  request.set_show_delivery_notes(flags.delivery_notes);
  RowOutput rows(*style,
                 {{"NUMBER", "number"},
                  {"BEGUN", "begin_time"},
                  {"ACTOR", "actor"},
                  {"METHODS", "methods"},
                  {"TITLE", "title"},
                  {"REASON", "reason"},
                  {"COMMITS", "commit_count"},
                  {"EVENTS", "event_count"},
                  {"STATE", "state"}},
                 *v1::ChangeSet::descriptor(), session.out());
  const absl::Status status = ForEachPage<v1::ListChangeSetsRequest, v1::ListChangeSetsResponse>(
      session, "History.ListChangeSets", request, flags.limit, [&](const auto& reply) {
        for (const auto& change_set : reply.change_sets()) rows.Add(change_set);
        return reply.change_sets_size();
      });
  if (!status.ok()) return status;
  rows.Finish();
  return absl::OkStatus();
}

absl::Status RunCommits(Session& session, const HistoryFlags& flags) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  absl::StatusOr<std::string> filter = FilterOf(session, flags);
  if (!filter.ok()) return filter.status();
  absl::StatusOr<v1::CommitView> view = ParseCommitView(flags.view);
  if (!view.ok()) return view.status();
  v1::ListCommitsRequest request;
  request.set_parent(*tenant);
  request.set_filter(*filter);
  request.set_oldest_first(flags.oldest_first);
  request.set_view(*view);
  CommitOutput output(*style, session.out());
  const absl::Status status = ForEachPage<v1::ListCommitsRequest, v1::ListCommitsResponse>(
      session, "History.ListCommits", request, flags.limit, [&](const auto& reply) {
        for (const auto& commit : reply.commits()) output.Add(commit);
        return reply.commits_size();
      });
  if (!status.ok()) return status;
  output.Finish();
  return absl::OkStatus();
}

absl::Status RunCommit(Session& session, int64_t position, const std::string& view_name) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  absl::StatusOr<v1::CommitView> view = ParseCommitView(view_name);
  if (!view.ok()) return view.status();
  v1::GetCommitRequest request;
  request.set_name(absl::StrCat(*tenant, "/commits/", position));
  request.set_view(*view);
  const auto reply = session.Ask<v1::GetCommitResponse>("History.GetCommit", request);
  if (!reply.ok()) return reply.status();
  if (style->format == OutputFormat::kTable) {
    PrintCommit(reply->commit(), session.out(), style->table);
  } else {
    PrintMessage(reply->commit(), *style, session.out());
  }
  return absl::OkStatus();
}

absl::Status RunDigest(Session& session, bool full) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  v1::GetDigestRequest request;
  request.set_parent(*tenant);
  request.set_full(full);
  const auto reply = session.Ask<v1::GetDigestResponse>("History.GetDigest", request);
  if (!reply.ok()) return reply.status();
  PrintMessage(*reply, *style, session.out());
  return absl::OkStatus();
}

absl::Status PrintChangeSet(Session& session, const v1::ChangeSet& change_set,
                            const v1::Outcome& outcome) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  PrintMessage(change_set, *style, session.out());
  session.NoteOutcome(outcome);
  return absl::OkStatus();
}

absl::Status RunBegin(Session& session, const std::string& title) {
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  v1::BeginChangeSetRequest request;
  request.set_parent(*tenant);
  request.set_title(title);
  const auto reply = session.Ask<v1::BeginChangeSetResponse>("History.BeginChangeSet", request);
  if (!reply.ok()) return reply.status();
  if (absl::Status s = PrintChangeSet(session, reply->change_set(), reply->outcome()); !s.ok()) {
    return s;
  }
  session.err() << "pass --change-set " << reply->change_set().number()
                << " to the commands that belong to it\n";
  return absl::OkStatus();
}

absl::Status RunEnd(Session& session, int64_t number) {
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  v1::EndChangeSetRequest request;
  request.set_name(absl::StrCat(*tenant, "/changeSets/", number));
  const auto reply = session.Ask<v1::EndChangeSetResponse>("History.EndChangeSet", request);
  if (!reply.ok()) return reply.status();
  return PrintChangeSet(session, reply->change_set(), reply->outcome());
}

void AddListing(CLI::App& noun, Session& session, const char* name, const char* about,
                const char* example,
                absl::Status (*run)(Session& session, const HistoryFlags& flags), bool of_commits) {
  CLI::App* verb = AddVerb(noun, name, about, example);
  auto flags = std::make_shared<HistoryFlags>();
  AddHistoryFlags(*verb, *flags);
  if (of_commits) {
    verb->add_option("--view", flags->view, "names, changes or events (names)")
        ->option_text("VIEW");
  } else {
    verb->add_flag("--show-delivery-notes", flags->delivery_notes,
                   "also what the server notes of how it tells people what was done");
  }
  verb->callback([&session, flags, run] {
    session.Choose([&session, flags, run] { return run(session, *flags); });
  });
}

void AddNumbered(CLI::App& noun, Session& session, const char* name, const char* about,
                 const char* example, std::shared_ptr<int64_t> number, const char* what,
                 std::function<absl::Status()> run) {
  CLI::App* verb = AddVerb(noun, name, about, example);
  verb->add_option("number", *number, what)->required()->option_text("NUMBER");
  verb->callback([&session, run] { session.Choose(run); });
}

}  // namespace

absl::Status PrintChanges(Session& session, const std::string& name, int64_t limit) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  v1::ListChangesRequest request;
  request.set_name(name);
  ChangeOutput output(*style, session.out());
  const absl::Status status = ForEachPage<v1::ListChangesRequest, v1::ListChangesResponse>(
      session, "History.ListChanges", request, limit, [&](const auto& reply) {
        for (const auto& entry : reply.entries()) output.Add(entry);
        return reply.entries_size();
      });
  if (!status.ok()) return status;
  output.Finish();
  return absl::OkStatus();
}

void AddHistoryVerbs(CLI::App& noun, Session& session) {
  AddListing(noun, session, "change-sets", "what was done, newest first",
             "retrace history change-sets --actor anna --since 2026-03-01", RunChangeSets, false);
  AddListing(noun, session, "commits", "each command that changed something, newest first",
             "retrace history commits --kind customers --view changes", RunCommits, true);
  auto position = std::make_shared<int64_t>(0);
  auto view = std::make_shared<std::string>("changes");
  AddNumbered(noun, session, "commit", "one commit with what it changed",
              "retrace history commit 812 --view events", position, "its position",
              [&session, position, view] { return RunCommit(session, *position, *view); });
  noun.get_subcommand("commit")
      ->add_option("--view", *view, "names, changes or events (changes)")
      ->option_text("VIEW");
  CLI::App* changes = AddVerb(noun, "changes", "what happened to one entity",
                              "retrace history changes tenants/acme/customers/01jd8e6x2k");
  auto name = std::make_shared<std::string>();
  auto limit = std::make_shared<int64_t>(50);
  changes->add_option("name", *name, "its full name")->required()->option_text("NAME");
  changes->add_option("--limit", *limit, "how many commits at most (50)")->option_text("N");
  changes->callback([&session, name, limit] {
    session.Choose([&session, name, limit] { return PrintChanges(session, *name, *limit); });
  });
  CLI::App* digest =
      AddVerb(noun, "digest", "equal digests, equal answers", "retrace history digest --as-of 812");
  auto full = std::make_shared<bool>(false);
  digest->add_flag("--full", *full, "also over every byte and version, now; takes time");
  digest->callback(
      [&session, full] { session.Choose([&session, full] { return RunDigest(session, *full); }); });
  AddHistoryReplay(noun, session);
  AddHistoryExport(noun, session);
  AddHistoryRestoreTo(noun, session);
  CLI::App* begin = AddVerb(noun, "begin", "begin a change set: what belongs together",
                            "retrace history begin \"spring clean\"");
  auto title = std::make_shared<std::string>();
  begin->add_option("title", *title, "what to call it")->option_text("TITLE");
  begin->callback([&session, title] {
    session.Choose([&session, title] { return RunBegin(session, *title); });
  });
  auto number = std::make_shared<int64_t>(0);
  AddNumbered(noun, session, "end", "end a change set", "retrace history end 812", number,
              "its number", [&session, number] { return RunEnd(session, *number); });
}

}  // namespace retrace::cli
