#include "domain/notification_kinds.h"

#include <algorithm>
#include <array>

namespace retrace::domain {
namespace {

constexpr std::array kKinds = {
    NotificationKind{"backups.damaged", true, "", "A backup that was made before is damaged.",
                     "此前所做的一份备份已损坏。"},
    NotificationKind{"backups.failed", true, "", "A scheduled backup failed.", "定时备份失败。"},
    NotificationKind{"bin.expiring", false, "",
                     "Entries of the recycle bin will be purged in seven days, or in one.",
                     "回收站中的条目将在七天后或一天后被彻底清除。"},
    NotificationKind{"customers.deleted", false, "customers.restored",
                     "Customers that you own were deleted.", "您负责的客户被删除。"},
    NotificationKind{"customers.merged", false, "customers.unmerged",
                     "Customers that you own were merged into others.",
                     "您负责的客户已并入其他客户。"},
    NotificationKind{"customers.purged", true, "",
                     "Customers that you owned were removed for ever.",
                     "您曾负责的客户已被彻底清除。"},
    NotificationKind{"customers.restored", false, "customers.deleted",
                     "Customers that you own came back from the recycle bin.",
                     "您负责的客户已从回收站恢复。"},
    NotificationKind{"customers.unmerged", false, "customers.merged",
                     "Customers that you own are no longer part of others.",
                     "您负责的客户不再是其他客户的一部分。"},
    NotificationKind{"deliveries.held", true, "",
                     "Deliveries wait for a decision: the log began a new epoch.",
                     "通知投递已暂停，等待处理：日志开始了新的纪元。"},
    NotificationKind{"followers.parked", true, "",
                     "A follower of the log could not handle an event.",
                     "后台处理程序（日志跟随）未能处理某个事件。"},
    NotificationKind{"operations.ended", false, "", "An operation that you started has ended.",
                     "您启动的操作已结束。"},
    NotificationKind{"plans.announced", true, "", "A plan was announced to you.",
                     "有人预先通知了您一项计划。"},
    NotificationKind{"plans.approved", true, "", "A plan that you announced was approved.",
                     "您预先通知的计划已获批准。"},
    NotificationKind{"plans.executed", true, "plans.undone",
                     "A plan that was announced to you was executed.",
                     "预先通知过您的计划已执行。"},
    NotificationKind{"plans.expired", true, "", "An announced plan was not executed in its time.",
                     "预先通知的计划未在期限内执行。"},
    NotificationKind{"plans.failed", true, "", "An announced plan could not be executed.",
                     "预先通知的计划未能执行。"},
    NotificationKind{"plans.objected", true, "", "Somebody objected to a plan that you announced.",
                     "有人对您预先通知的计划提出异议。"},
    NotificationKind{"plans.requested", true, "", "Somebody asks you to execute a plan.",
                     "有人请您执行一项计划。"},
    NotificationKind{"plans.undone", true, "plans.executed",
                     "A plan that was announced to you and executed was undone.",
                     "预先通知过您并已执行的计划已被撤销。"},
    NotificationKind{"plans.withdrawn", true, "", "A plan that was announced to you was withdrawn.",
                     "预先通知过您的计划已撤回。"},
    NotificationKind{"webhooks.disabled", true, "",
                     "A webhook was disabled, since its endpoint takes nothing.",
                     "某个 webhook 因目标不再接收而被停用。"},
    NotificationKind{"webhooks.tested", true, "", "A test of a webhook.",
                     "测试 webhook 能否接收消息。"},
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
