#include "server/roles.h"

#include <fmt/format.h>

#include <algorithm>

namespace retrace::server {
namespace {

std::vector<std::string_view> OfAdministrator() {
  return {"customers.create",
          "customers.read",
          "customers.update",
          "customers.deactivate",
          "customers.delete",
          "customers.undelete",
          "customers.undelete-any",
          "customers.merge",
          "records.create",
          "records.read",
          "records.update",
          "records.deactivate",
          "records.delete",
          "records.undelete",
          "records.undelete-any",
          "members.create",
          "members.read",
          "members.update",
          "members.deactivate",
          "members.delete",
          "members.undelete",
          "members.undelete-any",
          "bin.read",
          "bin.restore",
          "bin.purge",
          "holds.place",
          "holds.read",
          "holds.release",
          "notifications.decide",
          "notifications.read",
          "webhooks.read",
          "webhooks.undelete-any",
          "webhooks.write",
          "history.begin",
          "history.changes",
          "history.export",
          "history.export-keys",
          "history.read",
          "history.restore-to",
          "history.undo",
          "history.undo-any",
          "history.undo-old",
          "operations.cancel-any",
          "operations.read",
          "operations.start",
          "plans.announce",
          "plans.read",
          "plans.respond",
          "plans.withdraw-any",
          "policy.read",
          "policy.update",
          "templates.read",
          "templates.undelete-any",
          "templates.write",
          "tenants.list",
          "tenants.read"};
}

std::vector<Role> MakeRoles() {
  return {
      {"administrator", "everything in a tenant", OfAdministrator()},
      {"agent",
       "daily work; undeletes and undoes what they did themselves",
       {"customers.create", "customers.read",     "customers.update", "customers.deactivate",
        "customers.delete", "customers.undelete", "records.create",   "records.read",
        "records.update",   "records.deactivate", "records.delete",   "records.undelete",
        "members.read",     "bin.read",           "bin.restore",      "history.begin",
        "history.changes",  "history.undo",       "operations.read",  "operations.start",
        "plans.announce",   "plans.read",         "plans.respond",    "policy.read",
        "templates.read",   "tenants.list",       "tenants.read"}},
      {"auditor",
       "reads everything in a tenant, writes nothing",
       {"customers.read", "records.read", "members.read", "bin.read", "holds.read", "webhooks.read",
        "history.changes", "history.export", "history.export-keys", "history.read",
        "notifications.read", "operations.read", "plans.read", "policy.read", "templates.read",
        "tenants.list", "tenants.read"}},
      {"unplanned",
       "besides another role: acts without a plan where the tenant's policy asks for one",
       {kActWithoutPlan}},
      {"operator",
       "runs the server; sees no customer data",
       {"admin.advance-clock", "admin.backup", "admin.status", "admin.verify", "tenants.create",
        "tenants.list", "tenants.read"}},
  };
}

const std::vector<Role>& Table() {
  static const auto* const table = new std::vector<Role>(MakeRoles());
  return *table;
}

bool Grants(const Role& role, std::string_view permission) {
  return std::find(role.permissions.begin(), role.permissions.end(), permission) !=
         role.permissions.end();
}

}  // namespace

std::span<const Role> Roles() { return Table(); }

const Role* FindRole(std::string_view name) {
  for (const Role& role : Table()) {
    if (role.name == name) {
      return &role;
    }
  }
  return nullptr;
}

std::set<std::string, std::less<>> AllPermissions() {
  std::set<std::string, std::less<>> all;
  for (const Role& role : Table()) {
    all.insert(role.permissions.begin(), role.permissions.end());
  }
  return all;
}

std::string RolesAsMarkdown() {
  std::string text = "| permission |";
  std::string rule = "|---|";
  for (const Role& role : Table()) {
    text += fmt::format(" {} |", role.name);
    rule += ":-:|";
  }
  text += "\n" + rule + "\n";
  for (const std::string& permission : AllPermissions()) {
    text += fmt::format("| `{}` |", permission);
    for (const Role& role : Table()) {
      text += Grants(role, permission) ? " yes |" : " |";
    }
    text += "\n";
  }
  return text;
}

}  // namespace retrace::server
