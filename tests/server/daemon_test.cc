// The program retraced: how it starts, refuses, stops and recovers.
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "google/longrunning/operations.grpc.pb.h"
#include "gtest/gtest.h"
#include "retrace/v1/admin.grpc.pb.h"
#include "retrace/v1/customers.grpc.pb.h"
#include "retrace/v1/history.grpc.pb.h"
#include "retrace/v1/operations.grpc.pb.h"
#include "retrace/v1/tenants.grpc.pb.h"
#include "server/exit_codes.h"
#include "tests/support/daemon.h"
#include "tests/support/http_client.h"
#include "tests/support/temp_directory.h"

namespace retrace::server {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;

struct Ended {
  int code = -1;
  std::string output;
};

Ended Retraced(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), testing::ProgramDirectory() + "/retraced");
  Ended run;
  run.code = testing::RunProgram(arguments, &run.output);
  return run;
}

TEST(RunProgram, KillsWhatDoesNotEnd) {
  std::string output;
  EXPECT_EQ(testing::RunProgram({"/bin/sh", "-c", "echo begun; exec sleep 1000"}, &output, 5), 137);
  EXPECT_EQ(output, "begun\nkilled: it ran longer than it may\n");
}

// Starts a daemon that is expected to refuse.
Ended ServeAndRefuse(const std::string& data) {
  return Retraced({"serve", "--data", data, "--listen", "none"});
}

class DaemonTest : public ::testing::Test {
 protected:
  static std::unique_ptr<grpc::ClientContext> As(const std::string& token) {
    auto context = std::make_unique<grpc::ClientContext>();
    context->AddMetadata("authorization", "Bearer " + token);
    return context;
  }
  std::unique_ptr<grpc::ClientContext> Root() const { return As(daemon_.token()); }

  void CreateTenant() {
    v1::CreateTenantRequest request;
    request.set_tenant_id("acme");
    v1::CreateTenantResponse reply;
    const grpc::Status status =
        v1::Tenants::NewStub(daemon_.Channel())->CreateTenant(Root().get(), request, &reply);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }

  std::string CreateCustomer(const std::string& name) {
    v1::CreateCustomerRequest request;
    request.set_parent("tenants/acme");
    request.mutable_customer()->set_display_name(name);
    v1::CreateCustomerResponse reply;
    const grpc::Status status =
        v1::Customers::NewStub(daemon_.Channel())->CreateCustomer(Root().get(), request, &reply);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return reply.customer().name();
  }

  void CreateCustomers(int count) {
    v1::BatchCreateCustomersRequest request;
    request.set_parent("tenants/acme");
    for (int i = 0; i < count; ++i) {
      request.add_requests()->mutable_customer()->set_display_name("One of many");
    }
    v1::BatchCreateCustomersResponse reply;
    const grpc::Status status = v1::Customers::NewStub(daemon_.Channel())
                                    ->BatchCreateCustomers(Root().get(), request, &reply);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }

  // Begins to deactivate all customers; the operation's name.
  std::string DeactivateAll() {
    v1::StartOperationRequest request;
    request.set_parent("tenants/acme");
    request.mutable_command()->PackFrom(v1::DeactivateCustomerRequest());
    request.set_filter("*");
    request.mutable_options()->set_reason("all of them");
    request.mutable_options()->set_acknowledged_count(2000);
    google::longrunning::Operation operation;
    const grpc::Status status = v1::Operations::NewStub(daemon_.Channel())
                                    ->StartOperation(Root().get(), request, &operation);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return operation.name();
  }

  // Digest of acme's content as a daemon answers it.
  static std::string Digest(const testing::Daemon& daemon, const std::string& token) {
    v1::GetDigestRequest request;
    request.set_parent("tenants/acme");
    v1::GetDigestResponse reply;
    const grpc::Status status =
        v1::History::NewStub(daemon.Channel())->GetDigest(As(token).get(), request, &reply);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return reply.content_digest();
  }

  testing::TempDirectory directory_;
  testing::Daemon daemon_{directory_.path()};
};

