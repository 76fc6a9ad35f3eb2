// Whom the steps of an announcement are told to, and in which words.
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_join.h"
#include "domain/announcement.h"
#include "domain/notification.h"
#include "domain/plan.h"
#include "domain/recipient.h"
#include "domain/resource.h"
#include "fmt/format.h"

namespace retrace::domain {
namespace {

const v1::Announcement& ShownOf(const Found& announcement) {
  return announcement.row->As<store::v1::AnnouncementRow>().shown();
}

// Those whose announcement it is, but for who acts.
void AddAskers(const Found& announcement, const Context& context, v1::Audience& audience) {
  const v1::Announcement& shown = ShownOf(announcement);
  for (const std::string& person :
       std::set<std::string>{shown.asker(), shown.planner(), shown.approver()}) {
    if (!person.empty() && person != context.header.actor) {
      audience.add_recipients(PrincipalName(person));
    }
  }
}

absl::Status Tell(const Found& announcement, std::string_view kind, v1::Audience audience,
                  std::string message, Draft& draft, const Context& context) {
  Notice notice;
  notice.kind = std::string(kind);
  notice.audience = std::move(audience);
  notice.about = NameOf(context.header.tenant, announcement.entity);
  notice.message = std::move(message);
  return Notify(notice, draft, context);
}

}  // namespace

std::string SummaryOf(const v1::Plan& plan) {
  std::vector<std::string> parts;
  for (const v1::Plan::Count& count : plan.counts()) {
    parts.push_back(fmt::format("{} {}{}{}: {}", count.count(), count.kind(),
                                count.subkind().empty() ? "" : " ", count.subkind(),
                                count.change()));
  }
  return absl::StrJoin(parts, "; ");
}

void DropTitlesAndToken(v1::Plan& plan) {
  DropTitles(plan);
  plan.clear_plan_token();
  plan.clear_expire_time();
}

absl::Status TellAudience(const Found& announcement, std::string_view kind, std::string message,
                          Draft& draft, const Context& context) {
  return Tell(announcement, kind, ShownOf(announcement).to(), std::move(message), draft, context);
}

absl::Status TellAskers(const Found& announcement, std::string_view kind, std::string message,
                        Draft& draft, const Context& context) {
  v1::Audience audience;
  AddAskers(announcement, context, audience);
  return audience.recipients().empty()
             ? absl::OkStatus()
             : Tell(announcement, kind, std::move(audience), std::move(message), draft, context);
}

absl::Status TellBeginning(const Found& announcement, std::string message, Draft& draft,
                           const Context& context) {
  const v1::Announcement& shown = ShownOf(announcement);
  if (shown.state() != v1::Announcement::REQUESTED) {
    return TellAudience(announcement, "plans.announced", std::move(message), draft, context);
  }
  // Who holds the first permission holds the others, too, as roles are.
  v1::Audience audience = shown.to();
  audience.set_permission(shown.permissions(0));
  return Tell(announcement, "plans.requested", std::move(audience), std::move(message), draft,
              context);
}

absl::Status TellEnd(const Found& announcement, Draft& draft, const Context& context) {
  const v1::Announcement& shown = ShownOf(announcement);
  const v1::Announcement::Result& result = shown.result();
  std::string text = result.message();
  if (!result.operation().empty()) {
    text = fmt::format("{} done, {} refused, {} drifted, {} left alone.{}{}", result.ok_count(),
                       result.refused_count(), result.drifted_count(), result.skipped_count(),
                       text.empty() ? "" : " ", text);
  }
  const bool executed = shown.state() == v1::Announcement::EXECUTED;
  v1::Audience audience;
  if (executed || result.change_set() != 0) {
    audience = shown.to();
  }
  AddAskers(announcement, context, audience);
  return Tell(announcement, executed ? "plans.executed" : "plans.failed", std::move(audience),
              std::move(text), draft, context);
}

}  // namespace retrace::domain
