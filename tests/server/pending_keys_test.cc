// What removals do to keys that are decided but not yet in the row store.
#include "server/pending_keys.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

namespace retrace::server {
namespace {

using domain::EntityRef;
using domain::KindNumber;
using domain::Mark;
using domain::Position;
using domain::Projection;
using domain::Row;
using domain::RowPtr;

const EntityRef kAnn{KindNumber::kCustomer, "ann"};

RowPtr Version(Position position) {
  auto row = std::make_shared<Row>();
  row->head.set_update_position(position);
  return row;
}

domain::ProjectedEntry Entry(Mark mark, Position position = 0) {
  return {kAnn.kind, 1, "ann", kAnn.id, mark, position};
}

class PendingKeysTest : public ::testing::Test {
 protected:
  Mark MarkOf() const {
    const auto found = pending_.entries().find({kAnn.kind, 1, "ann", kAnn.id});
    return found == pending_.entries().end() ? Mark::kLive : found->second.mark;
  }

  PendingKeys pending_;
};

// The row store holds a version of position 2; 10 deletes the entity, and 11 purges it.
TEST_F(PendingKeysTest, ATombstoneOutlivesTheCommitsBeforeIt) {
  pending_.Add(10, {.rows = {{kAnn, Version(10), "", 0}}, .entries = {Entry(Mark::kBinned)}});
  const RowPtr tombstone = Version(11);
  // Two versions had the same entry.
  pending_.Add(11, {.rows = {{kAnn, tombstone, "", 2}},
                    .removed_rows = {{kAnn, 10}, {kAnn, 2}},
                    .removed_entries = {Entry(Mark::kBinned, 10), Entry(Mark::kLive, 2)}});
  const auto expect_purged = [&] {
    for (const Position position : {Position{2}, Position{10}, Position{11}, domain::kLatest}) {
      EXPECT_EQ(pending_.Get(kAnn, position), tombstone) << position;
    }
    EXPECT_EQ(pending_.Get(kAnn, 1), RowPtr());
    EXPECT_EQ(MarkOf(), Mark::kGone);
  };
  expect_purged();
  pending_.Forget(10);
  expect_purged();
  pending_.Forget(11);
  EXPECT_EQ(pending_.Get(kAnn, domain::kLatest), std::nullopt);
  EXPECT_TRUE(pending_.entries().empty());
  EXPECT_TRUE(pending_.empty());
}

// 10 removes the past of what stays; 11 changes it.
TEST_F(PendingKeysTest, ARemovedPastIsHiddenUntilTheRowStoreHasLostIt) {
  pending_.Add(10, {.rows = {{kAnn, Version(10), "", 0}},
                    .entries = {Entry(Mark::kLive)},
                    .removed_rows = {{kAnn, 2}},
                    .removed_entries = {Entry(Mark::kLive, 2)}});
  pending_.Add(11, {.rows = {{kAnn, Version(11), "", 0}}, .entries = {Entry(Mark::kGone)}});
  EXPECT_EQ(pending_.Get(kAnn, 9), RowPtr());
  EXPECT_EQ((*pending_.Get(kAnn, 10))->head.update_position(), 10u);
  pending_.Forget(10);
  EXPECT_EQ(pending_.Get(kAnn, 10), std::nullopt);  // the row store knows
  EXPECT_EQ((*pending_.Get(kAnn, 11))->head.update_position(), 11u);
  EXPECT_EQ(MarkOf(), Mark::kGone);
  pending_.Forget(11);
  EXPECT_TRUE(pending_.entries().empty());
}

TEST_F(PendingKeysTest, WhatIsWrittenAnewIsThere) {
  pending_.Add(10, {.rows = {{kAnn, Version(10), "", 0}},
                    .entries = {Entry(Mark::kLive)},
                    .removed_rows = {{kAnn, 2}},
                    .removed_entries = {Entry(Mark::kBinned, 2)}});
  ASSERT_EQ(pending_.entries().size(), 1u);
  EXPECT_EQ(pending_.entries().begin()->second.mark, Mark::kLive);
}

}  // namespace
}  // namespace retrace::server
