// Purges, holds, restores and retention, one by one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "absl/strings/substitute.h"
#include "domain/index_values.h"
#include "domain/kind.h"
#include "domain/policy.h"
#include "domain/resource.h"
#include "domain/restore.h"
#include "domain/retention.h"
#include "fmt/format.h"
#include "google/protobuf/util/time_util.h"
#include "tests/support/decider_test.h"

namespace retrace::domain {
namespace {

using retrace::testing::FaultyFields;
using retrace::testing::Metadata;
using retrace::testing::Parse;
using retrace::testing::Reply;
using retrace::testing::TestTenant;
using retrace::testing::Unmet;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

constexpr int64_t kDayUs = 24LL * 3600 * 1'000'000;

class PurgeTest : public ::testing::Test {
 protected:
  std::string NewCustomer(const std::string& name, const std::string& email = "") {
    v1::CreateCustomerRequest request;
    request.set_parent("tenants/acme");
    request.mutable_customer()->set_display_name(name);
    if (!email.empty()) request.mutable_customer()->add_emails(email);
    return "tenants/acme/customers/" + acme_.Do(request).id();
  }
  std::string NewRecord(const std::string& title, const std::string& customer) {
    v1::CreateRecordRequest request;
    request.set_parent("tenants/acme");
    request.mutable_record()->set_title(title);
    request.mutable_record()->set_kind(v1::Record::DEAL);
    request.mutable_record()->set_customer(customer);
    return "tenants/acme/records/" + acme_.Do(request).id();
  }
  Reply Delete(const std::string& customer, v1::RelatedRecords::Choice choice) {
    v1::DeleteCustomerRequest request;
    request.set_name(customer);
    request.mutable_related()->set_all(choice);
    return acme_.Do(request);
  }
  Reply Purge(const std::vector<std::string>& names) {
    v1::PurgeEntitiesRequest request;
    request.set_parent("tenants/acme");
    for (const std::string& name : names) request.add_names(name);
    return acme_.Do(request);
  }
  Reply Restore(const std::vector<std::string>& names, v1::ClashRule rule = v1::ABORT) {
    v1::RestoreEntitiesRequest request;
    request.set_parent("tenants/acme");
    for (const std::string& name : names) request.add_names(name);
    request.set_on_clash(rule);
    return acme_.Do(request);
  }
  RowPtr Row(const std::string& name) {
    const bool customer = name.find("/customers/") != std::string::npos;
    return acme_.RowOf(
        {customer ? KindNumber::kCustomer : KindNumber::kRecord, name.substr(name.rfind('/') + 1)});
  }

