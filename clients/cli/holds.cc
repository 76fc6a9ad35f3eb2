#include <algorithm>
#include <memory>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "clients/cli/app.h"
#include "clients/cli/entity_verbs.h"
#include "clients/cli/named_entities.h"
#include "clients/cli/nouns.h"
#include "retrace/v1/holds.pb.h"

namespace retrace::cli {
namespace {

constexpr int64_t kLargestPage = 1000;

struct HoldFlags {
  std::string entity, collection, filter, case_number, hold;
  bool whole_tenant = false;
  bool all = false;
  int64_t limit = 50;
};

absl::Status RunPlace(Session& session, const HoldFlags& flags) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  if (flags.entity.empty() && flags.collection.empty() && !flags.whole_tenant) {
    return absl::InvalidArgumentError("say what to hold: a name, --kind, or --whole-tenant");
  }
  v1::PlaceHoldRequest request;
  request.set_parent(*tenant);
  request.mutable_hold()->set_case_number(flags.case_number);
  request.mutable_hold()->set_collection(flags.collection);
  request.mutable_hold()->set_filter(flags.filter);
  if (!flags.entity.empty()) {
    absl::StatusOr<std::string> name = NameOfAny(session, flags.entity);
    if (!name.ok()) return name.status();
    request.mutable_hold()->set_entity(*std::move(name));
  }
  const auto reply = session.Ask<v1::PlaceHoldResponse>("Holds.PlaceHold", request);
  if (!reply.ok()) return reply.status();
  PrintMessage(reply->hold(), *style, session.out());
  session.NoteOutcome(reply->outcome());
  return absl::OkStatus();
}

absl::Status RunRelease(Session& session, const HoldFlags& flags) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  v1::ReleaseHoldRequest request;
  request.set_name(absl::StartsWith(flags.hold, "tenants/")
                       ? flags.hold
                       : absl::StrCat(*tenant, "/holds/", flags.hold));
  const auto reply = session.Ask<v1::ReleaseHoldResponse>("Holds.ReleaseHold", request);
  if (!reply.ok()) return reply.status();
  PrintMessage(reply->hold(), *style, session.out());
  session.NoteOutcome(reply->outcome());
  return absl::OkStatus();
}

absl::Status RunHoldList(Session& session, const HoldFlags& flags) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  v1::ListHoldsRequest request;
  request.set_parent(*tenant);
  request.set_filter(flags.filter);
  request.set_show_released(flags.all);
  RowOutput rows(*style,
                 {{"ID", "name"},
                  {"CASE", "case_number"},
                  {"ENTITY", "entity"},
                  {"KIND", "collection"},
                  {"FILTER", "filter"},
                  {"PLACED BY", "placed_by"},
                  {"REASON", "reason"},
                  {"STATE", "state"}},
                 *v1::Hold::descriptor(), session.out());
  for (int64_t left = flags.limit; left > 0;) {
    request.set_page_size(static_cast<int32_t>(std::min(left, kLargestPage)));
    const auto reply = session.Ask<v1::ListHoldsResponse>("Holds.ListHolds", request);
    if (!reply.ok()) return reply.status();
    for (const auto& hold : reply->holds()) rows.Add(hold);
    left -= reply->holds_size();
    if (reply->next_page_token().empty()) break;
    request.set_page_token(reply->next_page_token());
  }
  rows.Finish();
  return absl::OkStatus();
}

using Run = absl::Status (*)(Session&, const HoldFlags&);

std::shared_ptr<HoldFlags> Begin(CLI::App* verb, Session& session, Run run) {
  auto flags = std::make_shared<HoldFlags>();
  verb->callback([&session, flags, run] {
    session.Choose([&session, flags, run] { return run(session, *flags); });
  });
  return flags;
}

}  // namespace

void AddHoldVerbs(CLI::App& noun, Session& session) {
  CLI::App* place =
      AddVerb(noun, "place", "keep an entity, what a filter matches, or everything",
              "retrace holds place customers/ext:H-1 --case 17/26 --reason \"law suit\"");
  auto flags = Begin(place, session, RunPlace);
  place->add_option("entity", flags->entity, "what is held: a full name, or customers/ID")
      ->option_text("NAME");
  place->add_option("--kind", flags->collection, "hold what --filter matches of this kind")
      ->option_text("KIND");
  place->add_option("--filter", flags->filter, "AIP-160 filter")->option_text("FILTER");
  place->add_flag("--whole-tenant", flags->whole_tenant, "hold everything");
  place->add_option("--case", flags->case_number, "the case that it is for")
      ->option_text("CASE")
      ->required();
  CLI::App* release = AddVerb(noun, "release", "let go of what is held",
                              "retrace holds release 01j... --reason \"case closed\"");
  flags = Begin(release, session, RunRelease);
  release->add_option("hold", flags->hold, "its id")->option_text("ID")->required();
  CLI::App* list = AddVerb(noun, "list", "what holds, and for which case", "retrace holds list");
  flags = Begin(list, session, RunHoldList);
  list->add_option("--filter", flags->filter, "AIP-160 filter")->option_text("FILTER");
  list->add_flag("--all", flags->all, "released ones, too");
  list->add_option("--limit", flags->limit, "how many at most (50)")
      ->option_text("N")
      ->check(AtLeastOne());
}

}  // namespace retrace::cli