TEST_F(DaemonTest, StopsOnSigtermAndServesAgain) {
  ASSERT_TRUE(daemon_.Start()) << daemon_.log();
  CreateTenant();
  CreateCustomer("Lasting");
  const std::string digest = Digest(daemon_, daemon_.token());
  EXPECT_EQ(daemon_.Stop(), 0) << daemon_.log();
  EXPECT_EQ(Retraced({"health", "--data", daemon_.data()}).code, 1);
  ASSERT_TRUE(daemon_.Start()) << daemon_.log();
  EXPECT_EQ(Digest(daemon_, daemon_.token()), digest);
  EXPECT_THAT(daemon_.log(), HasSubstr("opened at the head"));
}

// Operations send commands until the last moment, and go on after the start.
TEST_F(DaemonTest, StopsInTheMiddleOfOperations) {
  ASSERT_TRUE(daemon_.Start()) << daemon_.log();
  CreateTenant();
  for (int i = 0; i < 4; ++i) CreateCustomers(500);
  std::string operation = DeactivateAll();
  for (int round = 0; round < 3; ++round) {
    ASSERT_EQ(daemon_.Stop(), 0) << daemon_.log();
    ASSERT_TRUE(daemon_.Start()) << daemon_.log();
  }
  google::longrunning::Operation ended;
  while (!ended.done()) {
    google::longrunning::WaitOperationRequest request;
    request.set_name(operation);
    const grpc::Status status = google::longrunning::Operations::NewStub(daemon_.Channel())
                                    ->WaitOperation(Root().get(), request, &ended);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }
  v1::OperationResult result;
  ASSERT_TRUE(ended.response().UnpackTo(&result)) << ended.DebugString();
  EXPECT_EQ(result.ok_count(), 2000);
}

TEST_F(DaemonTest, RefusesASecondDaemonOnItsData) {
  ASSERT_TRUE(daemon_.Start()) << daemon_.log();
  const Ended second = ServeAndRefuse(daemon_.data());
  EXPECT_EQ(second.code, static_cast<int>(ExitCode::kInUse));
  EXPECT_THAT(second.output, HasSubstr("another process has it open"));
  // The first one still answers: its socket was left alone.
  EXPECT_EQ(Retraced({"health", "--data", daemon_.data()}).code, 0);
}

TEST_F(DaemonTest, SaysWhatToDoWithoutData) {
  Ended run = ServeAndRefuse(directory_.Below("nothing"));
  EXPECT_EQ(run.code, static_cast<int>(ExitCode::kUsage));
  EXPECT_THAT(run.output, HasSubstr("retraced init"));
  const std::string empty = directory_.Below("empty");
  fs::create_directory(empty);
  run = ServeAndRefuse(empty);
  EXPECT_EQ(run.code, static_cast<int>(ExitCode::kUsage));
  EXPECT_THAT(run.output, HasSubstr("there is no data in"));
  EXPECT_THAT(run.output, HasSubstr("retraced init"));
  EXPECT_TRUE(fs::is_empty(empty));
  EXPECT_EQ(Retraced({"init", empty}).code, 0);
  // A data directory that lost only its tokens is told of those.
  fs::remove(empty + "/tokens.toml");
  EXPECT_THAT(ServeAndRefuse(empty).output, HasSubstr("retraced token new"));
}

