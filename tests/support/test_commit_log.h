// A commit log in memory that answers anything at will: what a distributed engine may say and
// RocksDB never does, and what RocksDB says only when its disk fails.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "eventstore/commit_log.h"

namespace retrace::testing {

// Thread-safe. Without a script it behaves as the contract says and never fails.
class TestCommitLog : public eventstore::CommitLog {
 public:
  // What becomes of an Append instead of success.
  enum class Fault {
    kConflict,        // another writer was faster: `rival` is appended first, to every tenant named
    kFenced,          // another holder acquired every tenant named
    kUnknownWritten,  // no answer came back, but the commits are there
    kUnknownLost,     // no answer came back, and the commits are not there
  };

  explicit TestCommitLog(eventstore::Epoch epoch = 0x7e57) : epoch_(epoch) {}

  // The next Append meets `fault`; calls line up. `rival` is what the other writer commits.
  void FailNextAppend(Fault fault, std::string rival = "rival");
  // Whether an unknown outcome lasts, as CommitLog says of a failed storage (the default), or
  // passes, as with an engine whose connection comes back: then Acquire works again at once.
  void SetUnknownLasts(bool lasts);
  // The connection is back after a lasting unknown outcome.
  void Heal();
  // Another process acquires the tenant.
  void Fence(eventstore::TenantNumber tenant);
  // From now on Appends wait, before anything is written, until Release. AwaitBlocked returns when
  // one waits.
  void Block();
  void AwaitBlocked();
  void Release();
  // Called with the commits of each Append that wrote something, before it answers.
  void OnWritten(std::function<void(absl::Span<const eventstore::PendingCommit>)> observer);
  // How many Appends were called.
  uint64_t appends() const;

  eventstore::Epoch epoch() const override { return epoch_; }
  absl::StatusOr<eventstore::Lease> Acquire(eventstore::TenantNumber tenant) override;
  std::vector<eventstore::TenantAppend> Append(
      absl::Span<const eventstore::PendingCommit> commits) override;
  absl::StatusOr<std::vector<eventstore::StoredCommit>> Read(eventstore::TenantNumber tenant,
                                                             eventstore::Position after,
                                                             size_t max_bytes) const override;
  absl::StatusOr<eventstore::TailResult> Tail(eventstore::TailCursor cursor) const override;
  absl::StatusOr<std::vector<eventstore::TenantNumber>> Tenants() const override;
  absl::StatusOr<eventstore::Head> HeadOf(eventstore::TenantNumber tenant) const override;

 private:
  struct Tenant {
    std::vector<std::string> commits;  // position 1 first
    uint64_t fence = 0;
    uint64_t last_batch = 0;
    eventstore::Head head() const;
  };
  struct Scripted {
    Fault fault = Fault::kConflict;
    std::string rival;
  };

  void Disturb(const Scripted& scripted, absl::Span<const eventstore::PendingCommit> commits)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  std::vector<eventstore::TenantAppend> Judge(absl::Span<const eventstore::PendingCommit> commits)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Store(absl::Span<const eventstore::PendingCommit> commits,
             std::vector<eventstore::TenantAppend>& results) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const eventstore::Epoch epoch_;
  mutable absl::Mutex mutex_;
  std::map<eventstore::TenantNumber, Tenant> tenants_ ABSL_GUARDED_BY(mutex_);
  std::deque<Scripted> script_ ABSL_GUARDED_BY(mutex_);
  std::function<void(absl::Span<const eventstore::PendingCommit>)> observer_
      ABSL_GUARDED_BY(mutex_);
  bool unknown_lasts_ ABSL_GUARDED_BY(mutex_) = true;
  bool down_ ABSL_GUARDED_BY(mutex_) = false;
  bool blocked_ ABSL_GUARDED_BY(mutex_) = false;
  int waiting_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t next_fence_ ABSL_GUARDED_BY(mutex_) = 1;
  uint64_t batch_ ABSL_GUARDED_BY(mutex_) = 0;
  uint64_t appends_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace retrace::testing
