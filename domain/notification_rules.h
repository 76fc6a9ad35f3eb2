// Who hears of what: rules by change of state, so that a command, an undo, a restore and an
// operation tell alike.
#pragma once

#include "absl/status/status.h"
#include "domain/draft.h"

namespace retrace::domain {

// Asks for the notifications that the outcome of a command causes, each once for its recipient,
// however many entities it is about. To be called when the outcome was judged: notifications are no
// part of what a command promises, and do not count among the entities of its commit, whose bytes
// alone they must fit.
//
// The owner of a customer hears of its deletion, restore, merge and purge unless they did it
// themselves; webhooks hear of each; whoever started an operation hears of its end.
absl::Status AddNotifications(Draft& draft, const Context& context);

// What an undo cannot take back: those who were told already, each a loss of the draft's plan.
absl::Status ForeseeCorrections(Draft& draft, const Context& context);

}  // namespace retrace::domain
