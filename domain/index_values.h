// From fields to index values: folding, words, phones, numbers. Pure; what depends on a library's data (E.164) is computed in
// decide and stored in the event, here it is only folded and tokenised.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "domain/kind.h"
#include "google/protobuf/message.h"

namespace retrace::domain {

// Rises when folding or tokenising changes; part of the layout stamp.
inline constexpr int kFoldNumber = 1;

// The values that `resource` has in an index: sorted, each once; none for unset fields.
std::vector<std::string> IndexValues(const IndexDeclaration& index, const google::protobuf::Message& resource);

// Order-preserving encoding of numbers (times in microseconds).
std::string EncodeNumber(int64_t number);
int64_t DecodeNumber(std::string_view bytes);

// NFKC and case folded.
std::string FoldCaseless(std::string_view text);
// For ordering names: folded, spaces collapsed, at most 200 bytes.
std::string FoldForSort(std::string_view text);
// For searching: words of the text folded without diacritics; for scripts without spaces (Han, kana, Thai ...) every suffix
// of each run, so that any substring is a prefix of one. Sorted, each once, at most 32.
std::vector<std::string> SearchWords(std::string_view text);
// What a person typed, as prefixes that must all be found: each folded word, or run of a script without spaces.
std::vector<std::string> QueryWords(std::string_view query);
// Digits of a phone as typed: an E.164 number without `+`, or bare digits (extensions and punctuation left out).
std::string PhoneDigits(std::string_view text);

// The smallest string that is greater than every string with this prefix; empty: there is none.
std::string AfterPrefix(std::string_view prefix);

}  // namespace retrace::domain
