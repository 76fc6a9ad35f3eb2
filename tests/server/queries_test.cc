// Lists and searches against a naive model on random histories; and each shape of a search by name.
#include "server/queries.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "domain/refusal.h"
#include "fmt/format.h"
#include "google/protobuf/util/time_util.h"
#include "tests/server/list_model.h"
#include "tests/support/small_ledger.h"

namespace retrace {
namespace {

using domain::KindNumber;
using testing::Asked;
using testing::Done;
using ::testing::ElementsAre;
using testing::FromText;
using ::testing::IsEmpty;
using testing::NaiveList;
using testing::SmallLedger;

template <typename Request>
struct ListOf;
template <>
struct ListOf<v1::ListCustomersRequest> {
  static constexpr KindNumber kKind = KindNumber::kCustomer;
  static constexpr const char* kMethod = "retrace.v1.Customers.ListCustomers";
  static const auto& Of(const v1::ListCustomersResponse& response) { return response.customers(); }
};
template <>
struct ListOf<v1::ListRecordsRequest> {
  static constexpr KindNumber kKind = KindNumber::kRecord;
  static constexpr const char* kMethod = "retrace.v1.Records.ListRecords";
  static const auto& Of(const v1::ListRecordsResponse& response) { return response.records(); }
};
template <>
struct ListOf<v1::ListMembersRequest> {
  static constexpr KindNumber kKind = KindNumber::kMember;
  static constexpr const char* kMethod = "retrace.v1.Members.ListMembers";
  static const auto& Of(const v1::ListMembersResponse& response) { return response.members(); }
};

template <typename Request>
Request RequestFor(const Asked& asked) {
  Request request;
  request.set_parent("tenants/acme");
  request.set_filter(asked.filter);
  request.set_order_by(asked.order_by);
  request.set_query(asked.query);
  request.set_show_inactive(asked.show_inactive);
  request.set_show_deleted(asked.show_deleted);
  return request;
}

// Names on all pages, in order; each page's answered position must be the first's. Between pages
// `meanwhile` runs.
template <typename Request, typename Meanwhile>
std::vector<std::string> AllPages(SmallLedger& small, const server::PageLimits& limits,
                                  Request request, int page_size, const Meanwhile& meanwhile) {
  const server::Queries queries(small.ledger(), limits);
  std::vector<std::string> names;
  int64_t position = -1;
  for (int page = 0; page < 2000; ++page) {
    request.set_page_size(page_size);
    const auto response = queries.Answer(small.Call(ListOf<Request>::kMethod), request);
    EXPECT_TRUE(response.ok()) << response.status() << request.ShortDebugString();
    if (!response.ok()) return names;
    if (position < 0) position = response->answered().position();
    EXPECT_EQ(response->answered().position(), position);
    EXPECT_LE(ListOf<Request>::Of(*response).size(), page_size);
    for (const auto& resource : ListOf<Request>::Of(*response)) names.push_back(resource.name());
    if (response->next_page_token().empty()) return names;
    request.set_page_token(response->next_page_token());
    meanwhile();
  }
  ADD_FAILURE() << "no end of pages: " << request.ShortDebugString();
  return names;
}

template <typename Request>
std::vector<std::string> AllPages(SmallLedger& small, const Request& request) {
  return AllPages(small, {}, request, 50, [] {});
}

// A random life of a tenant: few different values, so that filters and searches find several.
class RandomLife {
 public:
  RandomLife(SmallLedger& small, uint64_t seed) : small_(small), random_(seed) {
    for (const char* id : {"mia", "noah", "li-wei"}) {
      v1::CreateMemberRequest request;
      request.set_member_id(id);
      request.mutable_member()->set_display_name(Pick(kGiven) + " " + Pick(kFamily));
      request.mutable_member()->set_email(fmt::format("{}@acme.example", id));
      small_.Do(request);
    }
  }

  void Step() {
    switch (Below(10)) {
      case 0:
      case 1:
      case 2:
        return CreateCustomer();
      case 3:
      case 4:
        return CreateRecord();
      case 5:
        return UpdateCustomer();
      case 6:
        return UpdateRecord();
      case 7:
        return Toggle();
      default:
        return DeleteOrUndelete();
    }
  }

  size_t Below(size_t bound) {
    return std::uniform_int_distribution<size_t>(0, bound - 1)(random_);
  }
  template <typename List>
  std::string Pick(const List& list) {
    return std::string(list[Below(std::size(list))]);
  }
  bool Chance(size_t percent) { return Below(100) < percent; }
  const std::vector<std::string>& customers() const { return customers_; }

