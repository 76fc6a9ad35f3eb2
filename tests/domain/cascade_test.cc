#include "domain/cascade.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmt/format.h"
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
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

class CascadeTest : public ::testing::Test {
 protected:
  std::string Customer(const std::string& fields = "") {
    return acme_
        .Must<v1::CreateCustomerRequest>("parent: 'tenants/acme' customer { display_name: 'Ann' " +
                                         fields + " }")
        .id();
  }
  std::string Record(const std::string& kind, const std::string& customer,
                     const std::string& fields = "") {
    return acme_
        .Must<v1::CreateRecordRequest>(
            fmt::format("parent: 'tenants/acme' record {{ kind: {} title: 'T' customer: '{}' {} }}",
                        kind, customer.empty() ? "" : "tenants/acme/customers/" + customer, fields))
        .id();
  }
  Reply Delete(const std::string& customer, const std::string& related) {
    return acme_.Do<v1::DeleteCustomerRequest>(
        fmt::format("name: 'tenants/acme/customers/{}' {}", customer, related));
  }
  Reply Undelete(const std::string& customer) {
    return acme_.Do<v1::UndeleteCustomerRequest>("name: 'tenants/acme/customers/" + customer + "'");
  }
  Reply Do(const std::string& verb, const std::string& record) {
    const std::string name = "name: 'tenants/acme/records/" + record + "'";
    return verb == "delete"     ? acme_.Do<v1::DeleteRecordRequest>(name)
           : verb == "undelete" ? acme_.Do<v1::UndeleteRecordRequest>(name)
                                : acme_.Do<v1::DeactivateRecordRequest>(name);
  }
  Reply Move(const std::string& record, const std::string& customer) {
    return acme_.Do<v1::UpdateRecordRequest>(fmt::format(
        "record {{ name: 'tenants/acme/records/{}' customer: '{}' }} update_mask {{ paths: "
        "'customer' }}",
        record, customer.empty() ? "" : "tenants/acme/customers/" + customer));
  }
  TestTenant acme_;
};

TEST_F(CascadeTest, AChoiceMustBeMade) {
  const std::string ann = Customer();
  const Reply nothing = Delete(ann, "");
  EXPECT_EQ(nothing.reason(), v1::RELATED_CHOICE_MISSING);
  EXPECT_EQ(nothing.status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Delete(ann, "related {}").reason(), v1::RELATED_CHOICE_MISSING);
  // A rule for any kind is a choice as long as it covers what there is.
  EXPECT_TRUE(Delete(ann, "related { rules { kind: 'DEAL' choice: DELETE } }").ok());
}

TEST_F(CascadeTest, NamesKindsAndCountsWithoutAChoice) {
  const std::string ann = Customer();
  Record("DEAL", ann);
  Record("DEAL", ann);
  Record("FILE_REF", ann);
  Record("NOTE", ann);
  const Reply reply = Delete(ann, "related { rules { kind: 'NOTE' choice: KEEP } }");
  EXPECT_EQ(reply.reason(), v1::RELATED_CHOICE_MISSING);
  EXPECT_THAT(std::string(reply.status.message()), HasSubstr("2 DEAL, 1 FILE_REF"));
  EXPECT_EQ(Metadata(reply.status, "deal"), "2");
  EXPECT_EQ(Metadata(reply.status, "file-ref"), "1");
  EXPECT_EQ(Metadata(reply.status, "note"), "");
  EXPECT_THAT(FaultyFields(reply.status), ElementsAre("related"));
  EXPECT_EQ(Metadata(Delete(ann, "").status, "deal"), "2");
}

TEST_F(CascadeTest, RefusesWhereAsked) {
  const std::string ann = Customer();
  Record("DEAL", ann);
  const std::string note = Record("NOTE", ann);
  const Reply reply = Delete(ann, "related { all: DELETE rules { kind: 'NOTE' choice: REFUSE } }");
  EXPECT_EQ(reply.reason(), v1::RELATED_EXIST);
  EXPECT_THAT(Unmet(reply.status), ElementsAre("NOTE: 1 record"));
  EXPECT_EQ(Metadata(reply.status, "note"), "1");
  ASSERT_TRUE(Do("delete", note).ok());
  EXPECT_TRUE(Delete(ann, "related { all: DELETE rules { kind: 'NOTE' choice: REFUSE } }").ok());
}

TEST_F(CascadeTest, RefusesRulesThatMakeNoSense) {
  const std::string ann = Customer();
  const Reply unknown = Delete(ann, "related { rules { kind: 'DEALS' choice: KEEP } }");
  EXPECT_THAT(FaultyFields(unknown.status), ElementsAre("related.rules[0].kind"));
  const Reply twice = Delete(
      ann, "related { rules { kind: 'DEAL' choice: KEEP } rules { kind: 'DEAL' choice: DELETE } }");
  EXPECT_THAT(FaultyFields(twice.status), ElementsAre("related.rules[1].kind"));
}