  TestTenant acme_;
};

TEST_F(PurgeTest, OnlyTheBinIsPurgedAndOnlyOnce) {
  const std::string ann = NewCustomer("Ann");
  EXPECT_EQ(Purge({ann}).reason(), v1::NOT_DELETED);
  ASSERT_TRUE(Delete(ann, v1::RelatedRecords::DELETE).ok());
  const Reply purged = Purge({ann});
  ASSERT_TRUE(purged.ok()) << purged.status;
  const Reply again = Purge({ann});
  EXPECT_EQ(again.reason(), v1::ENTITY_PURGED);
  EXPECT_EQ(Metadata(again.status, "position"), fmt::format("{}", purged.position));
  EXPECT_EQ(Metadata(again.status, "actor"), "ann");
  EXPECT_EQ(Restore({ann}).reason(), v1::ENTITY_PURGED);
  EXPECT_EQ(Row(ann)->head.purge().method(), "retrace.v1.PurgeEntitiesRequest");
  EXPECT_THAT(acme_.Counters(), ::testing::IsEmpty());
  // At every moment since it was created there is the tombstone.
  const EntityRef entity{KindNumber::kCustomer, ann.substr(ann.rfind('/') + 1)};
  for (Position position = 1; position <= acme_.head(); ++position) {
    const RowPtr then = *acme_.view(position).Get(entity);
    ASSERT_NE(then, nullptr) << position;
    EXPECT_TRUE(then->purged()) << position;
  }
}

TEST_F(PurgeTest, WhatLiesBelowGoesAlongAndWhatWasKeptIsStoredAnew) {
  const std::string ann = NewCustomer("Ann");
  const std::string taken = NewRecord("taken", ann), early = NewRecord("early", ann);
  const std::string moved = NewRecord("moved", ann);
  const std::string bo = NewCustomer("Bo");
  acme_.Must<v1::UpdateRecordRequest>(absl::Substitute(R"pb(record { name: "$0" customer: "$1" }
                                                            update_mask { paths: "customer" })pb",
                                                       moved, bo));
  acme_.Must<v1::DeleteRecordRequest>(absl::Substitute(R"pb(name: "$0")pb", early));
  ASSERT_TRUE(Delete(ann, v1::RelatedRecords::DELETE).ok());
  const Reply purged = Purge({ann});
  ASSERT_TRUE(purged.ok()) << purged.status;
  EXPECT_TRUE(Row(ann)->purged() && Row(taken)->purged() && Row(early)->purged());
  ASSERT_TRUE(Row(moved)->live());
  EXPECT_EQ(Row(moved)->As<v1::Record>().title(), "moved");
  EXPECT_EQ(Row(moved)->As<v1::Record>().customer(), bo);
  EXPECT_EQ(Row(moved)->head.past_removed(), purged.position);
  EXPECT_EQ(acme_.view(purged.position - 1)
                .Get({KindNumber::kRecord, moved.substr(moved.rfind('/') + 1)})
                ->get(),
            nullptr);
  EXPECT_TRUE(acme_.DestroyedKeys().contains("key of " + ann.substr(ann.find("customers"))));
  EXPECT_TRUE(*acme_.Replay() == acme_.rows());
}

TEST_F(PurgeTest, ByFilterItCountsFirst) {
  for (int i = 0; i < 3; ++i) {
    ASSERT_TRUE(Delete(NewCustomer("Ann"), v1::RelatedRecords::DELETE).ok());
  }
  ASSERT_TRUE(Delete(NewCustomer("Bo"), v1::RelatedRecords::DELETE).ok());
  NewCustomer("Ann");
  auto request = Parse<v1::PurgeEntitiesRequest>(R"pb(parent: "tenants/acme"
                                                      collection: "customers"
                                                      filter: "display_name = \"Ann\"")pb");
  Reply reply = acme_.Do(request);
  ASSERT_TRUE(reply.ok()) << reply.status;
  EXPECT_THAT(reply.targets, SizeIs(3));
  EXPECT_EQ(reply.position, 0u);
  request.set_force(true);
  reply = acme_.Do(request);
  ASSERT_TRUE(reply.ok()) << reply.status;
  EXPECT_THAT(reply.events, SizeIs(3));
  request.set_force(false);
  request.mutable_options()->set_plan_only(true);
  EXPECT_EQ(acme_.Do(request).reason(), v1::INVALID_FIELD);
  reply = acme_.Do<v1::EmptyBinRequest>(R"pb(parent: "tenants/acme" force: true)pb");
  EXPECT_THAT(reply.events, SizeIs(1));
}

TEST_F(PurgeTest, AHeldEntityIsNeitherDeletedNorPurged) {
  const std::string ann = NewCustomer("Ann");
  const Reply placed = acme_.Must<v1::PlaceHoldRequest>(
      absl::Substitute(R"pb(parent: "tenants/acme"
                            hold { entity: "$0" case_number: "17/26" }
                            options { reason: "suit" })pb",
                       ann));
  Reply reply = Delete(ann, v1::RelatedRecords::DELETE);
  EXPECT_EQ(reply.reason(), v1::HELD);
  EXPECT_EQ(Metadata(reply.status, "case"), "17/26");
  const std::string deal = NewRecord("deal", ann);
  acme_.Must<v1::DeleteRecordRequest>(absl::Substitute(R"pb(name: "$0")pb", deal));
  EXPECT_EQ(Purge({deal}).reason(), v1::HELD);  // belongs to what is held
  acme_.Must<v1::ReleaseHoldRequest>(absl::Substitute(R"pb(name: "tenants/acme/holds/$0"
                                                           options { reason: "settled" })pb",
                                                      placed.id()));
  EXPECT_TRUE(Purge({deal}).ok());
  EXPECT_TRUE(Delete(ann, v1::RelatedRecords::DELETE).ok());
}

