// Undo by example.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "domain/kind.h"
#include "domain/state_moves.h"
#include "domain/undo.h"
#include "fmt/format.h"
#include "tests/domain/sample_kind.h"

namespace retrace::domain {
namespace {

using retrace::testing::AddSampleKind;
using retrace::testing::CreateSample;
using retrace::testing::DeleteSample;
using retrace::testing::kSample;
using retrace::testing::Metadata;
using retrace::testing::Parse;
using retrace::testing::Reply;
using retrace::testing::Sample;
using retrace::testing::TestTenant;
using retrace::testing::Unmet;
using retrace::testing::UpdateSample;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

const bool kAdded = (AddSampleKind(), true);

class UndoTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(kAdded);
    id_ = CreateSample(acme_, Parse<Sample>(kFirst)).id();
  }

  static constexpr char kFirst[] = R"pb(
    level: "gold"
    tags: "a"
    tags: "b"
    score: 10
    email: "ann@x"
    attributes { key: "k" value: "1" }
    parts { key: "p" text: "1" }
    parts { key: "q" text: "2" })pb";

  // Sets the paths to what the text says; the position of the commit.
  Position Set(const char* text, const std::vector<std::string>& paths) {
    const Reply reply = UpdateSample(acme_, id_, Parse<Sample>(text), paths);
    EXPECT_TRUE(reply.ok()) << reply.status;
    return reply.position;
  }
  Sample Now() const { return acme_.RowOf({kSample, id_})->As<Sample>(); }
  std::vector<v1::UndoConflict> Conflicts(Position position) const {
    v1::UndoRequest request;
    request.add_names("tenants/acme/commits/" + std::to_string(position));
    return *FindUndoConflicts(acme_.Resolve(request), acme_.view(), "acme");
  }

  TestTenant acme_;
  std::string id_;
};

TEST_F(UndoTest, TakesBackOnePathAndLeavesTheRest) {
  acme_.ActAs("sync");
  const Position wrong =
      Set(R"pb(level: "tin" tags: "a" tags: "x" score: 5)pb", {"level", "tags", "score"});
  acme_.ActAs("ann");
  Set(R"pb(tags: "a" tags: "x" tags: "mine" score: 1)pb", {"tags", "score"});
  const Reply undo = acme_.UndoCommit(wrong);
  ASSERT_TRUE(undo.ok()) << undo.status;
  EXPECT_EQ(Now().level(), "gold");
  EXPECT_THAT(Now().tags(), ElementsAre("a", "b", "mine"));
  EXPECT_EQ(Now().score(), 11);
  EXPECT_EQ(Now().shout(), "GOLD");
}

TEST_F(UndoTest, ConflictSaysWhatWhoAndWhen) {
  acme_.ActAs("ann");
  const Position first = Set(R"pb(level: "tin")pb", {"level"});
  acme_.ActAs("bob");
  const Position later = Set(R"pb(level: "lead")pb", {"level"});
  const Reply undo = acme_.UndoCommit(first);
  EXPECT_EQ(undo.reason(), v1::UNDO_CONFLICT);
  EXPECT_EQ(Metadata(undo.status, "conflicts"), "1");
  const auto conflicts = Conflicts(first);
  ASSERT_EQ(conflicts.size(), 1u);
  EXPECT_EQ(conflicts[0].entity(), "tenants/acme/samples/" + id_);
  EXPECT_EQ(conflicts[0].path(), "level");
  EXPECT_EQ(conflicts[0].now().string_value(), "lead");
  EXPECT_EQ(conflicts[0].was().string_value(), "gold");
  EXPECT_EQ(conflicts[0].actor(), "bob");
  EXPECT_EQ(conflicts[0].position(), static_cast<int64_t>(later));
  EXPECT_EQ(conflicts[0].change_set(), static_cast<int64_t>(later));
  EXPECT_EQ(conflicts[0].cause(), v1::UndoConflict::CHANGED_SINCE);
  EXPECT_TRUE(Conflicts(later).empty());
}

