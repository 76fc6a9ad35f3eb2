// Delivering: from rows of deliveries to mail servers and endpoints, and back to rows.
//
// Each delivery lives alone: it is tried when its row says so, what came of it is recorded by a
// command, and a later attempt is its row's business again. Destinations have queues of their own,
// so that none waits for another. A restart between sending and recording sends again: at least
// once, with the same Message-ID or webhook-id.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "retrace/store/v1/notifications.pb.h"
#include "retrace/v1/notifications.pb.h"
#include "server/clock.h"
#include "server/ledger.h"
#include "server/outbound/outbox.h"
#include "server/principals.h"
#include "server/row_view.h"
#include "server/sequencer.h"

namespace retrace::server {

struct DelivererOptions {
  OutboxOptions outbox;
  // Under which the public reaches the HTTP edge, e.g. "https://crm.example.com"; empty: mail has
  // no links.
  std::string public_url;
};

// Thread-safe. Runs on threads of its own from the first moment on.
class Deliverer {
 public:
  struct Parts {
    Ledger* ledger = nullptr;
    Sequencer* sequencer = nullptr;
    const Principals* principals = nullptr;
    Clock* clock = nullptr;
    // False while it is not known yet whether anything of the tenant is held. Null: never.
    std::function<bool(const Tenant&)> is_open;
  };
  Deliverer(const Parts& parts, DelivererOptions options);
  // Breaks off what is under way.
  ~Deliverer();
  Deliverer(const Deliverer&) = delete;
  Deliverer& operator=(const Deliverer&) = delete;

  void Stop();

  struct Counts {
    uint64_t sent = 0, retried = 0, failed = 0, suppressed = 0;
    uint64_t waiting = 0;  // due and not recorded yet
  };
  Counts counts() const;

 private:
  // A delivery that is due, in memory until what came of it is recorded.
  struct Key {
    Tenant* tenant = nullptr;
    std::string id;
    auto operator<=>(const Key&) const = default;
  };
  struct Destination {
    std::deque<Key> queue;
    size_t under_way = 0;
  };
  // An attempt that ended; waits to be recorded.
  struct Ended {
    Key key;
    store::v1::RecordAttempt attempt;
    std::string disabled_webhook;                // id; empty: none is disabled because of it
    absl::Time try_time = absl::InfinitePast();  // when it is recorded
    absl::Duration wait;                         // after a refusal
  };

  void Run();
  absl::Status LookForDue(Tenant& tenant);
  absl::Status Enqueue(Tenant& tenant, const std::string& id, const RowView& view,
                       int64_t held_position);
  size_t MostUnderWay(const std::string& destination) const;
  void StartWaiting();
  // Sends it, or records at once why not.
  void Start(const Key& key, const std::string& destination);
  absl::Status TryToStart(const Key& key, const std::string& destination);
  absl::Status SendMail(const Key& key, const std::string& destination,
                        const domain::Row& delivery_row, const v1::Notification& notification);
  absl::Status SendPost(const Key& key, const std::string& destination,
                        const domain::Row& delivery_row, const domain::Row& notification_row);
  void End(const Key& key, const std::string& destination, const SendResult& result,
           store::v1::RecordAttempt attempt, v1::Channel channel, int64_t since_us);
  void EndWithout(const Key& key, const std::string& destination, v1::Delivery::State state,
                  std::string why, bool may_have_arrived = false);
  // It is no more this look's business.
  void Forget(const Key& key, const std::string& destination);
  void RecordEnded();
  void Record(Ended ended);
  bool AllRecorded() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return recording_ == 0; }
  bool HasEnded() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return stopping_ || !ended_.empty(); }

  const Parts parts_;
  const DelivererOptions options_;
  // The running thread's.
  std::map<std::string, Destination> destinations_;
  absl::Time next_look_ = absl::InfinitePast();
  const int64_t started_us_;

  mutable absl::Mutex mutex_;
  std::set<Key> known_ ABSL_GUARDED_BY(mutex_);
  std::vector<Ended> ended_ ABSL_GUARDED_BY(mutex_);
  std::vector<Ended> again_ ABSL_GUARDED_BY(mutex_);  // could not be recorded yet
  std::map<std::string, size_t> freed_ ABSL_GUARDED_BY(mutex_);
  // When something last arrived there, by the clock.
  std::map<std::string, int64_t> arrived_us_ ABSL_GUARDED_BY(mutex_);
  size_t recording_ ABSL_GUARDED_BY(mutex_) = 0;
  Counts counts_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<Outbox> outbox_;
  std::thread thread_;
};

}  // namespace retrace::server
