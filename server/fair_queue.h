// Commands that wait, a queue per tenant, served by deficit round robin: in each round a tenant may
// spend a fixed number of keys, so one that imports does not make another wait for more than a
// round.
#pragma once

#include <cstddef>
#include <deque>
#include <list>
#include <memory>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "server/sequencer.h"

namespace retrace::server {

// Thread-compatible: the sequencer guards it.
class FairQueue {
 public:
  explicit FairQueue(const SequencerOptions& options) : options_(options) {}

  // True when there is room for another command of this size.
  bool HasRoom(const Tenant* tenant, size_t bytes) const;
  void Push(Command command);
  // Puts commands back to the front of their tenant's queue, keeping their order: they are decided
  // again.
  void PutBack(Tenant* tenant, std::vector<Command> commands);
  // The next command by fairness; nothing when empty.
  std::optional<Command> Pop();
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

 private:
  struct TenantQueue {
    std::deque<Command> commands;
    size_t bytes = 0;
    int64_t deficit = 0;
    bool active = false;
  };
  // Keys that a tenant may spend per round: about what one group of a lone tenant writes in a
  // millisecond.
  static constexpr int64_t kQuantum = 256;

  void Activate(Tenant* tenant, TenantQueue& queue);

  const SequencerOptions& options_;
  absl::flat_hash_map<Tenant*, std::unique_ptr<TenantQueue>> queues_;
  std::list<Tenant*> round_;  // tenants with waiting commands, next first
  size_t size_ = 0;
  size_t bytes_ = 0;
};

// What a command takes in the queue, in bytes.
size_t QueueBytes(const Command& command);

}  // namespace retrace::server
