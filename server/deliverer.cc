#include "server/deliverer.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>

#include "absl/random/random.h"
#include "absl/time/clock.h"
#include "domain/commands.h"
#include "domain/delivery.h"
#include "domain/follower.h"
#include "domain/index_values.h"
#include "domain/notification.h"
#include "domain/recipient.h"
#include "domain/resource.h"
#include "domain/status_macros.h"
#include "domain/webhook.h"
#include "fmt/format.h"
#include "google/protobuf/util/time_util.h"
#include "server/delivery_mail.h"
#include "server/logging.h"
#include "server/outbound/retry_schedule.h"
#include "server/submit.h"
#include "server/system_log.h"
#include "server/webhooks.h"

namespace retrace::server {
namespace {

using domain::KindNumber;
using domain::RowPtr;
using google::protobuf::util::TimeUtil;

constexpr absl::Duration kLook = absl::Milliseconds(200);
// A look takes a share of the time at most, however much waits.
constexpr int kRestPerLook = 10;
// Deliveries that are read from the index at once.
constexpr size_t kPage = 2'000;
// Results that could not be recorded, above which nothing more is sent: a restart sends it again.
constexpr size_t kMostUnrecorded = 100;
// Between two tries to record what came of an attempt.
constexpr absl::Duration kShortestWait = absl::Milliseconds(500);
constexpr absl::Duration kLongestWait = absl::Minutes(1);
constexpr size_t kCost = 8;

// Whether a mail server's answer is about the address: it is not there, and never will be.
// https://www.rfc-editor.org/rfc/rfc3463 (X.1.1, X.1.2, X.1.10: bad mailbox, bad domain, null MX).
bool IsAboutAddress(const SendResult& result) {
  constexpr std::array<std::string_view, 3> kCodes = {" 5.1.1", " 5.1.2", " 5.1.10"};
  return result.kind == SendResult::kRefused &&
         std::any_of(kCodes.begin(), kCodes.end(),
                     [&result](std::string_view code) { return result.detail.ends_with(code); });
}

absl::StatusOr<v1::Follower> FollowerIn(const domain::View& view) {
  RETRACE_ASSIGN(const RowPtr row, view.Get(domain::FollowerRef(domain::kNotificationFollower)));
  return row == nullptr ? v1::Follower() : row->As<v1::Follower>();
}

bool IsHeld(const domain::Row& row, const v1::Follower& follower) {
  return static_cast<int64_t>(row.head.update_position()) <= follower.held_position();
}

bool IsDue(const domain::Row& row, int64_t now_us) {
  const auto& delivery = row.As<v1::Delivery>();
  return delivery.state() == v1::Delivery::PENDING &&
         TimeUtil::TimestampToMicroseconds(delivery.next_attempt_time()) <= now_us;
}

v1::Delivery::State StateAfter(const SendResult& result, bool again) {
  if (result.kind == SendResult::kSent) {
    return v1::Delivery::SENT;
  }
  return again ? v1::Delivery::PENDING : v1::Delivery::FAILED;
}

}  // namespace

Deliverer::Deliverer(const Parts& parts, DelivererOptions options)
    : parts_(parts),
      options_(std::move(options)),
      started_us_(parts.clock->WallMicros()),
      queues_(options_.outbox.mails_at_once, options_.outbox.posts_at_once),
      outbox_(std::make_unique<Outbox>(options_.outbox)),
      thread_([this] { Run(); }) {}

Deliverer::~Deliverer() { Stop(); }

bool Deliverer::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) {
    thread_.join();
    outbox_.reset();  // breaks off what is under way
    RecordEnded(absl::InfiniteFuture());
  }
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(this, &Deliverer::AllRecorded));
  return again_.empty();
}

Deliverer::Counts Deliverer::counts() const {
  absl::MutexLock lock(&mutex_);
  Counts counts = counts_;
  counts.waiting = known_.size();
  return counts;
}

void Deliverer::Run() {
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      mutex_.AwaitWithTimeout(absl::Condition(this, &Deliverer::HasEnded), kLook);
      if (stopping_) {
        return;
      }
    }
    RecordEnded(absl::Now());
    if (absl::Now() < next_look_) {
      StartWaiting();
      continue;
    }
    const absl::Time begin = absl::Now();
    for (Tenant* tenant : parts_.ledger->tenants().All()) {
      if (const absl::Status status = LookForDue(*tenant); !status.ok()) {
        const std::string fault(status.message());
        Log(LogLevel::kWarn, "looking for deliveries failed",
            {{"tenant", tenant->id}, {"fault", fault}});
      }
    }
    StartWaiting();
    next_look_ = absl::Now() + std::max(kLook, kRestPerLook * (absl::Now() - begin));
  }
}

