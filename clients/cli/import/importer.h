#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "clients/cli/import/import_report.h"
#include "clients/cli/import/import_row.h"
#include "clients/cli/import/import_target.h"
#include "clients/cli/session.h"

namespace retrace::cli {

// What to do with a row whose key an entity holds that was imported from other content.
enum class OnExisting { kSkip, kUpdate, kError };

struct ImporterOptions {
  OnExisting on_existing = OnExisting::kSkip;
  // Only tells what would be done.
  bool dry_run = false;
  // Creates anew what the recycle bin holds instead of skipping the row.
  bool recreate_deleted = false;
  // Of the change set.
  std::string title;
};

// The change set of an import: begun with the first row that is written; one of the same title that
// an import left open when it was killed is continued.
class ImportChangeSet {
 public:
  ImportChangeSet(Session& session, std::string title);

  // Its number. Begins it if need be.
  absl::StatusOr<int64_t> Number();
  // Begins another one, when the server says that this one is closed. False when it may not:
  // the caller of the import named it, or a fresh one was refused.
  bool Replace();
  // Ends it, if it was begun here.
  absl::Status End();

 private:
  absl::StatusOr<int64_t> Begin();
  std::optional<int64_t> FindOpen();

  Session& session_;
  const std::string title_;
  std::optional<int64_t> number_;
  bool joined_ = false;
  bool given_ = false;
};

// Brings rows in, commit by commit, and books what became of each. A commit that is refused is
// halved until the rows that are to blame stand alone, so that a bad row rejects only itself. Rows
// that were imported before are found again by key and hash, so an import that was killed is simply
// started again.
class Importer {
 public:
  // The next row; nothing at the end.
  using Source = std::function<std::optional<ImportRow>()>;

  Importer(Session& session, ImportTarget& target, ImporterOptions options);

  // Reads all rows. An error means that the import stopped (no connection, no permission): the rows
  // that it did not reach are rejected with that reason.
  absl::Status Run(
      const Source& source, const std::function<void()>& on_progress = [] {});

  const ImportReport& report() const { return report_; }
  ImportReport& report() { return report_; }

 private:
  absl::Status RunBatch(std::vector<ImportRow> rows);
  void NameAnonymous(ImportRow& row);
  bool IsRepeat(const ImportRow& row);
  // Decides about a row whose key is taken.
  absl::Status Settle(ImportRow& row, const ImportTarget::Found& found);
  absl::Status Create(const std::vector<const ImportRow*>& rows);
  // Sends with the change set, waits while the server is too busy.
  absl::Status Send(const std::function<absl::Status(int64_t change_set)>& send);
  void Reject(const ImportRow& row, const std::string& reason);

  Session& session_;
  ImportTarget& target_;
  const ImporterOptions options_;
  ImportChangeSet change_set_;
  ImportReport report_;
  // Line and hash of the rows seen, by key.
  std::map<std::string, std::pair<int64_t, std::string>> seen_;
  // How often a hash occurred among rows without an id.
  std::map<std::string, int> anonymous_;
};

}  // namespace retrace::cli