TEST_F(UndoTest, ConflictOverAMemberSaysWhetherItIsThere) {
  const Position first = Set(R"pb(tags: "a"
                                  tags: "x"
                                  attributes { key: "k" value: "2" }
                                  attributes { key: "new" value: "1" }
                                  parts { key: "q" text: "3" })pb",
                             {"tags", "attributes", "parts"});
  acme_.ActAs("bob");
  Set(R"pb(tags: "b"
           attributes { key: "k" value: "1" }
           parts { key: "p" text: "4" })pb",
      {"tags", "attributes", "parts"});
  const Reply undo = acme_.UndoCommit(first);
  EXPECT_EQ(undo.reason(), v1::UNDO_CONFLICT);
  std::vector<std::string> said;
  for (const std::string& line : Unmet(undo.status)) {
    said.push_back(line.substr(line.find(' ') + 1, line.find(';') - line.find(' ') - 1));
  }
  EXPECT_THAT(said, ElementsAre("tags[\"b\"]: Is there, as it was before",
                                "tags[\"x\"]: Is not there, as it was before",
                                "attributes.k: Is \"1\", as it was before",
                                "attributes.new: Is not there, as it was before",
                                AllOf(HasSubstr("parts[\"p\"]: Is {"), HasSubstr("}, was {")),
                                HasSubstr("parts[\"q\"]: Is not there, was {")));
  const auto conflicts = Conflicts(first);
  ASSERT_EQ(conflicts.size(), said.size());
  EXPECT_EQ(conflicts[1].member(), "x");
  EXPECT_FALSE(conflicts[1].has_now() || conflicts[1].has_was());
  EXPECT_EQ(conflicts[4].member(), "p");
}

TEST_F(UndoTest, AValueTooLongToSayIsSaidToBeThereOrChanged) {
  const std::string one(100, 'x'), other(100, 'y');
  Set(("level: '" + one + "' parts { key: 'p' text: '" + one + "' }").c_str(), {"level", "parts"});
  const Position wrong = Set("level: 'tin' parts { key: 'p' text: 'tin' }", {"level", "parts"});
  Set(("level: '" + other + "' parts { key: 'p' text: '" + other + "' }").c_str(),
      {"level", "parts"});
  EXPECT_THAT(Unmet(acme_.UndoCommit(wrong).status),
              ElementsAre(HasSubstr("level: Is a long value, but not as it was before;"),
                          HasSubstr("parts[\"p\"]: Is there, but not as it was before;")));
}

TEST_F(UndoTest, PartialLeavesConflictsAndForceOverwritesThem) {
  const Position first = Set(R"pb(level: "tin" email: "bo@x")pb", {"level", "email"});
  Set(R"pb(level: "lead")pb", {"level"});
  ASSERT_TRUE(acme_.UndoCommit(first, v1::PARTIAL).ok());
  EXPECT_EQ(Now().level(), "lead");
  EXPECT_EQ(Now().email(), "ann@x");
  const Reply forced = acme_.UndoCommit(first, v1::FORCE);
  ASSERT_TRUE(forced.ok()) << forced.status;
  EXPECT_EQ(Now().level(), "gold");
  ASSERT_TRUE(acme_.UndoCommit(forced.position).ok());
  EXPECT_EQ(Now().level(), "lead");
}

// Every write is looked at once, however many there are; for what looks back from each of them anew
// this takes thirty times as long.
TEST_F(UndoTest, TakesBackALongHistoryAtOnce) {
  constexpr int kWrites = 9'000;
  const auto set = static_cast<int64_t>(
      acme_.Must<v1::BeginChangeSetRequest>("parent: 'tenants/acme' title: 'much'").position);
  for (int i = 0; i < kWrites; ++i) {
    Sample sample;
    sample.set_level(fmt::format("level {}", i));
    ASSERT_TRUE(UpdateSample(acme_, id_, sample, {"level"}, set).ok());
  }
  v1::UndoRequest request;
  request.set_parent("tenants/acme");
  request.add_names(fmt::format("tenants/acme/changeSets/{}", set));
  const Reply undo = acme_.Undo(request);
  ASSERT_TRUE(undo.ok()) << undo.status;
  EXPECT_EQ(Now().level(), "gold");
  ASSERT_TRUE(acme_.UndoCommit(undo.position).ok());
  EXPECT_EQ(Now().level(), fmt::format("level {}", kWrites - 1));
}

