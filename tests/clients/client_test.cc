// What the client promises: one id for all attempts, retries of the right things only, errors with
// their details, watches over cuts.
#include "clients/cpp/client.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "absl/time/clock.h"
#include "clients/cpp/commit_watch.h"
#include "clients/cpp/error_details.h"
#include "clients/cpp/request_id.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "retrace/v1/customers.grpc.pb.h"
#include "tests/clients/fake_retrace.h"
#include "tests/support/cutting_proxy.h"
#include "tests/support/temp_directory.h"

namespace retrace::client {
namespace {

using ::testing::Each;
using ::testing::Eq;
using testing::FakeRetrace;
using ::testing::HasSubstr;
using testing::Refusal;
using ::testing::SizeIs;

ClientOptions Quick() {
  return {.token = "secret",
          .timeout = absl::Seconds(20),
          .first_backoff = absl::Milliseconds(1),
          .max_backoff = absl::Milliseconds(5)};
}

v1::CreateCustomerRequest Acme() {
  v1::CreateCustomerRequest request;
  request.set_parent("tenants/acme");
  request.mutable_customer()->set_organization_name("Acme");
  return request;
}

// A fault for the first `times` calls.
std::function<grpc::Status(const std::string&)> Times(int times, grpc::Status status) {
  return [left = times, status](const std::string&) mutable {
    return left-- > 0 ? status : grpc::Status::OK;
  };
}

TEST(RequestId, IsAFreshUuid) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string id = NewRequestId();
    ASSERT_THAT(id, ::testing::MatchesRegex(
                        "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"));
    ASSERT_TRUE(seen.insert(id).second);
  }
}

TEST(Client, GivesCommandsAnIdAndSendsTheToken) {
  FakeRetrace fake;
  Client client(fake.Channel(), Quick());
  const auto reply = client.Call(&v1::Customers::Stub::CreateCustomer, Acme());
  ASSERT_TRUE(reply.ok()) << reply.status();
  EXPECT_EQ(reply->customer().organization_name(), "Acme");
  ASSERT_THAT(fake.request_ids, SizeIs(1));
  EXPECT_THAT(fake.request_ids[0], SizeIs(36));
  EXPECT_THAT(fake.authorizations, Each(Eq("Bearer secret")));
}

TEST(Client, KeepsTheCallersId) {
  FakeRetrace fake;
  Client client(fake.Channel(), Quick());
  v1::CreateCustomerRequest request = Acme();
  request.mutable_options()->set_request_id("mine");
  ASSERT_TRUE(client.Call(&v1::Customers::Stub::CreateCustomer, request).ok());
  EXPECT_THAT(fake.request_ids, Each(Eq("mine")));
}

TEST(Client, RetriesUnavailableWithTheSameId) {
  FakeRetrace fake;
  fake.fault = Times(4, Refusal(grpc::StatusCode::UNAVAILABLE, "NOT_SERVING", "draining"));
  Client client(fake.Channel(), Quick());
  ASSERT_TRUE(client.Call(&v1::Customers::Stub::CreateCustomer, Acme()).ok());
  ASSERT_THAT(fake.request_ids, SizeIs(5));
  EXPECT_THAT(fake.request_ids, Each(Eq(fake.request_ids[0])));
  ASSERT_TRUE(client.Call(&v1::Customers::Stub::CreateCustomer, Acme()).ok());
  EXPECT_NE(fake.request_ids[5], fake.request_ids[0]);
}

