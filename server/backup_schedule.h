// Backups that nobody has to remember: one is made whenever the last good one is old enough, and
// older ones are removed once a newer one is good.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/backups.h"
#include "server/clock.h"
#include "server/ledger.h"
#include "server/metrics.h"
#include "server/sequencer.h"

namespace retrace::server {

enum class BackupFault {
  kFailed,   // none was made
  kDamaged,  // one that was good is not any more
};

struct BackupScheduleOptions {
  BackupPlaces places;
  // From one good backup to the next; zero: none are made.
  absl::Duration every = absl::Hours(24);
  // Good backups of the log that stay, at least 1.
  int64_t keep = 7;
  // Good copies of the keys that stay, at least 1. Any log opens with a copy of the keys that is as
  // new or newer; older ones only keep readable who was erased since. So of keys fewer stay.
  int64_t key_keep = 2;
  // Tells administrators: once for each fault, again after a day of it, or when it comes again
  // after a good backup, of which it gets the name (empty: there is none). What fails is asked for
  // again. Called on the schedule's thread, or on one that is in CatchUp. May be null.
  std::function<absl::Status(BackupFault, const std::string& last_good)> on_fault;
};

// How the schedule stands.
struct BackupState {
  bool scheduled = false;
  // The last good backup; empty: there is none.
  std::string last_id;
  // When it was made, or one period ago when that seems to lie ahead; without one, when the log
  // began; InfinitePast before the directories were read. By the clock, like all but `took`.
  absl::Time since = absl::InfinitePast();
  absl::Time next = absl::InfiniteFuture();
  // Why the last try failed, and when; empty when it did not.
  std::string fault;
  absl::Time fault_time = absl::InfinitePast();
  // Names of those that stay.
  std::vector<std::string> kept;
  // Directories of those, or of their keys, that were found damaged.
  std::vector<std::string> damaged;
  // Of the last good backup.
  int64_t bytes = 0;
  // How long the last one of this process took.
  absl::Duration took = absl::ZeroDuration();
};

// Looks on a thread of its own, every second. What it knows it reads from the directories: which
// backup is the last good one (verified again at each start), and which are its own, by name and
// epoch; names tell the order, manifests the time. It never removes others, nor the last good one.
// Backups of a former epoch are others, too. Before a backup is removed, all files of those that
// stay were read and had their hashes just then; a damaged one does not count. What fails is tried
// again after a minute, then after twice as long each time, up to an hour. Each backup and each
// fault is an administrative act. Nothing here holds up commands. Thread-safe.
class BackupSchedule {
 public:
  // All must outlive this.
  BackupSchedule(Ledger& ledger, Sequencer& sequencer, Clock& clock, BackupScheduleOptions options);
  // Stops; what is half made is removed.
  ~BackupSchedule();
  BackupSchedule(const BackupSchedule&) = delete;
  BackupSchedule& operator=(const BackupSchedule&) = delete;

  // Makes the backup that is due by the clock now, on the calling thread; returns when that ended.
  void CatchUp();
  // Ends the thread; CatchUp does nothing any more.
  void Stop();

  BackupState state() const;
  absl::Duration AgeOf(const BackupState& state) const;
  void SetMetrics(Metrics& metrics) const;

 private:
  void Run();
  // What administrators are told of.
  struct Fault {
    BackupFault kind = BackupFault::kFailed;
    std::string text;
    bool recorded = false;
    bool told = false;
  };

  // Reads what there is.
  void Begin() ABSL_EXCLUSIVE_LOCKS_REQUIRED(round_);
  void RemoveUnfinished();
  absl::Time LogBegan() const;
  bool IsDue() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(round_);
  absl::Status Make() ABSL_EXCLUSIVE_LOCKS_REQUIRED(round_);
  std::string NewId() const;
  absl::StatusOr<store::v1::BackupManifest> VerifyLog(const std::string& id) const;
  absl::Status VerifyKeys(const std::string& id) const;
  // Removes what is older than the newest `keep` that are good.
  void Prune(const std::string& directory, int64_t keep,
             const std::function<absl::Status(const std::string& id)>& verify)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(round_);
  void PruneAll(const std::string& made) ABSL_EXCLUSIVE_LOCKS_REQUIRED(round_);
  void PutOff(const absl::Status& failed) ABSL_EXCLUSIVE_LOCKS_REQUIRED(round_);
  void NoteDamage(const std::string& directory, const absl::Status& damage)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(round_);
  // Once for each key and day.
  void Tell(const std::string& key, BackupFault kind, std::string text)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(round_);
  // What could not be recorded or told, e.g. for want of space, is tried again.
  void TellAll() ABSL_EXCLUSIVE_LOCKS_REQUIRED(round_);
  bool Record(const char* act, const std::string& description);
  void ListKept();
  bool IsStopping() const { return stopping_.load(); }

  Ledger& ledger_;
  Sequencer& sequencer_;
  Clock& clock_;
  const BackupScheduleOptions options_;
  const eventstore::Epoch epoch_;

  // One round at a time.
  absl::Mutex round_;
  bool begun_ ABSL_GUARDED_BY(round_) = false;
  // Monotonic: when this process began to count, or made a good backup; when a failed one is tried
  // again, and after how long.
  int64_t counted_from_us_ ABSL_GUARDED_BY(round_) = 0;
  int64_t try_us_ ABSL_GUARDED_BY(round_) = 0;
  int64_t wait_us_ ABSL_GUARDED_BY(round_) = 0;
  // By what makes a fault the same one, and when the day of it began.
  std::map<std::string, Fault> faults_ ABSL_GUARDED_BY(round_);
  int64_t faults_us_ ABSL_GUARDED_BY(round_) = 0;
  int64_t tell_us_ ABSL_GUARDED_BY(round_) = 0;

  mutable absl::Mutex state_mutex_;
  BackupState state_ ABSL_GUARDED_BY(state_mutex_);

  std::atomic<bool> stopping_{false};
  absl::Mutex wait_;
  std::thread thread_;
};

}  // namespace retrace::server
