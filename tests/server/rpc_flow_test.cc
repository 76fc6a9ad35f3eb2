// Cancelling, waiting and streaming: what the rpc template promises when calls do not just come and
// go.
#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/rpc_fixture.h"

namespace retrace::server {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kPatience = absl::Seconds(20);

class RpcFlowTest : public RpcFixture {};

// True once the condition holds; false when patience is over.
bool Eventually(const std::function<bool()>& condition) {
  const absl::Time end = absl::Now() + kPatience;
  while (!condition()) {
    if (absl::Now() > end) {
      return false;
    }
    absl::SleepFor(absl::Milliseconds(2));
  }
  return true;
}

TEST_F(RpcFlowTest, CancellingAQueryTellsItsHandler) {
  Start();
  absl::Notification begun;
  absl::Notification told;
  get_commit = [&](const QueryCall& call, const v1::GetCommitRequest&) {
    begun.Notify();
    if (Eventually([&] { return call.gone(); })) {
      told.Notify();
    }
    return v1::GetCommitResponse();
  };
  const auto context = As("ann");
  std::thread caller([&] {
    v1::GetCommitResponse reply;
    EXPECT_EQ(Stub().GetCommit(context.get(), CommitRequest(), &reply).error_code(),
              grpc::StatusCode::CANCELLED);
  });
  begun.WaitForNotification();
  context->TryCancel();
  caller.join();
  EXPECT_TRUE(told.WaitForNotificationWithTimeout(kPatience));
  // Its late answer goes nowhere, and the next call is answered.
  get_commit = [](const QueryCall&, const v1::GetCommitRequest&) {
    return v1::GetCommitResponse();
  };
  EXPECT_TRUE(CallRaw("GetCommit", CommitRequest()).ok());
}

TEST_F(RpcFlowTest, CancellingACommandTellsTheSequencer) {
  Start();
  absl::Notification submitted;
  Command waiting;
  submit = [&](Command command) {
    waiting = std::move(command);
    submitted.Notify();
  };
  const auto context = As("ann");
  std::thread caller([&] {
    v1::BeginChangeSetResponse reply;
    EXPECT_EQ(Stub().BeginChangeSet(context.get(), BeginRequest(), &reply).error_code(),
              grpc::StatusCode::CANCELLED);
  });
  submitted.WaitForNotification();
  EXPECT_FALSE(*waiting.cancelled);
  context->TryCancel();
  caller.join();
  EXPECT_TRUE(Eventually([&] { return waiting.cancelled->load(); }));
  waiting.done({});  // the commit stood all the same; nobody is there to hear it
  waiting = {};
}

// A thousand answers race with a thousand cancellings: each call is finished exactly once, or gRPC
// aborts the process.
TEST_F(RpcFlowTest, CancelAndReplyRace) {
  Start();
  std::vector<std::thread> repliers;
  submit = [&](Command command) {
    std::thread([done = std::move(command.done)] { done({}); }).detach();
  };
  std::atomic<int> finished{0};
  std::vector<std::thread> callers;
  for (int i = 0; i < 4; ++i) {
    callers.emplace_back([&] {
      v1::History::Stub stub(Channel());
      for (int j = 0; j < 250; ++j) {
        const auto context = As("ann");
        std::thread canceller([&, j] {
          absl::SleepFor(absl::Microseconds(j));
          context->TryCancel();
        });
        v1::BeginChangeSetResponse reply;
        const grpc::Status status = stub.BeginChangeSet(context.get(), BeginRequest(), &reply);
        finished += status.ok() || status.error_code() == grpc::StatusCode::CANCELLED ? 1 : 0;
        canceller.join();
      }
    });
  }
  for (std::thread& caller : callers) {
    caller.join();
  }
  EXPECT_EQ(finished, 1000);
}

TEST_F(RpcFlowTest, RefusesWhenTooManyQueriesWait) {
  Start({.query_threads = 1, .max_waiting_queries = 1});
  absl::Notification release;
  std::atomic<int> running{0};
  get_commit = [&](const QueryCall&, const v1::GetCommitRequest&) {
    ++running;
    release.WaitForNotification();
    return v1::GetCommitResponse();
  };
  std::atomic<int> answered{0};
  std::vector<std::jthread> callers;
  absl::Cleanup end = [&] { release.Notify(); };
  const auto call = [&] { answered += CallRaw("GetCommit", CommitRequest()).ok() ? 1 : 0; };
  callers.emplace_back(call);
  ASSERT_TRUE(Eventually([&] { return running == 1; }));
  callers.emplace_back(call);
  ASSERT_TRUE(Eventually([&] { return rpc_->pool(Lane::kQuick).waiting() == 1; }));
  const grpc::Status status = CallRaw("GetCommit", CommitRequest());
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(ErrorOf(status).reason, "QUEUE_FULL");
  EXPECT_TRUE(ErrorOf(status).has_retry);
  // The slow lane is another one.
  v1::GetDigestRequest digest;
  digest.set_parent("tenants/acme");
  EXPECT_TRUE(CallRaw("GetDigest", digest).ok());
  std::move(end).Invoke();
  callers.clear();
  EXPECT_EQ(answered, 2);
}

TEST_F(RpcFlowTest, DoesNotBeginAQueryAfterItsDeadline) {
  // Time enough for the first to begin, however busy the machine is.
  const absl::Duration deadline = absl::Seconds(2);
  Start({.query_threads = 1, .default_deadline = deadline});
  absl::Notification release;
  std::atomic<int> begun{0};
  get_commit = [&](const QueryCall&, const v1::GetCommitRequest&) {
    ++begun;
    release.WaitForNotification();
    return v1::GetCommitResponse();
  };
  std::vector<std::jthread> callers;
  absl::Cleanup end = [&] { release.Notify(); };
  callers.emplace_back([&] { CallRaw("GetCommit", CommitRequest()); });
  ASSERT_TRUE(Eventually([&] { return begun == 1; }));
  callers.emplace_back([&] {
    const grpc::Status status = CallRaw("GetCommit", CommitRequest());
    EXPECT_EQ(status.error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
    EXPECT_EQ(ErrorOf(status).reason, "DEADLINE_PASSED");
  });
  ASSERT_TRUE(Eventually([&] { return rpc_->pool(Lane::kQuick).waiting() == 1; }));
  absl::SleepFor(deadline + absl::Milliseconds(100));
  std::move(end).Invoke();
  callers.clear();
  EXPECT_EQ(begun, 1);
}

TEST_F(RpcFlowTest, StreamsInOrderAndThenTheStatus) {
  Start();
  watch = [](const QueryCall&, const v1::WatchCommitsRequest&, StreamWriter& writer) {
    for (int i = 1; i <= 1000; ++i) {
      v1::WatchCommitsResponse message;
      message.set_position(i);
      if (const absl::Status status = writer.Write(message); !status.ok()) {
        return status;
      }
    }
    return TenantNotFound("acme");
  };
  const auto context = As("ann");
  const auto reader = Stub().WatchCommits(context.get(), WatchRequest());
  v1::WatchCommitsResponse message;
  int64_t expected = 0;
  while (reader->Read(&message)) {
    EXPECT_EQ(message.position(), ++expected);
  }
  EXPECT_EQ(expected, 1000);
  EXPECT_EQ(ErrorOf(reader->Finish()).reason, "TENANT_NOT_FOUND");
}

TEST_F(RpcFlowTest, AStreamPassesTheSameGate) {
  Start();
  const auto reason = [&](const std::string& principal, const std::string& tenant) {
    const auto context = As(principal);
    const auto reader = Stub().WatchCommits(context.get(), WatchRequest(tenant));
    v1::WatchCommitsResponse message;
    EXPECT_FALSE(reader->Read(&message));
    return ErrorOf(reader->Finish()).reason;
  };
  EXPECT_EQ(reason("agnes", "acme"), "PERMISSION_MISSING");
  EXPECT_EQ(reason("ann", "globex"), "TENANT_NOT_FOUND");
  EXPECT_EQ(reason("ann", "a b"), "INVALID_FIELD");
}

// Runs until it is told to stop.
absl::Status WatchForEver(const QueryCall&, const v1::WatchCommitsRequest&, StreamWriter& writer) {
  while (true) {
    v1::WatchCommitsResponse message;
    message.mutable_heartbeat();
    if (const absl::Status status = writer.Write(message); !status.ok()) {
      return status;
    }
    absl::SleepFor(absl::Milliseconds(20));
  }
}

TEST_F(RpcFlowTest, ARemovedTokenEndsItsStreams) {
  Start();
  watch = WatchForEver;
  const auto context = As("ann");
  const auto stays = As("sam");
  const auto reader = Stub().WatchCommits(context.get(), WatchRequest());
  const auto staying = Stub().WatchCommits(stays.get(), WatchRequest());
  v1::WatchCommitsResponse message;
  ASSERT_TRUE(reader->Read(&message));
  ASSERT_TRUE(staying->Read(&message));
  RemovePrincipal("ann");
  const absl::Time removed = absl::Now();
  EXPECT_EQ(ErrorOf(CallRaw("GetCommit", CommitRequest())).reason, "TOKEN_UNKNOWN");
  while (reader->Read(&message)) {
  }
  EXPECT_EQ(ErrorOf(reader->Finish()).reason, "TOKEN_UNKNOWN");
  EXPECT_LT(absl::Now() - removed, absl::Seconds(5));
  EXPECT_TRUE(staying->Read(&message));
  stays->TryCancel();
}

TEST_F(RpcFlowTest, LostRightsEndStreams) {
  Start();
  watch = WatchForEver;
  const auto loses_role = As("ann");
  const auto loses_tenant = As("sam");
  for (grpc::ClientContext* context : {loses_role.get(), loses_tenant.get()}) {
    context->set_deadline(absl::ToChronoTime(absl::Now() + kPatience));
  }
  const auto role_reader = Stub().WatchCommits(loses_role.get(), WatchRequest());
  const auto tenant_reader = Stub().WatchCommits(loses_tenant.get(), WatchRequest());
  v1::WatchCommitsResponse message;
  ASSERT_TRUE(role_reader->Read(&message));
  ASSERT_TRUE(tenant_reader->Read(&message));
  ChangePrincipal("ann", "administrator", "agent");
  ChangePrincipal("sam", "acme", "globex");
  ASSERT_TRUE(principals_->Refresh().ok());
  while (role_reader->Read(&message)) {
  }
  EXPECT_EQ(ErrorOf(role_reader->Finish()).reason, "PERMISSION_MISSING");
  while (tenant_reader->Read(&message)) {
  }
  EXPECT_EQ(ErrorOf(tenant_reader->Finish()).reason, "TENANT_NOT_FOUND");
}

TEST_F(RpcFlowTest, DrainingEndsStreams) {
  Start();
  watch = WatchForEver;
  const auto context = As("ann");
  const auto reader = Stub().WatchCommits(context.get(), WatchRequest());
  v1::WatchCommitsResponse message;
  ASSERT_TRUE(reader->Read(&message));
  rpc_->Drain();
  while (reader->Read(&message)) {
  }
  EXPECT_EQ(ErrorOf(reader->Finish()).reason, "NOT_SERVING");
  EXPECT_TRUE(Eventually([&] { return rpc_->streams().running() == 0; }));
}

TEST_F(RpcFlowTest, ACallerThatLeavesEndsItsStream) {
  Start();
  std::atomic<bool> cancelled{false};
  watch = [&](const QueryCall& call, const v1::WatchCommitsRequest& request, StreamWriter& writer) {
    const absl::Status status = WatchForEver(call, request, writer);
    cancelled = absl::IsCancelled(status);
    return status;
  };
  const auto context = As("ann");
  const auto reader = Stub().WatchCommits(context.get(), WatchRequest());
  v1::WatchCommitsResponse message;
  ASSERT_TRUE(reader->Read(&message));
  context->TryCancel();
  EXPECT_TRUE(Eventually([&] { return rpc_->streams().running() == 0; }));
  EXPECT_TRUE(cancelled);
}

TEST_F(RpcFlowTest, ASlowReaderHoldsItsWriterBack) {
  Start();
  std::atomic<int> written{0};
  watch = [&](const QueryCall&, const v1::WatchCommitsRequest&, StreamWriter& writer) {
    v1::WatchCommitsResponse message;
    message.mutable_commit()->set_reason(std::string(10'000, 'x'));
    for (int i = 0; i < 2000; ++i) {
      if (const absl::Status status = writer.Write(message); !status.ok()) {
        return status;
      }
      ++written;
    }
    return absl::OkStatus();
  };
  const auto context = As("ann");
  const auto reader = Stub().WatchCommits(context.get(), WatchRequest());
  int before = -1;
  // Written stops rising long before the end: 20 MB do not fit into any buffer on the way.
  ASSERT_TRUE(Eventually([&] {
    absl::SleepFor(absl::Milliseconds(200));
    const int now = written;
    const bool still = now > 0 && now == before;
    before = now;
    return still;
  }));
  EXPECT_LT(written, 1500);
  v1::WatchCommitsResponse message;
  int read = 0;
  while (reader->Read(&message)) {
    ++read;
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(read, 2000);
}

TEST_F(RpcFlowTest, ARemovedTokenEndsAStreamThatNobodyReads) {
  Start();
  watch = [&](const QueryCall&, const v1::WatchCommitsRequest&, StreamWriter& writer) {
    v1::WatchCommitsResponse message;
    message.mutable_commit()->set_reason(std::string(100'000, 'x'));
    while (true) {
      if (const absl::Status status = writer.Write(message); !status.ok()) {
        return status;
      }
    }
  };
  const auto context = As("ann");
  const auto reader = Stub().WatchCommits(context.get(), WatchRequest());
  ASSERT_TRUE(Eventually([&] { return rpc_->streams().running() == 1; }));
  RemovePrincipal("ann");
  ASSERT_TRUE(principals_->Refresh().ok());
  const absl::Time removed = absl::Now();
  EXPECT_TRUE(Eventually([&] { return rpc_->streams().running() == 0; }));
  EXPECT_LT(absl::Now() - removed, absl::Seconds(5));
}

// Streams that stay open until the test ends.
class OpenStreams {
 public:
  ~OpenStreams() {
    for (const auto& context : contexts_) {
      context->TryCancel();
    }
  }
  // Opens one more; the refusal's reason, empty when it is open.
  std::string Open(v1::History::Stub stub, std::unique_ptr<grpc::ClientContext> context,
                   const v1::WatchCommitsRequest& request) {
    auto reader = stub.WatchCommits(context.get(), request);
    v1::WatchCommitsResponse message;
    if (!reader->Read(&message)) {
      const grpc::Status status = reader->Finish();
      EXPECT_TRUE(ErrorOf(status).has_retry);
      return ErrorOf(status).reason + ": " + status.error_message();
    }
    contexts_.push_back(std::move(context));
    readers_.push_back(std::move(reader));
    return "";
  }

 private:
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts_;
  std::vector<std::unique_ptr<grpc::ClientReader<v1::WatchCommitsResponse>>> readers_;
};

TEST_F(RpcFlowTest, BoundsTheStreamsOfAllOfATenantAndOfAPrincipal) {
  Start({.streams = {.all = 5, .of_tenant = 3, .of_principal = 2}});
  AddPrincipal("gus", {"administrator"}, {"globex"});
  AddPrincipal("gwen", {"administrator"}, {"globex"});
  ASSERT_TRUE(principals_->Refresh().ok());
  watch = WatchForEver;
  OpenStreams streams;
  const auto open = [&](const std::string& principal, const std::string& tenant) {
    return streams.Open(Stub(), As(principal), WatchRequest(tenant));
  };
  EXPECT_EQ(open("ann", "acme"), "");
  EXPECT_EQ(open("ann", "acme"), "");
  EXPECT_THAT(open("ann", "acme"), HasSubstr("QUEUE_FULL: The principal"));
  EXPECT_EQ(open("sam", "acme"), "");
  EXPECT_THAT(open("sam", "acme"), HasSubstr("QUEUE_FULL: The tenant"));
  // What one tenant has open leaves room for another.
  EXPECT_EQ(open("gus", "globex"), "");
  EXPECT_EQ(open("gus", "globex"), "");
  EXPECT_THAT(open("gwen", "globex"), HasSubstr("QUEUE_FULL: The server"));
}

TEST_F(RpcFlowTest, AStreamThatEndsMakesRoom) {
  Start({.streams = {.all = 1, .of_tenant = 1, .of_principal = 1}});
  watch = WatchForEver;
  for (int i = 0; i < 3; ++i) {
    OpenStreams streams;
    EXPECT_EQ(streams.Open(Stub(), As("ann"), WatchRequest()), "");
    EXPECT_NE(streams.Open(Stub(), As("ann"), WatchRequest()), "");
    rpc_->Drain();
    ASSERT_TRUE(Eventually([&] { return rpc_->streams().running() == 0; }));
    Serve();
  }
}

}  // namespace
}  // namespace retrace::server
