// Imports against a server in memory: every row ends in exactly one result, a bad row rejects only
// itself, and an import that stopped anywhere can be started again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <set>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "clients/cli/app.h"
#include "clients/cli/import/column_map.h"
#include "clients/cli/import/import_row.h"
#include "clients/cli/import/import_verbs.h"
#include "tests/clients/fake_retrace.h"
#include "tests/support/temp_directory.h"

namespace retrace::cli {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using testing::FakeRetrace;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Refusal;

class ImportTest : public ::testing::Test {
 protected:
  ImportTest() { Connect(); }

  void Connect() {
    session_ = std::make_unique<Session>(out_, err_);
    session_->flags.tenant = "acme";
    session_->UseClient(std::make_unique<client::Client>(
        fake_.Channel(), client::ClientOptions{.first_backoff = absl::Milliseconds(1),
                                               .max_backoff = absl::Milliseconds(5)}));
  }

  std::string File(const std::string& content, const std::string& name = "file.csv") {
    const std::string path = directory_.Below(name);
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }

  ImportOutcome Import(const EntityNoun& noun, ImportRequest request) {
    auto outcome = RunImport(*session_, noun, request);
    EXPECT_TRUE(outcome.ok()) << outcome.status();
    return outcome.ok() ? *std::move(outcome) : ImportOutcome{};
  }

  ImportOutcome ImportCustomers(const std::string& content, ImportRequest request = {}) {
    request.file = File(content);
    return Import(CustomerNoun(), request);
  }

  // created, updated, unchanged, skipped, rejected
  static std::vector<int64_t> Counts(const ImportOutcome& outcome) {
    std::vector<int64_t> counts;
    for (int i = 0; i < 5; ++i) {
      counts.push_back(outcome.report.count(static_cast<RowResult>(i)));
    }
    return counts;
  }

  static std::string ReasonOf(const ImportOutcome& outcome, int64_t line) {
    for (const auto& entry : outcome.report.entries()) {
      if (entry.line == line) return entry.reason;
    }
    return "no such line";
  }

  std::set<std::string> ExternalIds() {
    std::set<std::string> ids;
    for (const auto& [name, customer] : fake_.customers) ids.insert(customer.external_id());
    return ids;
  }

