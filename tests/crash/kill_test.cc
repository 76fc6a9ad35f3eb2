// kill -9 at random moments under load. After each restart: every acknowledged command is in the
// log exactly once, at the position that its answer named; commands without an answer, sent again
// with the same id, have exactly one effect; and every answer that a reader got, before or after a
// command, still stands as of its position: none was built on what was lost.
#include <grpcpp/grpcpp.h>

#include <atomic>
#include <chrono>
#include <cstdlib>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "google/protobuf/util/message_differencer.h"
#include "gtest/gtest.h"
#include "retrace/v1/customers.grpc.pb.h"
#include "retrace/v1/history.grpc.pb.h"
#include "retrace/v1/tenants.grpc.pb.h"
#include "tests/support/daemon.h"
#include "tests/support/temp_directory.h"

namespace retrace {
namespace {

using testing::Daemon;
using testing::TempDirectory;

// A command with the answer that it got, if any.
struct Sent {
  v1::CreateCustomerRequest create;  // either this
  v1::UpdateCustomerRequest update;  // or this, when it names a customer
  bool answered = false;
  int64_t position = 0;
  std::string commit_id;
  const std::string& request_id() const {
    return update.has_customer() ? update.options().request_id() : create.options().request_id();
  }
};

// What a reader was told.
struct Read {
  int64_t position = 0;
  v1::Customer customer;
};

class KillTest : public ::testing::Test {
 protected:
  KillTest() : seed_(std::random_device{}()), daemon_(directory_.path()) {}

  template <typename Stub>
  void Authorise(grpc::ClientContext& context, Stub) {
    context.AddMetadata("authorization", "Bearer " + daemon_.token());
    context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(10));
  }
  void Authorise(grpc::ClientContext& context) { Authorise(context, 0); }

