// Delivering: from rows of deliveries to mail servers and endpoints, and back to rows.
//
// Each delivery lives alone: it is tried when its row says so, what came of it is recorded by a
// command, and a later attempt is its row's business again. Destinations have queues of their own,
// so that none waits for another. A restart between sending and recording sends again: at least
// once, with the same Message-ID or webhook-id.
#pragma once

#include <cstddef>
#include <cstdint>
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
#include "retrace/store/v1/webhooks.pb.h"
#include "retrace/v1/notifications.pb.h"
#include "server/clock.h"
#include "server/delivery_queues.h"
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
  // What one look reads of a tenant's deliveries that are due; the next one goes on from there.
  size_t entries_per_look = 10'000;
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

  // False when something was sent and could not be recorded.
  bool Stop();

  struct Counts {
    uint64_t sent = 0, retried = 0, failed = 0, suppressed = 0;
    uint64_t waiting = 0;  // due and not recorded yet
  };
  Counts counts() const;

 private:
  // Something that is tried, and what is recorded of it.
  struct Attempt {
    DeliveryKey key;
    Destination destination;
    store::v1::RecordAttempt record;
    std::string note;   // what is said beside the other side's answer
    bool once = false;  // not made again, whatever comes of it
    // Of a webhook to be disabled if nothing has arrived there since this moment, by the clock; 0:
    // nothing of the kind.
    int64_t since_us = 0;
    uint64_t webhook_revision = 0;
  };
  // An attempt that ended; waits to be recorded.
  struct Ended {
    DeliveryKey key;
    store::v1::RecordAttempt record;
    store::v1::DisableWebhook disable;           // without a webhook: none is, because of it
    absl::Time try_time = absl::InfinitePast();  // when it is recorded
    absl::Duration wait;                         // after a refusal
  };
  // Up to where a tenant's index was read.
  struct Cursor {
    std::string value;
    std::string id;
  };

  void Run();
  absl::Status LookForDue(Tenant& tenant);
  absl::Status Enqueue(Tenant& tenant, const std::string& id, const RowView& view,
                       const v1::Follower& follower);
  void StartWaiting();
  // Sends it, or records at once why not.
  void Start(Attempt attempt);
  absl::Status TryToStart(Attempt& attempt);
  absl::Status SendMail(Attempt& attempt, const domain::Row& delivery_row,
                        const v1::Notification& notification);
  absl::Status SendPost(Attempt& attempt, const domain::Row& delivery_row,
                        const domain::Row& notification_row);
  void End(Attempt attempt, const SendResult& result);
  // It is not tried, and that is recorded.
  void EndWithout(const Attempt& attempt, v1::Delivery::State state, std::string why,
                  bool may_have_arrived = false);
  // It is no more this look's business.
  void Forget(const Attempt& attempt);
  // Records what is to be recorded by then.
  void RecordEnded(absl::Time by);
  void Record(Ended ended);
  bool IsStopping() const;
  // Whether anything more may be sent.
  bool HasRoom() const;
  bool AllRecorded() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return recording_ == 0; }
  bool HasEnded() const ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return stopping_ || !ended_.empty(); }

  const Parts parts_;
  const DelivererOptions options_;
  const int64_t started_us_;
  // The running thread's.
  DeliveryQueues queues_;
  std::map<const Tenant*, Cursor> looked_;
  absl::Time next_look_ = absl::InfinitePast();

  mutable absl::Mutex mutex_;
  std::set<DeliveryKey> known_ ABSL_GUARDED_BY(mutex_);  // in memory until it is recorded
  std::vector<Ended> ended_ ABSL_GUARDED_BY(mutex_);
  std::vector<Ended> again_ ABSL_GUARDED_BY(mutex_);  // could not be recorded yet
  std::map<Destination, size_t> freed_ ABSL_GUARDED_BY(mutex_);
  // When something last arrived there, by the clock.
  std::map<Destination, int64_t> arrived_us_ ABSL_GUARDED_BY(mutex_);
  size_t recording_ ABSL_GUARDED_BY(mutex_) = 0;
  Counts counts_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::unique_ptr<Outbox> outbox_;
  std::thread thread_;
};

}  // namespace retrace::server
