#include <memory>

#include "absl/strings/str_cat.h"
#include "clients/cli/app.h"
#include "clients/cli/customer_page.h"
#include "clients/cli/entity_verbs.h"
#include "clients/cli/export.h"
#include "clients/cli/import/import_verbs.h"
#include "clients/cli/nouns.h"

namespace retrace::cli {

const EntityNoun& CustomerNoun() {
  static const auto* const kNoun =
      new EntityNoun{.collection = "customers",
                     .title = "Customer",
                     .field = "customer",
                     .service = "Customers",
                     .columns = {{"ID", "name"},
                                 {"NUMBER", "number"},
                                 {"NAME", "display_name"},
                                 {"LEVEL", "level"},
                                 {"PHONES", "phones"},
                                 {"E-MAILS", "emails"},
                                 {"OWNER", "owner"},
                                 {"EXTERNAL ID", "external_id"},
                                 {"STATE", "state"}},
                     .example_set =
                         "--organization-name \"Acme Corporation\" --phones \"+1 415 555 2671\" "
                         "--set addresses.region_code=US",
                     .example_filter = "level = \"gold\" AND tags:\"vip\""};
  return *kNoun;
}

void AddCustomerVerbs(CLI::App& noun, Session& session) {
  AddEntityVerbs(noun, session, CustomerNoun());
  CLI::App* show = AddVerb(noun, "show",
                           "one customer on a page: contacts, and its records of each kind with "
                           "count, sum and the latest five",
                           "retrace customers show 01jd8e6x2k --as-of 2026-03-31");
  auto id = std::make_shared<std::string>();
  auto by_number = std::make_shared<bool>(false);
  show->add_option("id", *id, "id, full name, ext:EXTERNAL_ID or '#NUMBER'")
      ->required()
      ->option_text("ID");
  show->add_flag("--number", *by_number, "ID is the customer's number");
  show->callback([&session, id, by_number] {
    session.Choose([&session, id, by_number] {
      return ShowCustomer(session, *by_number ? absl::StrCat("#", *id) : *id);
    });
  });
  AddMergeVerb(noun, session);
  AddImportVerb(noun, session, CustomerNoun());
  AddExportVerb(noun, session, CustomerNoun());
}

}  // namespace retrace::cli