  static constexpr const char* kGiven[] = {"Ann", "Anna", "Björn", "Zoë",
                                           "李",  "小明", "Maria", "Jo"};
  static constexpr const char* kFamily[] = {"Smith",  "Schmidt", "Annan",      "小红",
                                            "王小明", "O'Neil",  "Smith-Jones"};
  static constexpr const char* kLevels[] = {"gold", "Silver", "BRONZE", ""};
  static constexpr const char* kTags[] = {"vip", "New", "press"};
  static constexpr const char* kOwners[] = {"mia", "noah", "li-wei"};
  static constexpr const char* kStages[] = {"Won", "lost", "Open", ""};
  static constexpr const char* kPhones[] = {"+1 415 555 2671", "(415) 555-2672", "12345",
                                            "+86 138 0013 8000"};
  static constexpr v1::Record::Kind kKinds[] = {v1::Record::DEAL, v1::Record::NOTE,
                                                v1::Record::CONTACT};

 private:
  v1::Customer RandomCustomer() {
    v1::Customer customer;
    customer.set_given_name(Pick(kGiven));
    customer.set_family_name(Pick(kFamily));
    if (Chance(30)) customer.set_display_name(Pick(kFamily) + " & " + Pick(kFamily));
    customer.set_level(Pick(kLevels));
    if (Chance(60)) customer.set_owner("tenants/acme/members/" + Pick(kOwners));
    if (Chance(40)) customer.add_tags(Pick(kTags));
    if (Chance(40)) customer.add_emails(fmt::format("P{}@Example.com", Below(8)));
    if (Chance(40)) customer.add_phones()->set_raw(Pick(kPhones));
    if (Chance(30)) customer.set_external_id(fmt::format("Ext-{}", ++external_));
    if (Chance(30)) (*customer.mutable_attributes())["colour"] = Pick(kTags);
    return customer;
  }
  v1::Record RandomRecord() {
    v1::Record record;
    record.set_kind(kKinds[Below(std::size(kKinds))]);
    record.set_title(Pick(kFamily) + " " + Pick(kGiven));
    if (!customers_.empty() && Chance(70)) record.set_customer(Pick(customers_));
    if (Chance(50)) record.set_owner("tenants/acme/members/" + Pick(kOwners));
    record.set_stage(Pick(kStages));
    if (Chance(50)) {
      *record.mutable_close_time() = google::protobuf::util::TimeUtil::SecondsToTimestamp(
          1'700'000'000 + static_cast<int64_t>(Below(5)) * 43'200);
    }
    if (Chance(50)) {
      record.mutable_amount()->set_minor_units(static_cast<int64_t>(Below(5)) * 100);
      record.mutable_amount()->set_currency("EUR");
    }
    if (Chance(30)) record.add_tags(Pick(kTags));
    return record;
  }

  // Some commands are refused (a taken key, a deleted customer); that is fine.
  void CreateCustomer() {
    v1::CreateCustomerRequest request;
    *request.mutable_customer() = RandomCustomer();
    const Done done = small_.Do(request);
    if (done.status.ok()) customers_.push_back("tenants/acme/customers/" + done.id());
  }
  void CreateRecord() {
    v1::CreateRecordRequest request;
    *request.mutable_record() = RandomRecord();
    const Done done = small_.Do(request);
    if (done.status.ok()) records_.push_back("tenants/acme/records/" + done.id());
  }
  void UpdateCustomer() {
    if (customers_.empty()) return;
    v1::UpdateCustomerRequest request;
    *request.mutable_customer() = RandomCustomer();
    request.mutable_customer()->clear_external_id();
    request.mutable_customer()->set_name(Pick(customers_));
    small_.Do(request);
  }
  void UpdateRecord() {
    if (records_.empty()) return;
    v1::UpdateRecordRequest request;
    *request.mutable_record() = RandomRecord();
    request.mutable_record()->clear_kind();
    request.mutable_record()->set_name(Pick(records_));
    for (const char* path : {"title", "stage", "close_time", "owner"})
      request.mutable_update_mask()->add_paths(path);
    small_.Do(request);
  }
  void Toggle() {
    if (customers_.empty()) return;
    if (Chance(60)) {
      v1::DeactivateCustomerRequest request;
      request.set_name(Pick(customers_));
      small_.Do(request);
    } else {
      v1::ActivateCustomerRequest request;
      request.set_name(Pick(customers_));
      small_.Do(request);
    }
  }
  void DeleteOrUndelete() {
    if (customers_.empty()) return;
    if (Chance(60)) {
      v1::DeleteCustomerRequest request;
      request.set_name(Pick(customers_));
      request.mutable_related()->set_all(Chance(50) ? v1::RelatedRecords::DELETE
                                                    : v1::RelatedRecords::KEEP);
      small_.Do(request);
    } else {
      v1::UndeleteCustomerRequest request;
      request.set_name(Pick(customers_));
      small_.Do(request);
    }
  }

