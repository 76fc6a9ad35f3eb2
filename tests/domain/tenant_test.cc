#include "domain/tenant.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "domain/change_set.h"
#include "domain/decider.h"
#include "domain/policy.h"
#include "domain/resource.h"
#include "domain/server_log.h"
#include "fmt/format.h"
#include "retrace/store/v1/entities.pb.h"
#include "tests/support/decider_test.h"

namespace retrace::domain {
namespace {

using retrace::testing::FaultyFields;
using retrace::testing::Metadata;
using retrace::testing::Reply;
using retrace::testing::TestTenant;
using retrace::testing::Unmet;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(TenantTest, GetsTheNextNumber) {
  TestTenant system("system");
  const Reply acme = system.Do<v1::CreateTenantRequest>("tenant_id: 'acme'");
  ASSERT_TRUE(acme.ok()) << acme.status;
  EXPECT_THAT(acme.events, ElementsAre("tenants/acme TenantCreated {tenant { display_name: "
                                       "\"acme\" number: 1 }}"));
  const Reply beta = system.Do<v1::CreateTenantRequest>(
      "tenant_id: 'beta' tenant { display_name: ' Beta ' number: 9 }");
  const auto shown = system.Show<v1::Tenant>({KindNumber::kTenant, "beta"});
  EXPECT_EQ(shown.name(), "tenants/beta");
  EXPECT_EQ(shown.number(), 2);
  EXPECT_EQ(shown.display_name(), "Beta");
}

TEST(TenantTest, IdsAreChosenOnce) {
  TestTenant system("system");
  system.Must<v1::CreateTenantRequest>("tenant_id: 'acme'");
  const Reply taken = system.Do<v1::CreateTenantRequest>("tenant_id: 'acme'");
  EXPECT_EQ(taken.reason(), v1::ID_TAKEN);
  EXPECT_EQ(taken.status.code(), absl::StatusCode::kAlreadyExists);
  for (const char* bad : {"system", "Acme", "1a", "a_b", "a-"}) {
    const Reply reply = system.Do<v1::CreateTenantRequest>(fmt::format("tenant_id: '{}'", bad));
    EXPECT_THAT(FaultyFields(reply.status), ElementsAre("tenant_id")) << bad;
  }
}

TEST(ServerLogTest, RemembersEpochAndActs) {
  TestTenant system("system");
  store::v1::EpochBegan began;
  began.set_epoch(5);
  began.set_cause("CREATED");
  ASSERT_TRUE(system.Record(began).ok());
  store::v1::AdministrativeActDone done;
  done.set_act("BACKUP");
  ASSERT_TRUE(system.Record(done).ok());
  const RowPtr held = system.RowOf(ServerRef());
  const auto& row = held->As<store::v1::ServerRow>();
  EXPECT_EQ(row.epoch(), 5u);
  EXPECT_EQ(row.cause(), "CREATED");
  EXPECT_EQ(row.last_act(), "BACKUP");
  EXPECT_EQ(system.RowOf(ServerRef())->head.revision(), 2u);
  EXPECT_EQ(TestTenant("acme").Record(began).status.code(), absl::StatusCode::kInternal);
}

class PolicyTest : public ::testing::Test {
 protected:
  Reply Update(const std::string& fields, const std::string& options = "") {
    return acme_.Do<v1::UpdatePolicyRequest>(
        fmt::format("policy {{ name: 'tenants/acme/policy' {} }} {}", fields, options));
  }
  Reply Customer(const std::string& fields) {
    return acme_.Do<v1::CreateCustomerRequest>(
        "parent: 'tenants/acme' customer { display_name: 'A' " + fields + " }");
  }
  TestTenant acme_;
};

TEST_F(PolicyTest, HasDefaultsUntilItIsSet) {
  const auto policy = PolicyOf(acme_.view());
  ASSERT_TRUE(policy.ok());
  EXPECT_EQ(policy->region_code(), "US");
  EXPECT_EQ(policy->time_zone(), "UTC");
  EXPECT_EQ(policy->language(), "en");
  EXPECT_EQ(policy->currency_code(), "USD");
  EXPECT_THAT(policy->unique_keys(), ElementsAre("customers.external_id", "records.external_id"));
}

TEST_F(PolicyTest, IsSetInParts) {
  ASSERT_TRUE(Update("region_code: 'no' currency_code: 'nok'").ok());
  ASSERT_TRUE(Update("time_zone: 'Europe/Oslo' language: 'nb'").ok());
  const auto shown = acme_.Show<v1::Policy>(PolicyRef());
  EXPECT_EQ(shown.name(), "tenants/acme/policy");
  EXPECT_EQ(shown.region_code(), "NO");
  EXPECT_EQ(shown.currency_code(), "NOK");
  EXPECT_EQ(shown.time_zone(), "Europe/Oslo");
  EXPECT_EQ(shown.unique_keys_size(), 2);
  EXPECT_TRUE(shown.has_update_time());
  EXPECT_THAT(Update("region_code: 'NO'").events, IsEmpty());
}

TEST_F(PolicyTest, RefusesWhatIsUnknown) {
  EXPECT_THAT(FaultyFields(Update("region_code: 'XX' time_zone: 'Mars' language: '!!' "
                                  "currency_code: 'ZZ1' unique_keys: 'customers.name'")
                               .status),
              ElementsAre("policy.region_code", "policy.time_zone", "policy.language",
                          "policy.currency_code", "policy.unique_keys[0]"));
  EXPECT_THAT(FaultyFields(Update("unique_keys: ['none', 'customers.email']").status),
              ElementsAre("policy.unique_keys[0]"));
  const Reply other = acme_.Do<v1::UpdatePolicyRequest>("policy { name: 'tenants/b/policy' }");
  EXPECT_THAT(FaultyFields(other.status), ElementsAre("policy.name"));
}

TEST_F(PolicyTest, EtagsMustFit) {
  const std::string fresh = EtagOf(Row());
  ASSERT_TRUE(Update("region_code: 'NO'", "options { etag: '" + fresh + "' }").ok());
  const Reply stale = Update("region_code: 'SE'", "options { etag: '" + fresh + "' }");
  EXPECT_EQ(stale.reason(), v1::ETAG_MISMATCH);
  const std::string etag = acme_.Show<v1::Policy>(PolicyRef()).etag();
  EXPECT_TRUE(Update("region_code: 'SE'", "options { etag: '" + etag + "' }").ok());
}

TEST_F(PolicyTest, KeysAreUniqueOnlyWhileInForce) {
  const Reply first = Customer("external_id: 'x' emails: 'a@b.co'");
  ASSERT_TRUE(first.ok());
  const Reply taken = Customer("external_id: 'x'");
  EXPECT_EQ(taken.reason(), v1::KEY_TAKEN);
  EXPECT_EQ(taken.status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(Metadata(taken.status, "key"), "customers.external_id");
  EXPECT_EQ(Metadata(taken.status, "value"), "x");
  EXPECT_EQ(Metadata(taken.status, "holder"), "tenants/acme/customers/" + first.id());
  EXPECT_TRUE(Customer("emails: 'a@b.co'").ok());
  ASSERT_TRUE(Update("unique_keys: 'none'").ok());
  EXPECT_TRUE(Customer("external_id: 'x'").ok());
}

TEST_F(PolicyTest, AKeyHeldTwiceCannotBeSwitchedOn) {
  const Reply first = Customer("emails: 'a@b.co'");
  const Reply second = Customer("emails: 'A@B.co'");
  ASSERT_TRUE(second.ok());
  ASSERT_TRUE(Customer("emails: 'c@b.co'").ok());
  const Reply refused = Update("unique_keys: 'customers.email'");
  EXPECT_EQ(refused.reason(), v1::KEY_TAKEN);
  EXPECT_EQ(refused.status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Unmet(refused.status),
              ElementsAre("tenants/acme/customers/" + first.id() + ": holds `a@b.co`",
                          "tenants/acme/customers/" + second.id() + ": holds `a@b.co`"));
  acme_.Must<v1::DeleteCustomerRequest>("name: 'tenants/acme/customers/" + second.id() +
                                        "' related { all: KEEP }");
  EXPECT_TRUE(Update("unique_keys: 'customers.email'").ok());
  EXPECT_EQ(Customer("emails: 'a@b.CO'").reason(), v1::KEY_TAKEN);
}

TEST_F(PolicyTest, DuplicatesAreFoundAcrossPagesOfTheIndex) {
  v1::BatchCreateCustomersRequest batch;
  batch.set_parent("tenants/acme");
  for (int i = 0; i < 1000; ++i) {
    v1::Customer& customer = *batch.add_requests()->mutable_customer();
    customer.set_display_name("c");
    customer.add_emails(fmt::format("u{:04}@b.co", i));
  }
  ASSERT_TRUE(acme_.Do(batch).ok());
  for (auto& request : *batch.mutable_requests()) {
    request.mutable_customer()->set_emails(0, "v" + request.customer().emails(0));
  }
  ASSERT_TRUE(acme_.Do(batch).ok());
  // The thousandth entry is the first of a pair that spans the page's end.
  ASSERT_TRUE(Customer("emails: 'u0999@b.co'").ok());
  const Reply refused = Update("unique_keys: 'customers.email'");
  EXPECT_EQ(refused.reason(), v1::KEY_TAKEN);
  EXPECT_THAT(Unmet(refused.status), SizeIs(2));
}

TEST_F(PolicyTest, OneValueMayFillMoreThanAPage) {
  v1::BatchCreateCustomersRequest batch;
  batch.set_parent("tenants/acme");
  for (int i = 0; i < 1000; ++i) {
    v1::Customer& customer = *batch.add_requests()->mutable_customer();
    customer.set_display_name("c");
    customer.add_emails("same@b.co");
  }
  ASSERT_TRUE(acme_.Do(batch).ok());
  ASSERT_TRUE(acme_.Do(batch).ok());
  const Reply refused = Update("unique_keys: 'customers.email'");
  EXPECT_EQ(refused.reason(), v1::KEY_TAKEN);
  EXPECT_THAT(Unmet(refused.status), SizeIs(20));
}

TEST_F(PolicyTest, ABatchMayNotHoldAKeyTwice) {
  const Reply reply = acme_.Do<v1::BatchCreateCustomersRequest>(
      "parent: 'tenants/acme' requests { customer { display_name: 'A' external_id: 'x' } } "
      "requests { customer { display_name: 'B' external_id: 'y' } } "
      "requests { customer { display_name: 'C' external_id: 'x' } }");
  EXPECT_EQ(reply.reason(), v1::KEY_TAKEN);
  EXPECT_EQ(Metadata(reply.status, "element"), "requests[2]");
  EXPECT_EQ(Metadata(reply.status, "holder"), "requests[0]");
  EXPECT_EQ(acme_.head(), 0u);
}

TEST_F(PolicyTest, UpdatesClaimKeysToo) {
  const Reply a = Customer("external_id: 'x'");
  const Reply b = Customer("external_id: 'y'");
  const auto update = [&](const Reply& customer, const std::string& external_id) {
    return acme_.Do<v1::UpdateCustomerRequest>(
        fmt::format("customer {{ name: 'tenants/acme/customers/{}' external_id: '{}' }}",
                    customer.id(), external_id));
  };
  EXPECT_EQ(update(b, "x").reason(), v1::KEY_TAKEN);
  EXPECT_TRUE(update(a, "z").ok());
  EXPECT_TRUE(update(b, "x").ok());
  // A deletion frees the key.
  acme_.Must<v1::DeleteCustomerRequest>("name: 'tenants/acme/customers/" + b.id() +
                                        "' related { all: KEEP }");
  EXPECT_TRUE(update(a, "x").ok());
}

class MemberTest : public ::testing::Test {
 protected:
  Reply Create(const std::string& id, const std::string& fields) {
    return acme_.Do<v1::CreateMemberRequest>(
        fmt::format("parent: 'tenants/acme' member_id: '{}' member {{ {} }}", id, fields));
  }
  TestTenant acme_;
};

TEST_F(MemberTest, IsCreatedUnderItsChosenId) {
  const Reply reply = Create("bo", "display_name: ' Bo ' language: 'zh-CN' email: 'bo@x.co'");
  ASSERT_TRUE(reply.ok()) << reply.status;
  EXPECT_THAT(reply.events,
              ElementsAre("members/bo MemberCreated {member { display_name: \"Bo\" email: "
                          "\"bo@x.co\" language: \"zh-CN\" state: ACTIVE }}"));
  EXPECT_EQ(Create("bo", "display_name: 'B'").reason(), v1::ID_TAKEN);
  acme_.Must<v1::DeleteMemberRequest>("name: 'tenants/acme/members/bo'");
  const Reply binned = Create("bo", "display_name: 'B'");
  EXPECT_EQ(binned.reason(), v1::ID_TAKEN);
  EXPECT_THAT(std::string(binned.status.message()), HasSubstr("recycle bin"));
}

TEST_F(MemberTest, RefusesFaultyFields) {
  EXPECT_THAT(FaultyFields(Create("Bo", "display_name: 'B'").status), ElementsAre("member_id"));
  EXPECT_THAT(FaultyFields(Create("bo", "display_name: ' ' email: 'x' language: '!'").status),
              ElementsAre("member.display_name", "member.email", "member.language"));
  EXPECT_EQ(Create("bo", "display_name: 'B' lead: 'tenants/acme/members/x'").reason(),
            v1::REFERENCE_BROKEN);
  EXPECT_THAT(
      FaultyFields(Create("bo", "display_name: 'B' lead: 'tenants/acme/members/bo'").status),
      ElementsAre("member.lead"));
}

TEST_F(MemberTest, LivesThroughItsWholeLife) {
  ASSERT_TRUE(Create("bo", "display_name: 'Bo'").ok());
  const std::string name = "name: 'tenants/acme/members/bo'";
  acme_.Must<v1::UpdateMemberRequest>("member { " + name + " team: 'Oslo' }");
  acme_.Must<v1::DeactivateMemberRequest>(name);
  EXPECT_EQ(acme_.Member("bo").state(), v1::Member::INACTIVE);
  const std::string before = acme_.Content();
  acme_.Must<v1::DeleteMemberRequest>(name);
  EXPECT_EQ(acme_.Member("bo").state(), v1::Member::DELETED);
  EXPECT_EQ(acme_.Do<v1::UpdateMemberRequest>("member { " + name + " team: 'x' }").reason(),
            v1::ALREADY_DELETED);
  acme_.Must<v1::UndeleteMemberRequest>(name);
  EXPECT_EQ(acme_.Content(), before);
  acme_.Must<v1::ActivateMemberRequest>(name);
  EXPECT_THAT(acme_.Counters(), ElementsAre("member//ACTIVE//=1,0"));
}

TEST_F(MemberTest, EmailsMayBeUnique) {
  acme_.Must<v1::UpdatePolicyRequest>(
      "policy { name: 'tenants/acme/policy' unique_keys: 'members.email' }");
  ASSERT_TRUE(Create("bo", "display_name: 'Bo' email: 'bo@x.co'").ok());
  EXPECT_EQ(Create("di", "display_name: 'Di' email: 'BO@x.co'").reason(), v1::KEY_TAKEN);
}

class ChangeSetTest : public ::testing::Test {
 protected:
  Reply Begin(const std::string& rest = "") {
    return acme_.Do<v1::BeginChangeSetRequest>("parent: 'tenants/acme' title: ' clean up ' " +
                                               rest);
  }
  Reply End(const std::string& id) {
    return acme_.Do<v1::EndChangeSetRequest>("name: 'tenants/acme/changeSets/" + id + "'");
  }
  Reply Create(const std::string& options) {
    return acme_.Do<v1::CreateCustomerRequest>(
        "parent: 'tenants/acme' customer { display_name: 'A' } options {" + options + "}");
  }
  store::v1::ChangeSetTally Tally(const std::string& id) {
    return acme_.RowOf({KindNumber::kChangeSetTally, id})->As<store::v1::ChangeSetTally>();
  }
  TestTenant acme_;
};

TEST_F(ChangeSetTest, IsBegunFilledAndEnded) {
  Create("");
  const Reply begun = Begin("options { reason: 'spring' }");
  ASSERT_TRUE(begun.ok()) << begun.status;
  EXPECT_EQ(begun.id(), "2");
  auto shown = acme_.Show<v1::ChangeSet>({KindNumber::kChangeSet, "2"});
  EXPECT_EQ(shown.name(), "tenants/acme/changeSets/2");
  EXPECT_EQ(shown.number(), 2);
  EXPECT_EQ(shown.title(), "clean up");
  EXPECT_EQ(shown.actor(), "ann");
  EXPECT_EQ(shown.state(), v1::ChangeSet::OPEN);
  EXPECT_EQ(shown.expire_time().seconds() - shown.begin_time().seconds(), 24 * 3600);
  ASSERT_TRUE(Create("change_set: 2 reason: 'x'").ok());
  ASSERT_TRUE(Create("change_set: 2").ok());
  const auto tally = Tally("2");
  EXPECT_EQ(tally.first_position(), 2u);
  EXPECT_EQ(tally.last_position(), 4u);
  EXPECT_EQ(tally.commit_count(), 3);
  EXPECT_EQ(tally.event_count(), 3);
  EXPECT_EQ(tally.reason(), "spring");
  EXPECT_THAT(tally.methods(),
              ElementsAre("retrace.v1.BeginChangeSetRequest", "retrace.v1.CreateCustomerRequest"));
  ASSERT_TRUE(End("2").ok());
  shown = acme_.Show<v1::ChangeSet>({KindNumber::kChangeSet, "2"});
  EXPECT_EQ(shown.state(), v1::ChangeSet::CLOSED);
  EXPECT_TRUE(shown.has_end_time());
  EXPECT_THAT(End("2").events, IsEmpty());
  EXPECT_TRUE(End("2").ok());
  EXPECT_EQ(Create("change_set: 2").reason(), v1::CHANGE_SET_CLOSED);
}

TEST_F(ChangeSetTest, SingleCommandsHaveNoTally) {
  Create("");
  EXPECT_FALSE(acme_.rows().RowsAt(kLatest).contains({KindNumber::kChangeSetTally, "1"}));
}

TEST_F(ChangeSetTest, IsItsActorsOnly) {
  ASSERT_TRUE(Begin().ok());
  acme_.ActAs("bob");
  EXPECT_EQ(Create("change_set: 1").reason(), v1::CHANGE_SET_CLOSED);
  const Reply refused = End("1");
  EXPECT_EQ(refused.reason(), v1::CHANGE_SET_CLOSED);
  EXPECT_EQ(Metadata(refused.status, "actor"), "ann");
  EXPECT_EQ(Create("change_set: 9").reason(), v1::CHANGE_SET_CLOSED);
  EXPECT_EQ(End("9").reason(), v1::ENTITY_NOT_FOUND);
}

TEST_F(ChangeSetTest, ClosesByItself) {
  ASSERT_TRUE(Begin().ok());
  acme_.Pass(kChangeSetLifeUs - 2'000'000);
  EXPECT_TRUE(Create("change_set: 1").ok());
  EXPECT_EQ(Create("change_set: 1").reason(), v1::CHANGE_SET_CLOSED);
  EXPECT_TRUE(End("1").ok());
}

TEST_F(ChangeSetTest, IsNotBegunInsideAnother) {
  ASSERT_TRUE(Begin().ok());
  EXPECT_THAT(FaultyFields(Begin("options { change_set: 1 }").status),
              ElementsAre("options.change_set"));
}

}  // namespace
}  // namespace retrace::domain
