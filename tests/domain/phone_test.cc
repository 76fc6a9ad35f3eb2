#include "domain/phone.h"

#include <phonenumbers/phonenumberutil.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace retrace::domain {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

v1::Phone Normalised(std::string_view region, const std::string& raw) {
  v1::Phone phone;
  phone.set_raw(raw);
  phone.set_e164("+999");  // what was there before goes
  phone.set_extension("999");
  NormalisePhone(region, phone);
  EXPECT_EQ(phone.raw(), raw);
  return phone;
}

struct Notation {
  const char* region;
  const char* raw;
  const char* e164;
  const char* extension;
};

TEST(NormalisePhone, ReadsUsualNotations) {
  const Notation notations[] = {
      {"US", "+1 (415) 555-2671", "+14155552671", ""},
      {"US", "415.555.2671", "+14155552671", ""},
      {"US", "1-415-555-2671", "+14155552671", ""},
      {"US", "(209)172-7124x3651", "+12091727124", "3651"},
      {"US", "4155552671 ext. 12", "+14155552671", "12"},
      {"CH", "044 668 18 00", "+41446681800", ""},
      {"CH", "0041 44 668 18 00", "+41446681800", ""},
      {"US", "0041 44 668 18 00", "+41446681800", ""},  // `00` is not how the US dial abroad
      {"US", "011 41 44 668 18 00", "+41446681800", ""},
      {"", "+41 44 668 18 00", "+41446681800", ""},
      {"ch", "044/668 18 00", "+41446681800", ""},
      {"CN", "010 6552 9988", "+861065529988", ""},
      {"CN", "１３８ ００１３ ８０００", "+8613800138000", ""},
      {"IT", "06 6982", "+39066982", ""},
      {"US", "1-800-FLOWERS", "+18003569377", ""},
      {"XX", "+47 22 12 34 56", "+4722123456", ""},
      // Refused: no region, too short, of one town only, no number at all.
      {"", "044 668 18 00", "", ""},
      {"US", "12", "", ""},
      {"US", "555-2671", "", ""},
      {"NO", "915.112.1727", "", ""},
      {"US", "none", "", ""},
      {"US", "", "", ""},
      {"US", "+", "", ""},
      {"US", "999999999999999999999999999999", "", ""},
  };
  for (const Notation& notation : notations) {
    const v1::Phone phone = Normalised(notation.region, notation.raw);
    EXPECT_EQ(phone.e164(), notation.e164) << notation.region << " " << notation.raw;
    EXPECT_EQ(phone.extension(), notation.extension) << notation.raw;
  }
}

// What is left out before the library reads, and what is remembered, changes no reading.
TEST(NormalisePhone, ReadsAsTheLibraryDoes) {
  const auto& library = *i18n::phonenumbers::PhoneNumberUtil::GetInstance();
  std::mt19937 random(11);
  const std::string_view marks[] = {"", "", "", "", " ", "-", ".", "(", ")", ") ", "+", "/"};
  int read = 0;
  for (int i = 0; i < 3000; ++i) {
    const char* region = std::array{"US", "CH", "CN", "GB", "IT", "NO"}[random() % 6];
    std::string raw = std::array{"", "+", "0", "1", "+41", "(0)"}[random() % 6];
    for (size_t digits = 2 + random() % 12; digits > 0; --digits) {
      raw += static_cast<char>('0' + random() % 10);
      raw += marks[random() % std::size(marks)];
    }
    if (raw.find("00") != std::string::npos) continue;  // read otherwise on purpose
    i18n::phonenumbers::PhoneNumber number;
    std::string expected;
    using i18n::phonenumbers::PhoneNumberUtil;
    if (library.Parse(raw, region, &number) == PhoneNumberUtil::NO_PARSING_ERROR &&
        library.IsPossibleNumberWithReason(number) == PhoneNumberUtil::IS_POSSIBLE) {
      library.Format(number, PhoneNumberUtil::E164, &expected);
    }
    read += expected.empty() ? 0 : 1;
    EXPECT_EQ(Normalised(region, raw).e164(), expected) << region << " " << raw;
    EXPECT_EQ(Normalised(region, raw).e164(), expected) << region << " " << raw << " again";
  }
  EXPECT_GT(read, 300);
}