TEST_F(PurgeTest, HoldsOnAFilterAndOnTheTenantKeepWhatLiesInTheBin) {
  const std::string ann = NewCustomer("Ann"), bo = NewCustomer("Bo");
  ASSERT_TRUE(Delete(ann, v1::RelatedRecords::DELETE).ok());
  ASSERT_TRUE(Delete(bo, v1::RelatedRecords::DELETE).ok());
  acme_.Must<v1::PlaceHoldRequest>(
      R"pb(parent: "tenants/acme"
           hold { collection: "customers" filter: "display_name = \"Ann\"" case_number: "1" }
           options { reason: "suit" })pb");
  EXPECT_EQ(Purge({ann, bo}).reason(), v1::HELD);
  EXPECT_EQ(Purge({ann}).reason(), v1::HELD);
  acme_.Must<v1::PlaceHoldRequest>(R"pb(parent: "tenants/acme"
                                        hold { case_number: "2" }
                                        options { reason: "suit" })pb");
  const Reply reply = Purge({bo});
  EXPECT_EQ(reply.reason(), v1::HELD);
  EXPECT_EQ(Metadata(reply.status, "case"), "2");
  EXPECT_TRUE(Restore({ann}).ok());
}

TEST_F(PurgeTest, ClashesAreListedOrSettledByARule) {
  acme_.Must<v1::UpdatePolicyRequest>(
      R"pb(policy { name: "tenants/acme/policy" unique_keys: "customers.email" })pb");
  const std::string ann = NewCustomer("Ann", "a@x.co"), bo = NewCustomer("Bo", "b@x.co");
  ASSERT_TRUE(Delete(ann, v1::RelatedRecords::DELETE).ok());
  ASSERT_TRUE(Delete(bo, v1::RelatedRecords::DELETE).ok());
  NewCustomer("Eve", "a@x.co");
  NewCustomer("Eve", "b@x.co");
  const Reply refused = Restore({ann, bo});
  EXPECT_EQ(refused.reason(), v1::KEY_TAKEN);
  EXPECT_THAT(Unmet(refused.status), SizeIs(2));
  auto request = Parse<v1::RestoreEntitiesRequest>(absl::Substitute(
      R"pb(parent: "tenants/acme"
           names: "$0"
           names: "$1"
           choices { name: "$2" rule: SKIP }
           on_clash: WITHOUT_VALUE)pb",
      ann, bo, bo));
  const Reply reply = acme_.Do(request);
  ASSERT_TRUE(reply.ok()) << reply.status;
  EXPECT_TRUE(Row(ann)->live());
  EXPECT_TRUE(Row(ann)->As<v1::Customer>().emails().empty());
  EXPECT_TRUE(Row(bo)->binned());
}

