#include "tests/server/rpc_fixture.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/impl/client_unary_call.h>
#include <grpcpp/security/credentials.h>

#include <fstream>
#include <sstream>

#include "google/protobuf/stubs/logging.h"
#include "google/rpc/status.pb.h"

namespace retrace::server {

WireError ErrorOf(const grpc::Status& status) {
  WireError error;
  google::rpc::Status details;
  EXPECT_TRUE(details.ParseFromString(status.error_details()));
  for (const google::protobuf::Any& any : details.details()) {
    google::rpc::ErrorInfo info;
    google::rpc::BadRequest bad_request;
    if (any.UnpackTo(&info)) {
      error.reason = info.reason();
      error.domain = info.domain();
    } else if (any.UnpackTo(&bad_request)) {
      for (const auto& violation : bad_request.field_violations()) {
        error.fields.push_back(violation.field());
      }
    }
    error.has_retry = error.has_retry || any.Is<google::rpc::RetryInfo>();
    error.has_help = error.has_help || any.Is<google::rpc::Help>();
  }
  return error;
}

grpc::ByteBuffer BytesOf(std::string_view bytes) {
  const grpc::Slice slice(bytes.data(), bytes.size());
  return grpc::ByteBuffer(&slice, 1);
}

RpcFixture::RpcFixture() {
  google::protobuf::SetLogHandler(nullptr);  // as the daemon does
  tenants_.Add("acme", 1);
  tenants_.Add("globex", 2);
  AddPrincipal("ann", {"administrator"}, {"acme"});
  AddPrincipal("agnes", {"agent"}, {"acme"});
  AddPrincipal("sam", {"administrator"}, {"acme"}, Principal::Kind::kService);
  AddPrincipal("otto", {"operator"}, {"*"});
  submit = [](Command command) { command.done({}); };
  get_commit = [](const QueryCall&, const v1::GetCommitRequest&) {
    return v1::GetCommitResponse();
  };
  get_digest = [](const QueryCall&, const v1::GetDigestRequest&) {
    return v1::GetDigestResponse();
  };
  watch = [](const QueryCall&, const v1::WatchCommitsRequest&, StreamWriter&) {
    return absl::OkStatus();
  };
}

RpcFixture::~RpcFixture() { StopServer(); }

void RpcFixture::StopServer() {
  if (listener_ != nullptr) {
    rpc_->Drain();
    listener_->Stop(absl::Now() + absl::Seconds(5));
  }
  listener_.reset();
  rpc_.reset();
}

std::string RpcFixture::AddPrincipal(const std::string& principal, std::vector<std::string> roles,
                                     std::vector<std::string> tenants, Principal::Kind kind) {
  TokenEntry entry;
  entry.principal = principal;
  entry.kind = kind;
  entry.roles = std::move(roles);
  entry.tenants = std::move(tenants);
  absl::StatusOr<std::string> token = AddToken(token_file(), entry);
  EXPECT_TRUE(token.ok()) << token.status();
  tokens_[principal] = *token;
  return *token;
}

void RpcFixture::ChangePrincipal(const std::string& principal, const std::string& old_text,
                                 const std::string& new_text) {
  std::ifstream in(token_file());
  std::string kept;
  std::string entry;
  const auto keep = [&] {
    if (entry.find("principal = \"" + principal + "\"") != std::string::npos) {
      const size_t at = old_text.empty() ? std::string::npos : entry.find(old_text);
      entry = at == std::string::npos ? "" : entry.replace(at, old_text.size(), new_text);
    }
    kept += entry;
    entry.clear();
  };
  for (std::string line; std::getline(in, line);) {
    if (line == "[[tokens]]") {
      keep();
    }
    entry += line + "\n";
  }
  keep();
  in.close();
  std::ofstream(token_file(), std::ios::trunc) << kept;
}

void RpcFixture::AddHistory() {
  RpcService& service = rpc_->AddService("retrace.v1.History");
  service.CommandWith<v1::BeginChangeSetRequest, v1::BeginChangeSetResponse>(
      "BeginChangeSet",
      [this](const v1::BeginChangeSetRequest& request, domain::Draft&, const domain::Context&) {
        decided = request;
        return absl::OkStatus();
      });
  service.Command<v1::EndChangeSetRequest, v1::EndChangeSetResponse>("EndChangeSet");
  service.CommandWith<v1::UndoRequest, v1::UndoResponse>(
      "Undo", [](const v1::UndoRequest&, domain::Draft&, const domain::Context&) {
        return absl::OkStatus();
      });
  service.CommandWith<v1::RestoreToRequest, v1::RestoreToResponse>(
      "RestoreTo", [](const v1::RestoreToRequest&, domain::Draft&, const domain::Context&) {
        return absl::OkStatus();
      });
  service.Query<v1::GetUndoConflictsRequest, v1::GetUndoConflictsResponse>(
      "GetUndoConflicts", [](const QueryCall&, const v1::GetUndoConflictsRequest&) {
        return absl::StatusOr<v1::GetUndoConflictsResponse>(v1::GetUndoConflictsResponse());
      });
  service.Query<v1::ListChangeSetsRequest, v1::ListChangeSetsResponse>(
      "ListChangeSets", [](const QueryCall&, const v1::ListChangeSetsRequest&) {
        return absl::StatusOr<v1::ListChangeSetsResponse>(absl::InternalError("secret words"));
      });
  service.Query<v1::ListCommitsRequest, v1::ListCommitsResponse>(
      "ListCommits", [](const QueryCall&, const v1::ListCommitsRequest&) {
        return absl::StatusOr<v1::ListCommitsResponse>(v1::ListCommitsResponse());
      });
  service.Query<v1::ListChangesRequest, v1::ListChangesResponse>(
      "ListChanges", [](const QueryCall&, const v1::ListChangesRequest&) {
        return absl::StatusOr<v1::ListChangesResponse>(v1::ListChangesResponse());
      });
  service.Query<v1::GetCommitRequest, v1::GetCommitResponse>(
      "GetCommit", [this](const QueryCall& call, const v1::GetCommitRequest& request) {
        return get_commit(call, request);
      });
  service.Query<v1::GetDigestRequest, v1::GetDigestResponse>(
      "GetDigest",
      [this](const QueryCall& call, const v1::GetDigestRequest& request) {
        return get_digest(call, request);
      },
      Lane::kSlow);
  service.Stream<v1::WatchCommitsRequest, v1::WatchCommitsResponse>(
      "WatchCommits", [this](const QueryCall& call, const v1::WatchCommitsRequest& request,
                             StreamWriter& writer) { return watch(call, request, writer); });
  const auto nothing = [](const QueryCall&, const auto&, StreamWriter&) {
    return absl::OkStatus();
  };
  service.Stream<v1::ReplayRequest, v1::ReplayResponse>("Replay", nothing);
  service.Stream<v1::CompareRequest, v1::CompareResponse>("Compare", nothing);
  service.Stream<v1::ExportCommitsRequest, v1::ExportCommitsResponse>("ExportCommits", nothing);
  service.Stream<v1::ExportKeysRequest, v1::ExportKeysResponse>("ExportKeys", nothing);
  service.Query<v1::ExplainRequest, v1::ExplainResponse>(
      "Explain", [](const QueryCall&, const v1::ExplainRequest&) {
        return absl::StatusOr<v1::ExplainResponse>(v1::ExplainResponse());
      });
}

void RpcFixture::Start(RpcOptions options, bool serving, bool reflection) {
  principals_ = *Principals::Open(token_file());
  rpc_ = std::make_unique<Rpc>(*principals_, metrics_, options);
  AddHistory();
  ListenerOptions listening;
  listening.addresses = {"127.0.0.1:0"};
  listening.reflection = reflection;
  absl::StatusOr<std::unique_ptr<Listener>> listener = Listener::Start(*rpc_, listening);
  ASSERT_TRUE(listener.ok()) << listener.status();
  listener_ = *std::move(listener);
  if (serving) {
    Serve();
  }
}

void RpcFixture::Serve() {
  rpc_->Serve(
      {.tenants = &tenants_, .submit = [this](Command command) { submit(std::move(command)); }});
  listener_->SetServing(true);
}

std::shared_ptr<grpc::Channel> RpcFixture::Channel() const {
  return grpc::CreateChannel("127.0.0.1:" + std::to_string(listener_->ports().front()),
                             grpc::InsecureChannelCredentials());
}

std::unique_ptr<grpc::ClientContext> RpcFixture::As(const std::string& principal) const {
  auto context = std::make_unique<grpc::ClientContext>();
  context->AddMetadata("authorization", "Bearer " + tokens_.at(principal));
  return context;
}

grpc::Status RpcFixture::CallRaw(const std::string& method, std::string_view bytes,
                                 const std::string& principal) const {
  const std::shared_ptr<grpc::Channel> channel = Channel();
  const std::unique_ptr<grpc::ClientContext> context =
      principal.empty() ? std::make_unique<grpc::ClientContext>() : As(principal);
  const std::string path = "/retrace.v1.History/" + method;
  const grpc::internal::RpcMethod rpc_method(path.c_str(), grpc::internal::RpcMethod::NORMAL_RPC,
                                             channel);
  grpc::ByteBuffer reply;
  return grpc::internal::BlockingUnaryCall(channel.get(), rpc_method, context.get(), BytesOf(bytes),
                                           &reply);
}

v1::BeginChangeSetRequest BeginRequest(const std::string& tenant) {
  v1::BeginChangeSetRequest request;
  request.set_parent("tenants/" + tenant);
  request.set_title("spring cleaning");
  return request;
}

v1::GetCommitRequest CommitRequest(const std::string& tenant) {
  v1::GetCommitRequest request;
  request.set_name("tenants/" + tenant + "/commits/1");
  return request;
}

v1::WatchCommitsRequest WatchRequest(const std::string& tenant) {
  v1::WatchCommitsRequest request;
  request.set_parent("tenants/" + tenant);
  return request;
}

}  // namespace retrace::server
