#pragma once

#include <ostream>

#include "absl/status/status.h"
#include "clients/cli/row_output.h"
#include "clients/cli/session.h"
#include "clients/cli/table.h"
#include "google/longrunning/operations.pb.h"

namespace retrace::cli {

// Lists operations, a line each.
class OperationOutput {
 public:
  OperationOutput(const OutputStyle& style, std::ostream& out);
  void Add(const google::longrunning::Operation& operation);
  void Finish();

 private:
  const OutputStyle style_;
  RowOutput rows_;
  Table table_;
  std::ostream& out_;
};

// Prints the name of an operation that is not waited for.
absl::Status PrintStarted(Session& session, const google::longrunning::Operation& operation);

// Prints what came of an operation that has ended: its counts, or the plan if one was asked for.
// Not OK when it did not do all that it was asked (see StatusOf).
absl::Status PrintEnded(Session& session, const google::longrunning::Operation& operation);

// Prints an operation with all that is known of it.
absl::Status PrintOperation(Session& session, const google::longrunning::Operation& operation);

}  // namespace retrace::cli
