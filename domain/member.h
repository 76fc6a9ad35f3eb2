// Members: what is special about them. Commands are declared in commands.h.
#pragma once

#include "domain/kind.h"

namespace retrace::domain {

Kind MemberKind();

}  // namespace retrace::domain
