#include "clients/cli/import/csv_reader.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <algorithm>
#include <sstream>

#include "clients/cli/csv_writer.h"

namespace retrace::cli {
namespace {

using Cells = std::vector<std::string>;

CsvReader Open(const std::string& content, char delimiter = 0) {
  auto reader = CsvReader::Open(content, delimiter);
  EXPECT_TRUE(reader.ok()) << reader.status();
  return *std::move(reader);
}

std::vector<CsvRecord> All(CsvReader reader) {
  std::vector<CsvRecord> records;
  while (auto record = reader.Next()) records.push_back(*record);
  return records;
}

TEST(CsvReader, ReadsQuotedCellsAndCountsLines) {
  const auto records = All(Open("a,b\r\n\"x, \"\"y\"\"\",\"two\r\nlines\"\r\nlast,one"));
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].cells, (Cells{"x, \"y\"", "two\r\nlines"}));
  EXPECT_EQ(records[0].line, 2);
  EXPECT_EQ(records[1].cells, (Cells{"last", "one"}));
  EXPECT_EQ(records[1].line, 4);
}

TEST(CsvReader, TakesEveryLineEnd) {
  for (const char* end : {"\n", "\r\n", "\r"}) {
    const std::string text = std::string("a,b") + end + "1,2" + end + "\"3" + end + "\",4" + end;
    const auto records = All(Open(text));
    ASSERT_EQ(records.size(), 2u) << end;
    EXPECT_EQ(records[0].cells, (Cells{"1", "2"}));
    EXPECT_EQ(records[1].line, 3);
    EXPECT_EQ(records[1].cells[1], "4");
  }
}

TEST(CsvReader, SkipsTheByteOrderMark) {
  EXPECT_EQ(Open("\xef\xbb\xbfname,city\nA,B\n").header(), (Cells{"name", "city"}));
}

TEST(CsvReader, GuessesTheDelimiter) {
  EXPECT_EQ(Open("a;b;c\n1;2,5;3\n").header().size(), 3u);
  EXPECT_EQ(Open("a\tb\n").header().size(), 2u);
  EXPECT_EQ(Open("a;b\n", ',').header().size(), 1u);
}

TEST(CsvReader, NamesColumnsWithoutHeading) {
  EXPECT_EQ(Open("a,,c\n").header(), (Cells{"a", "column 2", "c"}));
}

TEST(CsvReader, RefusesWhatHasNoUsableHeading) {
  EXPECT_FALSE(CsvReader::Open("").ok());
  EXPECT_FALSE(CsvReader::Open("\xef\xbb\xbf").ok());
  EXPECT_FALSE(CsvReader::Open("a,a\n1,2\n").ok());
  EXPECT_FALSE(CsvReader::Open("\"a,b\n").ok());
  const auto utf16 =
      CsvReader::Open(std::string("\xff\xfe"
                                  "a\0",
                                  4));
  ASSERT_FALSE(utf16.ok());
  EXPECT_NE(utf16.status().message().find("UTF-16"), std::string::npos);
}

TEST(CsvReader, ReportsFaultsByLineAndGoesOn) {
  const auto records =
      All(Open("a,b\n"
               "1\n"            // 2: too few
               "1,2,3\n"        // 3: too many
               "x\"y,2\n"       // 4: quote inside
               "\"x\"y,2\n"     // 5: text after the quote
               "caf\xe9,2\n"    // 6: not UTF-8
               "good,row\n"     // 7
               "\"open,2\n"     // 8: never closed
               "after,it\n"));  // 9
  ASSERT_EQ(records.size(), 8u);
  for (size_t i = 0; i < records.size(); ++i) {
    EXPECT_EQ(records[i].line, static_cast<int64_t>(i) + 2);
    const bool good = records[i].line == 7 || records[i].line == 9;
    EXPECT_EQ(records[i].fault.empty(), good) << records[i].line << ": " << records[i].fault;
  }
  EXPECT_NE(records[4].fault.find("0xe9"), std::string::npos) << records[4].fault;
  EXPECT_NE(records[4].fault.find("`a`"), std::string::npos) << records[4].fault;
  EXPECT_NE(records[6].fault.find("never closed"), std::string::npos) << records[6].fault;
  EXPECT_EQ(records[7].cells, (Cells{"after", "it"}));
}

