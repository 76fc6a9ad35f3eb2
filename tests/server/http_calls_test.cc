// One table of calls, made over gRPC and by the Connect protocol with JSON and with protobuf: the
// same principal, permission, result and error, whichever way a call comes.
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/message_differencer.h>
#include <grpcpp/generic/generic_stub.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_replace.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "retrace/v1/history.pb.h"
#include "server/http/connect_wire.h"
#include "server/http/edge.h"
#include "tests/server/rpc_fixture.h"
#include "tests/server/service_fixture.h"
#include "tests/support/http_client.h"

namespace retrace::server::http {
namespace {

using google::protobuf::Message;
using google::protobuf::MethodDescriptor;
using nlohmann::json;
using testing::HttpClient;
using testing::HttpReply;
using testing::HttpRequest;

// What a call came to, in a form that every way leads to.
struct Ended {
  grpc::StatusCode code = grpc::StatusCode::OK;
  std::string message;
  std::vector<std::pair<std::string, std::string>> details;  // type and bytes
  std::vector<std::string> replies;                          // serialised anew
  bool operator==(const Ended&) const = default;
};

std::ostream& operator<<(std::ostream& out, const Ended& ended) {
  out << ConnectCode(ended.code) << ": " << ended.message;
  for (const auto& [type, bytes] : ended.details) out << "\n  " << type << " " << bytes.size();
  for (const std::string& reply : ended.replies) out << "\n  reply " << absl::CEscape(reply);
  return out;
}

struct Call {
  std::string method;     // "retrace.v1.Customers/GetCustomer"
  std::string principal;  // empty: no token
  std::string request;    // JSON; CUSTOMER stands for the name of one
  grpc::StatusCode code = grpc::StatusCode::OK;
};

class HttpCallsTest : public ServiceFixture {
 protected:
  HttpCallsTest() {
    listener_->SetServing(true);
    auto edge = Edge::Start(*rpc_, listener_->server(), {.addresses = {"127.0.0.1:0"}});
    EXPECT_TRUE(edge.ok()) << edge.status();
    edge_ = *std::move(edge);
    tokens_["stranger"] = "rt_nobody";
  }
  ~HttpCallsTest() override { edge_.reset(); }

  static const MethodDescriptor& MethodOf(const Call& call) {
    const size_t slash = call.method.find('/');
    return *google::protobuf::DescriptorPool::generated_pool()
                ->FindServiceByName(call.method.substr(0, slash))
                ->FindMethodByName(call.method.substr(slash + 1));
  }
  static std::string Again(const MethodDescriptor& method, const std::string& bytes) {
    const std::unique_ptr<Message> reply(PrototypeOf(method.output_type())->New());
    EXPECT_TRUE(reply->ParseFromString(bytes));
    return reply->SerializeAsString();
  }
  static std::string FromJson(const google::protobuf::Descriptor* type, const std::string& text) {
    const std::unique_ptr<Message> message(PrototypeOf(type)->New());
    const auto parsed = google::protobuf::util::JsonStringToMessage(text, message.get());
    EXPECT_TRUE(parsed.ok()) << parsed.ToString() << "\n" << text;
    return message->SerializeAsString();
  }

  Ended ByGrpc(const Call& call) const {
    const MethodDescriptor& method = MethodOf(call);
    grpc::ClientContext context;
    if (!call.principal.empty()) {
      context.AddMetadata("authorization", "Bearer " + tokens_.at(call.principal));
    }
    const grpc::ByteBuffer request = BytesOf(FromJson(method.input_type(), call.request));
    Ended ended;
    grpc::CompletionQueue queue;
    grpc::GenericStub stub(Channel());
    const auto stream = stub.PrepareCall(&context, "/" + call.method, &queue);
    const auto next = [&] {
      void* tag = nullptr;
      bool ok = false;
      return queue.Next(&tag, &ok) && ok;
    };
    stream->StartCall(nullptr);
    next();
    stream->WriteLast(request, grpc::WriteOptions(), nullptr);
    next();
    grpc::ByteBuffer reply;
    for (stream->Read(&reply, nullptr); next(); stream->Read(&reply, nullptr)) {
      grpc::Slice slice;
      EXPECT_TRUE(reply.DumpToSingleSlice(&slice).ok());
      ended.replies.push_back(
          Again(method, std::string(reinterpret_cast<const char*>(slice.begin()), slice.size())));
    }
    grpc::Status status;
    stream->Finish(&status, nullptr);
    next();
    ended.code = status.error_code();
    ended.message = status.error_message();
    google::rpc::Status details;
    EXPECT_TRUE(details.ParseFromString(status.error_details()));
    for (const auto& any : details.details()) {
      ended.details.emplace_back(any.type_url().substr(any.type_url().rfind('/') + 1), any.value());
    }
    return ended;
  }

