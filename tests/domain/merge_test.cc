// Merging customers, and taking that back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "domain/decider.h"
#include "domain/undo.h"
#include "fmt/format.h"
#include "fmt/ranges.h"
#include "tests/support/decider_test.h"

namespace retrace::domain {
namespace {

using retrace::testing::FaultyFields;
using retrace::testing::Metadata;
using retrace::testing::Reply;
using retrace::testing::TestTenant;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class MergeTest : public ::testing::Test {
 protected:
  std::string Customer(const std::string& fields) {
    return acme_
        .Must<v1::CreateCustomerRequest>("parent: 'tenants/acme' customer { " + fields + " }")
        .id();
  }
  static std::string Name(const std::string& id) { return "tenants/acme/customers/" + id; }
  std::string Deal(const std::string& customer) {
    return acme_
        .Must<v1::CreateRecordRequest>(
            fmt::format("parent: 'tenants/acme' record {{ kind: DEAL title: 'T' customer: '{}' "
                        "amount {{ currency: 'EUR' minor_units: 100 }} }}",
                        Name(customer)))
        .id();
  }
  Reply Merge(const std::string& survivor, const std::vector<std::string>& losers,
              const std::string& more = "") {
    std::string text = fmt::format("name: '{}' ", Name(survivor));
    for (const std::string& loser : losers) text += fmt::format("losers: '{}' ", Name(loser));
    return acme_.Do<v1::MergeCustomersRequest>(text + more);
  }
  Reply Named(const std::string& verb, const std::string& id) {
    const std::string text = fmt::format("name: '{}'", Name(id));
    return verb == "undelete" ? acme_.Do<v1::UndeleteCustomerRequest>(text)
           : verb == "deactivate"
               ? acme_.Do<v1::DeactivateCustomerRequest>(text)
               : acme_.Do<v1::DeleteCustomerRequest>(text + " related { all: DELETE }");
  }

  TestTenant acme_;
};

TEST_F(MergeTest, APurgedSurvivorTakesItsPartsAlong) {
  const std::string ann = Customer("display_name: 'Ann Lee'");
  const std::string twin = Customer("display_name: 'Anne Lee'");
  const std::string third = Customer("display_name: 'A. Lee'");
  ASSERT_TRUE(Merge(twin, {third}).ok());
  ASSERT_TRUE(Merge(ann, {twin}).ok());
  ASSERT_TRUE(Named("delete", ann).ok());
  const Reply purged = acme_.Do<v1::PurgeEntitiesRequest>(
      fmt::format("parent: 'tenants/acme' names: '{}'", Name(ann)));
  ASSERT_TRUE(purged.ok()) << purged.status;
  for (const std::string& id : {ann, twin, third}) {
    EXPECT_TRUE(acme_.RowOf({KindNumber::kCustomer, id})->purged()) << id;
  }
}

TEST_F(MergeTest, FillsAndUnitesAndMoves) {
  const std::string ann = Customer(
      "display_name: 'Ann Lee' given_name: 'Ann' emails: 'ann@x.co' tags: 'vip' "
      "attributes { key: 'k' value: '1' } phones { raw: '+4722123456' }");
  const std::string twin = Customer(
      "given_name: 'Anne' family_name: 'Lee' level: 'gold' emails: 'ANN@x.co' emails: 'lee@x.co' "
      "tags: 'vip' tags: 'new' attributes { key: 'k' value: '2' } "
      "attributes { key: 'l' value: '3' } phones { raw: '+47 22 12 34 56' } phones { raw: '555' } "
      "external_id: 'T-1'");
  const std::string deal = Deal(twin);
  const Reply merge = Merge(ann, {twin});
  ASSERT_TRUE(merge.ok()) << merge.status;
  EXPECT_THAT(merge.notes, ElementsAre("1 customer merged, 1 record moved."));
  const v1::Customer now = acme_.Customer(ann);
  EXPECT_EQ(now.display_name(), "Ann Lee");
  EXPECT_EQ(now.given_name(), "Ann");
  EXPECT_EQ(now.family_name(), "Lee");
  EXPECT_EQ(now.level(), "gold");
  EXPECT_EQ(now.external_id(), "T-1");
  EXPECT_THAT(now.emails(), ElementsAre("ann@x.co", "lee@x.co"));
  EXPECT_THAT(now.tags(), ElementsAre("vip", "new"));
  EXPECT_EQ(now.attributes().at("k"), "1");
  EXPECT_EQ(now.attributes().at("l"), "3");
  ASSERT_THAT(now.phones(), SizeIs(2)) << "one number in two spellings is one number";
  EXPECT_THAT(now.merged_from(), ElementsAre(Name(twin)));
  const v1::Customer gone = acme_.Customer(twin);
  EXPECT_EQ(gone.state(), v1::Customer::MERGED);
  EXPECT_EQ(gone.merged_into(), Name(ann));
  EXPECT_EQ(acme_.RecordOf(deal).customer(), Name(ann));
  EXPECT_THAT(acme_.Counters("customers/" + ann), ElementsAre("record/DEAL/ACTIVE//EUR=1,100"));
  EXPECT_THAT(acme_.Counters("customers/" + twin), SizeIs(0));
}

TEST_F(MergeTest, ChoicesGoBeforeTheRule) {
  const std::string ann = Customer("display_name: 'Ann' level: 'gold' tags: 'a'");
  const std::string bo = Customer("display_name: 'Bo' tags: 'b'");
  const Reply merge = Merge(ann, {bo},
                            fmt::format("fields {{ field: 'level' from: '{0}' }} "
                                        "fields {{ field: 'tags' from: '{0}' }}",
                                        Name(bo)));
  ASSERT_TRUE(merge.ok()) << merge.status;
  EXPECT_EQ(acme_.Customer(ann).level(), "") << "chosen, though it is empty there";
  EXPECT_THAT(acme_.Customer(ann).tags(), ElementsAre("b"));
}

TEST_F(MergeTest, UndoUnmergesAndRedoMergesAgain) {
  const std::string ann = Customer("display_name: 'Ann' external_id: 'A' emails: 'a@x.co'");
  const std::string bo = Customer("display_name: 'Bo' external_id: 'B' emails: 'b@x.co'");
  Deal(ann);
  Deal(bo);
  ASSERT_TRUE(Named("deactivate", bo).ok());
  const std::string before = acme_.Content();
  const Reply merge = Merge(ann, {bo});
  ASSERT_TRUE(merge.ok()) << merge.status;
  const std::string merged = acme_.Content();
  EXPECT_NE(merged, before);
  const Reply undo = acme_.UndoCommit(merge.position);
  ASSERT_TRUE(undo.ok()) << undo.status;
  EXPECT_EQ(acme_.Content(), before);
  EXPECT_EQ(acme_.Customer(bo).state(), v1::Customer::INACTIVE);
  EXPECT_EQ(acme_.Customer(bo).merged_into(), "");
  const Reply redo = acme_.UndoCommit(undo.position);
  ASSERT_TRUE(redo.ok()) << redo.status;
  EXPECT_EQ(acme_.Content(), merged);
  EXPECT_EQ(acme_.Customer(bo).merged_into(), Name(ann));
}

TEST_F(MergeTest, UnmergeLeavesWhatWasDoneSince) {
  const std::string ann = Customer("display_name: 'Ann'");
  const std::string bo = Customer("display_name: 'Bo' level: 'gold' tags: 'b'");
  const std::string deal = Deal(bo);
  const Reply merge = Merge(ann, {bo});
  ASSERT_TRUE(merge.ok()) << merge.status;
  acme_.Must<v1::UpdateCustomerRequest>(fmt::format(
      "customer {{ name: '{}' level: 'tin' }} update_mask {{ paths: 'level' }}", Name(ann)));
  const std::string later = Deal(ann);
  EXPECT_EQ(acme_.UndoCommit(merge.position).reason(), v1::UNDO_CONFLICT);
  const Reply undo = acme_.UndoCommit(merge.position, v1::PARTIAL);
  ASSERT_TRUE(undo.ok()) << undo.status;
  EXPECT_EQ(acme_.Customer(ann).level(), "tin");
  EXPECT_EQ(acme_.Customer(bo).state(), v1::Customer::ACTIVE);
  EXPECT_EQ(acme_.Customer(bo).level(), "gold");
  EXPECT_EQ(acme_.RecordOf(deal).customer(), Name(bo));
  EXPECT_EQ(acme_.RecordOf(later).customer(), Name(ann));
}

TEST_F(MergeTest, WhatWasMergedPointsToTheSurvivor) {
  const std::string ann = Customer("display_name: 'Ann'");
  const std::string bo = Customer("display_name: 'Bo'");
  const std::string cy = Customer("display_name: 'Cy'");
  const Position level = acme_
                             .Must<v1::UpdateCustomerRequest>(
                                 fmt::format("customer {{ name: '{}' level: 'gold' }}", Name(bo)))
                             .position;
  ASSERT_TRUE(Merge(ann, {bo}).ok());
  ASSERT_TRUE(Merge(cy, {ann}).ok());
  for (const char* verb : {"delete", "undelete", "deactivate"}) {
    const Reply reply = Named(verb, bo);
    EXPECT_EQ(reply.reason(), v1::MERGED_AWAY) << verb;
    EXPECT_EQ(Metadata(reply.status, "survivor"), Name(cy)) << verb;
  }
  const Reply record = acme_.Do<v1::CreateRecordRequest>(fmt::format(
      "parent: 'tenants/acme' record {{ kind: DEAL title: 'T' customer: '{}' }}", Name(bo)));
  EXPECT_EQ(record.reason(), v1::REFERENCE_BROKEN);
  EXPECT_THAT(std::string(record.status.message()), HasSubstr(Name(cy)));
  v1::UndoRequest request;
  request.add_names(fmt::format("tenants/acme/commits/{}", level));
  const auto conflicts = FindUndoConflicts(acme_.Resolve(request), acme_.view(), "acme");
  ASSERT_TRUE(conflicts.ok());
  ASSERT_THAT(*conflicts, SizeIs(1));
  EXPECT_EQ(conflicts->front().cause(), v1::UndoConflict::MERGED_AWAY);
}

TEST_F(MergeTest, KeysMoveAndAreFreeWhereTheyWere) {
  const std::string ann = Customer("display_name: 'Ann' external_id: 'A'");
  const std::string bo = Customer("display_name: 'Bo' external_id: 'B'");
  const Reply merge = Merge(ann, {bo});
  ASSERT_TRUE(merge.ok()) << merge.status;
  const std::string new_bo = Customer("display_name: 'Bo the second' external_id: 'B'");
  const Reply undo = acme_.UndoCommit(merge.position);
  EXPECT_EQ(undo.reason(), v1::KEY_TAKEN);
  EXPECT_EQ(Metadata(undo.status, "holder"), Name(new_bo));
}

TEST_F(MergeTest, RecordsInTheBinFollowWhenTheyComeBack) {
  const std::string ann = Customer("display_name: 'Ann'");
  const std::string bo = Customer("display_name: 'Bo'");
  const std::string deal = Deal(bo);
  const std::string name = "name: 'tenants/acme/records/" + deal + "'";
  acme_.Must<v1::DeleteRecordRequest>(name);
  ASSERT_TRUE(Merge(ann, {bo}).ok());
  const Reply back = acme_.Do<v1::UndeleteRecordRequest>(name);
  ASSERT_TRUE(back.ok()) << back.status;
  EXPECT_EQ(acme_.RecordOf(deal).customer(), Name(ann));
  EXPECT_THAT(back.notes, ElementsAre(HasSubstr("merged meanwhile")));
}

TEST_F(MergeTest, TwoAreNeverPartsOfEachOther) {
  const std::string ann = Customer("display_name: 'Ann'");
  const std::string bo = Customer("display_name: 'Bo'");
  const Reply into_ann = Merge(ann, {bo});
  const Reply undo = acme_.UndoCommit(into_ann.position);
  ASSERT_TRUE(Merge(bo, {ann}).ok());
  EXPECT_EQ(acme_.UndoCommit(undo.position).reason(), v1::UNDO_CONFLICT);
  EXPECT_EQ(acme_.UndoCommit(undo.position, v1::PARTIAL).reason(), v1::REFERENCE_BROKEN);
  EXPECT_EQ(acme_.UndoCommit(undo.position, v1::FORCE).reason(), v1::UNDO_CONFLICT);
}

TEST_F(MergeTest, RefusesWhatCannotBeMerged) {
  const std::string ann = Customer("display_name: 'Ann'");
  const std::string bo = Customer("display_name: 'Bo'");
  EXPECT_THAT(FaultyFields(Merge(ann, {}).status), ElementsAre("losers"));
  EXPECT_THAT(FaultyFields(Merge(ann, {ann}).status), ElementsAre("losers[0]"));
  EXPECT_THAT(FaultyFields(Merge(ann, {bo, bo}).status), ElementsAre("losers[1]"));
  EXPECT_EQ(Merge(ann, {"nobody"}).reason(), v1::ENTITY_NOT_FOUND);
  EXPECT_THAT(FaultyFields(Merge(ann, {bo}, "fields { field: 'state' from: '' }").status),
              ElementsAre("fields[0].from"));
  EXPECT_THAT(
      FaultyFields(
          Merge(ann, {bo}, fmt::format("fields {{ field: 'state' from: '{}' }}", Name(bo))).status),
      ElementsAre("fields[0].field"));
  EXPECT_THAT(
      FaultyFields(Merge(ann, {bo}, "fields { field: 'level' from: 'tenants/acme/x' }").status),
      ElementsAre("fields[0].from"));
  EXPECT_THAT(FaultyFields(Merge(ann, {bo},
                                 fmt::format("fields {{ field: 'level' from: '{0}' }} "
                                             "fields {{ field: 'level' from: '{0}' }}",
                                             Name(bo)))
                               .status),
              ElementsAre("fields[1].field"));
  ASSERT_TRUE(Named("delete", bo).ok());
  EXPECT_EQ(Merge(ann, {bo}).reason(), v1::ALREADY_DELETED);
}

TEST_F(MergeTest, SaysWhenThereIsTooMuchToMove) {
  const std::string ann = Customer("display_name: 'Ann'");
  const std::string bo = Customer("display_name: 'Bo'");
  v1::BatchCreateRecordsRequest request;
  request.set_parent("tenants/acme");
  for (int i = 0; i < 999; ++i) {
    v1::Record& record = *request.add_requests()->mutable_record();
    record.set_kind(v1::Record::NOTE);
    record.set_title("T");
    record.set_customer(Name(bo));
  }
  ASSERT_TRUE(acme_.Do(request).ok());
  EXPECT_EQ(Merge(ann, {bo}).reason(), v1::USE_OPERATION);
  EXPECT_EQ(acme_.Customer(bo).state(), v1::Customer::ACTIVE);
}

}  // namespace
}  // namespace retrace::domain
