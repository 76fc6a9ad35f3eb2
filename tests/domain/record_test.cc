#include "domain/record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmt/format.h"
#include "tests/support/decider_test.h"

namespace retrace::domain {
namespace {

using retrace::testing::FaultyFields;
using retrace::testing::Metadata;
using retrace::testing::Reply;
using retrace::testing::TestTenant;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class RecordTest : public ::testing::Test {
 protected:
  std::string Customer(const std::string& fields = "") {
    return acme_
        .Must<v1::CreateCustomerRequest>("parent: 'tenants/acme' customer { display_name: 'Ann' " +
                                         fields + " }")
        .id();
  }
  Reply Create(const std::string& record) {
    return acme_.Do<v1::CreateRecordRequest>("parent: 'tenants/acme' record {" + record + "}");
  }
  Reply Update(const std::string& id, const std::string& record, const std::string& mask = "") {
    return acme_.Do<v1::UpdateRecordRequest>(
        fmt::format("record {{ name: 'tenants/acme/records/{}' {} }} {}", id, record,
                    mask.empty() ? "" : "update_mask { paths: ['" + mask + "'] }"));
  }
  RowPtr Row(const std::string& id) { return acme_.RowOf({KindNumber::kRecord, id}); }
  TestTenant acme_;
};

TEST_F(RecordTest, IsCreated) {
  const Reply reply =
      Create("kind: DEAL title: ' Pumps ' stage: 'Won' amount { minor_units: -5 currency: 'eur' }");
  ASSERT_TRUE(reply.ok()) << reply.status;
  EXPECT_THAT(reply.events,
              ElementsAre("records/" + reply.id() +
                          " RecordCreated {record { kind: DEAL title: \"Pumps\" amount { "
                          "minor_units: -5 currency: \"EUR\" } stage: \"Won\" state: ACTIVE }}"));
}

TEST_F(RecordTest, RefusesWhatIsNotWhole) {
  EXPECT_THAT(FaultyFields(Create("kind: DEAL title: ' '").status), ElementsAre("record.title"));
  EXPECT_THAT(FaultyFields(Create("title: 'x'").status), ElementsAre("record.kind"));
  EXPECT_THAT(FaultyFields(Create("kind: DEAL title: 'x' amount { currency: 'XX1' }").status),
              ElementsAre("record.amount.currency"));
  EXPECT_THAT(FaultyFields(Create("kind: CONTACT title: 'x' emails: 'y'").status),
              ElementsAre("record.emails[0]"));
  EXPECT_EQ(acme_.head(), 0u);
}

TEST_F(RecordTest, RefersToALiveCustomerAndOwner) {
  EXPECT_EQ(Create("kind: NOTE title: 'x' customer: 'tenants/acme/customers/1'").reason(),
            v1::REFERENCE_BROKEN);
  EXPECT_EQ(Create("kind: NOTE title: 'x' customer: 'tenants/acme/members/1'").reason(),
            v1::INVALID_FIELD);
  EXPECT_EQ(Create("kind: NOTE title: 'x' owner: 'tenants/acme/members/bo'").reason(),
            v1::REFERENCE_BROKEN);
  const std::string ann = Customer();
  EXPECT_TRUE(Create("kind: NOTE title: 'x' customer: 'tenants/acme/customers/" + ann + "'").ok());
  acme_.Must<v1::DeleteCustomerRequest>("name: 'tenants/acme/customers/" + ann +
                                        "' related { all: KEEP }");
  const Reply deleted =
      Create("kind: NOTE title: 'x' customer: 'tenants/acme/customers/" + ann + "'");
  EXPECT_EQ(deleted.reason(), v1::REFERENCE_BROKEN);
  EXPECT_EQ(Metadata(deleted.status, "field"), "record.customer");
}

TEST_F(RecordTest, KindNeverChanges) {
  const Reply created = Create("kind: DEAL title: 'x'");
  EXPECT_EQ(Update(created.id(), "kind: NOTE", "kind").reason(), v1::INVALID_FIELD);
  EXPECT_EQ(Update(created.id(), "kind: NOTE title: 'y'").reason(), v1::INVALID_FIELD);
  EXPECT_EQ(acme_.RecordOf(created.id()).title(), "x");
  // Said again, it is no change.
  EXPECT_TRUE(Update(created.id(), "kind: DEAL title: 'y'").ok());
  EXPECT_EQ(acme_.RecordOf(created.id()).title(), "y");
}

TEST_F(RecordTest, AnUnknownAmountIsNotZero) {
  const Reply none = Create("kind: DEAL title: 'x'");
  const Reply zero = Create("kind: DEAL title: 'x' amount { currency: 'EUR' }");
  EXPECT_FALSE(acme_.RecordOf(none.id()).has_amount());
  EXPECT_TRUE(acme_.RecordOf(zero.id()).has_amount());
  EXPECT_THAT(acme_.Counters(),
              ElementsAre("record/DEAL/ACTIVE//=1,0", "record/DEAL/ACTIVE//EUR=1,0"));
  ASSERT_TRUE(Update(zero.id(), "", "amount").ok());
  EXPECT_FALSE(acme_.RecordOf(zero.id()).has_amount());
}

TEST_F(RecordTest, MovesBetweenCustomersWithItsCounts) {
  const std::string ann = Customer(), bob = Customer();
  const std::string to_ann = "customer: 'tenants/acme/customers/" + ann + "'";
  const Reply created =
      Create("kind: DEAL title: 'x' amount { minor_units: 7 currency: 'EUR' } " + to_ann);
  EXPECT_THAT(acme_.Counters("customers/" + ann), ElementsAre("record/DEAL/ACTIVE//EUR=1,7"));
  ASSERT_TRUE(Update(created.id(), "customer: 'tenants/acme/customers/" + bob + "'").ok());
  EXPECT_THAT(acme_.Counters("customers/" + ann), IsEmpty());
  EXPECT_THAT(acme_.Counters("customers/" + bob), ElementsAre("record/DEAL/ACTIVE//EUR=1,7"));
  ASSERT_TRUE(Update(created.id(), "amount { minor_units: 9 currency: 'EUR' } stage: 'Won'").ok());
  EXPECT_THAT(acme_.Counters("customers/" + bob), ElementsAre("record/DEAL/ACTIVE/Won/EUR=1,9"));
}

TEST_F(RecordTest, SubjectFollowsTheCustomer) {
  const std::string ann = Customer();
  const Reply created = Create("kind: NOTE title: 'x'");
  EXPECT_EQ(Row(created.id())->head.subject(), "records/" + created.id());
  EXPECT_EQ(Row(created.id())->head.key_id(), "key of records/" + created.id());
  ASSERT_TRUE(Update(created.id(), "customer: 'tenants/acme/customers/" + ann + "'").ok());
  EXPECT_EQ(Row(created.id())->head.subject(), "customers/" + ann);
  EXPECT_EQ(Row(created.id())->head.key_id(), "key of customers/" + ann);
  // Detached, it is its own subject again, whose key is not known before something is sealed.
  acme_.Must<v1::DeleteCustomerRequest>("name: 'tenants/acme/customers/" + ann +
                                        "' related { all: KEEP }");
  EXPECT_EQ(Row(created.id())->head.subject(), "records/" + created.id());
  EXPECT_EQ(Row(created.id())->head.key_id(), "");
}

TEST_F(RecordTest, ReadsPhonesInItsCustomersRegion) {
  const std::string ann = Customer("addresses { region_code: 'NO' }");
  const Reply reply = Create(
      "kind: CONTACT title: 'x' phones { raw: '22 12 34 56' } "
      "customer: 'tenants/acme/customers/" +
      ann + "'");
  EXPECT_EQ(acme_.RecordOf(reply.id()).phones(0).e164(), "+4722123456");
}

TEST_F(RecordTest, ATenantUsesAtMostTwoHundredStages) {
  v1::BatchCreateRecordsRequest batch;
  batch.set_parent("tenants/acme");
  for (int i = 0; i < 200; ++i) {
    v1::Record& record = *batch.add_requests()->mutable_record();
    record.set_kind(v1::Record::DEAL);
    record.set_title("d");
    record.set_stage(fmt::format("s{}", i));
  }
  v1::BatchCreateRecordsRequest too_many = batch;
  too_many.add_requests()->mutable_record()->CopyFrom(batch.requests(0).record());
  too_many.mutable_requests(200)->mutable_record()->set_stage("one more");
  EXPECT_EQ(acme_.Do(too_many).reason(), v1::LIMIT_REACHED);
  const Reply full = acme_.Do(batch);
  ASSERT_TRUE(full.ok()) << full.status;
  EXPECT_EQ(Create("kind: NOTE title: 'x' stage: 'new'").reason(), v1::LIMIT_REACHED);
  EXPECT_TRUE(Create("kind: NOTE title: 'x' stage: 's7'").ok());
  // A stage that nothing uses any more makes room.
  EXPECT_TRUE(Update(full.targets[0].id, "stage: 'new'").ok());
  EXPECT_EQ(Update(full.targets[1].id, "stage: 's0'").status, absl::OkStatus());
}

TEST_F(RecordTest, BatchCreateNamesTheFaultyElement) {
  const auto batch = [&](const std::string& requests) {
    return acme_.Do<v1::BatchCreateRecordsRequest>("parent: 'tenants/acme' " + requests);
  };
  const std::string good = "requests { record { kind: NOTE title: 'x' } } ";
  const Reply reply = batch(good + "requests { record { kind: CONTACT title: 'x' emails: 'y' } }");
  EXPECT_THAT(FaultyFields(reply.status), ElementsAre("requests[1].record.emails[0]"));
  EXPECT_EQ(Metadata(reply.status, "element"), "requests[1]");
  const Reply broken =
      batch(good + good +
            "requests { record { kind: NOTE title: 'x' owner: 'tenants/acme/members/x' } }");
  EXPECT_EQ(broken.reason(), v1::REFERENCE_BROKEN);
  EXPECT_EQ(Metadata(broken.status, "element"), "requests[2]");
  EXPECT_THAT(FaultyFields(batch(good + "requests { parent: 'tenants/b' record { kind: NOTE title: "
                                        "'x' } }")
                               .status),
              ElementsAre("requests[1].parent"));
  EXPECT_THAT(FaultyFields(batch(good + "requests { record { kind: NOTE title: 'x' } options { "
                                        "reason: 'r' } }")
                               .status),
              ElementsAre("requests[1].options"));
  EXPECT_EQ(acme_.head(), 0u);
  const Reply fine = batch(good +
                           "requests { parent: 'tenants/acme' record { kind: NOTE title: 'y' "
                           "} options {} }");
  ASSERT_TRUE(fine.ok()) << fine.status;
  EXPECT_EQ(fine.targets.size(), 2u);
  EXPECT_EQ(acme_.head(), 1u);
}

TEST_F(RecordTest, BatchSizes) {
  v1::BatchCreateRecordsRequest batch;
  batch.set_parent("tenants/acme");
  EXPECT_EQ(acme_.Do(batch).reason(), v1::INVALID_FIELD);
  for (int i = 0; i < 1001; ++i) {
    v1::Record& record = *batch.add_requests()->mutable_record();
    record.set_kind(v1::Record::NOTE);
    record.set_title("n");
  }
  EXPECT_EQ(acme_.Do(batch).reason(), v1::USE_OPERATION);
  v1::BatchDeleteRecordsRequest deletes;
  deletes.set_parent("tenants/acme");
  EXPECT_EQ(acme_.Do(deletes).reason(), v1::INVALID_FIELD);
  for (int i = 0; i < 1001; ++i) {
    deletes.add_names(fmt::format("tenants/acme/records/{}", i));
  }
  EXPECT_EQ(acme_.Do(deletes).reason(), v1::USE_OPERATION);
}

TEST_F(RecordTest, ACommitHoldsAtMostAMebibyte) {
  v1::BatchCreateRecordsRequest batch;
  batch.set_parent("tenants/acme");
  for (int i = 0; i < 70; ++i) {
    v1::Record& record = *batch.add_requests()->mutable_record();
    record.set_kind(v1::Record::NOTE);
    record.set_title("n");
    record.set_body(std::string(16'000, 'b'));
  }
  EXPECT_EQ(acme_.Do(batch).reason(), v1::USE_OPERATION);
}

TEST_F(RecordTest, BatchDelete) {
  const Reply a = Create("kind: NOTE title: 'x'"), b = Create("kind: NOTE title: 'x'");
  const std::string names = fmt::format(
      "parent: 'tenants/acme' names: 'tenants/acme/records/{}' names: 'tenants/acme/records/{}'",
      a.id(), b.id());
  EXPECT_EQ(acme_.Do<v1::BatchDeleteRecordsRequest>(names + " options { etag: 'x' }").reason(),
            v1::INVALID_FIELD);
  const Reply reply = acme_.Do<v1::BatchDeleteRecordsRequest>(names);
  ASSERT_TRUE(reply.ok()) << reply.status;
  EXPECT_EQ(acme_.RecordOf(a.id()).state(), v1::Record::DELETED);
  EXPECT_EQ(acme_.Do<v1::BatchDeleteRecordsRequest>(names).reason(), v1::ALREADY_DELETED);
}

TEST_F(RecordTest, ComesBackAsItWas) {
  const Reply created = Create("kind: NOTE title: 'x' external_id: 'e' tags: ['t']");
  const std::string name = "name: 'tenants/acme/records/" + created.id() + "'";
  const std::string before = acme_.Content();
  acme_.Must<v1::DeleteRecordRequest>(name);
  acme_.Must<v1::UndeleteRecordRequest>(name);
  EXPECT_EQ(acme_.Content(), before);
  EXPECT_EQ(acme_.Do<v1::UndeleteRecordRequest>(name).reason(), v1::NOT_DELETED);
}

}  // namespace
}  // namespace retrace::domain