  static void TakeError(const json& error, Ended& ended) {
    for (int code = 1; code <= 16; ++code) {
      if (error.value("code", "") == ConnectCode(static_cast<grpc::StatusCode>(code))) {
        ended.code = static_cast<grpc::StatusCode>(code);
      }
    }
    ended.message = error.value("message", "");
    for (const json& detail : error.value("details", json::array())) {
      std::string bytes;
      EXPECT_TRUE(absl::Base64Unescape(detail["value"].get<std::string>(), &bytes));
      ended.details.emplace_back(detail["type"], bytes);
    }
  }

  Ended ByConnect(const Call& call, Codec codec) const {
    const MethodDescriptor& method = MethodOf(call);
    const ConnectType type{codec, method.server_streaming()};
    std::string headers = "Content-Type: " + std::string(ContentTypeOf(type)) + "\r\n";
    if (!call.principal.empty()) {
      headers += "Authorization: Bearer " + tokens_.at(call.principal) + "\r\n";
    }
    std::string body =
        codec == Codec::kJson ? call.request : FromJson(method.input_type(), call.request);
    const auto take = [&](const std::string& bytes) {
      return codec == Codec::kJson ? FromJson(method.output_type(), bytes) : Again(method, bytes);
    };
    HttpClient client(edge_->ports().front());
    const HttpReply reply = client.Call(
        HttpRequest("POST", "/" + call.method, headers, type.stream ? Envelope(0, body) : body));
    Ended ended;
    if (type.stream) {
      EXPECT_EQ(reply.status, 200);
      TakeStream(reply.body, take, ended);
    } else if (reply.status == 200) {
      ended.replies.push_back(take(reply.body));
    } else {
      TakeError(json::parse(reply.body), ended);
      EXPECT_EQ(reply.status, HttpStatusOf(ended.code));
    }
    return ended;
  }

  template <typename Take>
  static void TakeStream(std::string_view body, Take take, Ended& ended) {
    while (body.size() >= kEnvelopeBytes) {
      size_t size = 0;
      for (size_t i = 1; i < kEnvelopeBytes; ++i) size = size << 8 | static_cast<uint8_t>(body[i]);
      const std::string message(body.substr(kEnvelopeBytes, size));
      if (body[0] == kEndOfStream) {
        const json end = json::parse(message);
        if (end.contains("error")) TakeError(end["error"], ended);
      } else {
        ended.replies.push_back(take(message));
      }
      body.remove_prefix(kEnvelopeBytes + size);
    }
    EXPECT_EQ(body, "");
  }

  Ended CheckSame(const Call& call) const {
    if (call.request.find("requestId") != std::string::npos) {
      ByGrpc(call);  // from now on they are repeats, and say so
    }
    const Ended by_grpc = ByGrpc(call);
    EXPECT_EQ(ByConnect(call, Codec::kJson), by_grpc) << call.method << call.request;
    EXPECT_EQ(ByConnect(call, Codec::kProto), by_grpc) << call.method << call.request;
    return by_grpc;
  }

