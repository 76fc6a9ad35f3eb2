#include "clients/cli/import/import_verbs.h"

#include <filesystem>
#include <fstream>
#include <memory>
#include <sstream>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "clients/cli/app.h"
#include "clients/cli/exit_codes.h"
#include "clients/cli/import/csv_reader.h"
#include "clients/cli/import/importer.h"
#include "clients/cli/progress_bar.h"
#include "fmt/format.h"

namespace retrace::cli {
namespace {

absl::StatusOr<CsvReader> OpenCsv(const ImportRequest& request, const std::string& content) {
  if (request.delimiter.size() > 1 && request.delimiter != "tab") {
    return absl::InvalidArgumentError("--delimiter is one character, or tab");
  }
  const char delimiter = request.delimiter.empty()    ? '\0'
                         : request.delimiter == "tab" ? '\t'
                                                      : request.delimiter[0];
  absl::StatusOr<CsvReader> reader = CsvReader::Open(content, delimiter);
  if (reader.ok()) return reader;
  return absl::InvalidArgumentError(absl::StrCat(request.file, ": ", reader.status().message()));
}

absl::StatusOr<ColumnChoices> ChoicesOf(const ImportRequest& request) {
  ColumnChoices choices{.ignored = request.ignored};
  for (const std::string& map : request.maps) {
    absl::StatusOr<std::pair<std::string, std::string>> split = SplitSetting(map);
    if (!split.ok()) return absl::InvalidArgumentError("--map is of the form FIELD=COLUMN");
    choices.maps.push_back(*std::move(split));
  }
  if (!request.customer_column.empty()) {
    choices.maps.emplace_back("customer", request.customer_column);
  }
  if (!request.owner_column.empty()) choices.maps.emplace_back("owner", request.owner_column);
  return choices;
}

absl::StatusOr<ValueRules> RulesOf(Session& session, const EntityNoun& entity,
                                   const ImportRequest& request,
                                   const std::vector<ColumnTarget>& targets) {
  std::vector<std::string> paths;
  for (const ColumnTarget& target : targets) {
    const bool needs_no_currency = target.path == "amount" && !request.currency.empty();
    if (!needs_no_currency) paths.push_back(target.path);
  }
  absl::StatusOr<ValueRules> rules = RulesFor(session, paths, entity);
  if (!rules.ok()) return rules;
  if (!request.currency.empty()) rules->currency = request.currency;
  rules->decimal_mark = request.decimal_comma ? DecimalMark::kComma : DecimalMark::kPoint;
  rules->time_format = request.date_format;
  return rules;
}

absl::StatusOr<std::unique_ptr<google::protobuf::Message>> PrototypeOf(
    const EntityNoun& entity, const ImportRequest& request,
    const std::vector<ColumnTarget>& targets) {
  const Exchange example = NewExchange(absl::StrCat(entity.service, ".Get", entity.title));
  std::unique_ptr<google::protobuf::Message> prototype(Sub(*example.response, entity.field).New());
  if (entity.collection != "records") return prototype;
  bool has_column = false;
  for (const ColumnTarget& target : targets) has_column = has_column || target.path == "kind";
  if (request.kind.empty() && !has_column) {
    return absl::InvalidArgumentError("which kind of record? Say --kind DEAL, or map a column");
  }
  if (!request.kind.empty()) {
    absl::Status status = SetField(*prototype, "kind", request.kind, ValueRules{});
    if (!status.ok()) return status;
  }
  return prototype;
}

absl::StatusOr<TargetOptions> TargetOptionsOf(Session& session, const ImportRequest& request) {
  TargetOptions options;
  options.missing_owner_is_none = request.missing_owner == "none";
  MissingCustomer& missing = options.missing_customer;
  if (request.missing_customer == "none") {
    missing.choice = MissingCustomer::Choice::kNone;
  } else if (request.missing_customer != "reject") {
    absl::StatusOr<std::string> name =
        ResolveName(session, CustomerNoun(), request.missing_customer);
    if (!name.ok()) return name.status();
    missing.choice = MissingCustomer::Choice::kInstead;
    missing.instead = *name;
  }
  return options;
}

absl::StatusOr<ImporterOptions> ImporterOptionsOf(const ImportRequest& request,
                                                  const std::string& content) {
  ImporterOptions options{.dry_run = request.dry_run, .recreate_deleted = request.recreate_deleted};
  if (request.on_existing == "update") options.on_existing = OnExisting::kUpdate;
  if (request.on_existing == "error") options.on_existing = OnExisting::kError;
  // The same content under the same name is the same import, also when it is started again.
  constexpr size_t kLongestTitle = 150;
  const std::string name = std::filesystem::path(request.file).filename().string();
  const size_t fingerprint = std::hash<std::string>()(content);
  options.title = fmt::format("import {} [{:08x}]", name.substr(0, kLongestTitle),
                              static_cast<uint32_t>(fingerprint));
  return options;
}

const char* const kTotals[] = {"created", "updated", "unchanged", "skipped", "rejected"};

void PrintTotals(Session& session, const ImportOutcome& outcome, const OutputStyle& style,
                 bool dry_run) {
  const ImportReport& report = outcome.report;
  if (style.format == OutputFormat::kTable) {
    std::vector<std::pair<std::string, std::string>> pairs;
    for (int i = 0; i < 5; ++i) {
      pairs.emplace_back(kTotals[i], absl::StrCat(report.count(static_cast<RowResult>(i))));
    }
    pairs.emplace_back("rows", absl::StrCat(report.total()));
    if (outcome.blank_lines > 0)
      pairs.emplace_back("blank lines", absl::StrCat(outcome.blank_lines));
    if (dry_run) session.out() << "dry run: nothing was written, the server checked nothing\n";
    PrintPairs(pairs, session.out(), style.table);
    return;
  }
  const bool csv = style.format == OutputFormat::kCsv;
  std::vector<std::string> values, names;
  std::string json;
  for (int i = 0; i < 5; ++i) {
    const std::string count = absl::StrCat(report.count(static_cast<RowResult>(i)));
    names.emplace_back(kTotals[i]);
    values.push_back(count);
    absl::StrAppend(&json, "\"", kTotals[i], "\":", count, ",");
  }
  names.emplace_back("rows");
  values.push_back(absl::StrCat(report.total()));
  if (csv) {
    WriteCsvRecord(names, FormulaGuard::kOn, session.out());
    WriteCsvRecord(values, FormulaGuard::kOn, session.out());
  } else {
    session.out() << "{" << json << "\"rows\":" << report.total()
                  << ",\"blank_lines\":" << outcome.blank_lines
                  << ",\"dry_run\":" << (dry_run ? "true" : "false") << "}\n";
  }
}

// The first few reasons at once, all of them in the report.
absl::Status WriteReport(Session& session, const ImportReport& report,
                         const ImportRequest& request) {
  constexpr int kShown = 5;
  int shown = 0;
  for (const ImportReport::Entry* entry : report.InOrder()) {
    if (entry->result != RowResult::kRejected || ++shown > kShown) continue;
    session.err() << request.file << ", line " << entry->line << ": " << entry->reason << '\n';
  }
  if (shown > kShown) session.err() << "and " << shown - kShown << " more rejected rows\n";
  std::string path = request.report;
  const bool notable = report.count(RowResult::kRejected) + report.count(RowResult::kSkipped) > 0;
  if (path.empty() && !notable) return absl::OkStatus();
  if (path.empty()) {
    path = absl::StrCat(std::filesystem::path(request.file).filename().string(), ".report.csv");
  }
  if (path == "-") {
    report.Write(session.out());
    return absl::OkStatus();
  }
  if (absl::Status status = report.WriteFile(path); !status.ok()) return status;
  session.err() << "what became of each row is in " << path << '\n';
  return absl::OkStatus();
}

absl::Status RunImportVerb(Session& session, const EntityNoun& entity,
                           const ImportRequest& request) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  if (!session.flags.as_of.empty()) {
    return absl::InvalidArgumentError("an import writes now; --as-of has no meaning here");
  }
  if (!session.flags.request_id.empty()) {
    return absl::InvalidArgumentError("an import is many commands; --request-id names only one");
  }
  absl::StatusOr<ImportOutcome> outcome = RunImport(session, entity, request);
  if (!outcome.ok()) return outcome.status();
  const absl::Status written = WriteReport(session, outcome->report, request);
  PrintTotals(session, *outcome, *style, request.dry_run);
  if (!outcome->stopped.ok()) return outcome->stopped;
  if (!written.ok()) return written;
  const int64_t rejected = outcome->report.count(RowResult::kRejected);
  if (rejected == 0) return absl::OkStatus();
  return PartialError(
      absl::StrCat(rejected, " of ", outcome->report.total(), " rows were rejected"));
}

void AddRecordFlags(CLI::App& verb, ImportRequest& request) {
  verb.add_option("--kind", request.kind, "what the rows are: CONTACT, DEAL, ORDER, PAYMENT, ...")
      ->option_text("KIND");
  verb.add_option("--customer", request.customer_column,
                  "column that names the customer: external id, or exact name")
      ->option_text("COLUMN");
  verb.add_option("--owner", request.owner_column,
                  "column that names the member who owns it: id, name or e-mail")
      ->option_text("COLUMN");
  verb.add_option("--missing-customer", request.missing_customer,
                  "a row whose customer is not named or found: reject it, keep it with none, or "
                  "give it to this customer (reject)")
      ->option_text("reject|none|CUSTOMER");
  verb.add_option("--currency", request.currency, "of amounts that name none (the tenant's)")
      ->option_text("CODE");
  verb.add_flag("--decimal-comma", request.decimal_comma, "amounts are written 1.054,50");
  verb.add_option("--date-format", request.date_format,
                  "strftime's letters, e.g. %m/%d/%Y (2026-03-31)")
      ->option_text("FORMAT");
}

const char* ExampleOf(const EntityNoun& entity) {
  if (entity.collection == "customers") {
    return "retrace customers import people.csv --map display_name=Company --ignore Index "
           "--dry-run";
  }
  if (entity.collection == "members") return "retrace members import sales_teams.csv";
  return "retrace records import sales_pipeline.csv --kind DEAL --customer account "
         "--owner sales_agent\n    --currency USD --date-format %m/%d/%Y --missing-customer none";
}

}  // namespace

