#include "server/bin_notices.h"

#include <algorithm>
#include <string>

#include "absl/time/time.h"
#include "domain/expiry.h"
#include "domain/notification.h"
#include "domain/resource.h"
#include "domain/status_macros.h"
#include "fmt/format.h"
#include "retrace/store/v1/notifications.pb.h"
#include "server/logging.h"
#include "server/row_view.h"
#include "server/tell.h"

namespace retrace::server {
namespace {

constexpr int64_t kHourUs = 3600LL * 1'000'000;
constexpr int64_t kDayUs = 24 * kHourUs;
constexpr int64_t kWeek = 7;
// Told a day before rather than a week before.
constexpr int64_t kLast = 1;

std::string ShowDay(int64_t day) {
  return absl::FormatTime("%Y-%m-%d", absl::FromUnixMicros(day * kDayUs), absl::UTCTimeZone());
}

store::v1::Tell Telling(const Tenant& tenant, int64_t day, int64_t days_before,
                        const domain::ExpiringDay& expiring, const RowView& view) {
  store::v1::Tell tell;
  tell.set_kind("bin.expiring");
  tell.mutable_audience()->add_roles("administrator");
  tell.set_message(ShowDay(day));
  tell.set_key(fmt::format("{} {}", days_before, ShowDay(day)));
  tell.set_count(expiring.count);
  for (const domain::EntityRef& entity : expiring.first) {
    v1::NotifiedEntity& shown = *tell.add_entities();
    shown.set_name(domain::NameOf(tenant.id, entity));
    if (const auto row = view.Get(entity); row.ok() && *row != nullptr) {
      shown.set_revision(static_cast<int64_t>((*row)->head.revision()));
    }
  }
  return tell;
}

}  // namespace

absl::Status BinNotices::Look(Tenant& tenant) {
  const int64_t now_us = clock_.WallMicros();
  int64_t& next_look_us = next_look_us_[&tenant];
  if (now_us < next_look_us) {
    return absl::OkStatus();
  }
  next_look_us = now_us + kHourUs;
  const RowView view(ledger_.rows(), tenant.number, tenant.visible);
  domain::Context context;
  context.header.tenant = tenant.id;
  const int64_t today = now_us / kDayUs;
  RETRACE_ASSIGN(const auto days,
                 domain::ExpiringByDay(view, context, now_us, (today + kWeek + 1) * kDayUs,
                                       domain::kMostShown));
  for (const auto& [day, expiring] : days) {
    const store::v1::Tell tell =
        Telling(tenant, day, day - today <= kLast ? kLast : kWeek, expiring, view);
    const absl::Status told = TellAsServer(sequencer_, tenant, tell, "retraced.TellOfExpiry");
    if (!told.ok()) {
      const std::string fault(told.message());
      Log(LogLevel::kWarn, "an expiry was not told", {{"tenant", tenant.id}, {"fault", fault}});
    }
  }
  return absl::OkStatus();
}

}  // namespace retrace::server
