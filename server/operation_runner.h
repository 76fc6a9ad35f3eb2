// Runs operations: fetches targets, submits chunks to the sequencer, one at a time and in turn with
// the other operations, until each has ended. Everything that must survive a restart is in the
// operation's row; what is here can be lost at any moment.
#pragma once

#include <memory>

#include "server/operation_job.h"

namespace retrace::server {

// Thread-safe.
class OperationRunner {
 public:
  using Parts = OperationParts;
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
