// What tests of sending share: certificates, helpers that take what is sent, results to wait for.
#pragma once

#include <deque>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "server/outbound/outbox.h"
#include "tests/support/child_process.h"
#include "tests/support/temp_directory.h"

namespace retrace::server {

// Results as they come. Thread-safe; must outlive the outbox.
class Results {
 public:
  // To hand to Send.
  SendDone Take() {
    return [this](SendResult result) {
      const absl::MutexLock lock(&mutex_);
      results_.push_back(std::move(result));
    };
  }
  // The next one; fails the test when none comes.
  SendResult Await() {
    const absl::MutexLock lock(&mutex_);
    const auto some = [this]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) { return !results_.empty(); };
    if (!mutex_.AwaitWithTimeout(absl::Condition(&some), absl::Seconds(60))) {
      ADD_FAILURE() << "no result";
      return {};
    }
    SendResult result = std::move(results_.front());
    results_.pop_front();
    return result;
  }
  size_t size() {
    const absl::MutexLock lock(&mutex_);
    return results_.size();
  }

 private:
  absl::Mutex mutex_;
  std::deque<SendResult> results_ ABSL_GUARDED_BY(mutex_);
};

// A helper that prints JSON; the first object tells its ports.
class JsonLines {
 public:
  explicit JsonLines(const std::vector<std::string>& command) : process_(command), ports_(Next()) {}
  // The next object; fails the test when none comes.
  nlohmann::json Next() {
    const std::optional<std::string> line = process_.ReadLine();
    EXPECT_TRUE(line.has_value()) << "the helper says nothing";
    return line.has_value() ? nlohmann::json::parse(*line) : nlohmann::json::object();
  }
  // The next object that has the member.
  nlohmann::json NextWith(const std::string& member) {
    nlohmann::json next = Next();
    while (!next.empty() && !next.contains(member)) next = Next();
    return next;
  }
  int port(const std::string& which = "port") const { return ports_.at(which).get<int>(); }

 private:
  testing::ChildProcess process_;
  const nlohmann::json ports_;
};

// A certificate of its own authority, for `localhost`.
struct Certificate {
  std::string file;
  std::string key;
};
Certificate MakeCertificate(const testing::TempDirectory& directory, const std::string& name);

// The path of a helper in tests/data/outbound.
std::string HelperFile(const std::string& name);

// A port on which nobody listens.
int ClosedPort();

}  // namespace retrace::server