// A refusal lists some.
TEST_F(PurgeTest, AllClashesAreFound) {
  acme_.Must<v1::UpdatePolicyRequest>(
      R"pb(policy { name: "tenants/acme/policy" unique_keys: "customers.email" })pb");
  v1::RestoreEntitiesRequest request;
  request.set_parent("tenants/acme");
  std::map<std::string, std::string> held;
  for (int i = 0; i < 30; ++i) {
    const std::string email = fmt::format("{}@x.co", i);
    request.add_names(NewCustomer("Ann", email));
    ASSERT_TRUE(Delete(request.names(i), v1::RelatedRecords::DELETE).ok());
    if (i > 0) held[request.names(i)] = NewCustomer("Eve", email);
  }
  EXPECT_LT(Unmet(acme_.Do(request).status).size(), held.size());
  Context context;
  context.header.tenant = "acme";
  context.header.position = acme_.head() + 1;
  const auto clashes = FindRestoreClashes(request, acme_.view(), context);
  ASSERT_TRUE(clashes.ok()) << clashes.status();
  std::map<std::string, std::string> found;
  for (const KeyClash& clash : *clashes) {
    EXPECT_EQ(clash.key, "customers.email");
    found[NameOf("acme", clash.claimant)] = NameOf("acme", clash.holder);
  }
  EXPECT_EQ(found, held);
  // Chosen as listed, all of it comes back.
  for (const auto& [name, holder] : found) {
    v1::ClashChoice& choice = *request.add_choices();
    choice.set_name(name);
    choice.set_key("customers.email");
    choice.set_rule(v1::WITHOUT_VALUE);
  }
  const Reply reply = acme_.Do(request);
  ASSERT_TRUE(reply.ok()) << reply.status;
  EXPECT_THAT(reply.targets, SizeIs(30));
}

TEST_F(PurgeTest, AChangeSetIsRestoredWhole) {
  const std::string ann = NewCustomer("Ann"), bo = NewCustomer("Bo");
  const std::string deal = NewRecord("deal", ann), early = NewRecord("early", ann);
  acme_.Must<v1::DeleteRecordRequest>(absl::Substitute(R"pb(name: "$0")pb", early));
  const Reply deleted = acme_.Must<v1::BatchDeleteCustomersRequest>(
      absl::Substitute(R"pb(parent: "tenants/acme"
                            names: "$0"
                            names: "$1"
                            related { all: DELETE })pb",
                       ann, bo));
  const Reply reply = acme_.Do<v1::RestoreEntitiesRequest>(
      absl::Substitute(R"pb(parent: "tenants/acme" change_set: $0)pb", deleted.position));
  ASSERT_TRUE(reply.ok()) << reply.status;
  EXPECT_TRUE(Row(ann)->live() && Row(bo)->live() && Row(deal)->live());
  EXPECT_TRUE(Row(early)->binned());
  EXPECT_EQ(acme_
                .Do<v1::RestoreEntitiesRequest>(absl::Substitute(
                    R"pb(parent: "tenants/acme" change_set: $0)pb", deleted.position))
                .reason(),
            v1::ENTITY_NOT_FOUND);
}

TEST_F(PurgeTest, ADetachedRecordThatIsRestoredFindsItsCustomerAgain) {
  const std::string ann = NewCustomer("Ann"), deal = NewRecord("deal", ann);
  ASSERT_TRUE(Delete(ann, v1::RelatedRecords::KEEP).ok());
  acme_.Must<v1::DeleteRecordRequest>(absl::Substitute(R"pb(name: "$0")pb", deal));
  ASSERT_TRUE(Restore({ann}).ok());
  ASSERT_TRUE(Restore({deal}).ok());
  EXPECT_EQ(Row(deal)->As<v1::Record>().customer(), ann);
}

TEST_F(PurgeTest, AParentInTheBinIsSaidWithTheWayOut) {
  const std::string ann = NewCustomer("Ann");
  const std::string deal = NewRecord("deal", ann);
  acme_.Must<v1::DeleteRecordRequest>(absl::Substitute(R"pb(name: "$0")pb", deal));
  ASSERT_TRUE(Delete(ann, v1::RelatedRecords::DELETE).ok());
  const Reply reply = Restore({deal});
  EXPECT_EQ(reply.reason(), v1::REFERENCE_BROKEN);
  EXPECT_THAT(std::string(reply.status.message()), HasSubstr("Undelete the customer first"));
  EXPECT_TRUE(Restore({deal, ann}).ok());  // in whatever order
}

