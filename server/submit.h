// A command that the server itself sends and waits for.
#pragma once

#include "server/sequencer.h"

namespace retrace::server {

// Submits a command, whose `done` is unset, and blocks until it is answered. Not for the
// sequencer's own threads.
CommandResult SubmitAndAwait(Sequencer& sequencer, Command command);

}  // namespace retrace::server
