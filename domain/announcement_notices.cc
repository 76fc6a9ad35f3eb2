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
#include "domain/server_log.h"
#include "fmt/format.h"

namespace retrace::domain {
namespace {

constexpr std::string_view kExecuted = "plans.executed";

const store::v1::AnnouncementRow& RowOf(const Found& announcement) {
  return announcement.row->As<store::v1::AnnouncementRow>();
}
const v1::Announcement& ShownOf(const Found& announcement) { return RowOf(announcement).shown(); }

// Those whose announcement it is.
std::set<std::string> AskersOf(const Found& announcement) {
  const v1::Announcement& shown = ShownOf(announcement);
  return {shown.asker(), RowOf(announcement).planner_person(), shown.approver()};
}

// Adds them, but for who acts: they know. What the server does by itself nobody does, in whose name
// ever it stands in history.
void Add(const std::set<std::string>& people, const Context& context, v1::Audience& audience) {
  const bool by_itself = context.header.actor == kServerActor;
  for (const std::string& person : people) {
    if (!person.empty() && (by_itself || person != PersonOf(context.header))) {
      audience.add_recipients(PrincipalName(person));
    }
  }
}

// `key` tells several of a kind apart, as of Notice.
absl::Status Tell(const Found& announcement, std::string_view kind, v1::Audience audience,
                  std::string message, Draft& draft, const Context& context, std::string key = {}) {
  Notice notice;
  notice.kind = std::string(kind);
  notice.key = std::move(key);
  notice.audience = std::move(audience);
  notice.about = NameOf(context.header.tenant, announcement.entity);
  notice.message = std::move(message);
  // Whatever is said of it: what matters is why it will be done. What comes of it later has reasons
  // of its own.
  if (IsOpen(ShownOf(announcement).state())) {
    notice.reason = ShownOf(announcement).reason();
  }
  // The end is told by a commit of the server's own; what it did, and may be undone, is another.
  if (kind == kExecuted) {
    notice.change_set = static_cast<Position>(ShownOf(announcement).result().change_set());
  }
  return Notify(notice, draft, context);
}

// Tells it to the audience; of a request also to those who hold the command's permission.
absl::Status TellWithHolders(const Found& announcement, std::string_view kind,
                             v1::Audience audience, const std::string& message, Draft& draft,
                             const Context& context) {
  const v1::Announcement& shown = ShownOf(announcement);
  if (shown.state() == v1::Announcement::REQUESTED) {
    // Who holds the first permission holds the others, too, as roles are.
    const std::string& needed = shown.permissions(0);
    if (audience.permission().empty()) {
      audience.set_permission(needed);
    } else if (audience.permission() != needed) {
      v1::Audience holders;
      holders.set_permission(needed);
      RETRACE_RETURN_IF_ERROR(Tell(announcement, kind, std::move(holders), message, draft, context,
                                   announcement.entity.id + " holders"));
    }
  }
  return Tell(announcement, kind, std::move(audience), message, draft, context);
}

}  // namespace

std::string SummaryOf(const v1::Plan& plan) {
  std::vector<std::string> parts;
  for (const v1::Plan::Count& count : plan.counts()) {
    const Kind* kind = count.count() == 1 ? FindKind(count.kind()) : nullptr;
    parts.push_back(
        fmt::format("{} {}{}{}: {}", count.count(), kind == nullptr ? count.kind() : kind->singular,
                    count.subkind().empty() ? "" : " ", count.subkind(), count.change()));
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

absl::Status TellEverybody(const Found& announcement, std::string_view kind, std::string message,
                           Draft& draft, const Context& context) {
  v1::Audience audience = ShownOf(announcement).to();
  std::set<std::string> people = AskersOf(announcement);
  for (const v1::Announcement::Objection& objection : ShownOf(announcement).objections()) {
    people.insert(objection.principal());
  }
  Add(people, context, audience);
  return TellWithHolders(announcement, kind, std::move(audience), message, draft, context);
}

absl::Status TellAskers(const Found& announcement, std::string_view kind, std::string message,
                        Draft& draft, const Context& context) {
  v1::Audience audience;
  Add(AskersOf(announcement), context, audience);
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
  return TellWithHolders(announcement, "plans.requested", shown.to(), message, draft, context);
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
  return TellEverybody(announcement, executed ? kExecuted : "plans.failed", std::move(text), draft,
                       context);
}

}  // namespace retrace::domain
