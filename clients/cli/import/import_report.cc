#include "clients/cli/import/import_report.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "clients/cli/csv_writer.h"
#include "clients/cli/exit_codes.h"

namespace retrace::cli {

const char* ResultName(RowResult result) {
  switch (result) {
    case RowResult::kCreated:
      return "created";
    case RowResult::kUpdated:
      return "updated";
    case RowResult::kUnchanged:
      return "unchanged";
    case RowResult::kSkipped:
      return "skipped";
    case RowResult::kRejected:
      break;
  }
  return "rejected";
}

void ImportReport::Add(int64_t line, std::string key, RowResult result, std::string reason) {
  ++counts_[static_cast<size_t>(result)];
  entries_.push_back({line, std::move(key), result, std::move(reason)});
}

std::vector<const ImportReport::Entry*> ImportReport::InOrder() const {
  std::vector<const Entry*> sorted;
  for (const Entry& entry : entries_) sorted.push_back(&entry);
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const Entry* a, const Entry* b) { return a->line < b->line; });
  return sorted;
}

void ImportReport::Write(std::ostream& out) const {
  WriteCsvRecord({"line", "external_id", "result", "reason"}, FormulaGuard::kOn, out);
  for (const Entry* entry : InOrder()) {
    WriteCsvRecord(
        {absl::StrCat(entry->line), entry->key, ResultName(entry->result), entry->reason},
        FormulaGuard::kOn, out);
  }
}

absl::Status ImportReport::WriteFile(const std::string& path) const {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  Write(file);
  file.close();
  if (!file) {
    return FileError(absl::StrCat("cannot write the report ", path, ": ", std::strerror(errno)));
  }
  return absl::OkStatus();
}

}  // namespace retrace::cli
