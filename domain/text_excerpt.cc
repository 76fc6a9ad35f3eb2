#include "domain/text_excerpt.h"

#include <unicode/utf8.h>

namespace retrace::domain {
namespace {

constexpr size_t kExcerptBytes = 40;

// With `?` for what is broken and for what `refused` says of the others.
template <typename Refused>
std::string Replaced(std::string_view text, Refused refused) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  std::string replaced;
  for (size_t offset = 0; offset < text.size();) {
    const size_t begin = offset;
    UChar32 c = 0;
    U8_NEXT(bytes, offset, text.size(), c);
    if (c < 0 || refused(c)) {
      replaced += '?';
    } else {
      replaced += text.substr(begin, offset - begin);
    }
  }
  return replaced;
}

}  // namespace

std::string_view CutUtf8(std::string_view text, size_t max_bytes) {
  if (text.size() <= max_bytes) {
    return text;
  }
  size_t end = max_bytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) {
    --end;
  }
  return text.substr(0, end);
}

std::string WholeUtf8(std::string_view text, size_t max_bytes) {
  return Replaced(CutUtf8(text, max_bytes), [](UChar32) { return false; });
}

std::string Excerpt(std::string_view text) {
  const std::string_view cut = CutUtf8(text, kExcerptBytes);
  std::string excerpt = Replaced(cut, [](UChar32 c) { return c < 0x20 || c == 0x7f; });
  if (cut.size() < text.size()) {
    excerpt += "...";
  }
  return excerpt;
}

std::string QuotedExcerpt(std::string_view text) { return Quoted(Excerpt(text)); }

std::string Quoted(std::string_view text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      quoted += '\\';
    }
    quoted += c;
  }
  quoted += '"';
  return quoted;
}

}  // namespace retrace::domain
