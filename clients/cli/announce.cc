#include "clients/cli/announce.h"

#include <cmath>
#include <memory>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "clients/cli/columns.h"
#include "clients/cli/time_text.h"
#include "google/protobuf/util/time_util.h"

namespace retrace::cli {
namespace {

using google::protobuf::util::TimeUtil;

constexpr char kGroup[] = "Told beforehand";
// Until when it can be done, where nothing else is said.
constexpr char kUntil[] = "7d";

// Longer is no span that anybody means, and more than a Duration holds.
constexpr absl::Duration kLongestSpan = absl::Hours(24 * 10'000);

// `7d`, `90m` and what else absl reads.
bool ParseSpan(absl::string_view text, absl::Duration& span) {
  double days = 0;
  if (absl::ConsumeSuffix(&text, "d") && absl::SimpleAtod(text, &days) && std::isfinite(days)) {
    span = absl::Hours(24) * days;
  } else if (!absl::ParseDuration(std::string(text), &span)) {
    return false;
  }
  return absl::AbsDuration(span) <= kLongestSpan;
}

// When something is: a time, or how long from now.
struct When {
  std::optional<google::protobuf::Timestamp> time;
  std::optional<google::protobuf::Duration> span;
};

absl::StatusOr<When> ParseWhen(Session& session, const std::string& text, const char* flag) {
  When when;
  absl::Duration from_now;
  if (ParseSpan(text, from_now)) {
    when.span = TimeUtil::MicrosecondsToDuration(absl::ToInt64Microseconds(from_now));
    return when;
  }
  absl::StatusOr<absl::TimeZone> zone = session.TenantZone();
  if (!zone.ok()) return zone.status();
  const absl::StatusOr<ReadTime> read = ParseTimeText(text, *zone);
  if (!read.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(flag, ": ", read.status().message(), "; or say how long from now, e.g. 7d"));
  }
  when.time = ToTimestamp(read->time);
  return when;
}

void AddRecipient(const std::string& tenant, absl::string_view text, v1::Audience& audience) {
  if (text == "webhooks") {
    audience.set_webhooks(true);
  } else if (absl::ConsumePrefix(&text, "team:")) {
    audience.add_teams(std::string(text));
  } else if (absl::ConsumePrefix(&text, "role:")) {
    audience.add_roles(std::string(text));
  } else if (absl::ConsumePrefix(&text, "permission:")) {
    audience.set_permission(std::string(text));
  } else if (absl::ConsumePrefix(&text, "filter:")) {
    audience.set_member_filter(std::string(text));
  } else if (absl::ConsumePrefix(&text, "principal:")) {
    audience.add_recipients(absl::StrCat("principals/", text));
  } else {
    absl::ConsumePrefix(&text, "member:");
    audience.add_recipients(absl::StartsWith(text, "tenants/")
                                ? std::string(text)
                                : absl::StrCat(tenant, "/members/", text));
  }
}

// As Session::Run does it for the requests that it sends.
void FillOptions(const GlobalFlags& flags, google::protobuf::Message& command) {
  auto& options = static_cast<v1::CommandOptions&>(*MutableSub(command, "options"));
  if (options.reason().empty()) options.set_reason(flags.reason);
  options.set_on_behalf_of(flags.on_behalf_of);
  options.set_correlation_id(flags.correlation_id);
  options.clear_request_id();
  options.clear_plan_only();
}

}  // namespace

void AddAnnounceFlags(CLI::App& verb, AnnounceFlags& flags) {
  verb.add_flag("--announce", flags.announce, "tell people beforehand; it is done later")
      ->group(kGroup);
  verb.add_option("--to", flags.to,
                  "who is told: a member, team:T, role:R, principal:P, permission:P, "
                  "filter:FILTER (of members) or webhooks; repeatable")
      ->option_text("WHO")
      ->group(kGroup);
  verb.add_option("--message", flags.message, "what they are told besides")
      ->option_text("TEXT")
      ->group(kGroup);
  verb.add_option("--until", flags.until, "until when it can be done: 30d at most, or a time (7d)")
      ->option_text("WHEN")
      ->group(kGroup);
  verb.add_option("--at", flags.at, "when it is done by itself: from now, e.g. 6d, or a time")
      ->option_text("WHEN")
      ->group(kGroup);
}

absl::Status CheckAnnounceFlags(const AnnounceFlags& flags) {
  if (!flags.announce && flags.given()) {
    return absl::InvalidArgumentError("--to, --message, --until and --at go with --announce");
  }
  if (flags.announce && flags.to.empty()) {
    return absl::InvalidArgumentError("say --to whom it is announced, e.g. --to team:Sales");
  }
  return absl::OkStatus();
}

absl::Status Announce(Session& session, const google::protobuf::Message& command,
                      const AnnounceFlags& flags) {
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  v1::AnnounceRequest request;
  request.set_parent(*tenant);
  const std::unique_ptr<google::protobuf::Message> kept(command.New());
  kept->CopyFrom(command);
  FillOptions(session.flags, *kept);
  request.mutable_command()->PackFrom(*kept);
  request.set_message(flags.message);
  for (const std::string& who : flags.to) AddRecipient(*tenant, who, *request.mutable_to());
  const absl::StatusOr<When> until =
      ParseWhen(session, flags.until.empty() ? kUntil : flags.until, "--until");
  if (!until.ok()) return until.status();
  if (until->time.has_value()) *request.mutable_expire_time() = *until->time;
  if (until->span.has_value()) *request.mutable_ttl() = *until->span;
  if (!flags.at.empty()) {
    const absl::StatusOr<When> at = ParseWhen(session, flags.at, "--at");
    if (!at.ok()) return at.status();
    if (at->time.has_value()) *request.mutable_execute_time() = *at->time;
    if (at->span.has_value()) *request.mutable_execute_delay() = *at->span;
  }
  const auto reply = session.Ask<v1::AnnounceResponse>("Plans.Announce", request);
  if (!reply.ok()) return reply.status();
  const absl::Status printed =
      PrintAnnouncement(session, reply->announcement(), /*with_plan=*/false);
  if (!printed.ok()) return printed;
  session.NoteOutcome(reply->outcome());
  return absl::OkStatus();
}

}  // namespace retrace::cli