absl::Status Deliverer::LookForDue(Tenant& tenant) {
  if (parts_.is_open && !parts_.is_open(tenant)) {
    return absl::OkStatus();
  }
  const RowView view(parts_.ledger->rows(), tenant.number, tenant.visible);
  const std::string end = domain::EncodeNumber(parts_.clock->WallMicros() + 1);
  RETRACE_ASSIGN(const v1::Follower follower, FollowerIn(view));
  if (follower.paused()) {
    return absl::OkStatus();
  }
  // What waits behind a destination that takes nothing is come to all the same, look by look.
  Cursor& at = looked_[&tenant];
  const size_t page = std::min(kPage, options_.entries_per_look);
  for (size_t read = 0; read < options_.entries_per_look && !IsStopping(); read += page) {
    RETRACE_ASSIGN(
        const auto hits,
        view.Find({KindNumber::kDelivery, domain::kNextAttemptIndex, at.value, end}, page));
    for (const domain::IndexHit& hit : hits) {
      if (hit.value != at.value || hit.id > at.id) {
        RETRACE_RETURN_IF_ERROR(Enqueue(tenant, hit.id, view, follower));
      }
    }
    if (hits.size() < page) {
      at = Cursor();  // from the beginning next time
      return absl::OkStatus();
    }
    // Of a moment with more than a page the rest waits for its turn.
    const bool one_moment = hits.back().value == at.value;
    at = one_moment ? Cursor{at.value + '\0', ""} : Cursor{hits.back().value, hits.back().id};
    RecordEnded(absl::Now());
    StartWaiting();
  }
  return absl::OkStatus();
}

absl::Status Deliverer::Enqueue(Tenant& tenant, const std::string& id, const RowView& view,
                                const v1::Follower& follower) {
  const DeliveryKey key{&tenant, id};
  {
    absl::MutexLock lock(&mutex_);
    if (known_.contains(key)) {
      return absl::OkStatus();
    }
  }
  RETRACE_ASSIGN(const RowPtr row, view.Get({KindNumber::kDelivery, id}));
  if (row == nullptr || IsHeld(*row, follower)) {
    return absl::OkStatus();
  }
  const auto& delivery = row->As<v1::Delivery>();
  const bool is_post = delivery.channel() == v1::WEBHOOK;
  if (queues_.Add({&tenant, is_post ? delivery.recipient() : ""}, key)) {
    absl::MutexLock lock(&mutex_);
    known_.insert(key);
  }
  return absl::OkStatus();
}

void Deliverer::StartWaiting() {
  std::map<Destination, size_t> freed;
  {
    absl::MutexLock lock(&mutex_);
    freed.swap(freed_);
  }
  for (const auto& [destination, places] : freed) {
    queues_.GiveBack(destination, places);
  }
  while (HasRoom()) {
    std::optional<DeliveryQueues::Taken> next = queues_.Take();
    if (!next.has_value()) {
      return;
    }
    Attempt attempt;
    attempt.key = std::move(next->key);
    attempt.destination = std::move(next->destination);
    attempt.record.set_delivery(attempt.key.id);
    Start(std::move(attempt));
  }
}

bool Deliverer::IsStopping() const {
  absl::MutexLock lock(&mutex_);
  return stopping_;
}

bool Deliverer::HasRoom() const {
  absl::MutexLock lock(&mutex_);
  return !stopping_ && again_.size() <= kMostUnrecorded;
}

void Deliverer::Start(Attempt attempt) {
  const absl::Status status = TryToStart(attempt);
  if (status.ok()) {
    return;
  }
  const std::string fault(status.message());
  Log(LogLevel::kWarn, "a delivery could not be tried",
      {{"tenant", attempt.key.tenant->id}, {"delivery", attempt.key.id}, {"fault", fault}});
  if (absl::IsInvalidArgument(status) || absl::IsDataLoss(status)) {
    EndWithout(attempt, v1::Delivery::FAILED, fault);
  } else if (attempt.record.attempt() == 0) {
    Forget(attempt);  // not even its row can be read
  } else {
    // It may pass, and is tried as often as what the other side does not take.
    End(std::move(attempt), {.kind = SendResult::kRetry, .detail = fault});
  }
}

