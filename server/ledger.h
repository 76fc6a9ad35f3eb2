// The ledger: log, key store and rows of one data directory, opened together, rows brought to the
// head of the log.
//
// Layout of the data directory: log/ (RocksDB), witness/ (head witness; may lie elsewhere), keys/
// (key store), rows/ (disposable), backups/. Nothing serves before Open is through.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "eventstore/key_store.h"
#include "eventstore/rocks_commit_log.h"
#include "eventstore/row_store.h"
#include "server/commit_codec.h"
#include "server/tenants.h"

namespace retrace::server {

struct LedgerOptions {
  std::string data_directory;
  std::string witness_directory;  // empty: data_directory/witness
  std::string master_key_file;
  size_t cache_bytes = 256u << 20;
  // Wall clock in microseconds; null: the system's.
  std::function<int64_t()> wall_us;
  // Called once when storage failed; the daemon's exits. Never null.
  std::function<void(const absl::Status&)> on_failure;
  // Told while rows are rebuilt: commits done, commits in all. May be null.
  std::function<void(uint64_t done, uint64_t total)> on_progress;
};

class Ledger {
 public:
  // Opens or creates. The errors are those of the parts; each says what, where and the next step.
  static absl::StatusOr<std::unique_ptr<Ledger>> Open(LedgerOptions options);

  eventstore::CommitLog& log() { return *log_; }
  const eventstore::RocksCommitLog& rocks_log() const { return *log_; }
  eventstore::KeyStore& keys() { return *keys_; }
  eventstore::RowStore& rows() { return *rows_; }
  const eventstore::RowStore& rows() const { return *rows_; }
  Tenants& tenants() { return tenants_; }
  const Tenants& tenants() const { return tenants_; }
  const LedgerOptions& options() const { return options_; }
  // e.g. "opened at the head", "replayed 12 commits in 0.1 s", "rebuilt 17600 commits in 1.9 s".
  const std::string& rows_origin() const { return rows_origin_; }

  // The stored bytes at a position; NOT_FOUND above the durable head.
  absl::StatusOr<std::string> ReadStored(const Tenant& tenant, eventstore::Position position) const;
  // The same, opened.
  absl::StatusOr<OpenedCommit> ReadCommit(const Tenant& tenant,
                                          eventstore::Position position) const;
  // Position of the last commit at or before the time, 0 when there is none. Raises the tenant's
  // floor first, so that the same question keeps its answer. OUT_OF_RANGE for a future time;
  // UNAVAILABLE when commits that may lie at or before it are still being written after `patience`.
  absl::StatusOr<eventstore::Position> PositionAt(Tenant& tenant, int64_t time_us,
                                                  absl::Duration patience = absl::Seconds(5)) const;

  // Rebuilds all rows from the log into a fresh store at `directory`. Thread-safe; reads only what
  // was durable at the beginning; stops each tenant at the position given by `until` (null: the
  // durable head), and altogether when `on_progress` (may be null) gives an error, which it
  // returns.
  absl::StatusOr<std::unique_ptr<eventstore::RowStore>> Rebuild(
      const std::string& directory, const std::function<eventstore::Position(const Tenant&)>& until,
      const std::function<absl::Status(uint64_t done, uint64_t total)>& on_progress) const;
  // Brings one tenant's rows in such a store on to a later position. Not thread-safe per store.
  absl::Status ReplayOn(eventstore::RowStore& rows, const Tenant& tenant,
                        eventstore::Position until) const;

 private:
  Ledger() = default;
  absl::Status BringRowsToHead();
  // Tenants from the rows of `system`, and how far each is.
  absl::Status LearnTenants();

  LedgerOptions options_;
  std::unique_ptr<eventstore::RocksCommitLog> log_;
  std::unique_ptr<eventstore::KeyStore> keys_;
  std::unique_ptr<eventstore::RowStore> rows_;
  Tenants tenants_;
  std::string rows_origin_;
};

}  // namespace retrace::server
