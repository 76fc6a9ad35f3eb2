// The tenants that this server serves, by id and number, and how far each is visible.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"
#include "eventstore/types.h"

namespace retrace::server {

// One tenant. Made once, never removed; pointers stay valid as long as Tenants.
struct Tenant {
  Tenant(std::string id, eventstore::TenantNumber number) : id(std::move(id)), number(number) {}
  const std::string id;
  const eventstore::TenantNumber number;
  // Everything up to here is durable and in the rows: what queries are answered at. Rises only.
  std::atomic<eventstore::Position> visible{0};
  // Time of the commit at `visible`, microseconds.
  std::atomic<int64_t> visible_time_us{0};

  // What times of commits depend on; shared by the sequencer, which stamps, and by queries as of a
  // time.
  struct Clock {
    // Time of the last commit that was decided, durable or not.
    int64_t last_us = 0;
    // No later commit may have a time at or below this: a query was told what stood at it.
    int64_t floor_us = 0;
    // Position of the last commit that was decided, durable or not.
    eventstore::Position decided = 0;
  };
  absl::Mutex clock_mutex;
  Clock clock ABSL_GUARDED_BY(clock_mutex);
};

inline constexpr std::string_view kSystemTenantId = "system";

// Thread-safe.
class Tenants {
 public:
  Tenants();
  // Null when unknown.
  Tenant* Find(std::string_view id) const;
  Tenant* Find(eventstore::TenantNumber number) const;
  // Makes it known; the same again is a no-op.
  Tenant* Add(std::string_view id, eventstore::TenantNumber number);
  // All but `system`, by id.
  std::vector<Tenant*> All() const;
  Tenant* system() const { return system_; }

  // Called after visible positions rose; wakes everyone in WaitForChange.
  void NotifyVisible();
  // Blocks until something became visible after `seen` (a counter that it returns), or the time is
  // over.
  uint64_t WaitForChange(uint64_t seen, absl::Duration timeout) const;
  // The counter as it is now.
  uint64_t changes() const;

 private:
  mutable absl::Mutex mutex_;
  absl::flat_hash_map<std::string, std::unique_ptr<Tenant>> by_id_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_map<eventstore::TenantNumber, Tenant*> by_number_ ABSL_GUARDED_BY(mutex_);
  uint64_t changes_ ABSL_GUARDED_BY(mutex_) = 0;
  Tenant* system_ = nullptr;
};

}  // namespace retrace::server
