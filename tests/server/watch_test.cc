// Watching: everything once and in order, never ahead of queries, resumed where it stopped.
#include "server/watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "domain/refusal.h"
#include "fmt/format.h"
#include "server/moment.h"
#include "tests/support/small_ledger.h"

namespace retrace {
namespace {

using server::CommitWatch;
using ::testing::ElementsAre;
using testing::FromText;
using testing::SmallLedger;

class WatchTest : public ::testing::Test {
 protected:
  void Create(std::string_view kind = "customer") {
    if (kind == "customer") {
      ASSERT_TRUE(
          small_.Do(FromText<v1::CreateCustomerRequest>(R"pb(customer { display_name: "Ann" })pb"))
              .status.ok());
    } else {
      ASSERT_TRUE(
          small_.Do(FromText<v1::CreateRecordRequest>(R"pb(record { kind: DEAL title: "T" })pb"))
              .status.ok());
    }
  }
  v1::WatchCommitsRequest After(int64_t position) {
    v1::WatchCommitsRequest request;
    request.set_parent("tenants/acme");
    request.set_after_position(position);
    if (position > 0) request.set_epoch(server::ShowEpoch(small_.ledger().log().epoch()));
    return request;
  }
  std::unique_ptr<CommitWatch> Start(const v1::WatchCommitsRequest& request,
                                     server::WatchOptions options = {}) {
    auto watch =
        CommitWatch::Start(small_.ledger(), small_.Call("watch"), request, std::move(options));
    EXPECT_TRUE(watch.ok()) << watch.status();
    return watch.ok() ? *std::move(watch) : nullptr;
  }
  v1::ErrorReason StartError(const v1::WatchCommitsRequest& request) {
    return domain::ReasonOf(
        CommitWatch::Start(small_.ledger(), small_.Call("watch"), request, {}).status());
  }
  // `5` for a commit, `caught up at 5`, `heartbeat at 5`, `nothing`.
  static std::string Next(CommitWatch& watch, absl::Duration timeout = absl::ZeroDuration()) {
    auto message = watch.Next(timeout);
    EXPECT_TRUE(message.ok()) << message.status();
    if (!message.ok() || !message->has_value()) return "nothing";
    const v1::WatchCommitsResponse& said = **message;
    if (said.has_commit()) {
      EXPECT_EQ(said.commit().position(), said.position());
      return std::to_string(said.position());
    }
    return fmt::format("{} at {}", said.has_caught_up() ? "caught up" : "heartbeat",
                       said.position());
  }
  static std::vector<std::string> Everything(CommitWatch& watch) {
    std::vector<std::string> all;
    for (int i = 0; i < 1000; ++i) {
      all.push_back(Next(watch));
      if (all.back() == "nothing") break;
    }
    return all;
  }

