#include "server/sweeper.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/time/clock.h"
#include "domain/status_macros.h"

namespace retrace::server {
namespace {

constexpr absl::Duration kLook = absl::Seconds(1);
constexpr int kRestPerSweep = 10;

}  // namespace

Sweeper::Sweeper(Ledger& ledger, std::function<void(const absl::Status&)> on_failure)
    : ledger_(ledger), on_failure_(std::move(on_failure)), thread_([this] { Run(); }) {}

Sweeper::~Sweeper() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  thread_.join();
}

absl::Status Sweeper::Sweep() {
  RETRACE_RETURN_IF_ERROR(ledger_.keys().Sweep());
  return ledger_.rows().Sweep();
}

void Sweeper::Run() {
  absl::Duration rest = kLook;
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      if (mutex_.AwaitWithTimeout(absl::Condition(&stopping_), rest)) return;
    }
    const absl::Time begin = absl::Now();
    if (const absl::Status swept = Sweep(); !swept.ok()) {
      on_failure_(swept);
      return;
    }
    rest = std::max(kLook, kRestPerSweep * (absl::Now() - begin));
  }
}

absl::Duration OldestRemovalAge(const Ledger& ledger) {
  const std::optional<absl::Time> oldest = ledger.rows().OldestRemoval();
  return oldest.has_value() ? std::max(absl::ZeroDuration(), absl::Now() - *oldest)
                            : absl::ZeroDuration();
}

}  // namespace retrace::server
