// What notifications say in English.
#include <array>

#include "server/built_in_templates.h"

namespace retrace::server {
namespace {

constexpr std::array kKinds = {
    KindWords{
        .kind = "",
        .subject = "Notification: {{kind}}",
        .lead = "There is news of {{kind}}.",
        .correction = "On {{corrected_time}} we told you something about the following. It was "
                      "taken back and no longer holds.",
        .next = "",
    },
    KindWords{
        .kind = "backups.damaged",
        .subject = "A backup is damaged",
        .lead = "A backup that was made before was found damaged. It does not count any more among "
                "those that are kept.",
        .next = "Whoever operates the server sees which one:\nretrace admin backups",
    },
    KindWords{
        .kind = "backups.failed",
        .subject = "A scheduled backup failed",
        .lead = "A scheduled backup of the server failed. Good backups that were made before, if "
                "there are any, are kept.",
        .next = "Until one succeeds again, what happened since the last good one is in one place "
                "only. Whoever operates the server sees why, and can make one now:\n"
                "retrace admin status\nretrace admin backup",
    },
    KindWords{
        .kind = "bin.expiring",
        .subject = "{{#single}}“{{title}}” is about to leave the recycle bin{{/single}}"
                   "{{^single}}{{count}} entries are about to leave the recycle bin{{/single}}",
        .lead = "{{#single}}“{{title}}” will soon be purged from the recycle bin.{{/single}}"
                "{{^single}}{{count}} entries will soon be purged from the recycle bin.{{/single}} "
                "What is purged cannot be brought back.",
        .message = "Day of the purge: {{message}} (UTC)",
        .next = "To see what is there and until when it stays: retrace bin list\n"
                "To keep something, restore it: retrace bin restore NAME",
    },
    KindWords{
        .kind = "customers.deleted",
        .subject = "{{#single}}Customer “{{title}}” was deleted{{/single}}"
                   "{{^single}}{{count}} of your customers were deleted{{/single}}",
        .lead = "{{#single}}Your customer “{{title}}” was deleted and is in the recycle bin."
                "{{/single}}{{^single}}{{count}} of your customers were deleted and are in the "
                "recycle bin.{{/single}}",
        .correction =
            "{{#single}}On {{corrected_time}} we told you that your customer “{{title}}” had come "
            "back from the recycle bin. That was taken back: the customer is in the bin again."
            "{{/single}}{{^single}}On {{corrected_time}} we told you that customers of yours had "
            "come back from the recycle bin. That was taken back for {{count}} of them: they are "
            "in the bin again.{{/single}}",
        .next = "To undo it: retrace undo {{change_set}} --reason WHY",
    },
    KindWords{
        .kind = "customers.merged",
        .subject = "{{#single}}Customer “{{title}}” was merged into another{{/single}}"
                   "{{^single}}{{count}} of your customers were merged into others{{/single}}",
        .lead = "{{#single}}Your customer “{{title}}” was merged into another one.{{/single}}"
                "{{^single}}{{count}} of your customers were merged into others.{{/single}} "
                "{{#single}}Its records belong to the other customer now.{{/single}}"
                "{{^single}}Their records belong to those now.{{/single}}",
        .correction =
            "{{#single}}On {{corrected_time}} we told you that your customer “{{title}}” was no "
            "longer part of another. That was taken back: it is merged again.{{/single}}"
            "{{^single}}On {{corrected_time}} we told you that customers of yours were no longer "
            "part of others. That was taken back for {{count}} of them: they are merged again."
            "{{/single}}",
        .next = "To undo it: retrace undo {{change_set}} --reason WHY",
    },
    KindWords{
        .kind = "customers.purged",
        .subject = "{{#single}}Customer “{{title}}” was removed for ever{{/single}}"
                   "{{^single}}{{count}} of your customers were removed for ever{{/single}}",
        .lead = "{{#single}}Customer “{{title}}”, which you owned, was purged.{{/single}}"
                "{{^single}}{{count}} customers that you owned were purged.{{/single}} What was "
                "known of {{#single}}it{{/single}}{{^single}}them{{/single}} is gone; this cannot "
                "be undone.",
    },
    KindWords{
        .kind = "customers.restored",
        .subject = "{{#single}}Customer “{{title}}” is back{{/single}}"
                   "{{^single}}{{count}} of your customers are back{{/single}}",
        .lead = "{{#single}}Your customer “{{title}}” came back from the recycle bin.{{/single}}"
                "{{^single}}{{count}} of your customers came back from the recycle bin.{{/single}}",
        .correction =
            "{{#single}}On {{corrected_time}} we told you that your customer “{{title}}” had been "
            "deleted. That was taken back: the customer is there as "
            "before.{{/single}}{{^single}}On "
            "{{corrected_time}} we told you that customers of yours had been deleted. That was "
            "taken back for {{count}} of them: they are there as before.{{/single}}",
        .next = "To undo it: retrace undo {{change_set}} --reason WHY",
    },
    KindWords{
        .kind = "customers.unmerged",
        .subject = "{{#single}}Customer “{{title}}” stands alone again{{/single}}"
                   "{{^single}}{{count}} of your customers stand alone again{{/single}}",
        .lead = "{{#single}}Your customer “{{title}}” is no longer part of another one.{{/single}}"
                "{{^single}}{{count}} of your customers are no longer part of others.{{/single}}",
        .correction =
            "{{#single}}On {{corrected_time}} we told you that your customer “{{title}}” had been "
            "merged into another. That was taken back: it stands alone again.{{/single}}"
            "{{^single}}On {{corrected_time}} we told you that customers of yours had been merged "
            "into others. That was taken back for {{count}} of them: they stand alone again."
            "{{/single}}",
        .next = "To undo it: retrace undo {{change_set}} --reason WHY",
    },
    KindWords{
        .kind = "deliveries.held",
        .subject = "Deliveries wait for your decision",
        .lead = "The log was recovered or continued after loss. What had been asked for before and "
                "is not recorded as sent may have been sent all the same, so it waits. What is "
                "asked for from now on is sent as always.",
        .next = "To see what waits: retrace deliveries list --filter 'state = PENDING'\n"
                "To send it: retrace deliveries resolve-held send --reason WHY\n"
                "To leave it: retrace deliveries resolve-held skip --reason WHY",
    },
    KindWords{
        .kind = "followers.parked",
        .subject = "A follower of the log could not handle an event",
        .lead = "A follower of the log could not handle an event and put it aside. Later events of "
                "the same entity wait behind it; everything else goes on.",
        .next = "To see what is put aside: retrace followers parked\n"
                "To try it again: retrace followers retry\n"
                "To pass it over: retrace followers discard",
    },
    KindWords{
        .kind = "operations.ended",
        .subject = "Your operation has ended",
        .lead = "The operation that you started has ended.",
        .next = "To see what it did and what it could not do: retrace operations show {{about}}",
    },
    KindWords{
        .kind = "plans.announced",
        .subject = "A plan was announced to you",
        .lead = "A plan that concerns you was announced. Nothing has been done yet.",
        .next = "You may acknowledge it or object to it: retrace plans show {{about}}",
    },
    KindWords{
        .kind = "plans.approved",
        .subject = "Your announced plan was approved",
        .lead = "A plan that you announced was approved.",
        .next = "To see where it stands: retrace plans show {{about}}",
    },
    KindWords{
        .kind = "plans.executed",
        .subject = "An announced plan was executed",
        .lead = "A plan that was announced to you was executed.",
        .correction = "On {{corrected_time}} we told you that a plan had been undone. That was "
                      "taken back: what it did holds again.",
        .next = "To undo it: retrace undo {{change_set}} --reason WHY",
    },
    KindWords{
        .kind = "plans.expired",
        .subject = "An announced plan was not executed",
        .lead = "A plan that was announced was not executed in its time. Nothing was done.",
        .next = "Whoever still wants it has to plan and announce it again.",
    },
    KindWords{
        .kind = "plans.failed",
        .subject = "An announced plan could not be executed",
        .lead = "A plan that was announced could not be executed.",
        .next = "To see why, and where it stands: retrace plans show {{about}}",
    },
    KindWords{
        .kind = "plans.objected",
        .subject = "Somebody objected to your announced plan",
        .lead = "Somebody objected to a plan that you announced. It will not be executed unless "
                "the objections are acknowledged.",
        .next = "To see all objections: retrace plans show {{about}}",
    },
    KindWords{
        .kind = "plans.requested",
        .subject = "Somebody asks you to execute a plan",
        .lead = "Somebody who may not do this themselves asks you to execute a plan.",
        .next = "To see it, and to approve it or not: retrace plans show {{about}}",
    },
    KindWords{
        .kind = "plans.undone",
        .subject = "An executed plan was undone",
        .lead = "A plan that was announced to you and executed was undone.",
        .correction = "On {{corrected_time}} we told you that an announced plan had been executed. "
                      "That was taken back: what it did was undone.",
    },
    KindWords{
        .kind = "plans.withdrawn",
        .subject = "An announced plan was withdrawn",
        .lead = "A plan that was announced to you was withdrawn. It will not be executed.",
    },
    KindWords{
        .kind = "webhooks.disabled",
        .subject = "A webhook was disabled",
        .lead = "A webhook was disabled, since its endpoint takes nothing. Nothing is sent there "
                "any more.",
        .next = "When the endpoint is well again: retrace webhooks resume {{about}}",
    },
    KindWords{
        .kind = "webhooks.tested",
        .subject = "A test of your webhook",
        .lead = "This is a test of the webhook: it takes what it is sent. Nothing happened, and "
                "there is nothing to do.",
    },
};

}  // namespace

const LanguageWords& EnglishWords() {
  static constexpr LanguageWords kWords = {
      .language = "en",
      .markup_language = "en",
      .correction_subject = "Correction: ",
      .greeting = "Hello {{recipient_name}},",
      .more = "and {{more_count}} more",
      .actor = "By: {{actor}}",
      .server = "Retrace itself",
      .time = "When: {{time}}",
      .reason = "Reason: {{reason}}",
      .about = "About: {{about}}",
      .unsubscribe = "If you do not want to be told of this any more:",
      .unsubscribe_link = "switch off messages of this kind",
      .kinds = kKinds,
  };
  return kWords;
}

}  // namespace retrace::server
