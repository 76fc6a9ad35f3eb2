// Roles: the one table of who may do what.
#pragma once

#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace retrace::server {

// The permission to execute a destructive command without a plan where the tenant's policy asks for
// one. No RPC asks for it.
inline constexpr std::string_view kActWithoutPlan = "act-without-plan";

struct Role {
  std::string_view name;
  std::string_view purpose;  // one line, for people
  std::vector<std::string_view> permissions;
};

// Every role there is, in the order of the printed table.
std::span<const Role> Roles();

// Null when there is no such role.
const Role* FindRole(std::string_view name);

// Every permission that some role grants, sorted.
std::set<std::string, std::less<>> AllPermissions();

// The table as Markdown: a permission a line, a role a column. README holds a copy; a test
// compares.
std::string RolesAsMarkdown();

}  // namespace retrace::server
