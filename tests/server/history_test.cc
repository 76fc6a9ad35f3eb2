// History against what was done: filters, both directions, pages, change sets, changes of one
// entity, digests.
#include "server/history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "domain/refusal.h"
#include "fmt/format.h"
#include "google/protobuf/util/time_util.h"
#include "server/envelope.h"
#include "tests/support/small_ledger.h"

namespace retrace {
namespace {

using server::History;
using testing::Done;
using ::testing::ElementsAre;
using testing::FromText;
using ::testing::IsEmpty;
using testing::SmallLedger;

class HistoryTest : public ::testing::Test {
 protected:
  std::string Create(std::string_view text, std::string reason = "", int64_t change_set = 0) {
    v1::CreateCustomerRequest request;
    testing::ParseText(text, *request.mutable_customer());
    request.mutable_options()->set_reason(std::move(reason));
    request.mutable_options()->set_change_set(change_set);
    const Done done = small_.Do(request);
    EXPECT_TRUE(done.status.ok()) << done.status;
    return "tenants/acme/customers/" + done.id();
  }
  Done Level(const std::string& name, std::string level, std::string reason = "",
             int64_t change_set = 0) {
    v1::UpdateCustomerRequest request;
    request.mutable_customer()->set_name(name);
    request.mutable_customer()->set_level(std::move(level));
    request.mutable_options()->set_reason(std::move(reason));
    request.mutable_options()->set_change_set(change_set);
    return small_.Do(request);
  }
  Done Delete(const std::string& name) {
    v1::DeleteCustomerRequest request;
    request.set_name(name);
    request.mutable_related()->set_all(v1::RelatedRecords::KEEP);
    return small_.Do(request);
  }
  History history(size_t max_reads = 10000) {
    return History(small_.ledger(),
                   {.max_reads = max_reads, .wall_us = [this] { return small_.time_us(); }});
  }
  std::vector<int64_t> Positions(std::string_view filter, bool oldest_first = false,
                                 int page_size = 3, size_t max_reads = 10000) {
    v1::ListCommitsRequest request;
    request.set_parent("tenants/acme");
    request.set_filter(std::string(filter));
    request.set_oldest_first(oldest_first);
    request.set_page_size(page_size);
    std::vector<int64_t> positions;
    for (int page = 0; page < 1000; ++page) {
      auto response = history(max_reads).Answer(small_.Call("commits"), request);
      EXPECT_TRUE(response.ok()) << response.status() << filter;
      if (!response.ok()) break;
      for (const v1::Commit& commit : response->commits()) positions.push_back(commit.position());
      request.set_page_token(response->next_page_token());
      if (request.page_token().empty()) break;
    }
    return positions;
  }
  v1::ErrorReason GetError(const std::string& name) {
    v1::GetCommitRequest request;
    request.set_name(name);
    return domain::ReasonOf(history().Answer(small_.Call("commit"), request).status());
  }
  std::string Digest(domain::Position position, bool full = false) {
    v1::GetDigestRequest request;
    request.set_parent("tenants/acme");
    if (!full) request.mutable_as_of()->set_position(static_cast<int64_t>(position));
    request.set_full(full);
    auto response = history().Answer(small_.Call("digest"), request);
    EXPECT_TRUE(response.ok()) << response.status();
    if (!response.ok()) return "";
    return full ? response->full_digest() : response->content_digest();
  }