  SmallLedger& small_;
  std::mt19937_64 random_;
  std::vector<std::string> customers_;
  std::vector<std::string> records_;
  int external_ = 0;
};

Asked RandomAsked(RandomLife& life, KindNumber kind, const server::PageLimits& limits) {
  const bool customers = kind == KindNumber::kCustomer;
  std::vector<std::string> terms;
  const std::string owner = "tenants/acme/members/" + life.Pick(RandomLife::kOwners);
  const std::vector<std::string> choices =
      customers
          ? std::vector<std::string>{fmt::format("level = \"{}\"", life.Pick(RandomLife::kLevels)),
                                     fmt::format("owner = \"{}\"", owner),
                                     fmt::format("tags:{}", life.Pick(RandomLife::kTags)),
                                     fmt::format("emails:\"p{}@example.COM\"", life.Below(8)),
                                     "emails = \"p1*\"",
                                     fmt::format("number > {}", life.Below(30)),
                                     fmt::format("number <= {}", life.Below(30)),
                                     "attributes.colour = vip",
                                     "phones.e164 = \"+14155552671\"",
                                     "state = DELETED",
                                     "state = INACTIVE OR state = DELETED",
                                     "NOT tags:vip",
                                     fmt::format("external_id = \"Ext-{}\"", life.Below(10)),
                                     "display_name = \"Ann*\""}
          : std::vector<std::string>{
                fmt::format("kind = {}", life.Chance(50) ? "DEAL" : "NOTE"),
                fmt::format("customer = \"{}\"",
                            life.customers().empty() ? "x" : life.Pick(life.customers())),
                fmt::format("owner = \"{}\"", owner),
                fmt::format("stage = \"{}\"", life.Pick(RandomLife::kStages)),
                "close_time > \"2023-11-15T10:13:20Z\"",
                "close_time <= 2023-11-15",
                "amount.minor_units >= 200",
                "state = DELETED",
                fmt::format("tags:{}", life.Pick(RandomLife::kTags))};
  for (size_t i = life.Below(4); i > 0; --i) terms.push_back(life.Pick(choices));
  Asked asked{.show_inactive = life.Chance(30), .show_deleted = life.Chance(30)};
  for (const std::string& term : terms)
    asked.filter += (asked.filter.empty() ? "" : " AND ") + ("(" + term + ")");
  if (life.Chance(40)) {
    const std::vector<std::string> queries = {"ann",  "smith",          "小明",  "小", "an sm",
                                              "O'Ne", "415 555 2672",   "12345", "#7", "7",
                                              "p1@",  "P3@example.com", "Ext-3"};
    asked.query = life.Pick(queries);
  }
  if (life.Chance(60)) {
    const std::vector<std::string> orders =
        customers ? std::vector<std::string>{"number", "display_name"}
                  : std::vector<std::string>{"create_time", "title", "close_time"};
    asked.order_by = life.Pick(orders) + (life.Chance(50) ? " desc" : "");
    // Small bounds refuse it.
    if (!asked.query.empty() && limits.max_reads >= 10000) asked.order_by = "update_time desc";
  }
  return asked;
}

template <typename Request>
void CompareOnce(SmallLedger& small, RandomLife& life, const server::PageLimits& limits) {
  const Asked asked = RandomAsked(life, ListOf<Request>::kKind, limits);
  Request request = RequestFor<Request>(asked);
  domain::Position position = small.head();
  if (life.Chance(50)) {
    position = life.Below(position + 1);
    request.mutable_as_of()->set_position(static_cast<int64_t>(position));
  }
  const bool changing = life.Chance(30);
  std::vector<std::string> expected =
      NaiveList(small.ShownAt(position), ListOf<Request>::kKind, asked);
  std::vector<std::string> names =
      AllPages(small, limits, request, static_cast<int>(1 + life.Below(12)), [&] {
        if (changing && small.head() < 400) life.Step();
      });
  if (!asked.query.empty() && asked.order_by.empty()) std::sort(names.begin(), names.end());
  EXPECT_EQ(names, expected) << request.DebugString() << "as of " << position << " of "
                             << small.head();
}

class ListProperty : public ::testing::TestWithParam<uint64_t> {};

TEST_P(ListProperty, EqualsTheNaiveListAtEveryPosition) {
  SmallLedger small;
  RandomLife life(small, GetParam());
  // Bounds from tiny to those of the server, so that short pages, sorting, walking and intersecting
  // all come up.
  const size_t bounds[] = {3, 20, 60, 10000};
  for (int round = 0; round < 60 && !::testing::Test::HasFailure(); ++round) {
    for (int i = 0; i < 4; ++i) life.Step();
    server::PageLimits limits;
    limits.max_reads = bounds[life.Below(std::size(bounds))];
    CompareOnce<v1::ListCustomersRequest>(small, life, limits);
    CompareOnce<v1::ListRecordsRequest>(small, life, limits);
  }
}
INSTANTIATE_TEST_SUITE_P(Seeds, ListProperty, ::testing::Range<uint64_t>(1, 13));

class QueriesTest : public ::testing::Test {
 protected:
  std::string Create(std::string_view text) {
    v1::CreateCustomerRequest request;
    testing::ParseText(text, *request.mutable_customer());
    const Done done = small_.Do(request);
    EXPECT_TRUE(done.status.ok()) << done.status;
    return "tenants/acme/customers/" + done.id();
  }
  std::vector<std::string> Search(std::string_view query) {
    return AllPages(small_, RequestFor<v1::ListCustomersRequest>({.query = std::string(query)}));
  }
  std::vector<std::string> Filter(std::string_view filter) {
    return AllPages(small_, RequestFor<v1::ListCustomersRequest>({.filter = std::string(filter)}));
  }
  absl::Status ListError(const v1::ListCustomersRequest& request) {
    return server::Queries(small_.ledger()).Answer(small_.Call("list"), request).status();
  }
  server::Queries queries() { return server::Queries(small_.ledger()); }

