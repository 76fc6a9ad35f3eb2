// Members: what is special about them. Commands are declared in commands.h.
#pragma once

#include "domain/kind.h"

namespace retrace::domain {

// The index by the principal that a member signs in as.
inline constexpr uint8_t kMemberPrincipalIndex = 4;

Kind MemberKind();

}  // namespace retrace::domain
