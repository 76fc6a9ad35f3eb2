// Replay, comparison and explanation against what was done.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "domain/fields.h"
#include "domain/refusal.h"
#include "domain/resource.h"
#include "fmt/format.h"
#include "google/protobuf/util/message_differencer.h"
#include "google/protobuf/util/time_util.h"
#include "server/compare.h"
#include "server/explanation.h"
#include "server/history_replay.h"
#include "tests/support/message_sink.h"
#include "tests/support/small_ledger.h"

namespace retrace {
namespace {

using ::testing::ElementsAre;
using testing::FromText;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::MessageSink;
using testing::SmallLedger;

// Customers with records, changed at random by two people.
class PastTest : public ::testing::Test {
 protected:
  std::string Create(const std::string& name, const std::string& level = "") {
    v1::CreateCustomerRequest request;
    request.mutable_customer()->set_organization_name(name);
    request.mutable_customer()->set_level(level);
    const testing::Done done = small_.Do(request);
    EXPECT_TRUE(done.status.ok()) << done.status;
    return "tenants/acme/customers/" + done.id();
  }
  void Level(const std::string& name, const std::string& level, const std::string& reason = "") {
    v1::UpdateCustomerRequest request;
    request.mutable_customer()->set_name(name);
    request.mutable_customer()->set_level(level);
    request.mutable_options()->set_reason(reason);
    EXPECT_TRUE(small_.Do(request).status.ok());
  }
  std::string Deal(const std::string& customer, const std::string& title) {
    v1::CreateRecordRequest request;
    request.mutable_record()->set_kind(v1::Record::DEAL);
    request.mutable_record()->set_customer(customer);
    request.mutable_record()->set_title(title);
    const testing::Done done = small_.Do(request);
    EXPECT_TRUE(done.status.ok()) << done.status;
    return "tenants/acme/records/" + done.id();
  }
  void Delete(const std::string& name, v1::RelatedRecords::Choice choice,
              const std::string& reason = "") {
    v1::DeleteCustomerRequest request;
    request.set_name(name);
    request.mutable_related()->set_all(choice);
    request.mutable_options()->set_reason(reason);
    EXPECT_TRUE(small_.Do(request).status.ok());
  }
  void Undelete(const std::string& name) {
    v1::UndeleteCustomerRequest request;
    request.set_name(name);
    EXPECT_TRUE(small_.Do(request).status.ok());
  }

  absl::StatusOr<std::vector<v1::ReplayResponse>> Replay(v1::ReplayRequest request) {
    request.set_parent("tenants/acme");
    MessageSink<v1::ReplayResponse> sink;
    const absl::Status status =
        server::StreamReplay(small_.ledger(), small_.Call("replay"), request, sink);
    if (!status.ok()) return status;
    return std::move(sink.messages);
  }
  std::vector<int64_t> Positions(const v1::ReplayRequest& request) {
    std::vector<int64_t> positions;
    const auto messages = Replay(request);
    EXPECT_TRUE(messages.ok()) << messages.status();
    if (!messages.ok()) return positions;
    for (const v1::ReplayResponse& message : *messages) {
      if (message.has_commit()) positions.push_back(message.commit().position());
    }
    EXPECT_TRUE(messages->back().has_answered());
    return positions;
  }
  v1::ErrorReason ReplayError(const v1::ReplayRequest& request) {
    return domain::ReasonOf(Replay(request).status());
  }

  absl::StatusOr<std::vector<v1::CompareResponse>> Compare(v1::CompareRequest request) {
    request.set_parent("tenants/acme");
    MessageSink<v1::CompareResponse> sink;
    const absl::Status status =
        server::StreamComparison(small_.ledger(), small_.Call("compare"), request, sink);
    if (!status.ok()) return status;
    return std::move(sink.messages);
  }
  // `CREATED tenants/...: 3 fields`, one for each difference.
  std::vector<std::string> Differences(const v1::CompareRequest& request) {
    std::vector<std::string> all;
    const auto messages = Compare(request);
    EXPECT_TRUE(messages.ok()) << messages.status();
    if (!messages.ok()) return all;
    for (const v1::CompareResponse& message : *messages) {
      for (const v1::EntityDifference& difference : message.differences()) {
        all.push_back(fmt::format("{} {}: {}",
                                  v1::EntityDifference::Change_Name(difference.change()),
                                  difference.name(), difference.changes_size()));
      }
    }
    return all;
  }
  v1::ErrorReason CompareError(const v1::CompareRequest& request) {
    return domain::ReasonOf(Compare(request).status());
  }

