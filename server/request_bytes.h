// What makes a request the same request again, for idempotency and for plans.
#pragma once

#include <string>

#include "google/protobuf/message.h"
#include "server/method.h"

namespace retrace::server {

// A command's request, deterministic, so that a repeat has the same bytes; without the request id
// itself and the options about plans, of a command that it announces, too. The request is as before
// when this returns.
std::string RequestBytes(const Method& method, google::protobuf::Message& request);

}  // namespace retrace::server
