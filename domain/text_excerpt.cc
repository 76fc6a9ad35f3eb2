#include "domain/text_excerpt.h"

namespace retrace::domain {
namespace {

constexpr size_t kExcerptBytes = 40;

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

std::string Excerpt(std::string_view text) {
  const std::string_view cut = CutUtf8(text, kExcerptBytes);
  std::string excerpt(cut);
  for (char& c : excerpt) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      c = '?';
    }
  }
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
