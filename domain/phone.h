// Telephone numbers by libphonenumber. Used in decide only, since its data changes between releases.
#pragma once

#include <string>
#include <string_view>

#include "retrace/v1/common.pb.h"

namespace retrace::domain {

// Fills e164 and extension of `phone` from its raw text, read in `region` (ISO 3166-1 alpha-2) when it has no country code.
// Leaves e164 empty when libphonenumber refuses the number.
void NormalisePhone(std::string_view region, v1::Phone& phone);
// Spellings of a typed number to look for: its E.164 digits in the region, if any, and its bare digits.
std::vector<std::string> PhoneSpellings(std::string_view region, std::string_view typed);
// ISO code of a country given by code or English name, e.g. "Norway" -> "NO"; empty when unknown.
std::string RegionCode(std::string_view text);
bool IsCurrency(std::string_view code);   // ISO 4217, by ICU
bool IsTimeZone(std::string_view zone);   // IANA, by ICU
bool IsLanguage(std::string_view tag);    // BCP 47, by ICU
bool IsEmail(std::string_view text);      // the HTML specification's rule

}  // namespace retrace::domain
