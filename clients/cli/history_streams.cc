#include "clients/cli/history_streams.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "clients/cli/entity_verbs.h"
#include "clients/cli/moment.h"

namespace retrace::cli {

absl::StatusOr<std::string> ResolveAnyName(Session& session, const std::string& text) {
  if (absl::StartsWith(text, "tenants/")) return text;
  for (const EntityNoun* noun : {&CustomerNoun(), &RecordNoun(), &MemberNoun()}) {
    const std::string folder = absl::StrCat(noun->collection, "/");
    if (absl::StartsWith(text, folder)) {
      return ResolveName(session, *noun, text.substr(folder.size()));
    }
  }
  if (!absl::StrContains(text, '/')) {
    return absl::InvalidArgumentError(
        absl::StrCat("`", text, "` names no entity; write customers/ID or a full name"));
  }
  absl::StatusOr<std::string> tenant = session.Tenant();
  if (!tenant.ok()) return tenant.status();
  return absl::StrCat(*tenant, "/", text);
}

absl::Status FillMoment(Session& session, const std::string& text, absl::string_view flag,
                        v1::AsOf* as_of) {
  if (text.empty()) return absl::OkStatus();
  absl::StatusOr<Moment> moment = ParseMoment(
      text, [&session] { return session.TenantZone(); }, flag);
  if (!moment.ok()) return moment.status();
  if (!moment->understood.empty()) {
    session.err() << flag.substr(2) << ' ' << moment->understood << '\n';
  }
  *as_of = moment->as_of;
  return absl::OkStatus();
}

}  // namespace retrace::cli
