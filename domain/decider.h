// How a command is decided. This is the file to read first.
//
// A decider is an overload of Decide for a request message: it reads through the draft, emits
// events, or refuses. It is pure: time, actor, position and ids come in the context; nothing else
// may make two runs differ.
//
// clang-format off
//   absl::Status Decide(const v1::DeactivateCustomerRequest& request, Draft& draft,
//                       const Context& context) {
//     // Find the entity, live; the refusal for a missing, foreign or binned one is written once.
//     RETRACE_ASSIGN(Found found, FindLive(KindNumber::kCustomer, request.name(), request.options(),
//                                          draft, context));
//     draft.Target(found.entity);  // the reply shows it
//     if (found.row->As<v1::Customer>().state() == v1::Customer::INACTIVE) {
//       return absl::OkStatus();  // changes nothing: OK, and nothing is written
//     }
//     return draft.Emit(found.entity, std::make_shared<store::v1::Deactivated>());
//   }
// clang-format on
//
// Then the sequencer calls draft.Check, which runs each kind's check on the final state of
// everything touched, and draft.Project, which turns the draft into keys. Undo, restore, merge and
// import end in the same check.
#pragma once

#include <string>
#include <vector>

#include "domain/context.h"
#include "domain/draft.h"
#include "domain/refusal.h"
#include "domain/status_macros.h"
#include "retrace/v1/common.pb.h"

namespace retrace::domain {

// An entity that a command addresses, with its row.
struct Found {
  EntityRef entity;
  RowPtr row;
};

// The etag of a row: quoted, strong, derived from the revision.
std::string EtagOf(const Row& row);

// Finds the entity that `name` names: of that kind, in the context's tenant, live, with the etag
// that the options ask for. Refuses with INVALID_FIELD, ENTITY_NOT_FOUND, ALREADY_DELETED,
// MERGED_AWAY or ETAG_MISMATCH. `field` is what the request calls the name.
absl::StatusOr<Found> FindLive(KindNumber kind, const std::string& name,
                               const v1::CommandOptions& options, const View& view,
                               const Context& context, std::string_view field = "name");
// The same for an entity in the bin; a live one is NOT_DELETED (ALREADY_EXISTS).
absl::StatusOr<Found> FindBinned(KindNumber kind, const std::string& name,
                                 const v1::CommandOptions& options, const View& view,
                                 const Context& context, std::string_view field = "name");

// Finds the entity of whatever kind that `name` names, live or binned. Refuses like FindLive.
absl::StatusOr<Found> FindKept(const std::string& name, const View& view, const Context& context,
                               std::string_view field = "name");

// Finds entities of any kinds that lie in the bin, each once. Faults are said of `names[i]`; more
// than one commit takes are refused (USE_OPERATION), and an etag with more than one.
absl::StatusOr<std::vector<Found>> FindNamedBinned(
    const google::protobuf::RepeatedPtrField<std::string>& names, const v1::CommandOptions& options,
    const View& view, const Context& context);

// The refusal for a purged entity, which tells who purged it, when and how.
absl::Status WasPurged(const EntityRef& entity, const Row& row, std::string_view tenant);

// The refusal for an entity that an operation is at work on.
absl::Status Busy(const EntityRef& entity, const Row& row, std::string_view tenant);

// The entity that this one lives on in, through all merges; itself when it was not merged.
absl::StatusOr<EntityRef> SurvivorOf(const EntityRef& entity, const View& view);

// Refuses a parent that is not the context's tenant.
absl::Status CheckParent(std::string_view parent, const Context& context);

}  // namespace retrace::domain
