// What a query is told beside its request: who asks, of which tenant, and how long it may take.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "server/principal.h"
#include "server/tenants.h"

namespace retrace::server {

// One call of a query. The caller has been authorised for the method and the tenant before.
struct QueryCall {
  PrincipalPtr principal;    // never null
  Tenant* tenant = nullptr;  // that the request names; of Tenants' own methods: the tenant `system`
  std::string method;        // full name of the RPC, e.g. "retrace.v1.Customers.ListCustomers"
  absl::Time start = absl::Now();
  absl::Time deadline = absl::InfiniteFuture();
  // Becomes true when the caller went away. Null: never.
  std::shared_ptr<const std::atomic<bool>> cancelled;

  // When a page that is not full yet is handed out as it is: half of what the caller granted is
  // over.
  absl::Time half_way() const {
    return deadline == absl::InfiniteFuture() ? deadline : start + (deadline - start) / 2;
  }
  bool gone() const { return cancelled != nullptr && cancelled->load(std::memory_order_relaxed); }
};

}  // namespace retrace::server
