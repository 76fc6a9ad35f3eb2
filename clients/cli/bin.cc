#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "clients/cli/app.h"
#include "clients/cli/entity_verbs.h"
#include "clients/cli/import/csv_reader.h"
#include "clients/cli/named_entities.h"
#include "clients/cli/nouns.h"
#include "clients/cli/operation_start.h"
#include "clients/cli/plans.h"
#include "retrace/v1/recycle_bin.pb.h"

namespace retrace::cli {
namespace {

constexpr int64_t kLargestPage = 1000;

struct BinFlags {
  std::vector<std::string> names;
  std::string collection, filter, query, order_by, clash = "abort";
  std::vector<std::string> choices;
  std::string choices_file;
  bool clashes = false;
  int64_t limit = 50;
  int64_t deleted_by = 0;
  PlanFlags plan;
  bool in_parts = false;
  bool as_operation = false;
  OperationFlags operation;
};

absl::Status RunBinList(Session& session, const BinFlags& flags) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  v1::ListBinnedEntitiesRequest request;
  request.set_parent(*tenant);
  request.set_collection(flags.collection);
  request.set_filter(flags.filter);
  request.set_query(flags.query);
  request.set_order_by(flags.order_by);
  RowOutput rows(*style,
                 {{"KIND", "collection"},
                  {"ID", "name"},
                  {"TITLE", "title"},
                  {"DELETED", "delete_time"},
                  {"BY", "actor"},
                  {"REASON", "reason"},
                  {"CHANGE SET", "change_set"},
                  {"TAKEN BY", "taken_by"},
                  {"EXPIRES", "expire_time"},
                  {"CASE", "case_number"}},
                 *v1::BinnedEntity::descriptor(), session.out());
  for (int64_t left = flags.limit; left > 0;) {
    request.set_page_size(static_cast<int32_t>(std::min(left, kLargestPage)));
    const auto reply =
        session.Ask<v1::ListBinnedEntitiesResponse>("RecycleBin.ListBinnedEntities", request);
    if (!reply.ok()) return reply.status();
    for (const auto& entity : reply->entities()) rows.Add(entity);
    left -= reply->entities_size();
    if (reply->next_page_token().empty()) break;
    request.set_page_token(reply->next_page_token());
  }
  rows.Finish();
  return absl::OkStatus();
}

absl::Status RunBinGet(Session& session, const BinFlags& flags) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  absl::StatusOr<std::string> name = NameOfAny(session, flags.names.at(0));
  if (!name.ok()) return name.status();
  v1::GetBinnedEntityRequest request;
  request.set_name(*std::move(name));
  const auto reply =
      session.Ask<v1::GetBinnedEntityResponse>("RecycleBin.GetBinnedEntity", request);
  if (!reply.ok()) return reply.status();
  v1::BinnedEntity entity = reply->entity();
  // Bytes of a message that the table cannot show; -o json has it.
  if (style->format == OutputFormat::kTable) entity.clear_resource();
  PrintMessage(entity, *style, session.out());
  return absl::OkStatus();
}

// As flags have it, or as --clashes writes it.
absl::StatusOr<v1::ClashRule> ParseRule(const std::string& text) {
  v1::ClashRule rule;
  const std::string name = absl::StrReplaceAll(absl::AsciiStrToUpper(text), {{"-", "_"}});
  if (v1::ClashRule_Parse(name, &rule) && rule != v1::CLASH_RULE_UNSPECIFIED) return rule;
  return absl::InvalidArgumentError(
      absl::StrCat("`", text, "` is no rule: abort, without-value or skip"));
}

template <typename Request>
absl::Status FillNames(Session& session, const BinFlags& flags, Request& request) {
  for (const std::string& text : flags.names) {
    absl::StatusOr<std::string> name = NameOfAny(session, text);
    if (!name.ok()) return name.status();
    request.add_names(*std::move(name));
  }
  return absl::OkStatus();
}

