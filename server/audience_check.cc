#include "server/audience_check.h"

#include <string>
#include <utility>
#include <vector>

#include "domain/refusal.h"
#include "domain/status_macros.h"
#include "fmt/format.h"
#include "server/addressing.h"

namespace retrace::server {
namespace {

// What an audience is put together of.
struct Entry {
  std::string field;  // that says it
  std::string said;
  v1::Audience audience;  // of it alone
};

std::vector<Entry> EntriesOf(const v1::Audience& audience) {
  std::vector<Entry> entries;
  const auto add = [&entries](std::string field, const std::string& said) -> v1::Audience& {
    return entries.emplace_back(Entry{std::move(field), said, v1::Audience()}).audience;
  };
  for (int i = 0; i < audience.recipients_size(); ++i) {
    add(fmt::format("recipients[{}]", i), audience.recipients(i))
        .add_recipients(audience.recipients(i));
  }
  for (int i = 0; i < audience.teams_size(); ++i) {
    add(fmt::format("teams[{}]", i), audience.teams(i)).add_teams(audience.teams(i));
  }
  for (int i = 0; i < audience.roles_size(); ++i) {
    add(fmt::format("roles[{}]", i), audience.roles(i)).add_roles(audience.roles(i));
  }
  if (!audience.member_filter().empty()) {
    add("member_filter", audience.member_filter()).set_member_filter(audience.member_filter());
  }
  if (!audience.permission().empty()) {
    add("permission", audience.permission()).set_permission(audience.permission());
  }
  if (audience.webhooks()) {
    add("webhooks", "webhooks").set_webhooks(true);
  }
  return entries;
}

absl::Status Nobody(const std::string& field, const std::string& said) {
  return domain::Refusal(v1::NOBODY_TO_TELL, fmt::format("`{}` reaches nobody.", said))
      .Field(field,
             "must name somebody who can be told: by e-mail, in the app as a principal, or by a "
             "webhook")
      .Next("Name members, teams, roles or principals that there are.");
}

}  // namespace

absl::Status CheckAudience(const v1::Audience& audience, Ledger& ledger, Tenant& tenant,
                           const Principals& principals, std::string_view field) {
  const Addressing addressing({&ledger, nullptr, &principals, /*mail=*/true});
  const std::vector<Entry> entries = EntriesOf(audience);
  if (entries.empty()) {
    return Nobody(std::string(field), std::string(field));
  }
  for (const auto& [entry, said, alone] : entries) {
    RETRACE_ASSIGN(const auto reached,
                   addressing.Resolve(tenant, alone, "plans.announced", tenant.visible));
    if (reached.empty()) {
      return Nobody(fmt::format("{}.{}", field, entry), said);
    }
  }
  return absl::OkStatus();
}

}  // namespace retrace::server
