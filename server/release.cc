#include "server/release.h"

namespace retrace::server {

std::string_view Release() { return RETRACE_RELEASE; }

}  // namespace retrace::server
