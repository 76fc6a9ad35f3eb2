#include "server/verification.h"

#include <fmt/format.h>

#include <map>
#include <memory>
#include <utility>

#include "domain/index_values.h"
#include "domain/kind.h"
#include "domain/refusal.h"
#include "domain/status_macros.h"
#include "server/digest.h"
#include "server/row_view.h"
#include "server/scratch_directory.h"

namespace retrace::server {
namespace {

using eventstore::Position;
using eventstore::RowStore;

// Compares one tenant's rows with rebuilt ones that stand at `position`.
class Comparison {
 public:
  Comparison(Ledger& ledger, RowStore& rebuilt, Verification& found)
      : ledger_(ledger), served_(ledger.rows()), rebuilt_(rebuilt), found_(found) {}

  absl::Status Compare(const Tenant& tenant, Position position,
                       const std::function<absl::Status()>& go_on) {
    while (true) {
      RETRACE_ASSIGN(const ContentDigest served,
                     DigestContent(served_, tenant.number, position, go_on));
      RETRACE_ASSIGN(const ContentDigest rebuilt,
                     DigestContent(rebuilt_, tenant.number, position, go_on));
      if (served.digest == rebuilt.digest) {
        return CompareFully(tenant, position);
      }
      // What was purged since is gone at every position: the rebuilt rows must know of it, too.
      RETRACE_RETURN_IF_ERROR(AwaitHead(tenant, go_on));
      RETRACE_ASSIGN(const bool purged, PurgedSince(tenant, position));
      if (!purged) {
        return Differ(tenant, position, served, rebuilt);
      }
      RETRACE_ASSIGN(const eventstore::RowsCheckpoint checkpoint,
                     served_.CheckpointOf(tenant.number));
      position = checkpoint.position;
      RETRACE_RETURN_IF_ERROR(ledger_.ReplayOn(rebuilt_, tenant, position));
    }
  }

 private:
  absl::Status Differ(const Tenant& tenant, Position position, const ContentDigest& served,
                      const ContentDigest& rebuilt) {
    found_.differences.push_back(fmt::format(
        "tenant {}: the rows served at position {} say {} ({} entities), rows rebuilt from the log "
        "say {} ({} entities). Stop the server, remove the directory rows, start again.",
        tenant.id, position, ShowDigest(served.digest), served.entities, ShowDigest(rebuilt.digest),
        rebuilt.entities));
    return absl::OkStatus();
  }

  // A purge's keys are destroyed after its commit is durable, and before its rows are.
  absl::Status AwaitHead(const Tenant& tenant, const std::function<absl::Status()>& go_on) const {
    RETRACE_ASSIGN(const eventstore::Head head, ledger_.rocks_log().HeadOf(tenant.number));
    const Tenants& tenants = ledger_.tenants();
    for (uint64_t seen = tenants.changes(); tenant.visible < head.position;) {
      RETRACE_RETURN_IF_ERROR(go_on());
      seen = tenants.WaitForChange(seen, absl::Milliseconds(100));
    }
    return absl::OkStatus();
  }

  absl::StatusOr<bool> PurgedSince(const Tenant& tenant, Position position) const {
    const RowView view(served_, tenant.number, eventstore::kLatest);
    for (const domain::Kind& kind : domain::Kinds()) {
      const domain::IndexRange later{kind.number, domain::kPurgedIndex,
                                     domain::EncodeNumber(static_cast<int64_t>(position) + 1), ""};
      RETRACE_ASSIGN(const auto hits, view.Find(later, 1));
      if (!hits.empty()) {
        return true;
      }
    }
    return false;
  }

  // True while the served rows stand exactly at the position.
  absl::StatusOr<bool> StandsAt(const Tenant& tenant, Position position) const {
    RETRACE_ASSIGN(const eventstore::RowsCheckpoint checkpoint,
                   served_.CheckpointOf(tenant.number));
    return checkpoint.position == position;
  }

  // Every byte and version; only when nothing was written to the tenant since.
  absl::Status CompareFully(const Tenant& tenant, Position position) {
    RETRACE_ASSIGN(const bool stood, StandsAt(tenant, position));
    if (!stood) {
      return absl::OkStatus();
    }
    RETRACE_ASSIGN(const eventstore::Sha256Digest served, served_.FullDigest(tenant.number));
    RETRACE_ASSIGN(const bool stands, StandsAt(tenant, position));
    RETRACE_ASSIGN(const eventstore::Sha256Digest rebuilt, rebuilt_.FullDigest(tenant.number));
    if (stands && served != rebuilt) {
      found_.differences.push_back(fmt::format(
          "tenant {}: at position {} current values agree, but kept versions or index entries "
          "differ: full digest {} served, {} rebuilt. Stop the server, remove the directory rows, "
          "start again.",
          tenant.id, position, ShowDigest(served), ShowDigest(rebuilt)));
    }
    return absl::OkStatus();
  }

  Ledger& ledger_;
  const RowStore& served_;
  RowStore& rebuilt_;
  Verification& found_;
};

// The rebuilt rows must not take the space that the log needs.
absl::Status CheckRoom(const std::string& directory, const eventstore::StatVfs& stat_vfs) {
  RETRACE_ASSIGN(const eventstore::DiskSpace space, eventstore::FreeSpace(directory, stat_vfs));
  if (!space.BelowReserve()) {
    return absl::OkStatus();
  }
  return domain::Refusal(v1::DISK_FULL,
                         "Free space on the server fell below its reserve, so the verification, "
                         "which rebuilds all rows beside those that serve, was stopped.")
      .Next("Make space, then verify again.");
}

}  // namespace

absl::StatusOr<Verification> VerifyRows(Ledger& ledger, const std::string& scratch,
                                        const VerificationProgress& progress,
                                        const eventstore::StatVfs& stat_vfs) {
  Verification found;
  if (const absl::Status sums = ledger.rocks_log().Verify(); absl::IsDataLoss(sums)) {
    found.differences.push_back(std::string(sums.message()));
    return found;
  } else if (!sums.ok()) {
    return sums;
  }
  std::map<const Tenant*, Position> ends = {
      {ledger.tenants().system(), ledger.tenants().system()->visible}};
  for (const Tenant* tenant : ledger.tenants().All()) {
    ends.emplace(tenant, tenant->visible);
  }
  uint64_t total = 0;
  for (const auto& [tenant, position] : ends) {
    total += position;
  }
  const ScratchDirectory directory(scratch, "verify");
  RETRACE_RETURN_IF_ERROR(directory.Make());
  const auto go_on = [&](uint64_t done) {
    found.commits = done;
    const absl::Status room = CheckRoom(directory.path(), stat_vfs);
    return room.ok() ? progress(done, total) : room;
  };
  RETRACE_RETURN_IF_ERROR(go_on(0));
  RETRACE_ASSIGN(const std::unique_ptr<RowStore> rebuilt,
                 ledger.Rebuild(
                     directory.path() + "/rows",
                     [&](const Tenant& tenant) {
                       const auto end = ends.find(&tenant);
                       return end == ends.end() ? eventstore::kNoPosition : end->second;
                     },
                     [&](uint64_t done, uint64_t) { return go_on(done); }));
  Comparison comparison(ledger, *rebuilt, found);
  for (const auto& [tenant, position] : ends) {
    RETRACE_RETURN_IF_ERROR(
        comparison.Compare(*tenant, position, [&] { return go_on(found.commits); }));
  }
  return found;
}

}  // namespace retrace::server
