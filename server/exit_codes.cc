#include "server/exit_codes.h"

namespace retrace::server {
namespace {

bool Mentions(const absl::Status& status, std::string_view words) {
  const std::string_view message(status.message().data(), status.message().size());
  return !words.empty() && message.find(words) != std::string_view::npos;
}

}  // namespace

std::string ExitCodesHelp() {
  return "Exit codes:\n"
         "  0  stopped as asked\n"
         "  1  failed for a reason without a code of its own\n"
         "  2  wrong command line, configuration or token file\n"
         "  3  the commit log is damaged, missing or failed\n"
         "  4  commit log and head witness differ (see retraced accept-loss)\n"
         "  5  the key store or the master key is damaged, missing or failed\n"
         "  6  the rows could not be read, written or rebuilt\n"
         "  7  another process has the data directory open\n"
         "  8  the disk is full\n"
         "  9  a newer build wrote the data\n"
         "  10 an address to listen on cannot be had\n";
}

PartPlaces PlacesOf(const Config& config) {
  return {config.data_dir + "/keys", config.master_key_file, config.data_dir + "/rows"};
}

ExitCode ExitCodeOf(const absl::Status& status, const PartPlaces& places) {
  if (status.ok()) {
    return ExitCode::kOk;
  }
  if (Mentions(status, "another process has")) {
    return ExitCode::kInUse;
  }
  if (absl::IsResourceExhausted(status)) {
    return ExitCode::kDisk;
  }
  // Advice on damage names it, too; a difference from the witness is no damage.
  if (Mentions(status, "accept-loss") && !absl::IsDataLoss(status)) {
    return ExitCode::kWitness;
  }
  if (Mentions(status, "newer build") || Mentions(status, "newer reader")) {
    return ExitCode::kNewerFormat;
  }
  if (Mentions(status, places.key_directory) || Mentions(status, places.master_key_file)) {
    return ExitCode::kKeys;
  }
  if (Mentions(status, places.rows_directory)) {
    return ExitCode::kRows;
  }
  return ExitCode::kLog;
}

}  // namespace retrace::server
