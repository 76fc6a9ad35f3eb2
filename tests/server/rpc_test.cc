// What the rpc template promises of every unary call.
#include "server/rpc.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/impl/client_unary_call.h>

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "domain/refusal.h"
#include "gmock/gmock.h"
#include "google/api/annotations.pb.h"
#include "google/protobuf/descriptor.pb.h"
#include "grpc/health/v1/health.pb.h"
#include "retrace/v1/annotations.pb.h"
#include "retrace/v1/members.pb.h"
#include "tests/server/rpc_fixture.h"

namespace retrace::server {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

// Rows of a tenant that has none.
class EmptyView : public domain::View {
 public:
  absl::StatusOr<domain::RowPtr> Get(const domain::EntityRef&) const override { return nullptr; }
  absl::StatusOr<domain::RowPtr> GetAt(const domain::EntityRef&, domain::Position) const override {
    return nullptr;
  }
  absl::StatusOr<std::vector<domain::IndexHit>> Find(const domain::IndexRange&,
                                                     size_t) const override {
    return std::vector<domain::IndexHit>();
  }
};

class RpcTest : public RpcFixture {
 protected:
  // Expects the code and reason; every error says what to do next.
  void ExpectRefused(const grpc::Status& status, grpc::StatusCode code, std::string_view reason) {
    EXPECT_EQ(status.error_code(), code) << status.error_message();
    const WireError error = ErrorOf(status);
    EXPECT_EQ(error.reason, reason) << status.error_message();
    EXPECT_EQ(error.domain, "retrace.v1");
  }
};

TEST_F(RpcTest, AnswersAQueryOfAKnownPrincipal) {
  get_commit = [](const QueryCall& call, const v1::GetCommitRequest& request) {
    v1::GetCommitResponse reply;
    reply.mutable_commit()->set_name(request.name());
    reply.mutable_commit()->set_actor(call.principal->id);
    reply.mutable_commit()->set_method(call.method);
    reply.mutable_commit()->set_reason(call.tenant->id);
    return reply;
  };
  Start();
  v1::GetCommitResponse reply;
  const grpc::Status status = Stub().GetCommit(As("ann").get(), CommitRequest(), &reply);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(reply.commit().name(), "tenants/acme/commits/1");
  EXPECT_EQ(reply.commit().actor(), "ann");
  EXPECT_EQ(reply.commit().method(), "retrace.v1.History.GetCommit");
  EXPECT_EQ(reply.commit().reason(), "acme");
}

TEST_F(RpcTest, RefusesCallsWithoutAKnownToken) {
  Start();
  v1::GetCommitResponse reply;
  grpc::ClientContext no_token;
  ExpectRefused(Stub().GetCommit(&no_token, CommitRequest(), &reply),
                grpc::StatusCode::UNAUTHENTICATED, "TOKEN_UNKNOWN");
  for (const char* value : {"Bearer rt_unknown", "Bearer ", "Basic YW5uOmFubg==", ""}) {
    grpc::ClientContext context;
    context.AddMetadata("authorization", value);
    ExpectRefused(Stub().GetCommit(&context, CommitRequest(), &reply),
                  grpc::StatusCode::UNAUTHENTICATED, "TOKEN_UNKNOWN");
  }
}

TEST_F(RpcTest, RefusesWhatTheRolesDoNotGrant) {
  Start();
  ExpectRefused(CallRaw("GetCommit", CommitRequest(), "agnes"), grpc::StatusCode::PERMISSION_DENIED,
                "PERMISSION_MISSING");
  ExpectRefused(CallRaw("BeginChangeSet", BeginRequest(), "otto"),
                grpc::StatusCode::PERMISSION_DENIED, "PERMISSION_MISSING");
  EXPECT_TRUE(CallRaw("BeginChangeSet", BeginRequest(), "agnes").ok());
}

TEST_F(RpcTest, TellsAForeignTenantFromNoneByNothing) {
  Start();
  const grpc::Status foreign = CallRaw("GetCommit", CommitRequest("globex"));
  const grpc::Status missing = CallRaw("GetCommit", CommitRequest("nobody"));
  ExpectRefused(foreign, grpc::StatusCode::NOT_FOUND, "TENANT_NOT_FOUND");
  std::string words = foreign.error_message();
  words.replace(words.find("globex"), 6, "nobody");
  EXPECT_EQ(words, missing.error_message());
  EXPECT_EQ(foreign.error_details().size(), missing.error_details().size());
}

TEST_F(RpcTest, AuthorisesBeforeItValidates) {
  Start();
  v1::BeginChangeSetRequest request = BeginRequest("globex");
  request.set_title(std::string(500, 'x'));
  ExpectRefused(CallRaw("BeginChangeSet", request), grpc::StatusCode::NOT_FOUND,
                "TENANT_NOT_FOUND");
  request.set_parent("tenants/acme");
  const grpc::Status status = CallRaw("BeginChangeSet", request);
  ExpectRefused(status, grpc::StatusCode::INVALID_ARGUMENT, "INVALID_FIELD");
  EXPECT_THAT(ErrorOf(status).fields, ElementsAre("title"));
}

TEST_F(RpcTest, NamesAMalformedTenantName) {
  Start();
  for (const char* name : {"", "acme", "tenants/", "tenants//commits/1", "tenants/A B/commits/1",
                           "customers/acme", "tenants/../commits/1"}) {
    v1::GetCommitRequest request;
    request.set_name(name);
    const grpc::Status status = CallRaw("GetCommit", request);
    ExpectRefused(status, grpc::StatusCode::INVALID_ARGUMENT, "INVALID_FIELD");
    EXPECT_THAT(ErrorOf(status).fields, ElementsAre("name")) << name;
  }
}

TEST_F(RpcTest, TakesNoCommandForTenantSystem) {
  AddPrincipal("root", {"administrator"}, {"*"});
  Start();
  ExpectRefused(CallRaw("BeginChangeSet", BeginRequest("system"), "root"),
                grpc::StatusCode::NOT_FOUND, "TENANT_NOT_FOUND");
  EXPECT_TRUE(CallRaw("GetCommit", CommitRequest("system"), "root").ok());
}

TEST_F(RpcTest, AnswersMalformedBytes) {
  Start();
  std::atomic<int> handled{0};
  get_commit = [&](const QueryCall&, const v1::GetCommitRequest&) {
    ++handled;
    return v1::GetCommitResponse();
  };
  for (const std::string& bytes :
       {std::string("\x0a\xff\x01", 3), std::string("\x0a"), std::string("\xff\xff\xff\xff\xff"),
        std::string("\x0b"), std::string("\x00", 1), std::string("\x08\x80", 2)}) {
    ExpectRefused(CallRaw("GetCommit", bytes), grpc::StatusCode::INVALID_ARGUMENT,
                  "MALFORMED_REQUEST");
  }
  EXPECT_EQ(handled, 0);
}

TEST_F(RpcTest, NamesTheFieldThatIsNotUtf8) {
  Start();
  v1::BeginChangeSetRequest request = BeginRequest();
  request.mutable_options()->set_reason("zzzz");
  std::string bytes = request.SerializeAsString();
  bytes.replace(bytes.find("zzzz"), 4, "\xff\xfe\xfd\xfc");
  const grpc::Status status = CallRaw("BeginChangeSet", bytes);
  ExpectRefused(status, grpc::StatusCode::INVALID_ARGUMENT, "MALFORMED_REQUEST");
  EXPECT_THAT(ErrorOf(status).fields, ElementsAre("options.reason"));
}

TEST_F(RpcTest, RefusesRequestsOverFourMebibytes) {
  Start();
  std::atomic<int> submitted{0};
  submit = [&](Command command) {
    ++submitted;
    command.done({});
  };
  v1::BeginChangeSetRequest request = BeginRequest();
  request.set_title(std::string(kMaxRequestBytes, 'x'));
  ExpectRefused(CallRaw("BeginChangeSet", request), grpc::StatusCode::INVALID_ARGUMENT,
                "INVALID_FIELD");
  request.set_title(std::string(2 * kMaxRequestBytes, 'x'));
  EXPECT_EQ(CallRaw("BeginChangeSet", request).error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(submitted, 0);
}

TEST_F(RpcTest, GivesADeadlineAndCapsLongOnes) {
  Start({.default_deadline = absl::Seconds(7), .max_deadline = absl::Seconds(30)});
  absl::Duration granted;
  get_commit = [&](const QueryCall& call, const v1::GetCommitRequest&) {
    granted = call.deadline - call.start;
    return v1::GetCommitResponse();
  };
  v1::GetCommitResponse reply;
  ASSERT_TRUE(Stub().GetCommit(As("ann").get(), CommitRequest(), &reply).ok());
  EXPECT_EQ(granted, absl::Seconds(7));
  const auto context = As("ann");
  context->set_deadline(std::chrono::system_clock::now() + std::chrono::hours(1));
  ASSERT_TRUE(Stub().GetCommit(context.get(), CommitRequest(), &reply).ok());
  EXPECT_EQ(granted, absl::Seconds(30));
  const auto soon = As("ann");
  soon->set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(5));
  ASSERT_TRUE(Stub().GetCommit(soon.get(), CommitRequest(), &reply).ok());
  EXPECT_LE(granted, absl::Seconds(6));  // a timeout is rounded up on the wire
}

TEST_F(RpcTest, HandsACommandOver) {
  Start();
  std::vector<Command> commands;
  submit = [&](Command command) {
    CommandResult result;
    result.outcome.set_position(17);
    const auto done = std::move(command.done);
    command.done = nullptr;
    commands.push_back(std::move(command));
    done(std::move(result));
  };
  v1::BeginChangeSetRequest request = BeginRequest();
  request.mutable_options()->set_request_id("first");
  request.mutable_options()->set_reason("because");
  v1::BeginChangeSetResponse reply;
  ASSERT_TRUE(Stub().BeginChangeSet(As("ann").get(), request, &reply).ok());
  EXPECT_EQ(reply.outcome().position(), 17);
  request.mutable_options()->set_request_id("second");
  ASSERT_TRUE(Stub().BeginChangeSet(As("ann").get(), request, &reply).ok());
  request.set_title("autumn cleaning");
  ASSERT_TRUE(Stub().BeginChangeSet(As("ann").get(), request, &reply).ok());
  ASSERT_EQ(commands.size(), 3u);
  EXPECT_EQ(commands[0].method, "retrace.v1.History.BeginChangeSet");
  EXPECT_EQ(commands[0].principal->id, "ann");
  EXPECT_EQ(commands[0].tenant->id, "acme");
  EXPECT_EQ(commands[0].options.request_id(), "first");
  EXPECT_EQ(commands[0].options.reason(), "because");
  // What is hashed is the request but its id.
  EXPECT_EQ(commands[0].request_bytes, commands[1].request_bytes);
  EXPECT_NE(commands[1].request_bytes, commands[2].request_bytes);
  EXPECT_THAT(commands[0].request_bytes, HasSubstr("because"));
}

TEST_F(RpcTest, KeepsUnknownFieldsOutOfCommands) {
  Start();
  submit = [](Command command) {
    const EmptyView nothing;
    const domain::Context context;
    domain::Draft draft(nothing, context.header);
    CommandResult result;
    result.status = command.decide(draft, context);
    command.done(std::move(result));
  };
  std::string bytes = BeginRequest().SerializeAsString();
  bytes += std::string("\xfa\x3f\x03new", 6);  // field 1023
  ASSERT_TRUE(CallRaw("BeginChangeSet", bytes).ok());
  EXPECT_EQ(decided.SerializeAsString(), BeginRequest().SerializeAsString());
}

TEST_F(RpcTest, HandsRefusalsOnUnchanged) {
  Start();
  submit = [](Command command) {
    CommandResult result;
    result.status = domain::Refusal(v1::ETAG_MISMATCH, "It changed.").Next("Read it again.");
    command.done(std::move(result));
  };
  const grpc::Status status = CallRaw("BeginChangeSet", BeginRequest());
  ExpectRefused(status, grpc::StatusCode::ABORTED, "ETAG_MISMATCH");
  EXPECT_THAT(status.error_message(), HasSubstr("Read it again."));
}

TEST_F(RpcTest, KeepsInternalErrorsToItself) {
  Start();
  v1::ListChangeSetsRequest request;
  request.set_parent("tenants/acme");
  const grpc::Status status = CallRaw("ListChangeSets", request);
  ExpectRefused(status, grpc::StatusCode::INTERNAL, "INTERNAL_ERROR");
  EXPECT_THAT(status.error_message() + status.error_details(), Not(HasSubstr("secret")));
}

TEST_F(RpcTest, LetsOnlyServicesActForSomebody) {
  Start();
  v1::BeginChangeSetRequest request = BeginRequest();
  request.mutable_options()->set_on_behalf_of("bob");
  const grpc::Status status = CallRaw("BeginChangeSet", request, "ann");
  ExpectRefused(status, grpc::StatusCode::INVALID_ARGUMENT, "INVALID_FIELD");
  EXPECT_THAT(ErrorOf(status).fields, ElementsAre("options.on_behalf_of"));
  EXPECT_TRUE(CallRaw("BeginChangeSet", request, "sam").ok());
}

TEST_F(RpcTest, RefusesUnprintableRequestIds) {
  Start();
  v1::BeginChangeSetRequest request = BeginRequest();
  request.mutable_options()->set_request_id("a\nb");
  const grpc::Status status = CallRaw("BeginChangeSet", request);
  ExpectRefused(status, grpc::StatusCode::INVALID_ARGUMENT, "INVALID_FIELD");
  EXPECT_THAT(ErrorOf(status).fields, ElementsAre("options.request_id"));
}

TEST_F(RpcTest, KnowsNoOtherMethods) {
  Start();
  const grpc::Status status = CallRaw("DropEverything", BeginRequest());
  ExpectRefused(status, grpc::StatusCode::UNIMPLEMENTED, "METHOD_UNKNOWN");
}

TEST_F(RpcTest, RefusesBeforeItServesAndWhileItDrains) {
  Start({}, /*serving=*/false);
  const grpc::Status before = CallRaw("GetCommit", CommitRequest());
  ExpectRefused(before, grpc::StatusCode::UNAVAILABLE, "NOT_SERVING");
  EXPECT_TRUE(ErrorOf(before).has_retry);
  Serve();
  EXPECT_TRUE(CallRaw("GetCommit", CommitRequest()).ok());
  rpc_->Drain();
  ExpectRefused(CallRaw("GetCommit", CommitRequest()), grpc::StatusCode::UNAVAILABLE,
                "NOT_SERVING");
}

TEST_F(RpcTest, HealthFollowsServing) {
  Start({}, /*serving=*/false);
  const auto ask = [&](const std::string& service) {
    const std::shared_ptr<grpc::Channel> channel = Channel();
    grpc::ClientContext context;
    grpc::health::v1::HealthCheckRequest request;
    request.set_service(service);
    grpc::ByteBuffer bytes;
    const grpc::internal::RpcMethod method("/grpc.health.v1.Health/Check",
                                           grpc::internal::RpcMethod::NORMAL_RPC, channel);
    EXPECT_TRUE(grpc::internal::BlockingUnaryCall(channel.get(), method, &context,
                                                  BytesOf(request.SerializeAsString()), &bytes)
                    .ok());
    grpc::health::v1::HealthCheckResponse reply;
    grpc::Slice slice;
    EXPECT_TRUE(bytes.DumpToSingleSlice(&slice).ok());
    EXPECT_TRUE(reply.ParseFromArray(slice.begin(), static_cast<int>(slice.size())));
    return reply.status();
  };
  for (const char* service : {"", "retrace.v1.History"}) {
    EXPECT_EQ(ask(service), grpc::health::v1::HealthCheckResponse::NOT_SERVING);
  }
  Serve();
  for (const char* service : {"", "retrace.v1.History"}) {
    EXPECT_EQ(ask(service), grpc::health::v1::HealthCheckResponse::SERVING);
  }
}

// Asks the reflection service for the list of services.
grpc::Status AskReflection(const std::shared_ptr<grpc::Channel>& channel) {
  grpc::ClientContext context;
  grpc::ByteBuffer reply;
  const grpc::internal::RpcMethod method(
      "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
      grpc::internal::RpcMethod::NORMAL_RPC, channel);
  return grpc::internal::BlockingUnaryCall(channel.get(), method, &context,
                                           BytesOf(std::string("\x3a\x01*", 3)), &reply);
}

TEST_F(RpcTest, ServesReflectionWhenAskedTo) {
  Start();
  EXPECT_TRUE(AskReflection(Channel()).ok());
}

TEST_F(RpcTest, ServesNoReflectionOtherwise) {
  Start({}, /*serving=*/true, /*reflection=*/false);
  EXPECT_EQ(AskReflection(Channel()).error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_TRUE(CallRaw("GetCommit", CommitRequest()).ok());
}

TEST_F(RpcTest, CountsCalls) {
  Start();
  ASSERT_TRUE(CallRaw("GetCommit", CommitRequest()).ok());
  ASSERT_FALSE(CallRaw("GetCommit", CommitRequest("globex")).ok());
  const std::string text = metrics_.Text();
  EXPECT_THAT(text, HasSubstr("retrace_calls_total{code=\"OK\","
                              "method=\"retrace.v1.History.GetCommit\"} 1"));
  EXPECT_THAT(text, HasSubstr("retrace_calls_total{code=\"NOT_FOUND\","
                              "method=\"retrace.v1.History.GetCommit\"} 1"));
  EXPECT_THAT(text, HasSubstr("retrace_call_seconds_count{"
                              "method=\"retrace.v1.History.GetCommit\"} 2"));
}

// A descriptor with one method that has the options given as text.
absl::Status Described(const std::string& options) {
  google::protobuf::DescriptorPool pool(google::protobuf::DescriptorPool::generated_pool());
  google::protobuf::FileDescriptorProto file;
  file.set_name("probe.proto");
  file.set_package("probe");
  file.add_dependency("retrace/v1/history.proto");
  auto* service = file.add_service();
  service->set_name("Probe");
  auto* method = service->add_method();
  method->set_name("Ask");
  method->set_input_type(".retrace.v1.GetCommitRequest");
  method->set_output_type(".retrace.v1.GetCommitResponse");
  EXPECT_TRUE(method->mutable_options()->ParseFromString(options));
  const auto* built = pool.BuildFile(file);
  return DescribeMethod(*built->service(0)->method(0)).status();
}

std::string Options(const char* permission, const char* pattern) {
  google::protobuf::MethodOptions options;
  if (permission != nullptr) {
    options.SetExtension(v1::permission, permission);
  }
  if (pattern != nullptr) {
    options.MutableExtension(google::api::http)->set_get(pattern);
  }
  return options.SerializeAsString();
}

TEST(MethodTest, NeedsAPermissionAndATenant) {
  EXPECT_TRUE(Described(Options("history.read", "/v1/{name=tenants/*}")).ok());
  EXPECT_THAT(std::string(Described(Options(nullptr, "/v1/{name=tenants/*}")).message()),
              HasSubstr("retrace.v1.permission"));
  EXPECT_THAT(std::string(Described(Options("history.read", nullptr)).message()),
              HasSubstr("google.api.http"));
  EXPECT_THAT(std::string(Described(Options("history.read", "/v1/{nome=tenants/*}")).message()),
              HasSubstr("nome"));
  EXPECT_THAT(std::string(Described(Options("history.read", "/v1/{view=tenants/*}")).message()),
              HasSubstr("no string"));
}

TEST_F(RpcTest, DoesNotStartWithAMethodLeftOut) {
  principals_ = *Principals::Open(token_file());
  Rpc rpc(*principals_, metrics_);
  RpcService& members = rpc.AddService("retrace.v1.Members");
  members.Command<v1::CreateMemberRequest, v1::CreateMemberResponse>("CreateMember");
  EXPECT_THAT(std::string(members.Check().message()), HasSubstr("GetMember is not served"));
  EXPECT_FALSE(Listener::Start(rpc, {.addresses = {"127.0.0.1:0"}}).ok());
}

TEST_F(RpcTest, DoesNotStartWithWrongTypes) {
  principals_ = *Principals::Open(token_file());
  Rpc rpc(*principals_, metrics_);
  RpcService& members = rpc.AddService("retrace.v1.Members");
  members.Command<v1::CreateMemberRequest, v1::CreateMemberResponse>("DeleteMember");
  EXPECT_THAT(std::string(members.Check().message()), HasSubstr("other types"));
  EXPECT_FALSE(rpc.AddService("retrace.v1.Nothing").Check().ok());
}

}  // namespace
}  // namespace retrace::server
