#include "domain/draft.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "domain/index_values.h"
#include "domain/projection.h"
#include "domain/record.h"
#include "fmt/format.h"
#include "retrace/store/v1/entities.pb.h"
#include "tests/support/decider_test.h"

namespace retrace::domain {
namespace {

using retrace::testing::MemoryRows;
using retrace::testing::MemoryView;
using retrace::testing::Parse;
using retrace::testing::Reply;
using retrace::testing::TestTenant;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const EntityRef kAnn{KindNumber::kCustomer, "ann"};

std::shared_ptr<store::v1::CustomerCreated> Created(const std::string& fields) {
  return std::make_shared<store::v1::CustomerCreated>(
      Parse<store::v1::CustomerCreated>("customer { state: ACTIVE " + fields + " }"));
}

std::shared_ptr<store::v1::CustomerUpdated> Level(const std::string& level) {
  return std::make_shared<store::v1::CustomerUpdated>(Parse<store::v1::CustomerUpdated>(
      "customer { level: '" + level + "' } update_mask { paths: 'level' }"));
}

class DraftTest : public ::testing::Test {
 protected:
  DraftTest() {
    header_.tenant = "acme";
    header_.position = 1;
    header_.change_set = 1;
    header_.time_us = 1000;
    header_.actor = "ann";
  }
  // Lays a draft's keys into the rows and goes on to the next position.
  void Apply(Draft& draft) {
    const auto projection = draft.Project();
    ASSERT_TRUE(projection.ok());
    ASSERT_TRUE(rows_.Apply(*projection, header_.position).ok());
    header_.change_set = ++header_.position;
    header_.time_us += 1000;
  }
  std::vector<std::string> Levels(const View& view, const std::string& lower = "",
                                  const std::string& upper = "", size_t limit = 100) {
    std::vector<std::string> told;
    const auto hits = view.Find({KindNumber::kCustomer, 6, lower, upper}, limit);
    for (const IndexHit& hit : *hits) {
      told.push_back(
          fmt::format("{}:{}{}", hit.value, hit.id, hit.mark == Mark::kBinned ? " binned" : ""));
    }
    return told;
  }
  CommitHeader header_;
  MemoryRows rows_;
  MemoryView view_{rows_};
};

TEST_F(DraftTest, LaysEventsOverItsBase) {
  Draft draft(view_, header_);
  ASSERT_TRUE(draft.Emit(kAnn, Created("display_name: 'Ann' level: 'gold'")).ok());
  ASSERT_TRUE(draft.Emit(kAnn, Level("silver")).ok());
  const RowPtr row = *draft.Get(kAnn);
  EXPECT_EQ(row->As<v1::Customer>().level(), "silver");
  EXPECT_EQ(row->head.revision(), 2u);
  EXPECT_EQ(row->head.create_position(), 1u);
  EXPECT_EQ(row->head.update_time_us(), 1000);
  EXPECT_EQ(draft.events()[1].revision, 2u);
  EXPECT_EQ(*view_.Get(kAnn), nullptr);
}

TEST_F(DraftTest, ARowThatSomebodyHoldsDoesNotChangeUnderThem) {
  Draft draft(view_, header_);
  ASSERT_TRUE(draft.Emit(kAnn, Created("display_name: 'Ann' level: 'gold'")).ok());
  const RowPtr held = *draft.Get(kAnn);
  ASSERT_TRUE(draft.Emit(kAnn, Level("silver")).ok());
  EXPECT_EQ(held->As<v1::Customer>().level(), "gold");
  EXPECT_EQ(held->head.revision(), 1u);
}

TEST_F(DraftTest, RefusesAnotherKindsEvent) {
  Draft draft(view_, header_);
  EXPECT_EQ(draft.Emit(kAnn, std::make_shared<store::v1::RecordCreated>()).code(),
            absl::StatusCode::kInternal);
}

TEST_F(DraftTest, FindSeesWhatIsDecided) {
  Draft first(view_, header_);
  for (const char* id : {"a", "b", "c", "d"}) {
    ASSERT_TRUE(first
                    .Emit({KindNumber::kCustomer, id},
                          Created(fmt::format("display_name: 'x' level: 'l{}'", id)))
                    .ok());
  }
  Apply(first);
  Draft draft(view_, header_);
  EXPECT_THAT(Levels(draft), ElementsAre("la:a", "lb:b", "lc:c", "ld:d"));
  ASSERT_TRUE(draft.Emit({KindNumber::kCustomer, "a"}, Level("lz")).ok());
  EXPECT_THAT(Levels(draft), ElementsAre("lb:b", "lc:c", "ld:d", "lz:a"));
  // Asked before and after, the same draft keeps up.
  ASSERT_TRUE(draft.Emit({KindNumber::kCustomer, "a"}, Level("lc")).ok());
  ASSERT_TRUE(draft.Emit({KindNumber::kCustomer, "b"}, Level("")).ok());
  auto deleted = std::make_shared<store::v1::Deleted>();
  ASSERT_TRUE(draft.Emit({KindNumber::kCustomer, "d"}, deleted).ok());
  ASSERT_TRUE(
      draft.Emit({KindNumber::kCustomer, "e"}, Created("display_name: 'x' level: 'lb'")).ok());
  EXPECT_THAT(Levels(draft), ElementsAre("lb:e", "lc:a", "lc:c", "ld:d binned"));
  EXPECT_THAT(Levels(draft, "lc", "ld"), ElementsAre("lc:a", "lc:c"));
  EXPECT_THAT(Levels(draft, "", "", 2), ElementsAre("lb:e", "lc:a"));
  EXPECT_THAT(Levels(draft, "lc", "", 2), ElementsAre("lc:a", "lc:c"));
  EXPECT_THAT(Levels(view_), ElementsAre("la:a", "lb:b", "lc:c", "ld:d"));
}

TEST_F(DraftTest, FindLooksBehindWhatItTouched) {
  Draft first(view_, header_);
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(first
                    .Emit({KindNumber::kCustomer, fmt::format("{:02}", i)},
                          Created("display_name: 'x' level: 'l'"))
                    .ok());
  }
  Apply(first);
  Draft draft(view_, header_);
  for (int i = 0; i < 38; ++i) {
    ASSERT_TRUE(draft.Emit({KindNumber::kCustomer, fmt::format("{:02}", i)}, Level("m")).ok());
  }
  EXPECT_THAT(Levels(draft, "l", "m", 2), ElementsAre("l:38", "l:39"));
}

TEST_F(DraftTest, GetAtReachesBehindTheDraft) {
  Draft first(view_, header_);
  ASSERT_TRUE(first.Emit(kAnn, Created("display_name: 'x' level: 'one'")).ok());
  Apply(first);
  Draft draft(view_, header_);
  ASSERT_TRUE(draft.Emit(kAnn, Level("two")).ok());
  EXPECT_EQ((*draft.GetAt(kAnn, 1))->As<v1::Customer>().level(), "one");
  EXPECT_EQ((*draft.GetAt(kAnn, 2))->As<v1::Customer>().level(), "two");
  EXPECT_EQ(*draft.GetAt(kAnn, 0), nullptr);
}

std::vector<std::string> Told(const Projection& projection) {
  std::vector<std::string> told;
  for (const ProjectedEntry& entry : projection.entries) {
    const char* const marks[] = {"gone", "live", "binned"};
    told.push_back(
        fmt::format("{}:{} {}", entry.index, entry.value, marks[static_cast<int>(entry.mark)]));
  }
  return told;
}

TEST_F(DraftTest, ProjectsOnlyEntriesThatChange) {
  Draft first(view_, header_);
  ASSERT_TRUE(first.Emit(kAnn, Created("level: 'gold' tags: ['a', 'b'] external_id: 'x'")).ok());
  EXPECT_THAT(Told(*first.Project()),
              ElementsAre("6:gold live", "8:a live", "8:b live", "9:x live"));
  Apply(first);

  Draft unindexed(view_, header_);
  ASSERT_TRUE(unindexed
                  .Emit(kAnn, std::make_shared<store::v1::CustomerUpdated>(
                                  Parse<store::v1::CustomerUpdated>(
                                      "customer { attributes { key: 'k' value: 'v' } } "
                                      "update_mask { paths: 'attributes.k' }")))
                  .ok());
  EXPECT_THAT(Told(*unindexed.Project()), IsEmpty());
  EXPECT_THAT(unindexed.Project()->rows, SizeIs(1));

  Draft retagged(view_, header_);
  ASSERT_TRUE(retagged
                  .Emit(kAnn, std::make_shared<store::v1::CustomerUpdated>(
                                  Parse<store::v1::CustomerUpdated>(
                                      "customer { tags: ['c', 'b'] level: 'Gold' } update_mask { "
                                      "paths: 'tags' paths: 'level' }")))
                  .ok());
  EXPECT_THAT(Told(*retagged.Project()), ElementsAre("8:a gone", "8:c live"));

  const std::string in_bin =
      fmt::format("{}:{}", +kBinIndex, EncodeNumber(static_cast<int64_t>(header_.position)));
  Draft deleted(view_, header_);
  ASSERT_TRUE(deleted.Emit(kAnn, std::make_shared<store::v1::Deleted>()).ok());
  EXPECT_THAT(Told(*deleted.Project()), ElementsAre("6:gold binned", "8:a binned", "8:b binned",
                                                    "9:x binned", in_bin + " binned"));
  Apply(deleted);

  Draft undeleted(view_, header_);
  ASSERT_TRUE(undeleted.Emit(kAnn, std::make_shared<store::v1::Undeleted>()).ok());
  EXPECT_THAT(Told(*undeleted.Project()),
              ElementsAre("6:gold live", "8:a live", "8:b live", "9:x live", in_bin + " gone"));
}

TEST_F(DraftTest, ACommitWithoutEventsRemembersItsRequest) {
  header_.request_id = "r1";
  header_.request_hash = "h";
  Draft draft(view_, header_);
  const auto projection = draft.Project();
  ASSERT_TRUE(projection.ok());
  ASSERT_THAT(projection->rows, SizeIs(1));
  EXPECT_EQ(projection->rows[0].entity,
            (EntityRef{KindNumber::kRequest, RequestRowId("ann", "r1")}));
  EXPECT_EQ(projection->rows[0].row->As<store::v1::RequestRow>().position(), 1u);
}

TEST_F(DraftTest, SetKeyFitsTheSubjectOnly) {
  Draft draft(view_, header_);
  ASSERT_TRUE(draft.Emit(kAnn, Created("display_name: 'x'")).ok());
  EXPECT_EQ((*draft.Get(kAnn))->head.subject(), "customers/ann");
  draft.SetKey(kAnn, "customers/other", "k0");
  draft.SetKey(kAnn, "", "k0");
  draft.SetKey({KindNumber::kCustomer, "nobody"}, "customers/nobody", "k0");
  EXPECT_EQ((*draft.Get(kAnn))->head.key_id(), "");
  draft.SetKey(kAnn, "customers/ann", "k1");
  EXPECT_EQ((*draft.Get(kAnn))->head.key_id(), "k1");
}

TEST(DraftCheckTest, MovesThatAreNotDrawnAreRefused) {
  TestTenant acme;
  const Reply created =
      acme.Must<v1::CreateCustomerRequest>("parent: 'tenants/acme' customer { display_name: 'A' }");
  CommitHeader header;
  header.tenant = "acme";
  header.position = 2;
  Context context;
  context.header = header;
  const MemoryView view = acme.view();
  const EntityRef entity{KindNumber::kCustomer, created.id()};
  {
    Draft born_inactive(view, header);
    auto created = Created("display_name: 'x'");
    created->mutable_customer()->set_state(v1::Customer::INACTIVE);
    ASSERT_TRUE(born_inactive.Emit(kAnn, std::move(created)).ok());
    EXPECT_EQ(ReasonOf(born_inactive.Check(context)), v1::STATE_REFUSED);
  }
  {
    acme.Must<v1::DeleteCustomerRequest>("name: 'tenants/acme/customers/" + created.id() +
                                         "' related { all: DELETE }");
    const MemoryView binned = acme.view();
    Draft changed_in_the_bin(binned, header);
    ASSERT_TRUE(changed_in_the_bin.Emit(entity, std::make_shared<store::v1::Deactivated>()).ok());
    EXPECT_EQ(ReasonOf(changed_in_the_bin.Check(context)), v1::STATE_REFUSED);
  }
  {
    Draft renumbered(view, header);
    ASSERT_TRUE(
        renumbered
            .Emit(entity,
                  std::make_shared<store::v1::CustomerUpdated>(Parse<store::v1::CustomerUpdated>(
                      "customer { number: 7 } update_mask { paths: 'number' }")))
            .ok());
    EXPECT_EQ(ReasonOf(renumbered.Check(context)), v1::STATE_REFUSED);
  }
}

}  // namespace
}  // namespace retrace::domain
