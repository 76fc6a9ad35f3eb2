#include <algorithm>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "clients/cli/app.h"
#include "clients/cli/nouns.h"
#include "retrace/v1/tenants.pb.h"

namespace retrace::cli {
namespace {

std::vector<Column> TenantColumns() {
  return {
      {"ID", "name"}, {"NAME", "display_name"}, {"NUMBER", "number"}, {"CREATED", "create_time"}};
}

absl::Status RunCreateTenant(Session& session, const std::string& id, const std::string& name) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  v1::CreateTenantRequest request;
  request.set_tenant_id(id);
  request.mutable_tenant()->set_display_name(name);
  const auto reply = session.Ask<v1::CreateTenantResponse>("Tenants.CreateTenant", request);
  if (!reply.ok()) return reply.status();
  PrintMessage(reply->tenant(), *style, session.out());
  session.NoteOutcome(reply->outcome());
  return absl::OkStatus();
}

absl::Status RunGetTenant(Session& session, const std::string& id) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  absl::StatusOr<std::string> name =
      id.empty() ? session.Tenant() : absl::StrCat("tenants/", absl::StripPrefix(id, "tenants/"));
  if (!name.ok()) return name.status();
  v1::GetTenantRequest request;
  request.set_name(*name);
  const auto reply = session.Ask<v1::GetTenantResponse>("Tenants.GetTenant", request);
  if (!reply.ok()) return reply.status();
  PrintMessage(reply->tenant(), *style, session.out());
  return absl::OkStatus();
}

absl::Status RunListTenants(Session& session) {
  absl::StatusOr<OutputStyle> style = session.Style();
  if (!style.ok()) return style.status();
  RowOutput rows(*style, TenantColumns(), *v1::Tenant::descriptor(), session.out());
  v1::ListTenantsRequest request;
  request.set_page_size(1000);
  do {
    const auto reply = session.Ask<v1::ListTenantsResponse>("Tenants.ListTenants", request);
    if (!reply.ok()) return reply.status();
    for (const v1::Tenant& tenant : reply->tenants()) rows.Add(tenant);
    request.set_page_token(reply->next_page_token());
  } while (!request.page_token().empty());
  rows.Finish();
  return absl::OkStatus();
}

}  // namespace

void AddTenantVerbs(CLI::App& noun, Session& session) {
  CLI::App* create = AddVerb(noun, "create", "create a tenant (an operator's work)",
                             "retrace tenants create acme --display-name \"Acme Corporation\"");
  auto id = std::make_shared<std::string>();
  auto name = std::make_shared<std::string>();
  create->add_option("id", *id, "its id: small letters, digits and -; never reused")
      ->required()
      ->option_text("ID");
  create->add_option("--display-name", *name, "what lists show")->option_text("TEXT");
  create->callback([&session, id, name] {
    session.Choose([&session, id, name] { return RunCreateTenant(session, *id, *name); });
  });
  CLI::App* get = AddVerb(noun, "get", "one tenant", "retrace tenants get acme");
  auto which = std::make_shared<std::string>();
  get->add_option("id", *which, "its id; none: the one that is used")->option_text("[ID]");
  get->callback([&session, which] {
    session.Choose([&session, which] { return RunGetTenant(session, *which); });
  });
  CLI::App* list =
      AddVerb(noun, "list", "the tenants that you may know of", "retrace tenants list");
  list->callback([&session] { session.Choose([&session] { return RunListTenants(session); }); });
}

}  // namespace retrace::cli
