// Customers: what is special about them. Commands are declared in commands.h.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "domain/context.h"
#include "domain/draft.h"
#include "domain/kind.h"
#include "retrace/v1/customers.pb.h"

namespace retrace::domain {

Kind CustomerKind();

// What lists show for a customer that has no display name of its own: given and family name (family
// name first and no space between them where names are written so), else the organization's.
std::string DerivedDisplayName(const v1::Customer& customer);

// The number after the highest that was ever given, those of this draft included.
absl::StatusOr<int64_t> NextCustomerNumber(const Draft& draft);

}  // namespace retrace::domain
