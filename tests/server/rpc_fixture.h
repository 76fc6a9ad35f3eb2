// The rpc template behind a real gRPC server, with handlers that a test puts in.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/status.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "google/protobuf/message.h"
#include "google/rpc/error_details.pb.h"
#include "gtest/gtest.h"
#include "retrace/v1/history.grpc.pb.h"
#include "server/listener.h"
#include "server/principals.h"
#include "server/rpc.h"
#include "tests/support/temp_directory.h"

namespace retrace::server {

// What a status says beside its code and message.
struct WireError {
  std::string reason;
  std::string domain;
  std::vector<std::string> fields;
  bool has_retry = false;
  bool has_help = false;
};
WireError ErrorOf(const grpc::Status& status);

// Parses bytes as they come over the wire.
grpc::ByteBuffer BytesOf(std::string_view bytes);

// Serves retrace.v1.History. Principals: `ann` administrator and `agnes` agent of acme, `sam` a
// SERVICE of acme, `otto` operator of every tenant. Tenants: acme, globex.
class RpcFixture : public ::testing::Test {
 protected:
  RpcFixture();
  ~RpcFixture() override;

  // Starts listening; calls are answered unless `serving` is false.
  void Start(RpcOptions options = {}, bool serving = true, bool reflection = true);
  void Serve();
  void StopServer();

  std::shared_ptr<grpc::Channel> Channel() const;
  v1::History::Stub Stub() const { return v1::History::Stub(Channel()); }
  // A context with the principal's token.
  std::unique_ptr<grpc::ClientContext> As(const std::string& principal) const;
  // Calls a method of History with bytes of any kind.
  grpc::Status CallRaw(const std::string& method, std::string_view bytes,
                       const std::string& principal = "ann") const;
  grpc::Status CallRaw(const std::string& method, const google::protobuf::Message& request,
                       const std::string& principal = "ann") const {
    return CallRaw(method, request.SerializeAsString(), principal);
  }

  std::string AddPrincipal(const std::string& principal, std::vector<std::string> roles,
                           std::vector<std::string> tenants,
                           Principal::Kind kind = Principal::Kind::kHuman);
  // Rewrites the token file with another text in this principal's entry; without the entry when the
  // old text is empty.
  void ChangePrincipal(const std::string& principal, const std::string& old_text,
                       const std::string& new_text);
  void RemovePrincipal(const std::string& principal) { ChangePrincipal(principal, "", ""); }
  std::string token_file() const { return directory_.Below("tokens.toml"); }

  // What the template hands to the test.
  std::function<absl::StatusOr<v1::GetCommitResponse>(const QueryCall&,
                                                      const v1::GetCommitRequest&)>
      get_commit;
  std::function<absl::StatusOr<v1::GetDigestResponse>(const QueryCall&,
                                                      const v1::GetDigestRequest&)>
      get_digest;
  std::function<absl::Status(const QueryCall&, const v1::WatchCommitsRequest&, StreamWriter&)>
      watch;
  std::function<void(Command)> submit;
  // The request as decide saw it.
  v1::BeginChangeSetRequest decided;

  testing::TempDirectory directory_;
  Tenants tenants_;
  Metrics metrics_;
  std::map<std::string, std::string> tokens_;
  std::unique_ptr<Principals> principals_;
  std::unique_ptr<Rpc> rpc_;
  std::unique_ptr<Listener> listener_;

 private:
  void AddHistory();
};

// A well-formed request of each kind for tenant `acme`.
v1::BeginChangeSetRequest BeginRequest(const std::string& tenant = "acme");
v1::GetCommitRequest CommitRequest(const std::string& tenant = "acme");
v1::WatchCommitsRequest WatchRequest(const std::string& tenant = "acme");

}  // namespace retrace::server
