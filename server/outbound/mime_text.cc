#include "server/outbound/mime_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"

namespace retrace::server {
namespace {

constexpr size_t kLine = 76;
constexpr std::string_view kWordBegin = "=?UTF-8?B?";
constexpr std::string_view kWordEnd = "?=";

bool IsControl(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }

std::string WithoutControls(std::string_view text) {
  std::string clean(text);
  std::replace_if(clean.begin(), clean.end(), IsControl, ' ');
  return clean;
}

// May stand in a header as it is, in a line of its own length.
bool IsPlain(std::string_view text, size_t room) {
  const bool ascii =
      std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
  return ascii && text.size() <= room && text.find("=?") == std::string_view::npos &&
         !text.starts_with(' ') && !text.ends_with(' ');
}

// The longest beginning of at most `most` bytes that parts no character.
size_t WholeCharacters(std::string_view text, size_t most) {
  if (text.size() <= most) {
    return text.size();
  }
  size_t end = most;
  while (end > 0 && (text[end] & 0xc0) == 0x80) --end;
  return end > 0 ? end : most;  // no UTF-8 at all
}

std::string EncodedWords(std::string_view text, size_t first_room) {
  std::string words;
  size_t room = first_room;
  do {
    const size_t frame = kWordBegin.size() + kWordEnd.size();
    const size_t bytes = room > frame + 4 ? (room - frame) / 4 * 3 : 0;
    const size_t taken = bytes >= 4 ? WholeCharacters(text, bytes) : 0;
    if (taken > 0) {
      const std::string encoded = absl::Base64Escape(absl::string_view(text.data(), taken));
      words += fmt::format("{}{}{}", kWordBegin, encoded, kWordEnd);
      text.remove_prefix(taken);
    }
    if (!text.empty()) words += "\r\n ";
    room = kLine - 1;
  } while (!text.empty());
  return words;
}

// An atom's characters and blanks between them: needs no quotes.
bool IsAtoms(std::string_view text) {
  constexpr std::string_view kMarks = " !#$%&'*+-/=?^_`{|}~";
  return std::all_of(text.begin(), text.end(), [&](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) ||
           kMarks.find(c) != std::string_view::npos;
  });
}

size_t RoomAfter(std::string_view name) { return kLine - name.size() - 2; }

}  // namespace

std::string HeaderText(std::string_view name, std::string_view text) {
  const std::string clean = WithoutControls(text);
  const size_t room = RoomAfter(name);
  return IsPlain(clean, room) ? clean : EncodedWords(clean, room);
}

std::string HeaderPhrase(std::string_view name, std::string_view phrase) {
  const std::string clean = WithoutControls(phrase);
  const size_t room = RoomAfter(name);
  if (!IsPlain(clean, room - 2)) {
    return clean.empty() ? clean : EncodedWords(clean, room);
  }
  if (IsAtoms(clean)) {
    return clean;
  }
  std::string quoted = "\"";
  for (const char c : clean) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted.size() < room ? quoted + "\"" : EncodedWords(clean, room);
}

std::string QuotedPrintable(std::string_view text) {
  std::string out;
  size_t column = 0;
  const auto put = [&](std::string_view piece) {
    if (column + piece.size() > kLine - 1) {
      out += "=\r\n";
      column = 0;
    }
    out += piece;
    column += piece.size();
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    const bool crlf = c == '\r' && i + 1 < text.size() && text[i + 1] == '\n';
    if (c == '\n' || c == '\r') {
      out += "\r\n";
      column = 0;
      i += crlf ? 1 : 0;
      continue;
    }
    const bool line_ends = i + 1 == text.size() || text[i + 1] == '\n' || text[i + 1] == '\r';
    const bool blank = c == ' ' || c == '\t';
    if ((c > 0x20 && c < 0x7f && c != '=') || (blank && !line_ends)) {
      put(std::string_view(&c, 1));
    } else {
      put(fmt::format("={:02X}", static_cast<unsigned char>(c)));
    }
  }
  if (column > 0) out += "\r\n";
  return out;
}

}  // namespace retrace::server
