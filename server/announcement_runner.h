// Executes announced plans on a thread of its own: looks for announcements that are EXECUTING,
// whoever or whatever moved them there, and goes on with each until it has ended.
#pragma once

#include <memory>

#include "server/announcement_execution.h"

namespace retrace::server {

// Thread-safe.
class AnnouncementRunner {
 public:
  // Starts the thread, which goes on with every announcement that is EXECUTING.
  explicit AnnouncementRunner(const ExecutionParts& parts);
  // Returns when the command under way is answered.
  ~AnnouncementRunner();

 private:
  class Loop;
  std::unique_ptr<Loop> loop_;
};

}  // namespace retrace::server
