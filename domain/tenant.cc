#include "domain/tenant.h"

#include <algorithm>
#include <string>
#include <utility>

#include "domain/commands.h"
#include "domain/normalise.h"
#include "domain/resource.h"
#include "domain/standard.h"
#include "fmt/format.h"
#include "retrace/store/v1/entities.pb.h"
#include "retrace/v1/tenants.pb.h"

namespace retrace::domain {
namespace {

// One more than there are: tenants are never deleted, so no number comes twice.
absl::StatusOr<int64_t> NextNumber(const View& view) {
  int64_t count = 0;
  RETRACE_ASSIGN(const RowPtr counters, view.Get({KindNumber::kCounters, ""}));
  if (counters != nullptr) {
    for (const store::v1::Counter& counter : counters->As<store::v1::Counters>().counters()) {
      if (counter.kind() == static_cast<uint32_t>(KindNumber::kTenant)) {
        count += counter.count();
      }
    }
  }
  return count + 1;
}

absl::Status CheckTenant(const EntityRef& entity, const Row* before, const Row& after,
                         const View& /*view*/, const Context& context) {
  if (context.header.tenant == kSystemTenant && before == nullptr && after.live() &&
      after.As<v1::Tenant>().number() > 0) {
    return absl::OkStatus();
  }
  return Refusal(v1::STATE_REFUSED,
                 fmt::format("Tenant {} can only be created, and only once.", entity.id));
}

void ContributeTenant(const Row& /*row*/, std::vector<Contribution>& contributions) {
  contributions.emplace_back();
}

}  // namespace

Kind TenantKind() {
  Kind kind;
  kind.number = KindNumber::kTenant;
  kind.singular = "tenant";
  kind.collection = "tenants";
  kind.resource = &v1::Tenant::default_instance();
  kind.events = {&store::v1::TenantCreated::default_instance()};
  kind.indexes = {{.number = 1,
                   .name = "number",
                   .fields = {"number"},
                   .normaliser = Normaliser::kNumber,
                   .orders = true}};
  kind.apply = ApplyResourceEvent;
  kind.check = CheckTenant;
  kind.contribute = ContributeTenant;
  return kind;
}

absl::Status Decide(const v1::CreateTenantRequest& request, Draft& draft, const Context& context) {
  const std::string& id = request.tenant_id();
  if (context.header.tenant != kSystemTenant) {
    return absl::InternalError("tenants are created in tenant `system`");
  }
  if (!IsChosenId(id) || id == kSystemTenant) {
    return Refusal(v1::INVALID_FIELD, id == kSystemTenant ? "The tenant id `system` is reserved."
                                                          : "tenant_id is no id.")
        .Field("tenant_id",
               "1 to 63 lower-case letters, digits and hyphens; begins with a letter, "
               "does not end with a hyphen; not `system`.");
  }
  const EntityRef entity{KindNumber::kTenant, id};
  RETRACE_ASSIGN(const RowPtr row, draft.Get(entity));
  if (row != nullptr) {
    return Refusal(v1::ID_TAKEN, fmt::format("Tenant `{}` exists already.", id))
        .About("tenant", NameOf(kSystemTenant, entity))
        .Next("Choose another id.");
  }
  v1::Tenant tenant = request.tenant();
  ClearOutputOnly(tenant);
  Trim(*tenant.mutable_display_name());
  if (tenant.display_name().empty()) {
    tenant.set_display_name(id);
  }
  RETRACE_ASSIGN(const int64_t number, NextNumber(draft));
  tenant.set_number(number);
  return CreateEntity<store::v1::TenantCreated>(entity, std::move(tenant), draft);
}

}  // namespace retrace::domain
