#include <memory>

#include "absl/strings/str_cat.h"
#include "clients/cli/app.h"
#include "clients/cli/entity_verbs.h"
#include "clients/cli/nouns.h"
#include "retrace/v1/tenants.pb.h"

namespace retrace::cli {
namespace {

absl::Status RunGetPolicy(Session& session) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  v1::GetPolicyRequest request;
  request.set_name(absl::StrCat(*tenant, "/policy"));
  const auto reply = session.Ask<v1::GetPolicyResponse>("Tenants.GetPolicy", request);
  if (!reply.ok()) return reply.status();
  PrintMessage(reply->policy(), *style, session.out());
  return absl::OkStatus();
}

absl::Status RunSetPolicy(Session& session, const std::vector<std::string>& settings) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  v1::UpdatePolicyRequest request;
  request.mutable_policy()->set_name(absl::StrCat(*tenant, "/policy"));
  for (const std::string& setting : settings) {
    const auto split = SplitSetting(setting);
    if (!split.ok()) return split.status();
    const absl::Status status =
        ReplaceField(*request.mutable_policy(), split->first, split->second, ValueRules{});
    if (!status.ok()) return status;
    request.mutable_update_mask()->add_paths(split->first);
  }
  const auto reply = session.Ask<v1::UpdatePolicyResponse>("Tenants.UpdatePolicy", request);
  if (!reply.ok()) return reply.status();
  PrintMessage(reply->policy(), *style, session.out());
  session.NoteOutcome(reply->outcome());
  return absl::OkStatus();
}

}  // namespace

void AddPolicyVerbs(CLI::App& noun, Session& session) {
  CLI::App* get = AddVerb(noun, "get", "what the tenant set for itself, defaults filled in",
                          "retrace policy get --as-of 2026-03-31");
  get->callback([&session] { session.Choose([&session] { return RunGetPolicy(session); }); });
  CLI::App* set =
      AddVerb(noun, "set", "change it",
              "retrace policy set time_zone=Asia/Shanghai currency_code=CNY region_code=CN\n  "
              "retrace policy set \"unique_keys=customers.external_id;customers.email\"\n  "
              "retrace policy set \"retentions=customers:90;records:30\"");
  auto settings = std::make_shared<std::vector<std::string>>();
  set->add_option("settings", *settings,
                  "region_code, time_zone, language, currency_code, unique_keys (separated by ;)")
      ->required()
      ->option_text("FIELD=VALUE...");
  set->callback([&session, settings] {
    session.Choose([&session, settings] { return RunSetPolicy(session, *settings); });
  });
}

}  // namespace retrace::cli