  std::string CreateCustomer() const {
    const Ended created =
        ByConnect({"retrace.v1.Customers/CreateCustomer", "administrator",
                   R"({"parent":"tenants/acme","customer":{"displayName":"北京"}})"},
                  Codec::kJson);
    v1::CreateCustomerResponse reply;
    EXPECT_TRUE(!created.replies.empty() && reply.ParseFromString(created.replies[0])) << created;
    return reply.customer().name();
  }

  std::unique_ptr<Edge> edge_;
};

constexpr auto kInvalid = grpc::StatusCode::INVALID_ARGUMENT;
constexpr auto kNotFound = grpc::StatusCode::NOT_FOUND;
constexpr auto kExists = grpc::StatusCode::ALREADY_EXISTS;
constexpr auto kPrecondition = grpc::StatusCode::FAILED_PRECONDITION;
constexpr auto kAborted = grpc::StatusCode::ABORTED;
constexpr auto kDenied = grpc::StatusCode::PERMISSION_DENIED;
constexpr auto kWho = grpc::StatusCode::UNAUTHENTICATED;

// A repeat of a request id is answered only for the same principal, method and body: that commands
// have one reply whichever way they come shows that all three are the same.
const std::vector<Call>& Calls() {
  static const auto* const calls = new std::vector<Call>{
      {"retrace.v1.Customers/GetCustomer", "agent", R"({"name":"CUSTOMER"})"},
      {"retrace.v1.Customers/GetCustomer", "auditor",
       R"({"name":"CUSTOMER","asOf":{"position":"1"}})"},
      {"retrace.v1.Customers/ListCustomers", "agent", R"({"parent":"tenants/acme"})"},
      {"retrace.v1.Customers/CreateCustomer", "agent",
       R"({"parent":"tenants/acme","customer":{"displayName":"Ann","externalId":"a-1"},
           "options":{"requestId":"r-create"}})"},
      {"retrace.v1.Customers/UpdateCustomer", "administrator",
       R"({"customer":{"name":"CUSTOMER","displayName":"上海"},"updateMask":"displayName",
           "options":{"requestId":"r-update"}})"},
      {"retrace.v1.Members/CreateMember", "administrator",
       R"({"parent":"tenants/acme","memberId":"bob","member":{"displayName":"Bob"},
           "options":{"requestId":"r-member"}})"},
      {"retrace.v1.Tenants/GetTenant", "auditor", R"({"name":"tenants/acme"})"},
      {"retrace.v1.History/ListCommits", "auditor", R"({"parent":"tenants/acme"})"},
      {"google.longrunning.Operations/ListOperations", "agent", R"({"name":"tenants/acme"})"},
      {"grpc.health.v1.Health/Check", "", "{}"},
      {"grpc.health.v1.Health/Check", "", R"({"service":"nothing"})", kNotFound},

