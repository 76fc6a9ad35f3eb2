#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "clients/cli/reflection.h"
#include "clients/cli/session.h"

namespace retrace::cli {

// How a destructive command is asked for.
struct PlanFlags {
  // Only show what it would do.
  bool plan = false;
  // Do it without asking; a plan is made first all the same, and only that is done.
  bool yes = false;
  // Of a plan that was looked at before.
  std::string plan_token;
  int64_t acknowledged_count = 0;
  std::vector<std::string> acknowledged_warnings;
};

void AddPlanFlags(CLI::App& verb, PlanFlags& flags);

// Calls a destructive command. On a terminal the plan is shown and confirmed first, and exactly
// that is done. True when it was done and `exchange.response` holds its reply; false when there is
// nothing to print, since only a plan was asked for. INVALID_ARGUMENT when the person said no.
absl::StatusOr<bool> RunDestructive(Session& session, Exchange& exchange, const PlanFlags& flags);

}  // namespace retrace::cli
