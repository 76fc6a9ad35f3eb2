// Purges on a whole ledger: what is left of them in answers, in rebuilt rows, in files, and after a
// crash between the commit and the end of its keys.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "domain/kind.h"
#include "domain/refusal.h"
#include "fmt/format.h"
#include "retrace/store/v1/notifications.pb.h"
#include "retrace/v1/notifications.pb.h"
#include "server/history.h"
#include "server/queries.h"
#include "server/recycle_bin.h"
#include "server/verification.h"
#include "tests/support/small_ledger.h"

namespace retrace {
namespace {

using testing::Done;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::SmallLedger;

class PurgeTest : public ::testing::Test {
 protected:
  std::string NewCustomer(const std::string& name) {
    v1::CreateCustomerRequest request;
    request.mutable_customer()->set_display_name(name);
    return "tenants/acme/customers/" + small_.Do(request).id();
  }
  Done Delete(const std::string& name, const std::string& reason = "") {
    v1::DeleteCustomerRequest request;
    request.set_name(name);
    request.mutable_related()->set_all(v1::RelatedRecords::DELETE);
    request.mutable_options()->set_reason(reason);
    return small_.Do(request);
  }
  Done Purge(const std::string& name) {
    v1::PurgeEntitiesRequest request;
    request.add_names(name);
    return small_.Do(request);
  }
  absl::StatusOr<v1::ListCustomersResponse> List(int64_t position) {
    v1::ListCustomersRequest request;
    request.set_parent("tenants/acme");
    request.set_show_deleted(true);
    if (position > 0) request.mutable_as_of()->set_position(position);
    return server::Queries(small_.ledger()).Answer(small_.Call("List"), request);
  }
  absl::Status Get(const std::string& name, int64_t position) {
    v1::GetCustomerRequest request;
    request.set_name(name);
    if (position > 0) request.mutable_as_of()->set_position(position);
    return server::Queries(small_.ledger()).Answer(small_.Call("Get"), request).status();
  }
  absl::StatusOr<v1::ListBinnedEntitiesResponse> Bin(v1::ListBinnedEntitiesRequest request) {
    request.set_parent("tenants/acme");
    return server::RecycleBin(small_.ledger()).Answer(small_.Call("Bin"), request);
  }
  // Key ids in the stored commit at a position.
  std::vector<std::string> KeysAt(eventstore::Position position) {
    std::vector<std::string> keys;
    store::v1::Commit commit;
    commit.ParseFromString(*small_.ledger().ReadStored(small_.tenant(), position));
    for (const auto& event : commit.events()) {
      for (const auto& part : event.sealed()) keys.push_back(part.key_id());
    }
    return keys;
  }
  // True when rows that are built anew are those that serve, every byte and version.
  bool RebuildIsEqual() {
    const testing::TempDirectory directory;
    auto fresh = small_.ledger().Rebuild(directory.Below("rows"), nullptr, nullptr);
    EXPECT_TRUE(fresh.ok()) << fresh.status();
    const auto number = small_.tenant().number;
    return fresh.ok() &&
           *(*fresh)->FullDigest(number) == *small_.ledger().rows().FullDigest(number);
  }

