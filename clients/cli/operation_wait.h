#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "clients/cli/session.h"
#include "google/longrunning/operations.pb.h"
#include "retrace/v1/operations.pb.h"

namespace retrace::cli {

// How far the operation has come, what it is and who started it.
v1::OperationMetadata MetadataOf(const google::longrunning::Operation& operation);

// What came of one that succeeded; empty otherwise.
v1::OperationResult ResultOf(const google::longrunning::Operation& operation);

// Waits for the end of an operation, as long as it takes, with a progress bar on a terminal. Asks
// in calls of their own, each bounded by --timeout: a server that restarts is waited for.
absl::StatusOr<google::longrunning::Operation> AwaitOperation(
    Session& session, google::longrunning::Operation operation);

// OK for one that has not ended, and for one that did what it was asked to every target. What ended
// it otherwise, as the server says it; PartialError when there are targets to which it was not
// done.
absl::Status StatusOf(const google::longrunning::Operation& operation);

}  // namespace retrace::cli
