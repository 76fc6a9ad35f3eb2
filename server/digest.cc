#include "server/digest.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <string>

#include "absl/strings/escaping.h"
#include "domain/index_values.h"
#include "domain/kind.h"
#include "domain/resource.h"
#include "domain/status_macros.h"

namespace retrace::server {
namespace {

constexpr int64_t kEntitiesBetweenLooks = 256;

}  // namespace

absl::StatusOr<ContentDigest> DigestContent(const eventstore::RowStore& rows,
                                            eventstore::TenantNumber tenant,
                                            eventstore::Position position,
                                            const std::function<absl::Status()>& go_on) {
  // In the order of the kinds' numbers, which is that of the keys.
  std::vector<eventstore::KindNumber> kinds;
  for (const domain::Kind& kind : domain::Kinds()) {
    if (kind.content) kinds.push_back(static_cast<eventstore::KindNumber>(kind.number));
  }
  std::sort(kinds.begin(), kinds.end());
  ContentDigest content;
  eventstore::Sha256Hasher hasher;
  for (const eventstore::KindNumber kind : kinds) {
    const std::unique_ptr<eventstore::RowScan> scan = rows.ScanRows(tenant, kind, kind, position);
    while (true) {
      if (content.entities % kEntitiesBetweenLooks == 0) RETRACE_RETURN_IF_ERROR(go_on());
      RETRACE_ASSIGN(std::optional<eventstore::RowAt> at, scan->Next());
      if (!at.has_value()) break;
      const auto number = static_cast<domain::KindNumber>(kind);
      RETRACE_ASSIGN(domain::RowPtr row, domain::ParseRow(number, at->bytes));
      const domain::EntityRef entity{number, at->id};
      if (!domain::InContent(entity, *row)) continue;
      const std::string form = domain::DigestForm(entity, *row);
      hasher.Update(domain::EncodeNumber(static_cast<int64_t>(form.size())));
      hasher.Update(form);
      ++content.entities;
    }
  }
  content.digest = hasher.Finish();
  return content;
}

std::string ShowDigest(const eventstore::Sha256Digest& digest) {
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest.data()), digest.size()));
}

}  // namespace retrace::server
