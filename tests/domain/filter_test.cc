#include "domain/filter.h"

#include <chrono>
#include <string>
#include <vector>

#include "domain/refusal.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "retrace/v1/customers.pb.h"
#include "retrace/v1/history.pb.h"
#include "retrace/v1/records.pb.h"
#include "tests/domain/filter_text.h"

namespace retrace::domain {
namespace {

using ::retrace::testing::PrintFilter;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// The tree of the text, fully parenthesised; or the error's message.
std::string Tree(const std::string& text) {
  const auto tree = ParseFilter(text);
  return tree.ok() ? PrintFilter(**tree) : std::string(tree.status().message());
}

TEST(ParseFilter, FollowsTheGrammar) {
  EXPECT_EQ(Tree("a=1"), "a = 1");
  EXPECT_EQ(Tree("a = 1 AND b=2 OR c=3"), "a = 1 AND (b = 2 OR c = 3)");
  EXPECT_EQ(Tree("a=1 b=2 OR c=3 d=4"), "a = 1 AND (b = 2 OR c = 3) AND d = 4");
  EXPECT_EQ(Tree("(a=1 AND b=2) AND (c=3)"), "a = 1 AND b = 2 AND c = 3");
  EXPECT_EQ(Tree("(a=1 AND b=2) OR c=3"), "(a = 1 AND b = 2) OR c = 3");
  EXPECT_EQ(Tree("NOT a=1 OR -b=2"), "NOT a = 1 OR NOT b = 2");
  EXPECT_EQ(Tree("NOT(a=1 b=2)"), "NOT (a = 1 AND b = 2)");
  EXPECT_EQ(Tree("-(-(a=1))"), "NOT (NOT a = 1)");
  EXPECT_EQ(Tree("a=(1 OR 2) AND b:(x y)"), "(a = 1 OR a = 2) AND b:x AND b:y");
  EXPECT_EQ(Tree("a=(NOT 1)"), "NOT a = 1");
  EXPECT_EQ(Tree("foo bar"), "foo AND bar");
  EXPECT_EQ(Tree("www.example.com"), "www.example.com");
  EXPECT_EQ(Tree("O'Brien ..."), "O'Brien AND ...");
  EXPECT_EQ(Tree("a.b.\"c.d\"<=-5"), "a.b.\"c.d\" <= -5");
  EXPECT_EQ(Tree("a.`c d`:'it\\'s'"), "a.\"c d\":\"it's\"");
  EXPECT_EQ(Tree("t>=2024-02-29T08:00:00+01:00"), "t>=2024-02-29T08:00:00+01:00");
  EXPECT_EQ(Tree("ANDROID=1 NOTE ORDER"), "\"ANDROID\" = 1 AND NOTE AND ORDER");
  EXPECT_EQ(Tree("\t \n"), "");
  EXPECT_EQ(Tree("  (  ( a = \"\" ) )  "), "a = \"\"");
}

TEST(ParseFilter, SaysWhereAndWhatItExpected) {
  const auto wrong = [](const std::string& text) {
    const auto tree = ParseFilter(text);
    EXPECT_EQ(ReasonOf(tree.status()), v1::INVALID_FILTER) << text;
    EXPECT_EQ(tree.status().code(), absl::StatusCode::kInvalidArgument) << text;
    std::string message(tree.status().message());
    return message.substr(0, message.find(" Correct"));
  };
  EXPECT_EQ(wrong("a ="), "The filter is wrong at byte 3: expected a value, found the end.");
  EXPECT_THAT(wrong("a = AND b"), HasSubstr("at byte 4: expected a value; one like this"));
  EXPECT_THAT(wrong("a AND"), HasSubstr("at byte 5: expected a restriction, found the end"));
  EXPECT_THAT(wrong("AND a"), HasSubstr("at byte 0: expected a restriction, not a keyword"));
  EXPECT_THAT(wrong("a OR OR b"), HasSubstr("at byte 5: expected a restriction, not a keyword"));
  EXPECT_THAT(wrong("NOT NOT a"), HasSubstr("at byte 4: expected a restriction, not a keyword"));
  EXPECT_THAT(wrong("- a"), HasSubstr("at byte 1: expected a restriction directly behind `-`"));
  EXPECT_THAT(wrong("(a"), HasSubstr("at byte 0: this parenthesis is never closed"));
  EXPECT_THAT(wrong("a)"), HasSubstr("at byte 1: expected the end or another restriction"));
  EXPECT_THAT(wrong("()"), HasSubstr("at byte 1: expected a field or a word"));
  EXPECT_THAT(wrong("a=()"), HasSubstr("at byte 3: expected a value"));
  EXPECT_THAT(wrong("a=\"x"), HasSubstr("at byte 2: this quote is never closed"));
  EXPECT_THAT(wrong("a=\"x\\"), HasSubstr("at byte 2: this quote is never closed"));
  EXPECT_THAT(wrong("a=\"\\n\""), HasSubstr("at byte 3: expected \\\\ or a quote"));
  EXPECT_THAT(wrong("a=\"x\"b"), HasSubstr("at byte 5: expected a space"));
  EXPECT_THAT(wrong("a==b"), HasSubstr("at byte 2: expected a value; one like this"));
  EXPECT_THAT(wrong("=b"), HasSubstr("at byte 0: expected the name of a field"));
  EXPECT_THAT(wrong("a..b=1"), HasSubstr("at byte 2: expected the name of a field"));
  EXPECT_THAT(wrong("now(x)=1"), HasSubstr("at byte 3: expected a comparison; there are no funct"));
  EXPECT_THAT(wrong("a.\"b\""), HasSubstr("at byte 5: expected a comparison"));
  EXPECT_THAT(wrong("a=北京\"" + std::string(500, 'x')), SizeIs(::testing::Lt(200u)));
}

TEST(ParseFilter, IsBounded) {
  const auto parens = [](int levels) {
    return std::string(levels, '(') + "a=1" + std::string(levels, ')');
  };
  EXPECT_TRUE(ParseFilter(parens(20)).ok());
  EXPECT_THAT(Tree(parens(21)), HasSubstr("at byte 20: parentheses lie more than 20 deep"));
  EXPECT_THAT(Tree(std::string(8000, '(')), HasSubstr("at byte 20: parentheses lie"));
  EXPECT_THAT(Tree("a=" + std::string(8000, '(')), HasSubstr("parentheses lie"));
  EXPECT_THAT(Tree(std::string(10000, '(')), HasSubstr("it has 10000 bytes; at most 8192"));
  std::string terms = "a=1";
  for (int i = 1; i < 200; ++i) {
    terms += " OR a=" + std::to_string(i);
  }
  EXPECT_TRUE(ParseFilter(terms).ok());
  EXPECT_THAT(Tree(terms + " b"), HasSubstr("more than 200 restrictions"));
  std::string values = "a=(";
  for (int i = 0; i < 201; ++i) {
    values += "x ";
  }
  EXPECT_THAT(Tree(values + ")"), HasSubstr("more than 200 restrictions"));
}

v1::Record SampleRecord() {
  v1::Record record;
  record.set_name("tenants/acme/records/1");
  record.set_kind(v1::Record::DEAL);
  record.set_title("Große Brücke");
  record.mutable_amount()->set_minor_units(500);
  record.mutable_amount()->set_currency("EUR");
  record.mutable_due_time()->set_seconds(1709193600);  // 2024-02-29T08:00:00Z
  record.mutable_due_time()->set_nanos(1);
  (*record.mutable_attributes())["colour"] = "Dark Red";
  (*record.mutable_attributes())["eye colour"] = "blue";
  record.add_tags("vip");
  record.add_tags("New Lead");
  record.add_emails("ada@example.com");
  v1::Phone& phone = *record.add_phones();
  phone.set_raw("(415) 555-2671");
  phone.set_e164("+14155552671");
  phone.set_label("work");
  return record;
}

bool Matches(const std::string& text, const google::protobuf::Message& message) {
  const auto filter = Filter::Parse(text, *message.GetDescriptor(), {});
  EXPECT_TRUE(filter.ok()) << text << ": " << filter.status();
  return filter.ok() && filter->Matches(message);
}

void ExpectMatches(const std::vector<std::string>& yes, const std::vector<std::string>& no) {
  const v1::Record record = SampleRecord();
  for (const std::string& text : yes) {
    EXPECT_TRUE(Matches(text, record)) << text;
  }
  for (const std::string& text : no) {
    EXPECT_FALSE(Matches(text, record)) << text;
  }
}

TEST(FilterMatches, Text) {
  ExpectMatches(
      {"title = \"GROSSE brücke\"", "title = \"große*\"", "title = *brücke", "title = \"*e b*\"",
       "title:brü", "title:\"E B\"", "title != x", "title:*", "title > aaa",
       "title >= \"große brücke\"", "stage = \"\"", "stage != x", "NOT stage:*", "title = *"},
      {"title = große", "title = \"brücke*\"", "title = *große", "title:brucke",
       "title != \"große brücke\"", "title < aaa", "stage:*", "stage = x"});
}

TEST(FilterMatches, IdsOfOtherSystemsAsTheyAre) {
  v1::Record record;
  record.set_external_id("aB-1");
  for (const char* text : {"external_id = aB-1", "external_id = a*", "external_id:B-",
                           "external_id != ab-1", "external_id > aA"}) {
    EXPECT_TRUE(Matches(text, record)) << text;
  }
  for (const char* text :
       {"external_id = ab-1", "external_id = A*", "external_id:b-", "external_id > aa"}) {
    EXPECT_FALSE(Matches(text, record)) << text;
  }
}

TEST(FilterMatches, NumbersEnumsAndMessages) {
  ExpectMatches({"amount.minor_units = 500", "amount.minor_units > -1", "amount.minor_units:500",
                 "amount.minor_units <= 500", "amount:*", "amount.currency = eur", "kind = DEAL",
                 "kind != NOTE", "kind = (NOTE OR DEAL)", "-kind = NOTE"},
                {"amount.minor_units != 500", "amount.minor_units < 500", "kind = NOTE",
                 "kind != DEAL", "amount.minor_units > 9223372036854775807"});
  // A message that is not there matches nothing, not even `!=`.
  v1::Record record;
  EXPECT_FALSE(Matches("amount.minor_units != 5", record));
  EXPECT_FALSE(Matches("amount.minor_units = 0", record));
  EXPECT_TRUE(Matches("NOT amount.minor_units = 0", record));
  EXPECT_FALSE(Matches("amount:*", record));
  v1::ListCustomersRequest request;
  EXPECT_TRUE(Matches("show_deleted = false", request));
  EXPECT_FALSE(Matches("show_deleted != false", request));
  EXPECT_FALSE(Matches("show_deleted:*", request));
}

TEST(FilterMatches, Times) {
  ExpectMatches(
      {"due_time = 2024-02-29", "due_time:\"2024-02-29\"", "due_time >= 2024-02-29",
       "due_time <= 2024-02-29", "due_time > 2024-02-28", "due_time < 2024-03-01",
       "due_time > 2024-02-29T08:00:00Z", "due_time < 2024-02-29T09:00:00.000000002+01:00",
       "due_time = \"2024-02-29T08:00:00.000000001Z\"", "due_time != 2024-02-28", "due_time:*",
       "-start_time:*"},
      {"due_time = 2024-02-28", "due_time < 2024-02-29", "due_time > 2024-02-29",
       "due_time != 2024-02-29", "due_time = 2024-02-29T08:00:00Z",
       "due_time < 2024-02-29T09:00:00+01:00", "start_time != 2024-02-29",
       "start_time < 2024-02-29"});
}

TEST(FilterMatches, ListsAndMaps) {
  ExpectMatches(
      {"tags:VIP",
       "tags = vip",
       "tags:\"new*\"",
       "tags:*",
       "emails:*@example.com",
       "-tags:old",
       "attributes:colour",
       "attributes:\"eye colour\"",
       "attributes.colour = \"dark red\"",
       "attributes.colour:red",
       "attributes.\"eye colour\" = blue",
       "attributes.colour:*",
       "attributes:*",
       "attributes.colour != blue",
       "phones:\"+1 415 555 2671\"",
       "phones:\"415 555 2671\"",
       "phones:+14155552671",
       "phones:WORK",
       "phones.label = work",
       "phones.e164 = \"+1415*\"",
       "phones:*"},
      {"tags:new", "tags:old", "attributes:size", "attributes.size != x", "attributes.size:*",
       "attributes:Colour", "phones:\"415 555 2672\"", "phones:wor", "phones.label = home"});
  EXPECT_FALSE(Matches("tags:*", v1::Record()));
}

TEST(FilterMatches, BareWords) {
  ExpectMatches(
      {"brücke", "BRÜCKE große", "\"e b\"", "red", "ada@example.com", "4155552671", "-xyz"},
      {"xyz", "colour", "brücke xyz"});
}

TEST(Filter, RefusesWhatDoesNotFitTheFields) {
  const auto wrong = [](const std::string& text) {
    const auto filter = Filter::Parse(text, *v1::Record::descriptor(), {});
    EXPECT_EQ(ReasonOf(filter.status()), v1::INVALID_FILTER) << text;
    return std::string(filter.status().message());
  };
  EXPECT_THAT(wrong("x=1"), HasSubstr("there is no field `x`; there are name, kind, customer"));
  EXPECT_THAT(wrong("a AND amount.x=1"),
              HasSubstr("at byte 6: there is no field `x`; there are minor_units, currency"));
  EXPECT_THAT(wrong("title.x=1"), HasSubstr("`title` has no fields"));
  EXPECT_THAT(wrong("due_time.seconds=1"), HasSubstr("`due_time` has no fields"));
  EXPECT_THAT(wrong("attributes.a.b=1"), HasSubstr("a key with dots stands in quotes"));
  EXPECT_THAT(wrong("attributes=1"), HasSubstr("compare a key, as in attributes.key"));
  EXPECT_THAT(wrong("amount=1"), HasSubstr("`amount` has fields: compare one of minor_units"));
  EXPECT_THAT(wrong("amount.minor_units=x"), HasSubstr("byte 19: expected a whole number"));
  EXPECT_THAT(wrong("amount.minor_units=9223372036854775808"), HasSubstr("a whole number"));
  EXPECT_THAT(wrong("amount.minor_units=1.5"), HasSubstr("a whole number"));
  EXPECT_THAT(wrong("kind=deal"), HasSubstr("expected one of CONTACT, DEAL"));
  EXPECT_THAT(wrong("kind>DEAL"), HasSubstr("`kind` has no order"));
  EXPECT_THAT(wrong("due_time=yesterday"), HasSubstr("expected a time such as"));
  EXPECT_THAT(wrong("due_time=2024-02-30"), HasSubstr("expected a time such as"));
  EXPECT_THAT(wrong("due_time=2024-02-29T08:00:00"), HasSubstr("expected a time such as"));
  EXPECT_THAT(wrong("due_time=infinite-future"), HasSubstr("expected a time such as"));
  EXPECT_THAT(wrong("tags!=a"), HasSubstr("`tags` holds many"));
  EXPECT_THAT(wrong("phones.label<a"), HasSubstr("`phones` holds many"));
  EXPECT_THAT(wrong(std::string(8000, 'x') + "=1"), SizeIs(::testing::Lt(600u)));
}

TEST(Filter, KnowsOnlyTheAllowedNames) {
  const std::vector<std::string> allowed = {"actor", "commit_time", "events"};
  const auto& type = *v1::Commit::descriptor();
  v1::Commit commit;
  commit.set_actor("ada");
  commit.set_method("retrace.v1.Customers.CreateCustomer");
  commit.mutable_commit_time()->set_seconds(1709193600);
  commit.add_events()->set_entity("tenants/acme/customers/1");
  commit.add_events()->set_entity("tenants/acme/records/2");
  const auto matches = [&](const std::string& text) {
    return Filter::Parse(text, type, allowed)->Matches(commit);
  };
  EXPECT_TRUE(matches("commit_time = 2024-02-29 AND events.entity = tenants/acme/records/2"));
  EXPECT_FALSE(matches("events.entity = tenants/acme/records/3"));
  EXPECT_TRUE(matches("events.entity:*"));
  EXPECT_TRUE(matches("records/2"));
  EXPECT_FALSE(matches("CreateCustomer"));  // the method is not among what is searched
  EXPECT_THAT(std::string(Filter::Parse("method=x", type, allowed).status().message()),
              HasSubstr("there is no field `method`; there are actor, commit_time, events"));
}

TEST(Filter, GivesConjunctsAndMentions) {
  const auto& type = *v1::Record::descriptor();
  const Filter filter =
      *Filter::Parse("state=ACTIVE tags:a (title:x OR stage=y) NOT kind=DEAL", type, {});
  ASSERT_THAT(filter.Conjuncts(), SizeIs(2));
  EXPECT_THAT(filter.Conjuncts()[0]->field, ElementsAre("state"));
  EXPECT_EQ(filter.Conjuncts()[1]->value, "a");
  for (const char* field : {"state", "tags", "title", "stage", "kind"}) {
    EXPECT_TRUE(filter.Mentions(field)) << field;
  }
  EXPECT_FALSE(filter.Mentions("owner"));
  EXPECT_FALSE(filter.empty());
  EXPECT_THAT(Filter::Parse("tags:a", type, {})->Conjuncts(), SizeIs(1));
  EXPECT_THAT(Filter::Parse("tags:a OR tags:b", type, {})->Conjuncts(), IsEmpty());
  const Filter nothing = *Filter::Parse(" ", type, {});
  EXPECT_TRUE(nothing.empty());
  EXPECT_TRUE(nothing.Matches(SampleRecord()));
  EXPECT_TRUE(Filter().empty());
  EXPECT_TRUE(Filter().Matches(SampleRecord()));
}

TEST(ReadTimeSpan, ReadsDaysAndMoments) {
  const auto day = ReadTimeSpan("1970-01-02");
  ASSERT_TRUE(day);
  EXPECT_EQ(day->begin_us, 86400000000);
  EXPECT_EQ(day->end_us, 2 * 86400000000);
  const auto moment = ReadTimeSpan("1970-01-01T01:00:00.000001+01:00");
  ASSERT_TRUE(moment);
  EXPECT_EQ(moment->begin_us, 1);
  EXPECT_EQ(moment->end_us, 1);
  EXPECT_EQ(ReadTimeSpan("1970-01-01T00:00:00.0000001Z")->end_us, 1);
  for (const char* text : {"", "1970", "1970-1-1", "0000-01-01", "1970-13-01", "1970-01-01T00:00",
                           "19700101T000000Z0000", "1970-01-01 00:00:00Z"}) {
    EXPECT_FALSE(ReadTimeSpan(text)) << text;
  }
}

}  // namespace
}  // namespace retrace::domain
