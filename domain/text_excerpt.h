// Pieces of what somebody else wrote, for messages and events: short, and never cut inside a
// character.
#pragma once

#include <string>
#include <string_view>

namespace retrace::domain {

// The longest beginning of at most `max_bytes` that does not end inside a UTF-8 character.
std::string_view CutUtf8(std::string_view text, size_t max_bytes);
// The text as far as `max_bytes`, broken UTF-8 as `?`: what comes from outside of requests (an
// error that names a path, the answer of another server) goes into events like this only. A commit
// with half a character in a field can be written and never be read.
std::string WholeUtf8(std::string_view text, size_t max_bytes);
// The text as far as 40 bytes, with `...` when there is more; control characters
// and broken UTF-8 as `?`.
std::string Excerpt(std::string_view text);
// The excerpt in double quotes, quotes and backslashes escaped.
std::string QuotedExcerpt(std::string_view text);
// The whole text in double quotes, quotes and backslashes escaped.
std::string Quoted(std::string_view text);

}  // namespace retrace::domain