absl::StatusOr<ImportOutcome> RunImport(Session& session, const EntityNoun& entity,
                                        const ImportRequest& request) {
  absl::StatusOr<std::string> content = ReadFile(request.file);
  if (!content.ok()) return content.status();
  absl::StatusOr<CsvReader> csv = OpenCsv(request, *content);
  if (!csv.ok()) return csv.status();
  absl::StatusOr<ColumnChoices> choices = ChoicesOf(request);
  if (!choices.ok()) return choices.status();
  auto targets = MapColumns(entity.collection, csv->header(), *choices);
  if (!targets.ok()) {
    return absl::InvalidArgumentError(absl::StrCat(request.file, ": ", targets.status().message()));
  }
  auto rules = RulesOf(session, entity, request, *targets);
  if (!rules.ok()) return rules.status();
  auto prototype = PrototypeOf(entity, request, *targets);
  if (!prototype.ok()) return prototype.status();
  absl::StatusOr<TargetOptions> target_options = TargetOptionsOf(session, request);
  if (!target_options.ok()) return target_options.status();
  absl::StatusOr<ImporterOptions> importer_options = ImporterOptionsOf(request, *content);
  if (!importer_options.ok()) return importer_options.status();

  const RowReader reader(*std::move(prototype), *targets, *rules, csv->header());
  References references(session);
  const std::unique_ptr<ImportTarget> target =
      entity.collection == "members"
          ? NewMemberTarget(session, reader, references)
          : NewEntityTarget(session, entity, reader, references, *target_options);
  Importer importer(session, *target, *importer_options);
  ProgressBar bar(session.err(), session.err_is_terminal, "importing");
  ImportOutcome outcome;
  outcome.stopped = importer.Run(
      [&]() -> std::optional<ImportRow> {
        const std::optional<CsvRecord> record = csv->Next();
        if (!record) return std::nullopt;
        return reader.Read(*record);
      },
      [&] {
        bar.Show(csv->offset(), csv->size(),
                 absl::StrCat("bytes, ", importer.report().total(), " rows"));
      });
  bar.Clear();
  outcome.report = std::move(importer.report());
  outcome.blank_lines = csv->blank_lines();
  return outcome;
}

