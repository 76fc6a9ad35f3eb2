// How text becomes values and values become text: money, times, fields, widths, tables.
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <limits>
#include <sstream>

#include "clients/cli/columns.h"
#include "clients/cli/entity_change.h"
#include "clients/cli/field_values.h"
#include "clients/cli/moment.h"
#include "clients/cli/money_text.h"
#include "clients/cli/related_records.h"
#include "clients/cli/row_output.h"
#include "clients/cli/table.h"
#include "clients/cli/text_width.h"
#include "clients/cli/time_text.h"
#include "google/longrunning/operations.pb.h"
#include "retrace/v1/customers.pb.h"
#include "retrace/v1/records.pb.h"

namespace retrace::cli {
namespace {

absl::TimeZone Zone(const char* name) {
  absl::TimeZone zone;
  EXPECT_TRUE(absl::LoadTimeZone(name, &zone)) << name;
  return zone;
}

TEST(Money, ReadsWhatPeopleWrite) {
  const auto usd = [](const char* text) { return ParseMinorUnits(text, "USD").value(); };
  EXPECT_EQ(usd("1054"), 105400);
  EXPECT_EQ(usd("1,054.50"), 105450);
  EXPECT_EQ(usd("1054.5"), 105450);
  EXPECT_EQ(usd("$ 1,054"), 105400);
  EXPECT_EQ(usd("-3"), -300);
  EXPECT_EQ(usd("(3.25)"), -325);
  EXPECT_EQ(usd("-$0.05"), -5);
  EXPECT_EQ(usd(".5"), 50);
  EXPECT_EQ(usd("10.500"), 1050);
  EXPECT_EQ(usd("USD 7"), 700);
  EXPECT_EQ(usd("1,234,567"), 123456700);
  EXPECT_EQ(ParseMinorUnits("1054", "JPY").value(), 1054);
  EXPECT_EQ(ParseMinorUnits("1.234", "KWD").value(), 1234);
  EXPECT_EQ(ParseMinorUnits("1.054,50", "EUR", DecimalMark::kComma).value(), 105450);
}

TEST(Money, RefusesWhatItWouldHaveToGuess) {
  for (const char* text : {"", "abc", "1,05", "1,0545", "10,54.00", "1.234", "1.2.3", "1 054 x",
                           "--1", ",5", "92233720368547758.08", "1e5", "1,054,50", "$", "()"}) {
    EXPECT_FALSE(ParseMinorUnits(text, "USD").ok()) << text;
  }
  EXPECT_FALSE(ParseMinorUnits("1.5", "JPY").ok());
  EXPECT_EQ(ParseMinorUnits("92233720368547758.07", "USD").value(),
            std::numeric_limits<int64_t>::max());
}

RC_GTEST_PROP(Money, ReadsWhatItWrites, (int64_t minor_units)) {
  RC_PRE(minor_units != std::numeric_limits<int64_t>::min());
  for (const char* currency : {"USD", "JPY", "KWD", "CLF"}) {
    const auto read = ParseMinorUnits(MinorUnitsText(minor_units, currency), currency);
    RC_ASSERT(read.ok());
    RC_ASSERT(*read == minor_units);
  }
}

TEST(Time, ReadsIsoWithAndWithoutOffset) {
  const absl::TimeZone shanghai = Zone("Asia/Shanghai");
  const auto exact = ParseTimeText("2026-03-31T18:00:00+02:00", shanghai);
  ASSERT_TRUE(exact.ok());
  EXPECT_FALSE(exact->zone_used);
  EXPECT_EQ(absl::ToUnixSeconds(exact->time), 1774972800);
  for (const char* text : {"2026-03-31T18:00:00", "2026-03-31 18:00:00", "2026-03-31 18:00"}) {
    const auto local = ParseTimeText(text, shanghai);
    ASSERT_TRUE(local.ok()) << text;
    EXPECT_TRUE(local->zone_used);
    EXPECT_EQ(absl::ToUnixSeconds(local->time), 1774951200) << text;
  }
  EXPECT_EQ(absl::ToUnixSeconds(ParseTimeText("2026-03-31", shanghai)->time), 1774886400);
}

TEST(Time, SaysWhatTheClockDid) {
  const absl::TimeZone berlin = Zone("Europe/Berlin");
  EXPECT_NE(ParseTimeText("2026-03-29T02:30:00", berlin)->note, "");
  EXPECT_NE(ParseTimeText("2026-10-25T02:30:00", berlin)->note, "");
  EXPECT_EQ(ParseTimeText("2026-10-25T04:30:00", berlin)->note, "");
}

TEST(Time, ReadsAGivenFormOnly) {
  const absl::TimeZone utc = absl::UTCTimeZone();
  EXPECT_EQ(absl::ToUnixSeconds(ParseTimeText("3/1/2017", utc, "%m/%d/%Y")->time), 1488326400);
  EXPECT_FALSE(ParseTimeText("13/1/2017", utc, "%m/%d/%Y").ok());
  EXPECT_FALSE(ParseTimeText("2017-03-01", utc, "%m/%d/%Y").ok());
  for (const char* text : {"", "3/1/2017", "2026-3-1", "2026-13-01", "2026-02-30", "tomorrow",
                           "2026-03-31T25:00:00", "2026-03-31T18"}) {
    EXPECT_FALSE(ParseTimeText(text, utc).ok()) << text;
  }
}

TEST(Moment, AsksForTheZoneOnlyWhenNeeded) {
  const auto never = []() -> absl::StatusOr<absl::TimeZone> {
    ADD_FAILURE() << "asked for the zone";
    return absl::UTCTimeZone();
  };
  EXPECT_EQ(ParseMoment("812", never)->as_of.position(), 812);
  EXPECT_EQ(ParseMoment("0", never)->as_of.moment_case(), v1::AsOf::kPosition);
  EXPECT_EQ(ParseMoment("2026-03-31T18:00:00Z", never)->as_of.time().seconds(), 1774980000);
  EXPECT_FALSE(ParseMoment("99999999999999999999", never).ok());
  const auto local = ParseMoment(
      "2026-03-31 18:00", [] { return absl::StatusOr<absl::TimeZone>(Zone("Asia/Shanghai")); });
  ASSERT_TRUE(local.ok());
  EXPECT_EQ(local->understood, "2026-03-31T18:00:00+08:00 (Asia/Shanghai)");
}

TEST(Width, CountsWhatATerminalShows) {
  EXPECT_EQ(TextWidth("abc"), 3);
  EXPECT_EQ(TextWidth("王小明"), 6);
  EXPECT_EQ(TextWidth("e\u0301"), 1);
  EXPECT_EQ(TextWidth("ｱ"), 1);
  EXPECT_EQ(TextWidth("😀"), 2);
  EXPECT_EQ(TextWidth("\xff"), 1);
  EXPECT_EQ(CutToWidth("王小明", 6), "王小明");
  EXPECT_EQ(CutToWidth("王小明", 5), "王小…");
  EXPECT_EQ(CutToWidth("王小明", 4), "王…");
  EXPECT_EQ(CutToWidth("abcdef", 3), "ab…");
}

TEST(Width, NothingDrivesTheTerminal) {
  EXPECT_EQ(Printable("a\x1b[31mb\nc\td"), "a\\u001b[31mb\\nc d");
  EXPECT_EQ(Printable("\u202Eevil"), "\\u202eevil");
  EXPECT_EQ(Printable("ok 王\xff"), "ok 王\uFFFD");
}

TEST(Table, AlignsWideCharactersAndNumbers) {
  Table table({{"NAME"}, {"COUNT", Align::kRight}, {"CITY"}});
  table.Add({"王小明", "7", "北京"});
  table.Add({"Ann", "1234", ""});
  std::ostringstream out;
  table.Print(out, {});
  EXPECT_EQ(out.str(),
            "NAME    COUNT  CITY\n"
            "王小明      7  北京\n"
            "Ann      1234\n");
}

TEST(Table, FitsTheTerminal) {
  Table table({{"A"}, {"B"}});
  table.Add({std::string(50, 'x'), "short"});
  std::ostringstream out;
  table.Print(out, {.max_width = 20});
  std::istringstream lines(out.str());
  for (std::string line; std::getline(lines, line);) EXPECT_LE(TextWidth(line), 20) << line;
  EXPECT_NE(out.str().find("short"), std::string::npos);
}

TEST(Table, ColoursOnlyWhenAsked) {
  Table table({{"STATE"}});
  table.Add({"DELETED"});
  std::ostringstream plain, coloured;
  table.Print(plain, {});
  table.Print(coloured, {.color = true});
  EXPECT_EQ(plain.str().find('\x1b'), std::string::npos);
  EXPECT_NE(coloured.str().find("\x1b[31mDELETED"), std::string::npos);
}

ValueRules Rules() {
  return {.tenant = "tenants/acme", .currency = "USD", .zone = absl::UTCTimeZone()};
}

TEST(Fields, ReadEveryTypeOfField) {
  v1::Record record;
  const ValueRules rules = Rules();
  ASSERT_TRUE(SetField(record, "kind", "deal", rules).ok());
  ASSERT_TRUE(SetField(record, "customer", "01j", rules).ok());
  ASSERT_TRUE(SetField(record, "owner", "tenants/acme/members/anna", rules).ok());
  ASSERT_TRUE(SetField(record, "amount", "1,054.50", rules).ok());
  ASSERT_TRUE(SetField(record, "close_time", "2026-03-31", rules).ok());
  ASSERT_TRUE(SetField(record, "phones", "1; 2", rules).ok());
  ASSERT_TRUE(SetField(record, "emails", "a@x.org", rules).ok());
  ASSERT_TRUE(SetField(record, "attributes.a.b", "c", rules).ok());
  ASSERT_TRUE(SetField(record, "attributes.a.b", "d", rules).ok());
  EXPECT_EQ(record.kind(), v1::Record::DEAL);
  EXPECT_EQ(record.customer(), "tenants/acme/customers/01j");
  EXPECT_EQ(record.owner(), "tenants/acme/members/anna");
  EXPECT_EQ(record.amount().minor_units(), 105450);
  EXPECT_EQ(record.close_time().seconds(), 1774915200);
  EXPECT_EQ(record.phones_size(), 2);
  EXPECT_EQ(record.phones(1).raw(), "2");
  EXPECT_EQ(record.attributes().size(), 1u);
  EXPECT_EQ(record.attributes().at("a.b"), "d");
  ASSERT_TRUE(SetField(record, "amount", "99 JPY", rules).ok());
  EXPECT_EQ(record.amount().currency(), "JPY");
  EXPECT_EQ(record.amount().minor_units(), 99);
}

TEST(Fields, RefuseWhatCannotBeSet) {
  v1::Customer customer;
  for (const char* path :
       {"nonsense", "name", "number", "state", "etag", "attributes", "addresses", "level.x", ""}) {
    EXPECT_FALSE(SetField(customer, path, "1", Rules()).ok()) << path;
  }
  v1::Record record;
  EXPECT_FALSE(SetField(record, "kind", "KIND_UNSPECIFIED", Rules()).ok());
  EXPECT_FALSE(SetField(record, "kind", "boat", Rules()).ok());
  EXPECT_FALSE(SetField(record, "amount", "5", ValueRules{}).ok());
  EXPECT_TRUE(SetField(customer, "addresses.locality", "Köln", Rules()).ok());
  EXPECT_EQ(customer.addresses(0).locality(), "Köln");
}

TEST(EntityChange, BuildsMaskAndKeepsTheRest) {
  v1::Customer customer;
  customer.add_tags("old");
  customer.add_tags("stays");
  (*customer.mutable_attributes())["keep"] = "1";
  (*customer.mutable_attributes())["drop"] = "2";
  customer.add_emails("before@x.org");
  const EntityChange change{.set = {"level=gold", "emails=a@x.org;b@x.org"},
                            .clear = {"attributes.drop", "owner"},
                            .add_tags = {"vip", "stays"},
                            .remove_tags = {"old"},
                            .attributes = {"colour=red=blue"}};
  EXPECT_TRUE(change.NeedsCurrent());
  google::protobuf::FieldMask mask;
  ASSERT_TRUE(change.Apply(customer, Rules(), mask).ok());
  EXPECT_EQ(customer.level(), "gold");
  EXPECT_EQ(customer.emails_size(), 2);
  EXPECT_EQ(customer.tags_size(), 2);
  EXPECT_EQ(customer.tags(1), "vip");
  EXPECT_EQ(customer.attributes().at("colour"), "red=blue");
  EXPECT_EQ(customer.attributes().count("drop"), 0u);
  EXPECT_EQ(customer.attributes().at("keep"), "1");
  const std::vector<std::string> paths(mask.paths().begin(), mask.paths().end());
  EXPECT_EQ(paths, (std::vector<std::string>{"attributes", "emails", "level", "owner", "tags"}));
}

TEST(EntityChange, RefusesNothingAndNonsense) {
  v1::Customer customer;
  google::protobuf::FieldMask mask;
  EXPECT_FALSE(EntityChange{}.Apply(customer, Rules(), mask).ok());
  EXPECT_FALSE((EntityChange{.set = {"level"}}.Apply(customer, Rules(), mask).ok()));
  EXPECT_FALSE((EntityChange{.clear = {"state"}}.Apply(customer, Rules(), mask).ok()));
  EXPECT_FALSE((EntityChange{.clear = {"addresses.locality"}}.Apply(customer, Rules(), mask).ok()));
  EXPECT_FALSE((EntityChange{.set = {"level=1"}}).NeedsCurrent());
}

TEST(RelatedRecords, AreChosenNeverGuessed) {
  v1::RelatedRecords related;
  ASSERT_TRUE(FillRelated({}, related).ok());
  EXPECT_EQ(related.all(), v1::RelatedRecords::CHOICE_UNSPECIFIED);
  ASSERT_TRUE(FillRelated({.all = "keep", .kinds = {"deal=delete"}}, related).ok());
  EXPECT_EQ(related.all(), v1::RelatedRecords::KEEP);
  EXPECT_EQ(related.rules(0).kind(), "DEAL");
  EXPECT_EQ(related.rules(0).choice(), v1::RelatedRecords::DELETE);
  EXPECT_FALSE(FillRelated({.kinds = {"BOAT=keep"}}, related).ok());
  EXPECT_FALSE(FillRelated({.kinds = {"DEAL"}}, related).ok());
  EXPECT_FALSE(FillRelated({.all = "perhaps"}, related).ok());
}

v1::Record SomeDeal() {
  v1::Record record;
  record.set_name("tenants/acme/records/01r");
  record.set_kind(v1::Record::DEAL);
  record.set_customer("tenants/acme/customers/01j");
  record.set_title("500 chairs, \"blue\"");
  record.mutable_amount()->set_minor_units(105450);
  record.mutable_amount()->set_currency("USD");
  record.add_tags("a");
  record.add_tags("b");
  (*record.mutable_attributes())["k"] = "v";
  record.mutable_close_time()->set_seconds(1774972800);
  return record;
}

TEST(Output, ShowsValuesShortForEyesAndExactForPrograms) {
  const v1::Record record = SomeDeal();
  EXPECT_EQ(ValueText(record, "customer", ValueForm::kShort), "01j");
  EXPECT_EQ(ValueText(record, "customer", ValueForm::kExact), "tenants/acme/customers/01j");
  EXPECT_EQ(ValueText(record, "amount", ValueForm::kShort), "1054.50 USD");
  EXPECT_EQ(ValueText(record, "tags", ValueForm::kShort), "a; b");
  EXPECT_EQ(ValueText(record, "attributes", ValueForm::kShort), "k=v");
  EXPECT_EQ(ValueText(record, "close_time", ValueForm::kShort), "2026-03-31 16:00:00Z");
  EXPECT_EQ(ValueText(record, "close_time", ValueForm::kExact), "2026-03-31T16:00:00Z");
  EXPECT_EQ(ValueText(record, "due_time", ValueForm::kExact), "");
  EXPECT_EQ(ValueText(record, "no.such", ValueForm::kExact), "");
  google::longrunning::Operation operation;
  operation.mutable_metadata()->PackFrom(record);
  EXPECT_EQ(ValueText(operation, "metadata.customer", ValueForm::kShort), "01j");
  EXPECT_EQ(ValueText(operation, "response.customer", ValueForm::kShort), "");
  operation.mutable_metadata()->set_type_url("type.googleapis.com/not.Known");
  EXPECT_EQ(ValueText(operation, "metadata.customer", ValueForm::kShort), "");
}

TEST(Output, WritesEveryFormat) {
  const std::vector<Column> columns = {{"ID", "name"}, {"TITLE", "title"}};
  const auto rendered = [&](OutputFormat format, int rows) {
    std::ostringstream out;
    RowOutput output({.format = format}, columns, *v1::Record::descriptor(), out);
    for (int i = 0; i < rows; ++i) output.Add(SomeDeal());
    output.Finish();
    return out.str();
  };
  EXPECT_EQ(rendered(OutputFormat::kTable, 1), "ID   TITLE\n01r  500 chairs, \"blue\"\n");
  EXPECT_EQ(rendered(OutputFormat::kCsv, 1),
            "name,title\ntenants/acme/records/01r,\"500 chairs, \"\"blue\"\"\"\n");
  EXPECT_EQ(rendered(OutputFormat::kJson, 0), "[]\n");
  const std::string json = rendered(OutputFormat::kJson, 2);
  EXPECT_EQ(json.front(), '[');
  EXPECT_NE(json.find("\"minor_units\":\"105450\""), std::string::npos) << json;
  const std::string lines = rendered(OutputFormat::kJsonl, 2);
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 2);
}

}  // namespace
}  // namespace retrace::cli
