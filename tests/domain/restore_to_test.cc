// Giving one entity back the state of a moment.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "fmt/format.h"
#include "tests/support/decider_test.h"

namespace retrace::domain {
namespace {

using retrace::testing::Metadata;
using retrace::testing::Reply;
using retrace::testing::TestTenant;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class RestoreToTest : public ::testing::Test {
 protected:
  std::string Customer(const std::string& fields) {
    return acme_
        .Must<v1::CreateCustomerRequest>("parent: 'tenants/acme' customer { " + fields + " }")
        .id();
  }
  Position Update(const std::string& id, const std::string& fields) {
    return acme_
        .Must<v1::UpdateCustomerRequest>(
            fmt::format("customer {{ name: 'tenants/acme/customers/{}' {} }}", id, fields))
        .position;
  }
  Reply RestoreTo(const std::string& name, Position position) {
    v1::RestoreToRequest request;
    request.set_name("tenants/acme/" + name);
    request.mutable_as_of()->set_position(static_cast<int64_t>(position));
    return acme_.RestoreTo(request);
  }

  TestTenant acme_;
};

TEST_F(RestoreToTest, SetsEveryFieldAsItWasAndCanBeUndone) {
  const std::string ann =
      Customer("display_name: 'Ann' level: 'gold' tags: 'a' tags: 'b' emails: 'a@x.co'");
  const Position then = acme_.head();
  const std::string was = acme_.Content();
  Update(ann, "level: 'tin' tags: 'c' emails: 'b@x.co' external_id: 'x'");
  acme_.Must<v1::DeactivateCustomerRequest>("name: 'tenants/acme/customers/" + ann + "'");
  const std::string now = acme_.Content();
  const Reply restored = RestoreTo("customers/" + ann, then);
  ASSERT_TRUE(restored.ok()) << restored.status;
  EXPECT_THAT(restored.events, ElementsAre(HasSubstr("RestoredTo"), HasSubstr("Activated")));
  EXPECT_EQ(acme_.Content(), was);
  const Reply undo = acme_.UndoCommit(restored.position);
  ASSERT_TRUE(undo.ok()) << undo.status;
  EXPECT_EQ(acme_.Content(), now);
  ASSERT_TRUE(acme_.UndoCommit(undo.position).ok());
  EXPECT_EQ(acme_.Content(), was);
}

TEST_F(RestoreToTest, IsAWriteOfItsOwn) {
  const std::string ann = Customer("display_name: 'Ann' level: 'gold'");
  const Position then = acme_.head();
  const Position changed = Update(ann, "level: 'tin'");
  ASSERT_TRUE(RestoreTo("customers/" + ann, then).ok());
  // Nobody loses what was restored by an undo of what came before.
  EXPECT_EQ(acme_.UndoCommit(changed).reason(), v1::UNDO_CONFLICT);
}

TEST_F(RestoreToTest, DoesNothingWhereNothingDiffers) {
  const std::string ann = Customer("display_name: 'Ann'");
  const Reply reply = RestoreTo("customers/" + ann, acme_.head());
  ASSERT_TRUE(reply.ok()) << reply.status;
  EXPECT_THAT(reply.events, IsEmpty());
}

TEST_F(RestoreToTest, RestoresAReference) {
  const std::string ann = Customer("display_name: 'Ann'");
  const std::string name = "tenants/acme/customers/" + ann;
  const std::string deal =
      acme_
          .Must<v1::CreateRecordRequest>(fmt::format(
              "parent: 'tenants/acme' record {{ kind: DEAL title: 'T' customer: '{}' }}", name))
          .id();
  const Position attached = acme_.head();
  acme_.Must<v1::DeleteCustomerRequest>("name: '" + name + "' related { all: KEEP }");
  const Position cut = acme_.head();
  EXPECT_EQ(RestoreTo("records/" + deal, attached).reason(), v1::REFERENCE_BROKEN);
  acme_.Must<v1::UndeleteCustomerRequest>("name: '" + name + "'");
  const Reply restored = RestoreTo("records/" + deal, cut);
  ASSERT_TRUE(restored.ok()) << restored.status;
  EXPECT_EQ(acme_.RecordOf(deal).customer(), "");
  EXPECT_EQ(acme_.RecordOf(deal).detached_from(), "") << "its customer is back";
  ASSERT_TRUE(RestoreTo("records/" + deal, attached).ok());
  EXPECT_EQ(acme_.RecordOf(deal).customer(), name);
  EXPECT_EQ(acme_.RecordOf(deal).detached_from(), "");
}

TEST_F(RestoreToTest, RefusesWhatWasNotThereAndWhatLiesInTheBin) {
  Customer("display_name: 'Bo'");
  const std::string ann = Customer("display_name: 'Ann'");
  const Reply early = RestoreTo("customers/" + ann, 1);
  EXPECT_EQ(early.reason(), v1::ENTITY_NOT_FOUND);
  EXPECT_EQ(Metadata(early.status, "create-position"), "2");
  EXPECT_EQ(RestoreTo("customers/nobody", 1).reason(), v1::ENTITY_NOT_FOUND);
  EXPECT_EQ(RestoreTo("changeSets/1", 1).reason(), v1::INVALID_FIELD);
  EXPECT_EQ(RestoreTo("wolves/1", 1).reason(), v1::INVALID_FIELD);
  acme_.Must<v1::DeleteCustomerRequest>("name: 'tenants/acme/customers/" + ann +
                                        "' related { all: DELETE }");
  const Position binned = acme_.head();
  EXPECT_EQ(RestoreTo("customers/" + ann, 2).reason(), v1::ALREADY_DELETED);
  acme_.Must<v1::UndeleteCustomerRequest>("name: 'tenants/acme/customers/" + ann + "'");
  const Reply restored = RestoreTo("customers/" + ann, binned);
  ASSERT_TRUE(restored.ok()) << restored.status;
  EXPECT_THAT(restored.notes, ElementsAre(HasSubstr("DELETED then")));
}

TEST_F(RestoreToTest, KeysThatAreTakenMeanwhileAreTaken) {
  const std::string ann = Customer("display_name: 'Ann' external_id: 'x'");
  const Position then = acme_.head();
  Update(ann, "external_id: 'y'");
  Customer("display_name: 'Bo' external_id: 'x'");
  EXPECT_EQ(RestoreTo("customers/" + ann, then).reason(), v1::KEY_TAKEN);
}

}  // namespace
}  // namespace retrace::domain