void AddImportVerb(CLI::App& noun, Session& session, const EntityNoun& entity) {
  CLI::App* verb =
      AddVerb(noun, "import", absl::StrCat("bring in ", entity.collection, " from a CSV file"),
              absl::StrCat(
                  ExampleOf(entity),
                  "\n\nWell-known columns are recognised, others become attributes. An import that "
                  "was cut short is\nstarted again as it is: rows that are there are found by "
                  "their external id and a hash of the row."));
  auto request = std::make_shared<ImportRequest>();
  const auto repeated = [verb](const char* flag, std::vector<std::string>& values,
                               const char* about, const char* text) {
    verb->add_option(flag, values, absl::StrCat(about, "; may be repeated"))
        ->option_text(text)
        ->expected(1)
        ->take_all();
  };
  verb->add_option("file", request->file, "the CSV file, in UTF-8, with a heading")
      ->required()
      ->option_text("FILE");
  repeated("--map", request->maps, "this field comes from this column", "FIELD=COLUMN");
  repeated("--ignore", request->ignored, "leave this column out", "COLUMN");
  verb->add_option("--delimiter", request->delimiter, "between cells (guessed of , ; and tab)")
      ->option_text("CHARACTER");
  verb->add_flag("--dry-run", request->dry_run, "only tell what would be done");
  verb->add_option("--on-existing", request->on_existing,
                   "a row that is there with other values: skip it, update it, or reject it as an "
                   "error (skip)")
      ->check(CLI::IsMember({"skip", "update", "error"}))
      ->option_text("CHOICE");
  verb->add_flag("--recreate-deleted", request->recreate_deleted,
                 "create anew what lies in the recycle bin");
  verb->add_option("--report", request->report,
                   "where to write what became of each row, - for standard output "
                   "(FILE.report.csv when a row was rejected or skipped)")
      ->option_text("FILE");
  if (entity.collection == "records") AddRecordFlags(*verb, *request);
  if (entity.collection != "members") {
    verb->add_option("--missing-owner", request->missing_owner,
                     "a row whose owner is not found: reject it, or keep it with none (reject)")
        ->check(CLI::IsMember({"reject", "none"}))
        ->option_text("CHOICE");
  }
  verb->callback([&session, &entity, request] {
    session.Choose(
        [&session, &entity, request] { return RunImportVerb(session, entity, *request); });
  });
}

}  // namespace retrace::cli
