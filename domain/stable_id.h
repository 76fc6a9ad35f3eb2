// Ids that follow from what they stand for, so that the same thing never gets two entities.
#pragma once

#include <string>
#include <string_view>

namespace retrace::domain {

// 26 lower-case characters: FNV-1a with 128 bits over the text, in base 32. On disk: never changed.
// It keeps no secret; where texts come from people nothing may hang on two of them not meeting.
// Source: http://www.isthe.com/chongo/tech/comp/fnv/ (offset basis and prime of 128 bits).
std::string StableId(std::string_view text);

}  // namespace retrace::domain
