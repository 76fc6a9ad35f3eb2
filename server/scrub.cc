#include "server/scrub.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/time/clock.h"
#include "domain/status_macros.h"
#include "fmt/format.h"

namespace retrace::server {
namespace {

using eventstore::Position;

constexpr size_t kChunkBytes = 1u << 20;
constexpr Position kChunkCommits = 1000;
// After each chunk, so that reading the log takes a small part of the disk's and a core's time.
constexpr absl::Duration kPause = absl::Milliseconds(50);

absl::Status CheckKeysOf(const store::v1::Commit& commit, const eventstore::KeyStore& keys,
                         const Tenant& tenant) {
  for (const store::v1::StoredEvent& event : commit.events()) {
    for (const store::v1::SealedPart& part : event.sealed()) {
      RETRACE_ASSIGN(bool there, keys.Contains(tenant.number, part.key_id()));
      if (there) continue;
      RETRACE_ASSIGN(bool destroyed, keys.WasDestroyed(tenant.number, part.key_id()));
      if (destroyed) continue;
      return absl::DataLossError(fmt::format(
          "The key {} of {} (commit {} of tenant {}) is missing from the key store, and no event "
          "says that it was destroyed. "
          "Put the key store's backup back.",
          absl::BytesToHexString(part.key_id()), part.subject(), commit.position(), tenant.id));
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckCommits(const eventstore::CommitLog& log, const eventstore::KeyStore& keys,
                          const Tenant& tenant, Position after, Position until, uint64_t* checked) {
  while (after < until) {
    RETRACE_ASSIGN(std::vector<eventstore::StoredCommit> commits,
                   log.Read(tenant.number, after, kChunkBytes));
    if (commits.empty()) break;
    for (const eventstore::StoredCommit& stored : commits) {
      if (stored.position > until) return absl::OkStatus();
      RETRACE_ASSIGN(store::v1::Commit commit, ParseCommit(stored.bytes));
      RETRACE_RETURN_IF_ERROR(CheckKnown(commit));
      RETRACE_RETURN_IF_ERROR(CheckKeysOf(commit, keys, tenant));
      ++*checked;
    }
    after = commits.back().position;
  }
  return absl::OkStatus();
}

Scrub::Scrub(Ledger& ledger, std::function<void(const absl::Status&, uint64_t commits)> on_done)
    : ledger_(ledger), on_done_(std::move(on_done)), thread_([this] { Run(); }) {}

Scrub::~Scrub() {
  stop_ = true;
  thread_.join();
}

absl::Status Scrub::CheckTenant(const Tenant& tenant, uint64_t* checked) {
  const Position until = tenant.visible;
  for (Position after = 0; after < until && !stop_; after += kChunkCommits) {
    RETRACE_RETURN_IF_ERROR(CheckCommits(ledger_.log(), ledger_.keys(), tenant, after,
                                         std::min(until, after + kChunkCommits), checked));
    absl::SleepFor(kPause);
  }
  return absl::OkStatus();
}

void Scrub::Run() {
  std::vector<Tenant*> tenants = ledger_.tenants().All();
  tenants.push_back(ledger_.tenants().system());
  uint64_t checked = 0;
  absl::Status status;
  for (const Tenant* tenant : tenants) {
    status = CheckTenant(*tenant, &checked);
    if (!status.ok() || stop_) break;
  }
  if (!stop_) on_done_(status, checked);
}

}  // namespace retrace::server
