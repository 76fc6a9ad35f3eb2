#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace retrace::cli {

// The whole file; an error that says which one cannot be read.
absl::StatusOr<std::string> ReadFile(const std::string& path);

// One record of a CSV file.
struct CsvRecord {
  // Line of the file on which it begins; the heading is on line 1.
  int64_t line = 0;
  // As many as the heading has; undefined when there is a fault.
  std::vector<std::string> cells;
  // Why it cannot be read; empty when it can.
  std::string fault;
};

// Reads CSV (RFC 4180) with a heading: quoted cells may hold delimiters, quotes (doubled) and line
// breaks; lines end with CRLF, LF or CR; a UTF-8 byte order mark is skipped. A record that cannot
// be read is handed out with its fault and reading goes on with the line after it, so that nothing
// is dropped silently; blank lines are counted.
class CsvReader {
 public:
  // `delimiter` 0: the one of `,` `;` and tab that is most frequent in the heading.
  // INVALID_ARGUMENT when the file is empty, in UTF-16, or its heading cannot be used.
  static absl::StatusOr<CsvReader> Open(std::string content, char delimiter = 0);

  const std::vector<std::string>& header() const { return header_; }
  // The next record; nothing at the end.
  std::optional<CsvRecord> Next();
  int64_t blank_lines() const { return blank_lines_; }
  // How much of the file was read, and how much there is, in bytes.
  int64_t offset() const { return static_cast<int64_t>(at_); }
  int64_t size() const { return static_cast<int64_t>(content_.size()); }

 private:
  CsvReader(std::string content, char delimiter)
      : content_(std::move(content)), delimiter_(delimiter) {}

  CsvRecord ReadRecord();
  bool ReadCell(CsvRecord& record);
  bool ReadQuoted(std::string& cell, std::string& fault);
  bool AtLineEnd() const;
  void SkipLineEnd();
  void SkipToLineEnd();
  void CheckText(CsvRecord& record) const;

  std::string content_;
  char delimiter_;
  size_t at_ = 0;
  int64_t line_ = 1;
  int64_t blank_lines_ = 0;
  std::vector<std::string> header_;
};

// Offset of the first byte of `text` that is not UTF-8; nothing when it all is.
std::optional<size_t> FirstInvalidUtf8(absl::string_view text);

}  // namespace retrace::cli
