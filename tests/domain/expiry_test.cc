// Expiry and timers, one by one.
#include "domain/expiry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/substitute.h"
#include "domain/kind.h"
#include "domain/lifecycle.h"
#include "domain/timer.h"
#include "retrace/store/v1/timers.pb.h"
#include "tests/support/decider_test.h"

namespace retrace::domain {
namespace {

using retrace::testing::Reply;
using retrace::testing::TestTenant;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr int64_t kHourUs = 3600LL * 1'000'000;
constexpr int64_t kDayUs = 24 * kHourUs;

class ExpiryTest : public ::testing::Test {
 protected:
  EntityRef NewCustomer() {
    return {KindNumber::kCustomer,
            acme_
                .Must<v1::CreateCustomerRequest>(R"pb(parent: "tenants/acme"
                                                      customer { display_name: "Ann" })pb")
                .id()};
  }
  EntityRef NewDeal(const EntityRef& customer) {
    return {KindNumber::kRecord,
            acme_
                .Must<v1::CreateRecordRequest>(
                    absl::Substitute(R"pb(parent: "tenants/acme"
                                          record { title: "deal" kind: DEAL customer: "$0" })pb",
                                     Name(customer)))
                .id()};
  }
  void Delete(const EntityRef& entity) {
    if (entity.kind == KindNumber::kRecord) {
      acme_.Must<v1::DeleteRecordRequest>(absl::Substitute(R"pb(name: "$0")pb", Name(entity)));
      return;
    }
    acme_.Must<v1::DeleteCustomerRequest>(absl::Substitute(R"pb(name: "$0"
                                                                related { all: DELETE })pb",
                                                           Name(entity)));
  }
  void Keep(const std::string& collection, int days) {
    acme_.Must<v1::UpdatePolicyRequest>(absl::Substitute(
        R"pb(policy {
               name: "tenants/acme/policy"
               retentions { collection: "$0" days: $1 }
             }
             update_mask { paths: "retentions" })pb",
        collection, days));
  }
  Reply Hold(const EntityRef& entity) {
    return acme_.Must<v1::PlaceHoldRequest>(
        absl::Substitute(R"pb(parent: "tenants/acme"
                              hold { entity: "$0" case_number: "1" }
                              options { reason: "suit" })pb",
                         Name(entity)));
  }
  static std::string Name(const EntityRef& entity) {
    return "tenants/acme/" + std::string(KindOf(entity.kind).collection) + "/" + entity.id;
  }

  // Lets time and uptime pass.
  void Pass(int64_t microseconds) {
    acme_.Pass(microseconds);
    uptime_us_ += microseconds;
  }
  // What one look meets.
  std::vector<EntityRef> Expiring(BinLook& look) {
    Context context;
    context.header.tenant = "acme";
    context.header.position = acme_.head() + 1;
    context.header.time_us = acme_.time_us();
    return *FindExpiring(acme_.view(), context, look);
  }
  std::vector<EntityRef> Expiring() {
    std::vector<EntityRef> all;
    for (BinLook look; !look.ended;) {
      const auto found = Expiring(look);
      all.insert(all.end(), found.begin(), found.end());
    }
    return all;
  }
  Reply Announce() {
    store::v1::AnnounceExpiry announce;
    announce.set_uptime_us(uptime_us_);
    for (const EntityRef& entity : Expiring()) *announce.add_entities() = ToStored(entity);
    return acme_.Record(announce);
  }
  Reply FireAt(const Due& due, int limit = 0) {
    store::v1::Fire fire;
    *fire.mutable_entity() = ToStored(due.entity);
    fire.set_due_us(due.due_us);
    fire.set_uptime_us(uptime_us_);
    fire.set_limit(limit);
    return acme_.Record(fire);
  }
  std::vector<Due> AllDue() { return *FindDue(acme_.view(), acme_.time_us(), 100); }
  void FireAll() {
    for (const Due& due : AllDue()) {
      const Reply fired = FireAt(due);
      EXPECT_TRUE(fired.ok()) << fired.status;
    }
  }
  bool Gone(const EntityRef& entity) { return acme_.RowOf(entity)->purged(); }

  TestTenant acme_;
  int64_t uptime_us_ = 5 * kDayUs;
};

