// RegionCode, IsCurrency, IsTimeZone, IsLanguage and IsEmail of phone.h.
#include <unicode/locid.h>
#include <unicode/timezone.h>
#include <unicode/ucurr.h>
#include <unicode/uloc.h>
#include <unicode/unistr.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "domain/index_values.h"
#include "domain/phone.h"

namespace retrace::domain {
namespace {

struct Alias {
  std::string_view name;
  std::string_view code;
};

// Names in use beside ICU's: official ones, former ones, and what lists on the web write.
constexpr Alias kAliases[] = {
    {"america", "US"},
    {"bolivarian republic of venezuela", "VE"},
    {"britain", "GB"},
    {"british indian ocean territory", "IO"},
    {"brunei darussalam", "BN"},
    {"burma", "MM"},
    {"cabo verde", "CV"},
    {"congo", "CG"},
    {"congo brazzaville", "CG"},
    {"congo kinshasa", "CD"},
    {"czech republic", "CZ"},
    {"democratic people's republic of korea", "KP"},
    {"democratic republic of congo", "CD"},
    {"east timor", "TL"},
    {"england", "GB"},
    {"falkland islands", "FK"},
    {"french southern territories", "TF"},
    {"great britain", "GB"},
    {"heard island and mcdonald islands", "HM"},
    {"holland", "NL"},
    {"holy see", "VA"},
    {"hong kong", "HK"},
    {"islamic republic of iran", "IR"},
    {"ivory coast", "CI"},
    {"keeling islands", "CC"},
    {"korea", "KR"},
    {"kyrgyz republic", "KG"},
    {"lao people's democratic republic", "LA"},
    {"libyan arab jamahiriya", "LY"},
    {"macao", "MO"},
    {"macau", "MO"},
    {"macedonia", "MK"},
    {"northern ireland", "GB"},
    {"palestine", "PS"},
    {"palestinian territory", "PS"},
    {"people's republic of china", "CN"},
    {"philipines", "PH"},
    {"plurinational state of bolivia", "BO"},
    {"pitcairn", "PN"},
    {"republic of china", "TW"},
    {"republic of congo", "CG"},
    {"republic of korea", "KR"},
    {"russian federation", "RU"},
    {"saint barthelemy", "BL"},
    {"scotland", "GB"},
    {"slovak republic", "SK"},
    {"south georgia and south sandwich islands", "GS"},
    {"svalbard and jan mayen islands", "SJ"},
    {"swaziland", "SZ"},
    {"syrian arab republic", "SY"},
    {"turkey", "TR"},
    {"turkiye", "TR"},
    {"uae", "AE"},
    {"uk", "GB"},
    {"united republic of tanzania", "TZ"},
    {"united states of america", "US"},
    {"united states minor outlying islands", "UM"},
    {"united states virgin islands", "VI"},
    {"usa", "US"},
    {"vatican", "VA"},
    {"viet nam", "VN"},
    {"wales", "GB"},
};

// What is left of a name when spelling is set aside: folded letters, words joined by single spaces,
// without `the`, `and` and `of`, `saint` shortened.
std::string Bare(std::string_view name) {
  // Without accents; they stand behind the tie-break.
  std::string folded = FoldForSort(name);
  folded.resize(std::min(folded.find('\x01'), folded.size()));
  std::string bare;
  std::string word;
  const auto end_word = [&bare, &word] {
    if (!word.empty() && word != "the" && word != "and" && word != "of") {
      bare += bare.empty() ? "" : " ";
      bare += word == "saint" ? "st" : word;
    }
    word.clear();
  };
  for (const char c : folded) {
    if (static_cast<unsigned char>(c) < 0x80 && std::isalnum(static_cast<unsigned char>(c)) != 0) {
      word += c;
    } else if (static_cast<unsigned char>(c) < 0x80 && c != '\'' && c != '.') {
      end_word();
    }
  }
  end_word();
  return bare;
}

// The name without what stands in parentheses, and what stands there.
std::pair<std::string, std::string> Parted(std::string_view name) {
  const size_t open = name.find('(');
  const size_t close = name.find(')', open == std::string_view::npos ? 0 : open);
  if (open == std::string_view::npos || close == std::string_view::npos) {
    return {std::string(name), ""};
  }
  return {std::string(name.substr(0, open)) + std::string(name.substr(close + 1)),
          std::string(name.substr(open + 1, close - open - 1))};
}

using Codes = std::unordered_map<std::string, std::string>;

Codes MakeRegionCodes() {
  Codes codes;
  const auto add = [&codes](const std::string& name, std::string_view code) {
    if (!name.empty()) {
      codes.emplace(name, code);
    }
  };
  for (const Alias& alias : kAliases) {
    add(Bare(alias.name), alias.code);
  }
  for (const char* const* code = uloc_getISOCountries(); *code != nullptr; ++code) {
    const icu::Locale locale("", *code);
    icu::UnicodeString display;
    locale.getDisplayCountry(icu::Locale::getEnglish(), display);
    std::string name;
    display.toUTF8String(name);
    const auto [outside, inside] = Parted(name);
    for (const std::string& spelling :
         {name, outside, inside, std::string(*code), std::string(locale.getISO3Country())}) {
      add(Bare(spelling), *code);
    }
  }
  return codes;
}

std::unordered_set<std::string> MakeCurrencies() {
  std::unordered_set<std::string> currencies;
  UErrorCode status = U_ZERO_ERROR;
  UEnumeration* codes = ucurr_openISOCurrencies(UCURR_NON_DEPRECATED, &status);
  while (const char* code = uenum_next(codes, nullptr, &status)) {
    currencies.emplace(code);
  }
  uenum_close(codes);
  return currencies;
}

bool IsAsciiText(std::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) <= 0x20 || static_cast<unsigned char>(c) >= 0x7f) {
      return false;
    }
  }
  return true;
}