TEST_F(CascadeTest, DeletesAndKeepsPerKind) {
  const std::string ann = Customer();
  const std::string deal = Record("DEAL", ann);
  const std::string note = Record("NOTE", ann);
  const std::string other = Record("DEAL", "");
  const Reply reply = Delete(ann, "related { all: KEEP rules { kind: 'DEAL' choice: DELETE } }");
  ASSERT_TRUE(reply.ok()) << reply.status;
  EXPECT_THAT(reply.events,
              ElementsAre("customers/" + ann + " Deleted {root { kind: 4 id: \"" + ann + "\" }}",
                          "records/" + deal + " Deleted {root { kind: 4 id: \"" + ann + "\" }}",
                          "records/" + note + " Detached {from { kind: 4 id: \"" + ann + "\" }}"));
  EXPECT_THAT(reply.notes, ElementsAre("1 record deleted, 1 kept."));
  EXPECT_EQ(acme_.RecordOf(deal).state(), v1::Record::DELETED);
  EXPECT_EQ(acme_.RecordOf(note).state(), v1::Record::ACTIVE);
  EXPECT_EQ(acme_.RecordOf(note).customer(), "");
  EXPECT_EQ(acme_.RecordOf(note).detached_from(), "tenants/acme/customers/" + ann);
  EXPECT_EQ(acme_.RecordOf(other).state(), v1::Record::ACTIVE);
}

TEST_F(CascadeTest, UndeleteTakesExactlyThatBack) {
  const std::string ann = Customer();
  Record("DEAL", ann, "amount { minor_units: 500 currency: 'EUR' } stage: 'Won'");
  Record("NOTE", ann);
  const std::string inactive = Record("TASK", ann);
  ASSERT_TRUE(Do("deactivate", inactive).ok());
  const std::string before = acme_.Content();
  const auto counters = acme_.Counters();
  const auto of_ann = acme_.Counters("customers/" + ann);
  ASSERT_TRUE(Delete(ann, "related { all: DELETE rules { kind: 'NOTE' choice: KEEP } }").ok());
  EXPECT_EQ(acme_.RecordOf(inactive).state(), v1::Record::DELETED);
  const Reply reply = Undelete(ann);
  ASSERT_TRUE(reply.ok()) << reply.status;
  EXPECT_THAT(reply.notes, ElementsAre("2 records restored, 1 attached again."));
  EXPECT_EQ(acme_.Content(), before);
  EXPECT_EQ(acme_.Counters(), counters);
  EXPECT_EQ(acme_.Counters("customers/" + ann), of_ann);
  EXPECT_EQ(acme_.RecordOf(inactive).state(), v1::Record::INACTIVE);
}

TEST_F(CascadeTest, UndeleteLeavesWhatWasDeletedOnItsOwn) {
  const std::string ann = Customer();
  const std::string before = Record("DEAL", ann);
  const std::string with = Record("DEAL", ann);
  const std::string kept = Record("NOTE", ann);
  ASSERT_TRUE(Do("delete", before).ok());
  ASSERT_TRUE(Delete(ann, "related { all: DELETE rules { kind: 'NOTE' choice: KEEP } }").ok());
  ASSERT_TRUE(Do("delete", kept).ok());
  const Reply reply = Undelete(ann);
  ASSERT_TRUE(reply.ok()) << reply.status;
  EXPECT_THAT(reply.notes,
              ElementsAre("1 record restored, 0 attached again.",
                          fmt::format("Left as they are, since they were deleted otherwise: "
                                      "tenants/acme/records/{}, tenants/acme/records/{}.",
                                      before, kept)));
  EXPECT_EQ(acme_.RecordOf(before).state(), v1::Record::DELETED);
  EXPECT_EQ(acme_.RecordOf(kept).state(), v1::Record::DELETED);
  EXPECT_EQ(acme_.RecordOf(with).state(), v1::Record::ACTIVE);
  EXPECT_TRUE(Do("undelete", before).ok());
}