TEST_F(ExpiryTest, IsAnnouncedADayBeforeAndThenDone) {
  const EntityRef ann = NewCustomer(), bo = NewCustomer();
  const EntityRef deal = NewDeal(ann);
  Delete(ann);
  Pass(59 * kDayUs - kHourUs);
  Delete(bo);
  EXPECT_THAT(Expiring(), IsEmpty());
  Pass(kHourUs);
  EXPECT_THAT(Expiring(), SizeIs(2));
  const Reply announced = Announce();
  ASSERT_TRUE(announced.ok()) << announced.status;
  EXPECT_THAT(Expiring(), IsEmpty());  // announced once
  EXPECT_EQ(*AnnouncedFor(ann, acme_.view()),
            acme_.RowOf(announced.targets[0])->head.create_time_us() + kExpiryNoticeUs);
  EXPECT_THAT(AllDue(), IsEmpty());
  Pass(kDayUs);
  ASSERT_THAT(AllDue(), SizeIs(1));
  const Due due = AllDue()[0];
  FireAll();
  EXPECT_TRUE(Gone(ann) && Gone(deal));
  EXPECT_FALSE(Gone(bo));
  EXPECT_TRUE(acme_.DestroyedKeys().contains("key of customers/" + ann.id));
  EXPECT_THAT(AllDue(), IsEmpty());
  EXPECT_EQ(FireAt(due).reason(), v1::STATE_REFUSED);  // once
  EXPECT_TRUE(*acme_.Replay() == acme_.rows());
}

TEST_F(ExpiryTest, NothingGoesBeforeItsMoment) {
  const EntityRef ann = NewCustomer();
  Delete(ann);
  Pass(59 * kDayUs);
  const Reply announced = Announce();
  const int64_t due_us = **AnnouncedFor(ann, acme_.view());
  EXPECT_EQ(FireAt({announced.targets[0], due_us}).reason(), v1::STATE_REFUSED);
  Pass(2 * kDayUs);
  EXPECT_EQ(FireAt({announced.targets[0], due_us - 1}).reason(), v1::STATE_REFUSED);
  EXPECT_EQ(FireAt({ann, due_us}).reason(), v1::STATE_REFUSED);
  EXPECT_FALSE(Gone(ann));
}

TEST_F(ExpiryTest, AClockThatWentAheadAloneDoesNotCount) {
  const EntityRef ann = NewCustomer();
  Delete(ann);
  Pass(59 * kDayUs);
  ASSERT_TRUE(Announce().ok());
  acme_.Pass(2 * kDayUs);  // the clock only
  uptime_us_ += 5 * kHourUs;
  FireAll();
  EXPECT_FALSE(Gone(ann));
  EXPECT_THAT(AllDue(), IsEmpty());
  Pass(18 * kHourUs);
  EXPECT_THAT(AllDue(), IsEmpty());
  // A server that lost count waits a day anew.
  uptime_us_ = 0;
  Pass(kHourUs);
  FireAll();
  EXPECT_FALSE(Gone(ann));
  Pass(23 * kHourUs);
  FireAll();
  EXPECT_FALSE(Gone(ann));
  Pass(kHourUs);
  FireAll();
  EXPECT_TRUE(Gone(ann));
}

TEST_F(ExpiryTest, WhatCameBackOrIsHeldSinceStays) {
  const EntityRef back = NewCustomer(), again = NewCustomer(), held = NewCustomer();
  const EntityRef goes = NewCustomer();
  for (const EntityRef& one : {back, again, held, goes}) Delete(one);
  Pass(59 * kDayUs);
  ASSERT_TRUE(Announce().ok());
  for (const EntityRef& one : {back, again}) {
    acme_.Must<v1::UndeleteCustomerRequest>(absl::Substitute(R"pb(name: "$0")pb", Name(one)));
  }
  Delete(again);
  Hold(held);
  Pass(kDayUs);
  FireAll();
  EXPECT_TRUE(Gone(goes));
  EXPECT_FALSE(Gone(back) || Gone(again) || Gone(held));
  EXPECT_THAT(Expiring(), IsEmpty());
}

