#include "domain/customer.h"

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
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class CustomerTest : public ::testing::Test {
 protected:
  Reply Create(const std::string& customer) {
    return acme_.Do<v1::CreateCustomerRequest>("parent: 'tenants/acme' customer {" + customer +
                                               "}");
  }
  Reply Update(const std::string& id, const std::string& customer, const std::string& mask = "") {
    return acme_.Do<v1::UpdateCustomerRequest>(
        fmt::format("customer {{ name: 'tenants/acme/customers/{}' {} }} {}", id, customer,
                    mask.empty() ? "" : "update_mask { paths: ['" + mask + "'] }"));
  }
  Reply Delete(const std::string& id) {
    return acme_.Do<v1::DeleteCustomerRequest>(
        fmt::format("name: 'tenants/acme/customers/{}' related {{ all: KEEP }}", id));
  }
  Reply Undelete(const std::string& id) {
    return acme_.Do<v1::UndeleteCustomerRequest>(
        fmt::format("name: 'tenants/acme/customers/{}'", id));
  }
  TestTenant acme_;
};

TEST_F(CustomerTest, IsCreatedWithTheNextNumber) {
  const Reply first = Create("display_name: 'Ann'");
  ASSERT_TRUE(first.ok()) << first.status;
  EXPECT_THAT(first.events,
              ElementsAre("customers/00000000000000000000000001 CustomerCreated {customer { "
                          "number: 1 display_name: \"Ann\" state: ACTIVE }}"));
  const Reply second = Create("display_name: 'Bob'");
  EXPECT_EQ(acme_.Customer(second.id()).number(), 2);
}

TEST_F(CustomerTest, NumbersAreNeverReused) {
  const Reply first = Create("display_name: 'Ann'");
  ASSERT_TRUE(Delete(first.id()).ok());
  EXPECT_EQ(acme_.Customer(Create("display_name: 'Bob'").id()).number(), 2);
}

TEST_F(CustomerTest, IgnoresOutputOnlyFieldsOnCreate) {
  const Reply reply = Create(
      "display_name: 'Ann' number: 77 state: DELETED etag: 'x' "
      "name: 'tenants/other/customers/1' create_time { seconds: 1 }");
  ASSERT_TRUE(reply.ok()) << reply.status;
  EXPECT_EQ(acme_.Customer(reply.id()).number(), 1);
  EXPECT_EQ(acme_.Customer(reply.id()).state(), v1::Customer::ACTIVE);
}

TEST_F(CustomerTest, PutsADisplayNameTogether) {
  EXPECT_EQ(acme_.Customer(Create("given_name: ' Ann ' family_name: 'Lee'").id()).display_name(),
            "Ann Lee");
  EXPECT_EQ(acme_.Customer(Create("given_name: '小龍' family_name: '李'").id()).display_name(),
            "李小龍");
  EXPECT_EQ(acme_.Customer(Create("given_name: 'たろう' family_name: '山田'").id()).display_name(),
            "山田たろう");
  EXPECT_EQ(acme_.Customer(Create("given_name: '민준' family_name: '김'").id()).display_name(),
            "김민준");
  EXPECT_EQ(acme_.Customer(Create("given_name: 'Bruce' family_name: '李'").id()).display_name(),
            "Bruce 李");
  EXPECT_EQ(acme_.Customer(Create("family_name: 'Lee' organization_name: 'X'").id()).display_name(),
            "Lee");
  EXPECT_EQ(acme_.Customer(Create("organization_name: 'Acme Ltd'").id()).display_name(),
            "Acme Ltd");
}

TEST_F(CustomerTest, NeedsSomeName) {
  const Reply reply = Create("level: 'gold' display_name: ' \\t' given_name: '\xE3\x80\x80'");
  EXPECT_EQ(reply.reason(), v1::INVALID_FIELD);
  EXPECT_THAT(FaultyFields(reply.status), ElementsAre("customer.display_name"));
  EXPECT_EQ(acme_.head(), 0u);
}

