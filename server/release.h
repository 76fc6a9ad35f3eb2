// The release of this build.
#pragma once

#include <string_view>

namespace retrace::server {

// e.g. "0.1.0".
std::string_view Release();

}  // namespace retrace::server
