#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace retrace::cli {

// Columns that UTF-8 text takes on a terminal: 2 for wide characters (Chinese, emoji), 0 for
// combining marks, 1 for everything else, malformed bytes included.
int TextWidth(absl::string_view text);

// `text` cut to at most `width` columns, an ellipsis as its last character when something was cut.
std::string CutToWidth(absl::string_view text, int width);

// `text` fit for a terminal: line breaks, escape sequences, other control characters and those that
// reorder text become visible escapes, so that what a customer is called cannot drive the terminal.
std::string Printable(absl::string_view text);

}  // namespace retrace::cli
