#include "domain/phone.h"

#include <phonenumbers/phonenumberutil.h>

#include <algorithm>
#include <cctype>
#include <optional>
#include <unordered_map>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "domain/index_values.h"

namespace retrace::domain {
namespace {

using i18n::phonenumbers::PhoneNumber;
using i18n::phonenumbers::PhoneNumberUtil;

// Its tables take milliseconds to build: once.
const PhoneNumberUtil& Library() {
  static const PhoneNumberUtil& library = *PhoneNumberUtil::GetInstance();
  return library;
}

// Region of numbers that carry their country code.
constexpr std::string_view kNoRegion = "ZZ";

std::string RegionOrNone(std::string_view region) {
  std::string upper(region.size() == 2 ? region : kNoRegion);
  for (char& c : upper) {
    c = static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  }
  return upper;
}

// The number alone, when the text holds nothing but digits and the usual punctuation: the library
// reads it the same and looks neither for extensions nor for letters. Else the text.
std::string WithoutPunctuation(std::string_view text) {
  std::string number;
  for (const char c : text) {
    const bool plus = c == '+' && number.empty();
    if ((c >= '0' && c <= '9') || plus) {
      number += c;
    } else if (std::string_view(" -.()").find(c) == std::string_view::npos) {
      return std::string(text);
    }
  }
  return number;
}

std::optional<PhoneNumber> Parse(std::string_view text, const std::string& region) {
  PhoneNumber number;
  if (Library().Parse(WithoutPunctuation(text), region, &number) !=
      PhoneNumberUtil::NO_PARSING_ERROR) {
    return std::nullopt;
  }
  return number;
}

// A whole number of a possible length; not one that only its own town understands.
bool IsPossible(const PhoneNumber& number) {
  return Library().IsPossibleNumberWithReason(number) == PhoneNumberUtil::IS_POSSIBLE;
}

// The text behind the `00` that stands for `+` in most of the world; none without it.
std::optional<std::string_view> BehindZeros(std::string_view text) {
  const size_t begin = text.find_first_not_of(" \t(");
  if (begin == std::string_view::npos || !text.substr(begin).starts_with("00")) {
    return std::nullopt;
  }
  return text.substr(begin + 2);
}

std::optional<PhoneNumber> Read(std::string_view region_text, std::string_view text) {
  const std::string region = RegionOrNone(region_text);
  const std::optional<PhoneNumber> national = Parse(text, region);
  if (const auto rest = BehindZeros(text);
      rest && !(national && Library().IsValidNumber(*national))) {
    const auto international = Parse("+" + std::string(*rest), std::string(kNoRegion));
    if (international && Library().IsValidNumber(*international)) {
      return international;
    }
  }
  return national && IsPossible(*national) ? national : std::nullopt;
}

std::string E164(const PhoneNumber& number) {
  std::string text;
  Library().Format(number, PhoneNumberUtil::E164, &text);
  return text;
}

// True for digits, punctuation and an extension: nothing that makes the text a name or a word.
bool LooksDialled(std::string_view typed) {
  std::string letters;
  for (const char c : FoldCaseless(typed)) {
    if (static_cast<unsigned char>(c) >= 0x80 || std::isalpha(static_cast<unsigned char>(c)) != 0) {
      letters += c;
    }
  }
  return letters.empty() || letters == "x" || letters == "ext" || letters == "extension" ||
         letters == "tel";
}

// What a text says in a region; both empty when it is no number.
struct Reading {
  std::string e164;
  std::string extension;
};

// The readings made last, for all threads: two generations, the older of which goes when the
// younger is full.
class Readings {
 public:
  std::optional<Reading> Find(const std::string& key) {
    absl::MutexLock lock(&mutex_);
    if (const auto found = young_.find(key); found != young_.end()) {
      return found->second;
    }
    const auto found = old_.find(key);
    return found == old_.end() ? std::nullopt : std::optional(found->second);
  }
  void Keep(const std::string& key, const Reading& reading) {
    absl::MutexLock lock(&mutex_);
    if (young_.size() >= kGeneration) {
      old_ = std::exchange(young_, {});
    }
    young_.emplace(key, reading);
  }

 private:
  using Generation = std::unordered_map<std::string, Reading>;
  static constexpr size_t kGeneration = 10'000;

  absl::Mutex mutex_;
  Generation young_ ABSL_GUARDED_BY(mutex_);
  Generation old_ ABSL_GUARDED_BY(mutex_);
};

Reading ReadingOf(std::string_view region, const std::string& raw) {
  static auto& readings = *new Readings;
  const std::string key = RegionOrNone(region) + raw;
  if (std::optional<Reading> known = readings.Find(key)) {
    return *std::move(known);
  }
  Reading reading;
  if (const std::optional<PhoneNumber> number = Read(region, raw)) {
    reading = {E164(*number), number->extension()};
  }
  readings.Keep(key, reading);
  return reading;
}

}  // namespace

void NormalisePhone(std::string_view region, v1::Phone& phone) {
  phone.clear_e164();
  phone.clear_extension();
  Reading reading = ReadingOf(region, phone.raw());
  if (!reading.e164.empty()) {
    phone.set_e164(std::move(reading.e164));
    phone.set_extension(std::move(reading.extension));
  }
}

std::vector<std::string> PhoneSpellings(std::string_view region, std::string_view typed) {
  std::vector<std::string> spellings;
  const std::optional<PhoneNumber> number = Read(region, typed);
  const bool dialled = LooksDialled(typed);
  // Letters as on a keypad (1-800-FLOWERS) count only when they make a number that exists.
  if (number && (dialled || Library().IsValidNumber(*number))) {
    spellings.push_back(E164(*number).substr(1));
  }
  std::string digits = PhoneDigits(typed);
  if (dialled && digits.size() >= 3 &&
      std::find(spellings.begin(), spellings.end(), digits) == spellings.end()) {
    spellings.push_back(std::move(digits));
  }
  return spellings;
}

}  // namespace retrace::domain
