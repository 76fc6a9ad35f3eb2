// The sequencer on a log that answers anything at will: nothing acknowledged is lost, nothing
// happens twice, no answer leaves before what it was decided on is durable.
#include "server/sequencer.h"

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "domain/commands.h"
#include "domain/kind.h"
#include "domain/refusal.h"
#include "domain/resource.h"
#include "eventstore/row_store.h"
#include "gtest/gtest.h"
#include "retrace/v1/members.pb.h"
#include "server/commit_codec.h"
#include "server/row_view.h"
#include "tests/support/temp_directory.h"
#include "tests/support/test_commit_log.h"

namespace retrace::server {
namespace {

using testing::TempDirectory;
using testing::TestCommitLog;

PrincipalPtr Admin(const std::string& id = "ann") {
  auto principal = std::make_shared<Principal>();
  principal->id = id;
  principal->tenants = {"acme", "globex"};
  principal->permissions = {"members.create", "members.undelete-any"};
  return principal;
}

class SequencerTest : public ::testing::Test {
 protected:
  SequencerTest() {
    EXPECT_TRUE(eventstore::KeyStore::MakeMasterKey(directory_.Below("master.key")).ok());
    auto failed = [this](const absl::Status&) { ++failures_; };
    keys_ = *eventstore::KeyStore::Open({.directory = directory_.Below("keys"),
                                         .master_key_file = directory_.Below("master.key"),
                                         .on_failure = failed});
    rows_ = *eventstore::RowStore::Open({.directory = directory_.Below("rows"),
                                         .layout_stamp = domain::LayoutStamp(),
                                         .cache_bytes = 8u << 20});
    acme_ = tenants_.Add("acme", 1);
    globex_ = tenants_.Add("globex", 2);
  }

  void Start(SequencerOptions options = {}) {
    sequencer_ = std::make_unique<Sequencer>(log_, *keys_, *rows_, tenants_, std::move(options));
  }

  static Command CreateMember(Tenant* tenant, const std::string& id, const std::string& request_id,
                              std::function<void(CommandResult)> done) {
    v1::CreateMemberRequest request;
    request.set_parent("tenants/" + tenant->id);
    request.set_member_id(id);
    request.mutable_member()->set_display_name("Member " + id);
    Command command;
    command.tenant = tenant;
    command.principal = Admin();
    command.method = "retrace.v1.Members.CreateMember";
    command.options.set_request_id(request_id);
    command.request_bytes = request.SerializeAsString();
    command.decide = [request](domain::Draft& draft, const domain::Context& context) {
      return domain::Decide(request, draft, context);
    };
    command.done = std::move(done);
    return command;
  }

  CommandResult Run(Command command) {
    absl::Notification finished;
    CommandResult result;
    command.done = [&](CommandResult r) {
      result = std::move(r);
      finished.Notify();
    };
    sequencer_->Submit(std::move(command));
    finished.WaitForNotification();
    return result;
  }

  // Position of the commits of each request id in the log.
  std::map<std::string, std::vector<uint64_t>> RequestsInLog(const Tenant& tenant) {
    std::map<std::string, std::vector<uint64_t>> requests;
    auto commits = log_.Read(tenant.number, 0, SIZE_MAX);
    EXPECT_TRUE(commits.ok());
    for (const auto& stored : *commits) {
      auto commit = ParseCommit(stored.bytes);
      EXPECT_TRUE(commit.ok());
      EXPECT_EQ(commit->position(), stored.position);
      requests[commit->request_id()].push_back(stored.position);
    }
    return requests;
  }