TEST_F(ExpiryTest, WhatIsDeletedAgainIsAnnouncedAgain) {
  Keep("customers", 1);
  Pass(8 * kDayUs);  // a shorter retention counts after a week
  const EntityRef ann = NewCustomer();
  Delete(ann);
  ASSERT_TRUE(Announce().ok());
  acme_.Must<v1::UndeleteCustomerRequest>(absl::Substitute(R"pb(name: "$0")pb", Name(ann)));
  Delete(ann);
  Pass(2 * kDayUs);  // the second deletion is past its time, too, and unannounced
  FireAll();
  EXPECT_FALSE(Gone(ann));
  EXPECT_THAT(Expiring(), SizeIs(1));
}

TEST_F(ExpiryTest, WhatIsHeldIsNotAnnouncedUntilItIsReleased) {
  const EntityRef ann = NewCustomer();
  Delete(ann);
  const Reply hold = Hold(ann);
  Pass(90 * kDayUs);
  EXPECT_THAT(Expiring(), IsEmpty());
  acme_.Must<v1::ReleaseHoldRequest>(absl::Substitute(R"pb(name: "tenants/acme/holds/$0"
                                                           options { reason: "settled" })pb",
                                                      hold.id()));
  EXPECT_THAT(Expiring(), SizeIs(1));
}

// As many as one commit brings into the bin stand there in one place; several times as many, all of
// them held, and one behind them that may go.
TEST_F(ExpiryTest, WhatIsHeldHidesNothingBehindIt) {
  v1::BatchCreateCustomersRequest create;
  create.set_parent("tenants/acme");
  for (int i = 0; i < 1000; ++i) {
    v1::Customer& customer = *create.add_requests()->mutable_customer();
    customer.set_display_name("Ann");
    customer.set_level("held");
  }
  for (int batch = 0; batch < 11; ++batch) {
    const Reply created = acme_.Do(create);
    ASSERT_TRUE(created.ok()) << created.status;
    v1::BatchDeleteCustomersRequest remove;
    remove.set_parent("tenants/acme");
    remove.mutable_related()->set_all(v1::RelatedRecords::DELETE);
    for (const EntityRef& one : created.targets) remove.add_names(Name(one));
    ASSERT_TRUE(acme_.Do(remove).ok());
  }
  acme_.Must<v1::PlaceHoldRequest>(R"pb(
    parent: "tenants/acme"
    hold { collection: "customers" filter: "level = \"held\"" case_number: "1" }
    options { reason: "suit" })pb");
  const EntityRef ann = NewCustomer();
  const EntityRef deal = NewDeal(ann);
  Delete(deal);
  Delete(ann);
  Pass(59 * kDayUs);
  EXPECT_THAT(Expiring(), ElementsAre(ann, deal));
}

// The look goes on behind what it found, whether that is announced or not.
TEST_F(ExpiryTest, AllIsFoundAHundredAtATime) {
  std::set<EntityRef> binned;
  for (int i = 0; i < 250; ++i) {
    const EntityRef one = NewCustomer();
    Delete(one);
    binned.insert(one);
  }
  Pass(59 * kDayUs);
  const std::vector<EntityRef> found = Expiring();
  EXPECT_THAT(found, SizeIs(250));
  EXPECT_EQ(std::set<EntityRef>(found.begin(), found.end()), binned);
}

TEST_F(ExpiryTest, LengtheningSavesWhatIsAnnounced) {
  const EntityRef ann = NewCustomer();
  Delete(ann);
  Pass(59 * kDayUs);
  ASSERT_TRUE(Announce().ok());
  Keep("customers", 90);
  Pass(kDayUs);
  FireAll();
  EXPECT_FALSE(Gone(ann));
  EXPECT_THAT(Expiring(), IsEmpty());
  Pass(30 * kDayUs);
  EXPECT_THAT(Expiring(), SizeIs(1));
}

