#include <filesystem>
#include <memory>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "clients/cli/app.h"
#include "clients/cli/demo_set.h"
#include "clients/cli/exit_codes.h"
#include "clients/cli/import/import_verbs.h"
#include "clients/cli/nouns.h"
#include "clients/cpp/error_details.h"
#include "retrace/v1/tenants.pb.h"

namespace retrace::cli {
namespace {

// Demo data may be the first thing that a fresh server sees.
absl::Status EnsureTenant(Session& session) {
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  v1::GetTenantRequest get;
  get.set_name(*tenant);
  const absl::Status there = session.Ask<v1::GetTenantResponse>("Tenants.GetTenant", get).status();
  if (there.code() != absl::StatusCode::kNotFound) return there;
  v1::CreateTenantRequest create;
  create.set_tenant_id(std::string(absl::StripPrefix(*tenant, "tenants/")));
  create.mutable_tenant()->set_display_name("Demo");
  return session.Ask<v1::CreateTenantResponse>("Tenants.CreateTenant", create).status();
}

absl::Status LoadFile(Session& session, const EntityNoun& entity, ImportRequest request) {
  absl::StatusOr<ImportOutcome> outcome = RunImport(session, entity, request);
  if (!outcome.ok()) return outcome.status();
  const ImportReport& report = outcome->report;
  session.out() << std::filesystem::path(request.file).filename().string() << ": " << report.total()
                << " rows";
  for (int i = 0; i < 5; ++i) {
    const auto result = static_cast<RowResult>(i);
    if (report.count(result) > 0) {
      session.out() << ", " << report.count(result) << ' ' << ResultName(result);
    }
  }
  session.out() << std::endl;
  for (const ImportReport::Entry& entry : report.entries()) {
    if (entry.result != RowResult::kRejected) continue;
    session.err() << request.file << ", line " << entry.line << ": " << entry.reason << '\n';
  }
  return outcome->stopped;
}

// The folder of a sales pipeline: teams, accounts, opportunities.
absl::Status LoadSales(Session& session, const std::string& folder) {
  const auto file = [&folder](const char* name) { return absl::StrCat(folder, "/", name); };
  absl::Status status = LoadFile(session, MemberNoun(), {.file = file("sales_teams.csv")});
  if (!status.ok()) return status;
  status = LoadFile(session, CustomerNoun(), {.file = file("accounts.csv")});
  if (!status.ok()) return status;
  return LoadFile(session, RecordNoun(),
                  {.file = file("sales_pipeline.csv"),
                   .date_format = "%m/%d/%Y",
                   .currency = "USD",
                   .kind = "DEAL",
                   .missing_customer = "none"});
}

absl::Status RunLoad(Session& session, const std::string& folder) {
  if (absl::Status status = EnsureTenant(session); !status.ok()) return status;
  return folder.empty() ? LoadDemoSet(session) : LoadSales(session, folder);
}

}  // namespace

void AddDemoVerbs(CLI::App& noun, Session& session) {
  CLI::App* load = AddVerb(
      noun, "load", "fill a tenant with data to try things with; makes the tenant if need be",
      "retrace demo load --tenant demo\n  retrace demo load --tenant sales --from crm-sales");
  auto folder = std::make_shared<std::string>();
  load->add_option("--from", *folder,
                   "folder with sales_teams.csv, accounts.csv and sales_pipeline.csv; without it a "
                   "small set of its own")
      ->option_text("FOLDER");
  load->callback([&session, folder] {
    session.Choose([&session, folder] { return RunLoad(session, *folder); });
  });
}

}  // namespace retrace::cli
