// Commits as the API shows them: decoded, opened, with what they changed.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "domain/entity.h"
#include "retrace/v1/history.pb.h"
#include "server/envelope.h"
#include "server/ledger.h"
#include "server/query_call.h"
#include "server/tenants.h"

namespace retrace::server {

// Shows a stored commit, which must be visible. Each view tells what the one before it does and
// more; with several events of one entity in a commit, the last of them tells what all of them
// changed. Thread-safe.
absl::StatusOr<v1::Commit> ShowCommit(Ledger& ledger, const Tenant& tenant, std::string_view stored,
                                      v1::CommitView view);

// What differs in an entity between two positions, as the API shows it at each.
absl::StatusOr<std::vector<v1::FieldChange>> ChangesBetween(Ledger& ledger, const Tenant& tenant,
                                                            const domain::EntityRef& entity,
                                                            eventstore::Position before,
                                                            eventstore::Position after);
// The same between two versions of its row; null stands for none.
std::vector<v1::FieldChange> ChangesOf(const Tenant& tenant, const domain::EntityRef& entity,
                                       const domain::Row* before, const domain::Row* after);

// A row as the API shows it; null when there is none to show.
std::unique_ptr<google::protobuf::Message> Shown(const Tenant& tenant,
                                                 const domain::EntityRef& entity,
                                                 const domain::Row* row);

// The entity that an event happened to. FAILED_PRECONDITION when its kind is of a later release.
absl::StatusOr<domain::EntityRef> EntityOf(const Envelope::Event& event);

// The entity of any kind that `name` names, in the field `field` of a request. INVALID_FIELD when
// it names none, or one of another tenant.
absl::StatusOr<domain::EntityRef> ParseAnyEntity(const Tenant& tenant, std::string_view name,
                                                 std::string_view field);
// The same for what shows an entity by itself; PERMISSION_MISSING when the caller may not read that
// kind.
absl::StatusOr<domain::EntityRef> ParseReadableEntity(const QueryCall& call, std::string_view name,
                                                      std::string_view field);

}  // namespace retrace::server