TEST_F(CustomerTest, NormalisesWhatItIsGiven) {
  const Reply reply = Create(R"pb(
    display_name: " Ann  "
    level: "gold "
    external_id: " x1 "
    tags: [ " a", "b", "a " ]
    emails: [ " ann@example.com ", "ANN@example.com", "b@example.com" ]
    addresses { region_code: "Norway" locality: " Oslo " }
    phones { raw: "22 12 34 56" }
    phones { raw: "22 12 34 56" label: "again" }
    phones { raw: "+1 415 555 2671 ext. 12" }
    phones { raw: "ring me" })pb");
  ASSERT_TRUE(reply.ok()) << reply.status;
  const v1::Customer customer = acme_.Customer(reply.id());
  EXPECT_EQ(customer.display_name(), "Ann");
  EXPECT_EQ(customer.level(), "gold");
  EXPECT_EQ(customer.external_id(), "x1");
  EXPECT_THAT(customer.tags(), ElementsAre("a", "b"));
  EXPECT_THAT(customer.emails(), ElementsAre("ann@example.com", "b@example.com"));
  EXPECT_EQ(customer.addresses(0).region_code(), "NO");
  EXPECT_EQ(customer.addresses(0).locality(), "Oslo");
  ASSERT_EQ(customer.phones_size(), 3);
  EXPECT_EQ(customer.phones(0).raw(), "22 12 34 56");
  EXPECT_EQ(customer.phones(0).e164(), "+4722123456");
  EXPECT_EQ(customer.phones(1).e164(), "+14155552671");
  EXPECT_EQ(customer.phones(1).extension(), "12");
  EXPECT_EQ(customer.phones(2).e164(), "");
}

TEST_F(CustomerTest, ReadsPhonesInThePolicysRegionWithoutAnAddress) {
  acme_.Must<v1::UpdatePolicyRequest>("policy { name: 'tenants/acme/policy' region_code: 'CN' }");
  const Reply reply = Create("display_name: 'A' phones { raw: '010 6554 1234' }");
  EXPECT_EQ(acme_.Customer(reply.id()).phones(0).e164(), "+861065541234");
}

TEST_F(CustomerTest, KeepsAnUnknownCountryAsGiven) {
  const Reply reply = Create("display_name: 'A' addresses { region_code: 'Atlantis' }");
  ASSERT_TRUE(reply.ok()) << reply.status;
  EXPECT_EQ(acme_.Customer(reply.id()).addresses(0).region_code(), "Atlantis");
}

TEST_F(CustomerTest, NamesEveryFaultyField) {
  const Reply reply = Create(R"pb(
    display_name: "A"
    emails: [ "a@example.com", "nobody" ]
    tags: [ " " ]
    phones { raw: " " }
    addresses { label: "x" }
    addresses { label: "x" })pb");
  EXPECT_EQ(reply.reason(), v1::INVALID_FIELD);
  EXPECT_THAT(FaultyFields(reply.status),
              ElementsAre("customer.tags[0]", "customer.emails[1]", "customer.addresses[1].label",
                          "customer.phones[0].raw"));
}

TEST_F(CustomerTest, RefersToALiveMember) {
  EXPECT_EQ(Create("display_name: 'A' owner: 'tenants/acme/members/bo'").reason(),
            v1::REFERENCE_BROKEN);
  acme_.Must<v1::CreateMemberRequest>(
      "parent: 'tenants/acme' member_id: 'bo' member { display_name: 'Bo' }");
  const Reply owned = Create("display_name: 'A' owner: 'tenants/acme/members/bo'");
  ASSERT_TRUE(owned.ok()) << owned.status;
  EXPECT_EQ(Create("display_name: 'A' owner: 'bo'").reason(), v1::INVALID_FIELD);
  EXPECT_EQ(Create("display_name: 'A' owner: 'tenants/acme/customers/bo'").reason(),
            v1::INVALID_FIELD);
  // Another tenant's member is as unknown as one that never was.
  EXPECT_EQ(Create("display_name: 'A' owner: 'tenants/other/members/bo'").reason(),
            v1::REFERENCE_BROKEN);

  // Deleted, the member stays the owner of what they own, but gets nothing new.
  acme_.Must<v1::DeleteMemberRequest>("name: 'tenants/acme/members/bo'");
  EXPECT_EQ(Create("display_name: 'B' owner: 'tenants/acme/members/bo'").reason(),
            v1::REFERENCE_BROKEN);
  EXPECT_TRUE(Update(owned.id(), "level: 'gold'").ok());
  EXPECT_EQ(acme_.Customer(owned.id()).owner(), "tenants/acme/members/bo");
  ASSERT_TRUE(Delete(owned.id()).ok());
  EXPECT_TRUE(Undelete(owned.id()).ok());
}

