#include "clients/cli/named_entities.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "clients/cli/entity_verbs.h"

namespace retrace::cli {

absl::StatusOr<std::string> NameOfAny(Session& session, const std::string& text) {
  if (absl::StartsWith(text, "tenants/")) return text;
  const size_t slash = text.find('/');
  const std::string collection = text.substr(0, slash);
  for (const EntityNoun* noun : {&CustomerNoun(), &RecordNoun(), &MemberNoun(), &TemplateNoun()}) {
    if (slash != std::string::npos && noun->collection == collection) {
      return ResolveName(session, *noun, text.substr(slash + 1));
    }
  }
  return absl::InvalidArgumentError(
      absl::StrCat("`", text, "` names nothing; say it in full, or like customers/ID"));
}

}  // namespace retrace::cli