  void CreateTenant() {
    auto stub = v1::Tenants::NewStub(daemon_.Channel());
    grpc::ClientContext context;
    Authorise(context);
    v1::CreateTenantRequest request;
    request.set_tenant_id("acme");
    v1::CreateTenantResponse response;
    const grpc::Status status = stub->CreateTenant(&context, request, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }

  // Sends one command; true when it was answered OK.
  bool Send(v1::Customers::Stub& stub, Sent& sent) {
    grpc::ClientContext context;
    Authorise(context);
    grpc::Status status;
    v1::Outcome outcome;
    v1::Customer customer;
    if (sent.update.has_customer()) {
      v1::UpdateCustomerResponse response;
      status = stub.UpdateCustomer(&context, sent.update, &response);
      outcome = response.outcome();
      customer = response.customer();
    } else {
      v1::CreateCustomerResponse response;
      status = stub.CreateCustomer(&context, sent.create, &response);
      outcome = response.outcome();
      customer = response.customer();
    }
    if (!status.ok()) return false;
    sent.answered = true;
    sent.position = outcome.position();
    sent.commit_id = outcome.commit_id();
    std::lock_guard lock(mutex_);
    reads_.push_back({outcome.position(), customer});
    names_.push_back(customer.name());
    return true;
  }

  // Commands one after the other until the daemon is gone.
  void Write(int worker, int round) {
    std::mt19937_64 random(seed_ + static_cast<uint64_t>(worker) * 1000 +
                           static_cast<uint64_t>(round));
    auto channel = daemon_.Channel();
    auto stub = v1::Customers::NewStub(channel);
    for (int i = 0; !stop_; ++i) {
      Sent sent;
      const std::string request_id =
          "r" + std::to_string(round) + "-" + std::to_string(worker) + "-" + std::to_string(i);
      std::string name;
      {
        std::lock_guard lock(mutex_);
        if (!names_.empty() && random() % 2 == 0) name = names_[random() % names_.size()];
      }
      if (name.empty()) {
        sent.create.set_parent("tenants/acme");
        sent.create.mutable_customer()->set_display_name("Customer " + request_id);
        sent.create.mutable_options()->set_request_id(request_id);
      } else {
        sent.update.mutable_customer()->set_name(name);
        sent.update.mutable_customer()->set_level(request_id);
        sent.update.mutable_update_mask()->add_paths("level");
        sent.update.mutable_options()->set_request_id(request_id);
      }
      const bool answered = Send(*stub, sent);
      std::lock_guard lock(mutex_);
      sent_.push_back(std::move(sent));
      if (!answered) return;
    }
  }

  void ReadAlong() {
    auto stub = v1::Customers::NewStub(daemon_.Channel());
    std::mt19937_64 random(seed_);
    while (!stop_) {
      v1::GetCustomerRequest request;
      {
        std::lock_guard lock(mutex_);
        if (names_.empty()) continue;
        // Mostly what was written last: that is what may not be durable yet.
        request.set_name(names_[names_.size() - 1 - random() % std::min<size_t>(names_.size(), 8)]);
      }
      grpc::ClientContext context;
      Authorise(context);
      v1::GetCustomerResponse response;
      if (!stub->GetCustomer(&context, request, &response).ok()) return;
      std::lock_guard lock(mutex_);
      reads_.push_back({response.answered().position(), response.customer()});
    }
  }

  void LoadAndKill(int round) {
    stop_ = false;
    std::vector<std::thread> threads;
    for (int worker = 0; worker < 8; ++worker)
      threads.emplace_back([this, worker, round] { Write(worker, round); });
    threads.emplace_back([this] { ReadAlong(); });
    std::mt19937_64 random(seed_ * 31 + static_cast<uint64_t>(round));
    std::this_thread::sleep_for(std::chrono::milliseconds(20 + random() % 400));
    daemon_.Kill();
    stop_ = true;
    for (std::thread& thread : threads) thread.join();
  }

  void ResendUnanswered() {
    auto stub = v1::Customers::NewStub(daemon_.Channel());
    for (Sent& sent : sent_) {
      if (!sent.answered) {
        ASSERT_TRUE(Send(*stub, sent)) << sent.request_id();
      }
    }
  }

  // Everything in the log, by request id.
  void CheckLog() {
    auto stub = v1::History::NewStub(daemon_.Channel());
    std::map<std::string, std::vector<v1::Commit>> commits;
    v1::ListCommitsRequest request;
    request.set_parent("tenants/acme");
    request.set_page_size(1000);
    request.set_oldest_first(true);
    int64_t last = 0;
    do {
      grpc::ClientContext context;
      Authorise(context);
      v1::ListCommitsResponse response;
      const grpc::Status status = stub->ListCommits(&context, request, &response);
      ASSERT_TRUE(status.ok()) << status.error_message();
      for (const v1::Commit& commit : response.commits()) {
        ASSERT_EQ(commit.position(), last + 1);
        last = commit.position();
        commits[commit.request_id()].push_back(commit);
      }
      request.set_page_token(response.next_page_token());
    } while (!request.page_token().empty());
    for (const Sent& sent : sent_) {
      const auto& found = commits[sent.request_id()];
      ASSERT_EQ(found.size(), 1u) << sent.request_id()
                                  << (found.empty() ? " is lost" : " is doubled");
      EXPECT_EQ(found[0].position(), sent.position) << sent.request_id();
      EXPECT_EQ(found[0].commit_id(), sent.commit_id) << sent.request_id();
    }
  }

  // What readers were told in the last round still stands.
  void CheckReads(size_t from) {
    auto stub = v1::Customers::NewStub(daemon_.Channel());
    for (size_t i = from; i < reads_.size(); ++i) {
      grpc::ClientContext context;
      Authorise(context);
      v1::GetCustomerRequest request;
      request.set_name(reads_[i].customer.name());
      request.mutable_as_of()->set_position(reads_[i].position);
      v1::GetCustomerResponse response;
      const grpc::Status status = stub->GetCustomer(&context, request, &response);
      ASSERT_TRUE(status.ok()) << "position " << reads_[i].position << ": "
                               << status.error_message();
      ASSERT_TRUE(google::protobuf::util::MessageDifferencer::Equals(response.customer(),
                                                                     reads_[i].customer))
          << response.customer().DebugString() << "was told as\n"
          << reads_[i].customer.DebugString();
    }
  }

  const uint64_t seed_;
  TempDirectory directory_;
  Daemon daemon_;
  std::atomic<bool> stop_ = false;
  std::mutex mutex_;
  std::vector<Sent> sent_;
  std::vector<Read> reads_;
  std::vector<std::string> names_;
};

TEST_F(KillTest, NothingAcknowledgedIsLostOrDoubled) {
  SCOPED_TRACE("seed " + std::to_string(seed_));
  const char* asked = std::getenv("RETRACE_KILL_ROUNDS");
  const int rounds = asked != nullptr ? std::atoi(asked) : 50;
  ASSERT_TRUE(daemon_.Start()) << daemon_.log();
  CreateTenant();
  size_t unanswered = 0;
  for (int round = 0; round < rounds; ++round) {
    const size_t reads_before = reads_.size();
    LoadAndKill(round);
    ASSERT_TRUE(daemon_.Start()) << daemon_.log();
    for (const Sent& sent : sent_) unanswered += sent.answered ? 0 : 1;
    ResendUnanswered();
    CheckReads(reads_before);
    if (HasFatalFailure()) return;
    // The whole log each tenth round; what it holds only grows.
    if (round % 10 == 9 || round == rounds - 1) CheckLog();
    if (HasFatalFailure()) return;
  }
  EXPECT_EQ(daemon_.Stop(), 0) << daemon_.log();
  std::printf(
      "%d rounds: %zu commands, %zu of them without an answer at first, %zu answers read again\n",
      rounds, sent_.size(), unanswered, reads_.size());
}

}  // namespace
}  // namespace retrace
