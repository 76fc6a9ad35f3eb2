#include "server/ledger.h"

#include <algorithm>
#include <filesystem>
#include <optional>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "domain/kind.h"
#include "domain/resource.h"
#include "domain/status_macros.h"
#include "fmt/format.h"
#include "retrace/v1/tenants.pb.h"
#include "server/replay.h"
#include "server/row_view.h"
#include "server/scrub.h"

namespace retrace::server {
namespace {

using eventstore::Head;
using eventstore::Position;
using eventstore::RowsCheckpoint;
using eventstore::RowStore;
using eventstore::StoredCommit;

constexpr size_t kReadBytes = 1u << 20;
// Enough to see at once that the key store is not the log's, or that a newer build wrote last; the
// scrub looks at the rest.
constexpr Position kCommitsCheckedOnOpen = 100;

std::string RowsDirectory(const LedgerOptions& options) { return options.data_directory + "/rows"; }

// True when the log holds exactly the commit that the rows' checkpoint names.
absl::StatusOr<bool> CheckpointHolds(const eventstore::CommitLog& log,
                                     eventstore::TenantNumber tenant,
                                     const RowsCheckpoint& checkpoint) {
  if (checkpoint.position == 0) return true;
  RETRACE_ASSIGN(std::vector<StoredCommit> commits, log.Read(tenant, checkpoint.position - 1, 1));
  return !commits.empty() && eventstore::Sha256(commits.front().bytes) == checkpoint.commit_hash;
}

absl::StatusOr<bool> CheckpointsHold(const eventstore::CommitLog& log, const RowStore& rows) {
  RETRACE_ASSIGN(std::vector<eventstore::TenantNumber> tenants, rows.Tenants());
  for (const eventstore::TenantNumber tenant : tenants) {
    RETRACE_ASSIGN(RowsCheckpoint checkpoint, rows.CheckpointOf(tenant));
    RETRACE_ASSIGN(bool holds, CheckpointHolds(log, tenant, checkpoint));
    if (!holds) return false;
  }
  return true;
}

absl::StatusOr<uint64_t> CommitsAhead(const eventstore::CommitLog& log, const RowStore& rows) {
  RETRACE_ASSIGN(std::vector<eventstore::TenantNumber> tenants, log.Tenants());
  uint64_t ahead = 0;
  for (const eventstore::TenantNumber tenant : tenants) {
    RETRACE_ASSIGN(Head head, log.HeadOf(tenant));
    RETRACE_ASSIGN(RowsCheckpoint checkpoint, rows.CheckpointOf(tenant));
    ahead += head.position - std::min(head.position, checkpoint.position);
  }
  return ahead;
}

// Id of the tenant of a number: its commits name it.
absl::StatusOr<std::string> TenantIdOf(const eventstore::CommitLog& log,
                                       eventstore::TenantNumber tenant) {
  RETRACE_ASSIGN(std::vector<StoredCommit> commits, log.Read(tenant, 0, 1));
  if (commits.empty())
    return absl::InternalError(fmt::format("Tenant number {} has no commit.", tenant));
  RETRACE_ASSIGN(store::v1::Commit commit, ParseCommit(commits.front().bytes));
  return commit.tenant();
}

// Replays one tenant's commits from the rows' checkpoint up to `until`.
absl::Status ReplayTenant(const eventstore::CommitLog& log, eventstore::KeyStore& keys,
                          RowStore& rows, eventstore::TenantNumber tenant, Position until,
                          const std::function<absl::Status(uint64_t)>& on_done) {
  RETRACE_ASSIGN(RowsCheckpoint checkpoint, rows.CheckpointOf(tenant));
  Replay replay(keys, rows, tenant);
  Position position = checkpoint.position;
  while (position < until) {
    RETRACE_ASSIGN(std::vector<StoredCommit> commits, log.Read(tenant, position, kReadBytes));
    if (commits.empty()) break;
    while (commits.back().position > until) commits.pop_back();
    position = commits.back().position;
    const size_t count = commits.size();
    RETRACE_RETURN_IF_ERROR(replay.Apply(std::move(commits)));
    RETRACE_RETURN_IF_ERROR(on_done(count));
  }
  return replay.Await();
}

// The system tenant first: it says which tenants there are.
absl::Status ReplayAll(
    const eventstore::CommitLog& log, eventstore::KeyStore& keys, RowStore& rows,
    const std::function<absl::StatusOr<Position>(eventstore::TenantNumber)>& until,
    const std::function<absl::Status(uint64_t, uint64_t)>& on_progress) {
  RETRACE_ASSIGN(uint64_t total, CommitsAhead(log, rows));
  RETRACE_ASSIGN(std::vector<eventstore::TenantNumber> tenants, log.Tenants());
  uint64_t done = 0;
  auto on_done = [&](uint64_t commits) {
    done += commits;
    return on_progress ? on_progress(done, total) : absl::OkStatus();
  };
  for (const eventstore::TenantNumber tenant : tenants) {
    RETRACE_ASSIGN(Position end, until(tenant));
    RETRACE_RETURN_IF_ERROR(ReplayTenant(log, keys, rows, tenant, end, on_done));
  }
  return absl::OkStatus();
}

// A log that vanished together with its witness looks like a new one to the log itself; the keys
// tell that there was one.
absl::Status RefuseKeysWithoutLog(const LedgerOptions& options) {
  namespace fs = std::filesystem;
  const std::string log = options.data_directory + "/log";
  if (!fs::exists(options.data_directory + "/keys/CURRENT") || fs::exists(log + "/CURRENT") ||
      fs::exists(options.witness_directory + "/head")) {
    return absl::OkStatus();
  }
  return absl::DataLossError(fmt::format(
      "There is neither a commit log in {} nor a head witness in {}, but the key store beside them "
      "belongs to one. If they were moved, put them back; else recover from a backup into an empty "
      "directory (`retraced recover`). A new log needs a new directory (`retraced init`).",
      log, options.witness_directory));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Ledger>> Ledger::Open(LedgerOptions options) {
  if (options.witness_directory.empty())
    options.witness_directory = options.data_directory + "/witness";
  RETRACE_RETURN_IF_ERROR(RefuseKeysWithoutLog(options));
  std::unique_ptr<Ledger> ledger(new Ledger());
  ledger->options_ = options;
  RETRACE_ASSIGN(ledger->log_,
                 eventstore::RocksCommitLog::Open({.directory = options.data_directory + "/log",
                                                   .witness_directory = options.witness_directory,
                                                   .on_failure = options.on_failure}));
  RETRACE_ASSIGN(ledger->keys_,
                 eventstore::KeyStore::Open({.directory = options.data_directory + "/keys",
                                             .master_key_file = options.master_key_file,
                                             .on_failure = options.on_failure}));
  RETRACE_RETURN_IF_ERROR(ledger->BringRowsToHead());
  RETRACE_RETURN_IF_ERROR(ledger->LearnTenants());
  return ledger;
}

absl::Status Ledger::BringRowsToHead() {
  namespace fs = std::filesystem;
  const std::string directory = RowsDirectory(options_);
  const absl::Time begin = absl::Now();
  std::error_code error;
  fs::remove_all(directory + ".new", error);  // an interrupted rebuild
  std::string why;
  if (fs::exists(directory)) {
    absl::StatusOr<std::unique_ptr<RowStore>> rows =
        RowStore::Open({.directory = directory,
                        .layout_stamp = domain::LayoutStamp(),
                        .cache_bytes = options_.cache_bytes});
    if (!rows.ok()) {
      why = std::string(rows.status().message());
    } else {
      RETRACE_ASSIGN(bool holds, CheckpointsHold(*log_, **rows));
      if (holds)
        rows_ = *std::move(rows);
      else
        why = "their checkpoint names a commit that the log does not hold";
    }
  } else {
    why = "there were none";
  }
  auto until = [this](eventstore::TenantNumber tenant) -> absl::StatusOr<Position> {
    RETRACE_ASSIGN(Head head, log_->HeadOf(tenant));
    return head.position;
  };
  const auto on_progress = [this](uint64_t done, uint64_t total) {
    if (options_.on_progress) options_.on_progress(done, total);
    return absl::OkStatus();
  };
  if (rows_ != nullptr) {
    RETRACE_ASSIGN(uint64_t ahead, CommitsAhead(*log_, *rows_));
    RETRACE_RETURN_IF_ERROR(ReplayAll(*log_, *keys_, *rows_, until, on_progress));
    rows_origin_ = ahead == 0 ? "opened at the head"
                              : fmt::format("replayed {} commits in {:.1f} s", ahead,
                                            absl::ToDoubleSeconds(absl::Now() - begin));
    return absl::OkStatus();
  }
  // Built beside and swapped, so that an interrupted rebuild never looks like rows.
  {
    RETRACE_ASSIGN(std::unique_ptr<RowStore> fresh,
                   RowStore::Open({.directory = directory + ".new",
                                   .layout_stamp = domain::LayoutStamp(),
                                   .cache_bytes = options_.cache_bytes}));
    RETRACE_ASSIGN(uint64_t ahead, CommitsAhead(*log_, *fresh));
    RETRACE_RETURN_IF_ERROR(ReplayAll(*log_, *keys_, *fresh, until, on_progress));
    RETRACE_RETURN_IF_ERROR(fresh->Flush());
    rows_origin_ = fmt::format("rebuilt {} commits in {:.1f} s ({})", ahead,
                               absl::ToDoubleSeconds(absl::Now() - begin), why);
  }
  fs::remove_all(directory, error);
  if (error)
    return absl::UnavailableError(
        fmt::format("Cannot remove the old rows at {}: {}.", directory, error.message()));
  fs::rename(directory + ".new", directory, error);
  if (error)
    return absl::UnavailableError(
        fmt::format("Cannot move the new rows to {}: {}.", directory, error.message()));
  RETRACE_ASSIGN(rows_, RowStore::Open({.directory = directory,
                                        .layout_stamp = domain::LayoutStamp(),
                                        .cache_bytes = options_.cache_bytes}));
  return absl::OkStatus();
}

absl::Status Ledger::LearnTenants() {
  auto scan = rows_->ScanRows(
      eventstore::kSystemTenant, static_cast<eventstore::KindNumber>(domain::KindNumber::kTenant),
      static_cast<eventstore::KindNumber>(domain::KindNumber::kTenant), eventstore::kLatest);
  while (true) {
    RETRACE_ASSIGN(std::optional<eventstore::RowAt> at, scan->Next());
    if (!at.has_value()) break;
    RETRACE_ASSIGN(domain::RowPtr row, domain::ParseRow(domain::KindNumber::kTenant, at->bytes));
    tenants_.Add(at->id, static_cast<eventstore::TenantNumber>(row->As<v1::Tenant>().number()));
  }
  RETRACE_ASSIGN(std::vector<eventstore::TenantNumber> numbers, log_->Tenants());
  for (const eventstore::TenantNumber number : numbers) {
    Tenant* tenant = tenants_.Find(number);
    if (tenant == nullptr) {
      RETRACE_ASSIGN(std::string id, TenantIdOf(*log_, number));
      return absl::DataLossError(
          fmt::format("The log holds commits of tenant {} (number {}), but tenant `system` never "
                      "created it. Part of the log is lost: "
                      "recover from a backup with `retraced recover`.",
                      id, number));
    }
    RETRACE_ASSIGN(Head head, log_->HeadOf(number));
    if (head.position == 0) continue;
    RETRACE_ASSIGN(std::string bytes, ReadStored(*tenant, head.position));
    RETRACE_ASSIGN(store::v1::Commit commit, ParseCommit(bytes));
    uint64_t checked = 0;
    RETRACE_RETURN_IF_ERROR(CheckCommits(
        *log_, *keys_, *tenant, head.position - std::min(head.position, kCommitsCheckedOnOpen),
        head.position, &checked));
    tenant->visible_time_us = commit.commit_time_us();
    tenant->visible = head.position;
    absl::MutexLock lock(&tenant->clock_mutex);
    tenant->clock.last_us = commit.commit_time_us();
    tenant->clock.decided = head.position;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Ledger::ReadStored(const Tenant& tenant, Position position) const {
  if (position == 0) return absl::NotFoundError("Positions begin at 1.");
  RETRACE_ASSIGN(std::vector<StoredCommit> commits, log_->Read(tenant.number, position - 1, 1));
  if (commits.empty()) {
    return absl::NotFoundError(
        fmt::format("Tenant {} has no commit at position {}.", tenant.id, position));
  }
  return std::move(commits.front().bytes);
}

absl::StatusOr<OpenedCommit> Ledger::ReadCommit(const Tenant& tenant, Position position) const {
  RETRACE_ASSIGN(std::string bytes, ReadStored(tenant, position));
  RETRACE_ASSIGN(store::v1::Commit commit, ParseCommit(bytes));
  return OpenCommit(commit, tenant.number, *keys_);
}

absl::StatusOr<Position> Ledger::PositionAt(Tenant& tenant, int64_t time_us,
                                            absl::Duration patience) const {
  const int64_t now_us = options_.wall_us ? options_.wall_us() : absl::ToUnixMicros(absl::Now());
  if (time_us > now_us) return absl::OutOfRangeError("The time lies in the future.");
  Position decided;
  {
    absl::MutexLock lock(&tenant.clock_mutex);
    tenant.clock.floor_us = std::max(tenant.clock.floor_us, time_us);
    decided = tenant.clock.decided;
  }
  // What was stamped before the floor rose may lie at or below the time, and still be on its way.
  const absl::Time give_up = absl::Now() + patience;
  for (uint64_t seen = tenants_.changes(); tenant.visible < decided;) {
    if (absl::Now() >= give_up) {
      return absl::UnavailableError("Commits of that time are still being written.");
    }
    seen = tenants_.WaitForChange(seen, absl::Milliseconds(100));
  }
  Position low = 0, high = tenant.visible;
  if (tenant.visible_time_us <= time_us) return high;
  while (low < high) {  // the last position with a time at or below
    const Position middle = low + (high - low + 1) / 2;
    RETRACE_ASSIGN(std::string bytes, ReadStored(tenant, middle));
    RETRACE_ASSIGN(store::v1::Commit commit, ParseCommit(bytes));
    if (commit.commit_time_us() <= time_us)
      low = middle;
    else
      high = middle - 1;
  }
  return low;
}

absl::StatusOr<std::unique_ptr<RowStore>> Ledger::Rebuild(
    const std::string& directory, const std::function<Position(const Tenant&)>& until,
    const std::function<absl::Status(uint64_t done, uint64_t total)>& on_progress) const {
  RETRACE_ASSIGN(
      std::unique_ptr<RowStore> fresh,
      RowStore::Open({.directory = directory,
                      .layout_stamp = domain::LayoutStamp(),
                      .cache_bytes = std::min<size_t>(options_.cache_bytes, 64u << 20)}));
  auto end = [&](eventstore::TenantNumber number) -> absl::StatusOr<Position> {
    const Tenant* tenant = tenants_.Find(number);
    if (until && tenant != nullptr) return until(*tenant);
    RETRACE_ASSIGN(Head head, log_->HeadOf(number));
    return head.position;
  };
  RETRACE_RETURN_IF_ERROR(ReplayAll(*log_, *keys_, *fresh, end, on_progress));
  return fresh;
}

absl::Status Ledger::ReplayOn(RowStore& rows, const Tenant& tenant, Position until) const {
  return ReplayTenant(*log_, *keys_, rows, tenant.number, until,
                      [](uint64_t) { return absl::OkStatus(); });
}

}  // namespace retrace::server