  v1::ExplainResponse Explain(const std::string& name) {
    v1::ExplainRequest request;
    request.set_name(name);
    auto reply = server::ExplainEntity(small_.ledger(), small_.Call("explain"), request);
    EXPECT_TRUE(reply.ok()) << reply.status();
    return reply.ok() ? *reply : v1::ExplainResponse();
  }

  // Something that a person does at random.
  void DoSomething(std::mt19937& random) {
    small_.ActAs(random() % 2 == 0 ? "ann" : "bob");
    if (customers_.empty() || random() % 4 == 0) {
      customers_.push_back(Create(fmt::format("Company {}", customers_.size()), "gold"));
      return;
    }
    const std::string& name = customers_[random() % customers_.size()];
    switch (random() % 4) {
      case 0:
        if (!deleted_.contains(name)) Deal(name, "Machines");
        return;
      case 1:
        if (deleted_.erase(name) == 1) return Undelete(name);
        deleted_.insert(name);
        return Delete(name,
                      random() % 2 == 0 ? v1::RelatedRecords::DELETE : v1::RelatedRecords::KEEP);
      default:
        if (!deleted_.contains(name)) Level(name, fmt::format("level {}", random() % 3));
    }
  }

  SmallLedger small_;
  std::vector<std::string> customers_;
  std::set<std::string> deleted_;
};

v1::ReplayRequest ReplayOf(std::string_view text) { return FromText<v1::ReplayRequest>(text); }
v1::CompareRequest CompareOf(std::string_view text) { return FromText<v1::CompareRequest>(text); }

TEST_F(PastTest, ReplayTellsEachCommitWithItsEntitiesBeforeAndAfter) {
  const std::string ann = Create("Ann", "gold");  // 1
  small_.ActAs("bob");
  Level(ann, "silver", "asked for it");                  // 2
  const std::string deal = Deal(ann, "Machines");        // 3
  Delete(ann, v1::RelatedRecords::DELETE, "wrong one");  // 4
  const auto messages = Replay({});
  ASSERT_TRUE(messages.ok()) << messages.status();
  ASSERT_EQ(messages->size(), 5u);
  EXPECT_FALSE((*messages)[0].entities(0).has_before());
  v1::Customer before, after;
  ASSERT_TRUE((*messages)[1].entities(0).before().UnpackTo(&before));
  ASSERT_TRUE((*messages)[1].entities(0).after().UnpackTo(&after));
  EXPECT_EQ(before.level(), "gold");
  EXPECT_EQ(after.level(), "silver");
  EXPECT_EQ((*messages)[1].commit().reason(), "asked for it");
  EXPECT_EQ((*messages)[3].entities_size(), 2);
  EXPECT_EQ((*messages)[4].answered().position(), 4);

  EXPECT_THAT(Positions(ReplayOf("from { position: 2 } until { position: 3 }")), ElementsAre(2, 3));
  EXPECT_THAT(Positions(ReplayOf("filter: 'actor = ann'")), ElementsAre(1));
  EXPECT_THAT(Positions(ReplayOf("filter: 'change_set = 4'")), ElementsAre(4));
  v1::ReplayRequest of_deal;
  of_deal.set_entity(deal);
  EXPECT_THAT(Positions(of_deal), ElementsAre(3, 4));
  // Only what happened to it.
  EXPECT_EQ((*Replay(of_deal))[1].entities_size(), 1);
  v1::ReplayRequest since;
  *since.mutable_from()->mutable_time() =
      google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(small_.time_us() - 2'000'000);
  EXPECT_THAT(Positions(since), ElementsAre(3, 4));
}

TEST_F(PastTest, ReplayedStatesAreThoseThatWereDecided) {
  std::mt19937 random(11);
  for (int i = 0; i < 150; ++i) DoSomething(random);
  const auto messages = Replay({});
  ASSERT_TRUE(messages.ok()) << messages.status();
  std::map<std::string, v1::ReplayResponse::Entity> last;
  int64_t entities = 0;
  for (const v1::ReplayResponse& message : *messages) {
    for (const v1::ReplayResponse::Entity& entity : message.entities()) {
      ++entities;
      const auto found = last.find(entity.name());
      // Each begins where the one before ended.
      ASSERT_EQ(found == last.end() ? "" : found->second.after().value(), entity.before().value());
      last[entity.name()] = entity;
    }
  }
  EXPECT_GT(entities, 100);
  for (const auto& [entity, shown] : small_.ShownAt(small_.head())) {
    const auto found = last.find(domain::NameOf("acme", entity));
    if (found == last.end()) continue;  // derived
    EXPECT_EQ(found->second.after().value(), shown->SerializeAsString());
  }
}

TEST_F(PastTest, ReplayRefusesWhatIsNoRange) {
  const std::string ann = Create("Ann");
  Level(ann, "gold");
  EXPECT_EQ(ReplayError(ReplayOf("until { position: 9 }")), v1::FUTURE_AS_OF);
  EXPECT_EQ(ReplayError(ReplayOf("from { position: 9 }")), v1::FUTURE_AS_OF);
  EXPECT_EQ(ReplayError(ReplayOf("from { position: 2 } until { position: 1 }")), v1::INVALID_FIELD);
  EXPECT_EQ(ReplayError(ReplayOf("from { position: -1 }")), v1::INVALID_FIELD);
  EXPECT_EQ(ReplayError(ReplayOf("from { time { seconds: 1000 } }")), v1::INVALID_FIELD);
  EXPECT_EQ(ReplayError(ReplayOf("filter: 'colour = red'")), v1::INVALID_FILTER);
  EXPECT_EQ(ReplayError(ReplayOf("entity: 'tenants/other/customers/a'")), v1::INVALID_FIELD);
  EXPECT_EQ(ReplayError(ReplayOf("entity: 'tenants/acme'")), v1::INVALID_FIELD);
}

TEST_F(PastTest, ComparisonIsTheDifferenceOfWhatWasDecided) {
  std::mt19937 random(12);
  for (int i = 0; i < 150; ++i) DoSomething(random);
  for (int round = 0; round < 40; ++round) {
    domain::Position from = random() % (small_.head() + 1);
    domain::Position until = random() % (small_.head() + 1);
    if (from > until) std::swap(from, until);
    std::vector<std::string> expected;
    for (const auto& [entity, after] : small_.ShownAt(until)) {
      const auto found = small_.ShownAt(from).find(entity);
      const google::protobuf::Message* before =
          found == small_.ShownAt(from).end() ? nullptr : found->second.get();
      const size_t changes = domain::Differences(before, after.get()).size();
      if (changes > 0) {
        expected.push_back(fmt::format(" {}: {}", domain::NameOf("acme", entity), changes));
      }
    }
    v1::CompareRequest request;
    request.mutable_from()->set_position(static_cast<int64_t>(from));
    request.mutable_until()->set_position(static_cast<int64_t>(until));
    std::vector<std::string> told = Differences(request);
    for (std::string& difference : told) difference.erase(0, difference.find(' '));
    EXPECT_THAT(told, ::testing::UnorderedElementsAreArray(expected)) << from << " to " << until;
  }
}

TEST_F(PastTest, ComparisonSaysWhatBecameOfEach) {
  const std::string ann = Create("Ann", "gold");    // 1
  const std::string bob = Create("Bob", "gold");    // 2
  const std::string eve = Create("Eve", "silver");  // 3
  Delete(bob, v1::RelatedRecords::KEEP);            // 4
  Level(ann, "silver");                             // 5
  Undelete(bob);                                    // 6
  const std::string zoe = Create("Zoe", "gold");    // 7
  EXPECT_THAT(Differences(CompareOf("from { position: 3 } until { position: 5 }")),
              ElementsAre("CHANGED " + ann + ": 1", "DELETED " + bob + ": 1"));
  EXPECT_THAT(Differences(CompareOf("from { position: 4 } kind: 'customers'")),
              ElementsAre("CHANGED " + ann + ": 1", "UNDELETED " + bob + ": 1",
                          HasSubstr("CREATED " + zoe)));
  // Found at one of the moments is enough.
  EXPECT_THAT(
      Differences(CompareOf("from { position: 4 } kind: 'customers' filter: 'level = silver'")),
      ElementsAre("CHANGED " + ann + ": 1"));
  EXPECT_THAT(Differences(CompareOf("from { position: 7 }")), IsEmpty());
  v1::CompareRequest one = CompareOf("from { position: 0 }");
  one.set_entity(eve);
  EXPECT_THAT(Differences(one), ElementsAre(HasSubstr("CREATED " + eve)));
  const auto messages = Compare(CompareOf("from { position: 4 }"));
  ASSERT_TRUE(messages.ok());
  EXPECT_EQ(messages->front().from().position(), 4);
  EXPECT_EQ(messages->front().until().position(), 7);
  EXPECT_EQ(messages->back().counts().ShortDebugString(), "created: 1 undeleted: 1 changed: 1");
}

TEST_F(PastTest, ComparisonRefusesWhatCannotBeCompared) {
  const std::string ann = Create("Ann");
  Level(ann, "gold");
  EXPECT_EQ(CompareError({}), v1::INVALID_FIELD);
  EXPECT_EQ(CompareError(CompareOf("from { position: 2 } until { position: 1 }")),
            v1::INVALID_FIELD);
  EXPECT_EQ(CompareError(CompareOf("from { position: 3 }")), v1::FUTURE_AS_OF);
  EXPECT_EQ(CompareError(CompareOf("from { time { seconds: 1000 } }")), v1::INVALID_FIELD);
  EXPECT_EQ(CompareError(CompareOf("from { position: 0 } filter: 'level = gold'")),
            v1::INVALID_FIELD);
  EXPECT_EQ(CompareError(CompareOf("from { position: 0 } kind: 'wolves'")), v1::INVALID_FIELD);
  EXPECT_EQ(CompareError(CompareOf("from { position: 0 } kind: 'customers' filter: 'x = 1'")),
            v1::INVALID_FILTER);
  EXPECT_EQ(CompareError(CompareOf("from { position: 0 } entity: 'tenants/acme/customers/none'")),
            v1::ENTITY_NOT_FOUND);
}

TEST_F(PastTest, ExplanationFollowsTheCascadeAndWhatTookItBack) {
  const std::string ann = Create("Ann");           // 1
  const std::string deal = Deal(ann, "Machines");  // 2
  small_.ActAs("bob");
  Delete(ann, v1::RelatedRecords::DELETE, "wrong one");  // 3
  v1::ExplainResponse reply = Explain(deal);
  EXPECT_THAT(reply.summary(), HasSubstr("is DELETED at revision 2"));
  ASSERT_EQ(reply.causes_size(), 2);
  EXPECT_EQ(reply.causes(0).through(), ann);
  EXPECT_EQ(reply.causes(0).actor(), "bob");
  EXPECT_THAT(reply.causes(0).text(), HasSubstr("because \"wrong one\""));
  EXPECT_EQ(reply.causes(0).undone_at(), 0);
  EXPECT_THAT(reply.causes(1).text(), HasSubstr("It was created"));
  Undelete(ann);  // 4
  reply = Explain(deal);
  EXPECT_THAT(reply.summary(), HasSubstr("is ACTIVE"));
  ASSERT_EQ(reply.causes_size(), 3);
  EXPECT_EQ(reply.causes(0).through(), ann);
  EXPECT_EQ(reply.causes(1).position(), 3);
  EXPECT_EQ(reply.causes(1).undone_at(), 4);
  Level(ann, "gold");  // 5
  reply = Explain(ann);
  EXPECT_THAT(reply.causes(0).text(), HasSubstr("last changed (level)"));
  EXPECT_EQ(reply.causes(0).position(), 5);
  v1::ExplainRequest nobody;
  nobody.set_name("tenants/acme/customers/nobody");
  EXPECT_EQ(domain::ReasonOf(
                server::ExplainEntity(small_.ledger(), small_.Call("explain"), nobody).status()),
            v1::ENTITY_NOT_FOUND);
}

TEST_F(PastTest, OfWhatWasPurgedThePurgeIsTold) {
  const std::string ann = Create("Ann");
  const auto created = static_cast<int64_t>(small_.head());
  Delete(ann, v1::RelatedRecords::DELETE);
  v1::PurgeEntitiesRequest purge;
  purge.add_names(ann);
  small_.ActAs("bob");
  ASSERT_TRUE(small_.Do(purge).status.ok());
  v1::ExplainRequest request;
  request.set_name(ann);
  for (const int64_t position : {int64_t{0}, created}) {
    if (position > 0) request.mutable_as_of()->set_position(position);
    const absl::Status purged =
        server::ExplainEntity(small_.ledger(), small_.Call("explain"), request).status();
    EXPECT_EQ(domain::ReasonOf(purged), v1::ENTITY_PURGED) << purged;
    EXPECT_THAT(std::string(purged.message()), HasSubstr("bob"));
  }
}

TEST_F(PastTest, ExplanationKnowsWhatUndid) {
  const std::string ann = Create("Ann");  // 1
  Level(ann, "gold");                     // 2
  Delete(ann, v1::RelatedRecords::KEEP);  // 3
  small_.Undo(3);                         // 4
  v1::ExplainResponse reply = Explain(ann);
  ASSERT_EQ(reply.causes_size(), 4);
  EXPECT_THAT(reply.causes(0).text(), HasSubstr("took back what was done at position 3"));
  EXPECT_EQ(reply.causes(1).undone_at(), 4);
  EXPECT_EQ(reply.causes(2).position(), 2);
  // The undo is undone: what it took back stands again.
  small_.Undo(4);  // 5
  reply = Explain(ann);
  EXPECT_THAT(reply.summary(), HasSubstr("is DELETED"));
  ASSERT_EQ(reply.causes_size(), 5);
  EXPECT_EQ(reply.causes(1).position(), 4);
  EXPECT_EQ(reply.causes(1).undone_at(), 5);
  EXPECT_EQ(reply.causes(2).position(), 3);
  EXPECT_EQ(reply.causes(2).undone_at(), 0);
  // Of fields, and of a creation.
  small_.Undo(5);  // 6
  small_.Undo(2);  // 7
  reply = Explain(ann);
  EXPECT_THAT(reply.causes(0).text(), HasSubstr("(level): Undo by ann, which took back what was "
                                                "done at position 2"));
  small_.Undo(1);  // 8
  reply = Explain(ann);
  EXPECT_THAT(reply.causes(0).text(), HasSubstr("Its creation was taken back"));
  EXPECT_EQ(reply.causes(reply.causes_size() - 1).undone_at(), 8);
}

TEST_F(PastTest, StreamsEndWhenTheCallerMayNotStay) {
  Create("Ann");
  MessageSink<v1::ReplayResponse> sink;
  sink.alive = absl::CancelledError("gone");
  v1::ReplayRequest request;
  request.set_parent("tenants/acme");
  EXPECT_TRUE(absl::IsCancelled(
      server::StreamReplay(small_.ledger(), small_.Call("replay"), request, sink)));
}

}  // namespace
}  // namespace retrace
