#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "clients/cli/entity_verbs.h"
#include "clients/cli/plans.h"
#include "clients/cli/session.h"
#include "google/protobuf/message.h"

namespace retrace::cli {

// How an operation goes about its work.
struct OperationFlags {
  // `stop` or `skip`.
  std::string on_drift = "stop";
  bool no_wait = false;
};

void AddOperationFlags(CLI::App& verb, OperationFlags& flags);

// To which entities a verb is sent when it is sent to many, as an operation.
struct TargetFlags {
  // As in lists.
  std::string filter;
  bool show_inactive = false;
  // Or a file of ids, `-` for standard input.
  std::string ids_file;
  OperationFlags operation;

  bool given() const { return !filter.empty() || !ids_file.empty(); }
};

void AddTargetFlags(CLI::App& verb, TargetFlags& flags);

// INVALID_ARGUMENT unless a verb was given one entity or many, not both.
absl::Status CheckTargets(const std::string& id, const TargetFlags& targets);

// Ids or names, one a line; `-` reads standard input.
absl::StatusOr<std::vector<std::string>> ReadIds(const std::string& file);

// The flag that makes one command on much an operation, and how it goes about it.
void AddAsOperationFlags(CLI::App& verb, bool& as_operation, OperationFlags& flags);

// The targets of a command: those of a filter, or those named; neither when it says itself what it
// is about.
struct Targets {
  std::string filter;
  bool show_inactive = false;
  // Of a filter, for a command of no one kind, e.g. `customers`.
  std::string collection;
  std::vector<std::string> names;
};

// Sends `command`, the request of a command but for the names, to every target: plans and confirms
// like any destructive command, waits for the end and prints the counts.
absl::Status RunAsOperation(Session& session, const google::protobuf::Message& command,
                            const Targets& targets, const OperationFlags& flags,
                            const PlanFlags& plan);

// The same for a verb of a noun. A `state` narrows a filter to entities in it.
absl::Status RunOnTargets(Session& session, const EntityNoun& entity,
                          const google::protobuf::Message& command, const std::string& state,
                          const TargetFlags& flags, const PlanFlags& plan);

}  // namespace retrace::cli