TEST(Client, RetriesNothingElse) {
  for (const grpc::StatusCode code :
       {grpc::StatusCode::CANCELLED, grpc::StatusCode::UNKNOWN, grpc::StatusCode::INVALID_ARGUMENT,
        grpc::StatusCode::DEADLINE_EXCEEDED, grpc::StatusCode::NOT_FOUND,
        grpc::StatusCode::ALREADY_EXISTS, grpc::StatusCode::PERMISSION_DENIED,
        grpc::StatusCode::RESOURCE_EXHAUSTED, grpc::StatusCode::FAILED_PRECONDITION,
        grpc::StatusCode::ABORTED, grpc::StatusCode::OUT_OF_RANGE, grpc::StatusCode::UNIMPLEMENTED,
        grpc::StatusCode::INTERNAL, grpc::StatusCode::DATA_LOSS,
        grpc::StatusCode::UNAUTHENTICATED}) {
    FakeRetrace fake;
    fake.fault = Times(1, Refusal(code, "SOME_REASON", "no"));
    Client client(fake.Channel(), Quick());
    const auto reply = client.Call(&v1::Customers::Stub::CreateCustomer, Acme());
    EXPECT_EQ(static_cast<int>(reply.status().code()), static_cast<int>(code));
    EXPECT_THAT(fake.methods, SizeIs(1)) << code;
  }
}

