// Who calls: a principal from the token file.
#pragma once

#include <memory>
#include <set>
#include <string>
#include <string_view>

namespace retrace::server {

// Immutable; shared by every call that it makes.
struct Principal {
  // The system is the server itself, which nobody authenticates as.
  enum class Kind { kHuman, kService, kSystem };
  std::string id;  // recorded as the actor
  Kind kind = Kind::kHuman;
  std::string display_name;
  std::string email;
  std::string language;
  std::string team;
  bool every_tenant = false;  // `*`: an operator
  std::set<std::string, std::less<>> tenants;
  std::set<std::string, std::less<>> roles;
  // What the roles grant; see roles.h for the one table.
  std::set<std::string, std::less<>> permissions;

  bool Has(std::string_view permission) const {
    return permissions.find(permission) != permissions.end();
  }
  bool MayEnter(std::string_view tenant) const {
    return every_tenant || tenants.find(tenant) != tenants.end();
  }
};
using PrincipalPtr = std::shared_ptr<const Principal>;

}  // namespace retrace::server