  SmallLedger small_;
};

// A change as `path: before -> after`.
std::string Show(const v1::FieldChange& change) {
  auto text = [](const google::protobuf::Value& value) { return value.ShortDebugString(); };
  return fmt::format("{}: {} -> {}", change.path(),
                     change.has_before() ? text(change.before()) : "none",
                     change.has_after() ? text(change.after()) : "none");
}

TEST_F(HistoryTest, FindsCommitsByEachField) {
  const int64_t begin = small_.time_us();
  const std::string ann = Create(R"pb(display_name: "Ann")pb", "import");  // 1
  small_.ActAs("bob");
  const std::string zoe = Create(R"pb(display_name: "Zoe")pb");  // 2
  ASSERT_TRUE(Level(ann, "gold", "asked for it").status.ok());   // 3
  auto with_id = FromText<v1::CreateMemberRequest>(
      R"pb(member_id: "mia"
           member { display_name: "Mia" }
           options { request_id: "r-1" on_behalf_of: "carl" })pb");
  ASSERT_TRUE(small_.Do(with_id).status.ok());  // 4
  ASSERT_TRUE(Delete(zoe).status.ok());         // 5

  EXPECT_THAT(Positions(""), ElementsAre(5, 4, 3, 2, 1));
  EXPECT_THAT(Positions("", /*oldest_first=*/true), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(Positions("actor = ann"), ElementsAre(1));
  EXPECT_THAT(Positions("on_behalf_of = carl"), ElementsAre(4));
  EXPECT_THAT(Positions("method = \"*CreateCustomer\""), ElementsAre(2, 1));
  EXPECT_THAT(Positions("reason:asked"), ElementsAre(3));
  EXPECT_THAT(Positions("request_id = \"r-1\""), ElementsAre(4));
  EXPECT_THAT(Positions("kind = members"), ElementsAre(4));
  EXPECT_THAT(Positions(fmt::format("entity = \"{}\"", zoe)), ElementsAre(5, 2));
  EXPECT_THAT(Positions("type = CustomerUpdated OR type = Deleted"), ElementsAre(5, 3));
  EXPECT_THAT(Positions("change_set = 2"), ElementsAre(2));
  EXPECT_THAT(Positions("position > 1 AND position <= 3", true), ElementsAre(2, 3));
  EXPECT_THAT(Positions("position = 4"), ElementsAre(4));
  EXPECT_THAT(Positions("position > 99"), IsEmpty());
  const std::string third = google::protobuf::util::TimeUtil::ToString(
      google::protobuf::util::TimeUtil::MicrosecondsToTimestamp(begin + 2'000'000));
  EXPECT_THAT(Positions(fmt::format("time >= \"{}\"", third)), ElementsAre(5, 4, 3));
  EXPECT_THAT(Positions(fmt::format("time < \"{}\"", third)), ElementsAre(2, 1));
  EXPECT_THAT(Positions(fmt::format("time = \"{}\"", third)), ElementsAre(3));
  EXPECT_THAT(Positions("actor = bob AND NOT kind = customers"), ElementsAre(4));
}

TEST_F(HistoryTest, ADayIsAllOfItsCommits) {
  small_.SetTime(int64_t{1709251197} * 1'000'000);  // 2024-02-29T23:59:57Z
  for (int i = 0; i < 5; ++i) Create(R"pb(display_name: "Ann")pb");
  EXPECT_THAT(Positions("time = 2024-02-29", true), ElementsAre(1, 2, 3));
  EXPECT_THAT(Positions("time <= 2024-02-29", true), ElementsAre(1, 2, 3));
  EXPECT_THAT(Positions("time < 2024-02-29", true), IsEmpty());
  EXPECT_THAT(Positions("time > 2024-02-29", true), ElementsAre(4, 5));
  EXPECT_THAT(Positions("time >= 2024-02-29", true), ElementsAre(1, 2, 3, 4, 5));
  EXPECT_THAT(Positions("time = 2024-03-01", true), ElementsAre(4, 5));
}

TEST_F(HistoryTest, PagesAreTheSameWhateverTheBounds) {
  std::mt19937 random(7);
  std::vector<std::string> names;
  std::vector<int64_t> gold;
  for (int i = 0; i < 120; ++i) {
    if (names.empty() || random() % 3 == 0) {
      names.push_back(Create(R"pb(display_name: "Ann")pb"));
    } else {
      const bool to_gold = random() % 2 == 0;
      const Done done = Level(names[random() % names.size()],
                              to_gold ? "gold" : fmt::format("l{}", i), to_gold ? "up" : "x");
      if (to_gold && done.position > 0) gold.push_back(static_cast<int64_t>(done.position));
    }
  }
  std::vector<int64_t> backwards(gold.rbegin(), gold.rend());
  for (const size_t max_reads : {1, 2, 7, 64, 10000}) {
    for (const int page_size : {1, 5, 1000}) {
      EXPECT_EQ(Positions("reason = up", true, page_size, max_reads), gold)
          << max_reads << " " << page_size;
      EXPECT_EQ(Positions("reason = up", false, page_size, max_reads), backwards)
          << max_reads << " " << page_size;
    }
  }
}

TEST_F(HistoryTest, PagesArePinned) {
  for (int i = 0; i < 4; ++i) Create(R"pb(display_name: "Ann")pb");
  v1::ListCommitsRequest request;
  request.set_parent("tenants/acme");
  request.set_oldest_first(true);
  request.set_page_size(3);
  auto first = history().Answer(small_.Call("commits"), request);
  ASSERT_TRUE(first.ok());
  Create(R"pb(display_name: "Late")pb");
  request.set_page_token(first->next_page_token());
  auto second = history().Answer(small_.Call("commits"), request);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->commits_size(), 1);
  EXPECT_EQ(second->answered().position(), 4);
  EXPECT_EQ(second->next_page_token(), "");
}

TEST_F(HistoryTest, APageStaysBelowWhatClientsReceive) {
  v1::CreateCustomerRequest create;
  create.mutable_customer()->set_display_name("Large");
  for (int i = 0; i < 50; ++i) {
    (*create.mutable_customer()->mutable_attributes())[fmt::format("key-{}", i)] =
        std::string(1000, 'x');
  }
  for (int i = 0; i < 90; ++i) ASSERT_TRUE(small_.Do(create).status.ok());
  v1::ListCommitsRequest request;
  request.set_parent("tenants/acme");
  request.set_page_size(1000);
  request.set_view(v1::EVENTS);
  int64_t seen = 0;
  do {
    auto page = history().Answer(small_.Call("commits"), request);
    ASSERT_TRUE(page.ok()) << page.status();
    EXPECT_LT(page->ByteSizeLong(), 4u << 20);
    EXPECT_GT(page->commits_size(), 0);
    seen += page->commits_size();
    request.set_page_token(page->next_page_token());
  } while (!request.page_token().empty());
  EXPECT_EQ(seen, 90);
}

TEST_F(HistoryTest, ShowsACommitInEachView) {
  const std::string ann = Create(R"pb(display_name: "Ann" level: "silver" tags: "a")pb");
  v1::UpdateCustomerRequest update;
  testing::ParseText(R"pb(customer { level: "gold" tags: "b" }
                          update_mask { paths: "level" paths: "tags" }
                          options { reason: "why" })pb",
                     update);
  update.mutable_customer()->set_name(ann);
  ASSERT_TRUE(small_.Do(update).status.ok());
  v1::GetCommitRequest request;
  request.set_name("tenants/acme/commits/2");
  auto response = history().Answer(small_.Call("commit"), request);
  ASSERT_TRUE(response.ok()) << response.status();
  const v1::Commit& commit = response->commit();
  EXPECT_EQ(commit.name(), request.name());
  EXPECT_EQ(commit.reason(), "why");
  EXPECT_EQ(commit.change_set(), 2);
  EXPECT_EQ(commit.commit_id().size(), 32u);
  EXPECT_EQ(commit.stored_hash().size(), 64u);
  ASSERT_EQ(commit.events_size(), 1);
  EXPECT_EQ(commit.events(0).entity(), ann);
  EXPECT_EQ(commit.events(0).revision(), 2);
  EXPECT_EQ(commit.events(0).type(), "CustomerUpdated");
  std::vector<std::string> changes;
  for (const auto& change : commit.events(0).changes()) changes.push_back(Show(change));
  EXPECT_THAT(changes,
              ::testing::Contains("level: string_value: \"silver\" -> string_value: \"gold\""));
  EXPECT_FALSE(commit.events(0).has_payload());

