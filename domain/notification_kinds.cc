#include "domain/notification_kinds.h"

#include <algorithm>
#include <array>

namespace retrace::domain {
namespace {

constexpr std::array kKinds = {
    NotificationKind{"backups.failed", true, "", "A scheduled backup failed."},
    NotificationKind{"bin.expiring", false, "",
                     "Entries of the recycle bin will be purged in seven days, or in one."},
    NotificationKind{"customers.deleted", false, "customers.restored",
                     "Customers that you own were deleted."},
    NotificationKind{"customers.merged", false, "customers.unmerged",
                     "Customers that you own were merged into others."},
    NotificationKind{"customers.purged", true, "",
                     "Customers that you owned were removed for ever."},
    NotificationKind{"customers.restored", false, "customers.deleted",
                     "Customers that you own came back from the recycle bin."},
    NotificationKind{"customers.unmerged", false, "customers.merged",
                     "Customers that you own are no longer part of others."},
    NotificationKind{"followers.parked", true, "",
                     "A follower of the log could not handle an event."},
    NotificationKind{"operations.ended", false, "", "An operation that you started has ended."},
    NotificationKind{"plans.announced", true, "", "A plan was announced to you."},
    NotificationKind{"plans.approved", true, "", "A plan that you announced was approved."},
    NotificationKind{"plans.executed", true, "plans.undone",
                     "A plan that was announced to you was executed."},
    NotificationKind{"plans.expired", true, "", "An announced plan was not executed in its time."},
    NotificationKind{"plans.failed", true, "", "An announced plan could not be executed."},
    NotificationKind{"plans.objected", true, "", "Somebody objected to a plan that you announced."},
    NotificationKind{"plans.requested", true, "", "Somebody asks you to execute a plan."},
    NotificationKind{"plans.undone", true, "plans.executed",
                     "A plan that was announced to you and executed was undone."},
    NotificationKind{"plans.withdrawn", true, "",
                     "A plan that was announced to you was withdrawn."},
    NotificationKind{"webhooks.disabled", true, "",
                     "A webhook was disabled, since its endpoint takes nothing."},
    NotificationKind{"webhooks.tested", true, "", "A try whether a webhook takes what it is sent."},
};
static_assert(std::is_sorted(kKinds.begin(), kKinds.end(),
                             [](const auto& a, const auto& b) { return a.name < b.name; }));

}  // namespace

std::span<const NotificationKind> NotificationKinds() { return kKinds; }

const NotificationKind* FindNotificationKind(std::string_view name) {
  const auto* found =
      std::find_if(kKinds.begin(), kKinds.end(),
                   [name](const NotificationKind& kind) { return kind.name == name; });
  return found == kKinds.end() ? nullptr : found;
}

}  // namespace retrace::domain