TEST_F(DaemonTest, InitOverwritesNothing) {
  const Ended again = Retraced({"init", daemon_.data()});
  EXPECT_EQ(again.code, static_cast<int>(ExitCode::kUsage));
  EXPECT_THAT(again.output, HasSubstr("is there already"));
  struct stat status {};
  ASSERT_EQ(stat((daemon_.data() + "/tokens.toml").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  ASSERT_EQ(stat((daemon_.data() + "/root.token").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
}

TEST_F(DaemonTest, NewTokensAreTakenWithinSeconds) {
  ASSERT_TRUE(daemon_.Start()) << daemon_.log();
  CreateTenant();
  const Ended made = Retraced({"token", "new", "--data", daemon_.data(), "--principal", "eve",
                               "--role", "auditor", "--tenant", "acme"});
  ASSERT_EQ(made.code, 0) << made.output;
  const std::string token = made.output.substr(0, made.output.find('\n'));
  v1::GetDigestRequest request;
  request.set_parent("tenants/acme");
  v1::GetDigestResponse reply;
  grpc::Status status;
  for (int i = 0; i < 200; ++i) {
    status = v1::History::NewStub(daemon_.Channel())->GetDigest(As(token).get(), request, &reply);
    if (status.ok()) {
      break;
    }
    absl::SleepFor(absl::Milliseconds(50));
  }
  EXPECT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(Retraced({"token", "new", "--data", daemon_.data(), "--principal", "eve", "--role",
                      "boss", "--tenant", "acme"})
                .code,
            static_cast<int>(ExitCode::kUsage));
}

TEST_F(DaemonTest, RefusesATokenFileOpenToOthers) {
  ASSERT_EQ(chmod((daemon_.data() + "/tokens.toml").c_str(), 0644), 0);
  const Ended run = ServeAndRefuse(daemon_.data());
  EXPECT_EQ(run.code, static_cast<int>(ExitCode::kUsage));
  EXPECT_THAT(run.output, HasSubstr("chmod 600"));
}

TEST_F(DaemonTest, RefusesAWrongMasterKey) {
  ASSERT_TRUE(daemon_.Start()) << daemon_.log();
  CreateTenant();
  ASSERT_EQ(daemon_.Stop(), 0);
  const std::string key = daemon_.data() + "/master.key";
  fs::rename(key, key + ".away");
  Ended run = ServeAndRefuse(daemon_.data());
  EXPECT_EQ(run.code, static_cast<int>(ExitCode::kKeys));
  EXPECT_THAT(run.output, HasSubstr("master.key"));
  std::ofstream(key) << std::string(64, 'a') << "\n";
  ASSERT_EQ(chmod(key.c_str(), 0600), 0);
  run = ServeAndRefuse(daemon_.data());
  EXPECT_EQ(run.code, static_cast<int>(ExitCode::kKeys));
  ASSERT_EQ(chmod(key.c_str(), 0644), 0);
  EXPECT_EQ(ServeAndRefuse(daemon_.data()).code, static_cast<int>(ExitCode::kKeys));
  fs::rename(key + ".away", key);
  EXPECT_TRUE(daemon_.Start()) << daemon_.log();
}

TEST_F(DaemonTest, RefusesAMissingWitnessUntilLossIsAccepted) {
  ASSERT_TRUE(daemon_.Start()) << daemon_.log();
  CreateTenant();
  const std::string name = CreateCustomer("Kept");
  ASSERT_EQ(daemon_.Stop(), 0);
  fs::remove_all(daemon_.data() + "/witness");
  const Ended run = ServeAndRefuse(daemon_.data());
  EXPECT_EQ(run.code, static_cast<int>(ExitCode::kWitness));
  EXPECT_THAT(run.output, HasSubstr("accept-loss"));
  const Ended accepted = Retraced({"accept-loss", "--data", daemon_.data()});
  ASSERT_EQ(accepted.code, 0) << accepted.output;
  EXPECT_THAT(accepted.output, HasSubstr("Accepted: "));
  EXPECT_THAT(accepted.output, Not(HasSubstr("retraced"))) << "advice after the fact";
  const Ended again = Retraced({"accept-loss", "--data", daemon_.data()});
  EXPECT_EQ(again.code, 0);
  EXPECT_THAT(again.output, HasSubstr("There is no loss to accept"));
  ASSERT_TRUE(daemon_.Start()) << daemon_.log();
  v1::GetCustomerRequest request;
  request.set_name(name);
  v1::GetCustomerResponse reply;
  EXPECT_TRUE(
      v1::Customers::NewStub(daemon_.Channel())->GetCustomer(Root().get(), request, &reply).ok());
  v1::ListCommitsRequest commits;
  commits.set_parent("tenants/system");
  v1::ListCommitsResponse listed;
  ASSERT_TRUE(
      v1::History::NewStub(daemon_.Channel())->ListCommits(Root().get(), commits, &listed).ok());
  ASSERT_GT(listed.commits_size(), 0);
  EXPECT_EQ(listed.commits(0).events(0).type(), "EpochBegan");
  EXPECT_NE(listed.commits(0).epoch(), listed.commits(listed.commits_size() - 1).epoch());
}

TEST_F(DaemonTest, RefusesAMissingOrDamagedLog) {
  ASSERT_TRUE(daemon_.Start()) << daemon_.log();
  CreateTenant();
  ASSERT_EQ(daemon_.Stop(), 0);
  fs::rename(daemon_.data() + "/log", daemon_.data() + "/log.away");
  Ended run = ServeAndRefuse(daemon_.data());
  EXPECT_EQ(run.code, static_cast<int>(ExitCode::kLog)) << run.output;
  run = Retraced({"accept-loss", "--data", daemon_.data()});
  EXPECT_EQ(run.code, static_cast<int>(ExitCode::kLog)) << run.output;
  // Nothing was made in its place.
  ASSERT_FALSE(fs::exists(daemon_.data() + "/log"));
  fs::rename(daemon_.data() + "/log.away", daemon_.data() + "/log");
  std::ofstream(daemon_.data() + "/log/CURRENT", std::ios::trunc) << "nonsense\n";
  run = ServeAndRefuse(daemon_.data());
  EXPECT_EQ(run.code, static_cast<int>(ExitCode::kLog)) << run.output;
  EXPECT_THAT(run.output, HasSubstr("log"));
}

TEST_F(DaemonTest, RefusesKeysWithoutLogAndWitness) {
  ASSERT_TRUE(daemon_.Start()) << daemon_.log();
  CreateTenant();
  ASSERT_EQ(daemon_.Stop(), 0);
  for (const std::string part : {"log", "witness"}) {
    fs::rename(daemon_.data() + "/" + part, daemon_.data() + "/" + part + ".away");
  }
  const Ended run = ServeAndRefuse(daemon_.data());
  EXPECT_EQ(run.code, static_cast<int>(ExitCode::kLog)) << run.output;
  EXPECT_THAT(run.output, HasSubstr("put them back"));
  // Nothing was made in their place.
  for (const std::string part : {"log", "witness"}) {
    EXPECT_FALSE(fs::exists(daemon_.data() + "/" + part));
    fs::rename(daemon_.data() + "/" + part + ".away", daemon_.data() + "/" + part);
  }
  EXPECT_TRUE(daemon_.Start()) << daemon_.log();
}

TEST_F(DaemonTest, RebuildsDamagedRows) {
  ASSERT_TRUE(daemon_.Start()) << daemon_.log();
  CreateTenant();
  CreateCustomer("One");
  const std::string digest = Digest(daemon_, daemon_.token());
  ASSERT_EQ(daemon_.Stop(), 0);
  std::ofstream(daemon_.data() + "/rows/CURRENT", std::ios::trunc) << "nonsense\n";
  ASSERT_TRUE(daemon_.Start()) << daemon_.log();
  EXPECT_EQ(Digest(daemon_, daemon_.token()), digest);
  EXPECT_THAT(daemon_.log(), HasSubstr("rebuilt"));
}

TEST_F(DaemonTest, RecoversABackupIntoANewDirectory) {
  ASSERT_TRUE(daemon_.Start()) << daemon_.log();
  CreateTenant();
  CreateCustomer("Before");
  const std::string digest = Digest(daemon_, daemon_.token());
  v1::BackupResponse backup;
  const grpc::Status made =
      v1::Admin::NewStub(daemon_.Channel())->Backup(Root().get(), v1::BackupRequest(), &backup);
  ASSERT_TRUE(made.ok()) << made.error_message();
  const std::string after = CreateCustomer("After");
  ASSERT_EQ(daemon_.Stop(), 0);

  const std::vector<std::string> recover = {"recover",
                                            "--from",
                                            backup.directory(),
                                            "--keys",
                                            backup.key_directory(),
                                            "--master-key",
                                            daemon_.data() + "/master.key",
                                            "--to",
                                            directory_.Below("second/data")};
  const Ended run = Retraced(recover);
  ASSERT_EQ(run.code, 0) << run.output;
  // Not twice into the same.
  EXPECT_EQ(Retraced(recover).code, static_cast<int>(ExitCode::kUsage));
  std::ifstream token_file(directory_.Below("second/data/root.token"));
  std::string token;
  std::getline(token_file, token);

  testing::Daemon second(directory_.Below("second"), testing::Daemon::kPresent);
  ASSERT_TRUE(second.Start()) << second.log();
  EXPECT_EQ(Digest(second, token), digest);
  v1::WatchCommitsRequest watch;
  watch.set_parent("tenants/acme");
  watch.set_after_position(2);
  watch.set_epoch(backup.epoch());
  const auto context = As(token);
  const auto reader = v1::History::NewStub(second.Channel())->WatchCommits(context.get(), watch);
  v1::WatchCommitsResponse message;
  EXPECT_FALSE(reader->Read(&message));
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::FAILED_PRECONDITION);
}

TEST_F(DaemonTest, FlagsGoBeforeEnvironmentBeforeFile) {
  const std::string file = directory_.Below("retraced.toml");
  std::ofstream(file) << "cache_mib = 16\nlog_level = \"warn\"\nquery_threads = 3\n";
  ASSERT_EQ(setenv("RETRACED_LOG_LEVEL", "error", 1), 0);
  ASSERT_EQ(setenv("RETRACED_QUERY_THREADS", "4", 1), 0);
  const Ended run = Retraced({"--config", file, "--query-threads", "5", "--listen",
                              "127.0.0.1:1,127.0.0.1:2", "--print-config"});
  unsetenv("RETRACED_LOG_LEVEL");
  unsetenv("RETRACED_QUERY_THREADS");
  EXPECT_EQ(run.code, 0) << run.output;
  EXPECT_THAT(run.output, HasSubstr("cache_mib = 16"));
  EXPECT_THAT(run.output, HasSubstr("log_level = \"error\""));
  EXPECT_THAT(run.output, HasSubstr("query_threads = 5"));
  EXPECT_THAT(run.output, HasSubstr("listen = [\"127.0.0.1:1\", \"127.0.0.1:2\"]"));
  EXPECT_EQ(Retraced({"--no-such-flag"}).code, static_cast<int>(ExitCode::kUsage));
}

TEST_F(DaemonTest, SaysWhatItIs) {
  EXPECT_THAT(Retraced({"--version"}).output, HasSubstr("retraced "));
  const Ended help = Retraced({"--help"});
  EXPECT_EQ(help.code, 0);
  EXPECT_THAT(help.output, HasSubstr("Exit codes"));
  EXPECT_THAT(Retraced({"roles"}).output, HasSubstr("| `customers.undelete-any` |"));
}

TEST_F(DaemonTest, RefusesAnAddressThatIsTaken) {
  ASSERT_TRUE(daemon_.Start()) << daemon_.log();
  const std::string other = directory_.Below("other");
  ASSERT_EQ(Retraced({"init", other}).code, 0);
  const Ended run = Retraced({"serve", "--data", other, "--listen", "256.0.0.1:1"});
  EXPECT_EQ(run.code, static_cast<int>(ExitCode::kAddress)) << run.output;
  const Ended long_socket = Retraced({"serve", "--data", other, "--listen", "none", "--socket",
                                      directory_.Below(std::string(150, 's'))});
  EXPECT_EQ(long_socket.code, static_cast<int>(ExitCode::kAddress)) << long_socket.output;
  const Ended http =
      Retraced({"serve", "--data", other, "--listen", "none", "--http-listen", "256.0.0.1:1"});
  EXPECT_EQ(http.code, static_cast<int>(ExitCode::kAddress)) << http.output;
  const Ended no_cert = Retraced({"serve", "--data", other, "--listen", "none", "--http-tls-cert",
                                  other + "/none.pem", "--http-tls-key", other + "/none.pem"});
  EXPECT_EQ(no_cert.code, static_cast<int>(ExitCode::kUsage)) << no_cert.output;
  EXPECT_THAT(no_cert.output, HasSubstr("none.pem"));
}

// Open connections do not hold a daemon up that is asked to stop.
TEST_F(DaemonTest, ServesHttpUntilItStops) {
  ASSERT_TRUE(daemon_.Start()) << daemon_.log();
  testing::HttpClient idle(daemon_.data() + "/http.sock");
  EXPECT_EQ(idle.Call(testing::HttpRequest("GET", "/readyz")).status, 200);
  testing::HttpClient half(daemon_.data() + "/http.sock");
  half.Send("GET /healthz HTTP/1.1\r\nHo");  // or it is not read yet: both do
  EXPECT_EQ(daemon_.Stop(), 0);
  EXPECT_TRUE(idle.ReadsEnd());
  EXPECT_FALSE(fs::exists(daemon_.data() + "/http.sock"));
}

}  // namespace
}  // namespace retrace::server
