#include "clients/cli/text_width.h"

#include <unicode/uchar.h>
#include <unicode/utf8.h>

#include "absl/strings/str_cat.h"
#include "fmt/format.h"

namespace retrace::cli {
namespace {

int WidthOf(UChar32 character) {
  if (character < 0) return 1;
  switch (u_charType(character)) {
    case U_NON_SPACING_MARK:
    case U_ENCLOSING_MARK:
    case U_FORMAT_CHAR:
      return 0;
    default:
      break;
  }
  switch (u_getIntPropertyValue(character, UCHAR_EAST_ASIAN_WIDTH)) {
    case U_EA_FULLWIDTH:
    case U_EA_WIDE:
      return 2;
    default:
      return 1;
  }
}

// Calls visit(character, bytes) for each character; character is negative for malformed bytes.
template <typename Visit>
void ForEachCharacter(absl::string_view text, Visit visit) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  const int32_t size = static_cast<int32_t>(text.size());
  int32_t at = 0;
  while (at < size) {
    const int32_t begin = at;
    UChar32 character = 0;
    U8_NEXT(bytes, at, size, character);
    visit(character, text.substr(begin, at - begin));
  }
}

bool DrivesTerminal(UChar32 character) {
  const bool control = character < 0x20 || (character >= 0x7f && character < 0xa0);
  const bool separator = character == 0x2028 || character == 0x2029;
  const bool reorders = character == 0x061c || character == 0x200e || character == 0x200f ||
                        (character >= 0x202a && character <= 0x202e) ||
                        (character >= 0x2066 && character <= 0x2069);
  return control || separator || reorders;
}

}  // namespace

int TextWidth(absl::string_view text) {
  int width = 0;
  ForEachCharacter(text,
                   [&](UChar32 character, absl::string_view) { width += WidthOf(character); });
  return width;
}

std::string CutToWidth(absl::string_view text, int width) {
  if (TextWidth(text) <= width) return std::string(text);
  std::string cut;
  int used = 1;  // the ellipsis
  bool full = false;
  ForEachCharacter(text, [&](UChar32 character, absl::string_view bytes) {
    if (full || used + WidthOf(character) > width) {
      full = true;
      return;
    }
    used += WidthOf(character);
    absl::StrAppend(&cut, bytes);
  });
  return absl::StrCat(cut, "…");
}

std::string Printable(absl::string_view text) {
  std::string printable;
  printable.reserve(text.size());
  ForEachCharacter(text, [&](UChar32 character, absl::string_view bytes) {
    if (character < 0) {
      printable += "\uFFFD";
    } else if (character == '\n') {
      printable += "\\n";
    } else if (character == '\t') {
      printable += ' ';
    } else if (DrivesTerminal(character)) {
      printable += fmt::format("\\u{:04x}", character);
    } else {
      absl::StrAppend(&printable, bytes);
    }
  });
  return printable;
}

}  // namespace retrace::cli
