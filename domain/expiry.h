// Expiry: what lay in the recycle bin for as long as the policy says goes, as by a purge.
//
// Nothing goes unannounced. An announcement is an entity of its own (store.v1.Expiry): it names
// what will be purged, waits until it is due, and then takes what still may go: what lies in the
// bin since before the announcement, with nothing below it that must stay, held by nothing, and
// past its time by the policy that is in force then. What may not go is announced anew once it may.
// Commands are declared in commands.h.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "domain/context.h"
#include "domain/kind.h"
#include "domain/view.h"

namespace retrace::domain {

// From the announcement to the purge, in microseconds: of time, and of the server's uptime.
inline constexpr int64_t kExpiryNoticeUs = 24LL * 3600 * 1'000'000;

Kind ExpiryKind();

// How far a look through the recycle bin has come; a new one begins with what lies there longest.
struct BinLook {
  size_t kind = 0;  // its place among Kinds()
  // The entry of its bin index that was looked at last.
  std::string value;
  std::string id;
  bool ended = false;
};

// Goes on with the look and returns what it meets that is to be announced at the context's time:
// what may go a notice later and is not announced yet. Some 100 at most; fewer, or nothing, when it
// has met much that must stay. There may be more until the look has ended.
absl::StatusOr<std::vector<EntityRef>> FindExpiring(const View& view, const Context& context,
                                                    BinLook& look);

// What the bin purges on one day, of the tenant's clock in UTC.
struct ExpiringDay {
  int64_t count = 0;
  std::vector<EntityRef> first;  // at most `shown`
};
// What the bin purges from one moment to another, by days since 1970, as far as nothing holds it.
// Reads at most 100,000 entries of each kind.
absl::StatusOr<std::map<int64_t, ExpiringDay>> ExpiringByDay(const View& view,
                                                             const Context& context,
                                                             int64_t from_us, int64_t until_us,
                                                             size_t shown);

// When an entity will be purged as announced, microseconds since 1970; nothing when it is not
// announced.
absl::StatusOr<std::optional<int64_t>> AnnouncedFor(const EntityRef& entity, const View& view);

}  // namespace retrace::domain
