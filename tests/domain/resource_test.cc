#include "domain/resource.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "domain/index_values.h"
#include "domain/kind.h"
#include "domain/tenant.h"
#include "google/protobuf/util/message_differencer.h"
#include "retrace/store/v1/entities.pb.h"
#include "retrace/v1/annotations.pb.h"
#include "tests/support/decider_test.h"

namespace retrace::domain {
namespace {

using retrace::testing::FaultyFields;
using retrace::testing::Parse;
using retrace::testing::TestTenant;
using ::testing::ElementsAre;

TEST(ResourceNameTest, Parses) {
  const auto customer = ParseName("tenants/acme/customers/01h", "name");
  ASSERT_TRUE(customer.ok());
  EXPECT_EQ(customer->tenant, "acme");
  EXPECT_EQ(customer->collection, "customers");
  EXPECT_EQ(customer->id, "01h");

  const auto tenant = ParseName("tenants/acme", "parent");
  ASSERT_TRUE(tenant.ok());
  EXPECT_EQ(tenant->tenant, "acme");
  EXPECT_EQ(tenant->collection, "");

  const auto policy = ParseName("tenants/acme/policy", "name");
  ASSERT_TRUE(policy.ok());
  EXPECT_EQ(policy->collection, "policy");
  EXPECT_EQ(policy->id, "policy");

  EXPECT_TRUE(ParseName("tenants/acme/changeSets/17", "name").ok());
}

TEST(ResourceNameTest, RefusesMalformed) {
  for (const char* name :
       {"", "/", "tenants", "tenants/", "tenants//customers/1", "tenant/acme", "tenants/Acme",
        "tenants/acme/", "tenants/acme/customers", "tenants/acme/customers/",
        "tenants/acme/customers/01h/", "tenants/acme/customers/01H", "tenants/acme/customers/-1",
        "tenants/acme/Customers/1", "tenants/acme/customers/1/notes/2", " tenants/acme",
        "tenants/acme/customers/\xE6\x9D\x8E", "tenants/acme/customers/.."}) {
    const auto parsed = ParseName(name, "customer.name");
    EXPECT_FALSE(parsed.ok()) << name;
    EXPECT_EQ(ReasonOf(parsed.status()), v1::INVALID_FIELD) << name;
    EXPECT_THAT(FaultyFields(parsed.status()), ElementsAre("customer.name")) << name;
  }
  EXPECT_TRUE(ParseName("tenants/acme/customers/" + std::string(63, 'a'), "name").ok());
  EXPECT_FALSE(ParseName("tenants/acme/customers/" + std::string(64, 'a'), "name").ok());
}

TEST(ResourceNameTest, NamesEveryKindOfEntity) {
  EXPECT_EQ(NameOf("acme", {KindNumber::kCustomer, "01h"}), "tenants/acme/customers/01h");
  EXPECT_EQ(NameOf("acme", {KindNumber::kChangeSet, "17"}), "tenants/acme/changeSets/17");
  EXPECT_EQ(NameOf("acme", {KindNumber::kPolicy, "policy"}), "tenants/acme/policy");
  EXPECT_EQ(NameOf("system", {KindNumber::kTenant, "acme"}), "tenants/acme");
  EXPECT_EQ(NameOf("system", {KindNumber::kServer, "server"}), "tenants/system/server");
  for (const Kind& kind : Kinds()) {
    if (!kind.derived) {
      const std::string name =
          NameOf("acme", {kind.number, std::string(kind.collection == "policy" ? "policy" : "x1")});
      EXPECT_TRUE(ParseName(name, "name").ok()) << name;
    }
  }
}

TEST(ResourceNameTest, ChosenIds) {
  for (const char* good : {"a", "ann", "a-1", "ann-lee-2"}) {
    EXPECT_TRUE(IsChosenId(good)) << good;
  }
  for (const char* bad : {"", "1a", "a-", "-a", "A", "a_b", "a b", "a/b"}) {
    EXPECT_FALSE(IsChosenId(bad)) << bad;
  }
  EXPECT_TRUE(IsId("1a"));
}

TEST(ShowResourceTest, AddsWhatTheHeadDetermines) {
  TestTenant acme;
  const auto created =
      acme.Must<v1::CreateCustomerRequest>(R"pb(parent: "tenants/acme"
                                                customer { display_name: "Ann" })pb");
  v1::Customer customer = acme.Customer(created.id());
  EXPECT_EQ(customer.name(), "tenants/acme/customers/" + created.id());
  EXPECT_EQ(customer.state(), v1::Customer::ACTIVE);
  EXPECT_EQ(customer.create_time().seconds(), 1'700'000'001);
  EXPECT_EQ(customer.update_time().seconds(), 1'700'000'001);
  EXPECT_FALSE(customer.has_delete_time());
  const std::string etag = customer.etag();
  EXPECT_EQ(etag.front(), '"');
  EXPECT_EQ(etag.back(), '"');

  acme.Must<v1::DeactivateCustomerRequest>("name: '" + customer.name() + "'");
  acme.Must<v1::DeleteCustomerRequest>("name: '" + customer.name() + "' related { all: KEEP }");
  customer = acme.Customer(created.id());
  EXPECT_EQ(customer.state(), v1::Customer::DELETED);
  EXPECT_EQ(customer.create_time().seconds(), 1'700'000'001);
  EXPECT_EQ(customer.update_time().seconds(), 1'700'000'003);
  EXPECT_EQ(customer.delete_time().seconds(), 1'700'000'003);
  EXPECT_NE(customer.etag(), etag);
}

Row MapRow(std::initializer_list<const char*> keys) {
  auto customer = std::make_shared<v1::Customer>();
  for (const char* key : keys) {
    (*customer->mutable_attributes())[key] = "v";
  }
  Row row;
  row.head.set_lifecycle(store::v1::RowHead::LIVE);
  row.resource = std::move(customer);
  return row;
}

TEST(StoredRowTest, BytesDoNotDependOnTheOrderOfMaps) {
  const Row forwards = MapRow({"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"});
  const Row backwards = MapRow({"j", "i", "h", "g", "f", "e", "d", "c", "b", "a"});
  EXPECT_EQ(SerializeRow(forwards), SerializeRow(backwards));
  const EntityRef entity{KindNumber::kCustomer, "1"};
  EXPECT_EQ(DigestForm(entity, forwards), DigestForm(entity, backwards));
}

TEST(StoredRowTest, ComesBackAsItWas) {
  const Row row = MapRow({"a", "b"});
  const auto parsed = ParseRow(KindNumber::kCustomer, SerializeRow(row));
  ASSERT_TRUE(parsed.ok());
  EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(row.head, (*parsed)->head));
  EXPECT_TRUE(
      google::protobuf::util::MessageDifferencer::Equals(*row.resource, *(*parsed)->resource));
}

TEST(StoredRowTest, DamageIsDataLoss) {
  EXPECT_EQ(ParseRow(KindNumber::kCustomer, "\xFF\xFF").status().code(),
            absl::StatusCode::kDataLoss);
  EXPECT_EQ(ParseRow(static_cast<KindNumber>(99), "").status().code(), absl::StatusCode::kDataLoss);
  store::v1::StoredRow row;
  row.set_resource("\xFF");
  EXPECT_EQ(ParseRow(KindNumber::kCustomer, row.SerializeAsString()).status().code(),
            absl::StatusCode::kDataLoss);
}

TEST(DigestFormTest, LeavesOutDerivedFieldsAndTimes) {
  const EntityRef entity{KindNumber::kRecord, "1"};
  Row plain;
  plain.head.set_lifecycle(store::v1::RowHead::LIVE);
  plain.resource = std::make_shared<v1::Record>(Parse<v1::Record>("title: 'x'"));
  Row detached = plain;
  detached.resource = std::make_shared<v1::Record>(
      Parse<v1::Record>("title: 'x' detached_from: 'tenants/acme/customers/1' etag: '3'"));
  detached.head.set_revision(9);
  detached.head.set_update_time_us(17);
  EXPECT_EQ(DigestForm(entity, plain), DigestForm(entity, detached));

  Row binned = plain;
  binned.head.set_lifecycle(store::v1::RowHead::BINNED);
  EXPECT_NE(DigestForm(entity, plain), DigestForm(entity, binned));
  Row renamed = plain;
  renamed.resource = std::make_shared<v1::Record>(Parse<v1::Record>("title: 'y'"));
  EXPECT_NE(DigestForm(entity, plain), DigestForm(entity, renamed));
  EXPECT_NE(DigestForm(entity, plain), DigestForm({KindNumber::kRecord, "2"}, plain));
}

TEST(RequestRowIdTest, NeverMixesActorAndRequest) {
  EXPECT_NE(RequestRowId("ab", "c"), RequestRowId("a", "bc"));
  EXPECT_NE(RequestRowId("a", "1:b"), RequestRowId("a1:", "b"));
  EXPECT_EQ(RequestRowId("ann", "r"), RequestRowId("ann", "r"));
}

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;

bool IsMarked(const FieldDescriptor& field) { return field.options().GetExtension(v1::personal); }

// Whether a marked field lies in it, however deep.
bool HoldsPersonal(const Descriptor& type, std::set<const Descriptor*>& seen) {
  if (!seen.insert(&type).second) return false;
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (IsMarked(field)) return true;
    const bool nested = field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    if (nested && HoldsPersonal(*field.message_type(), seen)) return true;
  }
  return false;
}

// Elements of a repeated field that is not marked stay clear whole: nothing in them may be marked.
void ExpectNothingHidden(const Descriptor& type, std::set<const Descriptor*>& seen) {
  if (!seen.insert(&type).second) return;
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (IsMarked(field) || field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    std::set<const Descriptor*> inside;
    EXPECT_FALSE(field.is_repeated() && HoldsPersonal(*field.message_type(), inside))
        << field.full_name();
    ExpectNothingHidden(*field.message_type(), seen);
  }
}

TEST(KindsTest, PersonalDataIsSealed) {
  for (const Kind& kind : Kinds()) {
    for (const google::protobuf::Message* event : kind.events) {
      std::set<const Descriptor*> seen;
      ExpectNothingHidden(*event->GetDescriptor(), seen);
      seen.clear();
      EXPECT_TRUE(kind.subject != nullptr || !HoldsPersonal(*event->GetDescriptor(), seen))
          << event->GetDescriptor()->full_name() << " holds personal data of nobody";
    }
  }
}

TEST(KindsTest, AreWellFormed) {
  std::set<KindNumber> numbers;
  for (const Kind& kind : Kinds()) {
    EXPECT_TRUE(numbers.insert(kind.number).second) << kind.singular;
    EXPECT_NE(kind.resource, nullptr) << kind.singular;
    EXPECT_EQ(kind.derived, kind.number >= KindNumber::kFirstDerived) << kind.singular;
    EXPECT_EQ(kind.derived, kind.collection.empty()) << kind.singular;
    EXPECT_EQ(kind.derived, kind.apply == nullptr) << kind.singular;
    EXPECT_EQ(&KindOf(kind.number), &kind);
    if (!kind.derived) {
      EXPECT_EQ(FindKind(kind.collection), &kind);
    }
    std::set<uint8_t> indexes;
    for (const IndexDeclaration& index : kind.indexes) {
      EXPECT_TRUE(indexes.insert(index.number).second) << kind.singular << " " << index.name;
      // Aborts on a path that there is not.
      EXPECT_THAT(IndexValues(index, *kind.resource), ::testing::IsEmpty());
    }
    for (const auto* event : kind.events) {
      EXPECT_EQ(FindEvent(event->GetDescriptor()->name()), event);
    }
  }
  EXPECT_EQ(FindKind(""), nullptr);
  EXPECT_EQ(FindKind("nothings"), nullptr);
  EXPECT_EQ(FindKindByNumber(0), nullptr);
  EXPECT_EQ(FindEvent("Nothing"), nullptr);
  EXPECT_NE(FindEvent("Detached"), nullptr);
}

// Every message of the file of events is known, so that no stored event is a stranger; but for what
// events hold.
TEST(KindsTest, KnowEveryEvent) {
  const auto* file = store::v1::CustomerCreated::descriptor()->file();
  std::set<const google::protobuf::Descriptor*> held;
  for (int i = 0; i < file->message_type_count(); ++i) {
    for (int j = 0; j < file->message_type(i)->field_count(); ++j) {
      held.insert(file->message_type(i)->field(j)->message_type());
    }
  }
  for (int i = 0; i < file->message_type_count(); ++i) {
    if (held.contains(file->message_type(i))) continue;
    EXPECT_NE(FindEvent(file->message_type(i)->name()), nullptr) << file->message_type(i)->name();
  }
}

TEST(LayoutStampTest, IsStableWithinABuild) {
  EXPECT_EQ(LayoutStamp().size(), 64u);
  EXPECT_EQ(LayoutStamp(), LayoutStamp());
  EXPECT_EQ(LayoutStamp().find_first_not_of("0123456789abcdef"), std::string::npos);
}

}  // namespace
}  // namespace retrace::domain