  TempDirectory directory_;
  TestCommitLog log_;
  std::unique_ptr<eventstore::KeyStore> keys_;
  std::unique_ptr<eventstore::RowStore> rows_;
  Tenants tenants_;
  Tenant* acme_ = nullptr;
  Tenant* globex_ = nullptr;
  std::atomic<int> failures_ = 0;
  std::unique_ptr<Sequencer> sequencer_;
};

TEST_F(SequencerTest, AnswersWithPositionAndResourceThatQueriesSee) {
  Start();
  const CommandResult result = Run(CreateMember(acme_, "ann", "r1", nullptr));
  ASSERT_TRUE(result.status.ok()) << result.status;
  EXPECT_EQ(result.outcome.position(), 1);
  EXPECT_EQ(result.outcome.change_set(), 1);
  EXPECT_FALSE(result.outcome.repeated());
  ASSERT_EQ(result.targets.size(), 1u);
  EXPECT_EQ(acme_->visible, 1u);
  const RowView view(*rows_, acme_->number, acme_->visible);
  auto row = view.Get({domain::KindNumber::kMember, "ann"});
  ASSERT_TRUE(row.ok());
  ASSERT_NE(*row, nullptr);
  EXPECT_EQ((*row)->As<v1::Member>().display_name(), "Member ann");
}

TEST_F(SequencerTest, RepeatsGetTheFirstAnswerAndOtherBodiesAreRefused) {
  Start();
  const CommandResult first = Run(CreateMember(acme_, "ann", "r1", nullptr));
  ASSERT_TRUE(first.status.ok());
  ASSERT_TRUE(Run(CreateMember(acme_, "bob", "r2", nullptr)).status.ok());
  const CommandResult repeat = Run(CreateMember(acme_, "ann", "r1", nullptr));
  ASSERT_TRUE(repeat.status.ok()) << repeat.status;
  EXPECT_TRUE(repeat.outcome.repeated());
  EXPECT_EQ(repeat.outcome.position(), first.outcome.position());
  EXPECT_EQ(repeat.outcome.commit_id(), first.outcome.commit_id());
  ASSERT_EQ(repeat.targets.size(), 1u);
  EXPECT_EQ(repeat.targets[0].first.id, "ann");
  EXPECT_EQ(domain::ReasonOf(Run(CreateMember(acme_, "eve", "r1", nullptr)).status),
            v1::REQUEST_ID_REUSED);
  EXPECT_EQ(acme_->visible, 2u);
}

TEST_F(SequencerTest, RefusalsAreDecidedAgainAndLeaveNoTrace) {
  Start();
  ASSERT_TRUE(Run(CreateMember(acme_, "ann", "r1", nullptr)).status.ok());
  EXPECT_EQ(domain::ReasonOf(Run(CreateMember(acme_, "ann", "r2", nullptr)).status), v1::ID_TAKEN);
  EXPECT_EQ(domain::ReasonOf(Run(CreateMember(acme_, "ann", "r2", nullptr)).status), v1::ID_TAKEN);
  EXPECT_EQ(acme_->visible, 1u);
}

// Holds the log's sync: what was decided on the unsynced commit must not be answered before it.
TEST_F(SequencerTest, NoAnswerLeavesBeforeWhatItWasDecidedOnIsDurable) {
  Start();
  log_.Block();
  std::atomic<int> answered = 0;
  std::vector<std::string> order;
  absl::Mutex mutex;
  auto note = [&](const std::string& what) {
    return [&, what](CommandResult result) {
      absl::MutexLock lock(&mutex);
      order.push_back(what + (result.status.ok() ? "" : " refused"));
      ++answered;
    };
  };
  // A command that is alone is not decided upon before it is durable; of two, the stages overlap.
  absl::Notification both;
  Command create = CreateMember(acme_, "ann", "r1", note("create"));
  create.decide = [&both, decide = std::move(create.decide)](domain::Draft& draft,
                                                             const domain::Context& context) {
    both.WaitForNotification();
    return decide(draft, context);
  };
  sequencer_->Submit(std::move(create));
  sequencer_->Submit(CreateMember(acme_, "ben", "r0", note("another")));
  both.Notify();
  log_.AwaitBlocked();
  // Both are decided on the commit that is not durable: a refusal (the id is taken) and a repeat.
  sequencer_->Submit(CreateMember(acme_, "ann", "r2", note("duplicate")));
  sequencer_->Submit(CreateMember(acme_, "ann", "r1", note("repeat")));
  while (sequencer_->queued() > 0) std::this_thread::yield();
  EXPECT_EQ(answered, 0);
  log_.Release();
  sequencer_->Drain();
  EXPECT_EQ(order, (std::vector<std::string>{"create", "another", "duplicate refused", "repeat"}));
}

TEST_F(SequencerTest, DrainAnswersEverythingThenRefuses) {
  Start();
  std::atomic<int> answered = 0;
  for (int i = 0; i < 200; ++i) {
    sequencer_->Submit(
        CreateMember(acme_, "m" + std::to_string(i), "", [&](CommandResult) { ++answered; }));
  }
  sequencer_->Drain();
  EXPECT_EQ(answered, 200);
  EXPECT_EQ(domain::ReasonOf(Run(CreateMember(acme_, "late", "", nullptr)).status),
            v1::NOT_SERVING);
}

TEST_F(SequencerTest, QueuesAreBoundedPerTenant) {
  Start({.max_commands_per_tenant = 10});
  log_.Block();
  std::atomic<int> full = 0, ok = 0;
  for (int i = 0; i < 2000; ++i) {
    sequencer_->Submit(CreateMember(acme_, "m" + std::to_string(i), "", [&](CommandResult result) {
      if (domain::ReasonOf(result.status) == v1::QUEUE_FULL)
        ++full;
      else if (result.status.ok())
        ++ok;
    }));
  }
  EXPECT_GT(full, 0);
  std::atomic<bool> other = false;
  sequencer_->Submit(
      CreateMember(globex_, "bob", "", [&](CommandResult result) { other = result.status.ok(); }));
  log_.Release();
  sequencer_->Drain();
  EXPECT_EQ(full + ok, 2000);
  EXPECT_TRUE(other);
}

TEST_F(SequencerTest, FullDiskRefusesCommandsUntilThereIsRoom) {
  std::atomic<bool> full = false;
  Start({.disk_full = [&full] { return full.load(); }});
  ASSERT_TRUE(Run(CreateMember(acme_, "ann", "r1", nullptr)).status.ok());
  full = true;
  const CommandResult refused = Run(CreateMember(acme_, "bob", "r2", nullptr));
  EXPECT_TRUE(absl::IsResourceExhausted(refused.status)) << refused.status;
  EXPECT_EQ(domain::ReasonOf(refused.status), v1::DISK_FULL);
  EXPECT_FALSE(RequestsInLog(*acme_).contains("r2"));
  // What was committed before is still read.
  EXPECT_EQ(acme_->visible, 1u);
  full = false;
  EXPECT_TRUE(Run(CreateMember(acme_, "bob", "r2", nullptr)).status.ok());
  EXPECT_EQ(failures_, 0);
}

TEST_F(SequencerTest, ClockThatJumpsAheadStopsCommits) {
  int64_t wall = 1'000'000'000'000'000, monotonic = 5'000'000;
  absl::Mutex mutex;
  auto read = [&](int64_t& clock) {
    return [&] {
      absl::MutexLock lock(&mutex);
      return clock;
    };
  };
  Start({.wall_us = read(wall), .monotonic_us = read(monotonic)});
  ASSERT_TRUE(Run(CreateMember(acme_, "ann", "", nullptr)).status.ok());
  {
    absl::MutexLock lock(&mutex);
    wall -= 3600'000'000;  // backwards: times still rise
  }
  const CommandResult back = Run(CreateMember(acme_, "bob", "", nullptr));
  ASSERT_TRUE(back.status.ok()) << back.status;
  EXPECT_EQ(back.outcome.commit_time().nanos(), 1000);
  {
    absl::MutexLock lock(&mutex);
    wall += 3 * 3600'000'000LL;  // ahead, alone
  }
  EXPECT_EQ(domain::ReasonOf(Run(CreateMember(acme_, "eve", "", nullptr)).status),
            v1::CLOCK_JUMPED);
}

TEST_F(SequencerTest, ExpiredAndCancelledCommandsDoNothing) {
  Start();
  Command late = CreateMember(acme_, "ann", "", nullptr);
  late.deadline = absl::Now() - absl::Seconds(1);
  EXPECT_EQ(domain::ReasonOf(Run(std::move(late)).status), v1::DEADLINE_PASSED);
  Command gone = CreateMember(acme_, "ann", "", nullptr);
  gone.cancelled = std::make_shared<std::atomic<bool>>(true);
  EXPECT_EQ(domain::ReasonOf(Run(std::move(gone)).status), v1::CALLER_CANCELLED);
  EXPECT_EQ(acme_->visible, 0u);
}

// Random fences and unknown outcomes (written or not) under two tenants' load, each command sent
// until it is answered: afterwards each request id is in the log exactly once, at the position that
// its answer named, and the rows hold it.
TEST_F(SequencerTest, SettlesEveryCommandExactlyOnceWhateverTheLogAnswers) {
  const uint64_t seed = std::random_device{}();
  SCOPED_TRACE("seed " + std::to_string(seed));
  std::mt19937_64 random(seed);
  log_.SetUnknownLasts(false);
  Start();
  struct Answer {
    absl::Status status;
    int64_t position = 0;
  };
  absl::Mutex mutex;
  std::map<std::string, Answer> answers;
  constexpr int kCommands = 2000;
  std::atomic<int> left = kCommands;
  for (int i = 0; i < kCommands; ++i) {
    Tenant* tenant = i % 3 == 0 ? globex_ : acme_;
    const std::string id = "m" + std::to_string(i);
    Command command = CreateMember(tenant, id, "r-" + id, [&, id](CommandResult result) {
      absl::MutexLock lock(&mutex);
      answers[id] = {result.status, result.outcome.position()};
      --left;
    });
    while (sequencer_->queued() > 50) std::this_thread::yield();
    constexpr TestCommitLog::Fault kFaults[] = {TestCommitLog::Fault::kFenced,
                                                TestCommitLog::Fault::kUnknownWritten,
                                                TestCommitLog::Fault::kUnknownLost};
    if (random() % 20 == 0) log_.FailNextAppend(kFaults[random() % 3]);
    sequencer_->Submit(std::move(command));
  }
  sequencer_->Drain();
  ASSERT_EQ(left, 0);
  for (Tenant* tenant : {acme_, globex_}) {
    auto requests = RequestsInLog(*tenant);
    const RowView view(*rows_, tenant->number, tenant->visible);
    for (int i = 0; i < kCommands; ++i) {
      if ((i % 3 == 0 ? globex_ : acme_) != tenant) continue;
      const std::string id = "m" + std::to_string(i);
      const Answer& answer = answers[id];
      ASSERT_TRUE(answer.status.ok()) << id << ": " << answer.status;
      const auto& positions = requests["r-" + id];
      ASSERT_EQ(positions.size(), 1u) << id;
      EXPECT_EQ(positions[0], static_cast<uint64_t>(answer.position)) << id;
      auto row = view.Get({domain::KindNumber::kMember, id});
      ASSERT_TRUE(row.ok());
      EXPECT_NE(*row, nullptr) << id;
    }
  }
}

// Another writer was faster: what it wrote is in the rows before the command is decided again,
// after it.
TEST_F(SequencerTest, ConflictIsReadOnAndDecidedAgain) {
  Start();
  ASSERT_TRUE(Run(CreateMember(acme_, "ann", "r1", nullptr)).status.ok());
  store::v1::Commit rival;
  rival.set_format(1);
  rival.set_minimum_reader(1);
  rival.set_tenant("acme");
  rival.set_position(2);
  rival.set_epoch(log_.epoch());
  rival.set_commit_time_us(absl::ToUnixMicros(absl::Now()));
  rival.set_commit_id(std::string(16, 'r'));
  rival.set_actor("rival");
  rival.set_change_set(2);
  log_.FailNextAppend(TestCommitLog::Fault::kConflict, rival.SerializeAsString());
  const CommandResult result = Run(CreateMember(acme_, "bob", "r2", nullptr));
  ASSERT_TRUE(result.status.ok()) << result.status;
  EXPECT_EQ(result.outcome.position(), 3);
  EXPECT_EQ(acme_->visible, 3u);
  EXPECT_EQ(RequestsInLog(*acme_)["r2"], (std::vector<uint64_t>{3}));
}

// When the log is gone for good every waiting command is told that its outcome is unknown, and
// later ones that nothing serves.
TEST_F(SequencerTest, AfterStorageIsGoneEveryAnswerSaysSo) {
  Start();
  ASSERT_TRUE(Run(CreateMember(acme_, "ann", "r1", nullptr)).status.ok());
  log_.FailNextAppend(TestCommitLog::Fault::kUnknownLost);
  EXPECT_EQ(domain::ReasonOf(Run(CreateMember(acme_, "bob", "r2", nullptr)).status),
            v1::OUTCOME_UNKNOWN);
  EXPECT_EQ(domain::ReasonOf(Run(CreateMember(acme_, "eve", "r3", nullptr)).status),
            v1::NOT_SERVING);
}

}  // namespace
}  // namespace retrace::server
