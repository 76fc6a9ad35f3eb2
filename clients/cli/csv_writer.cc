#include "clients/cli/csv_writer.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace retrace::cli {
namespace {

// Signed numbers and phone numbers: at worst a spreadsheet adds them up.
bool IsPlainNumber(absl::string_view text) {
  return text.size() > 1 && std::all_of(text.begin() + 1, text.end(), [](char c) {
           return absl::ascii_isdigit(c) || c == '.' || c == ' ' || c == '(' || c == ')';
         });
}

bool IsFormula(absl::string_view text) {
  if (text.empty()) return false;
  switch (text.front()) {
    case '=':
    case '@':
    case '\t':
    case '\r':
      return true;
    case '+':
    case '-':
      return !IsPlainNumber(text);
    default:
      return false;
  }
}

}  // namespace

std::string CsvCell(absl::string_view text, FormulaGuard guard) {
  std::string cell(text);
  if (guard == FormulaGuard::kOn && IsFormula(text)) cell.insert(0, 1, '\'');
  if (cell.find_first_of(",\"\r\n") == cell.npos) return cell;
  return absl::StrCat("\"", absl::StrReplaceAll(cell, {{"\"", "\"\""}}), "\"");
}

void WriteCsvRecord(const std::vector<std::string>& cells, FormulaGuard guard, std::ostream& out) {
  for (size_t i = 0; i < cells.size(); ++i) {
    if (i > 0) out << ',';
    out << CsvCell(cells[i], guard);
  }
  out << '\n';
}

}  // namespace retrace::cli
