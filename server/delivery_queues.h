// Deliveries that wait in memory for their turn, and how many are under way to where.
//
// Each destination has a queue of its own, and the destinations take turns, so that none waits for
// another. The bounds are those of the Outbox: what is taken begins at once, so that nothing waits
// between the moment at which it is judged and the one at which it leaves.
#pragma once

#include <compare>
#include <cstddef>
#include <deque>
#include <map>
#include <optional>
#include <string>

#include "server/tenants.h"

namespace retrace::server {

// A delivery.
struct DeliveryKey {
  Tenant* tenant = nullptr;
  std::string id;
  auto operator<=>(const DeliveryKey&) const = default;
};

// What deliveries share a queue for: the mail of a tenant, or one of its webhooks.
struct Destination {
  const Tenant* tenant = nullptr;
  std::string webhook;  // its name; empty: mail
  auto operator<=>(const Destination&) const = default;
};

// Thread-compatible.
class DeliveryQueues {
 public:
  // How many may be under way at once, to all tenants' destinations. One webhook has four of them
  // at most, the webhooks of one tenant a quarter.
  DeliveryQueues(size_t mails, size_t posts) : mails_(mails), posts_(posts) {}

  // False when too many wait for the destination already.
  bool Add(const Destination& destination, DeliveryKey key);

  struct Taken {
    Destination destination;
    DeliveryKey key;
  };
  // The next one, which is under way until its place is given back. Nothing when nothing waits, or
  // nothing of it may be under way besides.
  std::optional<Taken> Take();
  void GiveBack(const Destination& destination, size_t places = 1);

 private:
  struct Queue {
    std::deque<DeliveryKey> waiting;
    size_t under_way = 0;
  };
  using Queues = std::map<Destination, Queue>;

  bool MayTake(const Destination& destination, const Queue& queue) const;
  void Count(const Destination& destination, ptrdiff_t places);

  const size_t mails_;
  const size_t posts_;
  Queues queues_;
  Destination last_;  // whose turn it was
  // Under way, in all.
  size_t mails_under_way_ = 0;
  size_t posts_under_way_ = 0;
  std::map<const Tenant*, size_t> posts_of_tenant_;
};

}  // namespace retrace::server
