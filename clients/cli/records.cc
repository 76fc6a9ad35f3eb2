#include "clients/cli/entity_verbs.h"
#include "clients/cli/export.h"
#include "clients/cli/import/import_verbs.h"
#include "clients/cli/nouns.h"

namespace retrace::cli {

const EntityNoun& RecordNoun() {
  static const auto* const kNoun =
      new EntityNoun{.collection = "records",
                     .title = "Record",
                     .field = "record",
                     .service = "Records",
                     .columns = {{"ID", "name"},
                                 {"KIND", "kind"},
                                 {"TITLE", "title"},
                                 {"CUSTOMER", "customer"},
                                 {"OWNER", "owner"},
                                 {"AMOUNT", "amount"},
                                 {"STAGE", "stage"},
                                 {"CLOSED", "close_time"},
                                 {"EXTERNAL ID", "external_id"},
                                 {"STATE", "state"}},
                     .example_set =
                         "--kind DEAL --title \"500 chairs\" --customer 01jd8e6x2k --amount "
                         "\"1054.00 USD\" --stage Engaging",
                     .example_filter = "kind = DEAL AND stage = \"Won\""};
  return *kNoun;
}

void AddRecordVerbs(CLI::App& noun, Session& session) {
  AddEntityVerbs(noun, session, RecordNoun());
  AddImportVerb(noun, session, RecordNoun());
  AddExportVerb(noun, session, RecordNoun());
}

}  // namespace retrace::cli
