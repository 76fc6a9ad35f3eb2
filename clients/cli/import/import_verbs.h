#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "clients/cli/entity_verbs.h"
#include "clients/cli/import/import_report.h"
#include "clients/cli/session.h"

namespace retrace::cli {

// What an import is asked with.
struct ImportRequest {
  std::string file;
  // FIELD=COLUMN.
  std::vector<std::string> maps;
  std::vector<std::string> ignored;
  std::string delimiter;
  std::string date_format;
  std::string currency;
  bool decimal_comma = false;
  bool dry_run = false;
  std::string on_existing = "skip";
  bool recreate_deleted = false;
  std::string report;
  // For records: the kind of all rows, and the columns of customer and owner.
  std::string kind;
  std::string customer_column;
  std::string owner_column;
  std::string missing_customer = "reject";
  std::string missing_owner = "reject";
};

// Imports a CSV file. The report tells what became of each row; an error means that nothing was
// begun (the file or a flag is wrong) or that the import stopped, `stopped` telling which.
struct ImportOutcome {
  ImportReport report;
  int64_t blank_lines = 0;
  absl::Status stopped;
};
absl::StatusOr<ImportOutcome> RunImport(Session& session, const EntityNoun& entity,
                                        const ImportRequest& request);

// Adds the verb `import`.
void AddImportVerb(CLI::App& noun, Session& session, const EntityNoun& entity);

}  // namespace retrace::cli