// Sends a command on names to each alone: those that it has, or those of the filter.
template <typename Request>
absl::Status RunFromBin(Session& session, Request& request, const BinFlags& flags) {
  Targets targets{.filter = flags.filter, .collection = flags.collection};
  targets.names.assign(request.names().begin(), request.names().end());
  if (targets.names.empty() && targets.filter.empty()) {
    if (targets.collection.empty()) {
      return absl::InvalidArgumentError(
          "which? Say names, --kind KIND or --filter FILTER; --filter '*' is all");
    }
    targets.filter = "*";
  }
  request.clear_names();
  request.clear_parent();
  if constexpr (requires { request.clear_collection(); }) request.clear_collection();
  return RunAsOperation(session, request, targets, flags.operation, flags.plan);
}

absl::Status AddChoice(Session& session, const std::string& entity, const std::string& key,
                       const std::string& rule, v1::RestoreEntitiesRequest& request) {
  absl::StatusOr<std::string> name = NameOfAny(session, entity);
  if (!name.ok()) return name.status();
  absl::StatusOr<v1::ClashRule> parsed = ParseRule(rule);
  if (!parsed.ok()) return parsed.status();
  v1::ClashChoice& choice = *request.add_choices();
  choice.set_name(*std::move(name));
  choice.set_key(key);
  choice.set_rule(*parsed);
  return absl::OkStatus();
}

// The cell of a column; empty when the file has no such column.
std::string CellOf(const CsvReader& reader, const CsvRecord& record, absl::string_view column) {
  const auto found = std::find(reader.header().begin(), reader.header().end(), column);
  return found == reader.header().end()
             ? std::string()
             : record.cells[static_cast<size_t>(found - reader.header().begin())];
}

// Choices from flags and from a CSV file with the columns name, rule and, if wanted, key.
absl::Status FillChoices(Session& session, const BinFlags& flags,
                         v1::RestoreEntitiesRequest& request) {
  for (const std::string& choice : flags.choices) {
    const auto split = SplitSetting(choice);
    if (!split.ok()) return split.status();
    const absl::Status added = AddChoice(session, split->first, "", split->second, request);
    if (!added.ok()) return added;
  }
  if (flags.choices_file.empty()) return absl::OkStatus();
  absl::StatusOr<std::string> content = ReadFile(flags.choices_file);
  if (!content.ok()) return content.status();
  absl::StatusOr<CsvReader> reader = CsvReader::Open(*std::move(content));
  if (!reader.ok()) return reader.status();
  while (const auto record = reader->Next()) {
    absl::Status added = absl::InvalidArgumentError(record->fault);
    if (record->fault.empty()) {
      added = AddChoice(session, CellOf(*reader, *record, "name"), CellOf(*reader, *record, "key"),
                        CellOf(*reader, *record, "rule"), request);
    }
    if (!added.ok()) {
      return absl::Status(added.code(), absl::StrCat(flags.choices_file, ", line ", record->line,
                                                     ": ", added.message()));
    }
  }
  return absl::OkStatus();
}

// In the form that --choices reads.
absl::Status PrintClashes(Session& session, const BinFlags& flags, const std::string& tenant,
                          v1::ClashRule rule) {
  if (!flags.choices.empty() || !flags.choices_file.empty() || flags.as_operation) {
    return absl::InvalidArgumentError(
        "--clashes lists what --choices chooses among: one or the other, and not --operation");
  }
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  v1::GetRestoreClashesRequest request;
  request.set_parent(tenant);
  request.set_change_set(flags.deleted_by);
  request.set_on_clash(rule);
  if (absl::Status status = FillNames(session, flags, request); !status.ok()) return status;
  const auto reply =
      session.Ask<v1::GetRestoreClashesResponse>("RecycleBin.GetRestoreClashes", request);
  if (!reply.ok()) return reply.status();
  RowOutput rows(*style,
                 {{"ENTITY", "name"},
                  {"KEY", "key"},
                  {"RULE", "rule"},
                  {"VALUE", "value"},
                  {"HELD BY", "holder"}},
                 *v1::RestoreClash::descriptor(), session.out());
  for (const v1::RestoreClash& clash : reply->clashes()) rows.Add(clash);
  rows.Finish();
  return absl::OkStatus();
}

