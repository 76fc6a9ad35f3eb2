// toml++ without exceptions. Debian's shared library is built with them, so the parser is compiled
// into the files that include this: config.cc and principals.cc.
#pragma once

#undef TOML_HEADER_ONLY
#undef TOML_SHARED_LIB
#define TOML_HEADER_ONLY 1
#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>  // IWYU pragma: export