TEST(Client, DoesNotRetryWhenTold) {
  FakeRetrace fake;
  fake.fault = Times(1, grpc::Status(grpc::StatusCode::UNAVAILABLE, "gone"));
  Client client(fake.Channel(), Quick());
  const auto reply = client.Call(&v1::Customers::Stub::CreateCustomer, Acme(), {.retry = false});
  EXPECT_EQ(reply.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(fake.methods, SizeIs(1));
}

TEST(Client, GivesUpAtTheDeadlineWithTheServersReason) {
  FakeRetrace fake;
  fake.fault = Times(1 << 30, Refusal(grpc::StatusCode::UNAVAILABLE, "NOT_SERVING", "starting"));
  Client client(fake.Channel(), Quick());
  const absl::Time begin = absl::Now();
  const auto reply = client.Call(&v1::Customers::Stub::CreateCustomer, Acme(),
                                 {.deadline = begin + absl::Seconds(2)});
  // On a busy machine the deadline may cut the last attempt itself; its outcome is then unknown.
  if (reply.status().code() != absl::StatusCode::kDeadlineExceeded) {
    EXPECT_EQ(reply.status().code(), absl::StatusCode::kUnavailable) << reply.status();
    EXPECT_EQ(DetailsOf(reply.status()).reason, "NOT_SERVING");
  }
  EXPECT_GT(fake.methods.size(), 1u);
  EXPECT_LT(absl::Now() - begin, absl::Seconds(10));
}

TEST(Client, CallsByDescriptorLikeByStub) {
  FakeRetrace fake;
  fake.fault = Times(2, grpc::Status(grpc::StatusCode::UNAVAILABLE, "cut"));
  Client client(fake.Channel(), Quick());
  const auto* method = google::protobuf::DescriptorPool::generated_pool()->FindMethodByName(
      "retrace.v1.Customers.CreateCustomer");
  v1::CreateCustomerResponse response;
  const absl::Status status = client.CallMethod(*method, Acme(), &response);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(response.customer().organization_name(), "Acme");
  ASSERT_THAT(fake.request_ids, SizeIs(3));
  EXPECT_THAT(fake.request_ids, Each(Eq(fake.request_ids[0])));
  EXPECT_THAT(fake.request_ids[0], SizeIs(36));
}

TEST(Client, SurvivesConnectionsThatAreCutBeforeTheAnswer) {
  testing::TempDirectory directory;
  FakeRetrace fake(directory.Below("server.sock"));
  testing::CuttingProxy proxy(directory.Below("proxy.sock"), directory.Below("server.sock"));
  ClientOptions options = Quick();
  options.endpoint = "unix:" + directory.Below("proxy.sock");
  auto client = Client::Connect(options);
  ASSERT_TRUE(client.ok()) << client.status();
  for (int i = 0; i < 20; ++i) {
    const auto reply = (*client)->Call(&v1::Customers::Stub::CreateCustomer, Acme());
    ASSERT_TRUE(reply.ok()) << reply.status();
  }
  EXPECT_GE(proxy.cuts(), 10u);
  // Each command arrived more than once, always under its one id.
  EXPECT_EQ(std::set<std::string>(fake.request_ids.begin(), fake.request_ids.end()).size(), 20u);
  EXPECT_GT(fake.request_ids.size(), 20u);
}

TEST(Client, WaitsForAServerThatComesLate) {
  testing::TempDirectory directory;
  ClientOptions options = Quick();
  options.endpoint = "unix:" + directory.Below("late.sock");
  auto client = Client::Connect(options);
  ASSERT_TRUE(client.ok());
  const auto early = (*client)->Call(&v1::Customers::Stub::CreateCustomer, Acme(),
                                     {.deadline = absl::Now() + absl::Milliseconds(50)});
  EXPECT_FALSE(early.ok());
  FakeRetrace fake(directory.Below("late.sock"));
  EXPECT_TRUE((*client)->Call(&v1::Customers::Stub::CreateCustomer, Acme()).ok());
}

TEST(Client, SaysWhyThereIsNoConnection) {
  testing::TempDirectory directory;
  ClientOptions options = Quick();
  options.endpoint = "unix:" + directory.Below("late.sock");
  auto client = Client::Connect(options);
  ASSERT_TRUE(client.ok());
  const absl::Status missing = (*client)->AwaitConnection(absl::Seconds(2));
  EXPECT_EQ(missing.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(missing.message()),
              HasSubstr(options.endpoint + " within 2s: No such file or directory"));
  FakeRetrace fake(directory.Below("late.sock"));
  const absl::Status there = (*client)->AwaitConnection(absl::Seconds(20));
  EXPECT_TRUE(there.ok()) << there;
  EXPECT_THAT(fake.methods, SizeIs(0)) << "nothing is called";
}

TEST(Client, RefusesMalformedEndpoints) {
  for (const char* endpoint :
       {"", "localhost", "localhost:", "localhost:0", "localhost:99999", "localhost:http", ":7233",
        "unix:", "http://localhost:7233", "ftp://x", "https://", "https://host:x"}) {
    EXPECT_EQ(Client::Connect({.endpoint = endpoint}).status().code(),
              absl::StatusCode::kInvalidArgument)
        << endpoint;
  }
  for (const char* endpoint : {"localhost:7233", "[::1]:7233", "unix:/run/retraced.sock",
                               "https://crm.example", "https://crm.example:8443/"}) {
    EXPECT_TRUE(Client::Connect({.endpoint = endpoint}).ok()) << endpoint;
  }
}

TEST(MayRetry, KnowsACutFromAnAnswer) {
  EXPECT_TRUE(MayRetry({grpc::StatusCode::UNAVAILABLE, "anything"}));
  EXPECT_TRUE(MayRetry({grpc::StatusCode::UNKNOWN, "Stream removed"}));
  EXPECT_TRUE(MayRetry({grpc::StatusCode::INTERNAL, "Received RST_STREAM with error code 2"}));
  EXPECT_TRUE(MayRetry({grpc::StatusCode::CANCELLED, "CANCELLED"}));
  EXPECT_FALSE(MayRetry(Refusal(grpc::StatusCode::CANCELLED, "CALLER_CANCELLED", "cancelled")));
  EXPECT_FALSE(MayRetry({grpc::StatusCode::UNKNOWN, "a bug"}));
  EXPECT_FALSE(MayRetry({grpc::StatusCode::INTERNAL, "a bug"}));
  EXPECT_FALSE(MayRetry(Refusal(grpc::StatusCode::INTERNAL, "INTERNAL_ERROR", "RST_STREAM")));
  EXPECT_FALSE(MayRetry(grpc::Status::OK));
}

TEST(Backoff, GrowsToItsCapWithJitter) {
  Backoff backoff(absl::Milliseconds(10), absl::Milliseconds(80));
  for (const int expected : {10, 20, 40, 80, 80, 80}) {
    const absl::Duration pause = backoff.Next();
    EXPECT_GE(pause, absl::Milliseconds(expected) / 2);
    EXPECT_LE(pause, absl::Milliseconds(expected));
  }
}

TEST(ErrorDetails, AreReadFromTheStatus) {
  google::rpc::Status details;
  google::rpc::ErrorInfo info;
  info.set_reason("KEY_TAKEN");
  info.set_domain("retrace.v1");
  (*info.mutable_metadata())["key"] = "external_id";
  details.add_details()->PackFrom(info);
  google::rpc::BadRequest bad;
  auto* violation = bad.add_field_violations();
  violation->set_field("customer.emails[0]");
  violation->set_description("no address");
  details.add_details()->PackFrom(bad);
  google::rpc::Help help;
  help.add_links()->set_description("ask your administrator");
  details.add_details()->PackFrom(help);
  google::rpc::RetryInfo retry;
  retry.mutable_retry_delay()->set_seconds(2);
  details.add_details()->PackFrom(retry);
  google::rpc::ResourceInfo resource;
  resource.set_resource_name("tenants/acme/customers/1");
  details.add_details()->PackFrom(resource);
  details.add_details()->set_type_url("type.googleapis.com/unknown.Type");
  const absl::Status status =
      ToAbslStatus({grpc::StatusCode::ALREADY_EXISTS, "taken", details.SerializeAsString()});
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(IsFromServer(status));
  const ErrorDetails read = DetailsOf(status);
  EXPECT_EQ(read.reason, "KEY_TAKEN");
  EXPECT_EQ(read.metadata.at("key"), "external_id");
  ASSERT_THAT(read.fields, SizeIs(1));
  EXPECT_EQ(read.fields[0].field, "customer.emails[0]");
  ASSERT_THAT(read.help, SizeIs(1));
  EXPECT_EQ(read.retry_after, absl::Seconds(2));
  EXPECT_EQ(read.resource_name, "tenants/acme/customers/1");
}

TEST(ErrorDetails, AreEmptyWhereThereAreNone) {
  EXPECT_TRUE(ToAbslStatus(grpc::Status::OK).ok());
  EXPECT_EQ(DetailsOf(ToAbslStatus({grpc::StatusCode::UNKNOWN, "x", "\xff\xff garbage"})).reason,
            "");
  EXPECT_EQ(DetailsOf(absl::UnknownError("mine")).reason, "");
  EXPECT_FALSE(IsFromServer(absl::UnknownError("mine")));
}

TEST(CommitWatch, GoesOnAfterEveryCutWithoutGapOrRepeat) {
  FakeRetrace fake;
  fake.position = 20;
  Client client(fake.Channel(), Quick());
  v1::WatchCommitsRequest request;
  request.set_parent("tenants/acme");
  CommitWatch watch(client, request);
  std::vector<int64_t> seen;
  const absl::Status status = watch.Run([&](const v1::WatchCommitsResponse& step) {
    if (step.has_commit()) seen.push_back(step.commit().position());
    return !step.has_caught_up();
  });
  EXPECT_TRUE(status.ok()) << status;
  ASSERT_THAT(seen, SizeIs(20));
  for (int64_t i = 0; i < 20; ++i) EXPECT_EQ(seen[i], i + 1);
  EXPECT_EQ(watch.position(), 20);
  EXPECT_GE(fake.methods.size(), 7u);
}

TEST(CommitWatch, EndsWhenTheEpochIsAnother) {
  FakeRetrace fake;
  Client client(fake.Channel(), Quick());
  v1::WatchCommitsRequest request;
  request.set_after_position(1);
  request.set_epoch("ffffffffffffffff");
  CommitWatch watch(client, request);
  const absl::Status status = watch.Run([](const auto&) { return true; });
  EXPECT_EQ(DetailsOf(status).reason, "EPOCH_CHANGED");
}

TEST(CommitWatch, LosesPatience) {
  FakeRetrace fake;
  fake.fault = Times(1 << 30, grpc::Status(grpc::StatusCode::UNAVAILABLE, "away"));
  Client client(fake.Channel(), Quick());
  CommitWatch watch(client, v1::WatchCommitsRequest());
  const absl::Status status = watch.Run([](const auto&) { return true; }, absl::Milliseconds(100));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace retrace::client