TEST_F(UndoTest, WorksOutOfOrder) {
  const Position first = Set(R"pb(level: "tin")pb", {"level"});
  const Position second = Set(R"pb(level: "lead")pb", {"level"});
  const Position undo_second = acme_.UndoCommit(second).position;
  const Position undo_first = acme_.UndoCommit(first).position;
  EXPECT_EQ(Now().level(), "gold");
  // What was undone last must come back first.
  EXPECT_EQ(acme_.UndoCommit(undo_second).reason(), v1::UNDO_CONFLICT);
  ASSERT_TRUE(acme_.UndoCommit(undo_first).ok());
  ASSERT_TRUE(acme_.UndoCommit(undo_second).ok());
  EXPECT_EQ(Now().level(), "lead");
}

TEST_F(UndoTest, WhatWasAddedIsTakenBackInAnyOrder) {
  const Position five = Set("score: 5", {"score"});
  const Position one = Set("score: 1", {"score"});
  const Reply undo_five = acme_.UndoCommit(five);
  ASSERT_TRUE(undo_five.ok()) << undo_five.status;
  EXPECT_EQ(Now().score(), 11);
  // The later undo of an earlier addition is no conflict.
  const Reply undo_one = acme_.UndoCommit(one);
  ASSERT_TRUE(undo_one.ok()) << undo_one.status;
  EXPECT_EQ(Now().score(), 10);
}

TEST_F(UndoTest, WhatWasAddedIsNotSubtractedTwice) {
  const Position five = Set("score: 5", {"score"});
  const Reply undo = acme_.UndoCommit(five);
  const Reply redo = acme_.UndoCommit(undo.position);
  const Reply again = acme_.UndoCommit(five);
  ASSERT_TRUE(again.ok()) << again.status;
  EXPECT_EQ(Now().score(), 10);
  // Without the redo the first undo would stand beside the second.
  EXPECT_EQ(acme_.UndoCommit(redo.position).reason(), v1::UNDO_CONFLICT);
  ASSERT_TRUE(acme_.UndoCommit(redo.position, v1::FORCE).ok());
  EXPECT_EQ(Now().score(), 10);
}

TEST_F(UndoTest, SaysSoWhenItWasUndoneBefore) {
  const Position first = Set(R"pb(level: "tin")pb", {"level"});
  const Position undo = acme_.UndoCommit(first).position;
  EXPECT_EQ(acme_.UndoCommit(first).reason(), v1::ALREADY_UNDONE);
  ASSERT_TRUE(acme_.UndoCommit(undo).ok());
  EXPECT_EQ(acme_.UndoCommit(undo).reason(), v1::ALREADY_UNDONE);
  EXPECT_TRUE(acme_.UndoCommit(first).ok());
}

TEST_F(UndoTest, OneofIsOnePath) {
  const Position first = Set("pager: 7", {"email", "pager"});
  EXPECT_EQ(Now().contact_case(), Sample::kPager);
  ASSERT_TRUE(acme_.UndoCommit(first).ok());
  EXPECT_EQ(Now().email(), "ann@x");
}

TEST_F(UndoTest, ElementsComeBackToTheirPlace) {
  const Position first = Set(R"pb(parts { key: "q" text: "2" })pb", {"parts"});
  const Position second = Set(R"pb(parts { key: "q" text: "2" }
                                   parts { key: "r" text: "3" })pb",
                              {"parts"});
  ASSERT_TRUE(acme_.UndoCommit(first).ok());
  ASSERT_EQ(Now().parts_size(), 3);
  EXPECT_EQ(Now().parts(0).key(), "p");
  EXPECT_EQ(Now().parts(2).key(), "r");
  ASSERT_TRUE(acme_.UndoCommit(second).ok());
  EXPECT_EQ(Now().parts_size(), 2);
}