absl::Status Deliverer::TryToStart(Attempt& attempt) {
  const Tenant& tenant = *attempt.key.tenant;
  const RowView view(parts_.ledger->rows(), tenant.number, tenant.visible);
  RETRACE_ASSIGN(const RowPtr row, view.Get({KindNumber::kDelivery, attempt.key.id}));
  RETRACE_ASSIGN(const v1::Follower follower, FollowerIn(view));
  if (row == nullptr || !IsDue(*row, parts_.clock->WallMicros()) || follower.paused() ||
      IsHeld(*row, follower)) {
    Forget(attempt);
    return absl::OkStatus();
  }
  const auto& delivery = row->As<v1::Delivery>();
  attempt.record.set_attempt(delivery.attempt_count() + 1);
  attempt.record.set_seen_position(static_cast<int64_t>(view.position()));
  RETRACE_ASSIGN(const RowPtr notification_row,
                 view.Get({KindNumber::kNotification, domain::IdOfName(delivery.notification())}));
  if (notification_row == nullptr) {
    return absl::DataLossError(fmt::format("{} is missing.", delivery.notification()));
  }
  const auto& notification = notification_row->As<v1::Notification>();
  attempt.record.set_taken_back_count(notification.taken_back_count());
  if (static_cast<int64_t>(row->head.update_position()) <= follower.skipped_position()) {
    EndWithout(attempt, v1::Delivery::SKIPPED, "an administrator skipped what was held");
    return absl::OkStatus();
  }
  if (!domain::Stands(notification)) {
    // A server that was killed may have sent it without recording that.
    const bool tried_before = TimeUtil::TimestampToMicroseconds(delivery.next_attempt_time()) <=
                              parts_.clock->UnrecordedUntilMicros();
    EndWithout(attempt, v1::Delivery::CANCELLED, "undone before it left", tried_before);
    return absl::OkStatus();
  }
  RETRACE_ASSIGN(const bool wanted, domain::MayReach(delivery.recipient(), delivery.channel(),
                                                     delivery.kind(), view, tenant.id));
  if (!wanted) {
    EndWithout(attempt, v1::Delivery::SUPPRESSED,
               "the recipient opted out, or the contact point is suppressed");
    return absl::OkStatus();
  }
  return delivery.channel() == v1::WEBHOOK ? SendPost(attempt, *row, *notification_row)
                                           : SendMail(attempt, *row, notification);
}

absl::Status Deliverer::SendMail(Attempt& attempt, const domain::Row& delivery_row,
                                 const v1::Notification& notification) {
  const MailParts parts{.ledger = parts_.ledger,
                        .principals = parts_.principals,
                        .public_url = options_.public_url,
                        .message_domain = options_.outbox.mail.sender.from.Domain()};
  RETRACE_ASSIGN(std::optional<DeliveryMail> mail,
                 MailOf(parts, *attempt.key.tenant, attempt.key.id, delivery_row, notification));
  if (!mail.has_value()) {
    EndWithout(attempt, v1::Delivery::FAILED, "the recipient has no address");
    return absl::OkStatus();
  }
  attempt.note = std::move(mail->note);
  outbox_->Send(std::move(mail->mail),
                [this, attempt](const SendResult& result) { End(attempt, result); });
  return absl::OkStatus();
}

absl::Status Deliverer::SendPost(Attempt& attempt, const domain::Row& delivery_row,
                                 const domain::Row& notification_row) {
  const Tenant& tenant = *attempt.key.tenant;
  const auto& delivery = delivery_row.As<v1::Delivery>();
  const auto& notification = notification_row.As<v1::Notification>();
  const RowView view(parts_.ledger->rows(), tenant.number, tenant.visible);
  const domain::EntityRef entity{KindNumber::kWebhook, domain::IdOfName(delivery.recipient())};
  RETRACE_ASSIGN(const RowPtr webhook, view.Get(entity));
  if (webhook == nullptr || !domain::Takes(*webhook, delivery.kind())) {
    EndWithout(attempt, v1::Delivery::SUPPRESSED, "the webhook takes nothing now");
    return absl::OkStatus();
  }
  const WebhookDelivery sent{
      .webhook = entity,
      .endpoint = webhook->As<v1::Webhook>(),
      .id = fmt::format("{}.{:x}", attempt.key.id, delivery_row.head.create_time_us()),
      .notification_name = delivery.notification(),
      .notification = notification,
      .notification_time_us = notification_row.head.create_time_us()};
  RETRACE_ASSIGN(OutgoingPost post,
                 PostOf(parts_.ledger->keys(), tenant, sent, parts_.clock->WallMicros(),
                        absl::ToUnixMicros(absl::Now())));
  // A try is made once, and tells nothing of what else the endpoint takes.
  attempt.once = delivery.kind() == domain::kWebhookTested;
  attempt.since_us = attempt.once ? 0 : delivery_row.head.create_time_us();
  attempt.webhook_revision = webhook->head.revision();
  outbox_->Send(std::move(post),
                [this, attempt](const SendResult& result) { End(attempt, result); });
  return absl::OkStatus();
}

