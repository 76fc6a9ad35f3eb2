#include "clients/cli/import/csv_reader.h"

#include <unicode/utf8.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "clients/cli/exit_codes.h"
#include "fmt/format.h"

namespace retrace::cli {
namespace {

// A quote that opens more than this is one that nobody closed.
constexpr size_t kLongestRecord = 1 << 20;

char GuessDelimiter(absl::string_view heading) {
  char best = ',';
  int64_t most = 0;
  for (const char candidate : {',', ';', '\t'}) {
    const int64_t count = std::count(heading.begin(), heading.end(), candidate);
    if (count > most) {
      most = count;
      best = candidate;
    }
  }
  return best;
}

absl::Status CheckEncoding(absl::string_view content) {
  const bool utf16 = absl::StartsWith(content, "\xff\xfe") || absl::StartsWith(content, "\xfe\xff");
  if (!utf16) return absl::OkStatus();
  return absl::InvalidArgumentError(
      "line 1: the file is in UTF-16; save it as UTF-8, e.g. iconv -f UTF-16 -t UTF-8");
}

absl::Status CheckHeader(const CsvRecord& heading) {
  if (!heading.fault.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("line 1, the heading: ", heading.fault));
  }
  std::set<std::string> seen;
  for (const std::string& name : heading.cells) {
    if (!seen.insert(name).second) {
      return absl::InvalidArgumentError(absl::StrCat("line 1: there are two columns `", name, "`"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

std::optional<size_t> FirstInvalidUtf8(absl::string_view text) {
  const auto* bytes = reinterpret_cast<const uint8_t*>(text.data());
  const auto size = static_cast<int32_t>(text.size());
  int32_t at = 0;
  while (at < size) {
    const int32_t begin = at;
    UChar32 character = 0;
    U8_NEXT(bytes, at, size, character);
    if (character < 0) return begin;
  }
  return std::nullopt;
}

absl::StatusOr<CsvReader> CsvReader::Open(std::string content, char delimiter) {
  if (absl::Status status = CheckEncoding(content); !status.ok()) return status;
  const bool has_mark = absl::StartsWith(content, "\xef\xbb\xbf");
  const absl::string_view heading(content.data(),
                                  std::min(content.size(), content.find_first_of("\r\n")));
  CsvReader reader(content, delimiter != 0 ? delimiter : GuessDelimiter(heading));
  if (has_mark) reader.at_ = 3;
  if (reader.at_ == reader.content_.size()) {
    return absl::InvalidArgumentError("the file is empty: there is not even a heading");
  }
  CsvRecord record = reader.ReadRecord();
  for (size_t i = 0; i < record.cells.size(); ++i) {
    record.cells[i] = std::string(absl::StripAsciiWhitespace(record.cells[i]));
    if (record.cells[i].empty()) record.cells[i] = absl::StrCat("column ", i + 1);
  }
  reader.CheckText(record);
  if (absl::Status status = CheckHeader(record); !status.ok()) return status;
  reader.header_ = std::move(record.cells);
  return reader;
}

std::optional<CsvRecord> CsvReader::Next() {
  while (at_ < content_.size()) {
    const size_t begin = at_;
    CsvRecord record = ReadRecord();
    const bool blank = record.fault.empty() && record.cells.size() == 1 &&
                       record.cells[0].empty() && content_[begin] != '"';
    if (blank) {
      ++blank_lines_;
      continue;
    }
    if (record.fault.empty() && record.cells.size() != header_.size()) {
      record.fault = absl::StrCat("there are ", record.cells.size(),
                                  " columns, but the heading has ", header_.size());
    }
    if (record.fault.empty()) CheckText(record);
    return record;
  }
  return std::nullopt;
}

CsvRecord CsvReader::ReadRecord() {
  CsvRecord record{.line = line_};
  const size_t begin = at_;
  while (true) {
    if (!ReadCell(record)) {
      // What follows the faulty line may be good again: go on there, wherever the quote led.
      at_ = begin;
      line_ = record.line;
      SkipToLineEnd();
      SkipLineEnd();
      return record;
    }
    if (at_ == content_.size()) return record;
    if (AtLineEnd()) {
      SkipLineEnd();
      return record;
    }
    ++at_;  // the delimiter
  }
}

bool CsvReader::ReadCell(CsvRecord& record) {
  std::string cell;
  if (at_ < content_.size() && content_[at_] == '"') {
    if (!ReadQuoted(cell, record.fault)) return false;
  } else {
    while (at_ < content_.size() && content_[at_] != delimiter_ && !AtLineEnd()) {
      if (content_[at_] == '"') {
        record.fault = absl::StrCat("column ", record.cells.size() + 1,
                                    ": a quote stands inside a cell that is not quoted");
        return false;
      }
      cell += content_[at_++];
    }
  }
  record.cells.push_back(std::move(cell));
  return true;
}

bool CsvReader::ReadQuoted(std::string& cell, std::string& fault) {
  const size_t begin = at_++;
  while (at_ < content_.size() && at_ - begin < kLongestRecord) {
    const char c = content_[at_];
    if (c != '"') {
      if (c == '\n' || (c == '\r' && (at_ + 1 == content_.size() || content_[at_ + 1] != '\n'))) {
        ++line_;
      }
      cell += c;
      ++at_;
    } else if (at_ + 1 < content_.size() && content_[at_ + 1] == '"') {
      cell += '"';
      at_ += 2;
    } else {
      ++at_;
      if (at_ == content_.size() || content_[at_] == delimiter_ || AtLineEnd()) return true;
      fault = "text follows the closing quote of a cell";
      return false;
    }
  }
  fault = "a quote is opened but never closed";
  return false;
}

bool CsvReader::AtLineEnd() const { return content_[at_] == '\n' || content_[at_] == '\r'; }

void CsvReader::SkipLineEnd() {
  if (at_ == content_.size()) return;
  if (content_[at_] == '\r' && at_ + 1 < content_.size() && content_[at_ + 1] == '\n') ++at_;
  ++at_;
  ++line_;
}

void CsvReader::SkipToLineEnd() {
  while (at_ < content_.size() && !AtLineEnd()) ++at_;
}

void CsvReader::CheckText(CsvRecord& record) const {
  for (size_t i = 0; i < record.cells.size(); ++i) {
    const std::string& cell = record.cells[i];
    const std::string column =
        i < header_.size() ? absl::StrCat("`", header_[i], "`") : absl::StrCat(i + 1);
    if (const auto invalid = FirstInvalidUtf8(cell)) {
      record.fault = fmt::format(
          "column {}: byte 0x{:02x} is not UTF-8; save the file as UTF-8, "
          "e.g. iconv -f WINDOWS-1252 -t UTF-8",
          column, static_cast<uint8_t>(cell[*invalid]));
      return;
    }
    if (cell.find('\0') != cell.npos) {
      record.fault = absl::StrCat("column ", column, ": there is a zero byte in the text");
      return;
    }
  }
}

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  if (file) content << file.rdbuf();
  if (!file || std::filesystem::is_directory(path)) {
    return FileError(absl::StrCat("cannot read ", path));
  }
  return content.str();
}

}  // namespace retrace::cli
