// What became of something that was sent outside.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace retrace::server {

struct SendResult {
  enum Kind {
    kSent,
    kRetry,    // not taken; may be taken later
    kRefused,  // not taken, and never will be: a bad address, a recipient that is not there
    kGone,     // the endpoint says that it wants nothing any more (HTTP 410)
    kUnknown,  // everything was handed over, but the answer was lost: taken or not
  };
  Kind kind = kRetry;
  int code = 0;        // of SMTP or HTTP; 0: there was no answer
  std::string detail;  // a few words; holds nothing of the message, nor what the other side wrote
  // At the earliest when the other side wants to be asked again, from now; at most a day.
  std::optional<int64_t> retry_after_us;
};

// Called once, on the thread that sends: must not block.
using SendDone = std::function<void(SendResult)>;

}  // namespace retrace::server