void Deliverer::End(Attempt attempt, const SendResult& result) {
  const bool is_post = !attempt.destination.webhook.empty();
  absl::MutexLock lock(&mutex_);
  ++freed_[attempt.destination];
  // That we stop is no fault of the other side: what was not sent stays due as it is, and a lost
  // answer is asked for again.
  if (stopping_ && result.kind == SendResult::kRetry && result.code == 0) {
    known_.erase(attempt.key);
    return;
  }
  const bool broken_off = stopping_ && result.kind == SendResult::kUnknown;
  const bool over = attempt.once || result.kind == SendResult::kSent ||
                    result.kind == SendResult::kRefused || result.kind == SendResult::kGone;
  absl::BitGen random;
  const std::optional<int64_t> after =
      over ? std::nullopt
           : NextAttemptAfter(is_post ? SendChannel::kWebhook : SendChannel::kMail,
                              broken_off ? 1 : attempt.record.attempt(),
                              absl::Uniform(random, 0.0, 1.0), result.retry_after_us);
  store::v1::RecordAttempt& record = attempt.record;
  record.set_state(StateAfter(result, after.has_value()));
  record.set_result(result.detail + attempt.note);
  record.set_may_have_arrived(result.kind == SendResult::kUnknown);
  record.set_address_refused(!is_post && IsAboutAddress(result));
  if (after.has_value()) {
    record.set_next_attempt_us(parts_.clock->WallMicros() + *after);
  }
  counts_.sent += record.state() == v1::Delivery::SENT ? 1 : 0;
  counts_.retried += record.state() == v1::Delivery::PENDING ? 1 : 0;
  counts_.failed += record.state() == v1::Delivery::FAILED ? 1 : 0;
  // What arrived before the start is not known: it counts as if something had.
  int64_t& arrived_us = arrived_us_.try_emplace(attempt.destination, started_us_).first->second;
  if (result.kind == SendResult::kSent) {
    arrived_us = parts_.clock->WallMicros();
  }
  // An endpoint that says so, or that took nothing since, gets nothing more.
  const bool dead = record.state() == v1::Delivery::FAILED && arrived_us < attempt.since_us;
  Ended ended{.key = attempt.key, .record = record};
  if (attempt.since_us > 0 && (result.kind == SendResult::kGone || dead)) {
    ended.disable.set_webhook(domain::IdOfName(attempt.destination.webhook));
    ended.disable.set_reason(result.detail);
    ended.disable.set_revision(attempt.webhook_revision);
  }
  ended_.push_back(std::move(ended));
}

void Deliverer::Forget(const Attempt& attempt) {
  queues_.GiveBack(attempt.destination);
  absl::MutexLock lock(&mutex_);
  known_.erase(attempt.key);
}

void Deliverer::EndWithout(const Attempt& attempt, v1::Delivery::State state, std::string why,
                           bool may_have_arrived) {
  store::v1::RecordAttempt record;
  record.set_delivery(attempt.key.id);
  record.set_state(state);
  record.set_result(std::move(why));
  record.set_may_have_arrived(may_have_arrived);
  absl::MutexLock lock(&mutex_);
  ++freed_[attempt.destination];
  counts_.suppressed += state == v1::Delivery::SUPPRESSED ? 1 : 0;
  ended_.push_back({.key = attempt.key, .record = std::move(record)});
}

void Deliverer::RecordEnded(absl::Time by) {
  std::vector<Ended> ended;
  {
    absl::MutexLock lock(&mutex_);
    ended.swap(ended_);
    const auto due = std::stable_partition(again_.begin(), again_.end(),
                                           [by](const Ended& one) { return one.try_time > by; });
    std::move(due, again_.end(), std::back_inserter(ended));
    again_.erase(due, again_.end());
    recording_ += ended.size();
  }
  for (Ended& one : ended) {
    Record(std::move(one));
  }
}

// Recorded until it is: a result that is not there would be sent again.
void Deliverer::Record(Ended ended) {
  Command command;
  command.tenant = ended.key.tenant;
  command.principal = ServerItself();
  command.method = "retraced.RecordAttempt";
  command.cost = kCost;
  const auto shared = std::make_shared<Ended>(std::move(ended));
  command.decide = [shared](domain::Draft& draft, const domain::Context& context) -> absl::Status {
    RETRACE_RETURN_IF_ERROR(domain::Decide(shared->record, draft, context));
    return shared->disable.webhook().empty() ? absl::OkStatus()
                                             : domain::Decide(shared->disable, draft, context);
  };
  command.done = [this, shared](const CommandResult& result) {
    if (!result.status.ok() && shared->wait == absl::ZeroDuration()) {
      const std::string fault(result.status.message());
      Log(LogLevel::kWarn, "what came of a delivery could not be recorded",
          {{"delivery", shared->key.id}, {"fault", fault}});
    }
    absl::MutexLock lock(&mutex_);
    --recording_;
    if (result.status.ok()) {
      known_.erase(shared->key);
      return;
    }
    shared->wait = std::clamp(2 * shared->wait, kShortestWait, kLongestWait);
    shared->try_time = absl::Now() + shared->wait;
    again_.push_back(*shared);
  };
  parts_.sequencer->Submit(std::move(command));
}

}  // namespace retrace::server