// Label of a host name: letters, digits and inner hyphens, at most 63.
bool IsLabel(std::string_view label) {
  if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-') {
    return false;
  }
  for (const char c : label) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '-') {
      return false;
    }
  }
  return true;
}

}  // namespace

std::string RegionCode(std::string_view text) {
  static const Codes codes = MakeRegionCodes();
  const auto look = [](std::string_view name) {
    const auto found = codes.find(Bare(name));
    return found == codes.end() ? std::string() : found->second;
  };
  std::string code = look(text);
  if (code.empty() && text.find('(') != std::string_view::npos) {
    const auto [outside, inside] = Parted(text);
    code = look(outside);
    if (code.empty()) {
      code = look(inside);
    }
  }
  return code;
}

bool IsCurrency(std::string_view code) {
  static const std::unordered_set<std::string> currencies = MakeCurrencies();
  return code.size() == 3 && currencies.contains(std::string(code));
}

bool IsTimeZone(std::string_view zone) {
  // ICU also knows these abbreviations of its own, which no tz database has.
  static const std::unordered_set<std::string_view> short_names = {
      "CET", "EET", "EST", "GMT", "HST", "MET", "MST", "PRC", "ROC", "ROK", "UCT", "UTC", "WET"};
  if (zone.empty() || zone.size() > 64 || !IsAsciiText(zone) || zone == "Etc/Unknown" ||
      (zone.size() == 3 && !short_names.contains(zone))) {
    return false;
  }
  // Only zones of the database have a region; ICU makes up any `GMT+1:23` that it is asked for.
  UErrorCode status = U_ZERO_ERROR;
  std::array<char, 16> region{};
  icu::TimeZone::getRegion(icu::UnicodeString::fromUTF8(
                               icu::StringPiece(zone.data(), static_cast<int32_t>(zone.size()))),
                           region.data(), static_cast<int32_t>(region.size()), status);
  return U_SUCCESS(status);
}

bool IsLanguage(std::string_view tag) {
  if (tag.empty() || tag.size() > 35 || !IsAsciiText(tag)) {
    return false;
  }
  const std::string text(tag);
  std::array<char, 160> locale{};
  int32_t parsed = 0;
  UErrorCode status = U_ZERO_ERROR;
  uloc_forLanguageTag(text.c_str(), locale.data(), static_cast<int32_t>(locale.size()), &parsed,
                      &status);
  return U_SUCCESS(status) && static_cast<size_t>(parsed) == text.size() &&
         std::strlen(uloc_getISO3Language(locale.data())) > 0;
}

bool IsEmail(std::string_view text) {
  constexpr std::string_view kLocal = ".!#$%&'*+/=?^_`{|}~-";
  const size_t at = text.find('@');
  if (at == std::string_view::npos || at == 0) {
    return false;
  }
  for (const char c : text.substr(0, at)) {
    if (static_cast<unsigned char>(c) >= 0x80 ||
        (std::isalnum(static_cast<unsigned char>(c)) == 0 &&
         kLocal.find(c) == std::string_view::npos)) {
      return false;
    }
  }
  std::string_view host = text.substr(at + 1);
  while (true) {
    const size_t dot = host.find('.');
    if (!IsLabel(host.substr(0, dot))) {
      return false;
    }
    if (dot == std::string_view::npos) {
      return true;
    }
    host.remove_prefix(dot + 1);
  }
}

}  // namespace retrace::domain
