// The settings of HTTP, made into what serves it.
#pragma once

#include "absl/status/status.h"
#include "server/config.h"
#include "server/http/edge.h"

namespace retrace::server {

// Judges the settings that begin with http_ without reading files. INVALID_ARGUMENT naming the
// setting.
absl::Status CheckHttp(const Config& config);

// Of settings that CheckHttp takes.
http::EdgeOptions EdgeOptionsOf(const Config& config);

}  // namespace retrace::server
