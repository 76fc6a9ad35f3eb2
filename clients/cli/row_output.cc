#include "clients/cli/row_output.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace retrace::cli {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;

std::vector<Table::Heading> Headings(const std::vector<Column>& columns, const Descriptor& type) {
  std::vector<Table::Heading> headings;
  for (const Column& column : columns) {
    headings.push_back(
        {column.heading, IsNumeric(type, column.path) ? Align::kRight : Align::kLeft});
  }
  return headings;
}

std::vector<std::string> Cells(const Message& row, const std::vector<Column>& columns,
                               ValueForm form) {
  std::vector<std::string> cells;
  for (const Column& column : columns) cells.push_back(ValueText(row, column.path, form));
  return cells;
}

}  // namespace

absl::StatusOr<OutputFormat> ParseOutputFormat(absl::string_view text) {
  if (text == "table") return OutputFormat::kTable;
  if (text == "json") return OutputFormat::kJson;
  if (text == "jsonl") return OutputFormat::kJsonl;
  if (text == "csv") return OutputFormat::kCsv;
  return absl::InvalidArgumentError(
      absl::StrCat("--output is table, json, jsonl or csv, not `", text, "`"));
}

RowOutput::RowOutput(OutputStyle style, std::vector<Column> columns, const Descriptor& type,
                     std::ostream& out)
    : style_(style), columns_(std::move(columns)), out_(out), table_(Headings(columns_, type)) {
  if (style_.format == OutputFormat::kCsv) {
    std::vector<std::string> names;
    for (const Column& column : columns_) names.push_back(column.path);
    WriteCsvRecord(names, style_.guard, out_);
  }
}

void RowOutput::Add(const Message& row) {
  switch (style_.format) {
    case OutputFormat::kTable:
      table_.Add(Cells(row, columns_, ValueForm::kShort));
      break;
    case OutputFormat::kJson:
      out_ << (rows_ == 0 ? "[\n" : ",\n") << ToJson(row);
      break;
    case OutputFormat::kJsonl:
      out_ << ToJson(row) << '\n';
      break;
    case OutputFormat::kCsv:
      WriteCsvRecord(Cells(row, columns_, ValueForm::kExact), style_.guard, out_);
      break;
  }
  ++rows_;
}

void RowOutput::Finish() {
  if (style_.format == OutputFormat::kTable) table_.Print(out_, style_.table);
  if (style_.format == OutputFormat::kJson) out_ << (rows_ == 0 ? "[]\n" : "\n]\n");
  out_.flush();
}

void PrintMessage(const Message& message, const OutputStyle& style, std::ostream& out) {
  const Descriptor& type = *message.GetDescriptor();
  switch (style.format) {
    case OutputFormat::kJson:
      out << ToPrettyJson(message);
      break;
    case OutputFormat::kJsonl:
      out << ToJson(message) << '\n';
      break;
    case OutputFormat::kCsv: {
      RowOutput rows(style, AllColumns(type), type, out);
      rows.Add(message);
      rows.Finish();
      break;
    }
    case OutputFormat::kTable: {
      std::vector<std::pair<std::string, std::string>> pairs;
      for (int i = 0; i < type.field_count(); ++i) {
        const FieldDescriptor& field = *type.field(i);
        // The addressed entity itself is shown by its full name.
        const ValueForm form = field.name() == "name" ? ValueForm::kExact : ValueForm::kShort;
        std::string value = ValueText(message, field.name(), form);
        if (!value.empty()) pairs.emplace_back(field.name(), std::move(value));
      }
      PrintPairs(pairs, out, style.table);
      break;
    }
  }
  out.flush();
}

}  // namespace retrace::cli
