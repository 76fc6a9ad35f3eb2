#include "domain/index_values.h"

#include <algorithm>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rapidcheck/gtest.h"
#include "retrace/v1/customers.pb.h"
#include "retrace/v1/records.pb.h"

namespace retrace::domain {
namespace {

using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

TEST(FoldCaseless, FoldsAndComposes) {
  EXPECT_EQ(FoldCaseless("Ada LOVELACE 42"), "ada lovelace 42");
  EXPECT_EQ(FoldCaseless("STRASSE"), FoldCaseless("straße"));
  EXPECT_EQ(FoldCaseless("Ｈｅｌｌｏ　１"), "hello 1");  // full width
  EXPECT_EQ(FoldCaseless("Müller"), FoldCaseless("Mu\u0308LLER"));
  EXPECT_NE(FoldCaseless("Müller"), FoldCaseless("Muller"));
  EXPECT_EQ(FoldCaseless(""), "");
  EXPECT_EQ(FoldCaseless("a\u200bb"), "ab");  // nothing to be seen
}

TEST(FoldForSort, OrdersAccentsLast) {
  EXPECT_EQ(FoldForSort("  Ada \t\n Lovelace "), "ada lovelace");
  const std::vector<std::string> sorted = {FoldForSort("Muller"), FoldForSort("Müller"),
                                           FoldForSort("Muller A"), FoldForSort("Mullet")};
  EXPECT_TRUE(std::is_sorted(sorted.begin(), sorted.end()));
  EXPECT_NE(sorted[0], sorted[1]);
  EXPECT_EQ(FoldForSort(std::string(500, 'x')).size(), 200u);
  EXPECT_EQ(FoldForSort(std::string(199, 'x') + "京").size(), 199u);
}

TEST(SearchWords, SplitsAtWhatIsNoLetterOrDigit) {
  EXPECT_THAT(SearchWords("Ada Lovelace-King, 2nd"), ElementsAre("2nd", "ada", "king", "lovelace"));
  EXPECT_THAT(SearchWords("a a A"), ElementsAre("a"));
  EXPECT_THAT(SearchWords(""), IsEmpty());
  EXPECT_THAT(SearchWords("--- 🎉 !"), IsEmpty());
  EXPECT_THAT(SearchWords("Иван Петров"), ElementsAre("иван", "петров"));
  EXPECT_THAT(SearchWords("김철수"), ElementsAre("김철수"));
}

TEST(SearchWords, DropsDiacritics) {
  EXPECT_THAT(SearchWords("Müller"), ElementsAre("muller"));
  EXPECT_THAT(SearchWords("Søren Łukasz Æsir Đặng İbrahim"),
              ElementsAre("aesir", "dang", "ibrahim", "lukasz", "soren"));
  EXPECT_THAT(SearchWords("हिन्दी"),
              ElementsAre("हिन्दी"));  // vowel signs are letters to their readers
  EXPECT_THAT(SearchWords("مُحَمَّد"), ElementsAre("محمد"));
}

TEST(SearchWords, TakesApostrophesBothWays) {
  EXPECT_THAT(SearchWords("O'Brien"), ElementsAre("brien", "o", "obrien"));
  EXPECT_THAT(SearchWords("O’Brien"), ElementsAre("brien", "o", "obrien"));
  EXPECT_THAT(SearchWords("rock 'n' roll"), ElementsAre("n", "rock", "roll"));
  EXPECT_THAT(SearchWords("O' Brien"), ElementsAre("brien", "o"));
}

TEST(SearchWords, TakesEverySuffixWithoutSpaces) {
  EXPECT_THAT(SearchWords("北京大学"), ElementsAre("京大学", "北京大学", "大学", "学"));
  EXPECT_THAT(SearchWords("北京Acme有限公司 Ltd"),
              ElementsAre("acme", "ltd", "京", "公司", "北京", "司", "有限公司", "限公司"));
  EXPECT_THAT(SearchWords("トヨタ"), ElementsAre("タ", "トヨタ", "ヨタ"));
  EXPECT_THAT(SearchWords("サーバー"), Contains("バー"));  // the long vowel belongs to the run
  // Thai: suffixes begin at letters, never at a vowel sign.
  EXPECT_THAT(SearchWords("กี่"), ElementsAre("กี่"));
  EXPECT_THAT(SearchWords("ภาษา"), Contains("ษา"));
}

TEST(SearchWords, IsBounded) {
  std::string many;
  for (int i = 0; i < 100; ++i) {
    many += "w" + std::to_string(i) + " ";
  }
  EXPECT_THAT(SearchWords(many), SizeIs(32));
  std::string run;
  for (int i = 0; i < 100; ++i) {
    run += "京";
    run += i % 2 == 0 ? "北" : "南";
  }
  const std::vector<std::string> words = SearchWords(run + " ltd");
  EXPECT_THAT(words, SizeIs(testing::Le(32u)));
  EXPECT_THAT(words, Contains("ltd"));  // whole words go before suffixes
  for (const std::string& word : words) {
    EXPECT_LE(word.size(), 64u);
    EXPECT_NE(static_cast<unsigned char>(word[0]) & 0xc0, 0x80);
  }
  EXPECT_THAT(SearchWords(std::string(100, 'a')), ElementsAre(std::string(64, 'a')));
}

TEST(QueryWords, MatchesWhatIsIndexed) {
  EXPECT_THAT(QueryWords("  Lovelace ADA"), ElementsAre("lovelace", "ada"));
  EXPECT_THAT(QueryWords("Müller"), ElementsAre("muller"));
  EXPECT_THAT(QueryWords("京A"), ElementsAre("京", "a"));
  EXPECT_THAT(QueryWords("o'brien"), ElementsAre("o", "brien"));
  EXPECT_THAT(QueryWords("ad Ada ada"), ElementsAre("ada"));
  EXPECT_THAT(QueryWords("!"), IsEmpty());
  EXPECT_THAT(QueryWords(std::string(100, 'a')), ElementsAre(std::string(64, 'a')));
}

bool Finds(const std::vector<std::string>& index, const std::vector<std::string>& query) {
  return std::all_of(query.begin(), query.end(), [&index](const std::string& prefix) {
    const auto at = std::lower_bound(index.begin(), index.end(), prefix);
    return at != index.end() && at->starts_with(prefix);
  });
}

// A name of a few pieces of different scripts; few enough for the bound.
rc::Gen<std::string> Name() {
  return rc::gen::map(
      rc::gen::resize(
          6, rc::gen::container<std::vector<std::string>>(rc::gen::elementOf(
                 std::vector<std::string>{"北", "京", "有限", "公司", "トヨ", "Acme", "Müller", " ",
                                          "-", "É", "ไทย", "7", "Ltd", "'", "한국", "ő"}))),
      [](const std::vector<std::string>& pieces) {
        std::string name;
        for (const std::string& piece : pieces) {
          name += piece;
        }
        return name;
      });
}

// Offsets at which a character begins, and the end.
std::vector<size_t> Borders(const std::string& text) {
  std::vector<size_t> borders;
  for (size_t i = 0; i <= text.size(); ++i) {
    if (i == text.size() || (static_cast<unsigned char>(text[i]) & 0xc0) != 0x80) {
      borders.push_back(i);
    }
  }
  return borders;
}

RC_GTEST_PROP(Search, FindsEveryNameByItself, ()) {
  const std::string name = *Name();
  const std::vector<std::string> index = SearchWords(name);
  RC_ASSERT(std::is_sorted(index.begin(), index.end()));
  RC_ASSERT(Finds(index, QueryWords(name)));
}

RC_GTEST_PROP(Search, FindsAnySubstringWithoutSpaces, ()) {
  const auto letters = *rc::gen::resize(
      12, rc::gen::nonEmpty(rc::gen::container<std::vector<std::string>>(rc::gen::elementOf(
              std::vector<std::string>{"北", "京", "有", "限", "公", "ト", "あ", "ก", "お"}))));
  std::string name;
  for (const std::string& letter : letters) {
    name += letter;
  }
  const std::vector<size_t> borders = Borders(name);
  const size_t from = *rc::gen::inRange<size_t>(0, borders.size() - 1);
  const size_t to = *rc::gen::inRange<size_t>(from + 1, borders.size());
  const std::string part = name.substr(borders[from], borders[to] - borders[from]);
  RC_ASSERT(Finds(SearchWords("Acme " + name + " Ltd"), QueryWords(part)));
}

RC_GTEST_PROP(Search, FindsEveryPieceOfAMixedName, ()) {
  const std::vector<std::string> without_spaces = {"北京", "有限公司", "トヨタ", "ไทย"};
  const std::vector<std::string> with_spaces = {"Acme", "Müller", "7", "한국", "Ltd"};
  std::string name;
  std::vector<std::string> pieces;
  for (int i = *rc::gen::inRange(1, 5); i > 0; --i) {
    pieces.push_back(*rc::gen::elementOf(i % 2 == 0 ? without_spaces : with_spaces));
    name += pieces.back();
  }
  for (const std::string& piece : pieces) {
    RC_ASSERT(Finds(SearchWords(name), QueryWords(piece)));
  }
}

RC_GTEST_PROP(Search, FindsEveryPrefixOfAWord, ()) {
  const std::string word =
      *rc::gen::nonEmpty(rc::gen::container<std::string>(rc::gen::inRange('a', 'z')));
  const size_t length = *rc::gen::inRange<size_t>(1, word.size() + 1);
  RC_ASSERT(Finds(SearchWords("first " + word), QueryWords(word.substr(0, length))));
}

TEST(PhoneDigits, KeepsDigitsOnly) {
  EXPECT_EQ(PhoneDigits("+1 (415) 555-2671"), "14155552671");
  EXPECT_EQ(PhoneDigits("(209)172-7124x3651"), "2091727124");
  EXPECT_EQ(PhoneDigits("044 668 18 00 ext. 12"), "0446681800");
  EXPECT_EQ(PhoneDigits("915.112.1727 #9"), "9151121727");
  EXPECT_EQ(PhoneDigits("tel:+41-44-668;ext=7"), "4144668");
  EXPECT_EQ(PhoneDigits("０４４　６６８"), "044668");
  EXPECT_EQ(PhoneDigits("٠١٢٣"), "0123");
  EXPECT_EQ(PhoneDigits("none"), "");
}

TEST(EncodeNumber, KeepsOrder) {
  const std::vector<int64_t> numbers = {INT64_MIN, -256, -1, 0, 1, 255, 256, INT64_MAX};
  for (size_t i = 0; i < numbers.size(); ++i) {
    EXPECT_EQ(DecodeNumber(EncodeNumber(numbers[i])), numbers[i]);
    if (i > 0) {
      EXPECT_LT(EncodeNumber(numbers[i - 1]), EncodeNumber(numbers[i]));
    }
  }
  EXPECT_EQ(DecodeNumber("short"), 0);
}

RC_GTEST_PROP(EncodeNumber, OrdersAnyTwo, (int64_t a, int64_t b)) {
  RC_ASSERT((EncodeNumber(a) < EncodeNumber(b)) == (a < b));
  RC_ASSERT(DecodeNumber(EncodeNumber(a)) == a);
}

TEST(AfterPrefix, IsTheNextBeyond) {
  EXPECT_EQ(AfterPrefix("ab"), "ac");
  EXPECT_EQ(AfterPrefix("a\xff\xff"), "b");
  EXPECT_EQ(AfterPrefix("\xff"), "");
  EXPECT_EQ(AfterPrefix(""), "");
}

IndexDeclaration Declare(std::vector<std::string> fields, Normaliser normaliser) {
  return {.number = 1, .name = "test", .fields = std::move(fields), .normaliser = normaliser};
}

v1::Customer SampleCustomer() {
  v1::Customer customer;
  customer.set_number(42);
  customer.set_display_name("Ada Müller");
  customer.set_organization_name("Acme");
  customer.add_emails("B@x.example");
  customer.add_emails("a@x.example");
  customer.add_emails("b@X.example");
  customer.add_phones()->set_raw("+1 415-555-2671");
  customer.mutable_phones(0)->set_e164("+14155552671");
  customer.add_phones()->set_raw("0800 none");
  customer.add_addresses()->set_region_code("NO");
  customer.add_addresses();
  customer.mutable_create_time()->set_seconds(5);
  customer.mutable_create_time()->set_nanos(1500);
  customer.set_state(v1::Customer::ACTIVE);
  return customer;
}

TEST(PhoneValues, TellsTheNumberAndHowElseItWasSpelt) {
  const auto values = [](const std::string& raw, const std::string& e164) {
    v1::Phone phone;
    phone.set_raw(raw);
    phone.set_e164(e164);
    return PhoneValues(phone);
  };
  EXPECT_THAT(values("+1 415 555 2671", "+14155552671"), ElementsAre("14155552671"));
  EXPECT_THAT(values("044 668 18 00", "+41446681800"),
              ElementsAre("41446681800", "0446681800\x01"));
  EXPECT_THAT(values("0041 44 668 18 00 x9", "+41446681800"),
              ElementsAre("41446681800", "0041446681800\x01"));
  EXPECT_THAT(values("1-800-FLOWERS", "+18003569377"), ElementsAre("18003569377"));
  EXPECT_THAT(values("0800 12", ""), ElementsAre("080012"));
  EXPECT_FALSE(IsOtherSpelling("41446681800"));
  EXPECT_TRUE(IsOtherSpelling("0446681800\x01"));
  EXPECT_FALSE(IsOtherSpelling(""));
  EXPECT_LT("0446681800\x01", AfterPhoneDigits("0446681800"));
  EXPECT_GT("04466818000", AfterPhoneDigits("0446681800"));
}

TEST(IndexValues, FollowsTheNormaliser) {
  const v1::Customer customer = SampleCustomer();
  const auto values = [&customer](std::vector<std::string> fields, Normaliser normaliser) {
    return IndexValues(Declare(std::move(fields), normaliser), customer);
  };
  EXPECT_THAT(values({"display_name"}, Normaliser::kExact), ElementsAre("Ada Müller"));
  EXPECT_THAT(values({"emails"}, Normaliser::kCaseless), ElementsAre("a@x.example", "b@x.example"));
  EXPECT_THAT(values({"phones"}, Normaliser::kPhone), ElementsAre("0800", "14155552671"));
  EXPECT_THAT(values({"phones.raw"}, Normaliser::kPhone), ElementsAre("0800", "14155552671"));
  EXPECT_THAT(values({"number"}, Normaliser::kNumber), ElementsAre(EncodeNumber(42)));
  EXPECT_THAT(values({"number"}, Normaliser::kExact), ElementsAre("42"));
  EXPECT_THAT(values({"create_time"}, Normaliser::kTime), ElementsAre(EncodeNumber(5000001)));
  EXPECT_THAT(values({"state"}, Normaliser::kExact), ElementsAre("ACTIVE"));
  EXPECT_THAT(values({"addresses.region_code"}, Normaliser::kExact), ElementsAre("NO"));
  EXPECT_THAT(values({"display_name", "organization_name"}, Normaliser::kNameWords),
              ElementsAre("acme", "ada", "muller"));
  EXPECT_THAT(values({"display_name"}, Normaliser::kSortName), ElementsAre("ada muller\x01"
                                                                           "ada müller"));
}

TEST(IndexValues, HasNoneForUnsetFields) {
  const v1::Record record;
  for (const char* field :
       {"title", "amount.currency", "amount.minor_units", "phones", "kind", "due_time", "emails"}) {
    EXPECT_THAT(IndexValues(Declare({field}, Normaliser::kExact), record), IsEmpty()) << field;
  }
}

TEST(IndexValues, TakesTimesBefore1970) {
  v1::Record record;
  record.mutable_due_time()->set_seconds(-1);
  record.mutable_due_time()->set_nanos(999999000);
  EXPECT_THAT(IndexValues(Declare({"due_time"}, Normaliser::kTime), record),
              ElementsAre(EncodeNumber(-1)));
}

TEST(IndexValuesDeathTest, AbortsOnFieldsThatAreNotThere) {
  EXPECT_DEATH(IndexValues(Declare({"colour"}, Normaliser::kExact), v1::Record()),
               "no field colour");
  v1::Record record;
  record.set_title("T");
  EXPECT_DEATH(IndexValues(Declare({"title.x"}, Normaliser::kExact), record), "into a scalar");
}

}  // namespace
}  // namespace retrace::domain