TEST_F(PurgeTest, AnUndoSkipsWhatWasPurgedAndSaysSo) {
  const std::string ann = NewCustomer("Ann"), bo = NewCustomer("Bo");
  const std::string moved = NewRecord("moved", ann);
  acme_.Must<v1::UpdateRecordRequest>(absl::Substitute(R"pb(record { name: "$0" customer: "$1" }
                                                            update_mask { paths: "customer" })pb",
                                                       moved, bo));
  const Reply deleted = acme_.Must<v1::BatchDeleteCustomersRequest>(
      absl::Substitute(R"pb(parent: "tenants/acme"
                            names: "$0"
                            names: "$1"
                            related { all: DELETE })pb",
                       ann, bo));
  const Reply purged = Purge({ann});
  ASSERT_TRUE(purged.ok()) << purged.status;
  // `moved` lay in the bin with Bo; how it got there went with Ann.
  const Reply undone = acme_.UndoCommit(deleted.position);
  ASSERT_TRUE(undone.ok()) << undone.status;
  EXPECT_TRUE(Row(bo)->live());
  EXPECT_TRUE(Row(ann)->purged());
  EXPECT_TRUE(Row(moved)->binned());
  EXPECT_THAT(undone.notes,
              ElementsAre("One entity was purged since and left out.",
                          "One entity lost the past that was to be undone to a purge since."));
  // A purge itself is taken back by nothing.
  const Reply nothing = acme_.UndoCommit(purged.position);
  ASSERT_TRUE(nothing.ok()) << nothing.status;
  EXPECT_TRUE(nothing.events.empty());
  EXPECT_THAT(nothing.notes, ::testing::Contains("There was nothing to take back."));
}

TEST_F(PurgeTest, WhatIsWrittenAfterAPastWentCanBeUndone) {
  const std::string ann = NewCustomer("Ann"), bo = NewCustomer("Bo");
  const std::string moved = NewRecord("moved", ann);
  acme_.Must<v1::UpdateRecordRequest>(absl::Substitute(R"pb(record { name: "$0" customer: "$1" }
                                                            update_mask { paths: "customer" })pb",
                                                       moved, bo));
  ASSERT_TRUE(Delete(ann, v1::RelatedRecords::DELETE).ok());
  ASSERT_TRUE(Purge({ann}).ok());
  const Reply renamed = acme_.Must<v1::UpdateRecordRequest>(
      absl::Substitute(R"pb(record { name: "$0" title: "renamed" })pb", moved));
  const Reply undone = acme_.UndoCommit(renamed.position);
  ASSERT_TRUE(undone.ok()) << undone.status;
  EXPECT_EQ(Row(moved)->As<v1::Record>().title(), "moved");
  EXPECT_THAT(undone.notes, ::testing::IsEmpty());
}

TEST_F(PurgeTest, AnUndoThatWouldBinWhatIsHeldIsRefused) {
  const std::string ann = NewCustomer("Ann");
  const Position created = acme_.head();
  const Reply placed = acme_.Must<v1::PlaceHoldRequest>(
      absl::Substitute(R"pb(parent: "tenants/acme"
                            hold { entity: "$0" case_number: "17/26" }
                            options { reason: "suit" })pb",
                       ann));
  EXPECT_EQ(acme_.UndoCommit(created).reason(), v1::HELD);
  EXPECT_EQ(acme_.UndoCommit(created, v1::FORCE).reason(), v1::HELD);
  EXPECT_TRUE(Row(ann)->live());
  // Nor does an undo end a hold, or begin one again.
  EXPECT_EQ(acme_.UndoCommit(placed.position).reason(), v1::STATE_REFUSED);
  const Reply released =
      acme_.Must<v1::ReleaseHoldRequest>(absl::Substitute(R"pb(name: "tenants/acme/holds/$0"
                                                               options { reason: "settled" })pb",
                                                          placed.id()));
  EXPECT_EQ(acme_.UndoCommit(released.position).reason(), v1::UNDO_CONFLICT);
  EXPECT_TRUE(acme_.UndoCommit(created).ok());
}

