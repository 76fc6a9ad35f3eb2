#include "server/deliverer.h"

#include <algorithm>
#include <array>

#include "absl/random/random.h"
#include "absl/time/clock.h"
#include "domain/commands.h"
#include "domain/delivery.h"
#include "domain/follower.h"
#include "domain/index_values.h"
#include "domain/notification.h"
#include "domain/notification_kinds.h"
#include "domain/recipient.h"
#include "domain/refusal.h"
#include "domain/resource.h"
#include "domain/status_macros.h"
#include "domain/webhook.h"
#include "fmt/format.h"
#include "google/protobuf/util/time_util.h"
#include "retrace/store/v1/webhooks.pb.h"
#include "server/logging.h"
#include "server/message.h"
#include "server/message_values.h"
#include "server/outbound/retry_schedule.h"
#include "server/submit.h"
#include "server/system_log.h"
#include "server/unsubscribe.h"
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
// Deliveries of one destination that are held in memory; further ones wait in their rows.
constexpr size_t kMostQueued = 500;
constexpr size_t kMostPostsPerEndpoint = 4;
constexpr std::string_view kMail = "mail/";
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

store::v1::RecordAttempt AttemptAt(const std::string& id, const v1::Delivery& delivery,
                                   const v1::Notification& notification,
                                   eventstore::Position seen) {
  store::v1::RecordAttempt attempt;
  attempt.set_seen_position(static_cast<int64_t>(seen));
  attempt.set_delivery(id);
  attempt.set_attempt(delivery.attempt_count() + 1);
  attempt.set_taken_back_count(notification.taken_back_count());
  return attempt;
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
      outbox_(std::make_unique<Outbox>(options_.outbox)),
      thread_([this] { Run(); }) {}

Deliverer::~Deliverer() { Stop(); }

void Deliverer::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) {
    thread_.join();
  }
  outbox_.reset();  // breaks off what is under way
  RecordEnded();
  absl::MutexLock lock(&mutex_);
  mutex_.Await(absl::Condition(this, &Deliverer::AllRecorded));
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
    RecordEnded();
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

size_t Deliverer::MostUnderWay(const std::string& destination) const {
  return destination.starts_with(kMail) ? options_.outbox.mails_at_once : kMostPostsPerEndpoint;
}

absl::Status Deliverer::LookForDue(Tenant& tenant) {
  if (parts_.is_open && !parts_.is_open(tenant)) {
    return absl::OkStatus();
  }
  const RowView view(parts_.ledger->rows(), tenant.number, tenant.visible);
  const std::string end = domain::EncodeNumber(parts_.clock->WallMicros() + 1);
  RETRACE_ASSIGN(const RowPtr row, view.Get(domain::FollowerRef(domain::kNotificationFollower)));
  const v1::Follower follower = row == nullptr ? v1::Follower() : row->As<v1::Follower>();
  if (follower.paused()) {
    return absl::OkStatus();
  }
  std::string begin;
  std::string last;  // of the page before
  while (true) {
    RETRACE_ASSIGN(
        const auto hits,
        view.Find({KindNumber::kDelivery, domain::kNextAttemptIndex, begin, end}, kPage));
    for (const domain::IndexHit& hit : hits) {
      if (hit.value != begin || hit.id > last) {
        RETRACE_RETURN_IF_ERROR(Enqueue(tenant, hit.id, view, follower.held_position()));
      }
    }
    // A page of nothing but one moment is gone over once; what is behind it waits for its turn.
    if (hits.size() < kPage || hits.back().value == begin) {
      return absl::OkStatus();
    }
    begin = hits.back().value;
    last = hits.back().id;
  }
}

absl::Status Deliverer::Enqueue(Tenant& tenant, const std::string& id, const RowView& view,
                                int64_t held_position) {
  const Key key{&tenant, id};
  {
    absl::MutexLock lock(&mutex_);
    if (known_.contains(key)) {
      return absl::OkStatus();
    }
  }
  RETRACE_ASSIGN(const RowPtr row, view.Get({KindNumber::kDelivery, id}));
  if (row == nullptr || static_cast<int64_t>(row->head.update_position()) <= held_position) {
    return absl::OkStatus();
  }
  const auto& delivery = row->As<v1::Delivery>();
  const std::string name = delivery.channel() == v1::WEBHOOK
                               ? delivery.recipient()
                               : fmt::format("{}{}", kMail, tenant.id);
  Destination& destination = destinations_[name];
  if (destination.queue.size() >= kMostQueued) {
    return absl::OkStatus();
  }
  destination.queue.push_back(key);
  absl::MutexLock lock(&mutex_);
  known_.insert(key);
  return absl::OkStatus();
}

