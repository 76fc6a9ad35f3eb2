#include "server/tenants.h"

#include <algorithm>
#include <utility>

namespace retrace::server {

Tenants::Tenants() { system_ = Add(kSystemTenantId, eventstore::kSystemTenant); }

Tenant* Tenants::Find(std::string_view id) const {
  absl::ReaderMutexLock lock(&mutex_);
  auto it = by_id_.find(absl::string_view(id.data(), id.size()));
  return it == by_id_.end() ? nullptr : it->second.get();
}

Tenant* Tenants::Find(eventstore::TenantNumber number) const {
  absl::ReaderMutexLock lock(&mutex_);
  auto it = by_number_.find(number);
  return it == by_number_.end() ? nullptr : it->second;
}

Tenant* Tenants::Add(std::string_view id, eventstore::TenantNumber number) {
  absl::MutexLock lock(&mutex_);
  auto& tenant = by_id_[std::string(id)];
  if (tenant == nullptr) {
    tenant = std::make_unique<Tenant>(std::string(id), number);
    by_number_[number] = tenant.get();
  }
  return tenant.get();
}

std::vector<Tenant*> Tenants::All() const {
  std::vector<Tenant*> all;
  {
    absl::ReaderMutexLock lock(&mutex_);
    for (const auto& [id, tenant] : by_id_) {
      if (tenant.get() != system_) all.push_back(tenant.get());
    }
  }
  std::sort(all.begin(), all.end(), [](const Tenant* a, const Tenant* b) { return a->id < b->id; });
  return all;
}

void Tenants::NotifyVisible() {
  absl::MutexLock lock(&mutex_);
  ++changes_;
}

uint64_t Tenants::WaitForChange(uint64_t seen, absl::Duration timeout) const {
  absl::ReaderMutexLock lock(&mutex_);
  auto changed = [this, seen]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return changes_ != seen; };
  mutex_.AwaitWithTimeout(absl::Condition(&changed), timeout);
  return changes_;
}

uint64_t Tenants::changes() const {
  absl::ReaderMutexLock lock(&mutex_);
  return changes_;
}

}  // namespace retrace::server