TEST_F(UndoTest, KeysThatStandTwiceMakeTheListOnePath) {
  const Position one = Set(R"pb(parts { key: "p" text: "1" }
                                parts { key: "p" text: "2" })pb",
                           {"parts"});
  const Position two = Set(R"pb(parts { key: "p" text: "2" })pb", {"parts"});
  EXPECT_EQ(acme_.UndoCommit(one).reason(), v1::UNDO_CONFLICT);
  ASSERT_TRUE(acme_.UndoCommit(two).ok());
  ASSERT_TRUE(acme_.UndoCommit(one).ok());
  EXPECT_EQ(Now().parts(1).key(), "q");
}

TEST_F(UndoTest, FieldsThatNeedEvidenceStay) {
  const Position out = Set("opted_out: true level: \"tin\"", {"opted_out", "level"});
  EXPECT_EQ(acme_.UndoCommit(out).reason(), v1::EVIDENCE_REQUIRED);
  EXPECT_EQ(acme_.UndoCommit(out, v1::FORCE).reason(), v1::EVIDENCE_REQUIRED);
  ASSERT_TRUE(acme_.UndoCommit(out, v1::PARTIAL).ok());
  EXPECT_TRUE(Now().opted_out());
  EXPECT_EQ(Now().level(), "gold");
}

TEST_F(UndoTest, CreationGoesToTheBinUnlessSomebodyWorkedOnIt) {
  const Position creation = acme_.RowOf({kSample, id_})->head.create_position();
  const Position update = Set(R"pb(level: "tin")pb", {"level"});
  EXPECT_EQ(acme_.UndoCommit(creation).reason(), v1::UNDO_CONFLICT);
  ASSERT_TRUE(acme_.UndoCommit(update).ok());
  const Reply undo = acme_.UndoCommit(creation);
  ASSERT_TRUE(undo.ok()) << undo.status;
  EXPECT_TRUE(acme_.RowOf({kSample, id_})->binned());
  EXPECT_EQ(acme_.Content(), "");
  EXPECT_EQ(acme_.UndoCommit(creation).reason(), v1::ALREADY_UNDONE);
  ASSERT_TRUE(acme_.UndoCommit(undo.position).ok());
  EXPECT_TRUE(acme_.RowOf({kSample, id_})->live());
}

TEST_F(UndoTest, WhatLiesInTheBinIsNotChanged) {
  const Position update = Set(R"pb(level: "tin")pb", {"level"});
  const Reply deletion = DeleteSample(acme_, id_);
  EXPECT_EQ(acme_.UndoCommit(update).reason(), v1::UNDO_CONFLICT);
  EXPECT_EQ(acme_.UndoCommit(update, v1::FORCE).reason(), v1::UNDO_CONFLICT);
  ASSERT_TRUE(acme_.UndoCommit(deletion.position).ok());
  EXPECT_TRUE(acme_.UndoCommit(update).ok());
}

TEST_F(UndoTest, AgentsUndoTheirOwnWithinADay) {
  acme_.ActAs("bob", {});
  const Position his = Set(R"pb(level: "tin")pb", {"level"});
  acme_.ActAs("ann", {});
  EXPECT_EQ(acme_.UndoCommit(his).reason(), v1::NOT_YOUR_CHANGE_SET);
  EXPECT_EQ(acme_.UndoCommit(his, v1::FORCE).reason(), v1::PERMISSION_MISSING);
  acme_.ActAs("bob", {});
  acme_.Pass(kAgentUndoUs);
  EXPECT_EQ(acme_.UndoCommit(his).reason(), v1::NOT_YOUR_CHANGE_SET);
  acme_.ActAs("bob", {kUndoOld});
  EXPECT_TRUE(acme_.UndoCommit(his).ok());
}

TEST_F(UndoTest, RefusesToBinWhatOthersAreAttachedTo) {
  const Reply customer =
      acme_.Must<v1::CreateCustomerRequest>(R"pb(parent: "tenants/acme"
                                                 customer { display_name: "Ann" })pb");
  v1::CreateRecordRequest request;
  request.set_parent("tenants/acme");
  request.mutable_record()->set_kind(v1::Record::DEAL);
  request.mutable_record()->set_title("Pumps");
  request.mutable_record()->set_customer("tenants/acme/customers/" + customer.id());
  const Reply record = acme_.Do(request);
  EXPECT_EQ(acme_.UndoCommit(customer.position).reason(), v1::RELATED_EXIST);
  ASSERT_TRUE(acme_.UndoCommit(record.position).ok());
  EXPECT_TRUE(acme_.UndoCommit(customer.position).ok());
}

