#include "eventstore/row_errors.h"

#include <string>

#include "absl/strings/escaping.h"
#include "eventstore/rocks_status.h"
#include "fmt/format.h"

namespace retrace::eventstore {
namespace {

constexpr std::string_view kNextStep =
    "Stop the server, remove that directory and start again: rows are rebuilt from the log.";

}  // namespace

absl::Status RowsStatus(const rocksdb::Status& status, std::string_view directory) {
  if (status.ok()) return absl::OkStatus();
  return FromRocks(status, fmt::format("rows in {}", directory), kNextStep);
}

absl::Status DamagedRow(std::string_view directory, std::string_view what, std::string_view key) {
  return absl::DataLossError(fmt::format("rows in {}: {} at key {}. {}", directory, what,
                                         absl::BytesToHexString(std::string(key)), kNextStep));
}

}  // namespace retrace::eventstore
