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
#include "server/system_log.h"

namespace retrace::server {
namespace {

using domain::KindNumber;
using domain::RowPtr;
using google::protobuf::util::TimeUtil;

// Newest versions that are looked through for one of long ago.
constexpr size_t kMostVersions = 50;

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

// The entity as it was after what is told of it: a notification that gathers tells of what came
// later, too. Of a revision that is no more, as it is now; null: there is none.
absl::StatusOr<RowPtr> RowAt(const Ledger& ledger, const Tenant& tenant, const RowView& then,
                             const domain::EntityRef& entity, int64_t revision) {
  RETRACE_ASSIGN(RowPtr row, then.Get(entity));
  const auto fits = [revision](const RowPtr& each) {
    return each != nullptr && static_cast<int64_t>(each->head.revision()) == revision;
  };
  if (fits(row) || (row != nullptr && revision == 0)) {
    return row;
  }
  RETRACE_ASSIGN(
      const std::vector<eventstore::RowVersion> versions,
      ledger.rows().Versions(tenant.number, static_cast<eventstore::KindNumber>(entity.kind),
                             entity.id, tenant.visible, kMostVersions));
  RowPtr newest;
  for (const eventstore::RowVersion& version : versions) {
    RETRACE_ASSIGN(RowPtr each, domain::ParseRow(entity.kind, version.bytes));
    if (fits(each)) {
      return each;
    }
    newest = newest == nullptr ? each : newest;
  }
  return newest;
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
    RETRACE_ASSIGN(const RowPtr row,
                   RowAt(ledger, tenant, then, {kind->number, parsed->id}, entity.revision()));
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

absl::StatusOr<std::string> TitleOfTenant(const Ledger& ledger, const Tenant& tenant) {
  const Tenant& system = *ledger.tenants().system();
  RETRACE_ASSIGN(const RowPtr row, Now(ledger, system).Get({KindNumber::kTenant, tenant.id}));
  const std::string title = row == nullptr ? std::string() : domain::TitleOf(*row->resource);
  return title.empty() ? tenant.id : title;
}

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
  values.by_server = notification.actor() == ServerItself()->id;
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

absl::StatusOr<std::vector<std::string>> LanguagesOf(const Ledger& ledger,
                                                     const Principals& principals,
                                                     const Tenant& tenant,
                                                     const std::string& recipient) {
  std::vector<std::string> languages;
  if (const std::string_view id = domain::PrincipalOf(recipient); !id.empty()) {
    const PrincipalPtr principal = FindPrincipal(principals, tenant, id);
    if (principal != nullptr) languages.push_back(principal->language);
  } else {
    RETRACE_ASSIGN(const RowPtr row, domain::MemberOf(recipient, Now(ledger, tenant), tenant.id));
    if (row != nullptr) languages.push_back(row->As<v1::Member>().language());
  }
  RETRACE_ASSIGN(const v1::Policy policy, domain::PolicyOf(Now(ledger, tenant)));
  languages.push_back(policy.language());
  return languages;
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