TEST(CsvReader, ReportsZeroBytes) {
  const auto records = All(Open(std::string("a,b\n1\0,2\n", 9)));
  ASSERT_EQ(records.size(), 1u);
  EXPECT_NE(records[0].fault.find("zero byte"), std::string::npos);
}

TEST(CsvReader, CountsBlankLinesButNotEmptyQuotes) {
  CsvReader reader = Open("a\n\n\"\"\n \n\n");
  std::vector<CsvRecord> records;
  while (auto record = reader.Next()) records.push_back(*record);
  EXPECT_EQ(reader.blank_lines(), 2);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].cells, Cells{""});
  EXPECT_EQ(records[1].cells, Cells{" "});
}

// What the writer writes, the reader reads back, whatever is in it.
RC_GTEST_PROP(CsvReader, ReadsWhatIsWritten, ()) {
  const auto columns = *rc::gen::inRange<size_t>(1, 5);
  const auto cell =
      rc::gen::container<std::string>(rc::gen::elementOf(std::string("ab ,;\"\n\r=+-@\t")));
  const auto rows =
      *rc::gen::container<std::vector<Cells>>(rc::gen::container<Cells>(columns, cell));
  std::ostringstream text;
  Cells header;
  for (size_t i = 0; i < columns; ++i) header.push_back("h" + std::to_string(i));
  WriteCsvRecord(header, FormulaGuard::kOff, text);
  size_t blank = 0;
  for (const Cells& row : rows) {
    // One empty cell alone is a blank line; the writer has no way to tell it from one.
    if (columns == 1 && row[0].empty()) ++blank;
    WriteCsvRecord(row, FormulaGuard::kOff, text);
  }
  auto reader = CsvReader::Open(text.str(), ',');
  RC_ASSERT(reader.ok());
  size_t at = 0;
  while (auto record = reader->Next()) {
    while (columns == 1 && at < rows.size() && rows[at][0].empty()) ++at;
    RC_ASSERT(record->fault.empty());
    RC_ASSERT(at < rows.size());
    RC_ASSERT(record->cells == rows[at]);
    ++at;
  }
  while (columns == 1 && at < rows.size() && rows[at][0].empty()) ++at;
  RC_ASSERT(at == rows.size());
  RC_ASSERT(reader->blank_lines() == static_cast<int64_t>(blank));
}

// Whatever bytes come, reading ends, and lines only go up.
RC_GTEST_PROP(CsvReader, EndsOnAnyBytes, ()) {
  const auto bytes =
      *rc::gen::container<std::string>(rc::gen::elementOf(std::string("ab,,\"\"\"\n\n\r\xe9")));
  auto reader = CsvReader::Open("h\n" + bytes, ',');
  RC_ASSERT(reader.ok());
  int64_t line = 1;
  while (auto record = reader->Next()) {
    RC_ASSERT(record->line > line);
    line = record->line;
  }
  // No line is invented: each ends with LF, CR, CRLF or the file.
  const auto ends =
      std::count(bytes.begin(), bytes.end(), '\n') + std::count(bytes.begin(), bytes.end(), '\r');
  RC_ASSERT(line <= 2 + ends);
  RC_ASSERT(reader->offset() == reader->size());
}

TEST(CsvWriter, GuardsAgainstFormulas) {
  EXPECT_EQ(CsvCell("=1+1", FormulaGuard::kOn), "'=1+1");
  EXPECT_EQ(CsvCell("@SUM(A1)", FormulaGuard::kOn), "'@SUM(A1)");
  EXPECT_EQ(CsvCell("+cmd|' /C calc'!A0", FormulaGuard::kOn), "'+cmd|' /C calc'!A0");
  EXPECT_EQ(CsvCell("-2+3", FormulaGuard::kOn), "'-2+3");
  EXPECT_EQ(CsvCell("\t=1", FormulaGuard::kOn), "'\t=1");
  EXPECT_EQ(CsvCell("+14155552671", FormulaGuard::kOn), "+14155552671");
  EXPECT_EQ(CsvCell("-12.50", FormulaGuard::kOn), "-12.50");
  EXPECT_EQ(CsvCell("=1+1", FormulaGuard::kOff), "=1+1");
  EXPECT_EQ(CsvCell("a,\"b\"", FormulaGuard::kOn), "\"a,\"\"b\"\"\"");
}

}  // namespace
}  // namespace retrace::cli
