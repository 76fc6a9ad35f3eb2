// How far followers with outside effects have come. Their checkpoints are events: what was sent and
// what was not is known from the log alone. Commands are declared in commands.h.
#pragma once

#include <string>

#include "domain/kind.h"

namespace retrace::domain {

// Entities of which something waits, of one follower; one more and it stands still.
inline constexpr int kMostParked = 300;

Kind FollowerKind();
EntityRef FollowerRef(std::string_view follower);
// The follower that makes deliveries of notifications, and whose held position holds them.
inline constexpr std::string_view kNotificationFollower = "notifications";

}  // namespace retrace::domain
