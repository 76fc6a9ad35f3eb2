#include "clients/cli/table.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "clients/cli/text_width.h"

namespace retrace::cli {
namespace {

constexpr int kGap = 2;
constexpr int kNarrowest = 6;

std::string Padded(const std::string& text, int width, Align align) {
  const std::string padding(std::max(0, width - TextWidth(text)), ' ');
  return align == Align::kRight ? absl::StrCat(padding, text) : absl::StrCat(text, padding);
}

// States stand out; nothing else does.
const char* StyleOf(const std::string& cell) {
  if (cell == "DELETED" || cell == "rejected") return "31";
  if (cell == "INACTIVE" || cell == "skipped") return "33";
  return nullptr;
}

std::string WithoutTrailingSpaces(std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  return line;
}

}  // namespace

std::string Styled(const std::string& text, const char* ansi, bool color) {
  if (!color || ansi == nullptr) return text;
  return absl::StrCat("\x1b[", ansi, "m", text, "\x1b[0m");
}

void Table::Add(std::vector<std::string> cells) {
  cells.resize(headings_.size());
  for (std::string& cell : cells) cell = Printable(cell);
  rows_.push_back(std::move(cells));
}

std::vector<int> Table::Widths(int max_width) const {
  std::vector<int> widths;
  for (const Heading& heading : headings_) widths.push_back(TextWidth(heading.text));
  for (const auto& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], TextWidth(row[i]));
  }
  if (max_width <= 0) return widths;
  int total = std::accumulate(widths.begin(), widths.end(), 0) +
              kGap * (static_cast<int>(widths.size()) - 1);
  while (total > max_width) {
    const auto widest = std::max_element(widths.begin(), widths.end());
    if (widest == widths.end() || *widest <= kNarrowest) break;
    --*widest;
    --total;
  }
  return widths;
}

void Table::Print(std::ostream& out, const TableStyle& style) const {
  const std::vector<int> widths = Widths(style.max_width);
  std::string line;
  for (size_t i = 0; i < headings_.size(); ++i) {
    if (i > 0) line.append(kGap, ' ');
    absl::StrAppend(
        &line, Padded(CutToWidth(headings_[i].text, widths[i]), widths[i], headings_[i].align));
  }
  out << Styled(WithoutTrailingSpaces(line), "1", style.color) << '\n';
  for (const auto& row : rows_) {
    line.clear();
    for (size_t i = 0; i < row.size(); ++i) {
      if (i > 0) line.append(kGap, ' ');
      const std::string cell = Padded(CutToWidth(row[i], widths[i]), widths[i], headings_[i].align);
      absl::StrAppend(&line, Styled(cell, StyleOf(row[i]), style.color));
    }
    out << WithoutTrailingSpaces(line) << '\n';
  }
}

void PrintPairs(const std::vector<std::pair<std::string, std::string>>& pairs, std::ostream& out,
                const TableStyle& style) {
  int widest = 0;
  for (const auto& [name, value] : pairs) widest = std::max(widest, TextWidth(name));
  for (const auto& [name, value] : pairs) {
    out << Styled(Padded(name, widest, Align::kLeft), "1", style.color) << "  "
        << Styled(Printable(value), StyleOf(value), style.color) << '\n';
  }
}

}  // namespace retrace::cli
