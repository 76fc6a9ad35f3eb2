#include "clients/cli/entity_verbs.h"

#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "clients/cli/app.h"
#include "clients/cli/operation_start.h"
#include "clients/cli/plans.h"
#include "clients/cli/related_records.h"

namespace retrace::cli {
namespace {

using google::protobuf::Message;

constexpr int kLargestPage = 1000;

std::string MethodOf(const EntityNoun& entity, absl::string_view verb) {
  return absl::StrCat(entity.service, ".", verb, entity.title);
}

absl::Status RunList(Session& session, const EntityNoun& entity, const ListFlags& flags) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  std::unique_ptr<RowOutput> rows;
  const Exchange example = NewExchange(MethodOf(entity, "Get"));
  const auto& type = *FieldOf(*example.response, entity.field)->message_type();
  rows = std::make_unique<RowOutput>(*style, entity.columns, type, session.out());
  std::string next;
  const absl::Status status = ForEachListed(
      session, entity, flags,
      [&](const Message& row) {
        rows->Add(row);
        return true;
      },
      &next);
  if (!status.ok()) return status;
  rows->Finish();
  if (!next.empty()) {
    session.err() << "there are more: --all, --limit N, or go on with --page-token " << next
                  << '\n';
  }
  return absl::OkStatus();
}

void AddListVerb(CLI::App& noun, Session& session, const EntityNoun& entity) {
  const Exchange shape = NewExchange(MethodOf(entity, "List") + "s");
  const auto has = [&shape](const char* field) {
    return FieldOf(*shape.request, field) != nullptr;
  };
  const std::string command = absl::StrCat("retrace ", entity.collection, " list ");
  CLI::App* verb = AddVerb(
      noun, "list", absl::StrCat(has("query") ? "list and search " : "list ", entity.collection),
      absl::StrCat(command, "--filter '", entity.example_filter, "'\n  ", command,
                   has("query") ? "smith " : "", "--as-of 2026-03-31"));
  auto flags = std::make_shared<ListFlags>();
  if (has("query")) {
    verb->add_option("words", flags->words,
                     "search: words or beginnings of words, e-mail, id, phone in any spelling")
        ->option_text("[WORDS...]");
  }
  verb->add_option("--filter", flags->filter, "AIP-160 filter")->option_text("FILTER");
  if (has("order_by")) {
    verb->add_option("--order-by", flags->order_by, "field, or field desc")->option_text("ORDER");
  }
  verb->add_option("--limit", flags->limit, "how many at most (50)")
      ->option_text("N")
      ->check(AtLeastOne());
  verb->add_flag("--all", flags->all, "every one, all as of one position");
  verb->add_option("--page-token", flags->page_token, "go on where a list stopped")
      ->option_text("TOKEN");
  if (has("show_inactive")) {
    verb->add_flag("--show-inactive", flags->show_inactive, "inactive ones, too");
  }
  verb->add_flag("--show-deleted", flags->show_deleted, "deleted ones, too");
  verb->callback([&session, &entity, flags] {
    session.Choose([&session, &entity, flags] { return RunList(session, entity, *flags); });
  });
}

absl::Status RunGet(Session& session, const EntityNoun& entity, const std::string& id) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  absl::StatusOr<std::string> name = ResolveName(session, entity, id);
  if (!name.ok()) return name.status();
  Exchange exchange = NewExchange(MethodOf(entity, "Get"));
  SetText(*exchange.request, "name", *name);
  if (absl::Status status = session.Run(exchange); !status.ok()) return status;
  PrintMessage(Sub(*exchange.response, entity.field), *style, session.out());
  return absl::OkStatus();
}

// A customer may be named by its number; `#` needs quoting in a shell.
CLI::Option* AddIdArgument(CLI::App& verb, const EntityNoun& entity, std::string& id,
                           bool& by_number) {
  const bool numbered = entity.collection == "customers";
  const Exchange shape = NewExchange(MethodOf(entity, "Get"));
  const bool keyed = FieldOf(Sub(*shape.response, entity.field), "external_id") != nullptr;
  if (numbered) verb.add_flag("--number", by_number, "ID is the customer's number");
  return verb
      .add_option("id", id,
                  absl::StrCat("id or full name", keyed ? ", ext:EXTERNAL_ID" : "",
                               numbered ? ", or '#NUMBER'" : ""))
      ->option_text("ID");
}

std::string Spelled(const std::string& id, bool by_number) {
  return by_number ? absl::StrCat("#", absl::StripPrefix(id, "#")) : id;
}

