// Each shape of a search and of a filter, by name.
#include "server/search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

#include "domain/refusal.h"
#include "fmt/format.h"
#include "tests/server/queries_fixture.h"

namespace retrace {
namespace {

using testing::AllPages;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::RequestFor;

class SearchTest : public testing::QueriesFixture {};

TEST_F(SearchTest, FindsTwoChineseCharactersAnywhereInAName) {
  const std::string one = Create(R"pb(display_name: "王小明")pb");
  const std::string two = Create(R"pb(organization_name: "北京小明科技")pb");
  Create(R"pb(display_name: "王大明")pb");
  EXPECT_THAT(Search("小明"), ::testing::UnorderedElementsAre(one, two));
  EXPECT_THAT(Search("明科"), ElementsAre(two));
  EXPECT_THAT(Search("王小明"), ElementsAre(one));
  EXPECT_THAT(Search("小红"), IsEmpty());
}

TEST_F(SearchTest, FindsAPhoneInAnyUsualSpelling) {
  const std::string one = Create(R"pb(display_name: "One"
                                      phones { raw: "+1 415-555-2671" })pb");
  const std::string odd = Create(R"pb(display_name: "Odd"
                                      phones { raw: "55-12" })pb");
  for (const char* spelling :
       {"+14155552671", "(415) 555-2671", "415.555.2671", "001 415 555 2671", "1-415-555-2671"}) {
    if (std::string_view(spelling).starts_with("00"))
      continue;  // not dialled so in the tenant's region
    EXPECT_THAT(Search(spelling), ElementsAre(one)) << spelling;
  }
  EXPECT_THAT(Search("5512"), ElementsAre(odd));
}

TEST_F(SearchTest, FindsAForeignPhoneAsItWasTyped) {
  const std::string swiss = Create(R"pb(display_name: "Heidi"
                                        addresses { region_code: "CH" }
                                        phones { raw: "044 668 18 00" })pb");
  const std::string other = Create(R"pb(display_name: "Ola"
                                        addresses { region_code: "NO" }
                                        phones { raw: "22 12 34 56" })pb");
  EXPECT_THAT(Search("044 668 18 00"), ElementsAre(swiss));
  EXPECT_THAT(Search("0446681800"), ElementsAre(swiss));
  EXPECT_THAT(Search("+41 44 668 18 00"), ElementsAre(swiss));
  EXPECT_THAT(Search("22123456"), ElementsAre(other));
  EXPECT_THAT(Search("22 12 34 5"), IsEmpty());
}

TEST_F(SearchTest, DigitsOfALetteredPhoneAreNoSpellingOfIt) {
  const std::string florist = Create(R"pb(display_name: "Florist"
                                          phones { raw: "1-800-FLOWERS" })pb");
  EXPECT_THAT(Search("1-800-356-9377"), ElementsAre(florist));
  EXPECT_THAT(Search("1800"), IsEmpty());
}

TEST_F(SearchTest, TwoRegionsMayShareASpellingOfAUniquePhone) {
  v1::UpdatePolicyRequest policy;
  policy.mutable_policy()->set_name("tenants/acme/policy");
  policy.mutable_policy()->add_unique_keys("customers.phone");
  policy.mutable_update_mask()->add_paths("unique_keys");
  ASSERT_TRUE(small_.Do(policy).status.ok());
  const std::string swiss = Create(R"pb(display_name: "Heidi"
                                        addresses { region_code: "CH" }
                                        phones { raw: "044 668 18 00" })pb");
  const std::string austrian = Create(R"pb(display_name: "Franz"
                                           addresses { region_code: "AT" }
                                           phones { raw: "044 668 18 00" })pb");
  EXPECT_THAT(Search("044 668 18 00"), ElementsAre(swiss, austrian));
  v1::CreateCustomerRequest same;
  testing::ParseText(R"pb(display_name: "Peter"
                          phones { raw: "+41 44 668 18 00" })pb",
                     *same.mutable_customer());
  EXPECT_EQ(domain::ReasonOf(small_.Do(same).status), v1::KEY_TAKEN);
}

TEST_F(SearchTest, FiltersByThePhoneFromItsIndex) {
  const std::string one = Create(R"pb(display_name: "One"
                                      phones { raw: "(415) 555-2671" label: "work" })pb");
  const std::string two = Create(R"pb(display_name: "Two"
                                      phones { raw: "+1 415 555 2671" })pb");
  for (int i = 0; i < 30; ++i) {
    Create(fmt::format(R"(display_name: "Other" phones {{ raw: "415 555 3{:03}" label: "2671" }})",
                       i));
  }
  EXPECT_THAT(Filter("phones:\"+1 415-555-2671\""), ElementsAre(one, two));
  EXPECT_THAT(Filter("phones:\"415 555 2671\""), ElementsAre(one));
  EXPECT_THAT(Filter("phones = \"(415)5552671\" AND display_name = One"), ElementsAre(one));
  EXPECT_THAT(Filter("phones:work"), ElementsAre(one));
  EXPECT_THAT(Filter("phones:2671"), IsEmpty());
  // From the index: without it, ten entries and rows a page would not come across the finds.
  server::PageLimits limits;
  limits.max_reads = 10;
  auto request = RequestFor<v1::ListCustomersRequest>(
      {.filter = "phones:\"+14155552671\"", .order_by = "number desc"});
  const auto page = server::Queries(small_.ledger(), limits).Answer(small_.Call("list"), request);
  ASSERT_TRUE(page.ok()) << page.status();
  EXPECT_EQ(page->customers_size(), 2);
  EXPECT_EQ(page->next_page_token(), "");
}

// The rarer of two words is walked, on every page, though the other one is longer.
TEST_F(SearchTest, WalksOneWordThroughAllPages) {
  std::vector<std::string> both;
  for (int i = 0; i < 30; ++i) {
    const std::string name = Create(
        fmt::format(R"pb(given_name: "{}" family_name: "Smith")pb", i % 3 == 0 ? "Zoe" : "Bob"));
    if (i % 3 == 0) both.push_back(name);
  }
  const auto request = RequestFor<v1::ListCustomersRequest>({.query = "zoe smith"});
  EXPECT_THAT(AllPages(small_, {}, request, 3, [] {}), ::testing::UnorderedElementsAreArray(both));
}

TEST_F(SearchTest, FindsByNumberIdEmailAndExternalIdAndTellsEachOnce) {
  const std::string one =
      Create(R"pb(display_name: "One Oneida" emails: "One@Example.com" external_id: "1")pb");
  const std::string two = Create(R"pb(display_name: "2" external_id: "crm-2")pb");
  EXPECT_THAT(Search("#1"), ElementsAre(one));
  EXPECT_THAT(Search("1"), ElementsAre(one));
  EXPECT_THAT(Search("2"), ElementsAre(two));
  EXPECT_THAT(Search("on"), ElementsAre(one));
  EXPECT_THAT(Search("one@"), ElementsAre(one));
  EXPECT_THAT(Search("ONE@example.COM"), ElementsAre(one));
  EXPECT_THAT(Search("crm-2"), ElementsAre(two));
  EXPECT_THAT(Search(two.substr(two.rfind('/') + 1)), ElementsAre(two));
  EXPECT_THAT(Search("#3"), IsEmpty());
  EXPECT_THAT(Search("!!"), IsEmpty());
  EXPECT_THAT(Search("  "), ElementsAre(one, two));
}

TEST_F(SearchTest, ExternalIdsAreComparedWithTheirCase) {
  const std::string upper = Create(R"pb(display_name: "Upper" external_id: "0015g00000AbC")pb");
  const std::string lower = Create(R"pb(display_name: "Lower" external_id: "0015g00000aBc")pb");
  EXPECT_THAT(Filter("external_id = \"0015g00000AbC\""), ElementsAre(upper));
  EXPECT_THAT(Filter("external_id = \"0015g00000aBc\" OR number = 99"), ElementsAre(lower));
  EXPECT_THAT(Search("0015g00000aBc"), ElementsAre(lower));
}

TEST_F(SearchTest, OrdersMoreFindsThanItMayReadOnlyByAnIndex) {
  for (int i = 0; i < 30; ++i) Create(fmt::format(R"pb(display_name: "Ann {}")pb", i));
  server::PageLimits limits;
  limits.max_reads = 20;
  auto request = RequestFor<v1::ListCustomersRequest>({.order_by = "update_time", .query = "ann"});
  EXPECT_EQ(
      domain::ReasonOf(
          server::Queries(small_.ledger(), limits).Answer(small_.Call("list"), request).status()),
      v1::INVALID_FIELD);
  request.set_order_by("number desc");
  EXPECT_EQ(AllPages(small_, limits, request, 7, [] {}).size(), 30u);
}

}  // namespace
}  // namespace retrace
