// Timers: what falls due happens, by commands of the server itself through the ordinary sequencer.
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
#include "domain/expiry.h"
#include "domain/timer.h"
#include "server/bin_notices.h"
#include "server/clock.h"
#include "server/ledger.h"
#include "server/sequencer.h"

namespace retrace::server {

// Looks on a thread of its own, every second, for entities that are due (Fire), and every hour of
// the clock for what the recycle bins are to announce (AnnounceExpiry) and to tell (BinNotices).
// What is refused is tried again after a second, then after twice as long each time, up to an hour;
// so it neither fills the log nor keeps others that are due waiting. Thread-safe.
class Timers {
 public:
  // `on_failure` is called once, on that thread, when storage failed. All must outlive this.
  Timers(Ledger& ledger, Sequencer& sequencer, Clock& clock,
         std::function<void(const absl::Status&)> on_failure);
  // Stops; returns when a command under way is answered.
  ~Timers();
  Timers(const Timers&) = delete;
  Timers& operator=(const Timers&) = delete;

  // Does all that is due by the clock now, on the calling thread.
  absl::Status CatchUp();
  // Ends the thread; CatchUp does nothing any more.
  void Stop();

 private:
  // A timer that was refused.
  struct Refused {
    int64_t try_us = 0;  // when it is tried again, by the monotonic clock
    int64_t wait_us = 0;
    int64_t logged_us = 0;
    std::string fault;
  };
  void Run();
  void SaveClock();
  absl::Status CatchUp(Tenant& tenant) ABSL_EXCLUSIVE_LOCKS_REQUIRED(round_);
  // True when something was done, so that more may be.
  absl::StatusOr<bool> FireDue(Tenant& tenant) ABSL_EXCLUSIVE_LOCKS_REQUIRED(round_);
  absl::Status Fire(Tenant& tenant, const domain::Due& due);
  // Puts the next try off, and logs the refusal when that was not said lately.
  void PutOff(const Tenant& tenant, const domain::EntityRef& entity, const absl::Status& status,
              Refused& refused) ABSL_EXCLUSIVE_LOCKS_REQUIRED(round_);
  absl::StatusOr<bool> Announce(Tenant& tenant) ABSL_EXCLUSIVE_LOCKS_REQUIRED(round_);
  // Submits a command of the server itself and waits for its answer.
  template <typename Request>
  CommandResult Do(Tenant& tenant, const Request& request, std::string method, std::string reason);

  Ledger& ledger_;
  Sequencer& sequencer_;
  Clock& clock_;
  const std::function<void(const absl::Status&)> on_failure_;
  // One round at a time.
  absl::Mutex round_;
  struct Waiting {
    // When the bin is looked at next, microseconds by the clock, and how far that look has come.
    int64_t next_look_us = 0;
    domain::BinLook look;
    std::map<domain::EntityRef, Refused> refused;
  };
  std::map<const Tenant*, Waiting> waiting_ ABSL_GUARDED_BY(round_);
  BinNotices notices_ ABSL_GUARDED_BY(round_);
  std::atomic<bool> stopping_{false};
  absl::Mutex wait_;
  std::thread thread_;
};

}  // namespace retrace::server
