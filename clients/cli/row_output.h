#pragma once

#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "clients/cli/columns.h"
#include "clients/cli/csv_writer.h"
#include "clients/cli/table.h"
#include "google/protobuf/message.h"

namespace retrace::cli {

enum class OutputFormat { kTable, kJson, kJsonl, kCsv };

// `table`, `json`, `jsonl` or `csv`.
absl::StatusOr<OutputFormat> ParseOutputFormat(absl::string_view text);

// How the output of a command is written.
struct OutputStyle {
  OutputFormat format = OutputFormat::kTable;
  TableStyle table;
  FormulaGuard guard = FormulaGuard::kOn;
};

// Writes messages of one type as rows: an aligned table (printed by Finish), an array of JSON
// objects, a JSON object a line, or CSV with a heading. JSON holds the whole message, the others
// its columns.
class RowOutput {
 public:
  RowOutput(OutputStyle style, std::vector<Column> columns,
            const google::protobuf::Descriptor& type, std::ostream& out);

  void Add(const google::protobuf::Message& row);
  // Once, after the last row.
  void Finish();
  int64_t rows() const { return rows_; }

 private:
  const OutputStyle style_;
  const std::vector<Column> columns_;
  std::ostream& out_;
  Table table_;
  int64_t rows_ = 0;
};

// Prints one message: `field  value` lines of the fields that are set, JSON, or one row of CSV.
void PrintMessage(const google::protobuf::Message& message, const OutputStyle& style,
                  std::ostream& out);

}  // namespace retrace::cli
