// What this build cannot read is told, and never served or built on.
#include "server/scrub.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/synchronization/notification.h"
#include "retrace/store/v1/commit.pb.h"
#include "server/commit_codec.h"
#include "server/exit_codes.h"
#include "server/replay.h"
#include "tests/support/small_ledger.h"

namespace retrace::server {
namespace {

using ::testing::HasSubstr;
using testing::SmallLedger;

class ScrubTest : public ::testing::Test {
 protected:
  ScrubTest() {
    EXPECT_TRUE(small_
                    .Do(testing::FromText<v1::CreateCustomerRequest>(R"pb(customer {
                                                                            display_name: "Ann"
                                                                          })pb"))
                    .status.ok());
    commit_.set_format(kCommitFormat);
    commit_.set_minimum_reader(kCommitFormat);
    commit_.set_tenant("acme");
    commit_.set_position(2);
  }

  // Appends the commit, past everything that would refuse to write it.
  void Append() {
    eventstore::CommitLog& log = small_.ledger().log();
    const auto lease = log.Acquire(small_.tenant().number);
    ASSERT_TRUE(lease.ok()) << lease.status();
    const std::string bytes = commit_.SerializeAsString();
    const eventstore::PendingCommit pending{.tenant = small_.tenant().number,
                                            .fence = lease->fence,
                                            .expected_head = lease->head.position,
                                            .bytes = bytes};
    ASSERT_EQ(log.Append({&pending, 1})[0].outcome, eventstore::AppendOutcome::kDurable);
    small_.tenant().visible = 2;
  }
  absl::Status Check() {
    uint64_t checked = 0;
    absl::Status status = CheckCommits(small_.ledger().log(), small_.ledger().keys(),
                                       small_.tenant(), 0, 2, &checked);
    EXPECT_EQ(checked, status.ok() ? 2u : 1u);
    return status;
  }
  absl::Status ReplayIt() {
    const auto commits = small_.ledger().log().Read(small_.tenant().number, 1, 1);
    EXPECT_TRUE(commits.ok()) << commits.status();
    Replay replay(small_.ledger().keys(), small_.ledger().rows(), small_.tenant().number);
    const absl::Status applied = replay.Apply(*commits);
    return applied.ok() ? replay.Await() : applied;
  }
  void ExpectNewerBuild(const absl::Status& status) {
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("position 2 of tenant acme"));
    EXPECT_THAT(std::string(status.message()), HasSubstr("a newer build wrote it"));
    EXPECT_EQ(ExitCodeOf(status, {"keys", "master.key", "rows"}), ExitCode::kNewerFormat);
  }

  SmallLedger small_;
  store::v1::Commit commit_;
};

TEST_F(ScrubTest, TakesWhatItKnows) {
  Append();
  EXPECT_EQ(Check(), absl::OkStatus());
}

TEST_F(ScrubTest, RefusesACommitForANewerReader) {
  commit_.set_minimum_reader(kCommitFormat + 1);
  Append();
  ExpectNewerBuild(Check());
  ExpectNewerBuild(ReplayIt());
}

TEST_F(ScrubTest, RefusesAnEventOfAnUnknownType) {
  commit_.add_events()->set_type("CustomerTeleported");
  commit_.mutable_events(0)->mutable_entity()->set_kind(
      static_cast<uint32_t>(domain::KindNumber::kCustomer));
  Append();
  ExpectNewerBuild(Check());
  ExpectNewerBuild(ReplayIt());
}

TEST_F(ScrubTest, RefusesAnEventOfAnUnknownKind) {
  commit_.add_events()->set_type("Deleted");
  commit_.mutable_events(0)->mutable_entity()->set_kind(250);
  Append();
  ExpectNewerBuild(Check());
  ExpectNewerBuild(ReplayIt());
}

TEST_F(ScrubTest, RefusesALostKey) {
  commit_.add_events()->set_type("Deleted");
  commit_.mutable_events(0)->mutable_entity()->set_kind(
      static_cast<uint32_t>(domain::KindNumber::kCustomer));
  auto& part = *commit_.mutable_events(0)->add_sealed();
  part.set_subject("customers/1");
  part.set_key_id(std::string(16, '\x07'));
  Append();
  const absl::Status status = Check();
  EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("of customers/1"));
}

TEST_F(ScrubTest, ReadsAllOfEveryTenantInTheBackground) {
  commit_.add_events()->set_type("CustomerTeleported");
  Append();
  absl::Notification done;
  absl::Status found;
  Scrub scrub(small_.ledger(), [&](const absl::Status& status, uint64_t) {
    found = status;
    done.Notify();
  });
  done.WaitForNotification();
  ExpectNewerBuild(found);
}

}  // namespace
}  // namespace retrace::server
