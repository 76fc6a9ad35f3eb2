// A tenant's policy: what it sets for itself, with defaults for what it does not.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "domain/kind.h"
#include "domain/view.h"
#include "retrace/v1/tenants.pb.h"

namespace retrace::domain {

Kind PolicyKind();
// The one policy of a tenant.
EntityRef PolicyRef();
// Fills what is unset with its default.
void FillPolicyDefaults(v1::Policy& policy);
// The policy in force in the view, defaults filled in; without name, etag and times.
absl::StatusOr<v1::Policy> PolicyOf(const View& view);
// Whether a destructive command of a human, or of a service, needs a reason under this policy, also
// one without defaults.
bool NeedsReason(const v1::Policy& policy, bool human);
// The most entities that such a command touches without an acknowledged count.
int64_t AcknowledgeAbove(const v1::Policy& policy, bool human);
// The unique keys in force, e.g. `customers.external_id`; none for `none`.
absl::StatusOr<std::vector<std::string>> KeysInForce(const View& view);

}  // namespace retrace::domain
