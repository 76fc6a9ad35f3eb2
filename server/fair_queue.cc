#include "server/fair_queue.h"

#include <utility>

namespace retrace::server {

size_t QueueBytes(const Command& command) { return sizeof(Command) + command.request_bytes.size(); }

bool FairQueue::HasRoom(const Tenant* tenant, size_t bytes) const {
  if (bytes_ + bytes > options_.max_bytes) return false;
  auto it = queues_.find(const_cast<Tenant*>(tenant));
  if (it == queues_.end()) return true;
  return it->second->commands.size() < options_.max_commands_per_tenant &&
         it->second->bytes + bytes <= options_.max_bytes_per_tenant;
}

void FairQueue::Activate(Tenant* tenant, TenantQueue& queue) {
  if (queue.active) return;
  queue.active = true;
  queue.deficit = kQuantum;
  round_.push_back(tenant);
}

void FairQueue::Push(Command command) {
  auto& queue = queues_[command.tenant];
  if (queue == nullptr) queue = std::make_unique<TenantQueue>();
  const size_t bytes = QueueBytes(command);
  queue->bytes += bytes;
  bytes_ += bytes;
  ++size_;
  Activate(command.tenant, *queue);
  queue->commands.push_back(std::move(command));
}

void FairQueue::PutBack(Tenant* tenant, std::vector<Command> commands) {
  auto& queue = queues_[tenant];
  if (queue == nullptr) queue = std::make_unique<TenantQueue>();
  for (auto it = commands.rbegin(); it != commands.rend(); ++it) {
    const size_t bytes = QueueBytes(*it);
    queue->bytes += bytes;
    bytes_ += bytes;
    ++size_;
    queue->commands.push_front(std::move(*it));
  }
  if (!queue->commands.empty()) Activate(tenant, *queue);
}

std::optional<Command> FairQueue::Pop() {
  while (!round_.empty()) {
    Tenant* tenant = round_.front();
    TenantQueue& queue = *queues_[tenant];
    if (queue.commands.empty()) {
      queue.active = false;
      round_.pop_front();
      continue;
    }
    if (queue.deficit <= 0) {  // spent: to the end of the round
      queue.deficit += kQuantum;
      round_.splice(round_.end(), round_, round_.begin());
      continue;
    }
    Command command = std::move(queue.commands.front());
    queue.commands.pop_front();
    queue.deficit -= static_cast<int64_t>(command.cost);
    const size_t bytes = QueueBytes(command);
    queue.bytes -= bytes;
    bytes_ -= bytes;
    --size_;
    return command;
  }
  return std::nullopt;
}

}  // namespace retrace::server
