#include "eventstore/sealing.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <google/protobuf/dynamic_message.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "retrace/store/v1/commit.pb.h"
#include "retrace/store/v1/entities.pb.h"
#include "retrace/v1/annotations.pb.h"
#include "tests/eventstore/random_event.h"

namespace retrace::eventstore {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::util::MessageDifferencer;
using retrace::testing::EventTypes;
using retrace::testing::RandomEvent;
using store::v1::CustomerCreated;
using store::v1::StoredEvent;

// Keys in a map.
class KeysInMemory final : public KeyStore {
 public:
  absl::StatusOr<SubjectKey> NewKey(TenantNumber tenant) override {
    SubjectKey key{RandomBytes(16), {}};
    const std::string secret = RandomBytes(key.secret.size());
    std::copy(secret.begin(), secret.end(), key.secret.begin());
    keys_[{tenant, key.id}] = key.secret;
    return key;
  }
  absl::Status Import(TenantNumber tenant, absl::Span<const SubjectKey> keys) override {
    for (const SubjectKey& key : keys) keys_[{tenant, key.id}] = key.secret;
    return absl::OkStatus();
  }
  absl::StatusOr<SecretKey> Find(TenantNumber tenant, std::string_view key_id) const override {
    if (unavailable) return absl::UnavailableError("no");
    const auto found = keys_.find({tenant, std::string(key_id)});
    if (found == keys_.end()) return absl::NotFoundError("none");
    return found->second;
  }
  absl::StatusOr<bool> Contains(TenantNumber tenant, std::string_view key_id) const override {
    return keys_.contains({tenant, std::string(key_id)});
  }
  absl::StatusOr<SecretKey> MacKey(TenantNumber) override { return SecretKey{}; }
  absl::Status Checkpoint(const std::string&) const override { return absl::OkStatus(); }
  absl::Status Destroy(TenantNumber tenant, absl::Span<const std::string> key_ids) override {
    for (const std::string& id : key_ids) keys_.erase({tenant, id});
    return absl::OkStatus();
  }
  absl::StatusOr<bool> WasDestroyed(TenantNumber tenant, std::string_view id) const override {
    return !keys_.contains({tenant, std::string(id)});
  }
  absl::Status Sweep() override { return absl::OkStatus(); }

  bool unavailable = false;

 private:
  std::map<std::pair<TenantNumber, std::string>, SecretKey> keys_;
};

class SealingTest : public ::testing::Test {
 protected:
  StoredEvent Sealed(const Message& event, const std::string& type) {
    StoredEvent stored;
    stored.set_type(type);
    const absl::Status status = Seal(event, place_, kSubject, &key_, stored);
    EXPECT_TRUE(status.ok()) << status;
    return stored;
  }
  StoredEvent Sealed(const Message& event) { return Sealed(event, event.GetDescriptor()->name()); }

  absl::Status TryOpen(const StoredEvent& stored, const SealingPlace& place) {
    CustomerCreated opened;
    return Open(stored, place, kTenant, keys_, opened, nullptr);
  }

  static CustomerCreated Example() {
    CustomerCreated event;
    event.mutable_customer()->set_name("tenants/acme/customers/1");
    event.mutable_customer()->set_display_name("Ada Canary");
    event.mutable_customer()->add_emails("canary@example.org");
    event.mutable_customer()->set_level("gold");
    return event;
  }