TEST_F(CustomerTest, UpdateWritesOnlyWhatDiffers) {
  const Reply created = Create("display_name: 'Ann' level: 'gold' tags: ['a', 'b']");
  const Reply reply = Update(created.id(), "display_name: 'Ann' level: 'silver' tags: ['b', 'a']");
  ASSERT_TRUE(reply.ok()) << reply.status;
  EXPECT_THAT(reply.events,
              ElementsAre("customers/" + created.id() +
                          " CustomerUpdated {customer { level: \"silver\" } update_mask { paths: "
                          "\"level\" }}"));
}

TEST_F(CustomerTest, UpdateThatChangesNothingWritesNothing) {
  const Reply created = Create("display_name: 'Ann' level: 'gold'");
  const Reply reply = Update(created.id(), "level: ' gold '");
  EXPECT_TRUE(reply.ok()) << reply.status;
  EXPECT_THAT(reply.events, IsEmpty());
  EXPECT_EQ(reply.position, 0u);
  EXPECT_EQ(acme_.head(), 1u);
  EXPECT_EQ(reply.id(), created.id());
}

TEST_F(CustomerTest, UpdateClearsWhatTheMaskNames) {
  const Reply created =
      Create("display_name: 'Ann' level: 'gold' attributes { key: 'a' value: '1' }");
  ASSERT_TRUE(Update(created.id(), "", "level").ok());
  EXPECT_EQ(acme_.Customer(created.id()).level(), "");
  ASSERT_TRUE(Update(created.id(), "", "attributes.a").ok());
  EXPECT_THAT(acme_.Customer(created.id()).attributes(), IsEmpty());
}

TEST_F(CustomerTest, UpdateFollowsWithADerivedDisplayName) {
  const Reply derived = Create("given_name: 'Ann' family_name: 'Lee'");
  ASSERT_TRUE(Update(derived.id(), "family_name: 'Li'").ok());
  EXPECT_EQ(acme_.Customer(derived.id()).display_name(), "Ann Li");

  const Reply chosen = Create("given_name: 'Ann' family_name: 'Lee' display_name: 'Annie'");
  ASSERT_TRUE(Update(chosen.id(), "family_name: 'Li'").ok());
  EXPECT_EQ(acme_.Customer(chosen.id()).display_name(), "Annie");
  // Cleared, it is put together again.
  ASSERT_TRUE(Update(chosen.id(), "", "display_name").ok());
  EXPECT_EQ(acme_.Customer(chosen.id()).display_name(), "Ann Li");
}

TEST_F(CustomerTest, UpdateMayNotTakeTheLastName) {
  const Reply created = Create("display_name: 'Ann'");
  const Reply reply = Update(created.id(), "", "display_name");
  EXPECT_EQ(reply.reason(), v1::INVALID_FIELD);
  EXPECT_THAT(FaultyFields(reply.status), ElementsAre("customer.display_name"));
}

TEST_F(CustomerTest, UpdateNormalisesOnlyWhatItChanges) {
  const Reply created =
      Create("display_name: 'A' addresses { region_code: 'NO' } phones { raw: '22 12 34 56' }");
  ASSERT_TRUE(Update(created.id(), "addresses { region_code: 'Sweden' }").ok());
  EXPECT_EQ(acme_.Customer(created.id()).addresses(0).region_code(), "SE");
  EXPECT_EQ(acme_.Customer(created.id()).phones(0).e164(), "+4722123456");
  // Given again, the same number is read in the new region.
  ASSERT_TRUE(Update(created.id(), "phones { raw: '08-123 456 78' }").ok());
  EXPECT_EQ(acme_.Customer(created.id()).phones(0).e164(), "+46812345678");
}

TEST_F(CustomerTest, UpdateRefusesWhatItMayNotWrite) {
  const Reply created = Create("display_name: 'A'");
  for (const char* path : {"number", "state", "name", "etag", "nothing", "phones.e164"}) {
    const Reply reply = Update(created.id(), "level: 'x'", path);
    EXPECT_EQ(reply.reason(), v1::INVALID_FIELD) << path;
  }
  EXPECT_EQ(acme_.head(), 1u);
}

TEST_F(CustomerTest, LimitsHoldForTheWholeAfterAnUpdate) {
  std::string full = "display_name: 'A'";
  for (int i = 0; i < 50; ++i) {
    full += fmt::format(" attributes {{ key: 'k{}' value: 'v' }}", i);
  }
  const Reply created = Create(full);
  ASSERT_TRUE(created.ok()) << created.status;
  const Reply reply =
      Update(created.id(), "attributes { key: 'one-more' value: 'v' }", "attributes.`one-more`");
  EXPECT_EQ(reply.reason(), v1::INVALID_FIELD);
  EXPECT_THAT(FaultyFields(reply.status), ElementsAre("customer.attributes"));
}