void Deliverer::StartWaiting() {
  std::map<std::string, size_t> freed;
  {
    absl::MutexLock lock(&mutex_);
    freed.swap(freed_);
  }
  for (const auto& [destination, places] : freed) {
    destinations_[destination].under_way -= places;
  }
  for (auto& [name, destination] : destinations_) {
    while (!destination.queue.empty() && destination.under_way < MostUnderWay(name)) {
      const Key key = std::move(destination.queue.front());
      destination.queue.pop_front();
      ++destination.under_way;
      Start(key, name);
    }
  }
  std::erase_if(destinations_, [](const auto& one) {
    return one.second.queue.empty() && one.second.under_way == 0;
  });
}

void Deliverer::Start(const Key& key, const std::string& destination) {
  const absl::Status status = TryToStart(key, destination);
  if (status.ok()) {
    return;
  }
  const std::string fault(status.message());
  Log(LogLevel::kWarn, "a delivery could not be tried",
      {{"tenant", key.tenant->id}, {"delivery", key.id}, {"fault", fault}});
  // What cannot be read or composed may be mended.
  const bool for_good = absl::IsInvalidArgument(status) || absl::IsDataLoss(status);
  if (for_good) {
    EndWithout(key, destination, v1::Delivery::FAILED, fault);
  } else {
    Forget(key, destination);
  }
}

absl::Status Deliverer::TryToStart(const Key& key, const std::string& destination) {
  const Tenant& tenant = *key.tenant;
  const RowView view(parts_.ledger->rows(), tenant.number, tenant.visible);
  RETRACE_ASSIGN(const RowPtr row, view.Get({KindNumber::kDelivery, key.id}));
  RETRACE_ASSIGN(const RowPtr followed,
                 view.Get(domain::FollowerRef(domain::kNotificationFollower)));
  const v1::Follower follower = followed == nullptr ? v1::Follower() : followed->As<v1::Follower>();
  const int64_t now_us = parts_.clock->WallMicros();
  if (row == nullptr || !IsDue(*row, now_us) || follower.paused() ||
      static_cast<int64_t>(row->head.update_position()) <= follower.held_position()) {
    Forget(key, destination);
    return absl::OkStatus();
  }
  const auto& delivery = row->As<v1::Delivery>();
  RETRACE_ASSIGN(const RowPtr notification,
                 view.Get({KindNumber::kNotification, domain::IdOfName(delivery.notification())}));
  if (notification == nullptr) {
    return absl::DataLossError(fmt::format("{} is missing.", delivery.notification()));
  }
  if (static_cast<int64_t>(row->head.update_position()) <= follower.skipped_position()) {
    EndWithout(key, destination, v1::Delivery::SKIPPED, "an administrator skipped what was held");
    return absl::OkStatus();
  }
  if (!domain::Stands(notification->As<v1::Notification>())) {
    // A server that was killed may have sent it without recording that.
    const bool tried_before =
        TimeUtil::TimestampToMicroseconds(delivery.next_attempt_time()) < started_us_;
    EndWithout(key, destination, v1::Delivery::CANCELLED, "undone before it left", tried_before);
    return absl::OkStatus();
  }
  RETRACE_ASSIGN(const bool wanted, domain::MayReach(delivery.recipient(), delivery.channel(),
                                                     delivery.kind(), view, tenant.id));
  if (!wanted) {
    EndWithout(key, destination, v1::Delivery::SUPPRESSED,
               "the recipient opted out, or the contact point is suppressed");
    return absl::OkStatus();
  }
  return delivery.channel() == v1::WEBHOOK
             ? SendPost(key, destination, *row, *notification)
             : SendMail(key, destination, *row, notification->As<v1::Notification>());
}

