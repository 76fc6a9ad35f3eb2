#pragma once

#include "absl/status/status.h"
#include "clients/cli/session.h"

namespace retrace::cli {

// Writes a small set in one change set: members, companies and people (also with Chinese names),
// records of every kind, a customer in the recycle bin, and a clash of keys, which is shown as
// refused. Does nothing when the set is there already.
absl::Status LoadDemoSet(Session& session);

}  // namespace retrace::cli
