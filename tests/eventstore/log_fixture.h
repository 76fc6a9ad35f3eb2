// What the tests of the commit log share.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "eventstore/commit_log.h"
#include "eventstore/rocks_commit_log.h"

namespace retrace::eventstore {

inline constexpr size_t kEverything = SIZE_MAX;

// Directories of the tests whose file system is in memory.
inline constexpr char kLogDirectory[] = "/disk/log";
inline constexpr char kWitnessDirectory[] = "/other/witness";

// Options for a log in `env`; failures are counted in `*failures`, which may be null.
inline RocksCommitLogOptions LogOptions(rocksdb::Env* env, int* failures = nullptr) {
  RocksCommitLogOptions options;
  options.directory = kLogDirectory;
  options.witness_directory = kWitnessDirectory;
  options.on_failure = [failures](const absl::Status&) {
    if (failures != nullptr) ++*failures;
  };
  options.env = env;
  return options;
}

// Appends one commit under a new lease.
inline TenantAppend AppendOne(CommitLog& log, TenantNumber tenant, std::string_view bytes) {
  absl::StatusOr<Lease> lease = log.Acquire(tenant);
  if (!lease.ok()) return {tenant, AppendOutcome::kUnknown, {}};
  const PendingCommit commit{tenant, lease->fence, lease->head.position, bytes};
  return log.Append({&commit, 1}).front();
}

// The bytes of all commits of a tenant, in order; fails the test when they cannot be read.
inline std::vector<std::string> AllCommits(const CommitLog& log, TenantNumber tenant) {
  std::vector<std::string> result;
  absl::StatusOr<std::vector<StoredCommit>> read = log.Read(tenant, kNoPosition, kEverything);
  EXPECT_TRUE(read.ok()) << read.status();
  if (!read.ok()) return result;
  for (StoredCommit& commit : *read) {
    EXPECT_EQ(commit.position, result.size() + 1);
    result.push_back(std::move(commit.bytes));
  }
  return result;
}

// The seed of a random test: RETRACE_SEED, or a new one; print it with the failure.
inline uint64_t TestSeed() {
  const char* given = std::getenv("RETRACE_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 0) : std::random_device()();
}

}  // namespace retrace::eventstore