absl::Status Deliverer::SendMail(const Key& key, const std::string& destination,
                                 const domain::Row& delivery_row,
                                 const v1::Notification& notification) {
  const Tenant& tenant = *key.tenant;
  const auto& delivery = delivery_row.As<v1::Delivery>();
  const Ledger& ledger = *parts_.ledger;
  const RowView view(ledger.rows(), tenant.number, tenant.visible);
  RETRACE_ASSIGN(const std::string address,
                 AddressOf(ledger, *parts_.principals, tenant, delivery.recipient()));
  if (address.empty()) {
    EndWithout(key, destination, v1::Delivery::FAILED, "the recipient has no address");
    return absl::OkStatus();
  }
  RETRACE_ASSIGN(const std::string language,
                 LanguageOf(ledger, *parts_.principals, tenant, delivery.recipient()));
  RETRACE_ASSIGN(MessageValues values,
                 ValuesOf(ledger, *parts_.principals, tenant, delivery.notification(), notification,
                          delivery.recipient()));
  const domain::NotificationKind* kind = domain::FindNotificationKind(notification.kind());
  if (!options_.public_url.empty() && kind != nullptr && !kind->transactional) {
    RETRACE_ASSIGN(const std::string token, UnsubscribeToken(*parts_.ledger, tenant, key.id));
    values.unsubscribe_url = fmt::format("{}/u/{}", options_.public_url, token);
  }
  WrittenMessage message = Compose(view, language, values);
  if (!message.fault.empty()) {
    Log(LogLevel::kWarn, "a template is broken",
        {{"tenant", tenant.id}, {"kind", notification.kind()}, {"fault", message.fault}});
  }
  const auto message_id = [this, &tenant](const std::string& id, int64_t create_time_us) {
    return fmt::format("{}.{}.{:x}@{}", id, tenant.number, create_time_us,
                       options_.outbox.mail.sender.from.Domain());
  };
  OutgoingMail mail;
  mail.to = {values.recipient_name, address};
  mail.subject = std::move(message.subject);
  mail.text = std::move(message.text);
  mail.html = std::move(message.html);
  mail.time_us = delivery_row.head.create_time_us();
  // Ids and positions alone may come again after a recovery; the time makes the difference.
  mail.message_id = message_id(key.id, delivery_row.head.create_time_us());
  mail.unsubscribe_url = values.unsubscribe_url;
  if (!notification.corrects().empty()) {
    const domain::EntityRef before = domain::DeliveryRef(domain::IdOfName(notification.corrects()),
                                                         v1::EMAIL, delivery.recipient());
    RETRACE_ASSIGN(const RowPtr told, view.Get(before));
    if (told != nullptr) {
      mail.references.push_back(message_id(before.id, told->head.create_time_us()));
    }
  }
  store::v1::RecordAttempt attempt = AttemptAt(key.id, delivery, notification, view.position());
  outbox_->Send(std::move(mail), [this, key, destination, attempt](SendResult result) {
    End(key, destination, result, attempt, v1::EMAIL, 0);
  });
  return absl::OkStatus();
}

absl::Status Deliverer::SendPost(const Key& key, const std::string& destination,
                                 const domain::Row& delivery_row,
                                 const domain::Row& notification_row) {
  const Tenant& tenant = *key.tenant;
  const auto& delivery = delivery_row.As<v1::Delivery>();
  const auto& notification = notification_row.As<v1::Notification>();
  const RowView view(parts_.ledger->rows(), tenant.number, tenant.visible);
  const domain::EntityRef entity{KindNumber::kWebhook, domain::IdOfName(delivery.recipient())};
  RETRACE_ASSIGN(const RowPtr webhook, view.Get(entity));
  if (webhook == nullptr || !domain::Takes(*webhook, delivery.kind())) {
    EndWithout(key, destination, v1::Delivery::SUPPRESSED, "the webhook takes nothing now");
    return absl::OkStatus();
  }
  const WebhookDelivery sent{
      .webhook = entity,
      .endpoint = webhook->As<v1::Webhook>(),
      .id = fmt::format("{}.{:x}", key.id, delivery_row.head.create_time_us()),
      .notification_name = delivery.notification(),
      .notification = notification,
      .notification_time_us = notification_row.head.create_time_us()};
  RETRACE_ASSIGN(OutgoingPost post,
                 PostOf(parts_.ledger->keys(), tenant, sent, parts_.clock->WallMicros(),
                        absl::ToUnixMicros(absl::Now())));
  store::v1::RecordAttempt attempt = AttemptAt(key.id, delivery, notification, view.position());
  // A try is made once, and tells nothing of what else the endpoint takes.
  const bool is_try = delivery.kind() == domain::kWebhookTested;
  const int64_t since_us = is_try ? 0 : delivery_row.head.create_time_us();
  outbox_->Send(std::move(post),
                [this, key, destination, attempt, since_us, is_try](SendResult result) {
                  if (is_try && result.kind != SendResult::kSent)
                    result.kind = SendResult::kRefused;
                  End(key, destination, result, attempt, v1::WEBHOOK, since_us);
                });
  return absl::OkStatus();
}