  SmallLedger small_;
};

TEST_F(PurgeTest, VerificationGoesOnWhileSomethingIsPurged) {
  NewCustomer("Bo");
  const std::string ann = NewCustomer("Ann Secret");
  ASSERT_TRUE(Delete(ann).status.ok());
  const testing::TempDirectory directory;
  int calls = 0;
  const auto verified = server::VerifyRows(
      small_.ledger(), directory.path(),
      [&](uint64_t, uint64_t) { return ++calls == 1 ? Purge(ann).status : absl::OkStatus(); });
  ASSERT_TRUE(verified.ok()) << verified.status();
  EXPECT_THAT(verified->differences, IsEmpty());
  EXPECT_EQ(domain::ReasonOf(Get(ann, 0)), v1::ENTITY_PURGED);
}

TEST_F(PurgeTest, VerificationLeavesTheLastSpaceToTheLog) {
  NewCustomer("Bo");
  const testing::TempDirectory directory;
  int asked = 0;
  const auto filling = [&asked](const char*, struct statvfs* disk) {
    *disk = {};
    disk->f_frsize = 4096;
    disk->f_blocks = 1 << 20;
    disk->f_bavail = ++asked == 1 ? 1 << 19 : 1;
    return 0;
  };
  const auto verified = server::VerifyRows(
      small_.ledger(), directory.path(), [](uint64_t, uint64_t) { return absl::OkStatus(); },
      filling);
  EXPECT_EQ(domain::ReasonOf(verified.status()), v1::DISK_FULL) << verified.status();
  EXPECT_EQ(asked, 2) << "the first batch was the last";
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
}

TEST_F(PurgeTest, WhatAMemberChoseGoesWithTheMember) {
  v1::CreateMemberRequest create;
  create.set_member_id("bo");
  create.mutable_member()->set_display_name("Bo");
  ASSERT_TRUE(small_.Do(create).status.ok());
  const std::string bo = "tenants/acme/members/bo";
  store::v1::ChooseForContactPoint choice;
  choice.set_recipient(bo);
  choice.set_channel(v1::EMAIL);
  choice.set_kind("customers.deleted");
  choice.set_off(true);
  choice.set_client_address("192.0.2.77");
  const auto choose = [&choice](domain::Draft& draft, const domain::Context& context) {
    return domain::Decide(choice, draft, context);
  };
  ASSERT_TRUE(small_.DoWith(choose).status.ok());
  const auto keys = KeysAt(small_.head());
  ASSERT_THAT(keys, ::testing::SizeIs(1));
  v1::DeleteMemberRequest deletion;
  deletion.set_name(bo);
  ASSERT_TRUE(small_.Do(deletion).status.ok());
  const auto list = [this] {
    v1::ListContactPointsRequest request;
    request.set_parent("tenants/acme");
    return *server::Queries(small_.ledger()).Answer(small_.Call("List"), request);
  };
  EXPECT_EQ(list().contact_points_size(), 1) << "in the bin it may come back";

  const Done purged = Purge(bo);
  ASSERT_TRUE(purged.status.ok()) << purged.status;
  EXPECT_EQ(list().contact_points_size(), 0);
  EXPECT_TRUE(*small_.ledger().keys().WasDestroyed(small_.tenant().number, keys[0]));
  EXPECT_TRUE(RebuildIsEqual());
  // A link in an old mail still answers, and keeps nothing.
  choice.set_off(false);
  EXPECT_EQ(small_.DoWith(choose).position, 0u);
}

TEST_F(PurgeTest, AnswersOfAnyMomentShowTheTombstone) {
  NewCustomer("Bo");
  const std::string ann = NewCustomer("Ann Secret");
  const auto created = static_cast<int64_t>(small_.head());
  ASSERT_TRUE(Delete(ann).status.ok());
  const Done purged = Purge(ann);
  ASSERT_TRUE(purged.status.ok()) << purged.status;
  for (const int64_t position : {int64_t{0}, created}) {
    EXPECT_EQ(domain::ReasonOf(Get(ann, position)), v1::ENTITY_PURGED);
  }
  EXPECT_EQ(domain::ReasonOf(Get(ann, created - 1)), v1::ENTITY_NOT_FOUND);
  const auto then = List(created);
  ASSERT_TRUE(then.ok()) << then.status();
  EXPECT_EQ(then->customers_size(), 1);
  EXPECT_EQ(then->purged_count(), 1);
  EXPECT_EQ(List(created - 1)->purged_count(), 0);  // before it was created
  EXPECT_EQ(List(0)->purged_count(), 0);
  v1::ListChangesRequest changes;
  changes.set_name(ann);
  const auto history = server::History(small_.ledger()).Answer(small_.Call("Changes"), changes);
  ASSERT_TRUE(history.ok()) << history.status();
  ASSERT_EQ(history->entries_size(), 1);
  EXPECT_TRUE(history->entries(0).purged());
  EXPECT_EQ(history->entries(0).position(), static_cast<int64_t>(purged.position));
  EXPECT_EQ(history->entries(0).actor(), "ann");
  v1::GetCommitRequest commit;
  commit.set_name(fmt::format("tenants/acme/commits/{}", created));
  commit.set_view(v1::EVENTS);
  const auto shown = server::History(small_.ledger()).Answer(small_.Call("Commit"), commit);
  ASSERT_TRUE(shown.ok()) << shown.status();
  EXPECT_TRUE(shown->commit().events(0).purged());
  EXPECT_FALSE(shown->commit().events(0).has_payload());
  EXPECT_THAT(shown->commit().events(0).changes(), IsEmpty());
}

TEST_F(PurgeTest, RowsBuiltAnewAreEqualThoughTheKeyIsGone) {
  const std::string ann = NewCustomer("Ann");
  const auto keys = KeysAt(small_.head());
  ASSERT_EQ(keys.size(), 1u);
  v1::CreateRecordRequest record;
  record.mutable_record()->set_title("a deal that stays");
  record.mutable_record()->set_kind(v1::Record::DEAL);
  record.mutable_record()->set_customer(ann);
  const std::string deal = small_.Do(record).id();
  v1::DeleteCustomerRequest keep;
  keep.set_name(ann);
  keep.mutable_related()->set_all(v1::RelatedRecords::KEEP);
  ASSERT_TRUE(small_.Do(keep).status.ok());
  ASSERT_TRUE(Purge(ann).status.ok());
  EXPECT_TRUE(*small_.ledger().keys().WasDestroyed(small_.tenant().number, keys[0]));
  EXPECT_TRUE(RebuildIsEqual());
  // From nothing, too.
  small_.Reopen(false);
  v1::GetRecordRequest get;
  get.set_name("tenants/acme/records/" + deal);
  const auto kept = server::Queries(small_.ledger()).Answer(small_.Call("Get"), get);
  ASSERT_TRUE(kept.ok()) << kept.status();
  EXPECT_EQ(kept->record().title(), "a deal that stays");
  EXPECT_EQ(kept->record().detached_from(), "");
}

// As an operation purges: one after the other, in one commit. The record is stored anew for Ann's
// sake, and then goes with Bo.
TEST_F(PurgeTest, WhatIsStoredAnewAndPurgedAtOnceOpensForNobody) {
  const std::string ann = NewCustomer("Ann"), bo = NewCustomer("Bo");
  v1::CreateRecordRequest record;
  record.mutable_record()->set_title("secret");
  record.mutable_record()->set_kind(v1::Record::NOTE);
  record.mutable_record()->set_customer(ann);
  v1::UpdateRecordRequest move;
  move.mutable_record()->set_name("tenants/acme/records/" + small_.Do(record).id());
  move.mutable_record()->set_customer(bo);
  move.mutable_update_mask()->add_paths("customer");
  ASSERT_TRUE(small_.Do(move).status.ok());
  ASSERT_TRUE(Delete(bo).status.ok());
  ASSERT_TRUE(Delete(ann).status.ok());
  const Done purged = small_.DoWith([&](domain::Draft& draft, const domain::Context& context) {
    for (const std::string& name : {ann, bo}) {
      v1::PurgeEntitiesRequest one;
      one.set_parent("tenants/acme");
      one.add_names(name);
      if (absl::Status status = domain::Decide(one, draft, context); !status.ok()) return status;
    }
    return absl::OkStatus();
  });
  ASSERT_TRUE(purged.status.ok()) << purged.status;
  EXPECT_EQ(domain::ReasonOf(Get(bo, 0)), v1::ENTITY_PURGED);
  for (eventstore::Position position = 1; position <= small_.head(); ++position) {
    for (const std::string& key : KeysAt(position)) {
      EXPECT_TRUE(*small_.ledger().keys().WasDestroyed(small_.tenant().number, key)) << position;
    }
  }
  EXPECT_TRUE(RebuildIsEqual());
}

// A merge copies into the survivor, whose key stays.
TEST_F(PurgeTest, HistoryTellsNothingOfAPastThatWasRemoved) {
  const std::string ann = NewCustomer("Ann"), bo = NewCustomer("Bo");
  v1::UpdateCustomerRequest update;
  update.mutable_customer()->set_name(bo);
  update.mutable_customer()->add_emails("bo@x.co");
  ASSERT_TRUE(small_.Do(update).status.ok());
  v1::MergeCustomersRequest merge;
  merge.set_name(ann);
  merge.add_losers(bo);
  const Done merged = small_.Do(merge);
  ASSERT_TRUE(merged.status.ok()) << merged.status;
  ASSERT_TRUE(small_.Undo(merged.position).status.ok());
  ASSERT_TRUE(Delete(bo).status.ok());
  ASSERT_TRUE(Purge(bo).status.ok());
  v1::GetCommitRequest request;
  request.set_name(fmt::format("tenants/acme/commits/{}", merged.position));
  request.set_view(v1::EVENTS);
  const auto shown = server::History(small_.ledger()).Answer(small_.Call("Commit"), request);
  ASSERT_TRUE(shown.ok()) << shown.status();
  for (const v1::Event& event : shown->commit().events()) {
    EXPECT_FALSE(event.has_payload()) << event.ShortDebugString();
    EXPECT_THAT(event.changes(), IsEmpty());
  }
  EXPECT_TRUE(Get(ann, 0).ok());
  EXPECT_TRUE(RebuildIsEqual());
}

TEST_F(PurgeTest, ACrashBetweenCommitAndKeysIsMadeUpForOnOpening) {
  const std::string ann = NewCustomer("Ann");
  const auto keys = KeysAt(small_.head());
  ASSERT_TRUE(Delete(ann).status.ok());
  small_.Hold();  // the commit is durable, and then everything stops
  ASSERT_TRUE(Purge(ann).status.ok());
  ASSERT_FALSE(*small_.ledger().keys().WasDestroyed(small_.tenant().number, keys[0]));
  small_.Reopen(false);
  EXPECT_TRUE(*small_.ledger().keys().WasDestroyed(small_.tenant().number, keys[0]));
  EXPECT_EQ(domain::ReasonOf(Get(ann, 0)), v1::ENTITY_PURGED);
  EXPECT_TRUE(RebuildIsEqual());
}

TEST_F(PurgeTest, TheBinTellsWhoWhyAndWhatCameAlong) {
  const std::string ann = NewCustomer("Ann");
  for (const char* title : {"one", "two"}) {
    v1::CreateRecordRequest record;
    record.mutable_record()->set_title(title);
    record.mutable_record()->set_kind(v1::Record::DEAL);
    record.mutable_record()->set_customer(ann);
    ASSERT_TRUE(small_.Do(record).status.ok());
  }
  ASSERT_TRUE(Delete(ann, "a mistake").status.ok());
  NewCustomer("live");
  // Kind by kind, over pages of one.
  std::vector<std::string> titles;
  v1::ListBinnedEntitiesRequest request;
  request.set_page_size(1);
  for (int pages = 0; pages < 20; ++pages) {
    const auto page = Bin(request);
    ASSERT_TRUE(page.ok()) << page.status();
    for (const auto& entity : page->entities()) {
      titles.push_back(entity.title());
      EXPECT_EQ(entity.actor(), "ann");
      EXPECT_EQ(entity.reason(), "a mistake");
      EXPECT_TRUE(entity.has_expire_time());
      EXPECT_EQ(entity.taken_by(), entity.collection() == "records" ? ann : "");
      if (entity.collection() == "customers") {
        ASSERT_EQ(entity.taken_size(), 1);
        EXPECT_EQ(entity.taken(0).deleted_count(), 2);
        v1::Customer customer;
        ASSERT_TRUE(entity.resource().UnpackTo(&customer));
        EXPECT_EQ(customer.state(), v1::Customer::DELETED);
      }
    }
    request.set_page_token(page->next_page_token());
    if (page->next_page_token().empty()) break;
  }
  EXPECT_THAT(titles, ::testing::UnorderedElementsAre("Ann", "one", "two"));
  // Every page's token is of this request, also where the next kind begins.
  request.clear_page_token();
  for (int page = 0; page < 2; ++page) {
    request.set_page_token(Bin(request)->next_page_token());
    request.set_query("Ann");
    EXPECT_EQ(domain::ReasonOf(Bin(request).status()), v1::INVALID_PAGE_TOKEN);
    request.clear_query();
    small_.In("other");
    EXPECT_EQ(domain::ReasonOf(Bin(request).status()), v1::INVALID_PAGE_TOKEN);
    small_.In("acme");
    EXPECT_TRUE(Bin(request).ok());
  }
  request.set_page_token("1.3.");
  EXPECT_EQ(domain::ReasonOf(Bin(request).status()), v1::INVALID_PAGE_TOKEN);
  v1::ListBinnedEntitiesRequest filtered;
  filtered.set_collection("records");
  filtered.set_filter("title = \"one\"");
  EXPECT_EQ(Bin(filtered)->entities_size(), 1);
  filtered.set_collection("");
  EXPECT_EQ(domain::ReasonOf(Bin(filtered).status()), v1::INVALID_FIELD);
  filtered.set_collection("planets");
  EXPECT_EQ(domain::ReasonOf(Bin(filtered).status()), v1::INVALID_FIELD);
}

}  // namespace
}  // namespace retrace