      {"retrace.v1.Customers/GetCustomer", "", R"({"name":"CUSTOMER"})", kWho},
      {"retrace.v1.Customers/GetCustomer", "stranger", R"({"name":"CUSTOMER"})", kWho},
      {"retrace.v1.Customers/CreateCustomer", "auditor", R"({"parent":"tenants/acme"})", kDenied},
      {"retrace.v1.Admin/GetStatus", "administrator", "{}", kDenied},
      {"retrace.v1.Customers/ListCustomers", "agent", R"({"parent":"tenants/globex"})", kNotFound},
      {"retrace.v1.Customers/ListCustomers", "agent", R"({"parent":"tenants/nobody"})", kNotFound},
      {"retrace.v1.Customers/GetCustomer", "agent",
       R"({"name":"tenants/acme/customers/01jzzzzzzzzzzzzzzzzzzzzzzz"})", kNotFound},
      {"google.longrunning.Operations/GetOperation", "agent",
       R"({"name":"tenants/acme/operations/01jzzzzzzzzzzzzzzzzzzzzzzz"})", kNotFound},
      {"retrace.v1.Customers/GetCustomer", "agent", R"({"name":"nonsense"})", kInvalid},
      {"retrace.v1.Customers/GetCustomer", "agent", "{}", kInvalid},
      {"retrace.v1.Customers/ListCustomers", "agent",
       R"({"parent":"tenants/acme","filter":"level = ("})", kInvalid},
      {"retrace.v1.Customers/CreateCustomer", "agent",
       R"({"parent":"tenants/acme","customer":{"displayName":"Another"},
           "options":{"requestId":"r-create"}})",
       kInvalid},
      {"retrace.v1.Customers/DeleteCustomer", "administrator", R"({"name":"CUSTOMER"})", kInvalid},
      {"retrace.v1.Members/CreateMember", "administrator",
       R"({"parent":"tenants/acme","memberId":"bob","member":{"displayName":"Bob"}})", kExists},
      {"retrace.v1.Customers/UpdateCustomer", "administrator",
       R"({"customer":{"name":"CUSTOMER","displayName":"x"},"updateMask":"displayName",
           "options":{"etag":"\"9-0000000000000\""}})",
       kAborted},
      {"retrace.v1.Customers/UndeleteCustomer", "administrator", R"({"name":"CUSTOMER"})", kExists},
      {"retrace.v1.Customers/CreateCustomer", "administrator",
       R"({"parent":"tenants/acme","customer":{"displayName":"x"},"options":{"changeSet":"999"}})",
       kPrecondition},

      {"retrace.v1.History/Replay", "auditor", R"({"parent":"tenants/acme"})"},
      {"retrace.v1.History/Compare", "auditor",
       R"({"parent":"tenants/acme","from":{"position":"1"}})"},
      {"retrace.v1.History/Replay", "", R"({"parent":"tenants/acme"})", kWho},
      {"retrace.v1.History/Replay", "agent", R"({"parent":"tenants/acme"})", kDenied},
      {"retrace.v1.History/Replay", "auditor", R"({"parent":"tenants/globex"})", kNotFound},
      {"retrace.v1.History/Replay", "auditor",
       R"({"parent":"tenants/acme","from":{"position":"99"}})", kInvalid},
  };
  return *calls;
}

TEST_F(HttpCallsTest, ComeToTheSameWhicheverWayTheyCome) {
  const std::string customer = CreateCustomer();
  for (Call call : Calls()) {
    call.request = absl::StrReplaceAll(call.request, {{"CUSTOMER", customer}});
    const Ended ended = CheckSame(call);
    EXPECT_EQ(ended.code, call.code) << call.method << call.request << "\n" << ended;
    EXPECT_EQ(ended.replies.empty(), call.code != grpc::StatusCode::OK) << call.method;
  }
}

// No RPC is out of a browser's reach, and none is open to who has no token.
TEST_F(HttpCallsTest, ReachEveryMethod) {
  int methods = 0;
  for (const std::string& service : rpc_->service_names()) {
    const auto* descriptor =
        google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(service);
    for (int i = 0; i < descriptor->method_count(); ++i, ++methods) {
      const std::string method = service + "/" + descriptor->method(i)->name();
      EXPECT_EQ(CheckSame({method, "", "{}"}).code, kWho) << method;
      // Past the token and the permission: what is wrong is the request, or nothing is.
      const Ended ended = ByConnect({method, "root", "{}"}, Codec::kJson);
      EXPECT_NE(ended.code, kWho) << method;
      EXPECT_NE(ended.code, grpc::StatusCode::UNIMPLEMENTED) << method;
      EXPECT_NE(ended.code, grpc::StatusCode::INTERNAL) << method;
    }
  }
  EXPECT_GT(methods, 50);
}

TEST_F(HttpCallsTest, RecordTheCallerAsActor) {
  CreateCustomer();
  const Ended listed =
      ByGrpc({"retrace.v1.History/ListCommits", "auditor", R"({"parent":"tenants/acme"})"});
  v1::ListCommitsResponse commits;
  ASSERT_TRUE(!listed.replies.empty() && commits.ParseFromString(listed.replies[0])) << listed;
  ASSERT_EQ(commits.commits_size(), 1);
  EXPECT_EQ(commits.commits(0).actor(), "administrator");
}

}  // namespace
}  // namespace retrace::server::http
