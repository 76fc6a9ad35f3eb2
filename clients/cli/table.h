#pragma once

#include <ostream>
#include <string>
#include <vector>

namespace retrace::cli {

// How a table is drawn.
struct TableStyle {
  bool color = false;
  // Widest line; 0: as wide as its cells.
  int max_width = 0;
};

enum class Align { kLeft, kRight };

// Collects rows and prints them in aligned columns, by the width that text has on a terminal.
class Table {
 public:
  struct Heading {
    std::string text;
    Align align = Align::kLeft;
  };

  explicit Table(std::vector<Heading> headings) : headings_(std::move(headings)) {}

  // As many cells as headings. Control characters are made visible.
  void Add(std::vector<std::string> cells);
  bool empty() const { return rows_.empty(); }
  void Print(std::ostream& out, const TableStyle& style) const;

 private:
  std::vector<int> Widths(int max_width) const;

  std::vector<Heading> headings_;
  std::vector<std::vector<std::string>> rows_;
};

// Prints `name: value` lines with the values aligned.
void PrintPairs(const std::vector<std::pair<std::string, std::string>>& pairs, std::ostream& out,
                const TableStyle& style);

// `text` in an ANSI style (e.g. `1` bold, `31` red) when colour is on.
std::string Styled(const std::string& text, const char* ansi, bool color);

}  // namespace retrace::cli
