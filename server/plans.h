// Plans: the real decider of a destructive command, run on a pinned view, away from the sequencer.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "retrace/v1/plans.pb.h"
#include "server/ledger.h"
#include "server/plan_token.h"
#include "server/sequencer.h"

namespace retrace::server {

// How long a plan token is good.
inline constexpr absl::Duration kPlanLife = absl::Hours(1);

// Thread-safe.
class Plans {
 public:
  // The ledger must outlive this. `wall_us` is the clock in microseconds; null: the system's.
  explicit Plans(Ledger& ledger, std::function<int64_t()> wall_us = nullptr);

  // What the command would do at the visible position, with a token for doing it. Refusals are
  // those of its decider. Blocks on reading.
  absl::StatusOr<v1::Plan> Make(const Command& command) const;
  // What the command's plan token holds.
  PlanUse Open(const Command& command) const { return OpenPlanToken(ledger_, command); }

  // Gives the token a nonce and its expiry, and puts it into the plan with everything that the plan
  // says of it.
  absl::Status Seal(const Tenant& tenant, store::v1::PlanToken token, v1::Plan& plan) const;

 private:
  int64_t NowUs(const Tenant& tenant) const;
  absl::Status AddToken(const Command& command, const domain::Draft& draft, v1::Plan& plan) const;

  Ledger& ledger_;
  const std::function<int64_t()> wall_us_;
};

}  // namespace retrace::server
