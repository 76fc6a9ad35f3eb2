#include "tests/server/service_fixture.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <fstream>
#include <sstream>

#include "absl/time/clock.h"
#include "eventstore/key_store.h"
#include "retrace/v1/tenants.grpc.pb.h"
#include "server/roles.h"
#include "server/system_log.h"

namespace retrace::server {

ServiceFixture::ServiceFixture() {
  for (const Role& role : Roles()) {
    AddPrincipal(std::string(role.name), {std::string(role.name)}, {"acme"});
  }
  AddPrincipal("root", {"administrator", "operator"}, {"*"});
  EXPECT_TRUE(eventstore::KeyStore::MakeMasterKey(directory_.Below("master.key")).ok());
  Open();
  CreateTenant("acme");
  CreateTenant("globex");
}

ServiceFixture::~ServiceFixture() { Close(); }

void ServiceFixture::Open() {
  principals_ = *Principals::Open(directory_.Below("tokens.toml"));
  backend_.backups = {directory_.Below("backups"), directory_.Below("key-backups")};
  rpc_ = std::make_unique<Rpc>(*principals_, metrics_);
  AddAllServices(*rpc_, backend_);
  auto listener = Listener::Start(*rpc_, {.addresses = {"127.0.0.1:0"}});
  ASSERT_TRUE(listener.ok()) << listener.status();
  listener_ = *std::move(listener);
  LedgerOptions options;
  options.data_directory = directory_.path();
  options.master_key_file = directory_.Below("master.key");
  options.cache_bytes = 8u << 20;
  options.on_failure = [](const absl::Status& status) { ADD_FAILURE() << status; };
  auto ledger = Ledger::Open(options);
  ASSERT_TRUE(ledger.ok()) << ledger.status();
  ledger_ = *std::move(ledger);
  SequencerOptions sequencing;
  sequencing.wall_us = [this] { return absl::ToUnixMicros(absl::Now()) + passed_us_; };
  sequencing.monotonic_us = sequencing.wall_us;
  sequencing.disk_full = [this] { return disk_full_.load(); };
  sequencer_ = std::make_unique<Sequencer>(ledger_->log(), ledger_->keys(), ledger_->rows(),
                                           ledger_->tenants(), std::move(sequencing));
  const auto recorded = RecordEpoch(*ledger_, *sequencer_, "ACCEPTED_LOSS", "");
  ASSERT_TRUE(recorded.ok()) << recorded.status();
  backend_.Open(*ledger_, *sequencer_, *rpc_);
  rpc_->Serve({.tenants = &ledger_->tenants(),
               .submit = [this](Command command) { sequencer_->Submit(std::move(command)); },
               .rows = &ledger_->rows(),
               .plans = &*backend_.plans});
}

void ServiceFixture::Close() {
  if (rpc_ != nullptr) {
    rpc_->Drain();
  }
  listener_.reset();
  if (sequencer_ != nullptr) {
    sequencer_->Drain();
  }
  backend_.Close();
  rpc_.reset();
  sequencer_.reset();
  ledger_.reset();
}

std::shared_ptr<grpc::Channel> ServiceFixture::Channel() const {
  return grpc::CreateChannel("127.0.0.1:" + std::to_string(listener_->ports().front()),
                             grpc::InsecureChannelCredentials());
}

std::unique_ptr<grpc::ClientContext> ServiceFixture::As(const std::string& principal) const {
  auto context = std::make_unique<grpc::ClientContext>();
  context->AddMetadata("authorization", "Bearer " + tokens_.at(principal));
  return context;
}

void ServiceFixture::AddPrincipal(const std::string& principal, std::vector<std::string> roles,
                                  std::vector<std::string> tenants) {
  TokenEntry entry;
  entry.principal = principal;
  entry.roles = std::move(roles);
  entry.tenants = std::move(tenants);
  const auto token = AddToken(directory_.Below("tokens.toml"), entry);
  ASSERT_TRUE(token.ok()) << token.status();
  tokens_[principal] = *token;
}

void ServiceFixture::ChangeRole(const std::string& principal, const std::string& role) {
  const std::string file = directory_.Below("tokens.toml");
  std::stringstream text;
  text << std::ifstream(file).rdbuf();
  std::string tokens = text.str();
  const std::string before = "roles = [\"" + principal + "\"]";
  const size_t at = tokens.find(before);
  ASSERT_NE(at, std::string::npos) << tokens;
  tokens.replace(at, before.size(), "roles = [\"" + role + "\"]");
  std::ofstream(file, std::ios::trunc) << tokens;
  const absl::StatusOr<bool> changed = principals_->Refresh();
  ASSERT_TRUE(changed.ok() && *changed) << changed.status();
}

void ServiceFixture::CreateTenant(const std::string& id) {
  v1::CreateTenantRequest request;
  request.set_tenant_id(id);
  v1::CreateTenantResponse reply;
  const grpc::Status status =
      v1::Tenants::NewStub(Channel())->CreateTenant(As("root").get(), request, &reply);
  ASSERT_TRUE(status.ok()) << status.error_message();
  ASSERT_EQ(reply.tenant().name(), "tenants/" + id);
}

}  // namespace retrace::server