using NamedAction = std::function<absl::Status(Session&, const EntityNoun&, const std::string& id)>;

CLI::App* AddNamedVerb(CLI::App& noun, Session& session, const EntityNoun& entity,
                       const std::string& verb_name, const std::string& about, NamedAction action,
                       const std::string& more_flags = "") {
  CLI::App* verb = AddVerb(noun, verb_name, about,
                           absl::StrCat("retrace ", entity.collection, " ", verb_name, " ",
                                        entity.example_id, more_flags));
  auto id = std::make_shared<std::string>();
  auto by_number = std::make_shared<bool>(false);
  AddIdArgument(*verb, entity, *id, *by_number)->required();
  verb->callback([&session, &entity, id, by_number, action] {
    session.Choose([&session, &entity, id, by_number, action] {
      return action(session, entity, Spelled(*id, *by_number));
    });
  });
  return verb;
}

// Deactivate, Activate, Delete, Undelete: a name and an etag, or many; for some what becomes of
// records.
struct LifecycleVerb {
  std::string method;
  std::string about;
  // Where those of a filter must be, unless lists show nothing else.
  std::string from;
};

struct LifecycleFlags {
  std::string id;
  bool by_number = false;
  std::string etag;
  RelatedFlags related;
  PlanFlags plan;
  TargetFlags targets;
  bool as_operation = false;
};

absl::Status RunLifecycle(Session& session, const EntityNoun& entity, const LifecycleVerb& verb,
                          const LifecycleFlags& flags) {
  if (absl::Status status = CheckTargets(flags.id, flags.targets); !status.ok()) return status;
  Exchange exchange = NewExchange(MethodOf(entity, verb.method));
  if (FieldOf(*exchange.request, "related") != nullptr) {
    const absl::Status status =
        FillRelated(flags.related, *MutableSub(*exchange.request, "related"));
    if (!status.ok()) return status;
  }
  if (flags.targets.given()) {
    if (!flags.etag.empty()) return absl::InvalidArgumentError("--etag is of one entity");
    return RunOnTargets(session, entity, *exchange.request, verb.from, flags.targets, flags.plan);
  }
  absl::StatusOr<std::string> name =
      ResolveName(session, entity, Spelled(flags.id, flags.by_number));
  if (!name.ok()) return name.status();
  if (flags.as_operation) {
    if (!flags.etag.empty()) return absl::InvalidArgumentError("--etag is not for operations");
    return RunAsOperation(session, *exchange.request, {.names = {*name}}, flags.targets.operation,
                          flags.plan);
  }
  SetText(*exchange.request, "name", *name);
  SetText(*MutableSub(*exchange.request, "options"), "etag", flags.etag);
  absl::StatusOr<bool> done = RunCommand(session, exchange, flags.plan);
  if (!done.ok() || !*done) return done.status();
  return PrintCommandReply(session, entity, *exchange.response);
}

void AddLifecycleVerb(CLI::App& noun, Session& session, const EntityNoun& entity,
                      const LifecycleVerb& what) {
  const Exchange shape = NewExchange(MethodOf(entity, what.method));
  const bool has_related = FieldOf(*shape.request, "related") != nullptr;
  const std::string related = has_related ? " --related keep --related-kind DEAL=delete" : "";
  const std::string verb_name = absl::AsciiStrToLower(what.method);
  const std::string command = absl::StrCat("retrace ", entity.collection, " ", verb_name, " ");
  CLI::App* verb = AddVerb(noun, verb_name, what.about,
                           absl::StrCat(command, entity.example_id, related, "\n  ", command,
                                        "--filter '", entity.example_filter, "'", related));
  auto flags = std::make_shared<LifecycleFlags>();
  AddIdArgument(*verb, entity, flags->id, flags->by_number);
  verb->add_option("--etag", flags->etag, "only if it still has this etag")->option_text("ETAG");
  if (has_related) AddRelatedFlags(*verb, flags->related);
  AddPlanFlags(*verb, flags->plan);
  AddTargetFlags(*verb, flags->targets);
  verb->add_flag("--operation", flags->as_operation,
                 "with ID: in the background, for what one commit does not hold, e.g. a customer "
                 "with more than 1,000 records")
      ->group("Many at once");
  verb->callback([&session, &entity, what, flags] {
    session.Choose(
        [&session, &entity, what, flags] { return RunLifecycle(session, entity, what, *flags); });
  });
}