TEST_F(PurgeTest, ARedoneDeletionIsRestoredByTheChangeSetThatRedidIt) {
  const std::string ann = NewCustomer("Ann");
  const Reply deleted = Delete(ann, v1::RelatedRecords::DELETE);
  const Reply undone = acme_.UndoCommit(deleted.position);
  const Reply redone = acme_.UndoCommit(undone.position);
  ASSERT_TRUE(Row(ann)->binned());
  EXPECT_EQ(Row(ann)->binned_at(), redone.position);
  const auto restore = [&](Position change_set) {
    return acme_.Do<v1::RestoreEntitiesRequest>(
        absl::Substitute(R"pb(parent: "tenants/acme" change_set: $0)pb", change_set));
  };
  EXPECT_EQ(restore(deleted.position).reason(), v1::ENTITY_NOT_FOUND);
  EXPECT_TRUE(restore(redone.position).ok());
  EXPECT_TRUE(Row(ann)->live());
}

TEST(RetentionTest, AnUndoDoesNotShortenItWithoutNotice) {
  TestTenant acme;
  const auto set = [&](int days) {
    return acme.Must<v1::UpdatePolicyRequest>(absl::Substitute(
        R"pb(policy {
               name: "tenants/acme/policy"
               retentions { collection: "customers" days: $0 }
             }
             update_mask { paths: "retentions" })pb",
        days));
  };
  const Reply longer = set(90);
  EXPECT_EQ(acme.UndoCommit(longer.position).reason(), v1::STATE_REFUSED);
  const Reply shorter = set(30);
  EXPECT_TRUE(acme.UndoCommit(shorter.position).ok());
  EXPECT_EQ(RetentionDaysAt(*PolicyOf(acme.view()), "customers", 4'000'000'000'000'000), 90);
}

TEST(RetentionTest, LengtheningIsInForceAtOnceShorteningFromItsTime) {
  TestTenant acme;
  const auto set = [&](int days) {
    acme.Must<v1::UpdatePolicyRequest>(absl::Substitute(
        R"pb(policy {
               name: "tenants/acme/policy"
               retentions { collection: "customers" days: $0 }
             }
             update_mask { paths: "retentions" })pb",
        days));
    return *PolicyOf(acme.view());
  };
  const int64_t deleted = 1'700'000'000'000'000;
  EXPECT_EQ(ExpireTimeUs(v1::Policy(), "customers", deleted), deleted + 60 * kDayUs);
  EXPECT_EQ(ExpireTimeUs(set(90), "customers", deleted), deleted + 90 * kDayUs);
  const v1::Policy shorter = set(1);
  const int64_t effective = google::protobuf::util::TimeUtil::TimestampToMicroseconds(
      shorter.retentions(0).effective_time());
  EXPECT_GT(effective, deleted + 7 * kDayUs);
  EXPECT_EQ(RetentionDaysAt(shorter, "customers", effective - 1), 90);
  EXPECT_EQ(RetentionDaysAt(shorter, "customers", effective), 1);
  EXPECT_EQ(ExpireTimeUs(shorter, "customers", deleted), effective);
  EXPECT_EQ(ExpireTimeUs(shorter, "customers", effective), effective + kDayUs);
  EXPECT_EQ(ExpireTimeUs(shorter, "customers", deleted - 89 * kDayUs), deleted + kDayUs);
  // Giving up what was said is a shortening, too.
  set(90);
  acme.Must<v1::UpdatePolicyRequest>(R"pb(policy { name: "tenants/acme/policy" }
                                          update_mask { paths: "retentions" })pb");
  EXPECT_EQ(PolicyOf(acme.view())->retentions(0).days(), kDefaultRetentionDays);
  EXPECT_EQ(PolicyOf(acme.view())->retentions(0).previous_days(), 90);
  const Reply bad = acme.Do<v1::UpdatePolicyRequest>(
      R"pb(policy {
             name: "tenants/acme/policy"
             retentions { collection: "planets" days: 3 }
             retentions { collection: "records" days: 0 }
           }
           update_mask { paths: "retentions" })pb");
  EXPECT_EQ(bad.reason(), v1::INVALID_FIELD);
}

}  // namespace
}  // namespace retrace::domain
