#pragma once

#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace retrace::cli {

// Whether cells that a spreadsheet would execute as a formula get an apostrophe in front.
enum class FormulaGuard { kOn, kOff };

// One cell of RFC 4180. With the guard, text that begins with = + - @ or a tab or carriage return
// and is no plain number is made harmless by a leading apostrophe.
std::string CsvCell(absl::string_view text, FormulaGuard guard);

// Writes one record, ended by a line feed.
void WriteCsvRecord(const std::vector<std::string>& cells, FormulaGuard guard, std::ostream& out);

}  // namespace retrace::cli
