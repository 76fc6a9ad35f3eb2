// What a purge takes of the past of those who stay, and what it must not take.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "domain/kind.h"
#include "fmt/format.h"
#include "tests/support/decider_test.h"

namespace retrace::domain {
namespace {

using retrace::testing::Reply;
using retrace::testing::TestTenant;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class PurgePastTest : public ::testing::Test {
 protected:
  std::string Customer(const std::string& name) {
    return "tenants/acme/customers/" +
           acme_
               .Must<v1::CreateCustomerRequest>(
                   fmt::format("parent: 'tenants/acme' customer {{ display_name: '{}' }}", name))
               .id();
  }
  std::string Note(const std::string& customer, const std::string& more = "") {
    return "tenants/acme/records/" + acme_
                                         .Must<v1::CreateRecordRequest>(fmt::format(
                                             "parent: 'tenants/acme' record {{ kind: NOTE "
                                             "title: 'note' customer: '{}' {} }}",
                                             customer, more))
                                         .id();
  }
  Reply Set(const std::string& record, const std::string& field, const std::string& value) {
    return acme_.Must<v1::UpdateRecordRequest>(
        fmt::format("record {{ name: '{0}' {1}: '{2}' }} update_mask {{ paths: '{1}' }}", record,
                    field, value));
  }
  void Move(const std::string& record, const std::string& customer) {
    Set(record, "customer", customer);
  }
  void Delete(const std::string& name) {
    const std::string text = fmt::format("name: '{}'", name);
    if (IsRecord(name)) {
      acme_.Must<v1::DeleteRecordRequest>(text);
    } else {
      acme_.Must<v1::DeleteCustomerRequest>(text + " related { all: DELETE }");
    }
  }
  Reply Purge(const std::string& name) {
    return acme_.Do<v1::PurgeEntitiesRequest>(
        fmt::format("parent: 'tenants/acme' names: '{}'", name));
  }
  Reply PurgeInParts(const std::string& name) {
    return acme_.Do<v1::PurgeEntitiesRequest>(
        fmt::format("parent: 'tenants/acme' in_parts: true names: '{}'", name));
  }
  Reply Merge(const std::string& survivor, const std::string& loser) {
    return acme_.Must<v1::MergeCustomersRequest>(
        fmt::format("name: '{}' losers: '{}'", survivor, loser));
  }
  // Takes back what a commit did to one entity.
  Reply UndoOf(const Reply& done, const std::string& entity) {
    v1::UndoRequest undo;
    undo.set_parent("tenants/acme");
    undo.add_names(fmt::format("tenants/acme/commits/{}", done.position));
    undo.add_entities(entity);
    return acme_.Undo(undo);
  }
  void DeleteAndPurge(const std::string& name) {
    Delete(name);
    const Reply purged = Purge(name);
    ASSERT_TRUE(purged.ok()) << purged.status;
  }
  static bool IsRecord(const std::string& name) {
    return name.find("/records/") != std::string::npos;
  }
  static EntityRef Ref(const std::string& name) {
    return {IsRecord(name) ? KindNumber::kRecord : KindNumber::kCustomer,
            name.substr(name.rfind('/') + 1)};
  }
  RowPtr Row(const std::string& name) { return acme_.RowOf(Ref(name)); }
  bool IsDestroyed(const std::string& key) { return acme_.DestroyedKeys().contains(key); }
  static std::string FirstKeyOf(const std::string& name) {
    return "key of " + name.substr(name.find(IsRecord(name) ? "records" : "customers"));
  }
  bool RebuildIsEqual() { return *acme_.Replay() == acme_.rows(); }

  TestTenant acme_;
};

// The undo that cleared the body is sealed under Ann's key.
TEST_F(PurgePastTest, WhatWasClearedIsNotFilledAgainByARebuild) {
  const std::string ann = Customer("Ann"), bo = Customer("Bo");
  const std::string note = Note(bo);
  const Reply written = Set(note, "body", "secret");
  Move(note, ann);
  const Reply undone = acme_.UndoCommit(written.position);
  ASSERT_TRUE(undone.ok()) << undone.status;
  Move(note, bo);
  DeleteAndPurge(ann);
  EXPECT_EQ(Row(note)->As<v1::Record>().body(), "");
  EXPECT_TRUE(RebuildIsEqual());
}

TEST_F(PurgePastTest, NorIsWhatARestoreCleared) {
  const std::string ann = Customer("Ann"), bo = Customer("Bo");
  const std::string note = Note(ann);
  const auto before = static_cast<int64_t>(acme_.head());
  Move(note, bo);
  Set(note, "body", "secret");
  v1::RestoreToRequest request;
  request.set_name(note);
  request.mutable_as_of()->set_position(before);
  const Reply restored = acme_.RestoreTo(request);
  ASSERT_TRUE(restored.ok()) << restored.status;
  Move(note, bo);
  DeleteAndPurge(ann);
  EXPECT_EQ(Row(note)->As<v1::Record>().body(), "");
  EXPECT_TRUE(RebuildIsEqual());
}

TEST_F(PurgePastTest, AStoredAnewRecordKeepsHowItWasCut) {
  const std::string ann = Customer("Ann"), bo = Customer("Bo");
  const std::string note = Note(ann);
  Move(note, bo);
  acme_.Must<v1::DeleteCustomerRequest>(fmt::format("name: '{}' related {{ all: KEEP }}", bo));
  DeleteAndPurge(ann);
  EXPECT_FALSE(Row(note)->head.detached().moved());
  acme_.Must<v1::UndeleteCustomerRequest>(fmt::format("name: '{}'", bo));
  EXPECT_EQ(Row(note)->As<v1::Record>().customer(), bo);
  EXPECT_TRUE(RebuildIsEqual());
}

TEST_F(PurgePastTest, KeysOfAPastThatIsRemovedGoWithIt) {
  const std::string ann = Customer("Ann"), bo = Customer("Bo");
  const std::string note = Note("");
  Move(note, ann);
  Move(note, bo);
  DeleteAndPurge(ann);
  EXPECT_TRUE(Row(note)->live());
  EXPECT_TRUE(IsDestroyed(FirstKeyOf(note)));
  EXPECT_FALSE(IsDestroyed(FirstKeyOf(bo)));
  EXPECT_TRUE(RebuildIsEqual());
  DeleteAndPurge(note);
  EXPECT_TRUE(RebuildIsEqual());
}

TEST_F(PurgePastTest, TheKeyThatARecordIsSealedUnderNowStays) {
  const std::string ann = Customer("Ann");
  const std::string note = Note(ann);
  Move(note, "");
  Set(note, "body", "mine");
  DeleteAndPurge(ann);
  EXPECT_FALSE(IsDestroyed(FirstKeyOf(note)));
  EXPECT_EQ(Row(note)->As<v1::Record>().body(), "mine");
  EXPECT_TRUE(RebuildIsEqual());
  DeleteAndPurge(note);
  EXPECT_TRUE(IsDestroyed(FirstKeyOf(note)));
}

// What a purge as an operation does in one commit.
TEST_F(PurgePastTest, WhatIsStoredAnewAndPurgedAtOnceLeavesNothing) {
  const std::string ann = Customer("Ann"), bo = Customer("Bo");
  const std::string note = Note(ann);
  Move(note, bo);
  Delete(bo);
  Delete(ann);
  v1::PurgeEntitiesRequest request;
  request.set_parent("tenants/acme");
  const Reply purged =
      acme_.DoWith(request, [&](const auto& /*request*/, Draft& draft, const Context& context) {
        for (const std::string& name : {ann, bo}) {
          v1::PurgeEntitiesRequest one;
          one.set_parent("tenants/acme");
          one.add_names(name);
          const absl::Status status = Decide(one, draft, context);
          if (!status.ok()) {
            return status;
          }
        }
        return absl::OkStatus();
      });
  ASSERT_TRUE(purged.ok()) << purged.status;
  EXPECT_TRUE(Row(note)->purged());
  EXPECT_TRUE(RebuildIsEqual());
}

// An operation takes what it wrote itself for no drift.
TEST_F(PurgePastTest, ATombstoneTellsWhoMadeItInWhichChangeSet) {
  const std::string ann = Customer("Ann");
  Delete(ann);
  acme_.ActAs("bo");
  const Reply purged = Purge(ann);
  ASSERT_TRUE(purged.ok()) << purged.status;
  EXPECT_EQ(Row(ann)->head.actor(), "bo");
  EXPECT_EQ(Row(ann)->head.change_set(), purged.position);
  EXPECT_TRUE(RebuildIsEqual());
}

TEST_F(PurgePastTest, AHoldKeepsWhatWasOnceOfTheHeld) {
  const std::string ann = Customer("Ann"), bo = Customer("Bo");
  const std::string moved = Note(ann), cut = Note(ann), other = Note(bo);
  const Reply hold = acme_.Must<v1::PlaceHoldRequest>(
      fmt::format("parent: 'tenants/acme' hold {{ entity: '{}' case_number: '17/26' }} "
                  "options {{ reason: 'suit' }}",
                  ann));
  Move(moved, bo);
  Move(cut, "");
  for (const std::string& name : {moved, cut, other}) Delete(name);
  EXPECT_EQ(Purge(moved).reason(), v1::HELD);
  EXPECT_EQ(Purge(cut).reason(), v1::HELD);
  EXPECT_TRUE(Purge(other).ok());
  acme_.Must<v1::ReleaseHoldRequest>(
      fmt::format("name: 'tenants/acme/holds/{}' options {{ reason: 'settled' }}", hold.id()));
  EXPECT_TRUE(Purge(moved).ok());
  EXPECT_TRUE(Purge(cut).ok());
}

// A purge of the survivor would miss the part, and nobody could purge that
// afterwards.
TEST_F(PurgePastTest, ASurvivorDoesNotForgetItsPartAlone) {
  const std::string ann = Customer("Ann"), bo = Customer("Bo");
  const Reply merge = Merge(ann, bo);
  const Reply refused = UndoOf(merge, ann);
  EXPECT_EQ(refused.reason(), v1::STATE_REFUSED);
  EXPECT_THAT(std::string(refused.status.message()), HasSubstr(bo));
  // The part may come back first, and then the survivor forgets it.
  ASSERT_TRUE(UndoOf(merge, bo).ok());
  const Reply undone = UndoOf(merge, ann);
  ASSERT_TRUE(undone.ok()) << undone.status;
  EXPECT_EQ(acme_.Customer(Ref(ann).id).merged_from_size(), 0);
}

// A merge copies what it unites into the survivor.
TEST_F(PurgePastTest, WhatAMergeBroughtGoesWithItsOwner) {
  const std::string ann = Customer("Ann"), bo = Customer("Bo");
  acme_.Must<v1::UpdateCustomerRequest>(
      fmt::format("customer {{ name: '{}' emails: 'bo@x.co' }} update_mask {{ "
                  "paths: 'emails' }}",
                  bo));
  const Reply merge = Merge(ann, bo);
  ASSERT_EQ(acme_.Customer(Ref(ann).id).emails_size(), 1);
  ASSERT_TRUE(acme_.UndoCommit(merge.position).ok());
  Delete(bo);
  const Reply purged = Purge(bo);
  ASSERT_TRUE(purged.ok()) << purged.status;
  EXPECT_EQ(*acme_.view(merge.position).Get(Ref(ann)), nullptr);
  EXPECT_EQ(Row(ann)->As<v1::Customer>().display_name(), "Ann");
  EXPECT_EQ(Row(ann)->head.past_removed(), purged.position);
  EXPECT_FALSE(IsDestroyed(FirstKeyOf(ann)));
  EXPECT_TRUE(RebuildIsEqual());
}

TEST_F(PurgePastTest, OfWhomManyMovedAwayIsPurgedInParts) {
  const std::string ann = Customer("Ann"), bo = Customer("Bo");
  std::vector<std::string> notes;
  for (int i = 0; i < 1100; ++i) {
    notes.push_back(Note(ann));
    Move(notes.back(), bo);
  }
  Delete(ann);
  const Reply refused = Purge(ann);
  EXPECT_EQ(refused.reason(), v1::USE_OPERATION);
  EXPECT_THAT(std::string(refused.status.message()), HasSubstr("in_parts"));
  const Reply part = PurgeInParts(ann);
  ASSERT_TRUE(part.ok()) << part.status;
  EXPECT_THAT(part.targets, IsEmpty());
  EXPECT_THAT(part.notes, Contains(HasSubstr("not purged yet")));
  EXPECT_TRUE(Row(ann)->binned());
  EXPECT_TRUE(RebuildIsEqual());
  const Reply last = PurgeInParts(ann);
  ASSERT_TRUE(last.ok()) << last.status;
  EXPECT_THAT(last.targets, ElementsAre(Ref(ann)));
  EXPECT_TRUE(Row(ann)->purged());
  for (const std::string& note : notes) {
    EXPECT_GE(Row(note)->head.past_removed(), part.position);
    EXPECT_EQ(Row(note)->As<v1::Record>().title(), "note");
  }
  EXPECT_TRUE(RebuildIsEqual());
}

TEST_F(PurgePastTest, ARowLargerThanAnEventIsStoredAnewFieldByField) {
  const std::string ann = Customer("Ann"), bo = Customer("Bo");
  const std::string note = Note(ann);
  v1::UpdateRecordRequest fill;
  fill.mutable_record()->set_name(note);
  for (int key = 0; key < 50; ++key) {
    (*fill.mutable_record()->mutable_attributes())[fmt::format("key{}", key)] =
        std::string(1000, 'x');
  }
  ASSERT_TRUE(acme_.Do(fill).ok());
  Set(note, "body", std::string(16000, 'x'));
  Move(note, bo);
  const std::string before = acme_.RecordOf(Ref(note).id).attributes().at("key7");
  DeleteAndPurge(ann);
  EXPECT_EQ(acme_.RecordOf(Ref(note).id).attributes().at("key7"), before);
  EXPECT_EQ(acme_.RecordOf(Ref(note).id).body().size(), 16000u);
  EXPECT_TRUE(RebuildIsEqual());
}

TEST_F(PurgePastTest, InPartsIsForOneEntityThatIsNotHeld) {
  const std::string ann = Customer("Ann"), bo = Customer("Bo");
  Delete(ann);
  Delete(bo);
  EXPECT_EQ(acme_
                .Do<v1::PurgeEntitiesRequest>(fmt::format(
                    "parent: 'tenants/acme' in_parts: true names: '{}' names: '{}'", ann, bo))
                .reason(),
            v1::INVALID_FIELD);
  const Reply begun =
      acme_.Must<v1::BeginChangeSetRequest>("parent: 'tenants/acme' title: 'clean up'");
  EXPECT_EQ(acme_
                .Do<v1::PurgeEntitiesRequest>(
                    fmt::format("parent: 'tenants/acme' in_parts: true names: '{}' "
                                "options {{ change_set: {} }}",
                                ann, begun.position))
                .reason(),
            v1::INVALID_FIELD);
  EXPECT_TRUE(PurgeInParts(ann).ok());
  EXPECT_TRUE(Row(ann)->purged());
  acme_.Must<v1::PlaceHoldRequest>(
      "parent: 'tenants/acme' hold { case_number: "
      "'17/26' } options { reason: 'suit' }");
  EXPECT_EQ(PurgeInParts(bo).reason(), v1::HELD);
}

// The first part touches only what stays.
TEST_F(PurgePastTest, NoPartOfWhatIsHeldIsPurged) {
  const std::string ann = Customer("Ann"), bo = Customer("Bo");
  std::vector<std::string> notes;
  for (int i = 0; i < 1100; ++i) {
    notes.push_back(Note(ann));
    Move(notes.back(), bo);
  }
  const std::string binned = Note(ann);
  Delete(ann);
  acme_.Must<v1::PlaceHoldRequest>(
      fmt::format("parent: 'tenants/acme' hold {{ entity: '{}' case_number: '17/26' }} "
                  "options {{ reason: 'suit' }}",
                  binned));
  EXPECT_EQ(PurgeInParts(ann).reason(), v1::HELD);
}

}  // namespace
}  // namespace retrace::domain
