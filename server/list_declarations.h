// What each kind adds to the one list of all kinds.
#pragma once

#include "domain/entity.h"
#include "server/list_route.h"

namespace retrace::server {

// Null for kinds that have no list.
const ListDeclaration* ListOf(domain::KindNumber kind);

}  // namespace retrace::server