TEST_F(UndoTest, RedoneDeletionIsUndeletedWithWhatItTook) {
  const Reply customer =
      acme_.Must<v1::CreateCustomerRequest>(R"pb(parent: "tenants/acme"
                                                 customer { display_name: "Ann" })pb");
  const std::string name = "tenants/acme/customers/" + customer.id();
  std::vector<std::string> records;
  for (const auto kind : {v1::Record::DEAL, v1::Record::NOTE}) {
    v1::CreateRecordRequest request;
    request.set_parent("tenants/acme");
    request.mutable_record()->set_kind(kind);
    request.mutable_record()->set_title("Pumps");
    request.mutable_record()->set_customer(name);
    records.push_back(acme_.Do(request).id());
  }
  const std::string before = acme_.Content();
  v1::DeleteCustomerRequest deletion;
  deletion.set_name(name);
  deletion.mutable_related()->set_all(v1::RelatedRecords::DELETE);
  auto& rule = *deletion.mutable_related()->add_rules();
  rule.set_kind("NOTE");
  rule.set_choice(v1::RelatedRecords::KEEP);
  const Reply deleted = acme_.Do(deletion);
  const Reply undo = acme_.UndoCommit(deleted.position);
  ASSERT_TRUE(undo.ok()) << undo.status;
  EXPECT_EQ(acme_.Content(), before);
  EXPECT_EQ(acme_.RecordOf(records[1]).detached_from(), "");
  ASSERT_TRUE(acme_.UndoCommit(undo.position).ok());
  EXPECT_EQ(acme_.RecordOf(records[1]).detached_from(), name);
  v1::UndeleteCustomerRequest undelete;
  undelete.set_name(name);
  ASSERT_TRUE(acme_.Do(undelete).ok());
  EXPECT_EQ(acme_.Content(), before);
}

TEST_F(UndoTest, ChangeSetIsUndoneAsOne) {
  const Reply begun = acme_.Must<v1::BeginChangeSetRequest>(R"pb(parent: "tenants/acme")pb");
  const auto change_set = static_cast<int64_t>(begun.position);
  UpdateSample(acme_, id_, Parse<Sample>(R"pb(level: "tin" score: 1)pb"), {"level", "score"},
               change_set);
  UpdateSample(acme_, id_, Parse<Sample>(R"pb(level: "lead" score: 1)pb"), {"level", "score"},
               change_set);
  v1::UndoRequest request;
  request.set_parent("tenants/acme");
  request.add_names("tenants/acme/changeSets/" + std::to_string(change_set));
  const Reply undo = acme_.Undo(request);
  ASSERT_TRUE(undo.ok()) << undo.status;
  EXPECT_EQ(Now().level(), "gold");
  EXPECT_EQ(Now().score(), 10);
  ASSERT_TRUE(acme_.UndoCommit(undo.position).ok());
  EXPECT_EQ(Now().level(), "lead");
  EXPECT_EQ(Now().score(), 12);
}

TEST_F(UndoTest, OnlyTheNamedEntities) {
  const std::string other = CreateSample(acme_, Parse<Sample>(R"pb(level: "gold")pb")).id();
  v1::UndoRequest request;
  request.set_parent("tenants/acme");
  request.add_names("tenants/acme/commits/" + std::to_string(acme_.head()));
  request.add_entities("tenants/acme/samples/" + id_);
  EXPECT_EQ(acme_.Undo(request).reason(), v1::INVALID_FIELD);
  request.set_entities(0, "tenants/acme/samples/" + other);
  ASSERT_TRUE(acme_.Undo(request).ok());
  EXPECT_TRUE(acme_.RowOf({kSample, other})->binned());
  EXPECT_TRUE(acme_.RowOf({kSample, id_})->live());
}

}  // namespace
}  // namespace retrace::domain
