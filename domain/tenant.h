// Tenants, which are entities of the reserved tenant `system`. Commands are declared in commands.h.
#pragma once

#include <string_view>

#include "domain/kind.h"

namespace retrace::domain {

inline constexpr std::string_view kSystemTenant = "system";

Kind TenantKind();

}  // namespace retrace::domain
