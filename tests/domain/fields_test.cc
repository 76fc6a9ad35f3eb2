#include "domain/fields.h"

#include <string>
#include <vector>

#include "domain/refusal.h"
#include "gmock/gmock.h"
#include "google/protobuf/util/message_differencer.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "gtest/gtest.h"
#include "retrace/v1/customers.pb.h"
#include "retrace/v1/members.pb.h"
#include "retrace/v1/records.pb.h"

namespace retrace::domain {
namespace {

using ::google::protobuf::util::MessageDifferencer;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

// `path: description` of each violation.
std::vector<std::string> Violations(const absl::Status& status) {
  std::vector<std::string> violations;
  const google::rpc::Status details = DetailsOf(status);
  for (const auto& detail : details.details()) {
    google::rpc::BadRequest bad;
    if (detail.UnpackTo(&bad)) {
      for (const auto& violation : bad.field_violations()) {
        violations.push_back(violation.field() + ": " + violation.description());
      }
    }
  }
  return violations;
}

v1::CreateCustomerRequest GoodCreate() {
  v1::CreateCustomerRequest request;
  request.set_parent("tenants/acme");
  v1::Customer& customer = *request.mutable_customer();
  customer.set_display_name("Ada Lovelace");
  customer.add_phones()->set_raw("+1 415 555 2671");
  customer.add_emails("ada@example.com");
  customer.add_tags("vip");
  customer.add_addresses()->add_address_lines("");  // an address may have an empty line
  (*customer.mutable_attributes())["colour"] = "red";
  request.mutable_options()->set_reason("first\n\tline\r\n");
  return request;
}

TEST(Validate, AcceptsWhatIsWhole) { EXPECT_TRUE(Validate(GoodCreate()).ok()); }

TEST(Validate, NamesEveryViolationByItsPath) {
  v1::CreateCustomerRequest request = GoodCreate();
  v1::Customer& customer = *request.mutable_customer();
  request.clear_parent();
  customer.add_phones()->set_label("home");
  customer.add_emails("b@example.com");
  customer.add_emails(std::string(255, 'e'));
  (*customer.mutable_attributes())["eye \"colour\""] = std::string(1001, 'v');
  customer.set_level(std::string(65, 'l'));
  customer.add_tags("");
  customer.set_external_id(std::string("a\0b", 3));
  request.mutable_options()->set_correlation_id("a\x1b[31m");
  const absl::Status status = Validate(request);
  EXPECT_EQ(ReasonOf(status), v1::INVALID_FIELD);
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(
      Violations(status),
      UnorderedElementsAre(
          "parent: is required", "customer.phones[1].raw: is required",
          "customer.emails[2]: has 255 bytes; at most 254 are allowed",
          "customer.attributes[\"eye \\\"colour\\\"\"]: has 1001 bytes; at most 1000 are allowed",
          "customer.level: has 65 bytes; at most 64 are allowed",
          "customer.tags[1]: must not be empty",
          "customer.external_id: has the control character U+0000 at byte 1; only tab and line "
          "breaks are allowed",
          "options.correlation_id: has the control character U+001B at byte 1; only tab and line "
          "breaks are allowed"));
}

TEST(Validate, BoundsListsMapsAndKeys) {
  v1::CreateCustomerRequest request = GoodCreate();
  v1::Customer& customer = *request.mutable_customer();
  for (int i = 0; i < 51; ++i) {
    (*customer.mutable_attributes())[std::to_string(i)] = "v";
    customer.add_tags(std::to_string(i));
  }
  EXPECT_THAT(Violations(Validate(request)),
              UnorderedElementsAre("customer.attributes: has 52 elements; at most 50 are allowed",
                                   "customer.tags: has 52 elements; at most 50 are allowed"));
  customer.clear_attributes();
  customer.clear_tags();
  const std::string key = std::string(63, 'k') + "ü";  // 65 bytes
  (*customer.mutable_attributes())[key] = "v";
  (*customer.mutable_attributes())[""] = "v";
  EXPECT_THAT(Violations(Validate(request)),
              UnorderedElementsAre("customer.attributes[\"" + std::string(40, 'k') +
                                       "...\"]: has a key of 65 bytes; at most 64 are allowed",
                                   "customer.attributes[\"\"]: has an empty key"));
}

TEST(Validate, KnowsEnumsAndTimes) {
  v1::CreateRecordRequest request;
  request.set_parent("tenants/acme");
  request.mutable_record()->set_title("Deal");
  EXPECT_THAT(Violations(Validate(request)), ElementsAre("record.kind: is required"));
  request.mutable_record()->set_kind(static_cast<v1::Record::Kind>(77));
  EXPECT_THAT(Violations(Validate(request)), ElementsAre("record.kind: has the unknown value 77"));
  request.mutable_record()->set_kind(v1::Record::DEAL);
  request.mutable_record()->mutable_due_time()->set_seconds(253402300800);
  request.mutable_record()->mutable_start_time()->set_nanos(-1);
  request.mutable_record()->mutable_amount()->set_minor_units(5);
  EXPECT_THAT(Violations(Validate(request)),
              UnorderedElementsAre("record.due_time: lies outside the years 1 to 9999",
                                   "record.start_time: has nanos outside 0 to 999999999",
                                   "record.amount.currency: is required"));
  // What is output only is ignored, whatever it holds.
  request.mutable_record()->clear_amount();
  request.mutable_record()->clear_due_time();
  request.mutable_record()->clear_start_time();
  request.mutable_record()->set_state(static_cast<v1::Record::State>(99));
  request.mutable_record()->set_detached_from(std::string(1, '\0'));
  EXPECT_TRUE(Validate(request).ok());
}

TEST(Validate, RefusesNegativePages) {
  v1::ListCustomersRequest request;
  request.set_parent("tenants/acme");
  request.set_page_size(-1);
  EXPECT_THAT(Violations(Validate(request)), ElementsAre("page_size: must not be negative"));
}

TEST(Validate, LeavesTheParentToTheBatch) {
  v1::BatchCreateCustomersRequest request;
  EXPECT_THAT(Violations(Validate(request)),
              ElementsAre("parent: is required", "requests: at least one is required"));
  request.set_parent("tenants/acme");
  request.add_requests()->mutable_customer()->set_display_name("A");
  EXPECT_TRUE(Validate(request).ok());
  request.add_requests();
  EXPECT_THAT(Violations(Validate(request)), ElementsAre("requests[1].customer: is required"));
}

TEST(Validate, LeavesTheChoiceAboutRelatedRecordsToTheDecider) {
  v1::DeleteCustomerRequest request;
  request.set_name("tenants/acme/customers/1");
  EXPECT_TRUE(Validate(request).ok());
  request.mutable_related()->add_rules()->set_kind("DEAL");
  EXPECT_THAT(Violations(Validate(request)), ElementsAre("related.rules[0].choice: is required"));
}

TEST(Validate, JudgesUpdatesAsFarAsTheirMaskGoes) {
  v1::UpdateRecordRequest request;
  request.mutable_record()->set_name("tenants/acme/records/1");
  request.mutable_record()->set_stage(std::string(65, 's'));
  // Without a mask everything populated counts, and what is absent may be.
  EXPECT_THAT(Violations(Validate(request)), ElementsAre(HasSubstr("record.stage: has 65 bytes")));
  // A mask that does not name the stage leaves it alone; the title that it names must be there.
  request.mutable_update_mask()->add_paths("title");
  EXPECT_THAT(Violations(Validate(request)), ElementsAre("record.title: is required"));
  request.mutable_record()->set_title("T");
  EXPECT_TRUE(Validate(request).ok());
  // Named in part: deciders judge the whole.
  request.mutable_update_mask()->add_paths("amount.minor_units");
  request.mutable_record()->mutable_amount()->set_minor_units(1);
  EXPECT_TRUE(Validate(request).ok());
  request.mutable_update_mask()->add_paths("amount");
  EXPECT_THAT(Violations(Validate(request)), ElementsAre("record.amount.currency: is required"));
  // Everything.
  request.mutable_update_mask()->clear_paths();
  request.mutable_update_mask()->add_paths("*");
  EXPECT_THAT(Violations(Validate(request)), SizeIs(3));  // kind, stage, amount.currency
  request.clear_record();
  EXPECT_THAT(Violations(Validate(request)), ElementsAre("record: is required"));
}

TEST(Validate, StopsAtTwentyViolations) {
  v1::CreateCustomerRequest request = GoodCreate();
  for (int i = 0; i < 50; ++i) {
    request.mutable_customer()->add_tags("");
  }
  request.mutable_customer()->mutable_tags()->DeleteSubrange(0, 1);
  const absl::Status status = Validate(request);
  EXPECT_THAT(Violations(status), SizeIs(20));
  EXPECT_THAT(std::string(status.message()), HasSubstr("At least 20 fields are wrong"));
}

TEST(ClearOutputOnly, ClearsDeep) {
  v1::Customer customer;
  customer.set_name("tenants/acme/customers/1");
  customer.set_number(7);
  customer.set_etag("\"1\"");
  customer.set_level("gold");
  customer.mutable_create_time()->set_seconds(1);
  customer.set_state(v1::Customer::DELETED);
  v1::Phone& phone = *customer.add_phones();
  phone.set_raw("1");
  phone.set_e164("+1");
  phone.set_extension("2");
  ClearOutputOnly(customer);
  v1::Customer expected;
  expected.set_level("gold");
  expected.add_phones()->set_raw("1");
  EXPECT_TRUE(MessageDifferencer::Equals(customer, expected)) << customer.DebugString();
}

google::protobuf::FieldMask Mask(const std::vector<std::string>& paths) {
  google::protobuf::FieldMask mask;
  for (const std::string& path : paths) {
    mask.add_paths(path);
  }
  return mask;
}

v1::Record SampleRecord() {
  v1::Record record;
  record.set_name("tenants/acme/records/1");
  record.set_kind(v1::Record::DEAL);
  record.set_title("Deal");
  record.mutable_amount()->set_minor_units(100);
  record.mutable_amount()->set_currency("EUR");
  (*record.mutable_attributes())["colour"] = "red";
  (*record.mutable_attributes())["with.dots"] = "x";
  record.add_tags("a");
  record.set_state(v1::Record::ACTIVE);
  return record;
}

TEST(UpdatePaths, TakesWhatIsPopulatedOrEverything) {
  EXPECT_THAT(*UpdatePaths(Mask({}), SampleRecord()),
              ElementsAre("amount", "attributes", "tags", "title"));
  EXPECT_THAT(
      *UpdatePaths(Mask({"*"}), SampleRecord()),
      ElementsAre("amount", "attributes", "body", "close_time", "customer", "due_time", "emails",
                  "external_id", "owner", "phones", "stage", "start_time", "tags", "title"));
}

TEST(UpdatePaths, SortsJoinsAndSpells) {
  EXPECT_THAT(
      *UpdatePaths(Mask({"title", "attributes.`colour`", "attributes.`with.dots`",
                         "attributes.`a``b`", "title", "amount.minor_units", "attributes.größe"}),
                   SampleRecord()),
      ElementsAre("amount.minor_units", "attributes.`a``b`", "attributes.`größe`",
                  "attributes.`with.dots`", "attributes.colour", "title"));
  EXPECT_THAT(*UpdatePaths(Mask({"attributes.colour", "attributes", "amount", "amount.currency"}),
                           SampleRecord()),
              ElementsAre("amount", "attributes"));
}

TEST(UpdatePaths, RefusesWhatCannotBeWritten) {
  const auto why = [](const std::string& path) {
    const auto paths = UpdatePaths(Mask({"title", path}), SampleRecord());
    EXPECT_EQ(ReasonOf(paths.status()), v1::INVALID_FIELD) << path;
    const std::vector<std::string> violations = Violations(paths.status());
    return violations.size() == 1 ? violations[0] : "";
  };
  EXPECT_EQ(why("colour"),
            "update_mask.paths[1]: `colour` names `colour`, which Record does not have");
  EXPECT_THAT(why("name"), HasSubstr("`name` names the resource's own name"));
  EXPECT_THAT(why("state"), HasSubstr("is output only"));
  EXPECT_THAT(why("create_time"), HasSubstr("is output only"));
  EXPECT_THAT(why("kind"), HasSubstr("never changes"));
  EXPECT_THAT(why("*"), HasSubstr("must be the only path"));
  EXPECT_THAT(why("tags.0"), HasSubstr("goes into `tags`, which is a list"));
  EXPECT_THAT(why("tags[0]"), HasSubstr("names `tags[0]`, which Record does not have"));
  EXPECT_THAT(why("phones.raw"), HasSubstr("which is a list"));
  EXPECT_THAT(why("title.x"), HasSubstr("which is one value"));
  EXPECT_THAT(why("start_time.seconds"), HasSubstr("which is written as a whole"));
  EXPECT_THAT(why("attributes.a.b"), HasSubstr("a key with dots stands in backticks"));
  EXPECT_THAT(why("attributes.`a"), HasSubstr("a backtick without its partner"));
  EXPECT_THAT(why("attributes.`a`b"), HasSubstr("goes on after a closing backtick"));
  EXPECT_THAT(why("attributes.``"), HasSubstr("has an empty key"));
  EXPECT_THAT(why("attributes."), HasSubstr("has an empty name"));
  EXPECT_THAT(why(""), HasSubstr("has an empty name"));
  EXPECT_THAT(why("."), HasSubstr("has an empty name"));
  EXPECT_THAT(why("`title`"), HasSubstr("which Record does not have"));
  EXPECT_THAT(why(std::string(100000, '.')), HasSubstr("has an empty name"));
  EXPECT_THAT(why("x" + std::string(100000, 'x')), SizeIs(testing::Lt(200u)));
}

TEST(UpdatePaths, LetsImmutableFieldsStayAsTheyAre) {
  const v1::Record current = SampleRecord();
  v1::Record update = SampleRecord();
  EXPECT_THAT(*UpdatePaths(Mask({"kind", "title"}), update, &current), ElementsAre("title"));
  EXPECT_TRUE(UpdatePaths(Mask({}), update, &current).ok());
  update.set_kind(v1::Record::NOTE);
  EXPECT_THAT(Violations(UpdatePaths(Mask({"kind"}), update, &current).status()),
              ElementsAre("update_mask.paths[0]: `kind` never changes"));
  EXPECT_THAT(Violations(UpdatePaths(Mask({}), update, &current).status()),
              ElementsAre("kind: `kind` never changes"));
  update.clear_kind();
  EXPECT_TRUE(UpdatePaths(Mask({"*"}), update, &current).ok());
}

TEST(UpdatePaths, TakesTenThousandPathsInItsStride) {
  google::protobuf::FieldMask mask;
  for (int i = 0; i < 10000; ++i) {
    mask.add_paths("attributes.k" + std::to_string(i));
  }
  EXPECT_THAT(*UpdatePaths(mask, SampleRecord()), SizeIs(10000));
  for (int i = 0; i < 10000; ++i) {
    *mask.mutable_paths(i) = "nothing" + std::to_string(i);
  }
  EXPECT_THAT(Violations(UpdatePaths(mask, SampleRecord()).status()), SizeIs(20));
}

TEST(CopyPaths, CopiesAndClears) {
  v1::Record target = SampleRecord();
  v1::Record source;
  source.set_title("New");
  source.mutable_amount()->set_minor_units(7);
  (*source.mutable_attributes())["colour"] = "blue";
  (*source.mutable_attributes())["size"] = "L";
  source.add_emails("a@b.example");
  CopyPaths({"amount.minor_units", "attributes.`with.dots`", "attributes.colour", "attributes.size",
             "emails", "tags", "title"},
            source, target);
  v1::Record expected = SampleRecord();
  expected.set_title("New");
  expected.mutable_amount()->set_minor_units(7);
  expected.clear_tags();
  expected.add_emails("a@b.example");
  expected.mutable_attributes()->erase("with.dots");
  (*expected.mutable_attributes())["colour"] = "blue";
  (*expected.mutable_attributes())["size"] = "L";
  EXPECT_TRUE(MessageDifferencer::Equals(target, expected)) << target.DebugString();
  // What is absent on both sides is not created.
  CopyPaths({"amount"}, v1::Record(), target);
  CopyPaths({"amount.currency", "no_such_field"}, v1::Record(), target);
  EXPECT_FALSE(target.has_amount());
  // The map is whole: what typed access sees is what is serialised.
  EXPECT_EQ(target.attributes().at("size"), "L");
  EXPECT_EQ(target.attributes_size(), 2);
}

TEST(CopyPaths, SetsOneOfAOneof) {
  v1::AsOf target;
  target.set_position(5);
  v1::AsOf source;
  source.mutable_time()->set_seconds(9);
  CopyPaths({"time", "position"}, source, target);
  EXPECT_EQ(target.moment_case(), v1::AsOf::kTime);
  EXPECT_EQ(target.time().seconds(), 9);
}

TEST(DifferingPaths, ComparesByMergeRule) {
  v1::Record a = SampleRecord();
  v1::Record b = SampleRecord();
  a.add_tags("b");
  b.clear_tags();
  b.add_tags("b");
  b.add_tags("a");
  const std::vector<std::string> paths = {
      "amount", "amount.currency", "attributes", "attributes.colour", "phones", "tags", "title"};
  EXPECT_THAT(DifferingPaths(paths, a, b), IsEmpty());
  (*b.mutable_attributes())["colour"] = "blue";
  b.mutable_amount()->set_minor_units(101);
  b.add_phones()->set_raw("1");
  EXPECT_THAT(DifferingPaths(paths, a, b),
              ElementsAre("amount", "attributes", "attributes.colour", "phones"));
  b = a;
  b.clear_amount();
  EXPECT_THAT(DifferingPaths(paths, a, b), ElementsAre("amount", "amount.currency"));
  // An unknown amount is not one of 0.
  b.mutable_amount();
  a.clear_amount();
  EXPECT_THAT(DifferingPaths(paths, a, b), ElementsAre("amount"));
}

TEST(DifferingPaths, TakesAPathIntoAListAsTheList) {
  v1::Customer a;
  v1::Customer b;
  a.add_addresses()->set_region_code("CN");
  b.add_addresses()->set_region_code("CN");
  EXPECT_THAT(DifferingPaths({"addresses.region_code"}, a, b), IsEmpty());
  b.mutable_addresses(0)->set_region_code("NO");
  EXPECT_THAT(DifferingPaths({"addresses.region_code"}, a, b),
              ElementsAre("addresses.region_code"));
}

// `path: before -> after` of each change.
std::vector<std::string> Shown(const std::vector<v1::FieldChange>& changes) {
  std::vector<std::string> shown;
  for (const v1::FieldChange& change : changes) {
    const auto text = [](bool there, const google::protobuf::Value& value) -> std::string {
      if (!there) {
        return "none";
      }
      std::string json = value.ShortDebugString();
      return json;
    };
    shown.push_back(change.path() + ": " + text(change.has_before(), change.before()) + " -> " +
                    text(change.has_after(), change.after()));
  }
  return shown;
}

TEST(Differences, FollowsTheMergeRules) {
  v1::Record before = SampleRecord();
  v1::Record after = before;
  after.set_title("New");
  after.set_state(v1::Record::INACTIVE);
  after.set_etag("\"2\"");  // derived: left out
  after.set_name("tenants/acme/records/2");
  after.mutable_amount()->set_minor_units(int64_t{1} << 60);
  (*after.mutable_attributes())["with.dots"] = "y";
  after.mutable_attributes()->erase("colour");
  after.add_tags("b");
  after.mutable_due_time()->set_seconds(1709193600);
  EXPECT_THAT(
      Shown(Differences(&before, &after)),
      ElementsAre("amount.minor_units: number_value: 100 -> string_value: \"1152921504606846976\"",
                  "attributes.`with.dots`: string_value: \"x\" -> string_value: \"y\"",
                  "attributes.colour: string_value: \"red\" -> none",
                  "due_time: none -> string_value: \"2024-02-29T08:00:00Z\"",
                  "state: string_value: \"ACTIVE\" -> string_value: \"INACTIVE\"",
                  "tags: none -> string_value: \"b\"",
                  "title: string_value: \"Deal\" -> string_value: \"New\""));
  EXPECT_THAT(Differences(&after, &after), IsEmpty());
}

TEST(Differences, TellsKeyedElementsApart) {
  v1::Customer before;
  before.add_phones()->set_raw("1");
  before.add_phones()->set_raw("2");
  before.add_phones()->set_raw("3");
  v1::Customer after;
  after.add_phones()->set_raw("3");
  after.add_phones()->set_raw("1");
  after.mutable_phones(1)->set_label("home");
  after.add_phones()->set_raw("\"4\"");
  EXPECT_THAT(
      Shown(Differences(&before, &after)),
      ElementsAre(
          "phones: list_value { values { string_value: \"\\\"1\\\"\" } values { string_value: "
          "\"\\\"3\\\"\" } } -> list_value { values { string_value: \"\\\"3\\\"\" } values { "
          "string_value: \"\\\"1\\\"\" } }",
          "phones[\"1\"].label: none -> string_value: \"home\"",
          "phones[\"2\"]: struct_value { fields { key: \"raw\" value { string_value: \"2\" } } } "
          "-> none",
          "phones[\"\\\"4\\\"\"]: none -> struct_value { fields { key: \"raw\" value { "
          "string_value: \"\\\"4\\\"\" } } }"));
}

TEST(Differences, CountsElementsThatShareTheirKey) {
  v1::Customer before;
  before.add_addresses()->set_locality("Oslo");
  v1::Customer after = before;
  after.add_addresses()->set_locality("Bergen");
  EXPECT_THAT(Shown(Differences(&before, &after)),
              ElementsAre("addresses[\"\"#2]: none -> struct_value { fields { key: \"locality\" "
                          "value { string_value: \"Bergen\" } } }"));
}

TEST(Differences, TakesNoResourceAsAnEmptyOne) {
  v1::Record record;
  record.set_title("T");
  record.mutable_amount()->set_currency("EUR");
  EXPECT_THAT(Shown(Differences(nullptr, &record)),
              ElementsAre("amount.currency: none -> string_value: \"EUR\"",
                          "amount.minor_units: none -> number_value: 0",
                          "title: none -> string_value: \"T\""));
  EXPECT_THAT(Shown(Differences(&record, nullptr)), SizeIs(3));
  EXPECT_THAT(Differences(nullptr, nullptr), IsEmpty());
}

}  // namespace
}  // namespace retrace::domain