  request.set_view(v1::NAMES);
  EXPECT_THAT(history().Answer(small_.Call("commit"), request)->commit().events(0).changes(),
              IsEmpty());
  request.set_view(v1::EVENTS);
  auto with_events = history().Answer(small_.Call("commit"), request);
  ASSERT_TRUE(with_events.ok()) << with_events.status();
  const auto& payload = with_events->commit().events(0).payload().fields();
  EXPECT_EQ(payload.at("customer").struct_value().fields().at("level").string_value(), "gold");
}

TEST_F(HistoryTest, RefusesCommitsThatAreNotThere) {
  Create(R"pb(display_name: "Ann")pb");
  EXPECT_EQ(GetError("tenants/acme/commits/2"), v1::ENTITY_NOT_FOUND);
  EXPECT_EQ(GetError("tenants/acme/commits/0"), v1::ENTITY_NOT_FOUND);
  EXPECT_EQ(GetError("tenants/acme/commits/first"), v1::INVALID_FIELD);
  EXPECT_EQ(GetError("tenants/acme/customers/1"), v1::INVALID_FIELD);
  // Durable, but no query shows it yet.
  small_.Hold();
  Create(R"pb(display_name: "Bob")pb");
  EXPECT_EQ(GetError("tenants/acme/commits/2"), v1::ENTITY_NOT_FOUND);
  EXPECT_THAT(Positions(""), ElementsAre(1));
  small_.Release();
  EXPECT_EQ(GetError("tenants/acme/commits/2"), v1::ERROR_REASON_UNSPECIFIED);
}

TEST_F(HistoryTest, ListsChangeSetsBothBegunAndSingle) {
  Create(R"pb(display_name: "Ann")pb", "alone");  // 1
  const Done begun =
      small_.Do(FromText<v1::BeginChangeSetRequest>(R"pb(title: "Spring cleaning")pb"));  // 2
  ASSERT_TRUE(begun.status.ok()) << begun.status;
  const int64_t number = static_cast<int64_t>(begun.position);
  const std::string bob = Create(R"pb(display_name: "Bob")pb", "tidy", number);  // 3
  ASSERT_TRUE(Level(bob, "gold", "", number).status.ok());                       // 4
  v1::ListChangeSetsRequest request;
  request.set_parent("tenants/acme");
  auto open = history().Answer(small_.Call("sets"), request);
  ASSERT_TRUE(open.ok()) << open.status();
  ASSERT_EQ(open->change_sets_size(), 2) << open->DebugString();
  const v1::ChangeSet& set = open->change_sets(0);
  EXPECT_EQ(set.name(), "tenants/acme/changeSets/2");
  EXPECT_EQ(set.title(), "Spring cleaning");
  EXPECT_EQ(set.state(), v1::ChangeSet::OPEN);
  EXPECT_EQ(set.commit_count(), 3);
  EXPECT_EQ(set.event_count(), 3);
  EXPECT_EQ(set.last_position(), 4);
  EXPECT_EQ(set.reason(), "tidy");
  EXPECT_EQ(set.methods_size(), 3);
  EXPECT_EQ(open->change_sets(1).number(), 1);
  EXPECT_EQ(open->change_sets(1).state(), v1::ChangeSet::CLOSED);
  EXPECT_EQ(open->change_sets(1).reason(), "alone");

  v1::EndChangeSetRequest end;
  end.set_name(set.name());
  ASSERT_TRUE(small_.Do(end).status.ok());
  auto shown = history().ShowChangeSet(small_.tenant(), 2, small_.head());
  ASSERT_TRUE(shown.ok()) << shown.status();
  EXPECT_EQ(shown->state(), v1::ChangeSet::CLOSED);
  EXPECT_TRUE(shown->has_end_time());
  // As of before its end, and of its first commit alone.
  EXPECT_EQ(history().ShowChangeSet(small_.tenant(), 2, 4)->state(), v1::ChangeSet::OPEN);
  EXPECT_EQ(history().ShowChangeSet(small_.tenant(), 2, 2)->commit_count(), 1);
  EXPECT_EQ(domain::ReasonOf(history().ShowChangeSet(small_.tenant(), 3, small_.head()).status()),
            v1::ENTITY_NOT_FOUND);
  EXPECT_THAT(Positions("change_set = 2"), ElementsAre(4, 3, 2));  // its end stands alone
  // The end is a commit, but no change set that anybody could look for.
  EXPECT_THAT(Positions("type = ChangeSetEnded"), ElementsAre(5));
  auto ended = history().Answer(small_.Call("sets"), request);
  ASSERT_TRUE(ended.ok()) << ended.status();
  ASSERT_EQ(ended->change_sets_size(), 2) << ended->DebugString();
  EXPECT_EQ(ended->change_sets(0).name(), set.name());
  EXPECT_EQ(ended->change_sets(0).state(), v1::ChangeSet::CLOSED);
  EXPECT_EQ(domain::ReasonOf(history().ShowChangeSet(small_.tenant(), 5, small_.head()).status()),
            v1::ENTITY_NOT_FOUND);
}

TEST_F(HistoryTest, FiltersChangeSetsByTheirFirstCommitAndTitle) {
  Create(R"pb(display_name: "Ann")pb", "alone");
  small_.Do(FromText<v1::BeginChangeSetRequest>(R"pb(title: "Spring cleaning")pb"));
  small_.ActAs("bob");
  Create(R"pb(display_name: "Bob")pb");
  v1::ListChangeSetsRequest request;
  request.set_parent("tenants/acme");
  auto numbers = [&](std::string filter) {
    request.set_filter(std::move(filter));
    std::vector<int64_t> found;
    auto response = history().Answer(small_.Call("sets"), request);
    EXPECT_TRUE(response.ok()) << response.status();
    if (response.ok()) {
      for (const auto& set : response->change_sets()) found.push_back(set.number());
    }
    return found;
  };
  EXPECT_THAT(numbers("title:spring"), ElementsAre(2));
  EXPECT_THAT(numbers("actor = bob"), ElementsAre(3));
  EXPECT_THAT(numbers("reason = alone"), ElementsAre(1));
  EXPECT_THAT(numbers("kind = changeSets"), ElementsAre(2));
  request.set_oldest_first(true);
  EXPECT_THAT(numbers(""), ElementsAre(1, 2, 3));
}

TEST_F(HistoryTest, AChangeSetClosesByItselfAfterADay) {
  small_.SetTime(small_.time_us() - int64_t{48} * 3600 * 1'000'000);
  small_.Do(FromText<v1::BeginChangeSetRequest>(R"pb(title: "Forgotten")pb"));
  EXPECT_EQ(history().ShowChangeSet(small_.tenant(), 1, small_.head())->state(),
            v1::ChangeSet::OPEN);
  small_.SetTime(small_.time_us() + int64_t{25} * 3600 * 1'000'000);
  EXPECT_EQ(history().ShowChangeSet(small_.tenant(), 1, small_.head())->state(),
            v1::ChangeSet::CLOSED);
  // Of a past moment it is told as it was then.
  Create(R"pb(display_name: "Late")pb");
  EXPECT_EQ(history().ShowChangeSet(small_.tenant(), 1, 1)->state(), v1::ChangeSet::OPEN);
  EXPECT_EQ(history().ShowChangeSet(small_.tenant(), 1, 2)->state(), v1::ChangeSet::CLOSED);
}

TEST_F(HistoryTest, ListsTheChangesOfOneEntity) {
  const std::string ann = Create(R"pb(display_name: "Ann")pb");
  Create(R"pb(display_name: "Bob")pb");
  ASSERT_TRUE(Level(ann, "gold", "asked").status.ok());
  ASSERT_TRUE(Delete(ann).status.ok());
  v1::ListChangesRequest request;
  request.set_name(ann);
  request.set_page_size(2);
  auto first = history().Answer(small_.Call("changes"), request);
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_EQ(first->entries_size(), 2);
  EXPECT_THAT(first->entries(0).types(), ElementsAre("Deleted"));
  ASSERT_EQ(first->entries(0).changes_size(), 1) << first->entries(0).DebugString();
  EXPECT_EQ(Show(first->entries(0).changes(0)),
            "state: string_value: \"ACTIVE\" -> string_value: \"DELETED\"");
  EXPECT_EQ(first->entries(1).reason(), "asked");
  EXPECT_EQ(first->entries(1).revision(), 2);
  ASSERT_EQ(first->entries(1).changes_size(), 1);
  EXPECT_EQ(Show(first->entries(1).changes(0)), "level: none -> string_value: \"gold\"");
  request.set_page_token(first->next_page_token());
  auto second = history().Answer(small_.Call("changes"), request);
  ASSERT_TRUE(second.ok()) << second.status();
  ASSERT_EQ(second->entries_size(), 1);
  EXPECT_EQ(second->entries(0).position(), 1);
  EXPECT_EQ(second->next_page_token(), "");

  request.clear_page_token();
  request.mutable_as_of()->set_position(3);
  EXPECT_EQ(history().Answer(small_.Call("changes"), request)->entries(0).position(), 3);
  request.mutable_as_of()->set_position(0);
  EXPECT_EQ(domain::ReasonOf(history().Answer(small_.Call("changes"), request).status()),
            v1::ENTITY_NOT_FOUND);
  request.clear_as_of();
  request.set_name("tenants/acme/dragons/1");
  EXPECT_EQ(domain::ReasonOf(history().Answer(small_.Call("changes"), request).status()),
            v1::INVALID_FIELD);
}

TEST_F(HistoryTest, DigestsDependOnContentAlone) {
  const std::string ann = Create(R"pb(display_name: "Ann" level: "gold")pb");
  const std::string before = Digest(1);
  EXPECT_NE(before, Digest(0));
  ASSERT_TRUE(Level(ann, "silver").status.ok());
  const std::string other = Digest(2);
  EXPECT_NE(other, before);
  ASSERT_TRUE(Level(ann, "gold").status.ok());
  EXPECT_EQ(Digest(3), before);
  ASSERT_TRUE(Delete(ann).status.ok());
  EXPECT_NE(Digest(4), before);
  v1::UndeleteCustomerRequest undelete;
  undelete.set_name(ann);
  ASSERT_TRUE(small_.Do(undelete).status.ok());
  EXPECT_EQ(Digest(5), before);
  EXPECT_EQ(Digest(2), other);
}

TEST_F(HistoryTest, TheFullDigestIsOfNowAndOfRebuiltRowsToo) {
  const std::string ann = Create(R"pb(display_name: "Ann")pb");
  const std::string one = Digest(0, /*full=*/true);
  ASSERT_TRUE(Level(ann, "gold").status.ok());
  const std::string two = Digest(0, true);
  EXPECT_NE(one, two);
  v1::GetDigestRequest request;
  request.set_parent("tenants/acme");
  request.set_full(true);
  request.mutable_as_of()->set_position(1);
  EXPECT_EQ(domain::ReasonOf(history().Answer(small_.Call("digest"), request).status()),
            v1::INVALID_FIELD);
  request.clear_as_of();
  auto response = history().Answer(small_.Call("digest"), request);
  EXPECT_EQ(response->answered().position(), 2);
  EXPECT_EQ(response->entity_count(), 1);
  server::QueryCall late = small_.Call("digest");
  late.deadline = absl::Now() - absl::Seconds(1);
  EXPECT_EQ(domain::ReasonOf(history().Answer(late, request).status()), v1::DEADLINE_PASSED);
}

TEST(EnvelopeTest, ReadsWhatProtobufReads) {
  std::mt19937_64 random(3);
  for (int round = 0; round < 300; ++round) {
    auto text = [&] { return std::string(random() % 5, static_cast<char>('a' + random() % 26)); };
    store::v1::Commit commit;
    commit.set_position(random() >> (random() % 63));
    if (commit.position() == 0) commit.set_position(1);
    commit.set_epoch(random());
    commit.set_commit_time_us(static_cast<int64_t>(random()));
    commit.set_actor(text());
    commit.set_method(text());
    commit.set_reason(text());
    commit.set_request_id(text());
    commit.set_on_behalf_of(text());
    commit.set_change_set(random());
    commit.add_notes(text());
    for (size_t i = random() % 4; i > 0; --i) {
      auto& event = *commit.add_events();
      event.mutable_entity()->set_kind(static_cast<uint32_t>(random() % 300));
      event.mutable_entity()->set_id(text());
      event.set_revision(random() % 1000);
      event.set_type(text());
      event.set_clear(text());
      event.add_sealed()->set_ciphertext(text());
    }
    const std::string bytes = commit.SerializeAsString();
    server::Envelope envelope;
    ASSERT_TRUE(server::ReadEnvelope(bytes, true, envelope).ok());
    EXPECT_EQ(envelope.position, commit.position());
    EXPECT_EQ(envelope.epoch, commit.epoch());
    EXPECT_EQ(envelope.commit_time_us, commit.commit_time_us());
    EXPECT_EQ(envelope.actor, commit.actor());
    EXPECT_EQ(envelope.method, commit.method());
    EXPECT_EQ(envelope.reason, commit.reason());
    EXPECT_EQ(envelope.request_id, commit.request_id());
    EXPECT_EQ(envelope.on_behalf_of, commit.on_behalf_of());
    EXPECT_EQ(envelope.change_set, commit.change_set());
    ASSERT_EQ(envelope.events.size(), static_cast<size_t>(commit.events_size()));
    for (size_t i = 0; i < envelope.events.size(); ++i) {
      const auto& event = commit.events(static_cast<int>(i));
      EXPECT_EQ(envelope.events[i].kind, event.entity().kind());
      EXPECT_EQ(envelope.events[i].id, event.entity().id());
      EXPECT_EQ(envelope.events[i].revision, event.revision());
      EXPECT_EQ(envelope.events[i].type, event.type());
    }
    // Cut anywhere, it is read or refused, and never beyond its end.
    const std::string cut = bytes.substr(0, random() % bytes.size());
    (void)server::ReadEnvelope(std::string(cut), true, envelope);
  }
  server::Envelope envelope;
  EXPECT_TRUE(absl::IsDataLoss(server::ReadEnvelope("\xff\xff\xff", true, envelope)));
  EXPECT_TRUE(absl::IsDataLoss(server::ReadEnvelope("", true, envelope)));
}

}  // namespace
}  // namespace retrace
