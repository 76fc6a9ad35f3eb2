// The fixture of the tests of RocksCommitLog: one log on a disk in memory.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>

#include "eventstore/rocks_commit_log.h"
#include "eventstore/witness.h"
#include "fmt/format.h"
#include "tests/eventstore/log_fixture.h"
#include "tests/support/fault_env.h"

namespace retrace::eventstore {

class RocksCommitLogTest : public ::testing::Test {
 protected:
  std::unique_ptr<RocksCommitLog> MustOpen() {
    absl::StatusOr<std::unique_ptr<RocksCommitLog>> log =
        RocksCommitLog::Open(LogOptions(env_.env(), &failures_));
    EXPECT_TRUE(log.ok()) << log.status();
    return log.ok() ? *std::move(log) : nullptr;
  }
  absl::Status OpenError() { return RocksCommitLog::Open(LogOptions(env_.env())).status(); }
  // A log with `commits` groups of one commit each, closed.
  void MakeLog(int commits) {
    std::unique_ptr<RocksCommitLog> log = MustOpen();
    for (int i = 0; i < commits; ++i) Append(*log);
  }
  void Append(RocksCommitLog& log) {
    ASSERT_EQ(AppendOne(log, 1, fmt::format("commit {}", ++appended_)).outcome,
              AppendOutcome::kDurable);
  }
  std::string WitnessBytes() { return env_.Contents(witness_); }
  void SetWitness(std::string bytes) { env_.Overwrite(witness_, std::move(bytes)); }
  // The name of the one file in the log's directory that ends like this.
  std::string LogFile(const std::string& ending) {
    std::string found;
    for (const std::string& name : env_.Files(kLogDirectory)) {
      if (name.size() > ending.size() && name.substr(name.size() - ending.size()) == ending) {
        found = std::string(kLogDirectory) + "/" + name;
      }
    }
    EXPECT_NE(found, "") << "no file " << ending;
    return found;
  }

  testing::FaultEnv env_;
  int failures_ = 0;
  int appended_ = 0;
  const std::string witness_ = WitnessPath(kWitnessDirectory);
};

}  // namespace retrace::eventstore
