// Runs operations: fetches targets, submits chunks to the sequencer, one at a time and in turn with
// the other operations, until each has ended. Everything that must survive a restart is in the
// operation's row; what is here can be lost at any moment.
#pragma once

#include <memory>

#include "server/history.h"
#include "server/ledger.h"
#include "server/plans.h"
#include "server/rpc.h"
#include "server/sequencer.h"

namespace retrace::server {

// Thread-safe.
class OperationRunner {
 public:
  // All must outlive this.
  struct Parts {
    Rpc* rpc = nullptr;
    Ledger* ledger = nullptr;
    Sequencer* sequencer = nullptr;
    const History* history = nullptr;
    const Plans* plans = nullptr;
  };
  // Starts the thread, which goes on with every operation that has not ended.
  explicit OperationRunner(const Parts& parts);
  // Returns when the chunk under way is answered.
  ~OperationRunner();

  // The tenant may have a new operation.
  void Wake(Tenant& tenant);

 private:
  class Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace retrace::server