TEST_F(CascadeTest, UndeleteLeavesWhatWasAttachedElsewhere) {
  const std::string ann = Customer();
  const std::string bob = Customer();
  const std::string note = Record("NOTE", ann);
  const std::string freed = Record("NOTE", ann);
  ASSERT_TRUE(Delete(ann, "related { all: KEEP }").ok());
  ASSERT_TRUE(Move(note, bob).ok());
  EXPECT_EQ(acme_.RecordOf(note).detached_from(), "");
  // Moved and then taken away by hand again: still not the deletion's any more.
  ASSERT_TRUE(Move(freed, bob).ok());
  ASSERT_TRUE(Move(freed, "").ok());
  const Reply reply = Undelete(ann);
  ASSERT_TRUE(reply.ok()) << reply.status;
  EXPECT_THAT(reply.notes,
              ElementsAre(fmt::format("Left as they are, since they were attached elsewhere since: "
                                      "tenants/acme/records/{}, tenants/acme/records/{}.",
                                      note, freed)));
  EXPECT_EQ(acme_.RecordOf(note).customer(), "tenants/acme/customers/" + bob);
  EXPECT_EQ(acme_.RecordOf(freed).customer(), "");
}

TEST_F(CascadeTest, EachDeletionTakesItsOwnBack) {
  const std::string ann = Customer();
  const std::string first = Record("NOTE", ann);
  ASSERT_TRUE(Delete(ann, "related { all: KEEP }").ok());
  ASSERT_TRUE(Move(first, Customer()).ok());
  ASSERT_TRUE(Undelete(ann).ok());
  const std::string second = Record("NOTE", ann);
  ASSERT_TRUE(Delete(ann, "related { all: DELETE }").ok());
  const Reply reply = Undelete(ann);
  // What an earlier deletion detached is none of this one's business.
  EXPECT_THAT(reply.notes, ElementsAre("1 record restored, 0 attached again."));
  EXPECT_EQ(acme_.RecordOf(second).customer(), "tenants/acme/customers/" + ann);
}

TEST_F(CascadeTest, ADetachedRecordFromTheBinFindsItsCustomerAgain) {
  const std::string ann = Customer();
  const std::string note = Record("NOTE", ann);
  ASSERT_TRUE(Delete(ann, "related { all: KEEP }").ok());
  ASSERT_TRUE(Do("delete", note).ok());
  ASSERT_TRUE(Undelete(ann).ok());
  const Reply reply = Do("undelete", note);
  ASSERT_TRUE(reply.ok()) << reply.status;
  EXPECT_THAT(reply.notes, ElementsAre(HasSubstr("Attached to tenants/acme/customers/" + ann)));
  EXPECT_EQ(acme_.RecordOf(note).customer(), "tenants/acme/customers/" + ann);
  EXPECT_EQ(acme_.RecordOf(note).detached_from(), "");
}

TEST_F(CascadeTest, ADetachedRecordFromTheBinWaitsForItsCustomer) {
  const std::string ann = Customer();
  const std::string note = Record("NOTE", ann);
  ASSERT_TRUE(Delete(ann, "related { all: KEEP }").ok());
  ASSERT_TRUE(Do("delete", note).ok());
  ASSERT_TRUE(Undelete(ann).ok());
  ASSERT_TRUE(Delete(ann, "related { all: KEEP }").ok());
  // Its customer is in the bin, by another deletion than the one that detached it.
  ASSERT_TRUE(Do("undelete", note).ok());
  EXPECT_EQ(acme_.RecordOf(note).customer(), "");
  EXPECT_EQ(acme_.RecordOf(note).detached_from(), "tenants/acme/customers/" + ann);
  const Reply reply = Undelete(ann);
  ASSERT_TRUE(reply.ok()) << reply.status;
  EXPECT_THAT(reply.notes, ElementsAre("0 records restored, 1 attached again."));
  EXPECT_EQ(acme_.RecordOf(note).customer(), "tenants/acme/customers/" + ann);
  EXPECT_EQ(acme_.RecordOf(note).detached_from(), "");
}

TEST_F(CascadeTest, ARecordComesBackOnlyToALiveCustomer) {
  const std::string ann = Customer();
  const std::string deal = Record("DEAL", ann);
  ASSERT_TRUE(Delete(ann, "related { all: DELETE }").ok());
  const Reply reply = Do("undelete", deal);
  EXPECT_EQ(reply.reason(), v1::REFERENCE_BROKEN);
  EXPECT_EQ(reply.status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(reply.status.message()), HasSubstr("Undelete the customer first"));
  EXPECT_EQ(Move(Record("DEAL", ""), "0").reason(), v1::REFERENCE_BROKEN);
}