  static constexpr TenantNumber kTenant = 3;
  static constexpr char kSubject[] = "customers/1";
  KeysInMemory keys_;
  const SubjectKey key_ = *keys_.NewKey(kTenant);
  const SealingPlace place_{.tenant = "acme", .kind = 1, .entity = "1"};
};

TEST_F(SealingTest, RandomEventsComeBackAndShowNothingPersonal) {
  int sealed_events = 0;
  for (uint64_t seed = 1; seed <= 3000; ++seed) {
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    const RandomEvent random(seed);
    const StoredEvent stored = Sealed(*random.event);
    const std::string bytes = stored.SerializeAsString();
    for (const std::string& canary : random.personal) {
      ASSERT_EQ(bytes.find(canary), std::string::npos) << random.event->DebugString();
    }
    for (const std::string& text : random.clear) {
      ASSERT_NE(stored.clear().find(text), std::string::npos) << random.event->DebugString();
    }
    ASSERT_EQ(stored.sealed_size() > 0, HasPersonalContent(*random.event));
    if (!random.personal.empty()) {
      ASSERT_TRUE(HasPersonalFields(*random.event->GetDescriptor()));
      ASSERT_EQ(stored.sealed_size(), 1);
      ++sealed_events;
    }
    const std::unique_ptr<Message> opened(random.event->New());
    bool erased = true;
    const absl::Status status = Open(stored, place_, kTenant, keys_, *opened, &erased);
    ASSERT_TRUE(status.ok()) << status;
    ASSERT_FALSE(erased);
    ASSERT_TRUE(MessageDifferencer::Equals(*opened, *random.event))
        << opened->DebugString() << random.event->DebugString();
  }
  EXPECT_GT(sealed_events, 300);
}

TEST_F(SealingTest, WithoutTheKeyEverythingButThePersonalFieldsIsThere) {
  for (uint64_t seed = 1; seed <= 500; ++seed) {
    const RandomEvent random(seed);
    const StoredEvent stored = Sealed(*random.event);
    KeysInMemory none;
    const std::unique_ptr<Message> opened(random.event->New());
    bool erased = false;
    ASSERT_TRUE(Open(stored, place_, kTenant, none, *opened, &erased).ok());
    ASSERT_EQ(erased, stored.sealed_size() > 0) << "seed " << seed;
    const std::string bytes = opened->SerializeAsString();
    for (const std::string& canary : random.personal) {
      ASSERT_EQ(bytes.find(canary), std::string::npos);
    }
    for (const std::string& text : random.clear) ASSERT_NE(bytes.find(text), std::string::npos);
  }
}

TEST_F(SealingTest, ADestroyedKeyErasesOnlyItsSubject) {
  const StoredEvent stored = Sealed(Example());
  ASSERT_TRUE(keys_.Destroy(kTenant, {key_.id}).ok());
  CustomerCreated opened;
  bool erased = false;
  ASSERT_TRUE(Open(stored, place_, kTenant, keys_, opened, &erased).ok());
  EXPECT_TRUE(erased);
  EXPECT_EQ(opened.customer().level(), "gold");
  EXPECT_EQ(opened.customer().display_name(), "");
  EXPECT_EQ(opened.customer().emails_size(), 0);
}

TEST_F(SealingTest, ASealedPartOpensOnlyInItsPlace) {
  const StoredEvent stored = Sealed(Example());
  ASSERT_TRUE(TryOpen(stored, place_).ok());
  // Another tenant id, kind, entity; and the same letters cut elsewhere.
  for (const SealingPlace& other :
       {SealingPlace{"acmf", 1, "1"}, SealingPlace{"acme", 2, "1"}, SealingPlace{"acme", 1, "2"},
        SealingPlace{"acm", 1, "1"}, SealingPlace{"acme1", 1, ""}, SealingPlace{"", 1, "acme1"}}) {
    EXPECT_TRUE(absl::IsDataLoss(TryOpen(stored, other))) << other.tenant << "/" << other.entity;
  }
  StoredEvent other_type = stored;
  other_type.set_type("CustomerUpdated");
  EXPECT_TRUE(absl::IsDataLoss(TryOpen(other_type, place_)));
  StoredEvent other_subject = stored;
  other_subject.mutable_sealed(0)->set_subject("customers/2");
  EXPECT_TRUE(absl::IsDataLoss(TryOpen(other_subject, place_)));
  StoredEvent cut_elsewhere = stored;
  cut_elsewhere.set_type(stored.type() + kSubject);
  cut_elsewhere.mutable_sealed(0)->set_subject("");
  EXPECT_TRUE(absl::IsDataLoss(TryOpen(cut_elsewhere, place_)));
  StoredEvent other_key = stored;
  other_key.mutable_sealed(0)->set_key_id(keys_.NewKey(kTenant)->id);
  EXPECT_TRUE(absl::IsDataLoss(TryOpen(other_key, place_)));
}

TEST_F(SealingTest, EveryFlippedBitIsFound) {
  const StoredEvent stored = Sealed(Example());
  const auto flipped_everywhere = [&](auto mutable_bytes) {
    const size_t size = mutable_bytes(*StoredEvent(stored).mutable_sealed(0))->size();
    for (size_t bit = 0; bit < 8 * size; ++bit) {
      StoredEvent flipped = stored;
      std::string& bytes = *mutable_bytes(*flipped.mutable_sealed(0));
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
      ASSERT_TRUE(absl::IsDataLoss(TryOpen(flipped, place_))) << bit;
    }
  };
  flipped_everywhere([](store::v1::SealedPart& part) { return part.mutable_ciphertext(); });
  flipped_everywhere([](store::v1::SealedPart& part) { return part.mutable_nonce(); });
  StoredEvent cut = stored;
  cut.mutable_sealed(0)->mutable_ciphertext()->resize(10);
  EXPECT_TRUE(absl::IsDataLoss(TryOpen(cut, place_)));
  StoredEvent no_message = stored;
  no_message.set_clear("\xff\xff");
  EXPECT_TRUE(absl::IsDataLoss(TryOpen(no_message, place_)));
}

TEST_F(SealingTest, TheSameEventIsNeverSealedTwiceAlike) {
  std::set<std::string> nonces;
  std::set<std::string> ciphertexts;
  for (int i = 0; i < 100; ++i) {
    const StoredEvent stored = Sealed(Example());
    nonces.insert(stored.sealed(0).nonce());
    ciphertexts.insert(stored.sealed(0).ciphertext());
  }
  EXPECT_EQ(nonces.size(), 100u);
  EXPECT_EQ(ciphertexts.size(), 100u);
}

TEST_F(SealingTest, WithoutPersonalContentNothingIsSealedAndNoKeyIsNeeded) {
  CustomerCreated event;
  event.mutable_customer()->set_level("gold");
  StoredEvent stored;
  stored.set_type("CustomerCreated");
  ASSERT_TRUE(Seal(event, place_, "", nullptr, stored).ok());
  EXPECT_EQ(stored.sealed_size(), 0);
  EXPECT_EQ(stored.clear(), event.SerializeAsString());
  EXPECT_FALSE(HasPersonalContent(event));
  store::v1::ChangeSetBegun begun;
  begun.set_title("spring cleaning");
  EXPECT_FALSE(HasPersonalFields(*begun.GetDescriptor()));
  ASSERT_TRUE(Seal(begun, place_, "", nullptr, stored).ok());
  EXPECT_EQ(stored.clear(), begun.SerializeAsString());
}

TEST_F(SealingTest, ThatANestedMessageIsThereIsNotPersonal) {
  CustomerCreated empty;
  empty.mutable_customer();
  CustomerCreated opened;
  ASSERT_TRUE(Open(Sealed(empty), place_, kTenant, keys_, opened, nullptr).ok());
  EXPECT_TRUE(opened.has_customer());
  CustomerCreated named;
  named.mutable_customer()->set_display_name("Ada");
  const StoredEvent stored = Sealed(named);
  ASSERT_TRUE(keys_.Destroy(kTenant, {key_.id}).ok());
  opened.Clear();
  ASSERT_TRUE(Open(stored, place_, kTenant, keys_, opened, nullptr).ok());
  EXPECT_TRUE(opened.has_customer());
}

TEST_F(SealingTest, RefusesPersonalContentWithoutKeyOrSubjectAndEventsWithoutType) {
  StoredEvent stored;
  EXPECT_TRUE(absl::IsInvalidArgument(Seal(Example(), place_, kSubject, &key_, stored)));
  stored.set_type("CustomerCreated");
  EXPECT_TRUE(absl::IsInvalidArgument(Seal(Example(), place_, kSubject, nullptr, stored)));
  EXPECT_TRUE(absl::IsInvalidArgument(Seal(Example(), place_, "", &key_, stored)));
  EXPECT_EQ(stored.clear(), "");
  EXPECT_EQ(stored.sealed_size(), 0);
}

TEST_F(SealingTest, SealingAgainReplacesWhatWasThere) {
  StoredEvent stored = Sealed(Example());
  ASSERT_TRUE(Seal(Example(), place_, kSubject, &key_, stored).ok());
  EXPECT_EQ(stored.sealed_size(), 1);
}

TEST_F(SealingTest, UnknownFieldsArePersonalAndComeBack) {
  CustomerCreated event;
  event.mutable_customer()->set_level("gold");
  retrace::v1::Customer& customer = *event.mutable_customer();
  customer.GetReflection()->MutableUnknownFields(&customer)->AddLengthDelimited(
      3999, "canary of a later build");
  EXPECT_TRUE(HasPersonalContent(event));
  const StoredEvent stored = Sealed(event);
  EXPECT_EQ(stored.clear().find("canary"), std::string::npos);
  CustomerCreated opened;
  ASSERT_TRUE(Open(stored, place_, kTenant, keys_, opened, nullptr).ok());
  EXPECT_TRUE(MessageDifferencer::Equals(opened, event));
}

TEST_F(SealingTest, AFailingKeyStoreIsNoErasure) {
  const StoredEvent stored = Sealed(Example());
  keys_.unavailable = true;
  CustomerCreated opened;
  bool erased = false;
  EXPECT_TRUE(absl::IsUnavailable(Open(stored, place_, kTenant, keys_, opened, &erased)));
  EXPECT_FALSE(erased);
}

// Elements of an unmarked repeated or map field stay clear whole, so nothing in them may be marked.
void ExpectMarkedOrFree(const Descriptor& type, std::set<const Descriptor*>& seen) {
  if (!seen.insert(&type).second) return;
  for (int i = 0; i < type.field_count(); ++i) {
    const FieldDescriptor& field = *type.field(i);
    if (field.options().GetExtension(retrace::v1::personal)) continue;
    if (field.cpp_type() != FieldDescriptor::CPPTYPE_MESSAGE) continue;
    if (field.is_repeated()) {
      const Descriptor* element = field.message_type();
      if (field.is_map()) element = element->map_value()->message_type();
      EXPECT_FALSE(element != nullptr && HasPersonalFields(*element)) << field.full_name();
    }
    ExpectMarkedOrFree(*field.message_type(), seen);
  }
}

TEST(SealingRulesTest, NoRepeatedFieldOfAnEventHidesPersonalFields) {
  std::set<const Descriptor*> seen;
  for (const Descriptor* type : EventTypes()) ExpectMarkedOrFree(*type, seen);
  EXPECT_GT(seen.size(), 10u);
}

}  // namespace
}  // namespace retrace::eventstore
