// Tells administrators, a week and a day before, what the recycle bin purges.
#pragma once

#include <cstdint>
#include <map>

#include "absl/status/status.h"
#include "server/clock.h"
#include "server/ledger.h"
#include "server/sequencer.h"

namespace retrace::server {

// Thread-compatible. Looks at each tenant's bin once an hour of the clock; what was told is known
// from the log, so that it is told once, and what a server that was down did not tell it tells
// later.
class BinNotices {
 public:
  BinNotices(Ledger& ledger, Sequencer& sequencer, Clock& clock)
      : ledger_(ledger), sequencer_(sequencer), clock_(clock) {}

  // Errors are those of reading; what cannot be told now is told at the next look.
  absl::Status Look(Tenant& tenant);

 private:
  Ledger& ledger_;
  Sequencer& sequencer_;
  Clock& clock_;
  std::map<const Tenant*, int64_t> next_look_us_;
};

}  // namespace retrace::server
