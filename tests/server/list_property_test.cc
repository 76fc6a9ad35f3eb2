// Lists and searches against a naive model on random histories.
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "fmt/format.h"
#include "google/protobuf/util/time_util.h"
#include "tests/server/queries_fixture.h"

namespace retrace {
namespace {

using domain::KindNumber;
using testing::AllPages;
using testing::Asked;
using testing::Done;
using testing::ListOf;
using testing::NaiveList;
using testing::RequestFor;
using testing::SmallLedger;

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
                                     "phones:\"415 555-2672\"",
                                     "phones = 12345",
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

}  // namespace
}  // namespace retrace