TEST_F(CascadeTest, UndeleteListsEveryTakenKey) {
  const std::string ann = Customer("external_id: 'A'");
  Record("DEAL", ann, "external_id: 'D'");
  Record("NOTE", ann, "external_id: 'N'");
  ASSERT_TRUE(Delete(ann, "related { all: DELETE }").ok());
  const std::string bob = Customer("external_id: 'A'");
  const std::string deal = Record("DEAL", bob, "external_id: 'D'");
  const Reply reply = Undelete(ann);
  EXPECT_EQ(reply.reason(), v1::KEY_TAKEN);
  EXPECT_EQ(reply.status.code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_THAT(Unmet(reply.status), SizeIs(2));
  EXPECT_THAT(Unmet(reply.status)[0],
              HasSubstr("tenants/acme/customers/" + bob + ": holds the external id `A`"));
  EXPECT_THAT(Unmet(reply.status)[1],
              HasSubstr("tenants/acme/records/" + deal + ": holds the external id `D`"));
  ASSERT_TRUE(Delete(bob, "related { all: DELETE }").ok());
  EXPECT_TRUE(Undelete(ann).ok());
}

TEST_F(CascadeTest, MoreThanACommitHoldsNeedsAnOperation) {
  const std::string ann = Customer();
  v1::BatchCreateRecordsRequest batch;
  batch.set_parent("tenants/acme");
  for (int i = 0; i < 999; ++i) {
    v1::Record& record = *batch.add_requests()->mutable_record();
    record.set_kind(v1::Record::NOTE);
    record.set_title("n");
    record.set_customer("tenants/acme/customers/" + ann);
  }
  ASSERT_TRUE(acme_.Do(batch).ok());
  const std::string last = Record("NOTE", ann);
  const Reply reply = Delete(ann, "related { all: DELETE }");
  EXPECT_EQ(reply.reason(), v1::USE_OPERATION);
  EXPECT_EQ(Metadata(reply.status, "limit"), "1000");
  ASSERT_TRUE(Do("delete", last).ok());
  const Reply fits = Delete(ann, "related { all: DELETE }");
  ASSERT_TRUE(fits.ok()) << fits.status;
  EXPECT_THAT(fits.notes, ElementsAre("999 records deleted, 0 kept."));
  EXPECT_TRUE(Undelete(ann).ok());
}

TEST_F(CascadeTest, BatchDeleteTakesRecordsAlong) {
  const std::string ann = Customer();
  const std::string bob = Customer();
  const std::string deal = Record("DEAL", ann);
  const std::string note = Record("NOTE", bob);
  const Reply reply = acme_.Do<v1::BatchDeleteCustomersRequest>(fmt::format(
      "parent: 'tenants/acme' names: 'tenants/acme/customers/{}' names: "
      "'tenants/acme/customers/{}' related {{ all: DELETE rules {{ kind: 'NOTE' choice: "
      "KEEP }} }}",
      bob, ann));
  ASSERT_TRUE(reply.ok()) << reply.status;
  EXPECT_THAT(reply.notes, ElementsAre("1 record deleted, 1 kept."));
  EXPECT_EQ(reply.targets[0].id, bob);
  EXPECT_EQ(reply.targets[1].id, ann);
  EXPECT_EQ(acme_.RecordOf(deal).state(), v1::Record::DELETED);
  // Each customer comes back with its own.
  ASSERT_TRUE(Undelete(bob).ok());
  EXPECT_EQ(acme_.RecordOf(note).customer(), "tenants/acme/customers/" + bob);
  EXPECT_EQ(acme_.RecordOf(deal).state(), v1::Record::DELETED);
}

TEST_F(CascadeTest, BatchDeleteIsAllOrNothing) {
  const std::string ann = Customer();
  const std::string bob = Customer();
  Record("DEAL", bob);
  const auto batch = [&](const std::string& rest) {
    return acme_.Do<v1::BatchDeleteCustomersRequest>("parent: 'tenants/acme' " + rest);
  };
  const std::string a = "names: 'tenants/acme/customers/" + ann + "' ";
  const std::string b = "names: 'tenants/acme/customers/" + bob + "' ";
  const auto head = acme_.head();
  const Reply refused = batch(a + b + "related { all: REFUSE }");
  EXPECT_EQ(refused.reason(), v1::RELATED_EXIST);
  EXPECT_EQ(Metadata(refused.status, "element"), "names[1]");
  EXPECT_EQ(batch(a + b).reason(), v1::RELATED_CHOICE_MISSING);
  EXPECT_THAT(FaultyFields(batch(a + b + a + "related { all: KEEP }").status),
              ElementsAre("names[2]"));
  const Reply missing = batch(a + "names: 'tenants/acme/customers/nobody' related { all: KEEP }");
  EXPECT_EQ(missing.reason(), v1::ENTITY_NOT_FOUND);
  EXPECT_EQ(Metadata(missing.status, "element"), "names[1]");
  EXPECT_THAT(FaultyFields(batch(a + "names: 'nonsense' related { all: KEEP }").status),
              ElementsAre("names[1]"));
  EXPECT_EQ(acme_.head(), head);
}

}  // namespace
}  // namespace retrace::domain
