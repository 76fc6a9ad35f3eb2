// Announced plans: who is who, who is told what, what undo means for them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/domain/announcement_fixture.h"

namespace retrace::domain {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

TEST_F(AnnouncementTest, ItsUndoIsToldOnceAndTheUndoOfThat) {
  const std::string id = Opened();
  acme_.Must<v1::ExecuteRequest>(Named(id));
  const Reply done =
      acme_.Must<v1::CreateCustomerRequest>(R"pb(parent: "tenants/acme"
                                                 customer { display_name: "Eve" })pb");
  Advance(id, Announcement::EXECUTED, static_cast<int64_t>(done.position));
  const Reply undone = Undo(done.position);
  ASSERT_TRUE(undone.ok()) << undone.status;
  EXPECT_THAT(undone.events, Contains(HasSubstr("plans.undone")));
  EXPECT_EQ(Row(id).shown().undone_by(), static_cast<int64_t>(undone.position));
  const Reply redone = Undo(undone.position);
  ASSERT_TRUE(redone.ok()) << redone.status;
  EXPECT_THAT(redone.events, Contains(HasSubstr("plans.executed")));
  EXPECT_EQ(Row(id).shown().undone_by(), 0);
}

TEST_F(AnnouncementTest, PartsOfItsUndoAreToldAsParts) {
  const std::string id = Opened();
  const Position done = Executed(id);
  v1::UndoRequest one;
  one.add_names(absl::StrCat("tenants/acme/changeSets/", done));
  one.add_entities(Made(0));
  const Reply part = Undo(one);
  ASSERT_TRUE(part.ok()) << part.status;
  EXPECT_THAT(part.events, Contains(HasSubstr("1 of 3 entities were taken back.")));
  EXPECT_EQ(Row(id).shown().undone_by(), static_cast<int64_t>(part.position));
  // What is left is told, too, as the whole that it now is.
  one.clear_entities();
  const Reply rest = Undo(one);
  ASSERT_TRUE(rest.ok()) << rest.status;
  EXPECT_THAT(rest.events, Contains(HasSubstr("plans.undone")));
  EXPECT_THAT(rest.events, Not(Contains(HasSubstr("taken back."))));
  EXPECT_EQ(Row(id).shown().undone_by(), static_cast<int64_t>(rest.position));
  const Reply again = Undo(rest.position);
  ASSERT_TRUE(again.ok()) << again.status;
  EXPECT_THAT(again.events,
              Contains(HasSubstr("2 of the entities that were taken back stand again.")));
  EXPECT_EQ(Row(id).shown().undone_by(), static_cast<int64_t>(part.position));
  EXPECT_THAT(Undo(part.position).events, Contains(HasSubstr("it stands.")));
  EXPECT_EQ(Row(id).shown().undone_by(), 0);
}

TEST_F(AnnouncementTest, AnUndoThatTakesNothingBackIsNotTold) {
  const std::string id = Opened();
  const Position done = Executed(id);
  acme_.Must<v1::UpdateCustomerRequest>(absl::Substitute(R"pb(customer { name: "$0" level: "gold" }
                                                              update_mask { paths: "level" })pb",
                                                         Made(0)));
  v1::UndoRequest one;
  one.add_names(absl::StrCat("tenants/acme/changeSets/", done));
  one.add_entities(Made(0));
  one.set_mode(v1::PARTIAL);
  const Reply nothing = Undo(one);
  ASSERT_TRUE(nothing.ok()) << nothing.status;
  EXPECT_THAT(nothing.events, Not(Contains(HasSubstr("plans."))));
  EXPECT_EQ(Row(id).shown().undone_by(), 0);
  one.clear_entities();
  EXPECT_THAT(Undo(one).events, Contains(HasSubstr("2 of 3 entities were taken back.")));
}

