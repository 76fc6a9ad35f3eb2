#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "clients/cli/announce.h"
#include "clients/cli/reflection.h"
#include "clients/cli/session.h"
#include "clients/cli/table.h"
#include "retrace/v1/plans.pb.h"

namespace retrace::cli {

// How a command that can be planned is asked for.
struct PlanFlags {
  // Only show what it would do.
  bool plan = false;
  // Do it without asking; a plan is made first all the same, and only that is done.
  bool yes = false;
  // Of a plan that was looked at before.
  std::string plan_token;
  int64_t acknowledged_count = 0;
  std::vector<std::string> acknowledged_warnings;
  AnnounceFlags announcement;

  // True when anything is said that makes no sense without a plan.
  bool given() const {
    return plan || !plan_token.empty() || acknowledged_count != 0 ||
           !acknowledged_warnings.empty() || announcement.given();
  }
};

void AddPlanFlags(CLI::App& verb, PlanFlags& flags);

// Prints what a plan tells.
void PrintPlan(const v1::Plan& plan, std::ostream& out, const TableStyle& style);

// Prints a plan that nobody is asked to confirm, and how to execute it.
absl::Status ShowPlan(Session& session, const v1::Plan& plan);

// The plan of a command; of an operation that of one that only plans. `exchange` stays as it is.
absl::StatusOr<v1::Plan> AskForPlan(Session& session, const Exchange& exchange);
// Shows the plan to a person and asks whether to go on; INVALID_ARGUMENT when they say no. `verb`
// is what is done to it, e.g. `Approve`.
absl::Status ConfirmPlan(Session& session, const v1::Plan& plan, const std::string& verb);

// Calls a command. Of a destructive one, and of an operation, the plan is shown and confirmed first
// on a terminal, and exactly that is done; what cannot be planned refuses flags about plans. True
// when it was done and `exchange.response` holds its reply; false when there is nothing to print,
// since only a plan was asked for, or it was announced. INVALID_ARGUMENT when the person said no.
absl::StatusOr<bool> RunCommand(Session& session, Exchange& exchange, const PlanFlags& flags);

}  // namespace retrace::cli