  SmallLedger small_;
};

TEST_F(WatchTest, CatchesUpOnceAndGoesOnLive) {
  Create();
  Create();
  auto watch = Start(After(0));
  EXPECT_THAT(Everything(*watch), ElementsAre("1", "2", "caught up at 2", "nothing"));
  Create();
  EXPECT_THAT(Everything(*watch), ElementsAre("3", "nothing"));
}

TEST_F(WatchTest, BeginsWhereItIsTold) {
  Create();
  Create();
  EXPECT_THAT(Everything(*Start(After(1))), ElementsAre("2", "caught up at 2", "nothing"));
  EXPECT_THAT(Everything(*Start(After(2))), ElementsAre("caught up at 2", "nothing"));
  EXPECT_THAT(Everything(*Start(After(-1))), ElementsAre("caught up at 2", "nothing"));
}

TEST_F(WatchTest, NeverRunsAheadOfQueries) {
  Create();
  small_.Hold();
  Create();
  auto watch = Start(After(0));
  EXPECT_THAT(Everything(*watch), ElementsAre("1", "caught up at 1", "nothing"));
  small_.Release();
  EXPECT_THAT(Everything(*watch), ElementsAre("2", "nothing"));
}

TEST_F(WatchTest, MovesOnOverWhatItLeavesOut) {
  Create("record");
  Create();
  Create("record");
  v1::WatchCommitsRequest request = After(0);
  request.add_kinds("customers");
  auto watch = Start(request);
  EXPECT_THAT(Everything(*watch), ElementsAre("2", "caught up at 3", "nothing"));
  request.clear_kinds();
  request.add_methods("retrace.v1.Test.CreateRecord");
  EXPECT_THAT(Everything(*Start(request)), ElementsAre("1", "3", "caught up at 3", "nothing"));
  Create("record");
  EXPECT_THAT(Everything(*watch), ElementsAre("nothing"));
  EXPECT_EQ(watch->position(), 4u);
}

TEST_F(WatchTest, IsNotCaughtUpWhileItLeavesOut) {
  for (int i = 0; i < 7; ++i) Create("record");
  Create();
  v1::WatchCommitsRequest request = After(0);
  request.add_kinds("customers");
  auto watch = Start(request, {.most_left_out = 3});
  // Between, whoever runs it may look after the stream.
  EXPECT_EQ(Next(*watch), "nothing");
  EXPECT_EQ(watch->position(), 3u);
  EXPECT_EQ(Next(*watch), "nothing");
  EXPECT_EQ(watch->position(), 6u);
  EXPECT_EQ(Next(*watch), "8");
  EXPECT_EQ(Next(*watch), "caught up at 8");
}

TEST_F(WatchTest, TellsChangesWhenAsked) {
  Create();
  v1::WatchCommitsRequest request = After(0);
  request.set_view(v1::CHANGES);
  auto message = Start(request)->Next(absl::ZeroDuration());
  ASSERT_TRUE(message.ok() && message->has_value());
  EXPECT_GT((*message)->commit().events(0).changes_size(), 0);
  EXPECT_EQ((*message)->epoch(), server::ShowEpoch(small_.ledger().log().epoch()));
}

TEST_F(WatchTest, SendsAHeartbeatAfterSilence) {
  Create();
  absl::Time now = absl::FromUnixSeconds(1000);
  auto watch = Start(After(0), {.heartbeat = absl::Seconds(15), .now = [&now] { return now; }});
  EXPECT_THAT(Everything(*watch), ElementsAre("1", "caught up at 1", "nothing"));
  now += absl::Seconds(14);
  EXPECT_EQ(Next(*watch), "nothing");
  now += absl::Seconds(1);
  EXPECT_EQ(Next(*watch), "heartbeat at 1");
  EXPECT_EQ(Next(*watch), "nothing");
  now += absl::Seconds(10);
  Create();
  EXPECT_EQ(Next(*watch), "2");
  now += absl::Seconds(14);
  EXPECT_EQ(Next(*watch), "nothing");
  now += absl::Seconds(1);
  EXPECT_EQ(Next(*watch), "heartbeat at 2");
}

TEST_F(WatchTest, WakesWhenSomethingBecomesVisible) {
  auto watch = Start(After(0));
  EXPECT_EQ(Next(*watch), "caught up at 0");
  std::thread writer([this] { Create(); });
  EXPECT_EQ(Next(*watch, absl::Minutes(1)), "1");
  writer.join();
}

TEST_F(WatchTest, SeesEveryCommitOnceBesideAWriter) {
  std::thread writer([this] {
    for (int i = 0; i < 200; ++i) Create(i % 2 == 0 ? "customer" : "record");
  });
  auto watch = Start(After(0));
  std::vector<std::string> expected, seen;
  for (int i = 1; i <= 200; ++i) expected.push_back(std::to_string(i));
  int caught_up = 0;
  while (seen.size() < 200) {
    const std::string next = Next(*watch, absl::Seconds(20));
    if (next == "nothing") continue;
    if (next.starts_with("caught up")) {
      ++caught_up;
    } else {
      seen.push_back(next);
      ASSERT_LE(watch->position(), small_.tenant().visible);
    }
  }
  writer.join();
  Everything(*watch);
  EXPECT_EQ(seen, expected);
  EXPECT_LE(caught_up, 1);
}

TEST_F(WatchTest, RefusesWhatItCannotResume) {
  Create();
  Create();
  v1::WatchCommitsRequest request = After(1);
  request.clear_epoch();
  EXPECT_EQ(StartError(request), v1::EPOCH_CHANGED);
  request.set_epoch("0123456789abcdef");
  EXPECT_EQ(StartError(request), v1::EPOCH_CHANGED);
  request.set_epoch("xyz");
  EXPECT_EQ(StartError(request), v1::INVALID_FIELD);
  EXPECT_EQ(StartError(After(3)), v1::INVALID_FIELD);
  EXPECT_EQ(StartError(After(-2)), v1::INVALID_FIELD);
  request = After(0);
  request.add_kinds("dragons");
  EXPECT_EQ(StartError(request), v1::INVALID_FIELD);

  request = After(2);
  small_.Reopen(/*new_epoch=*/true);
  EXPECT_EQ(StartError(request), v1::EPOCH_CHANGED);
  request = After(2);
  EXPECT_THAT(Everything(*Start(request)), ElementsAre("caught up at 2", "nothing"));
}

}  // namespace
}  // namespace retrace
