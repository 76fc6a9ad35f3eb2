#include "clients/cli/entity_verbs.h"
#include "clients/cli/export.h"
#include "clients/cli/import/import_verbs.h"
#include "clients/cli/nouns.h"

namespace retrace::cli {

const EntityNoun& MemberNoun() {
  static const auto* const kNoun =
      new EntityNoun{.collection = "members",
                     .title = "Member",
                     .field = "member",
                     .service = "Members",
                     .columns = {{"ID", "name"},
                                 {"NAME", "display_name"},
                                 {"E-MAIL", "email"},
                                 {"TEAM", "team"},
                                 {"LEAD", "lead"},
                                 {"STATE", "state"}},
                     .example_set = "--display-name \"Anna Snelling\" --team Central",
                     .example_filter = "team = \"Central\"",
                     .example_id = "anna-snelling"};
  return *kNoun;
}

void AddMemberVerbs(CLI::App& noun, Session& session) {
  AddEntityVerbs(noun, session, MemberNoun());
  AddImportVerb(noun, session, MemberNoun());
  AddExportVerb(noun, session, MemberNoun());
}

}  // namespace retrace::cli
