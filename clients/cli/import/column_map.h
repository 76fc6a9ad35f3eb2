#pragma once

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace retrace::cli {

// Where the cells of one column go.
struct ColumnTarget {
  size_t column = 0;
  // A path as field_values.h reads it, e.g. `external_id`, `addresses.locality`,
  // `attributes.sector`; for members also `id`.
  std::string path;

  friend bool operator==(const ColumnTarget&, const ColumnTarget&) = default;
};

// What the command line says about columns.
struct ColumnChoices {
  // FIELD and COLUMN of each --map. What is said replaces what would have been guessed for the
  // field and for the column.
  std::vector<std::pair<std::string, std::string>> maps;
  // Columns that are left out.
  std::vector<std::string> ignored;
};

// Where every column of `header` goes when rows become `collection` (`customers`, `records` or
// `members`): as chosen, else as guessed from well-known headings, else into an attribute of the
// column's name. In the order of the columns; one may have several targets. INVALID_ARGUMENT when
// a choice names a column or field that there is not, or a column has nowhere to go.
absl::StatusOr<std::vector<ColumnTarget>> MapColumns(absl::string_view collection,
                                                     const std::vector<std::string>& header,
                                                     const ColumnChoices& choices);

}  // namespace retrace::cli
