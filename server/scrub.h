// The scrub: after a start the whole log is read once in the background, slowly, and every check
// sum, position, event type and key is looked at, so that damage, or what a newer build wrote, is
// found while a backup still helps and not when somebody asks for that moment.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>

#include "absl/status/status.h"
#include "server/ledger.h"

namespace retrace::server {

// Checks the commits in (after, until]: that this build knows their format and events
// (FAILED_PRECONDITION), and that the key store holds the key of every sealed part (DATA_LOSS).
// Names the first commit that fails, and the next step. Adds the commits looked at to `*checked`.
absl::Status CheckCommits(const eventstore::CommitLog& log, const eventstore::KeyStore& keys,
                          const Tenant& tenant, eventstore::Position after,
                          eventstore::Position until, uint64_t* checked);

// Runs on a thread of its own until it is through or destroyed.
class Scrub {
 public:
  // `on_done` is called once on that thread, with the commits that were checked, unless it was
  // destroyed before. The ledger must outlive it.
  Scrub(Ledger& ledger, std::function<void(const absl::Status&, uint64_t commits)> on_done);
  ~Scrub();
  Scrub(const Scrub&) = delete;
  Scrub& operator=(const Scrub&) = delete;

 private:
  void Run();
  absl::Status CheckTenant(const Tenant& tenant, uint64_t* checked);

  Ledger& ledger_;
  const std::function<void(const absl::Status&, uint64_t commits)> on_done_;
  std::atomic<bool> stop_ = false;
  std::thread thread_;
};

}  // namespace retrace::server
