// Following the log: whatever is done about events after they were committed, at least once and in
// order for each entity, by a follower with a name and a checkpoint of its own.
//
// An event that cannot be handled is parked: the follower goes on, later events of the same entity
// wait, and an administrator retries or discards it (Notifications.ResolveParkedEvent). The
// checkpoint is an event of the tenant, written when something was done since the last one, at most
// one a second; what is done again after a restart must come to nothing by itself.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "retrace/v1/notifications.pb.h"
#include "server/envelope.h"
#include "server/ledger.h"
#include "server/sequencer.h"

namespace retrace::server {

struct FollowerOptions {
  std::string name;
  // Whether the event concerns it at all.
  std::function<bool(const Envelope::Event&)> wants;
  // Handles one event of a commit; true when that changed anything. Errors that pass by themselves
  // (UNAVAILABLE, RESOURCE_EXHAUSTED, DEADLINE_EXCEEDED) are tried again; others park the event.
  std::function<absl::StatusOr<bool>(Tenant&, const Envelope&, const Envelope::Event&)> handle;
  absl::Duration checkpoint_every = absl::Seconds(1);
  // For how long one tenant is followed before the next has its turn; one commit at least.
  absl::Duration turn = absl::Seconds(1);
  // Commits after which a checkpoint is written though nothing was done.
  uint64_t checkpoint_positions = 10'000;
};

// How far behind it is.
struct FollowerLag {
  uint64_t commits = 0;
  double seconds = 0;  // since the first of them was committed, by the ledger's clock
  size_t parked = 0;   // events, besides
};

// Thread-safe. Runs on a thread of its own from the first moment on.
class LogFollower {
 public:
  // The references must outlive it.
  LogFollower(Ledger& ledger, Sequencer& sequencer, FollowerOptions options);
  // Returns when the event under way was handled.
  ~LogFollower();
  LogFollower(const LogFollower&) = delete;
  LogFollower& operator=(const LogFollower&) = delete;

  // Follows everything that is visible now, on the calling thread.
  absl::Status CatchUp();
  void Stop();
  // Of one tenant, as far as it has come and not as far as that was recorded.
  FollowerLag LagOf(const Tenant& tenant) const;
  // The largest of all tenants.
  FollowerLag Lag() const;
  // True once it is known whether anything of the tenant is held.
  bool IsOpen(const Tenant& tenant) const;
  const std::string& name() const { return options_.name; }

 private:
  // How far one tenant is.
  struct Progress {
    bool opened = false;
    eventstore::Position position = 0;  // everything up to here was handled or parked
    eventstore::Position recorded = 0;
    bool dirty = false;  // something was done since `recorded`
    absl::Time next_record = absl::InfinitePast();
    bool more = false;             // its turn was over before it had come to the end
    size_t parked = 0;             // events
    int64_t first_waiting_us = 0;  // time of the first commit that was not looked at; 0: none
  };

  void Run();
  absl::Status Follow(Tenant& tenant) ABSL_EXCLUSIVE_LOCKS_REQUIRED(round_);
  absl::Status Open(Tenant& tenant, Progress& progress) ABSL_EXCLUSIVE_LOCKS_REQUIRED(round_);
  absl::StatusOr<bool> MustHold(const Tenant& tenant, const v1::Follower& follower) const;
  absl::StatusOr<v1::Follower> Read(const Tenant& tenant) const;
  absl::Status Walk(Tenant& tenant, const v1::Follower& follower, Progress& progress)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(round_);
  absl::StatusOr<bool> HandleAll(Tenant& tenant, const Envelope& commit, v1::Follower& follower);
  // Tries what is parked again where an administrator asked for it.
  absl::Status RetryParked(Tenant& tenant, const v1::Follower& follower, Progress& progress)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(round_);
  absl::Status RetryOne(Tenant& tenant, const v1::Follower::Parked& parked, Progress& progress)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(round_);
  absl::Status Record(Tenant& tenant, Progress& progress) ABSL_EXCLUSIVE_LOCKS_REQUIRED(round_);
  void SetLag(const Tenant& tenant, const Progress& progress);

  Ledger& ledger_;
  Sequencer& sequencer_;
  const FollowerOptions options_;
  absl::Mutex round_;
  std::map<const Tenant*, Progress> progress_ ABSL_GUARDED_BY(round_);
  mutable absl::Mutex lag_mutex_;
  std::map<const Tenant*, Progress> lag_ ABSL_GUARDED_BY(lag_mutex_);  // as last told
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace retrace::server