TEST_F(ExpiryTest, WaitsForWhatLiesBelow) {
  const EntityRef ann = NewCustomer();
  const EntityRef deal = NewDeal(ann);
  Keep("records", 100);
  Delete(ann);
  Pass(70 * kDayUs);
  EXPECT_THAT(Expiring(), IsEmpty());
  Pass(30 * kDayUs);
  EXPECT_THAT(Expiring(), SizeIs(2));
}

// Each is larger than an event may be, all together are more than a commit.
TEST_F(ExpiryTest, WhatTakesSeveralCommitsHoldsNothingUp) {
  const EntityRef ann = NewCustomer(), bo = NewCustomer(), other = NewCustomer();
  std::vector<EntityRef> deals;
  for (int i = 0; i < 20; ++i) {
    deals.push_back(NewDeal(ann));
    v1::UpdateRecordRequest fill;
    fill.mutable_record()->set_name(Name(deals.back()));
    for (int key = 0; key < 50; ++key) {
      (*fill.mutable_record()->mutable_attributes())[absl::StrCat("key", key)] =
          std::string(1000, 'x');
    }
    ASSERT_TRUE(acme_.Do(fill).ok());
    acme_.Must<v1::UpdateRecordRequest>(
        absl::Substitute(R"pb(record { name: "$0" customer: "$1" body: "$2" }
                              update_mask { paths: "customer" paths: "body" })pb",
                         Name(deals.back()), Name(bo), std::string(16000, 'x')));
  }
  Delete(ann);
  Delete(other);
  Pass(60 * kDayUs);
  ASSERT_TRUE(Announce().ok());
  Pass(kDayUs);
  int fired = 0;
  for (; fired < 10 && !AllDue().empty(); ++fired) {
    const Reply reply = FireAt(AllDue()[0]);
    ASSERT_TRUE(reply.ok()) << reply.status;
  }
  EXPECT_GT(fired, 1);
  EXPECT_THAT(AllDue(), IsEmpty());
  EXPECT_TRUE(Gone(ann) && Gone(other));
  for (const EntityRef& deal : deals) {
    EXPECT_EQ(acme_.RecordOf(deal.id).attributes_size(), 50);
    EXPECT_NE(acme_.RowOf(deal)->head.past_removed(), 0u);
  }
  EXPECT_TRUE(*acme_.Replay() == acme_.rows());
}

TEST_F(ExpiryTest, OneDecisionIsAboutSoManyOnly) {
  std::vector<EntityRef> customers;
  for (int i = 0; i < 5; ++i) {
    customers.push_back(NewCustomer());
    for (int deal = 0; deal < 60; ++deal) NewDeal(customers.back());
    Delete(customers.back());
  }
  Pass(60 * kDayUs);
  BinLook look;
  EXPECT_LT(Expiring(look).size(), 5u);
  while (!Expiring().empty()) ASSERT_TRUE(Announce().ok());
  Pass(kDayUs);
  int fired = 0;
  for (; fired < 100 && !AllDue().empty(); ++fired) {
    const Reply reply = FireAt(AllDue()[0]);
    ASSERT_TRUE(reply.ok()) << reply.status;
    EXPECT_LE(reply.events.size(), 201u);
  }
  EXPECT_THAT(AllDue(), IsEmpty());
  for (const EntityRef& one : customers) EXPECT_TRUE(Gone(one));
}

TEST_F(ExpiryTest, GoesOnWhereALimitStoppedIt) {
  std::vector<EntityRef> customers;
  for (int i = 0; i < 5; ++i) {
    customers.push_back(NewCustomer());
    Delete(customers.back());
  }
  Pass(60 * kDayUs);
  ASSERT_TRUE(Announce().ok());
  Pass(kDayUs);
  for (int fired = 0; fired < 3; ++fired) {
    ASSERT_THAT(AllDue(), SizeIs(1));
    const Reply reply = FireAt(AllDue()[0], 2);
    ASSERT_TRUE(reply.ok()) << reply.status;
    EXPECT_THAT(reply.targets, SizeIs(fired < 2 ? 2 : 1));
  }
  EXPECT_THAT(AllDue(), IsEmpty());
  for (const EntityRef& one : customers) EXPECT_TRUE(Gone(one));
}

}  // namespace
}  // namespace retrace::domain
