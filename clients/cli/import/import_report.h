#pragma once

#include <array>
#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"

namespace retrace::cli {

// What became of a row. Every row of a file ends in exactly one of these.
enum class RowResult { kCreated, kUpdated, kUnchanged, kSkipped, kRejected };

const char* ResultName(RowResult result);

// Keeps the books of an import.
class ImportReport {
 public:
  struct Entry {
    int64_t line = 0;
    std::string key;
    RowResult result = RowResult::kRejected;
    std::string reason;
  };

  void Add(int64_t line, std::string key, RowResult result, std::string reason);
  int64_t count(RowResult result) const { return counts_[static_cast<size_t>(result)]; }
  int64_t total() const { return static_cast<int64_t>(entries_.size()); }
  const std::vector<Entry>& entries() const { return entries_; }
  // In the order of the file; results come batch by batch, refusals last.
  std::vector<const Entry*> InOrder() const;

  // CSV: line, external_id, result, reason; in the order of the file.
  void Write(std::ostream& out) const;
  // The same into a file. FileError (exit_codes.h) when it cannot be written.
  absl::Status WriteFile(const std::string& path) const;

 private:
  std::vector<Entry> entries_;
  std::array<int64_t, 5> counts_ = {};
};

}  // namespace retrace::cli