absl::Status RunBatchDelete(Session& session, const EntityNoun& entity,
                            std::vector<std::string> ids, const RelatedFlags& related,
                            const PlanFlags& plan) {
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  if (ids.empty() || (ids.size() == 1 && ids[0] == "-")) {
    absl::StatusOr<std::vector<std::string>> lines = ReadIds("-");
    if (!lines.ok()) return lines.status();
    ids = *std::move(lines);
  }
  Exchange exchange = NewExchange(absl::StrCat(entity.service, ".BatchDelete", entity.title, "s"));
  SetText(*exchange.request, "parent", *tenant);
  const auto* names = FieldOf(*exchange.request, "names");
  for (const std::string& id : ids) {
    absl::StatusOr<std::string> name = ResolveName(session, entity, id);
    if (!name.ok()) return name.status();
    exchange.request->GetReflection()->AddString(exchange.request.get(), names, *name);
  }
  if (FieldOf(*exchange.request, "related") != nullptr) {
    const absl::Status status = FillRelated(related, *MutableSub(*exchange.request, "related"));
    if (!status.ok()) return status;
  }
  absl::StatusOr<bool> done = RunCommand(session, exchange, plan);
  if (!done.ok() || !*done) return done.status();
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  const std::string plural = absl::StrCat(entity.field, "s");
  RowOutput rows(*style, entity.columns, *FieldOf(*exchange.response, plural)->message_type(),
                 session.out());
  for (const Message* row : Elements(*exchange.response, plural)) rows.Add(*row);
  rows.Finish();
  session.NoteOutcome(static_cast<const v1::Outcome&>(Sub(*exchange.response, "outcome")));
  return absl::OkStatus();
}

void AddBatchDeleteVerb(CLI::App& noun, Session& session, const EntityNoun& entity) {
  const bool has_related = entity.collection == "customers";
  CLI::App* verb = AddVerb(
      noun, "batch-delete",
      absl::StrCat("move many ", entity.collection, " to the recycle bin in one commit"),
      absl::StrCat("retrace ", entity.collection, " batch-delete 01jd8e6x2k 01jd8e7a9m",
                   has_related ? " --related delete" : "", "\n  retrace ", entity.collection,
                   " batch-delete - < ids.txt", has_related ? " --related refuse" : ""));
  auto ids = std::make_shared<std::vector<std::string>>();
  auto related = std::make_shared<RelatedFlags>();
  verb->add_option("ids", *ids, "ids; none or `-`: one a line from standard input")
      ->option_text("[IDS...]");
  if (has_related) AddRelatedFlags(*verb, *related);
  auto plan = std::make_shared<PlanFlags>();
  AddPlanFlags(*verb, *plan);
  verb->callback([&session, &entity, ids, related, plan] {
    session.Choose([&session, &entity, ids, related, plan] {
      return RunBatchDelete(session, entity, *ids, *related, *plan);
    });
  });
}

void AddHistoryVerb(CLI::App& noun, Session& session, const EntityNoun& entity) {
  auto limit = std::make_shared<int64_t>(50);
  CLI::App* verb = AddNamedVerb(
      noun, session, entity, "history", "what happened to it: field, before, after, who, when, why",
      [limit](Session& session, const EntityNoun& entity, const std::string& id) -> absl::Status {
        absl::StatusOr<std::string> name = ResolveName(session, entity, id);
        if (!name.ok()) return name.status();
        return PrintChanges(session, *name, *limit);
      });
  verb->add_option("--limit", *limit, "how many commits at most (50)")->option_text("N");
}

}  // namespace

std::string FilterText(absl::string_view text) {
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\\", "\\\\"}, {"\"", "\\\""}}), "\"");
}

absl::StatusOr<std::string> ResolveName(Session& session, const EntityNoun& entity,
                                        const std::string& text) {
  if (absl::StrContains(text, '/') && !absl::StartsWith(text, "ext:")) return text;
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  ListFlags flags;
  flags.show_inactive = flags.show_deleted = true;
  int64_t number = 0;
  if (absl::StartsWith(text, "ext:")) {
    // Search looks it up in its index; the filter leaves out what was found by other words.
    flags.words = {text.substr(4)};
    flags.filter = absl::StrCat("external_id = ", FilterText(text.substr(4)));
  } else if (absl::StartsWith(text, "#")) {
    if (!absl::SimpleAtoi(text.substr(1), &number)) {
      return absl::InvalidArgumentError(absl::StrCat("`", text, "` is no number of a customer"));
    }
    flags.filter = absl::StrCat("number = ", number);
  } else {
    return FullName(*tenant, entity.collection, text);
  }
  // A key may be held by one live entity and, before it, by any number of deleted ones.
  std::vector<std::string> live, deleted;
  const absl::Status status = ForEachListed(session, entity, flags, [&](const Message& row) {
    // The filter ignores case and knows wildcards; a person who writes an id means that one.
    const bool by_key = absl::StartsWith(text, "ext:");
    if (by_key && GetText(row, "external_id") != text.substr(4)) return true;
    const bool gone = ValueText(row, "state", ValueForm::kExact) == "DELETED";
    (gone ? deleted : live).push_back(GetText(row, "name"));
    return true;
  });
  if (!status.ok()) return status;
  const std::vector<std::string>& found = live.empty() ? deleted : live;
  if (found.size() == 1) return found.front();
  if (found.empty()) {
    return absl::NotFoundError(absl::StrCat("there is no ", entity.field, " ", text));
  }
  return absl::InvalidArgumentError(
      absl::StrCat(text, " could be any of ", absl::StrJoin(found, ", ")));
}