TEST_F(CustomerTest, EtagsMustFit) {
  const Reply created = Create("display_name: 'A'");
  const std::string name = "tenants/acme/customers/" + created.id();
  const std::string etag = acme_.Customer(created.id()).etag();
  v1::UpdateCustomerRequest request;
  request.mutable_customer()->set_name(name);
  request.mutable_customer()->set_level("gold");
  request.mutable_options()->set_etag(etag);
  ASSERT_TRUE(acme_.Do(request).ok());
  request.mutable_customer()->set_level("silver");
  const Reply stale = acme_.Do(request);
  EXPECT_EQ(stale.reason(), v1::ETAG_MISMATCH);
  EXPECT_EQ(stale.status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(Metadata(stale.status, "etag"), acme_.Customer(created.id()).etag());
}

TEST_F(CustomerTest, GoesInactiveAndBack) {
  const Reply created = Create("display_name: 'A'");
  const std::string name = "name: 'tenants/acme/customers/" + created.id() + "'";
  EXPECT_THAT(acme_.Do<v1::DeactivateCustomerRequest>(name).events,
              ElementsAre("customers/" + created.id() + " Deactivated"));
  EXPECT_EQ(acme_.Customer(created.id()).state(), v1::Customer::INACTIVE);
  EXPECT_THAT(acme_.Do<v1::DeactivateCustomerRequest>(name).events, IsEmpty());
  EXPECT_THAT(acme_.Do<v1::ActivateCustomerRequest>(name).events,
              ElementsAre("customers/" + created.id() + " Activated"));
  EXPECT_THAT(acme_.Do<v1::ActivateCustomerRequest>(name).events, IsEmpty());
  EXPECT_EQ(acme_.head(), 3u);
}

TEST_F(CustomerTest, ComesBackAsItWas) {
  const Reply created = Create("display_name: 'A' external_id: 'x' level: 'gold'");
  const std::string name = "name: 'tenants/acme/customers/" + created.id() + "'";
  ASSERT_TRUE(acme_.Do<v1::DeactivateCustomerRequest>(name).ok());
  const std::string before = acme_.Content();
  ASSERT_TRUE(Delete(created.id()).ok());
  EXPECT_NE(acme_.Content(), before);
  EXPECT_THAT(Undelete(created.id()).events,
              ElementsAre("customers/" + created.id() + " Undeleted {deletion: 3}"));
  EXPECT_EQ(acme_.Content(), before);
  EXPECT_EQ(acme_.Customer(created.id()).state(), v1::Customer::INACTIVE);
}

TEST_F(CustomerTest, InTheBinRefusesEverythingButUndelete) {
  const Reply created = Create("display_name: 'A'");
  const std::string name = "name: 'tenants/acme/customers/" + created.id() + "'";
  ASSERT_TRUE(Delete(created.id()).ok());
  EXPECT_EQ(Delete(created.id()).reason(), v1::ALREADY_DELETED);
  EXPECT_EQ(Update(created.id(), "level: 'x'").reason(), v1::ALREADY_DELETED);
  EXPECT_EQ(acme_.Do<v1::DeactivateCustomerRequest>(name).reason(), v1::ALREADY_DELETED);
  EXPECT_EQ(acme_.Do<v1::ActivateCustomerRequest>(name).reason(), v1::ALREADY_DELETED);
  EXPECT_EQ(Delete(created.id()).status.code(), absl::StatusCode::kNotFound);
  ASSERT_TRUE(Undelete(created.id()).ok());
  const Reply again = Undelete(created.id());
  EXPECT_EQ(again.reason(), v1::NOT_DELETED);
  EXPECT_EQ(again.status.code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(CustomerTest, UnknownAndForeignOnesGetTheSameWords) {
  const Reply missing = acme_.Do<v1::ActivateCustomerRequest>("name: 'tenants/acme/customers/1'");
  const Reply foreign = acme_.Do<v1::ActivateCustomerRequest>("name: 'tenants/evil/customers/1'");
  EXPECT_EQ(missing.reason(), v1::ENTITY_NOT_FOUND);
  EXPECT_EQ(foreign.reason(), v1::ENTITY_NOT_FOUND);
  EXPECT_EQ(missing.status.message(),
            "There is no customer `tenants/acme/customers/1`. Look for it "
            "in the list, or as of an earlier moment.");
  EXPECT_EQ(foreign.status.message(),
            "There is no customer `tenants/evil/customers/1`. Look for it "
            "in the list, or as of an earlier moment.");
  EXPECT_EQ(acme_.Do<v1::ActivateCustomerRequest>("name: 'tenants/acme/records/1'").reason(),
            v1::INVALID_FIELD);
  const Reply malformed = Update("BAD", "level: 'x'");
  EXPECT_EQ(malformed.reason(), v1::INVALID_FIELD);
  EXPECT_THAT(FaultyFields(malformed.status), ElementsAre("customer.name"));
}

TEST_F(CustomerTest, AgentsUndeleteOnlyTheirOwnDeletions) {
  const Reply created = Create("display_name: 'A'");
  ASSERT_TRUE(Delete(created.id()).ok());
  acme_.ActAs("bob", {});
  const Reply refused = Undelete(created.id());
  EXPECT_EQ(refused.reason(), v1::NOT_YOUR_DELETION);
  EXPECT_EQ(refused.status.code(), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(Metadata(refused.status, "permission"), "customers.undelete-any");
  acme_.ActAs("ann", {});
  EXPECT_TRUE(Undelete(created.id()).ok());
  ASSERT_TRUE(Delete(created.id()).ok());
  acme_.ActAs("bob", {"customers.undelete-any"});
  EXPECT_TRUE(Undelete(created.id()).ok());
}

TEST_F(CustomerTest, TheParentIsTheTenantThatIsCalled) {
  const Reply reply =
      acme_.Do<v1::CreateCustomerRequest>("parent: 'tenants/other' customer { display_name: 'A' }");
  EXPECT_EQ(reply.reason(), v1::INVALID_FIELD);
  EXPECT_THAT(FaultyFields(reply.status), ElementsAre("parent"));
}

TEST_F(CustomerTest, TooLargeAChangeIsRefused) {
  std::string large = "display_name: 'A'";
  for (int i = 0; i < 50; ++i) {
    large += fmt::format(" attributes {{ key: 'k{}' value: '{}' }}", i, std::string(1000, 'v'));
  }
  for (int i = 0; i < 10; ++i) {
    large += fmt::format(" addresses {{ label: 'l{}'", i);
    for (int line = 0; line < 10; ++line) {
      large += fmt::format(" address_lines: '{}'", std::string(300, 'a'));
    }
    large += " }";
  }
  const Reply reply = Create(large);
  EXPECT_EQ(reply.reason(), v1::INVALID_FIELD);
  EXPECT_THAT(FaultyFields(reply.status), ElementsAre("customer"));
  EXPECT_THAT(std::string(reply.status.message()), HasSubstr("65536"));
}

TEST_F(CustomerTest, KeysPerCommandStayWithinTheBar) {
  acme_.Must<v1::CreateMemberRequest>(
      "parent: 'tenants/acme' member_id: 'bo' member { display_name: 'Bo' }");
  const Reply created = acme_.Must<v1::CreateCustomerRequest>(R"pb(
    parent: "tenants/acme"
    customer {
      display_name: "Heather Callahan"
      level: "gold"
      owner: "tenants/acme/members/bo"
      external_id: "EB54EF1154C3A78"
      emails: "urangel@espinoza-francis.net"
      phones { raw: "043-797-5229" }
      phones { raw: "915.112.1727" }
    }
    options { request_id: "r1" })pb");
  EXPECT_LE(created.keys, 16u);
  const std::string name = "tenants/acme/customers/" + created.id();
  const Reply updated = acme_.Must<v1::UpdateCustomerRequest>(
      "customer { name: '" + name + "' level: 'silver' } options { request_id: 'r2' }");
  EXPECT_LE(updated.keys, 5u);
  const Reply deleted = acme_.Must<v1::DeleteCustomerRequest>(
      "name: '" + name + "' related { all: DELETE } options { request_id: 'r3' }");
  EXPECT_LE(deleted.keys, 16u);
  const Reply undeleted =
      acme_.Must<v1::UndeleteCustomerRequest>("name: '" + name + "' options { request_id: 'r4' }");
  EXPECT_LE(undeleted.keys, 16u);
  RecordProperty("create", static_cast<int>(created.keys));
  RecordProperty("update", static_cast<int>(updated.keys));
}

}  // namespace
}  // namespace retrace::domain