TEST(NormalisePhone, RemembersByRegionAndForgetsTheOldest) {
  EXPECT_EQ(Normalised("US", "4155552671").e164(), "+14155552671");
  EXPECT_EQ(Normalised("NO", "4155552671").e164(), "");
  EXPECT_EQ(Normalised("", "+4155552671").e164(), "");
  for (int i = 0; i < 25'000; ++i) {
    const std::string raw = std::to_string(10'000 + i);
    ASSERT_EQ(Normalised("", raw).e164(), "");
  }
  EXPECT_EQ(Normalised("US", "4155552671 x7").extension(), "7");
  EXPECT_EQ(Normalised("US", "4155552671").e164(), "+14155552671");
}

TEST(PhoneSpellings, GivesWhatMayBeIndexed) {
  EXPECT_THAT(PhoneSpellings("US", "+1 (415) 555-2671"), ElementsAre("14155552671"));
  EXPECT_THAT(PhoneSpellings("US", "415-555-2671 x9"), ElementsAre("14155552671", "4155552671"));
  EXPECT_THAT(PhoneSpellings("CH", "044 668 18 00"), ElementsAre("41446681800", "0446681800"));
  EXPECT_THAT(PhoneSpellings("US", "0041 44 668 18 00"),
              ElementsAre("41446681800", "0041446681800"));
  EXPECT_THAT(PhoneSpellings("NO", "915.112.1727"), ElementsAre("9151121727"));
  EXPECT_THAT(PhoneSpellings("US", "1-800-FLOWERS"), ElementsAre("18003569377"));
  EXPECT_THAT(PhoneSpellings("US", "Acme 2000"), IsEmpty());
  EXPECT_THAT(PhoneSpellings("US", "北京 2000"), IsEmpty());
  EXPECT_THAT(PhoneSpellings("US", "12"), IsEmpty());
  EXPECT_THAT(PhoneSpellings("US", ""), IsEmpty());
}

TEST(RegionCode, KnowsCodesNamesAndHabits) {
  const std::pair<const char*, const char*> names[] = {
      {"NO", "NO"},
      {"no", "NO"},
      {"NOR", "NO"},
      {"Norway", "NO"},
      {" norway ", "NO"},
      {"Korea", "KR"},
      {"Russian Federation", "RU"},
      {"United States of America", "US"},
      {"The United States", "US"},
      {"U.S.A.", "US"},
      {"UK", "GB"},
      {"Cote d'Ivoire", "CI"},
      {"Côte d’Ivoire", "CI"},
      {"Holy See (Vatican City State)", "VA"},
      {"Saint Lucia", "LC"},
      {"St. Lucia", "LC"},
      {"Trinidad & Tobago", "TT"},
      {"Trinidad and Tobago", "TT"},
      {"Antarctica (the territory South of 60 deg S)", "AQ"},
      {"Slovakia (Slovak Republic)", "SK"},
      {"Svalbard & Jan Mayen Islands", "SJ"},
      {"Philipines", "PH"},
      {"Hong Kong", "HK"},
      {"Türkiye", "TR"},
      {"Congo", "CG"},
      {"Niger", "NE"},
      {"Nigeria", "NG"},
      {"Guinea", "GN"},
      {"Equatorial Guinea", "GQ"},
      {"Netherlands Antilles", ""},  // dissolved; its parts have their own codes
      {"Atlantis", ""},
      {"", ""},
      {"()", ""},
      {"中国", ""},
  };
  for (const auto& [name, code] : names) {
    EXPECT_EQ(RegionCode(name), code) << name;
  }
}

TEST(Vocabulary, KnowsCurrencies) {
  for (const char* code : {"EUR", "USD", "CNY", "JPY", "KWD"}) {
    EXPECT_TRUE(IsCurrency(code)) << code;
  }
  for (const char* code : {"", "eur", "EU", "DEM", "ABC", "EURO"}) {
    EXPECT_FALSE(IsCurrency(code)) << code;
  }
}

TEST(Vocabulary, KnowsTimeZones) {
  for (const char* zone : {"UTC", "Europe/Oslo", "America/Argentina/Buenos_Aires", "Asia/Shanghai",
                           "Etc/GMT+3", "CET"}) {
    EXPECT_TRUE(IsTimeZone(zone)) << zone;
  }
  for (const char* zone : {"", "Mars/Base", "GMT+3", "GMT+03:00", "PST", "Etc/Unknown", "Oslo",
                           "Europe/Oslo ", "欧洲/奥斯陆"}) {
    EXPECT_FALSE(IsTimeZone(zone)) << zone;
  }
}

TEST(Vocabulary, KnowsLanguages) {
  for (const char* tag : {"en", "zh-CN", "zh-Hant-TW", "sr-Latn-RS", "es-419", "de"}) {
    EXPECT_TRUE(IsLanguage(tag)) << tag;
  }
  for (const char* tag : {"", "english", "e", "zh_CN!", "en-", "qq", "-en", "日本"}) {
    EXPECT_FALSE(IsLanguage(tag)) << tag;
  }
}

TEST(Vocabulary, KnowsEmails) {
  for (const char* text :
       {"a@b", "ada.lovelace+x@mail.example.com", "o'brien@a-b.example", "a@1.2.3.4"}) {
    EXPECT_TRUE(IsEmail(text)) << text;
  }
  for (const char* text :
       {"", "a", "@b", "a@", "a b@c", "a@b..c", "a@-b", "a@b-", "a@b@c", "ä@b", "a@b.", "a@b_c"}) {
    EXPECT_FALSE(IsEmail(text)) << text;
  }
  EXPECT_FALSE(IsEmail("a@" + std::string(64, 'b')));
}

// Lines of the customers' CSV, split; enough of RFC 4180 for one that has no line breaks in fields.
std::vector<std::string> SplitCsv(const std::string& line) {
  std::vector<std::string> cells(1);
  bool quoted = false;
  for (const char c : line) {
    if (c == '"') {
      quoted = !quoted;
    } else if (c == ',' && !quoted) {
      cells.emplace_back();
    } else if (c != '\r') {
      cells.back() += c;
    }
  }
  return cells;
}

struct Tally {
  int phones = 0;
  int with_e164 = 0;
  int found_again = 0;
  std::set<std::string> unknown_countries;
};

void CountPhone(const std::string& region, const std::string& raw, Tally& tally) {
  v1::Phone phone;
  phone.set_raw(raw);
  NormalisePhone(region, phone);
  ++tally.phones;
  tally.with_e164 += phone.e164().empty() ? 0 : 1;
  // What is indexed must be among the spellings of the same text typed again.
  const std::string indexed =
      phone.e164().empty() ? PhoneSpellings("", raw).front() : phone.e164().substr(1);
  for (const std::string& spelling : PhoneSpellings(region, raw)) {
    tally.found_again += spelling == indexed ? 1 : 0;
  }
}

// Where the whole data sets are: every phone is found again by what was typed. Where they are not,
// the same on the excerpt's notations above.
TEST(NormalisePhone, CopesWithTenThousandCustomers) {
  Tally tally;
  const char* folder = std::getenv("RETRACE_TEST_DATA");
  if (folder == nullptr) {
    for (const char* raw :
         {"043-797-5229", "915.112.1727", "(209)172-7124x3651", "+1-555-0100-20"}) {
      CountPhone("US", raw, tally);
    }
  } else {
    std::ifstream file(std::string(folder) + "/customers-10000.csv");
    std::string line;
    std::getline(file, line);
    while (std::getline(file, line)) {
      const std::vector<std::string> cells = SplitCsv(line);
      ASSERT_EQ(cells.size(), 12u) << line;
      const std::string region = RegionCode(cells[6]);
      if (region.empty()) {
        tally.unknown_countries.insert(cells[6]);
      }
      CountPhone(region, cells[7], tally);
      CountPhone(region, cells[8], tally);
    }
    ASSERT_EQ(tally.phones, 20000);
    EXPECT_THAT(tally.unknown_countries, ElementsAre("Netherlands Antilles"));
  }
  EXPECT_EQ(tally.found_again, tally.phones);
  EXPECT_GT(tally.with_e164, 0);
  printf("%d phones, %d with an E.164 number\n", tally.phones, tally.with_e164);
}

}  // namespace
}  // namespace retrace::domain