  testing::TempDirectory directory_;
  FakeRetrace fake_;
  std::ostringstream out_, err_;
  std::unique_ptr<Session> session_;
};

constexpr char kPeople[] =
    "Index,Customer Id,First Name,Last Name,Company,City,Country,Phone 1,Phone 2,Email,Website\n"
    "1,EB5,Heather,Callahan,Mosley-David,Lake Jeff,Norway,043-797-5229,915.112.1727,u@e.net,w.org\n"
    "2,10d,Kristina,Ferrell,\"Horn, Shepard\",Aaron,Andorra,932-062-1802,,x@h.com,\n";

TEST_F(ImportTest, MapsWellKnownColumnsAndKeepsTheRestAsAttributes) {
  EXPECT_THAT(Counts(ImportCustomers(kPeople)), ElementsAre(2, 0, 0, 0, 0));
  ASSERT_EQ(fake_.customers.size(), 2u);
  const v1::Customer& heather = fake_.customers.at("tenants/acme/customers/id1");
  EXPECT_EQ(heather.external_id(), "EB5");
  EXPECT_EQ(heather.given_name(), "Heather");
  EXPECT_EQ(heather.family_name(), "Callahan");
  EXPECT_EQ(heather.organization_name(), "Mosley-David");
  ASSERT_EQ(heather.phones_size(), 2);
  EXPECT_EQ(heather.phones(1).raw(), "915.112.1727");
  ASSERT_EQ(heather.addresses_size(), 1);
  EXPECT_EQ(heather.addresses(0).region_code(), "Norway");
  EXPECT_EQ(heather.addresses(0).locality(), "Lake Jeff");
  EXPECT_EQ(heather.attributes().at("Index"), "1");
  EXPECT_EQ(heather.attributes().at("Website"), "w.org");
  EXPECT_EQ(heather.attributes().count(kRowHashAttribute), 1u);
  const v1::Customer& kristina = fake_.customers.at("tenants/acme/customers/id2");
  EXPECT_EQ(kristina.organization_name(), "Horn, Shepard");
  EXPECT_EQ(kristina.phones_size(), 1);
  EXPECT_EQ(kristina.attributes().count("Website"), 0u);
}

TEST_F(ImportTest, IsOneChangeSetWithOneIdPerCommand) {
  ImportCustomers(kPeople);
  ASSERT_EQ(fake_.opened.size(), 1u);
  EXPECT_THAT(fake_.opened[0].title(), HasSubstr("import file.csv"));
  EXPECT_EQ(fake_.opened[0].state(), v1::ChangeSet::CLOSED);
  EXPECT_THAT(fake_.change_sets, Contains(fake_.opened[0].number()));
  for (const std::string& id : fake_.request_ids) EXPECT_EQ(id.size(), 36u);
}

TEST_F(ImportTest, ABadRowRejectsOnlyItself) {
  std::string content = "Customer Id,Company,refuse\n";
  for (int i = 2; i <= 301; ++i) {
    absl::StrAppend(&content, "k", i, ",C", i, ",", i == 17 || i == 250 ? "yes" : "", "\n");
  }
  const ImportOutcome outcome = ImportCustomers(content);
  EXPECT_THAT(Counts(outcome), ElementsAre(298, 0, 0, 0, 2));
  EXPECT_EQ(ReasonOf(outcome, 17), "refused on demand");
  EXPECT_EQ(ReasonOf(outcome, 250), "refused on demand");
  EXPECT_EQ(fake_.customers.size(), 298u);
}

TEST_F(ImportTest, AgainChangesNothing) {
  ImportCustomers(kPeople);
  const int64_t position = fake_.position;
  EXPECT_THAT(Counts(ImportCustomers(kPeople)), ElementsAre(0, 0, 2, 0, 0));
  EXPECT_EQ(fake_.position, position) << "not even a change set is begun";
}

TEST_F(ImportTest, AFirstImportLooksNothingUp) {
  ImportCustomers(kPeople);
  EXPECT_THAT(fake_.methods, Not(Contains("ListCustomers")));
  ImportCustomers(kPeople);
  EXPECT_THAT(fake_.methods, Contains("ListCustomers"));
}

TEST_F(ImportTest, LooksRowsUpWhenItMayNotCount) {
  ImportCustomers(kPeople);
  fake_.fault = [](const std::string& method) {
    return method == "Summarize"
               ? Refusal(grpc::StatusCode::PERMISSION_DENIED, "PERMISSION_MISSING", "no")
               : grpc::Status::OK;
  };
  EXPECT_THAT(Counts(ImportCustomers(kPeople)), ElementsAre(0, 0, 2, 0, 0));
}

TEST_F(ImportTest, EditedRowsFollowOnExisting) {
  const std::string before = "Customer Id,Company,level,note\nA,Acme,gold,x\n";
  const std::string after = "Customer Id,Company,level,note\nA,Acme Corp,,\n";
  ImportCustomers(before);
  fake_.customers.begin()->second.mutable_attributes()->insert({"by-hand", "kept"});
  EXPECT_THAT(Counts(ImportCustomers(after)), ElementsAre(0, 0, 0, 1, 0));
  EXPECT_THAT(Counts(ImportCustomers(after, {.on_existing = "error"})), ElementsAre(0, 0, 0, 0, 1));
  EXPECT_EQ(fake_.customers.begin()->second.organization_name(), "Acme");
  EXPECT_THAT(Counts(ImportCustomers(after, {.on_existing = "update"})),
              ElementsAre(0, 1, 0, 0, 0));
  const v1::Customer& customer = fake_.customers.begin()->second;
  EXPECT_EQ(customer.organization_name(), "Acme Corp");
  EXPECT_EQ(customer.level(), "") << "an emptied cell empties the field";
  EXPECT_EQ(customer.external_id(), "A");
  EXPECT_EQ(customer.attributes().count("note"), 0u);
  EXPECT_EQ(customer.attributes().at("by-hand"), "kept");
  EXPECT_THAT(Counts(ImportCustomers(after)), ElementsAre(0, 0, 1, 0, 0));
}

TEST_F(ImportTest, WhatWasChangedByHandSinceIsLeftAlone) {
  ImportCustomers(kPeople);
  fake_.customers.begin()->second.set_level("platinum");
  EXPECT_THAT(Counts(ImportCustomers(kPeople, {.on_existing = "update"})),
              ElementsAre(0, 0, 2, 0, 0));
  EXPECT_EQ(fake_.customers.begin()->second.level(), "platinum");
}

TEST_F(ImportTest, DeletedOnesStayDeletedUnlessAsked) {
  ImportCustomers(kPeople);
  fake_.customers.begin()->second.set_state(v1::Customer::DELETED);
  const ImportOutcome outcome = ImportCustomers(kPeople);
  EXPECT_THAT(Counts(outcome), ElementsAre(0, 0, 1, 1, 0));
  EXPECT_THAT(ReasonOf(outcome, 2), HasSubstr("recycle bin"));
  EXPECT_THAT(Counts(ImportCustomers(kPeople, {.recreate_deleted = true})),
              ElementsAre(1, 0, 1, 0, 0));
  // The live one counts from now on.
  EXPECT_THAT(Counts(ImportCustomers(kPeople)), ElementsAre(0, 0, 2, 0, 0));
}

TEST_F(ImportTest, RepeatedIdsInOneFileAreReported) {
  const ImportOutcome outcome = ImportCustomers("Customer Id,Company\nA,Acme\nA,Acme\nA,Other\n");
  EXPECT_THAT(Counts(outcome), ElementsAre(1, 0, 0, 1, 1));
  EXPECT_THAT(ReasonOf(outcome, 3), HasSubstr("line 2"));
  EXPECT_THAT(ReasonOf(outcome, 4), HasSubstr("line 2"));
}

TEST_F(ImportTest, RowsWithoutIdAreFoundAgainByTheirHash) {
  const std::string content = "Company,City\nAcme,Oslo\nAcme,Oslo\nOther,Oslo\n";
  EXPECT_THAT(Counts(ImportCustomers(content)), ElementsAre(3, 0, 0, 0, 0));
  for (const std::string& id : ExternalIds()) EXPECT_THAT(id, HasSubstr("import:"));
  EXPECT_EQ(ExternalIds().size(), 3u);
  EXPECT_THAT(Counts(ImportCustomers(content)), ElementsAre(0, 0, 3, 0, 0));
}

TEST_F(ImportTest, DryRunWritesNothing) {
  EXPECT_THAT(Counts(ImportCustomers(kPeople, {.dry_run = true})), ElementsAre(2, 0, 0, 0, 0));
  EXPECT_TRUE(fake_.customers.empty());
  EXPECT_TRUE(fake_.opened.empty());
}

TEST_F(ImportTest, FaultsOfTheFileAreBookedByLine) {
  const ImportOutcome outcome =
      ImportCustomers("Customer Id,Company\nA,Acme\nB\ncaf\xe9,C\n\n\"D,open\nE,Echo\n");
  EXPECT_THAT(Counts(outcome), ElementsAre(2, 0, 0, 0, 3));
  EXPECT_EQ(outcome.blank_lines, 1);
  EXPECT_THAT(ReasonOf(outcome, 3), HasSubstr("1 columns"));
  EXPECT_THAT(ReasonOf(outcome, 4), HasSubstr("UTF-8"));
  EXPECT_THAT(ReasonOf(outcome, 6), HasSubstr("never closed"));
}

TEST_F(ImportTest, StoppingAnywhereAndStartingAgainEndsTheSame) {
  std::string content = "Customer Id,Company\n";
  for (int i = 0; i < 650; ++i) absl::StrAppend(&content, "k", i, ",C", i, "\n");
  // The server refuses after so many calls, is mended, and so on until the import is through.
  int allowed = 0;
  fake_.fault = [&](const std::string&) {
    return allowed-- > 0 ? grpc::Status::OK
                         : Refusal(grpc::StatusCode::RESOURCE_EXHAUSTED, "DISK_FULL", "no space");
  };
  int runs = 0;
  ImportOutcome outcome;
  do {
    constexpr int kAllowed[] = {4, 300, 500};
    allowed = runs < 3 ? kAllowed[runs] : 5000;
    outcome = ImportCustomers(content);
    EXPECT_EQ(outcome.report.total(), 650) << "no row without a result";
    ASSERT_LT(++runs, 20);
  } while (!outcome.stopped.ok());
  EXPECT_EQ(runs, 4);
  EXPECT_EQ(fake_.customers.size(), 650u) << "none lost, none twice";
  EXPECT_EQ(ExternalIds().size(), 650u);
  EXPECT_EQ(fake_.opened.size(), 1u) << "the change set left open was continued";
  EXPECT_EQ(outcome.report.count(RowResult::kRejected), 0);
}

TEST_F(ImportTest, WaitsWhileTheServerIsBusy) {
  int busy = 2;
  fake_.fault = [&](const std::string& method) {
    if (method != "BatchCreateCustomers" || busy-- <= 0) return grpc::Status::OK;
    return Refusal(grpc::StatusCode::RESOURCE_EXHAUSTED, "QUEUE_FULL", "too much waits");
  };
  EXPECT_THAT(Counts(ImportCustomers(kPeople)), ElementsAre(2, 0, 0, 0, 0));
}

TEST_F(ImportTest, StopsWhenNotPermitted) {
  fake_.fault = [](const std::string& method) {
    return method == "BatchCreateCustomers"
               ? Refusal(grpc::StatusCode::PERMISSION_DENIED, "PERMISSION_MISSING", "no")
               : grpc::Status::OK;
  };
  const ImportOutcome outcome = ImportCustomers(kPeople);
  EXPECT_EQ(outcome.stopped.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(Counts(outcome), ElementsAre(0, 0, 0, 0, 2));
}

TEST_F(ImportTest, JoinsANewChangeSetWhenTheOpenOneIsAnothers) {
  v1::ChangeSet other;
  other.set_number(999);
  other.set_state(v1::ChangeSet::OPEN);
  ImportCustomers(kPeople, {.dry_run = true});
  fake_.fault = [&](const std::string& method) {
    const bool theirs = !fake_.change_sets.empty() && fake_.change_sets.back() == 999;
    return method == "BatchCreateCustomers" && theirs
               ? Refusal(grpc::StatusCode::FAILED_PRECONDITION, "CHANGE_SET_CLOSED", "not yours")
               : grpc::Status::OK;
  };
  // Learn the title that the import would use, then plant an open one of that name.
  std::string title;
  {
    FakeRetrace scratch;
    Session session(out_, err_);
    session.flags.tenant = "acme";
    session.UseClient(std::make_unique<client::Client>(scratch.Channel(), client::ClientOptions{}));
    ASSERT_TRUE(RunImport(session, CustomerNoun(), {.file = directory_.Below("file.csv")}).ok());
    title = scratch.opened.at(0).title();
  }
  other.set_title(title);
  fake_.opened.push_back(other);
  EXPECT_THAT(Counts(ImportCustomers(kPeople)), ElementsAre(2, 0, 0, 0, 0));
  EXPECT_EQ(fake_.opened.size(), 2u);
}

constexpr char kPipeline[] =
    "opportunity_id,sales_agent,product,account,deal_stage,engage_date,close_date,close_value\n"
    "1C1I7A6R,moses  FRASE,GTX Plus Basic,Cancity,Won,10/20/2016,3/1/2017,1054\n"
    "HAXMC4IX,Moses Frase,MG Special,,Engaging,11/3/2016,,\n"
    "XXXXXXXX,Moses Frase,GTXPro,Nowhere,Won,11/3/2016,3/7/2017,50\n"
    "YYYYYYYY,No Body,GTXPro,Cancity,Won,11/3/2016,3/7/2017,50\n"
    "ZZZZZZZZ,Moses Frase,GTXPro,Cancity,Won,2016-11-03,3/7/2017,5.001\n";

class PipelineTest : public ImportTest {
 protected:
  PipelineTest() {
    v1::Member& moses = fake_.members["tenants/acme/members/moses-frase"];
    moses.set_name("tenants/acme/members/moses-frase");
    moses.set_display_name("Moses Frase");
    v1::Customer& cancity = fake_.customers["tenants/acme/customers/c1"];
    cancity.set_name("tenants/acme/customers/c1");
    cancity.set_organization_name("Cancity");
    cancity.set_state(v1::Customer::ACTIVE);
  }

  ImportOutcome ImportDeals(ImportRequest request) {
    request.file = File(kPipeline, "pipeline.csv");
    request.kind = "DEAL";
    request.date_format = "%m/%d/%Y";
    return Import(RecordNoun(), request);
  }

  const v1::Record& Deal(const std::string& external_id) {
    static const v1::Record kNone;
    for (const auto& [name, record] : fake_.records) {
      if (record.external_id() == external_id) return record;
    }
    return kNone;
  }
};

TEST_F(PipelineTest, MapsDealsAndRejectsMissingCustomers) {
  const ImportOutcome outcome = ImportDeals({});
  EXPECT_THAT(Counts(outcome), ElementsAre(1, 0, 0, 0, 4));
  const v1::Record& deal = Deal("1C1I7A6R");
  EXPECT_EQ(deal.kind(), v1::Record::DEAL);
  EXPECT_EQ(deal.customer(), "tenants/acme/customers/c1");
  EXPECT_EQ(deal.owner(), "tenants/acme/members/moses-frase");
  EXPECT_EQ(deal.title(), "GTX Plus Basic, Cancity");
  EXPECT_EQ(deal.attributes().at("product"), "GTX Plus Basic");
  EXPECT_EQ(deal.stage(), "Won");
  EXPECT_EQ(deal.amount().minor_units(), 105400);
  EXPECT_EQ(deal.amount().currency(), "USD");
  // Midnight in the tenant's zone, Asia/Shanghai.
  EXPECT_EQ(deal.close_time().seconds(), 1488326400 - 8 * 3600);
  EXPECT_THAT(ReasonOf(outcome, 3), HasSubstr("names no customer"));
  EXPECT_THAT(ReasonOf(outcome, 4), HasSubstr("Nowhere"));
  EXPECT_THAT(ReasonOf(outcome, 5), HasSubstr("No Body"));
  EXPECT_THAT(ReasonOf(outcome, 6), HasSubstr("engage_date"));
}

TEST_F(PipelineTest, KeepsDealsWithoutCustomerWhenTold) {
  const ImportOutcome outcome = ImportDeals({.missing_customer = "none", .missing_owner = "none"});
  EXPECT_THAT(Counts(outcome), ElementsAre(4, 0, 0, 0, 1));
  EXPECT_EQ(Deal("HAXMC4IX").customer(), "");
  EXPECT_FALSE(Deal("HAXMC4IX").has_amount()) << "unknown is absent, not 0";
  EXPECT_EQ(Deal("XXXXXXXX").customer(), "");
  EXPECT_EQ(Deal("XXXXXXXX").attributes().at("customer"), "Nowhere") << "what was said is kept";
  EXPECT_EQ(Deal("YYYYYYYY").owner(), "");
  EXPECT_EQ(Deal("YYYYYYYY").attributes().at("owner"), "No Body");
}

TEST_F(PipelineTest, GivesThemToACustomerWhenTold) {
  ImportDeals({.missing_customer = "c1"});
  EXPECT_EQ(Deal("HAXMC4IX").customer(), "tenants/acme/customers/c1");
}

TEST_F(PipelineTest, NeedsAKind) {
  ImportRequest request{.file = File(kPipeline)};
  EXPECT_FALSE(RunImport(*session_, RecordNoun(), request).ok());
}

TEST_F(ImportTest, MembersGetIdsAndTheirLeads) {
  const std::string content =
      "sales_agent,manager,regional_office\n"
      "Anna Snelling,Dustin Brinkmann,Central\n"
      "Mei-Mei Johns,Melvin Marxen,Central\n"
      "王 小明,Anna Snelling,East\n"
      "Melvin Marxen,,Central\n";
  ImportRequest request{.file = File(content, "teams.csv")};
  EXPECT_THAT(Counts(Import(MemberNoun(), request)), ElementsAre(4, 0, 0, 0, 0));
  EXPECT_EQ(fake_.members.size(), 5u) << "Dustin is only a lead";
  EXPECT_EQ(fake_.members.at("tenants/acme/members/anna-snelling").lead(),
            "tenants/acme/members/dustin-brinkmann");
  EXPECT_EQ(fake_.members.at("tenants/acme/members/wang-xiao-ming").team(), "East");
  EXPECT_EQ(fake_.members.at("tenants/acme/members/melvin-marxen").team(), "Central");
  EXPECT_THAT(Counts(Import(MemberNoun(), request)), ElementsAre(0, 0, 4, 0, 0));
  request.file = File("sales_agent,manager,regional_office\nAnna Snelling,,West\n", "edited.csv");
  request.on_existing = "update";
  EXPECT_THAT(Counts(Import(MemberNoun(), request)), ElementsAre(0, 1, 0, 0, 0));
  EXPECT_EQ(fake_.members.at("tenants/acme/members/anna-snelling").team(), "West");
}

TEST_F(ImportTest, TheVerbWritesAReportAndSaysSoByItsExitCode) {
  const std::string file = File("Customer Id,Company,refuse\nA,Acme,\nB,=Bad,yes\n");
  const std::string report = directory_.Below("report.csv");
  const char* const argv[] = {"retrace",  "customers",    "import",   file.c_str(),
                              "--report", report.c_str(), "--tenant", "acme"};
  EXPECT_EQ(RunTool(std::size(argv), argv, *session_), ExitCode::kPartial);
  std::ostringstream text;
  text << std::ifstream(report).rdbuf();
  EXPECT_EQ(text.str(),
            "line,external_id,result,reason\n2,A,created,\n3,B,rejected,refused on demand\n");
  EXPECT_THAT(out_.str(), HasSubstr("rejected   1\nrows       2\n"));
}

TEST(ColumnMap, FollowsChoices) {
  const std::vector<std::string> header = {"Account", "Sector", "Phone 1"};
  const auto guessed = MapColumns("customers", header, {});
  ASSERT_TRUE(guessed.ok());
  EXPECT_THAT(*guessed,
              ElementsAre(ColumnTarget{0, "organization_name"}, ColumnTarget{0, "external_id"},
                          ColumnTarget{1, "attributes.Sector"}, ColumnTarget{2, "phones"}));
  const auto chosen = MapColumns(
      "customers", header,
      {.maps = {{"display_name", "account"}, {"level", "Sector"}}, .ignored = {"phone 1"}});
  ASSERT_TRUE(chosen.ok());
  EXPECT_THAT(*chosen, ElementsAre(ColumnTarget{0, "display_name"}, ColumnTarget{1, "level"}));
}

TEST(ColumnMap, SaysWhatIsThereWhenAColumnIsMissing) {
  const auto missing = MapColumns("customers", {"A", "B"}, {.maps = {{"level", "C"}}});
  EXPECT_THAT(std::string(missing.status().message()),
              HasSubstr("no column `C`; the file has A, B"));
  EXPECT_FALSE(MapColumns("customers", {"A"}, {.maps = {{"state", "A"}}}).ok());
  EXPECT_FALSE(MapColumns("customers", {"A"}, {.ignored = {"B"}}).ok());
  EXPECT_FALSE(MapColumns("members", {"name", "shoe size"}, {}).ok());
  EXPECT_TRUE(MapColumns("members", {"name", "shoe size"}, {.ignored = {"shoe size"}}).ok());
}

TEST(ColumnMap, DoesNotTakeAnExportForAFileOfAnotherSystem) {
  const std::vector<std::string> header = {"name", "external_id", "etag", "create_time"};
  EXPECT_FALSE(MapColumns("customers", header, {}).ok());
  EXPECT_TRUE(MapColumns("customers", header, {.ignored = {"name", "etag", "create_time"}}).ok());
}

TEST(Slug, MakesIdsOfNames) {
  EXPECT_EQ(SlugOf("Anna Snelling"), "anna-snelling");
  EXPECT_EQ(SlugOf("  Zoë O'Neil-Łuk "), "zoe-oneil-luk");
  EXPECT_EQ(SlugOf("王小明"), "wang-xiao-ming");
  EXPECT_EQ(SlugOf("42 Tom"), "tom");
  EXPECT_EQ(SlugOf("!!"), "");
  EXPECT_LE(SlugOf(std::string(200, 'x')).size(), 63u);
}

}  // namespace
}  // namespace retrace::cli
