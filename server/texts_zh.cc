// What notifications say in Chinese, in simplified characters.
#include <array>

#include "server/built_in_templates.h"

namespace retrace::server {
namespace {

constexpr std::array kKinds = {
    KindWords{
        .kind = "",
        .subject = "通知：{{kind}}",
        .lead = "有一条关于 {{kind}} 的通知。",
        .correction = "{{corrected_time}}，我们曾就以下事项通知过您。该操作现已撤销，此前的通知不再"
                      "有效。",
        .next = "",
    },
    KindWords{
        .kind = "backups.damaged",
        .subject = "发现一份备份已损坏",
        .lead = "此前所做的一份备份经检查发现已损坏，不再计入保留的备份。",
        .next = "服务器的运维人员可查看是哪一份：\nretrace admin backups",
    },
    KindWords{
        .kind = "backups.failed",
        .subject = "定时备份失败",
        .lead = "服务器的一次定时备份失败。此前成功的备份（如有）仍然保留。",
        .next =
            "在下一次备份成功之前，最近一次成功备份之后的数据只有一份。服务器的运维人员可查看原因，"
            "并立即备份：\nretrace admin status\nretrace admin backup",
    },
    KindWords{
        .kind = "bin.expiring",
        .subject = "{{#single}}“{{title}}”即将从回收站中被彻底清除{{/single}}"
                   "{{^single}}回收站中有 {{count}} 个条目即将被彻底清除{{/single}}",
        .lead =
            "{{#single}}“{{title}}”即将从回收站中被彻底清除。{{/single}}"
            "{{^single}}回收站中有 {{count}} 个条目即将被彻底清除。{{/single}}清除之后无法恢复。",
        .message = "清除日期：{{message}}（UTC）",
        .next = "查看回收站中的条目及其保留期限：retrace bin list\n"
                "如需保留，请将其恢复：retrace bin restore NAME",
    },
    KindWords{
        .kind = "customers.deleted",
        .subject = "{{#single}}客户“{{title}}”已被删除{{/single}}"
                   "{{^single}}您的 {{count}} 个客户已被删除{{/single}}",
        .lead = "{{#single}}您负责的客户“{{title}}”已被删除，现存放在回收站中。{{/single}}"
                "{{^single}}您负责的 {{count}} 个客户已被删除，现存放在回收站中。{{/single}}",
        .correction =
            "{{#single}}{{corrected_time}}，我们曾通知您：客户“{{title}}”已从回收站恢复。该操作现已"
            "撤销，该客户已回到回收站。{{/single}}{{^single}}{{corrected_time}}，我们曾通知您：您的"
            "部分客户已从回收站恢复。其中 {{count}} 个客户的恢复现已撤销，这些客户已回到回收站。"
            "{{/single}}",
        .next = "如需撤销：retrace undo {{change_set}} --reason 原因",
    },
    KindWords{
        .kind = "customers.merged",
        .subject = "{{#single}}客户“{{title}}”已并入其他客户{{/single}}"
                   "{{^single}}您的 {{count}} 个客户已并入其他客户{{/single}}",
        .lead =
            "{{#single}}您负责的客户“{{title}}”已并入另一个客户。{{/single}}"
            "{{^single}}您负责的 {{count}} 个客户已并入其他客户。{{/single}}被合并客户的相关记录"
            "现归属于合并后的客户。",
        .correction =
            "{{#single}}{{corrected_time}}，我们曾通知您：客户“{{title}}”已从合并中拆分。该操作现已"
            "撤销，该客户重新并入原来的客户。{{/"
            "single}}{{^single}}{{corrected_time}}，我们曾通知您："
            "您的部分客户已从合并中拆分。其中 {{count}} "
            "个客户的拆分现已撤销，这些客户重新并入原来的"
            "客户。{{/single}}",
        .next = "如需撤销：retrace undo {{change_set}} --reason 原因",
    },
    KindWords{
        .kind = "customers.purged",
        .subject = "{{#single}}客户“{{title}}”已被彻底清除{{/single}}"
                   "{{^single}}您的 {{count}} 个客户已被彻底清除{{/single}}",
        .lead =
            "{{#single}}您此前负责的客户“{{title}}”已被彻底清除。{{/single}}"
            "{{^single}}您此前负责的 {{count}} 个客户已被彻底清除。{{/single}}相关资料已不复存在，"
            "此操作无法撤销。",
    },
    KindWords{
        .kind = "customers.restored",
        .subject = "{{#single}}客户“{{title}}”已恢复{{/single}}"
                   "{{^single}}您的 {{count}} 个客户已恢复{{/single}}",
        .lead = "{{#single}}您负责的客户“{{title}}”已从回收站恢复。{{/single}}"
                "{{^single}}您负责的 {{count}} 个客户已从回收站恢复。{{/single}}",
        .correction =
            "{{#single}}{{corrected_time}}，我们曾通知您：客户“{{title}}”已被删除。该操作现已撤销，"
            "该客户已恢复如初。{{/single}}{{^single}}{{corrected_time}}，我们曾通知您：您的部分客户"
            "已被删除。其中 {{count}} 个客户的删除现已撤销，这些客户已恢复如初。{{/single}}",
        .next = "如需撤销：retrace undo {{change_set}} --reason 原因",
    },
    KindWords{
        .kind = "customers.unmerged",
        .subject = "{{#single}}客户“{{title}}”已恢复为独立客户{{/single}}"
                   "{{^single}}您的 {{count}} 个客户已恢复为独立客户{{/single}}",
        .lead = "{{#single}}您负责的客户“{{title}}”已从合并中拆分，恢复为独立客户。{{/single}}"
                "{{^single}}您负责的 {{count}} 个客户已从合并中拆分，恢复为独立客户。{{/single}}",
        .correction =
            "{{#single}}{{corrected_time}}，我们曾通知您：客户“{{title}}”已并入其他客户。该操作现已"
            "撤销，该客户恢复为独立客户。{{/"
            "single}}{{^single}}{{corrected_time}}，我们曾通知您：您的"
            "部分客户已并入其他客户。其中 {{count}} 个客户的合并现已撤销，这些客户恢复为独立客户。"
            "{{/single}}",
        .next = "如需撤销：retrace undo {{change_set}} --reason 原因",
    },
    KindWords{
        .kind = "deliveries.held",
        .subject = "有通知等待您决定是否发送",
        .lead =
            "日志已从备份恢复，或在丢失部分数据后继续使用。此前要求发送、但没有发送记录的通知可能"
            "已经发出，因此暂不发送。此后的通知照常发送。",
        .next = "查看等待中的通知：retrace deliveries list --filter 'state = PENDING'\n"
                "发送：retrace deliveries resolve-held send --reason 原因\n"
                "不发送：retrace deliveries resolve-held skip --reason 原因",
    },
    KindWords{
        .kind = "followers.parked",
        .subject = "后台处理程序（日志跟随）未能处理某个事件",
        .lead = "一个后台处理程序（日志跟随）未能处理某个事件，已将其搁置。同一实体的后续事件将排队"
                "等待，"
                "其余事件照常处理。",
        .next = "查看被搁置的事件：retrace followers parked\n"
                "重试：retrace followers retry\n"
                "放弃：retrace followers discard",
    },
    KindWords{
        .kind = "operations.ended",
        .subject = "您的批量操作已结束",
        .lead = "您启动的批量操作已结束。",
        .next = "查看已完成和未完成的部分：retrace operations show {{about}}",
    },
    KindWords{
        .kind = "plans.announced",
        .subject = "预先通知：有一项与您有关的计划",
        .lead = "现预先通知您：有一项与您有关的计划，目前尚未执行任何操作。",
        .next = "您可以确认知悉，也可以提出异议：retrace plans show {{about}}",
    },
    KindWords{
        .kind = "plans.approved",
        .subject = "您预先通知的计划已获批准",
        .lead = "您预先通知的计划已获批准。",
        .next = "查看当前状态：retrace plans show {{about}}",
    },
    KindWords{
        .kind = "plans.executed",
        .subject = "预先通知的计划已执行",
        .lead = "此前预先通知您的计划已执行。",
        .correction =
            "{{corrected_time}}，我们曾通知您：一项计划已被撤销。该撤销现已取消，计划的结果"
            "重新生效。",
        .next = "如需撤销：retrace undo {{change_set}} --reason 原因",
    },
    KindWords{
        .kind = "plans.expired",
        .subject = "预先通知的计划未在期限内执行",
        .lead = "一项预先通知的计划未在期限内执行，没有进行任何更改。",
        .next = "如仍需执行，请重新生成计划并再次预先通知。",
    },
    KindWords{
        .kind = "plans.failed",
        .subject = "预先通知的计划未能执行",
        .lead = "一项预先通知的计划未能执行。",
        .next = "查看原因和当前状态：retrace plans show {{about}}",
    },
    KindWords{
        .kind = "plans.objected",
        .subject = "有人对您预先通知的计划提出异议",
        .lead = "有人对您预先通知的计划提出了异议。在确认这些异议之前，计划不会执行。",
        .next = "查看全部异议：retrace plans show {{about}}",
    },
    KindWords{
        .kind = "plans.requested",
        .subject = "有人请您执行一项计划",
        .lead = "有人无权自行执行一项计划，请您代为执行。",
        .next = "查看该计划并决定是否批准：retrace plans show {{about}}",
    },
    KindWords{
        .kind = "plans.undone",
        .subject = "已执行的计划已被撤销",
        .lead = "此前预先通知您并已执行的计划已被撤销。",
        .correction =
            "{{corrected_time}}，我们曾通知您：预先通知的计划已执行。该操作现已撤销，计划所做的"
            "更改不再有效。",
    },
    KindWords{
        .kind = "plans.withdrawn",
        .subject = "预先通知的计划已撤回",
        .lead = "此前预先通知您的计划已撤回，不会再执行。",
    },
    KindWords{
        .kind = "webhooks.disabled",
        .subject = "一个 Webhook 已停用",
        .lead = "由于接收端拒绝接收，一个 Webhook 已被停用，不会再向其发送任何内容。",
        .next = "接收端恢复正常后，请重新启用该 Webhook：retrace webhooks resume {{about}}",
    },
    KindWords{
        .kind = "webhooks.tested",
        .subject = "Webhook 测试",
        .lead = "这是一条测试消息，用于确认该 Webhook 能否正常接收。没有发生任何变更，无需处理。",
    },
};

}  // namespace

const LanguageWords& ChineseWords() {
  static constexpr LanguageWords kWords = {
      .language = "zh",
      .markup_language = "zh-Hans",
      .correction_subject = "更正：",
      .greeting = "{{recipient_name}}，您好：",
      .more = "以及另外 {{more_count}} 项",
      .actor = "操作人：{{actor}}",
      .server = "系统",
      .time = "时间：{{time}}",
      .reason = "原因：{{reason}}",
      .about = "相关事项：{{about}}",
      .unsubscribe = "如果不想再收到此类通知：",
      .unsubscribe_link = "退订此类通知",
      .kinds = kKinds,
  };
  return kWords;
}

}  // namespace retrace::server