  SmallLedger small_;
};

TEST_F(QueriesTest, FindsTwoChineseCharactersAnywhereInAName) {
  const std::string one = Create(R"pb(display_name: "王小明")pb");
  const std::string two = Create(R"pb(organization_name: "北京小明科技")pb");
  Create(R"pb(display_name: "王大明")pb");
  EXPECT_THAT(Search("小明"), ::testing::UnorderedElementsAre(one, two));
  EXPECT_THAT(Search("明科"), ElementsAre(two));
  EXPECT_THAT(Search("王小明"), ElementsAre(one));
  EXPECT_THAT(Search("小红"), IsEmpty());
}

TEST_F(QueriesTest, FindsAPhoneInAnyUsualSpelling) {
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

TEST_F(QueriesTest, FindsByNumberIdEmailAndExternalIdAndTellsEachOnce) {
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

TEST_F(QueriesTest, ExternalIdsAreComparedWithTheirCase) {
  const std::string upper = Create(R"pb(display_name: "Upper" external_id: "0015g00000AbC")pb");
  const std::string lower = Create(R"pb(display_name: "Lower" external_id: "0015g00000aBc")pb");
  EXPECT_THAT(Filter("external_id = \"0015g00000AbC\""), ElementsAre(upper));
  EXPECT_THAT(Filter("external_id = \"0015g00000aBc\" OR number = 99"), ElementsAre(lower));
  EXPECT_THAT(Search("0015g00000aBc"), ElementsAre(lower));
}

TEST_F(QueriesTest, GetsDeletedAndPastEntities) {
  const std::string name = Create(R"pb(display_name: "Ann")pb");
  const domain::Position created = small_.head();
  v1::DeleteCustomerRequest remove;
  remove.set_name(name);
  remove.mutable_related()->set_all(v1::RelatedRecords::KEEP);
  ASSERT_TRUE(small_.Do(remove).status.ok());

  v1::GetCustomerRequest get;
  get.set_name(name);
  auto now = queries().Answer(small_.Call("get"), get);
  ASSERT_TRUE(now.ok()) << now.status();
  EXPECT_EQ(now->customer().state(), v1::Customer::DELETED);
  EXPECT_EQ(now->answered().position(), static_cast<int64_t>(small_.head()));
  EXPECT_TRUE(now->answered().has_commit_time());

  get.mutable_as_of()->set_position(static_cast<int64_t>(created));
  auto then = queries().Answer(small_.Call("get"), get);
  ASSERT_TRUE(then.ok());
  EXPECT_EQ(then->customer().state(), v1::Customer::ACTIVE);
  get.mutable_as_of()->set_position(static_cast<int64_t>(created) - 1);
  EXPECT_EQ(domain::ReasonOf(queries().Answer(small_.Call("get"), get).status()),
            v1::ENTITY_NOT_FOUND);
  get.mutable_as_of()->set_position(0);
  EXPECT_EQ(domain::ReasonOf(queries().Answer(small_.Call("get"), get).status()),
            v1::ENTITY_NOT_FOUND);
}

TEST_F(QueriesTest, AnswersAsOfATimeAtTheLastCommitAtOrBeforeIt) {
  const int64_t begin = small_.time_us();
  Create(R"pb(display_name: "Ann")pb");
  Create(R"pb(display_name: "Bob")pb");
  auto count_at = [&](int64_t time_us) {
    auto request = RequestFor<v1::ListCustomersRequest>({});
    *request.mutable_as_of()->mutable_time() =
        google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(time_us);
    return AllPages(small_, request).size();
  };
  EXPECT_EQ(count_at(begin - 1), 0u);
  EXPECT_EQ(count_at(begin), 1u);
  EXPECT_EQ(count_at(begin + 999'999), 1u);
  EXPECT_EQ(count_at(begin + 1'000'000), 2u);
}

TEST_F(QueriesTest, RefusesTheFutureAndWhatIsMalformed) {
  Create(R"pb(display_name: "Ann")pb");
  auto request = RequestFor<v1::ListCustomersRequest>({});
  request.mutable_as_of()->set_position(static_cast<int64_t>(small_.head()) + 1);
  EXPECT_EQ(domain::ReasonOf(ListError(request)), v1::FUTURE_AS_OF);
  request.mutable_as_of()->set_position(-1);
  EXPECT_EQ(domain::ReasonOf(ListError(request)), v1::INVALID_FIELD);
  request.mutable_as_of()->mutable_time()->set_seconds(4'000'000'000);
  EXPECT_EQ(domain::ReasonOf(ListError(request)), v1::FUTURE_AS_OF);
  request.mutable_as_of()->mutable_time()->set_seconds(400'000'000'000);
  EXPECT_EQ(domain::ReasonOf(ListError(request)), v1::INVALID_FIELD);
  request.clear_as_of();
  request.set_page_size(-1);
  EXPECT_EQ(domain::ReasonOf(ListError(request)), v1::INVALID_FIELD);
  request.clear_page_size();
  for (const char* order :
       {"level", "number sideways", "number desc asc", "update_time", "create_time desc"}) {
    request.set_order_by(order);
    EXPECT_EQ(domain::ReasonOf(ListError(request)), v1::INVALID_FIELD) << order;
  }
  request.clear_order_by();
  for (const char* filter : {"etag = 1", "nothing = 1", "level = ", "((((", "state = SLEEPING"}) {
    request.set_filter(filter);
    EXPECT_EQ(domain::ReasonOf(ListError(request)), v1::INVALID_FILTER) << filter;
  }
}

TEST_F(QueriesTest, OrdersMoreFindsThanItMayReadOnlyByAnIndex) {
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

TEST_F(QueriesTest, PageSizesHaveADefaultAndAMost) {
  server::PageLimits limits;
  limits.default_size = 3;
  limits.max_size = 5;
  for (int i = 0; i < 8; ++i) Create(R"pb(display_name: "Ann")pb");
  auto request = RequestFor<v1::ListCustomersRequest>({});
  const server::Queries few(small_.ledger(), limits);
  EXPECT_EQ(few.Answer(small_.Call("list"), request)->customers_size(), 3);
  request.set_page_size(1000);
  EXPECT_EQ(few.Answer(small_.Call("list"), request)->customers_size(), 5);
  // A page that ends the list says so.
  request.set_page_size(0);
  limits.default_size = 8;
  limits.max_size = 8;
  EXPECT_EQ(server::Queries(small_.ledger(), limits)
                .Answer(small_.Call("list"), request)
                ->next_page_token(),
            "");
}

TEST_F(QueriesTest, SummarizesTheTenantAndOneCustomer) {
  const std::string name = Create(R"pb(display_name: "Ann")pb");
  for (int i = 0; i < 3; ++i) {
    auto request =
        FromText<v1::CreateRecordRequest>(R"pb(record {
                                                 kind: DEAL
                                                 title: "T"
                                                 stage: "Won"
                                                 amount { minor_units: 100 currency: "EUR" }
                                               })pb");
    if (i < 2) request.mutable_record()->set_customer(name);
    ASSERT_TRUE(small_.Do(request).status.ok());
  }
  v1::SummarizeRequest request;
  request.set_name("tenants/acme");
  auto whole = queries().Answer(small_.Call("sum"), request);
  ASSERT_TRUE(whole.ok()) << whole.status();
  ASSERT_EQ(whole->groups_size(), 2) << whole->DebugString();
  EXPECT_EQ(whole->groups(0).kind(), "CUSTOMER");
  EXPECT_EQ(whole->groups(0).count(), 1);
  EXPECT_EQ(whole->groups(1).kind(), "DEAL");
  EXPECT_EQ(whole->groups(1).count(), 3);
  EXPECT_EQ(whole->groups(1).sum_minor_units(), 300);
  request.set_name(name);
  EXPECT_EQ(queries().Answer(small_.Call("sum"), request)->groups(0).sum_minor_units(), 200);
  request.mutable_as_of()->set_position(static_cast<int64_t>(small_.head()) - 2);
  EXPECT_EQ(queries().Answer(small_.Call("sum"), request)->groups(0).sum_minor_units(), 100);
  request.set_name("tenants/acme/customers/nobody");
  EXPECT_EQ(domain::ReasonOf(queries().Answer(small_.Call("sum"), request).status()),
            v1::ENTITY_NOT_FOUND);
}

TEST_F(QueriesTest, FillsThePolicysDefaultsIn) {
  v1::GetPolicyRequest request;
  request.set_name("tenants/acme/policy");
  auto response = queries().Answer(small_.Call("policy"), request);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->policy().name(), "tenants/acme/policy");
  EXPECT_EQ(response->policy().region_code(), "US");
  EXPECT_EQ(response->policy().time_zone(), "UTC");
  EXPECT_FALSE(response->policy().has_update_time());
}

TEST_F(QueriesTest, ShowsOnlyTenantsThatTheCallerMayEnter) {
  auto principal = std::make_shared<server::Principal>();
  principal->id = "agnes";
  principal->tenants = {"other"};
  server::QueryCall call{
      .principal = principal, .tenant = small_.ledger().tenants().system(), .method = "tenants"};
  auto names = [&](const server::QueryCall& caller) {
    std::vector<std::string> result;
    v1::ListTenantsRequest request;
    request.set_page_size(1);
    do {
      auto response = queries().Answer(caller, request);
      EXPECT_TRUE(response.ok()) << response.status();
      if (!response.ok()) break;
      for (const auto& tenant : response->tenants()) result.push_back(tenant.name());
      request.set_page_token(response->next_page_token());
    } while (!request.page_token().empty());
    return result;
  };
  EXPECT_THAT(names(call), ElementsAre("tenants/other"));
  EXPECT_THAT(names(small_.Call("tenants")), ElementsAre("tenants/acme", "tenants/other"));
  v1::GetTenantRequest get;
  get.set_name("tenants/acme");
  EXPECT_EQ(domain::ReasonOf(queries().Answer(call, get).status()), v1::TENANT_NOT_FOUND);
  EXPECT_TRUE(queries().Answer(small_.Call("tenants"), get).ok());
  get.set_name("tenants/nowhere");
  EXPECT_EQ(domain::ReasonOf(queries().Answer(small_.Call("tenants"), get).status()),
            v1::TENANT_NOT_FOUND);
}

TEST_F(QueriesTest, GivesUpWhenTheCallerWentAway) {
  Create(R"pb(display_name: "Ann")pb");
  server::QueryCall call = small_.Call("list");
  call.cancelled = std::make_shared<std::atomic<bool>>(true);
  EXPECT_EQ(
      domain::ReasonOf(queries().Answer(call, RequestFor<v1::ListCustomersRequest>({})).status()),
      v1::CALLER_CANCELLED);
}

TEST_F(QueriesTest, ReturnsAShortPageWhenHalfOfTheDeadlineIsOver) {
  for (int i = 0; i < 5; ++i) Create(R"pb(display_name: "Ann")pb");
  server::QueryCall call = small_.Call("list");
  call.start = absl::Now() - absl::Seconds(10);
  call.deadline = call.start + absl::Seconds(15);
  auto request = RequestFor<v1::ListCustomersRequest>({});
  auto response = queries().Answer(call, request);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->customers_size(), 1);
  EXPECT_NE(response->next_page_token(), "");
}

}  // namespace
}  // namespace retrace