absl::Status RunBinRestore(Session& session, const BinFlags& flags) {
  const bool by_list = !flags.filter.empty() || !flags.collection.empty();
  if (by_list && !flags.as_operation) {
    return absl::InvalidArgumentError("--kind and --filter of a restore need --operation");
  }
  if (flags.deleted_by != 0 && flags.as_operation) {
    return absl::InvalidArgumentError(
        "--deleted-by is no operation; `retrace undo NUMBER --operation` restores as much");
  }
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  absl::StatusOr<v1::ClashRule> rule = ParseRule(flags.clash);
  if (!rule.ok()) return rule.status();
  if (flags.clashes) return PrintClashes(session, flags, *tenant, *rule);
  Exchange exchange = NewExchange("RecycleBin.RestoreEntities");
  auto& request = static_cast<v1::RestoreEntitiesRequest&>(*exchange.request);
  request.set_parent(*tenant);
  request.set_change_set(flags.deleted_by);
  if (absl::Status status = FillNames(session, flags, request); !status.ok()) return status;
  request.set_on_clash(*rule);
  if (absl::Status status = FillChoices(session, flags, request); !status.ok()) return status;
  if (flags.as_operation) return RunFromBin(session, request, flags);
  absl::StatusOr<bool> done = RunCommand(session, exchange, flags.plan);
  if (!done.ok() || !*done) return done.status();
  const auto& reply = static_cast<const v1::RestoreEntitiesResponse&>(*exchange.response);
  for (const std::string& name : reply.names()) session.out() << "restored " << name << "\n";
  for (const std::string& name : reply.skipped_names()) {
    session.out() << "left in the bin " << name << "\n";
  }
  session.NoteOutcome(reply.outcome());
  return absl::OkStatus();
}

// Calls a purge. What it would do is a matter of its plan, so it never only counts.
template <typename Request, typename Response>
absl::Status RunPurge(Session& session, const BinFlags& flags, absl::string_view method) {
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  Exchange exchange = NewExchange(method);
  auto& request = static_cast<Request&>(*exchange.request);
  request.set_parent(*tenant);
  request.set_collection(flags.collection);
  request.set_force(true);
  if constexpr (requires { request.add_names(""); }) {
    if (absl::Status status = FillNames(session, flags, request); !status.ok()) return status;
    if (flags.as_operation) return RunFromBin(session, request, flags);
    request.set_filter(flags.filter);
    request.set_in_parts(flags.in_parts);
  }
  absl::StatusOr<bool> done = RunCommand(session, exchange, flags.plan);
  if (!done.ok() || !*done) return done.status();
  const auto& reply = static_cast<const Response&>(*exchange.response);
  session.out() << "purged " << reply.purge_count()
                << (reply.purge_count() == 1 ? " entity" : " entities") << "\n";
  for (const std::string& name : reply.purge_sample()) session.out() << "  " << name << "\n";
  session.NoteOutcome(reply.outcome());
  return absl::OkStatus();
}

absl::Status RunBinPurge(Session& session, const BinFlags& flags) {
  return RunPurge<v1::PurgeEntitiesRequest, v1::PurgeEntitiesResponse>(session, flags,
                                                                       "RecycleBin.PurgeEntities");
}

absl::Status RunBinEmpty(Session& session, const BinFlags& flags) {
  return RunPurge<v1::EmptyBinRequest, v1::EmptyBinResponse>(session, flags, "RecycleBin.EmptyBin");
}

void AddCollection(CLI::App& verb, BinFlags& flags) {
  verb.add_option("--kind", flags.collection, "only this kind, e.g. customers")
      ->option_text("KIND");
}

void AddFilter(CLI::App& verb, BinFlags& flags) {
  verb.add_option("--filter", flags.filter, "AIP-160 filter, with --kind")->option_text("FILTER");
}

