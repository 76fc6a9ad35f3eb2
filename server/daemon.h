// The serving daemon: everything put together, from opening the ports to a graceful end.
#pragma once

#include "server/config.h"
#include "server/exit_codes.h"

namespace retrace::server {

// Serves until SIGTERM or SIGINT, and returns how to end. The ports are open from the start: while
// the ledger opens and rows are rebuilt, health says NOT_SERVING and calls are refused
// (NOT_SERVING). What goes wrong is logged and printed to standard error. When storage fails while
// serving, the process ends at once with the code that names it. Blocks SIGTERM and SIGINT in the
// calling thread and all that it starts; call it once, before other threads are started.
ExitCode RunDaemon(const Config& config);

}  // namespace retrace::server