TEST_F(AnnouncementTest, AnUndoOfTwoIsToldToBoth) {
  const std::string first = Opened();
  const Position first_done = Executed(first);
  const std::string second = Opened();
  const Position second_done = Executed(second);
  v1::UndoRequest both;
  both.add_names(absl::StrCat("tenants/acme/changeSets/", first_done));
  both.add_names(absl::StrCat("tenants/acme/changeSets/", second_done));
  const Reply undone = Undo(both);
  ASSERT_TRUE(undone.ok()) << undone.status;
  for (const std::string& id : {first, second}) {
    EXPECT_EQ(Row(id).shown().undone_by(), static_cast<int64_t>(undone.position));
    EXPECT_THAT(undone.events,
                Contains(AllOf(HasSubstr("plans.undone"),
                               HasSubstr("about: \"tenants/acme/announcements/" + id))));
  }
}

TEST_F(AnnouncementTest, UsersOfAServiceArePeople) {
  AskForASecondPerson();
  const std::string id = OpenedBy("web", "eve");
  EXPECT_EQ(Row(id).shown().asker(), "eve");
  EXPECT_EQ(Row(id).shown().planner(), "web");
  // Eve is no second person by another way, nor is the service without anybody.
  EXPECT_EQ(Approve(id, "eve").reason(), v1::SECOND_PERSON_REQUIRED);
  EXPECT_EQ(Approve(id, "web").reason(), v1::SECOND_PERSON_REQUIRED);
  EXPECT_EQ(Approve(id, "web", "eve").reason(), v1::SECOND_PERSON_REQUIRED);
  EXPECT_EQ(Execute(id, "eve").reason(), v1::SECOND_PERSON_REQUIRED);
  EXPECT_EQ(Execute(id, "web").reason(), v1::SECOND_PERSON_REQUIRED);
  // Others say what they say for themselves.
  for (const char* person : {"bob", "sue", "bob"}) {
    acme_.Must<v1::AcknowledgeRequest>(
        Named(id, absl::Substitute(R"pb(options { on_behalf_of: "$0" })pb", person)));
  }
  EXPECT_EQ(Row(id).shown().acknowledgements_size(), 2);
  const Reply objected =
      acme_.Must<v1::ObjectRequest>(Named(id, R"pb(words: "no"
                                                   options { on_behalf_of: "bob" })pb"));
  EXPECT_THAT(objected.events, Contains(HasSubstr("principals/eve")));
  EXPECT_EQ(Row(id).shown().objections(0).principal(), "bob");
  EXPECT_EQ(acme_
                .Do<v1::AcknowledgeObjectionsRequest>(
                    Named(id, R"pb(acknowledge_objections: 1
                                   options { on_behalf_of: "bob" })pb"))
                .reason(),
            v1::PERMISSION_MISSING);
  ASSERT_TRUE(Approve(id, "web", "bob").ok());
  EXPECT_EQ(Row(id).shown().approver(), "bob");
  EXPECT_EQ(Row(id).approver_principal(), "web");
  acme_.ActAs("eve");
  acme_.Must<v1::AcknowledgeObjectionsRequest>(Named(id, "acknowledge_objections: 1"));
  EXPECT_TRUE(Execute(id, "web", "eve").ok());
}

TEST_F(AnnouncementTest, WhoExecutesForAServiceIsTheSecondPersonToo) {
  AskForASecondPerson();
  const std::string id = OpenedBy("web", "eve");
  ASSERT_TRUE(Execute(id, "web", "bob").ok());
  EXPECT_EQ(Row(id).shown().approver(), "bob");
  // What the service announced for itself is its users' own no less.
  acme_.ActAs("web");
  const Reply own = acme_.Do(Resolved("web"));
  EXPECT_EQ(Execute(own.id(), "web", "bob").reason(), v1::SECOND_PERSON_REQUIRED);
  EXPECT_TRUE(Execute(own.id(), "bob").ok());
}

TEST_F(AnnouncementTest, ASecondPersonCountsAfterWhoApprovedTheirOwn) {
  acme_.ActAs("agnes");
  const std::string id = Announce("").id();
  ASSERT_TRUE(Approve(id, "agnes").ok());
  AskForASecondPerson();
  EXPECT_EQ(Execute(id, "agnes").reason(), v1::SECOND_PERSON_REQUIRED);
  ASSERT_TRUE(Approve(id, "ann").ok());
  EXPECT_EQ(Row(id).shown().approver(), "ann");
  EXPECT_EQ(Row(id).shown().planner(), "agnes");
  EXPECT_TRUE(Execute(id, "agnes").ok());
}

TEST_F(AnnouncementTest, WhatFailedWithoutEffectNamesNoChangeSet) {
  const std::string id = Opened();
  ASSERT_TRUE(Execute(id, "ann").ok());
  store::v1::AdvanceAnnouncement step;
  step.set_announcement(id);
  step.mutable_started()->set_operation("op");
  step.mutable_started()->set_change_set(7);
  ASSERT_TRUE(acme_.Record(step).ok());
  EXPECT_EQ(Row(id).shown().result().change_set(), 7);
  const Reply ended = Advance(id, Announcement::FAILED, 0);
  EXPECT_EQ(Row(id).shown().result().change_set(), 0);
  EXPECT_EQ(Row(id).change_set(), 0);
  // Everybody heard that it would be done.
  EXPECT_THAT(ended.events, Contains(AllOf(HasSubstr("plans.failed"), HasSubstr("Sales"))));
  EXPECT_FALSE(Row(id).has_command());
}

TEST_F(AnnouncementTest, EndsAreToldToWhoAsked) {
  const std::string open = Opened();
  acme_.ActAs("bob");
  EXPECT_THAT(acme_.Must<v1::WithdrawRequest>(Named(open)).events,
              Contains(AllOf(HasSubstr("plans.withdrawn"), HasSubstr("Sales"),
                             HasSubstr("principals/ann"))));
  acme_.ActAs("ann");
  Opened();
  acme_.Pass(8 * kDayUs);
  acme_.ActAs("retraced");
  EXPECT_EQ(FireDue(), 1u);
  EXPECT_THAT(told_, Contains(AllOf(HasSubstr("plans.expired"), HasSubstr("Sales"),
                                    HasSubstr("principals/ann"))));
  // Of a request those who were asked hear that there is nothing to approve any more.
  const std::string request = Announce("").id();
  EXPECT_THAT(
      acme_.Must<v1::WithdrawRequest>(Named(request)).events,
      Contains(AllOf(HasSubstr("plans.withdrawn"), HasSubstr("permission: \"customers.delete\""))));
}

TEST_F(AnnouncementTest, ARequestIsToldToItsAudienceAndToThoseWhoMay) {
  store::v1::ResolvedAnnounce resolved = Resolved("");
  resolved.mutable_announced()->mutable_to()->set_permission("records.read");
  const Reply reply = acme_.Do(resolved);
  ASSERT_TRUE(reply.ok()) << reply.status;
  for (const char* permission : {"records.read", "customers.delete"}) {
    EXPECT_THAT(reply.events,
                Contains(AllOf(HasSubstr("NotificationRequested"), HasSubstr("plans.requested"),
                               HasSubstr(absl::Substitute("permission: \"$0\"", permission)))));
  }
}

// What a person announced can be taken back by nobody who only says that they act for them.
TEST_F(AnnouncementTest, NoServiceSpeaksForWhoAnnounced) {
  const std::string id = Opened();
  acme_.ActAs("bob");
  acme_.Must<v1::ObjectRequest>(Named(id, R"pb(words: "no")pb"));
  acme_.ActAs("svc", {"customers.delete"});
  const std::string ann = R"pb(options { on_behalf_of: "ann" })pb";
  const auto withdraw = [&] { return acme_.Do<v1::WithdrawRequest>(Named(id, ann)).reason(); };
  EXPECT_EQ(withdraw(), v1::PERMISSION_MISSING);
  const std::string names = R"pb(names: "tenants/acme/customers/x")pb";
  EXPECT_EQ(acme_.Do<v1::TakeOutRequest>(Named(id, names + ann)).reason(), v1::PERMISSION_MISSING);
  EXPECT_EQ(
      acme_.Do<v1::AcknowledgeObjectionsRequest>(Named(id, "acknowledge_objections: 1 " + ann))
          .reason(),
      v1::PERMISSION_MISSING);
  // Nor is it the second person.
  AskForASecondPerson();
  EXPECT_EQ(Approve(id, "svc", "ann").reason(), v1::SECOND_PERSON_REQUIRED);
  // The service through which it was announced speaks for them again, and for nobody else.
  const std::string theirs = OpenedBy("web", "eve");
  acme_.ActAs("web", {"customers.delete"});
  EXPECT_EQ(acme_.Do<v1::WithdrawRequest>(Named(theirs, ann)).reason(), v1::PERMISSION_MISSING);
  EXPECT_EQ(acme_.Do<v1::WithdrawRequest>(Named(theirs)).reason(), v1::PERMISSION_MISSING);
  EXPECT_TRUE(
      acme_.Do<v1::WithdrawRequest>(Named(theirs, R"pb(options { on_behalf_of: "eve" })pb")).ok());
}

TEST_F(AnnouncementTest, WhoApprovesLastIsTheApprover) {
  AskForASecondPerson();
  const std::string id = Opened();
  ASSERT_TRUE(Approve(id, "sue").ok());
  EXPECT_THAT(Approve(id, "sue").events, IsEmpty());
  EXPECT_THAT(Approve(id, "eve").events, Contains(HasSubstr("plans.approved")));
  EXPECT_EQ(Row(id).shown().approver(), "eve");
  ASSERT_TRUE(Execute(id, "bob").ok());
  EXPECT_EQ(Row(id).shown().approver(), "bob");
}

TEST_F(AnnouncementTest, WhoObjectedHearsTheEnd) {
  const std::string id = Opened();
  acme_.ActAs("zoe");
  acme_.Must<v1::ObjectRequest>(Named(id, R"pb(words: "no")pb"));
  acme_.ActAs("ann");
  acme_.Must<v1::ExecuteRequest>(Named(id, "acknowledge_objections: 1"));
  EXPECT_THAT(Advance(id, Announcement::EXECUTED, 5).events,
              Contains(AllOf(HasSubstr("plans.executed"), HasSubstr("principals/zoe"))));
}

TEST_F(AnnouncementTest, NoticesSayWhyItWillBeDone) {
  store::v1::ResolvedAnnounce resolved = Resolved("");
  resolved.mutable_announced()->set_reason("they left");
  const Reply requested = acme_.Do(resolved);
  EXPECT_THAT(requested.events,
              Contains(AllOf(HasSubstr("plans.requested"), HasSubstr("reason: \"they left\""))));
  const Reply approved = Approve(requested.id(), "bob");
  EXPECT_THAT(approved.events,
              Contains(AllOf(HasSubstr("plans.announced"), HasSubstr("reason: \"they left\""),
                             HasSubstr("by Friday"), HasSubstr("3 customers: Deleted"),
                             HasSubstr("It can be executed until 20"))));
  acme_.Pass(8 * kDayUs);
  FireDue();
  EXPECT_THAT(told_,
              Contains(AllOf(HasSubstr("plans.expired"), HasSubstr("reason: \"they left\""))));
}

TEST_F(AnnouncementTest, OneIsNoCountOfMany) {
  v1::Plan plan;
  auto& count = *plan.add_counts();
  count.set_kind("customers");
  count.set_change("Deleted");
  count.set_count(1);
  EXPECT_EQ(SummaryOf(plan), "1 customer: Deleted");
}

TEST_F(AnnouncementTest, AnUndoThatMayGoOnCountsNoParts) {
  const std::string id = Opened();
  const Position done = Executed(id);
  const Position open =
      acme_.Must<v1::BeginChangeSetRequest>(R"pb(parent: "tenants/acme" title: "all")pb").position;
  v1::UndoRequest one;
  one.add_names(absl::StrCat("tenants/acme/changeSets/", done));
  one.mutable_options()->set_change_set(static_cast<int64_t>(open));
  one.add_entities(Made(0));
  const Reply first = Undo(one);
  ASSERT_TRUE(first.ok()) << first.status;
  EXPECT_THAT(
      first.events,
      Contains(AllOf(HasSubstr("plans.undone"),
                     HasSubstr(absl::StrCat("`tenants/acme/changeSets/", open, "` tells")))));
  one.set_entities(0, Made(1));
  ASSERT_TRUE(Undo(one).ok());
  one.set_entities(0, Made(2));
  const Reply last = Undo(one);
  ASSERT_TRUE(last.ok()) << last.status;
  EXPECT_THAT(last.events, Not(Contains(HasSubstr("taken back."))));
}

TEST_F(AnnouncementTest, WhatIsRestoredIsUndoneToo) {
  const Reply made =
      acme_.Must<v1::CreateCustomerRequest>(R"pb(parent: "tenants/acme"
                                                 customer { display_name: "Eve" })pb");
  const std::string eve = NameOf("acme", made.targets.at(0));
  const std::string id = Opened();
  ASSERT_TRUE(Execute(id, "ann").ok());
  const Reply deleted =
      acme_.Must<v1::DeleteCustomerRequest>(absl::Substitute(R"pb(name: "$0"
                                                                  related { all: DELETE })pb",
                                                             eve));
  ASSERT_TRUE(Advance(id, Announcement::EXECUTED, static_cast<int64_t>(deleted.position)).ok());
  v1::UndeleteCustomerRequest undelete;
  undelete.set_name(eve);
  const Reply restored =
      acme_.DoWith(undelete, [&](const auto&, Draft& draft, const Context& context) {
        const absl::Status decided = Decide(undelete, draft, context);
        return decided.ok() ? NoteUndone(draft, context) : decided;
      });
  ASSERT_TRUE(restored.ok()) << restored.status;
  EXPECT_THAT(restored.events, Contains(HasSubstr("plans.undone")));
  EXPECT_EQ(Row(id).shown().undone_by(), static_cast<int64_t>(restored.position));
  EXPECT_THAT(Undo(restored.position).events, Contains(HasSubstr("it stands.")));
  EXPECT_EQ(Row(id).shown().undone_by(), 0);
}

TEST_F(AnnouncementTest, UndosAreTakenTogetherWhenThereAreMany) {
  const std::string id = Opened();
  const Position done = Executed(id);
  v1::UndoRequest one;
  one.add_names(absl::StrCat("tenants/acme/changeSets/", done));
  one.add_entities(Made(0));
  ASSERT_TRUE(Undo(one).ok());
  store::v1::AnnouncementRow row = Row(id);
  for (int i = 0; i < 1000; ++i) {
    store::v1::AnnouncementUndone undone;
    undone.set_by(1'000'000 + static_cast<uint64_t>(i));
    undone.set_entities(2);
    const CommitHeader header;
    domain::Row after;
    after.resource = std::make_shared<store::v1::AnnouncementRow>(row);
    KindOf(KindNumber::kAnnouncement).apply(undone, header, after);
    row = after.As<store::v1::AnnouncementRow>();
  }
  EXPECT_EQ(row.undos_size(), 200);
  int64_t entities = 0;
  for (const store::v1::AnnouncementUndo& undo : row.undos()) entities += undo.entities();
  EXPECT_EQ(entities, 2001);
  EXPECT_EQ(row.shown().undone_by(), 1'000'999);
}

}  // namespace
}  // namespace retrace::domain