absl::Status ForEachListed(Session& session, const EntityNoun& entity, const ListFlags& flags,
                           absl::FunctionRef<bool(const Message&)> visit,
                           std::string* next_page_token, v1::Answered* answered) {
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  std::string token = flags.page_token;
  int64_t left = flags.all ? std::numeric_limits<int64_t>::max() : flags.limit;
  do {
    Exchange exchange = NewExchange(absl::StrCat(entity.service, ".List", entity.title, "s"));
    Message& request = *exchange.request;
    SetText(request, "parent", *tenant);
    SetText(request, "filter", flags.filter);
    if (!flags.order_by.empty()) SetText(request, "order_by", flags.order_by);
    if (!flags.words.empty()) SetText(request, "query", absl::StrJoin(flags.words, " "));
    SetText(request, "page_token", token);
    SetInt32(request, "page_size", static_cast<int32_t>(std::min<int64_t>(left, kLargestPage)));
    if (flags.show_inactive) SetBool(request, "show_inactive", true);
    SetBool(request, "show_deleted", flags.show_deleted);
    if (absl::Status status = session.Run(exchange); !status.ok()) return status;
    for (const Message* row : Elements(*exchange.response, absl::StrCat(entity.field, "s"))) {
      --left;
      if (!visit(*row)) return absl::OkStatus();
    }
    if (answered != nullptr) answered->CopyFrom(Sub(*exchange.response, "answered"));
    token = GetText(*exchange.response, "next_page_token");
  } while (!token.empty() && left > 0);
  if (next_page_token != nullptr) *next_page_token = token;
  return absl::OkStatus();
}

absl::Status PrintCommandReply(Session& session, const EntityNoun& entity,
                               const Message& response) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  if (style->format == OutputFormat::kJson || style->format == OutputFormat::kJsonl) {
    PrintMessage(response, *style, session.out());
    return absl::OkStatus();
  }
  const Message& row = Sub(response, entity.field);
  RowOutput rows(*style, entity.columns, *row.GetDescriptor(), session.out());
  rows.Add(row);
  rows.Finish();
  session.NoteOutcome(static_cast<const v1::Outcome&>(Sub(response, "outcome")));
  return absl::OkStatus();
}

void AddEntityVerbs(CLI::App& noun, Session& session, const EntityNoun& entity) {
  AddReadingVerbs(noun, session, entity);
  AddCreateVerb(noun, session, entity);
  AddUpdateVerb(noun, session, entity);
  AddKeepingVerbs(noun, session, entity);
}

void AddReadingVerbs(CLI::App& noun, Session& session, const EntityNoun& entity) {
  AddListVerb(noun, session, entity);
  AddNamedVerb(noun, session, entity, "get", "one of them with every field", RunGet,
               " --as-of 2026-03-31T18:00:00");
}

void AddKeepingVerbs(CLI::App& noun, Session& session, const EntityNoun& entity) {
  const LifecycleVerb verbs[] = {
      {"Deactivate", "keep it, but hide it from lists", ""},
      {"Activate", "make an inactive one active again", "INACTIVE"},
      {"Delete", "move it to the recycle bin", ""},
      {"Undelete", "bring it back from the recycle bin", "DELETED"},
  };
  for (const LifecycleVerb& verb : verbs) {
    if (HasMethod(MethodOf(entity, verb.method))) AddLifecycleVerb(noun, session, entity, verb);
  }
  if (HasMethod(absl::StrCat(entity.service, ".BatchDelete", entity.title, "s"))) {
    AddBatchDeleteVerb(noun, session, entity);
  }
  AddHistoryVerb(noun, session, entity);
}

}  // namespace retrace::cli