void Deliverer::End(const Key& key, const std::string& destination, const SendResult& result,
                    store::v1::RecordAttempt attempt, v1::Channel channel, int64_t since_us) {
  const bool over = result.kind == SendResult::kSent || result.kind == SendResult::kRefused ||
                    result.kind == SendResult::kGone;
  absl::BitGen random;
  const std::optional<int64_t> after =
      over ? std::nullopt
           : NextAttemptAfter(channel == v1::EMAIL ? SendChannel::kMail : SendChannel::kWebhook,
                              attempt.attempt(), absl::Uniform(random, 0.0, 1.0),
                              result.retry_after_us);
  attempt.set_state(StateAfter(result, after.has_value()));
  attempt.set_result(result.detail);
  attempt.set_may_have_arrived(result.kind == SendResult::kUnknown);
  attempt.set_address_refused(channel == v1::EMAIL && IsAboutAddress(result));
  if (after.has_value()) {
    attempt.set_next_attempt_us(parts_.clock->WallMicros() + *after);
  }
  absl::MutexLock lock(&mutex_);
  counts_.sent += attempt.state() == v1::Delivery::SENT ? 1 : 0;
  counts_.retried += attempt.state() == v1::Delivery::PENDING ? 1 : 0;
  counts_.failed += attempt.state() == v1::Delivery::FAILED ? 1 : 0;
  ++freed_[destination];
  int64_t& arrived_us = arrived_us_[destination];
  if (result.kind == SendResult::kSent) {
    arrived_us = parts_.clock->WallMicros();
  }
  // An endpoint that says so, or that took nothing since, gets nothing more.
  const bool dead = attempt.state() == v1::Delivery::FAILED && arrived_us < since_us;
  const bool disable = channel == v1::WEBHOOK && (result.kind == SendResult::kGone || dead);
  const std::string webhook = disable ? domain::IdOfName(destination) : std::string();
  ended_.push_back({.key = key, .attempt = std::move(attempt), .disabled_webhook = webhook});
}

void Deliverer::Forget(const Key& key, const std::string& destination) {
  absl::MutexLock lock(&mutex_);
  ++freed_[destination];
  known_.erase(key);
}

void Deliverer::EndWithout(const Key& key, const std::string& destination,
                           v1::Delivery::State state, std::string why, bool may_have_arrived) {
  store::v1::RecordAttempt attempt;
  attempt.set_delivery(key.id);
  attempt.set_state(state);
  attempt.set_result(std::move(why));
  attempt.set_may_have_arrived(may_have_arrived);
  absl::MutexLock lock(&mutex_);
  ++freed_[destination];
  counts_.suppressed += state == v1::Delivery::SUPPRESSED ? 1 : 0;
  ended_.push_back({.key = key, .attempt = std::move(attempt)});
}

void Deliverer::RecordEnded() {
  std::vector<Ended> ended;
  {
    absl::MutexLock lock(&mutex_);
    ended.swap(ended_);
    const absl::Time now = absl::Now();
    const auto due = std::stable_partition(again_.begin(), again_.end(),
                                           [now](const Ended& one) { return one.try_time > now; });
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
    RETRACE_RETURN_IF_ERROR(domain::Decide(shared->attempt, draft, context));
    if (shared->disabled_webhook.empty()) {
      return absl::OkStatus();
    }
    store::v1::DisableWebhook disable;
    disable.set_webhook(shared->disabled_webhook);
    disable.set_reason(shared->attempt.result());
    return domain::Decide(disable, draft, context);
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
