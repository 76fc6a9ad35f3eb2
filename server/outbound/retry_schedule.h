// When what was not taken is sent again.
#pragma once

#include <cstdint>
#include <optional>

namespace retrace::server {

enum class SendChannel { kMail, kWebhook };

// Microseconds from the end of an attempt to the next, after `attempts` of them (1, 2, ...);
// nothing when there is no further one. `random` in [0, 1) spreads the schedule by a fifth either
// way, so that what failed together is not sent together; `retry_after_us` is what the other side
// asked for, which is waited for, up to a day.
//   webhooks: 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h: ten attempts in three days
//   mail: 30 s, 2 min, 10 min, 30 min, 1 h, 2 h, 4 h, 8 h, 16 h: ten attempts in a day and a half
std::optional<int64_t> NextAttemptAfter(SendChannel channel, int attempts, double random,
                                        std::optional<int64_t> retry_after_us);

}  // namespace retrace::server
