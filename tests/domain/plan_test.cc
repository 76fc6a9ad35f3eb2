#include "domain/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <algorithm>

#include "domain/refusal.h"
#include "domain/status_macros.h"
#include "fmt/format.h"
#include "tests/support/decider_test.h"

namespace retrace::domain {
namespace {

using retrace::testing::MemoryView;
using retrace::testing::Parse;
using retrace::testing::TestTenant;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class PlanTest : public ::testing::Test {
 protected:
  PlanTest() {
    acme_.Must<v1::CreateMemberRequest>(
        R"pb(parent: "tenants/acme"
             member_id: "anna"
             member { display_name: "Anna Snelling" })pb");
    customer_ =
        "tenants/acme/customers/" +
        acme_
            .Must<v1::CreateCustomerRequest>(
                R"pb(parent: "tenants/acme"
                     customer { display_name: "Hottechi" owner: "tenants/acme/members/anna" })pb")
            .id();
    AddDeal("One", 100);
    AddDeal("Two", 250);
  }

  void AddDeal(const std::string& title, int cents) {
    v1::CreateRecordRequest request;
    request.set_parent("tenants/acme");
    request.mutable_record()->set_kind(v1::Record::DEAL);
    request.mutable_record()->set_title(title);
    request.mutable_record()->set_customer(customer_);
    request.mutable_record()->mutable_amount()->set_minor_units(cents);
    request.mutable_record()->mutable_amount()->set_currency("EUR");
    ASSERT_TRUE(acme_.Do(request).ok());
  }
  void MakeGold() {
    v1::UpdateCustomerRequest request;
    request.mutable_customer()->set_name(customer_);
    request.mutable_customer()->set_level("gold");
    ASSERT_TRUE(acme_.Do(request).ok());
  }
  v1::DeleteCustomerRequest Deleting(v1::RelatedRecords::Choice choice) const {
    v1::DeleteCustomerRequest request;
    request.set_name(customer_);
    request.mutable_related()->set_all(choice);
    return request;
  }

  // Decides at a position, with ids that begin with `prefix`, and hands over the draft.
  template <typename Request, typename Use>
  void Decided(const Request& request, Use use, Position as_of = kLatest,
               const std::string& prefix = "n") {
    const MemoryView view = acme_.view(as_of);
    Context context;
    context.header.tenant = "acme";
    context.header.position = std::min(as_of, acme_.head()) + 1;
    context.header.change_set = context.header.position;
    context.header.time_us = 1'800'000'000'000'000 + ++calls_;
    context.header.actor = "ann";
    int last = 0;
    context.new_id = [&] { return fmt::format("{}{:025}", prefix, ++last); };
    context.may = [](const std::string&) { return true; };
    Draft draft(view, context.header);
    const absl::Status status = Decide(request, draft, context);
    ASSERT_TRUE(status.ok()) << status;
    use(draft);
  }
  template <typename Request>
  std::vector<std::string> Forms(const Request& request, Position as_of = kLatest,
                                 const std::string& prefix = "n") {
    std::vector<std::string> forms;
    Decided(
        request,
        [&](const Draft& draft) {
          for (const OutcomePart& part : OutcomeParts(draft)) forms.push_back(part.form);
        },
        as_of, prefix);
    return forms;
  }

  TestTenant acme_;
  std::string customer_;
  int64_t calls_ = 0;
};

TEST_F(PlanTest, CountsWhatHappensToWhom) {
  Decided(Deleting(v1::RelatedRecords::DELETE), [&](const Draft& draft) {
    const auto plan = DescribeOutcome(draft);
    ASSERT_TRUE(plan.ok()) << plan.status();
    EXPECT_EQ(plan->entity_count(), 3);
    ASSERT_EQ(plan->counts_size(), 2);
    EXPECT_EQ(plan->counts(0).ShortDebugString(),
              R"(kind: "customers" change: "Deleted" count: 1)");
    EXPECT_EQ(plan->counts(1).ShortDebugString(),
              R"(kind: "records" subkind: "DEAL" change: "Deleted" count: 2)");
    ASSERT_EQ(plan->sums_size(), 1);
    EXPECT_EQ(plan->sums(0).minor_units(), 350);
    EXPECT_EQ(plan->sums(0).currency(), "EUR");
    ASSERT_EQ(plan->people_size(), 1);
    EXPECT_EQ(plan->people(0).title(), "Anna Snelling");
    EXPECT_EQ(plan->people(0).count(), 1);
    ASSERT_EQ(plan->samples_size(), 3);
    EXPECT_EQ(plan->samples(0).name(), customer_);
    EXPECT_THAT(plan->notes(), ElementsAre("2 records deleted, 0 kept."));
  });
}

TEST_F(PlanTest, APurgeNamesWhatIsLostAndWarns) {
  ASSERT_TRUE(acme_.Do(Deleting(v1::RelatedRecords::DELETE)).ok());
  v1::PurgeEntitiesRequest request;
  request.set_parent("tenants/acme");
  request.add_names(customer_);
  Decided(request, [&](const Draft& draft) {
    const auto plan = DescribeOutcome(draft);
    ASSERT_TRUE(plan.ok()) << plan.status();
    ASSERT_EQ(plan->counts_size(), 2);
    EXPECT_EQ(plan->counts(1).ShortDebugString(),
              R"(kind: "records" subkind: "DEAL" change: "Purged" count: 2)");
    ASSERT_EQ(plan->sums_size(), 1);
    EXPECT_EQ(plan->sums(0).minor_units(), 350);
    EXPECT_EQ(plan->loss_count(), 3);
    ASSERT_EQ(plan->warnings_size(), 1);
    EXPECT_EQ(plan->warnings(0).id(), "PURGE_IS_FINAL");
    ASSERT_EQ(plan->samples_size(), 3);
    EXPECT_EQ(plan->samples(0).title(), "Hottechi");
  });
  const auto forms = Forms(request);
  acme_.Must<v1::CreateCustomerRequest>(R"pb(parent: "tenants/acme"
                                             customer { display_name: "Other" })pb");
  EXPECT_EQ(Forms(request), forms);
}

TEST_F(PlanTest, ShowsTwentySamplesAndCountsTheRest) {
  for (int i = 0; i < 30; ++i) AddDeal(fmt::format("Deal {}", i), i);
  Decided(Deleting(v1::RelatedRecords::DELETE), [&](const Draft& draft) {
    const auto plan = DescribeOutcome(draft);
    ASSERT_TRUE(plan.ok());
    EXPECT_EQ(plan->samples_size(), 20);
    EXPECT_EQ(plan->samples(0).name(), customer_);
    EXPECT_EQ(plan->entity_count(), 33);
  });
}

TEST_F(PlanTest, TimesAndUnrelatedCommitsMakeNoDifference) {
  const auto forms = Forms(Deleting(v1::RelatedRecords::DELETE));
  EXPECT_EQ(forms.size(), 3u);
  acme_.Must<v1::CreateCustomerRequest>(R"pb(parent: "tenants/acme"
                                             customer { display_name: "Other" })pb");
  EXPECT_EQ(Forms(Deleting(v1::RelatedRecords::DELETE)), forms);
  EXPECT_NE(Forms(Deleting(v1::RelatedRecords::KEEP)), forms);
}

TEST_F(PlanTest, ContentThatGoesToTheBinIsPartOfIt) {
  const Position before = acme_.head();
  const auto forms = Forms(Deleting(v1::RelatedRecords::DELETE));
  MakeGold();
  EXPECT_NE(Forms(Deleting(v1::RelatedRecords::DELETE)), forms);
  EXPECT_EQ(Forms(Deleting(v1::RelatedRecords::DELETE), before), forms);
}

TEST_F(PlanTest, IdsAndNumbersThatAreMadeOnExecutionMakeNoDifference) {
  const auto create = Parse<v1::BatchCreateCustomersRequest>(
      R"pb(parent: "tenants/acme"
           requests { customer { display_name: "A" } }
           requests { customer { display_name: "B" } })pb");
  const auto forms = Forms(create, kLatest, "x");
  EXPECT_EQ(forms.size(), 2u);
  EXPECT_NE(forms[0], forms[1]);
  acme_.Must<v1::CreateCustomerRequest>(R"pb(parent: "tenants/acme"
                                             customer { display_name: "Takes a number" })pb");
  EXPECT_EQ(Forms(create, kLatest, "y"), forms);
}

TEST_F(PlanTest, DriftNamesWhatDiffers) {
  const Position before = acme_.head();
  const auto told = [&](const v1::DeleteCustomerRequest& request) {
    std::vector<std::string> drifted;
    Decided(
        request,
        [&](const Draft& planned) {
          Decided(request, [&](const Draft& now) {
            for (const Drifted& one : DriftBetween(planned, now)) {
              drifted.push_back(one.name.substr(0, 21) + " " + one.description);
            }
          });
        },
        before);
    return drifted;
  };
  EXPECT_THAT(told(Deleting(v1::RelatedRecords::DELETE)), IsEmpty());
  AddDeal("Three", 7);
  MakeGold();
  EXPECT_THAT(told(Deleting(v1::RelatedRecords::DELETE)),
              ElementsAre("tenants/acme/customer changed since: level",
                          "tenants/acme/records/ would be touched now, and was not planned"));
}

}  // namespace
}  // namespace retrace::domain
