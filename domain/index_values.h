// From fields to index values: folding, words, phones, numbers. Pure and thread-safe; what depends
// on a library's data (E.164) is computed in decide and stored in the event, here it is only folded
// and tokenised.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "domain/kind.h"
#include "google/protobuf/message.h"
#include "retrace/v1/common.pb.h"

namespace retrace::domain {

// Rises when folding or tokenising changes; part of the layout stamp.
inline constexpr int kFoldNumber = 2;
// Most values of one entity in a text search index.
inline constexpr size_t kMaxSearchWords = 32;

// The values that `resource` has in an index: sorted, each once; none for unset fields. A path may
// go through messages and lists of messages, each element counts. Enums by name; with kPhone a
// v1.Phone or text; with kNameWords the fields share the bound of 32. Aborts on a path that the
// resource does not have: declarations are part of the program.
std::vector<std::string> IndexValues(const IndexDeclaration& index,
                                     const google::protobuf::Message& resource);

// Order-preserving encoding of numbers (times in microseconds): 8 bytes.
std::string EncodeNumber(int64_t number);
// Back; 0 unless there are 8 bytes.
int64_t DecodeNumber(std::string_view bytes);

// NFKC and case folded.
std::string FoldCaseless(std::string_view text);
// For ordering names: folded, spaces collapsed, without diacritics; where that made a difference,
// with them behind a character that sorts before all others. At most 200 bytes.
std::string FoldForSort(std::string_view text);
// For searching: words (runs of letters and digits) of the text, folded, without diacritics, cut to
// 64 bytes; for scripts without spaces (Han, kana, Thai, Lao, Khmer, Myanmar) every suffix of each
// run, so that any substring is a prefix of one. `O'Brien` gives `o`, `brien` and `obrien`. Sorted,
// each once, at most 32: whole words go before suffixes, suffixes near the beginning before later
// ones.
std::vector<std::string> SearchWords(std::string_view text);
// What a person typed, as prefixes that must all be found: each word, or run of a script without
// spaces, made like the above. In the order typed; without those that another one implies.
std::vector<std::string> QueryWords(std::string_view query);
// Digits of a phone as typed: an E.164 number without `+`, or bare digits (extensions and
// punctuation left out). Digits of other scripts count as theirs.
std::string PhoneDigits(std::string_view text);

// What a phone is found by in a kPhone index. First the digits of its E.164 number, or of its text
// when it has none: the value that a unique key is about. Behind it, marked, the digits of its text
// where they spell the same number otherwise (without country code, or with 00 for +): several
// numbers of the world share such a spelling, so it is never unique.
std::vector<std::string> PhoneValues(const v1::Phone& phone);
// True for a marked value.
bool IsOtherSpelling(std::string_view phone_value);
// Where the values of a kPhone index end that these digits are found by, marked or not; they begin
// with the digits alone.
std::string AfterPhoneDigits(std::string_view digits);

// The smallest string that is greater than every string with this prefix; empty: there is none.
std::string AfterPrefix(std::string_view prefix);

}  // namespace retrace::domain
