// The whole server within the test's process: ledger, sequencer and every service behind real gRPC.
#pragma once

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "server/ledger.h"
#include "server/listener.h"
#include "server/principals.h"
#include "server/rpc.h"
#include "server/sequencer.h"
#include "server/services.h"
#include "tests/support/temp_directory.h"

namespace retrace::server {

// Tenants acme and globex exist. Principals, each of acme only: one named like each role; besides,
// `root` with the roles administrator and operator in every tenant.
class ServiceFixture : public ::testing::Test {
 protected:
  ServiceFixture();
  ~ServiceFixture() override;

  void Open();
  void Close();

  std::shared_ptr<grpc::Channel> Channel() const;
  std::unique_ptr<grpc::ClientContext> As(const std::string& principal) const;
  // Gives the principal of a role another role in the token file.
  void ChangeRole(const std::string& principal, const std::string& role);

  testing::TempDirectory directory_;
  std::map<std::string, std::string> tokens_;
  Metrics metrics_;
  std::unique_ptr<Principals> principals_;
  Backend backend_;
  std::unique_ptr<Rpc> rpc_;
  std::unique_ptr<Listener> listener_;
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<Sequencer> sequencer_;
  // How far the sequencer's clock is ahead of the system's.
  std::atomic<int64_t> passed_us_{0};
  // Refuses commands for want of room.
  std::atomic<bool> disk_full_{false};

 private:
  void AddPrincipal(const std::string& principal, std::vector<std::string> roles,
                    std::vector<std::string> tenants);
  void CreateTenant(const std::string& id);
};

}  // namespace retrace::server
