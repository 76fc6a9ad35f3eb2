#pragma once

#include <string>

namespace retrace::client {

// A fresh random UUID (RFC 9562, version 4) in lower case, for `CommandOptions.request_id`. Made
// from the kernel's random source: ids of different processes, forks and machines never meet.
// Thread-safe.
std::string NewRequestId();

}  // namespace retrace::client
