// What must hold of purges after any history of commands. RETRACE_SEED=N runs that history again.
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>

#include "domain/kind.h"
#include "fmt/format.h"
#include "tests/domain/random_history.h"

namespace retrace::domain {
namespace {

using retrace::testing::RandomHistory;
using retrace::testing::Reply;
using retrace::testing::TestTenant;

constexpr int kHistories = 40;
constexpr int kSteps = 220;

// A history with deletions enough that much is purged.
void Grow(RandomHistory& history) {
  for (int i = 0; i < kSteps && !::testing::Test::HasFailure(); ++i) {
    const Reply reply = i % 4 == 3    ? history.BinStep()
                        : i % 16 == 5 ? history.UndoStep()
                        : i % 32 == 9 ? history.ExpiryStep()
                                      : history.Step();
    if (!reply.ok()) {
      EXPECT_NE(reply.reason(), v1::ERROR_REASON_UNSPECIFIED) << reply.status;
    }
  }
}

template <typename Check>
void ForHistories(Check check) {
  const char* fixed = std::getenv("RETRACE_SEED");
  const uint64_t seed =
      fixed != nullptr ? std::strtoull(fixed, nullptr, 10) : std::random_device()();
  const int histories = fixed != nullptr ? 1 : kHistories;
  for (int i = 0; i < histories && !::testing::Test::HasFailure(); ++i) {
    SCOPED_TRACE(fmt::format("RETRACE_SEED={}", seed + static_cast<uint64_t>(i)));
    RandomHistory history(seed + static_cast<uint64_t>(i));
    Grow(history);
    check(history);
  }
}

std::vector<EntityRef> PurgedIn(const TestTenant& tenant) {
  std::vector<EntityRef> purged;
  for (const auto& [entity, bytes] : tenant.rows().RowsAt(kLatest)) {
    if (!KindOf(entity.kind).derived && tenant.RowOf(entity)->purged()) purged.push_back(entity);
  }
  return purged;
}

// Replay has no key of what was purged, and still comes to the same rows, every version of them.
TEST(PurgePropertyTest, RowsBuiltAnewWithoutDestroyedKeysEqualLiveRows) {
  size_t purged = 0, destroyed = 0, stored_anew = 0;
  ForHistories([&](RandomHistory& history) {
    const auto replayed = history.tenant().Replay();
    ASSERT_TRUE(replayed.ok()) << replayed.status();
    EXPECT_TRUE(*replayed == history.tenant().rows());
    purged += PurgedIn(history.tenant()).size();
    destroyed += history.tenant().DestroyedKeys().size();
    for (const auto& [entity, bytes] : history.tenant().rows().RowsAt(kLatest)) {
      stored_anew +=
          !KindOf(entity.kind).derived && history.tenant().RowOf(entity)->head.past_removed() != 0;
    }
  });
  if (std::getenv("RETRACE_SEED") != nullptr) return;
  EXPECT_GT(purged, 40u);
  EXPECT_GT(destroyed, 40u);
  EXPECT_GT(stored_anew, 5u);
}

// As of any moment there is the tombstone or nothing, and no index knows any value.
TEST(PurgePropertyTest, NothingIsLeftAtAnyPosition) {
  ForHistories([](RandomHistory& history) {
    const TestTenant& tenant = history.tenant();
    for (const EntityRef& entity : PurgedIn(tenant)) {
      const RowPtr tombstone = tenant.RowOf(entity);
      EXPECT_EQ(tombstone->resource->ByteSizeLong(), 0u);
      for (Position position = 0; position <= tenant.head(); ++position) {
        const auto row = tenant.view(position).Get(entity);
        ASSERT_TRUE(row.ok());
        EXPECT_EQ(*row == nullptr, position < tombstone->head.create_position());
        if (*row != nullptr) {
          EXPECT_TRUE((*row)->purged());
        }
      }
      const auto entries = tenant.rows().EntriesOf(entity);
      ASSERT_EQ(entries.size(), 1u);
      EXPECT_EQ(entries.front().first, kPurgedIndex);
    }
  });
}

}  // namespace
}  // namespace retrace::domain
