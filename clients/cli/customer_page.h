#pragma once

#include <string>

#include "absl/status/status.h"
#include "clients/cli/session.h"

namespace retrace::cli {

// Prints a customer with its contacts and, per kind of record, count, sums and the latest five; all
// of it as of one position.
absl::Status ShowCustomer(Session& session, const std::string& id);

}  // namespace retrace::cli