CLI::Option* AddNames(CLI::App& verb, BinFlags& flags) {
  return verb
      .add_option("names", flags.names, "full names, or customers/ID, customers/ext:EXTERNAL")
      ->option_text("NAME...");
}

using Run = absl::Status (*)(Session&, const BinFlags&);

std::shared_ptr<BinFlags> Begin(CLI::App* verb, Session& session, Run run) {
  auto flags = std::make_shared<BinFlags>();
  verb->callback([&session, flags, run] {
    session.Choose([&session, flags, run] { return run(session, *flags); });
  });
  return flags;
}

}  // namespace

void AddBinVerbs(CLI::App& noun, Session& session) {
  CLI::App* list = AddVerb(noun, "list", "what lies in the bin, who deleted it, why, until when",
                           "retrace bin list --kind customers --filter 'level = \"gold\"'");
  auto flags = Begin(list, session, RunBinList);
  AddCollection(*list, *flags);
  AddFilter(*list, *flags);
  list->add_option("--query", flags->query, "search, as in lists")->option_text("WORDS");
  list->add_option("--order-by", flags->order_by, "with --kind")->option_text("FIELD");
  list->add_option("--limit", flags->limit, "how many at most (50)")
      ->option_text("N")
      ->check(AtLeastOne());
  CLI::App* get = AddVerb(noun, "get", "one of it, with what it took along",
                          "retrace bin get customers/ext:H-1");
  AddNames(*get, *Begin(get, session, RunBinGet))->required()->expected(1);
  CLI::App* restore = AddVerb(noun, "restore", "bring back, with exactly what a deletion took",
                              "retrace bin restore customers/ext:H-1\n  "
                              "retrace bin restore --deleted-by 42 --on-clash skip\n  "
                              "retrace bin restore --deleted-by 42 --clashes -o csv > its.csv\n  "
                              "retrace bin restore --deleted-by 42 --choices its.csv");
  flags = Begin(restore, session, RunBinRestore);
  AddNames(*restore, *flags);
  restore->add_option("--deleted-by", flags->deleted_by, "all that this change set deleted")
      ->option_text("CHANGE_SET");
  restore
      ->add_option("--on-clash", flags->clash,
                   "what to do where others hold unique keys by now: abort, without-value, skip")
      ->option_text("RULE");
  restore->add_option("--choice", flags->choices, "the same for one entity")
      ->option_text("NAME=RULE");
  AddCollection(*restore, *flags);
  AddFilter(*restore, *flags);
  restore
      ->add_option("--choices", flags->choices_file,
                   "the same for many: a CSV file with the columns name, rule and, for one of "
                   "several keys, key")
      ->option_text("FILE");
  restore->add_flag("--clashes", flags->clashes,
                    "only list the keys that others hold by now, with -o csv as --choices reads "
                    "them; restore nothing");
  AddPlanFlags(*restore, flags->plan);
  AddAsOperationFlags(*restore, flags->as_operation, flags->operation);
  CLI::App* purge =
      AddVerb(noun, "purge", "end for ever, at every moment of the past",
              "retrace bin purge customers/ext:H-1 --reason \"asked for\"\n  "
              "retrace bin purge --kind customers --filter 'level = \"gold\"' --plan");
  flags = Begin(purge, session, RunBinPurge);
  AddNames(*purge, *flags);
  purge->add_flag("--in-parts", flags->in_parts,
                  "when too much moved away from one entity: as much as one commit holds; again "
                  "until it is purged");
  AddCollection(*purge, *flags);
  AddFilter(*purge, *flags);
  AddPlanFlags(*purge, flags->plan);
  AddAsOperationFlags(*purge, flags->as_operation, flags->operation);
  CLI::App* empty =
      AddVerb(noun, "empty", "purge all of it", "retrace bin empty --kind records --plan");
  flags = Begin(empty, session, RunBinEmpty);
  AddCollection(*empty, *flags);
  AddPlanFlags(*empty, flags->plan);
}

}  // namespace retrace::cli
