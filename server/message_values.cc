#include "server/message_values.h"

#include <algorithm>
#include <utility>

#include "absl/time/time.h"
#include "domain/notification.h"
#include "domain/policy.h"
#include "domain/recipient.h"
#include "domain/resource.h"
#include "domain/status_macros.h"
#include "fmt/format.h"
#include "google/protobuf/util/time_util.h"
#include "retrace/v1/members.pb.h"
#include "retrace/v1/tenants.pb.h"
#include "server/row_view.h"

namespace retrace::server {
namespace {

using domain::KindNumber;
using domain::RowPtr;
using google::protobuf::util::TimeUtil;

RowView Now(const Ledger& ledger, const Tenant& tenant) {
  return RowView(ledger.rows(), tenant.number, tenant.visible);
}

PrincipalPtr FindPrincipal(const Principals& principals, const Tenant& tenant,
                           std::string_view id) {
  for (PrincipalPtr& principal : principals.Entering(tenant.id)) {
    if (principal->id == id) return std::move(principal);
  }
  return nullptr;
}

std::string ShowTime(int64_t time_us, const std::string& time_zone) {
  absl::TimeZone zone;
  if (!absl::LoadTimeZone(time_zone, &zone)) {
    zone = absl::UTCTimeZone();
  }
  return fmt::format("{} ({})",
                     absl::FormatTime("%Y-%m-%d %H:%M", absl::FromUnixMicros(time_us), zone),
                     time_zone);
}

absl::StatusOr<std::string> TitleOfTenant(const Ledger& ledger, const Tenant& tenant) {
  const Tenant& system = *ledger.tenants().system();
  RETRACE_ASSIGN(const RowPtr row, Now(ledger, system).Get({KindNumber::kTenant, tenant.id}));
  const std::string title = row == nullptr ? std::string() : domain::TitleOf(*row->resource);
  return title.empty() ? tenant.id : title;
}

absl::Status AddEntities(const Ledger& ledger, const Tenant& tenant,
                         const v1::Notification& notification, MessageValues& values) {
  const RowView then(ledger.rows(), tenant.number,
                     static_cast<eventstore::Position>(notification.position()));
  for (const v1::NotifiedEntity& entity : notification.entities()) {
    MessageValues::Entity& shown = values.entities.emplace_back();
    shown.name = entity.name();
    const auto parsed = domain::ParseName(entity.name(), "name");
    const domain::Kind* kind = parsed.ok() ? domain::FindKind(parsed->collection) : nullptr;
    if (kind == nullptr) {
      continue;
    }
    RETRACE_ASSIGN(const RowPtr row, then.Get({kind->number, parsed->id}));
    if (row != nullptr && !row->purged()) {
      shown.title = domain::TitleOf(*row->resource);
    }
  }
  return absl::OkStatus();
}

// What was taken back whole reads as it was told: as of before it was taken back.
absl::StatusOr<v1::Notification> AsTold(const Ledger& ledger, const Tenant& tenant,
                                        const domain::EntityRef& entity,
                                        const v1::Notification& notification) {
  if (domain::Stands(notification) || notification.taken_back_by() == 0) {
    return notification;
  }
  const int64_t position = std::max(notification.position(), notification.taken_back_by() - 1);
  const RowView before(ledger.rows(), tenant.number, static_cast<eventstore::Position>(position));
  RETRACE_ASSIGN(const RowPtr row, before.Get(entity));
  return row == nullptr ? notification : row->As<v1::Notification>();
}

absl::StatusOr<std::string> NameOfRecipient(const Ledger& ledger, const Principals& principals,
                                            const Tenant& tenant, const std::string& recipient) {
  if (const std::string_view id = domain::PrincipalOf(recipient); !id.empty()) {
    const PrincipalPtr principal = FindPrincipal(principals, tenant, id);
    return principal == nullptr || principal->display_name.empty() ? std::string(id)
                                                                   : principal->display_name;
  }
  RETRACE_ASSIGN(const RowPtr row, domain::MemberOf(recipient, Now(ledger, tenant), tenant.id));
  return row == nullptr ? std::string() : row->As<v1::Member>().display_name();
}

}  // namespace

absl::StatusOr<MessageValues> ValuesOf(const Ledger& ledger, const Principals& principals,
                                       const Tenant& tenant, const std::string& name,
                                       const v1::Notification& notification,
                                       const std::string& recipient) {
  const RowView view = Now(ledger, tenant);
  RETRACE_ASSIGN(const v1::Policy policy, domain::PolicyOf(view));
  MessageValues values;
  values.kind = notification.kind();
  RETRACE_ASSIGN(values.tenant, TitleOfTenant(ledger, tenant));
  RETRACE_ASSIGN(values.recipient_name, NameOfRecipient(ledger, principals, tenant, recipient));
  const PrincipalPtr actor = FindPrincipal(principals, tenant, notification.actor());
  values.actor =
      actor == nullptr || actor->display_name.empty() ? notification.actor() : actor->display_name;
  values.reason = notification.reason();
  values.message = notification.message();
  values.about = notification.about();
  const domain::EntityRef entity{KindNumber::kNotification, domain::IdOfName(name)};
  RETRACE_ASSIGN(const RowPtr row, view.Get(entity));
  if (row != nullptr) {
    values.time = ShowTime(row->head.create_time_us(), policy.time_zone());
  }
  values.change_set = notification.change_set();
  RETRACE_ASSIGN(const v1::Notification told, AsTold(ledger, tenant, entity, notification));
  values.count = told.count() - told.taken_back_count();
  RETRACE_RETURN_IF_ERROR(AddEntities(ledger, tenant, told, values));
  if (!notification.corrects().empty()) {
    values.correction = true;
    RETRACE_ASSIGN(const RowPtr corrected, view.Get({KindNumber::kNotification,
                                                     domain::IdOfName(notification.corrects())}));
    if (corrected != nullptr) {
      values.corrected_time = ShowTime(corrected->head.create_time_us(), policy.time_zone());
    }
  }
  return values;
}

absl::StatusOr<std::string> LanguageOf(const Ledger& ledger, const Principals& principals,
                                       const Tenant& tenant, const std::string& recipient) {
  std::string language;
  if (const std::string_view id = domain::PrincipalOf(recipient); !id.empty()) {
    const PrincipalPtr principal = FindPrincipal(principals, tenant, id);
    if (principal != nullptr) language = principal->language;
  } else {
    RETRACE_ASSIGN(const RowPtr row, domain::MemberOf(recipient, Now(ledger, tenant), tenant.id));
    if (row != nullptr) language = row->As<v1::Member>().language();
  }
  if (!language.empty()) {
    return language;
  }
  RETRACE_ASSIGN(const v1::Policy policy, domain::PolicyOf(Now(ledger, tenant)));
  return policy.language();
}

absl::StatusOr<std::string> AddressOf(const Ledger& ledger, const Principals& principals,
                                      const Tenant& tenant, const std::string& recipient) {
  if (const std::string_view id = domain::PrincipalOf(recipient); !id.empty()) {
    const PrincipalPtr principal = FindPrincipal(principals, tenant, id);
    return principal == nullptr ? std::string() : principal->email;
  }
  RETRACE_ASSIGN(const RowPtr row, domain::MemberOf(recipient, Now(ledger, tenant), tenant.id));
  return row == nullptr ? std::string() : row->As<v1::Member>().email();
}

}  // namespace retrace::server
