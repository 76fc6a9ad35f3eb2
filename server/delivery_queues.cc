#include "server/delivery_queues.h"

#include <algorithm>
#include <utility>

namespace retrace::server {
namespace {

// Deliveries of one destination that are held in memory; further ones wait in their rows.
constexpr size_t kMostWaiting = 500;
constexpr size_t kMostOfWebhook = 4;
// The webhooks of one tenant have this part of all posts.
constexpr size_t kShare = 4;

}  // namespace

bool DeliveryQueues::Add(const Destination& destination, DeliveryKey key) {
  Queue& queue = queues_[destination];
  if (queue.waiting.size() >= kMostWaiting) {
    return false;
  }
  queue.waiting.push_back(std::move(key));
  return true;
}

std::optional<DeliveryQueues::Taken> DeliveryQueues::Take() {
  auto next = queues_.upper_bound(last_);
  for (size_t looked = 0; looked < queues_.size(); ++looked, ++next) {
    if (next == queues_.end()) {
      next = queues_.begin();
    }
    auto& [destination, queue] = *next;
    if (MayTake(destination, queue)) {
      Taken taken{destination, std::move(queue.waiting.front())};
      queue.waiting.pop_front();
      Count(destination, 1);
      ++queue.under_way;
      last_ = destination;
      return taken;
    }
  }
  return std::nullopt;
}

void DeliveryQueues::GiveBack(const Destination& destination, size_t places) {
  const auto queue = queues_.find(destination);
  queue->second.under_way -= places;
  Count(destination, -static_cast<ptrdiff_t>(places));
  if (queue->second.under_way == 0 && queue->second.waiting.empty()) {
    queues_.erase(queue);
  }
}

bool DeliveryQueues::MayTake(const Destination& destination, const Queue& queue) const {
  if (queue.waiting.empty()) {
    return false;
  }
  if (destination.webhook.empty()) {
    return mails_under_way_ < mails_;
  }
  const auto of_tenant = posts_of_tenant_.find(destination.tenant);
  return posts_under_way_ < posts_ && queue.under_way < kMostOfWebhook &&
         (of_tenant == posts_of_tenant_.end() ||
          of_tenant->second < std::max<size_t>(1, posts_ / kShare));
}

void DeliveryQueues::Count(const Destination& destination, ptrdiff_t places) {
  const auto change = static_cast<size_t>(places);  // wraps around as unsigned numbers do
  if (destination.webhook.empty()) {
    mails_under_way_ += change;
    return;
  }
  posts_under_way_ += change;
  const auto of_tenant = posts_of_tenant_.try_emplace(destination.tenant, 0).first;
  of_tenant->second += change;
  if (of_tenant->second == 0) {
    posts_of_tenant_.erase(of_tenant);
  }
}

}  // namespace retrace::server
