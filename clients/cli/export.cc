#include "clients/cli/export.h"

#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "clients/cli/app.h"
#include "clients/cli/exit_codes.h"

namespace retrace::cli {
namespace {

using google::protobuf::Message;

struct ExportFlags {
  ListFlags list;
  std::string file;
  bool raw = false;
};

absl::Status RunExport(Session& session, const EntityNoun& entity, const ExportFlags& flags) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  // An export is for programs; a table is what the flag says when nobody said anything.
  if (style->format == OutputFormat::kTable) style->format = OutputFormat::kCsv;
  if (flags.raw) style->guard = FormulaGuard::kOff;
  std::ofstream file;
  if (!flags.file.empty()) {
    file.open(flags.file, std::ios::binary | std::ios::trunc);
    if (!file) return FileError(absl::StrCat("cannot write ", flags.file));
  }
  std::ostream& out = flags.file.empty() ? session.out() : file;
  const Exchange example = NewExchange(absl::StrCat(entity.service, ".Get", entity.title));
  const auto& type = *FieldOf(*example.response, entity.field)->message_type();
  RowOutput rows(*style, AllColumns(type), type, out);
  v1::Answered answered;
  const absl::Status status = ForEachListed(
      session, entity, flags.list,
      [&](const Message& row) {
        rows.Add(row);
        return out.good();
      },
      nullptr, &answered);
  if (!status.ok()) return status;
  rows.Finish();
  if (!out.good()) {
    return FileError(absl::StrCat("cannot write ", flags.file.empty() ? "the output" : flags.file));
  }
  session.err() << rows.rows() << ' ' << entity.collection << " as of position "
                << answered.position() << '\n';
  return absl::OkStatus();
}

}  // namespace

void AddExportVerb(CLI::App& noun, Session& session, const EntityNoun& entity) {
  CLI::App* verb = AddVerb(
      noun, "export", absl::StrCat("write ", entity.collection, " with every field to a file"),
      absl::StrCat("retrace ", entity.collection, " export --file ", entity.collection,
                   ".csv --as-of 2026-03-31\n  retrace ", entity.collection, " export -o jsonl"));
  auto flags = std::make_shared<ExportFlags>();
  flags->list.all = true;
  verb->add_option("--filter", flags->list.filter, "AIP-160 filter")->option_text("FILTER");
  verb->add_option("--file", flags->file, "where to write; standard output without it")
      ->option_text("FILE");
  verb->add_flag("--show-inactive", flags->list.show_inactive, "inactive ones, too");
  verb->add_flag("--show-deleted", flags->list.show_deleted, "deleted ones, too");
  verb->add_flag("--raw", flags->raw,
                 "text as it is: no apostrophe before what a spreadsheet would execute");
  verb->callback([&session, &entity, flags] {
    session.Choose([&session, &entity, flags] { return RunExport(session, entity, *flags); });
  });
}

}  // namespace retrace::cli
