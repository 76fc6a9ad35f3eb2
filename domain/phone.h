// Telephone numbers by libphonenumber, and the small vocabularies of addresses and policies by ICU.
// Used in decide only, since their data changes between releases. Thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "retrace/v1/common.pb.h"

namespace retrace::domain {

// Fills e164 and extension of `phone` from its raw text, read in `region` (ISO 3166-1 alpha-2) when
// it has no country code. Leaves both empty when libphonenumber finds the number not even possible.
// `00` in front counts as `+` wherever that makes the number a valid one. Costs about 50
// microseconds for a number without letters, twice that for others; and less than one for those
// that were read last, by any thread: some ten thousand are remembered.
void NormalisePhone(std::string_view region, v1::Phone& phone);
// Spellings of a typed number to look for in a kPhone index: its E.164 digits in the region, if
// any, and its bare digits; each once. None for text that is no phone number: with other letters
// than an extension's, or fewer than three digits.
std::vector<std::string> PhoneSpellings(std::string_view region, std::string_view typed);
// ISO code of a country given by code (two or three letters) or English name, e.g. "Norway" ->
// "NO"; empty when unknown. Case, accents, punctuation, `the` and `and`, and what stands in
// parentheses make no difference.
std::string RegionCode(std::string_view text);
bool IsCurrency(std::string_view code);  // ISO 4217, in use, by ICU
bool IsTimeZone(std::string_view zone);  // IANA, by ICU
bool IsLanguage(std::string_view tag);   // BCP 47 of a known language, by ICU
bool IsEmail(std::string_view text);     // the HTML specification's rule

}  // namespace retrace::domain
