// Names of resources, and resources as the API shows them.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "domain/entity.h"
#include "google/protobuf/message.h"

namespace retrace::domain {

// A parsed name: `tenants/acme/customers/01h...`; collection and id are empty for `tenants/acme`;
// both are "policy" for `tenants/acme/policy`, and "server" for `tenants/system/server`.
struct ResourceName {
  std::string tenant;
  std::string collection;
  std::string id;
};

// Ids are `[a-z0-9][a-z0-9-]{0,62}`.
bool IsId(std::string_view id);
// Ids that callers choose are `[a-z]([a-z0-9-]{0,61}[a-z0-9])?`.
bool IsChosenId(std::string_view id);

// INVALID_FIELD naming `field` when malformed.
absl::StatusOr<ResourceName> ParseName(std::string_view name, std::string_view field);
// e.g. NameOf("acme", {kCustomer, "01h"}) == "tenants/acme/customers/01h".
std::string NameOf(std::string_view tenant, const EntityRef& entity);

// What lists show of an entity: the first of display_name, title and organization_name that it has;
// empty when it has none.
std::string TitleOf(const google::protobuf::Message& resource);

// Names of what was merged into it; empty for kinds that do not merge.
std::vector<std::string> MergedFrom(const google::protobuf::Message& resource);

// Fills `resource` (of the kind's resource type) from a row: the stored fields, and what the head
// determines: name, etag, times, the DELETED state, detached_from. Of a purged entity the name.
void ShowResource(std::string_view tenant, const EntityRef& entity, const Row& row,
                  google::protobuf::Message& resource);

// Bytes of a stored row, and back. DATA_LOSS when they do not parse.
std::string SerializeRow(const Row& row);
absl::StatusOr<RowPtr> ParseRow(KindNumber kind, std::string_view bytes);

// Whether the content digest covers the entity: live or binned, and not absent because its creation
// was undone; of a permanent kind, when anything is set.
bool InContent(const EntityRef& entity, const Row& row);
// What the content digest covers of a row: lifecycle and resource without DERIVED fields,
// deterministically serialised; sets and keyed lists in the order of their keys.
std::string DigestForm(const EntityRef& entity, const Row& row);

}  // namespace retrace::domain
