#include "clients/cli/operation_output.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "clients/cli/columns.h"
#include "clients/cli/operation_wait.h"
#include "clients/cli/plans.h"
#include "clients/cli/progress_bar.h"
#include "clients/cli/time_text.h"
#include "retrace/v1/operations.pb.h"

namespace retrace::cli {
namespace {

using google::longrunning::Operation;

// The columns of CSV: the name, and every field of the metadata.
std::vector<Column> CsvColumns() {
  std::vector<Column> columns = {{"", "name"}};
  for (const Column& column : AllColumns(*v1::OperationMetadata::descriptor())) {
    columns.push_back({"", absl::StrCat("metadata.", column.path)});
  }
  columns.push_back({"", "error.message"});
  return columns;
}

std::string StateText(const v1::OperationMetadata& metadata) {
  return v1::OperationMetadata::State_Name(metadata.state());
}

std::string MethodText(const v1::OperationMetadata& metadata) {
  return absl::StrCat(ValueText(metadata, "method", ValueForm::kShort),
                      metadata.plan_only() ? " (plan)" : "");
}

void PrintCounts(const v1::OperationMetadata& metadata, std::ostream& out,
                 const TableStyle& style) {
  PrintPairs({{"ok", absl::StrCat(metadata.ok_count())},
              {"refused", absl::StrCat(metadata.refused_count())},
              {"drifted", absl::StrCat(metadata.drifted_count())},
              {"skipped", absl::StrCat(metadata.skipped_count())},
              {"targets", absl::StrCat(metadata.target_count())}},
             out, style);
}

void PrintPairsOf(const Operation& operation, std::ostream& out, const TableStyle& style) {
  const v1::OperationMetadata metadata = MetadataOf(operation);
  std::vector<std::pair<std::string, std::string>> pairs = {{"name", operation.name()}};
  for (const Column& column : AllColumns(*v1::OperationMetadata::descriptor())) {
    if (column.path == "plan_only" && !metadata.plan_only()) continue;
    std::string value = ValueText(metadata, column.path, ValueForm::kShort);
    if (!value.empty()) pairs.emplace_back(column.heading, std::move(value));
  }
  if (operation.has_error()) pairs.emplace_back("error", operation.error().message());
  PrintPairs(pairs, out, style);
}

}  // namespace

OperationOutput::OperationOutput(const OutputStyle& style, std::ostream& out)
    : style_(style),
      rows_(style.format == OutputFormat::kTable ? OutputStyle{} : style, CsvColumns(),
            *Operation::descriptor(), out),
      table_({{"ID"},
              {"BEGUN"},
              {"ACTOR"},
              {"METHOD"},
              {"STATE"},
              {"TARGETS", Align::kRight},
              {"DONE", Align::kRight},
              {"OK", Align::kRight},
              {"REFUSED", Align::kRight},
              {"DRIFTED", Align::kRight},
              {"SKIPPED", Align::kRight},
              {"CHANGE SET", Align::kRight},
              {"REASON"}}),
      out_(out) {}

void OperationOutput::Add(const Operation& operation) {
  if (style_.format != OutputFormat::kTable) return rows_.Add(operation);
  const v1::OperationMetadata metadata = MetadataOf(operation);
  table_.Add({IdOf(operation.name()), ShortTime(metadata.create_time()), metadata.actor(),
              MethodText(metadata), StateText(metadata), absl::StrCat(metadata.target_count()),
              absl::StrCat(metadata.done_count()), absl::StrCat(metadata.ok_count()),
              absl::StrCat(metadata.refused_count()), absl::StrCat(metadata.drifted_count()),
              absl::StrCat(metadata.skipped_count()),
              metadata.change_set() == 0 ? "" : absl::StrCat(metadata.change_set()),
              metadata.reason()});
}

void OperationOutput::Finish() {
  if (style_.format != OutputFormat::kTable) return rows_.Finish();
  table_.Print(out_, style_.table);
}

absl::Status PrintStarted(Session& session, const Operation& operation) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  if (style->format != OutputFormat::kTable) return PrintOperation(session, operation);
  session.out() << operation.name() << '\n';
  return absl::OkStatus();
}

absl::Status PrintEnded(Session& session, const Operation& operation) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  const v1::OperationMetadata metadata = MetadataOf(operation);
  const v1::OperationResult result = ResultOf(operation);
  if (result.has_plan()) return ShowPlan(session, result.plan());
  if (style->format != OutputFormat::kTable) {
    if (absl::Status status = PrintOperation(session, operation); !status.ok()) return status;
    return StatusOf(operation);
  }
  PrintCounts(metadata, session.out(), style->table);
  session.out().flush();
  session.err() << StateText(metadata);
  if (metadata.change_set() != 0) session.err() << ", change set " << metadata.change_set();
  session.err() << '\n';
  return StatusOf(operation);
}

absl::Status PrintOperation(Session& session, const Operation& operation) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  switch (style->format) {
    case OutputFormat::kTable:
      PrintPairsOf(operation, session.out(), style->table);
      break;
    case OutputFormat::kCsv: {
      OperationOutput rows(*style, session.out());
      rows.Add(operation);
      rows.Finish();
      break;
    }
    default:
      PrintMessage(operation, *style, session.out());
  }
  session.out().flush();
  return absl::OkStatus();
}

}  // namespace retrace::cli
